//go:build !linux

package sandbox

import (
	"errors"
	"fmt"
	"runtime"
)

// Enter fails: what it does is Linux's.
func Enter(Rules) error {
	return fmt.Errorf("sandbox: %s has none that is used here: %w", runtime.GOOS, errors.ErrUnsupported)
}
