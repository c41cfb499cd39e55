//go:build !linux

package inherit

import (
	"errors"
	"fmt"
	"os"
)

const maxInherited = 1 << 20 // sockets

func writeState([]Socket) (*os.File, error) {
	return nil, fmt.Errorf("handing clients over: %w", errors.ErrUnsupported)
}

func readState(int) ([]Socket, error) {
	return nil, fmt.Errorf("%w: %w", ErrInherited, errors.ErrUnsupported)
}

func setCloseOnExec(int, bool) error { return errors.ErrUnsupported }
