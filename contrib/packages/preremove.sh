#!/bin/sh
# Before a removal; an upgrade changes nothing here.
set -e

case "$1" in
remove | 0) ;;
*) exit 0 ;;
esac

if [ -d /run/systemd/system ]; then
	systemctl disable --now mxprint.service mxprint-p0f.service
fi
update-alternatives --remove p0f /usr/bin/mxprint
