//go:build cgo

package sandbox

import (
	"fmt"
	"os"
)

// canReachThreads fails where psx, in a program linked with C, would end it: it
// looks for its threads in /proc, which a chroot does not have.
func canReachThreads() error {
	if _, err := os.ReadDir("/proc/self/task"); err != nil {
		return fmt.Errorf("sandbox: a program built with cgo needs /proc for it: %w", err)
	}
	return nil
}
