#!/bin/sh
# After a removal. The user stays: files may be theirs.
set -e

if [ -d /run/systemd/system ]; then
	systemctl daemon-reload || true
fi
