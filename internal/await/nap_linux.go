package await

import (
	"syscall"
	"time"
)

// nap sleeps in the kernel: Go's runtime, with nothing else to do, wakes a
// millisecond late.
func nap(d time.Duration) {
	t := syscall.NsecToTimespec(int64(d))
	syscall.Nanosleep(&t, nil)
}
