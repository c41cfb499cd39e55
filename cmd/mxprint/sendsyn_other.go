//go:build !linux

package main

import (
	"errors"
	"net/netip"
	"runtime"
)

// probeSocket is there on Linux alone.
type probeSocket struct{ from netip.Addr }

func openProbes(netip.AddrPort) (*probeSocket, error) {
	return nil, errors.New("not built for " + runtime.GOOS + " yet, only Linux")
}

func (*probeSocket) send([]byte) error { return nil }

func (*probeSocket) close() {}
