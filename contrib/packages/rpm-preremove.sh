#!/bin/sh
# Before a removal (0); an upgrade changes nothing here.
set -e

[ "$1" = 0 ] || exit 0

if [ -d /run/systemd/system ]; then
	systemctl disable --now mxprint.socket mxprint.service mxprint-p0f.service || true
fi
update-alternatives --remove p0f /usr/bin/mxprint
