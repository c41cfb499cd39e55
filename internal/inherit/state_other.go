//go:build !linux

package inherit

import (
	"errors"
	"fmt"
	"os"
)

const maxInherited = 1 << 20 // sockets

func writeState([]Socket, *os.File, []*os.File) (*os.File, error) {
	return nil, fmt.Errorf("handing clients over: %w", errors.ErrUnsupported)
}

func memoryFile(string) (*os.File, error) { return nil, errors.ErrUnsupported }

func seal(*os.File) error { return errors.ErrUnsupported }

func readState(int) ([]Socket, *os.File, []keptFile, error) {
	return nil, nil, nil, fmt.Errorf("%w: %w", ErrInherited, errors.ErrUnsupported)
}

func setCloseOnExec(int, bool) error { return errors.ErrUnsupported }
