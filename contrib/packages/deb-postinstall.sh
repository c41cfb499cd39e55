#!/bin/sh
# After an installation ("configure"), or an upgrade ("configure" and the version
# before).
set -e

[ "$1" = configure ] || exit 0

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
	mxprint check -write -user mxprint -config /etc/mxprint.toml >/dev/null && return
	echo "mxprint: /etc/mxprint.toml is wrong, see above: the running sensor is left as it is. Mend it, then: systemctl restart mxprint" >&2
	return 1
}

# As debhelper does it: on by default, and what the administrator chose stays.
deb-systemd-helper unmask mxprint.service >/dev/null || true
if deb-systemd-helper --quiet was-enabled mxprint.service; then
	deb-systemd-helper enable mxprint.service >/dev/null || true
else
	deb-systemd-helper update-state mxprint.service >/dev/null || true
fi

[ -d /run/systemd/system ] || exit 0
systemctl --system daemon-reload >/dev/null || true
if [ -z "$2" ]; then
	deb-systemd-invoke start mxprint.service || true # heeds policy-rc.d
elif config_is_good; then
	# The clients of p0f's socket do not notice. What is stopped stays so.
	for unit in mxprint.service mxprint-p0f.service; do
		if systemctl --quiet is-active "$unit"; then
			deb-systemd-invoke restart "$unit" || true
		fi
	done
fi
