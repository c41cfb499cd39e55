//go:build !linux

package milter

import "net"

// acker has nothing to do here; see ack_linux.go.
type acker struct{}

func newAcker(net.Conn) acker { return acker{} }

func (acker) now() {}
