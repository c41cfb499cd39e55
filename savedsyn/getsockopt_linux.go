//go:build linux && !386

package savedsyn

import "syscall"

const sysGetsockopt = syscall.SYS_GETSOCKOPT
