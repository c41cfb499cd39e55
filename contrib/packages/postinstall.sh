#!/bin/sh
# After an installation or an upgrade, of dpkg ("configure", and the version
# before if there was one) and of rpm (the number of versions installed).
set -e

case "$1" in
configure) [ -n "$2" ] && upgrade=yes || upgrade= ;;
1) upgrade= ;;
2) upgrade=yes ;;
*) exit 0 ;;
esac

if ! getent passwd mxprint >/dev/null; then
	useradd --system --user-group --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin mxprint
fi

# Debian's p0f is /usr/sbin/p0f, and stays what it is.
update-alternatives --install /usr/bin/p0f p0f /usr/bin/mxprint 50 \
	--slave /usr/share/man/man1/p0f.1.gz p0f.1.gz /usr/share/man/man1/mxprint-p0f.1.gz

[ -d /run/systemd/system ] || exit 0
systemctl daemon-reload
if [ -n "$upgrade" ]; then
	# The clients of p0f's socket do not notice.
	systemctl try-restart mxprint.service mxprint-p0f.service
else
	# As the distribution has it: Debian starts what it installs, Fedora does not.
	systemctl preset mxprint.service
	if [ "$1" = configure ] && systemctl --quiet is-enabled mxprint.service; then
		if command -v deb-systemd-invoke >/dev/null; then # heeds policy-rc.d
			deb-systemd-invoke start mxprint.service || true
		fi
	fi
fi
