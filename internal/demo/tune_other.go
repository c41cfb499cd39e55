//go:build !linux

package demo

import (
	"errors"
	"syscall"
)

// The live part ends before this: savedsyn has no SYNs here.
func (s sender) tune(string, string, syscall.RawConn) error { return errors.ErrUnsupported }
