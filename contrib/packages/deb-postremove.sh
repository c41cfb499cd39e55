#!/bin/sh
# After a removal. The user stays: files may be theirs.
set -e

if [ -d /run/systemd/system ]; then
	systemctl --system daemon-reload >/dev/null || true
fi
case "$1" in
remove)
	if command -v deb-systemd-helper >/dev/null; then
		deb-systemd-helper mask mxprint.service >/dev/null || true
	fi
	;;
purge)
	rm -rf /run/mxprint /var/lib/mxprint /var/lib/private/mxprint /var/log/mxprint /var/log/private/mxprint
	if command -v deb-systemd-helper >/dev/null; then
		for unit in mxprint.service mxprint-p0f.service mxprint.socket; do
			deb-systemd-helper purge "$unit" >/dev/null || true
			deb-systemd-helper unmask "$unit" >/dev/null || true
		done
	fi
	;;
esac
