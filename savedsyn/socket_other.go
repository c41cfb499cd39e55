//go:build !linux

package savedsyn

import (
	"errors"
	"fmt"
	"net"
	"syscall"
)

var errSystem = fmt.Errorf("%w: only Linux saves SYNs", errors.ErrUnsupported)

func save(syscall.RawConn) error { return errSystem }

func saved(*net.TCPConn, []byte) ([]byte, error) { return nil, errNotKept }
