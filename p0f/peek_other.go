//go:build !linux

package p0f

import "syscall"

// A peeker reads a socket. Linux can leave there what was read.
type peeker struct{}

func (*peeker) leave(int) {}

func (*peeker) read(fd int, b []byte) (int, error) { return syscall.Read(fd, b) }

func (*peeker) take(int) error { return nil }
