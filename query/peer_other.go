//go:build !linux

package query

import (
	"errors"
	"net"
)

// peerUID is not known here: the sensor runs on Linux alone.
func peerUID(*net.UnixConn) (int, error) { return -1, errors.ErrUnsupported }
