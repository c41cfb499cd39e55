package savedsyn

// sysGetsockopt is a system call of its own since Linux 4.3, which is also the
// first to save SYNs; package syscall has only the older socketcall.
const sysGetsockopt = 365
