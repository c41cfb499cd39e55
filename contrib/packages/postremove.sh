#!/bin/sh
# After a removal. The user stays: files may be his.
set -e

if [ "$1" = purge ]; then
	rm -rf /var/lib/mxprint /var/lib/private/mxprint /var/log/mxprint /var/log/private/mxprint
fi
if [ -d /run/systemd/system ]; then
	systemctl daemon-reload
fi
