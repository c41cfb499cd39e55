//go:build !linux

package sockops

import (
	"context"

	"github.com/mxprint/mxprint/capture"
)

// A Source hands over the SYNs of connections; on Linux only.
type Source struct{}

// Open fails: this system keeps no SYNs.
func Open(Config) (*Source, error) { return nil, ErrUnsupported }

// FindCgroup fails as Open does.
func FindCgroup(string) (string, error) { return "", ErrUnsupported }

// Read fails as Open does.
func (*Source) Read(context.Context, func(*capture.Frame)) error { return ErrUnsupported }

// Live is as on Linux.
func (*Source) Live() bool { return true }

// Stats counts nothing.
func (*Source) Stats() Stats { return Stats{} }

// Close does nothing.
func (*Source) Close() error { return nil }
