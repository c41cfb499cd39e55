//go:build !linux

package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/mxprint/mxprint/p0f"
)

const maxInherited = 1 << 20 // sockets

func writeState([]p0f.Inherited) (*os.File, error) {
	return nil, fmt.Errorf("handing clients over: %w", errors.ErrUnsupported)
}

func readState(int) ([]p0f.Inherited, error) {
	return nil, fmt.Errorf("%w: %w", errInherit, errors.ErrUnsupported)
}

func setCloseOnExec(int, bool) error { return errors.ErrUnsupported }
