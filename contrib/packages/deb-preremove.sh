#!/bin/sh
# Before a removal; an upgrade changes nothing here.
set -e

[ "$1" = remove ] || exit 0

if [ -d /run/systemd/system ]; then
	deb-systemd-invoke stop mxprint.socket mxprint.service mxprint-p0f.service || true
fi
# What the administrator has enabled, for the purge to disable.
deb-systemd-helper update-state mxprint.service mxprint-p0f.service mxprint.socket >/dev/null || true
update-alternatives --remove p0f /usr/bin/mxprint
