package serve

import (
	"context"
	"net"
	"sync"
)

// Handoff is a net.Listener of the connections that a Group let in, for a library
// that has a server of its own. Make one with NewHandoff.
type Handoff struct {
	conns chan net.Conn
	over  chan struct{}
	once  sync.Once
	addr  net.Addr
}

// NewHandoff returns a Handoff with an address.
func NewHandoff(addr net.Addr) *Handoff {
	return &Handoff{conns: make(chan net.Conn), over: make(chan struct{}), addr: addr}
}

// Take hands a connection on, to be closed by the server; it closes it where the
// server or ctx has ended.
func (h *Handoff) Take(ctx context.Context, nc net.Conn) {
	select {
	case h.conns <- nc:
	case <-h.over:
		nc.Close()
	case <-ctx.Done():
		nc.Close()
	}
}

// Accept returns the next connection, or net.ErrClosed after Close.
func (h *Handoff) Accept() (net.Conn, error) {
	select {
	case nc := <-h.conns:
		return nc, nil
	case <-h.over:
		return nil, net.ErrClosed
	}
}

// Close ends Accept. Closing twice does no harm.
func (h *Handoff) Close() error {
	h.once.Do(func() { close(h.over) })
	return nil
}

// Addr is the address.
func (h *Handoff) Addr() net.Addr { return h.addr }
