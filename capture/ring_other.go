//go:build !darwin && !freebsd && !linux && !openbsd

package capture

import (
	"context"
	"errors"
	"runtime"

	"github.com/mxprint/mxprint/packet"
)

const haveAny = false

var errNoRing = errors.New("capture: live capture is not built for " + runtime.GOOS + ", only Linux, FreeBSD, OpenBSD and macOS; capture files can be read")

// A Ring captures from network interfaces; not on this system.
type Ring struct{}

// OpenRing fails: this system has no ring.
func OpenRing(Config) (*Ring, error) { return nil, errNoRing }

// OpenRings fails as OpenRing does.
func OpenRings(Config, int, Fanout) ([]*Ring, error) { return nil, errNoRing }

// RingLink fails as OpenRing does.
func RingLink(string) (packet.LinkType, error) { return 0, errNoRing }

// Link has no meaning here.
func (*Ring) Link() packet.LinkType { return 0 }

// Read fails as OpenRing does.
func (*Ring) Read(context.Context, func(*Frame)) error { return errNoRing }

// Stats counts nothing.
func (*Ring) Stats() Stats { return Stats{} }

// Close does nothing.
func (*Ring) Close() error { return nil }
