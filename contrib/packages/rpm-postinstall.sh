#!/bin/sh
# After an installation (1) or an upgrade (2: the number of versions installed).
set -e

if ! getent passwd mxprint >/dev/null; then
	useradd --system --user-group --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin mxprint
fi

# The distribution's p0f is /usr/sbin/p0f, and stays what it is.
update-alternatives --install /usr/bin/p0f p0f /usr/bin/mxprint 50 \
	--slave /usr/share/man/man1/p0f.1.gz p0f.1.gz /usr/share/man/man1/mxprint-p0f.1.gz

# A sensor that runs goes on as it is where the new program does not take the
# configuration: a restart would end it, and a mistake in /etc/mxprint.toml is no
# reason to stop the package manager. It is asked as the sensor's own user.
config_is_good() {
	/usr/bin/mxprint check -write -user mxprint -config /etc/mxprint.toml >/dev/null && return
	echo "mxprint: /etc/mxprint.toml is wrong, see above: the running sensor is left as it is. Mend it, then: systemctl restart mxprint" >&2
	return 1
}

[ -d /run/systemd/system ] || exit 0
systemctl daemon-reload || true
if [ "$1" = 1 ]; then
	systemctl preset mxprint.service || true # Fedora starts nothing that it installs
elif config_is_good; then
	systemctl try-restart mxprint.service mxprint-p0f.service || true
fi
