//go:build !linux

package probe

import (
	"errors"
	"net/netip"
	"runtime"
)

// socket is there on Linux alone.
type socket struct{ from netip.Addr }

func openSocket(netip.AddrPort) (*socket, error) {
	return nil, errors.New("not built for " + runtime.GOOS + " yet, only Linux")
}

func (*socket) send([]byte) error { return nil }

func (*socket) close() {}
