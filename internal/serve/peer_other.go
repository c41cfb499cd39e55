//go:build !linux

package serve

import (
	"errors"
	"net"
)

// PeerUID is not known here: the sensor runs on Linux alone.
func PeerUID(net.Conn) (int, error) { return -1, errors.ErrUnsupported }
