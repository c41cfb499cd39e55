//go:build !linux

package daemon

import "log/slog"

// shareFiles does nothing: the limit of descriptors is the service manager's.
func (*Settings) shareFiles(*slog.Logger) {}
