//go:build !linux

package daemon

import (
	"errors"
	"io"

	"github.com/mxprint/mxprint/internal/config"
)

// AsUser is there on Linux alone.
func AsUser(*config.Config, string, []string, io.Writer, io.Writer) (int, error) {
	return 0, errors.ErrUnsupported
}
