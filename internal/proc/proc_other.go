//go:build !linux

package proc

import "os"

// Sockets are not to be seen here.
func Sockets(network string) []Socket { return nil }

// Holder is not to be seen here.
func Holder(inodes map[string]bool) (pid int, name string) { return 0, "" }

// Locker is not to be seen here.
func Locker(file os.FileInfo) (pid int, name string) { return 0, "" }
