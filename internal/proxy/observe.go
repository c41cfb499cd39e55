package proxy

import (
	"net/netip"
	"sync"
)

// maxFirst is how many bytes of each direction an Observer gets. A session up
// to DATA, or up to the ClientHello after STARTTLS, is far shorter.
const maxFirst = 16 << 10

// Observer sees what a connection begins with, in both directions.
type Observer interface {
	// Observe gets bytes of one direction as they came, before they are sent on:
	// a reply is seen before what the client answers to it. It gets all from the
	// first byte until it returns false, or has got 16 KiB of that direction; it
	// is for the observer to return false at DATA or STARTTLS, or where it has
	// what it wants. The calls for one connection come one at a time. It must not
	// block, nor keep or change b.
	Observe(fromClient bool, b []byte) (more bool)
	// End says that one side has said its last byte.
	End(fromClient bool)
	// Close says that the connection is over. It is the last call.
	Close()
}

// first shows the first bytes of a connection to its Observer. The zero value
// has none.
type first struct {
	mu       sync.Mutex
	observer Observer // nil: nothing observes
	enough   bool     // no more bytes are wanted
	left     [2]int   // bytes of the server, of the client
}

// begin asks for the observer of a connection.
func (f *first) begin(s *Server, client, server netip.AddrPort) {
	if s.Observe != nil {
		f.observer, f.left = s.Observe(client, server), [2]int{maxFirst, maxFirst}
	}
}

// observe shows bytes to the observer, if it wants any.
func (f *first) observe(b []byte, fromClient bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.observer == nil || f.enough {
		return
	}
	left := &f.left[0]
	if fromClient {
		left = &f.left[1]
	}
	b = b[:min(len(b), *left)]
	if *left -= len(b); len(b) > 0 && !f.observer.Observe(fromClient, b) || f.left == [2]int{} {
		f.enough = true
	}
}

// end tells the observer that a side has said its last byte, unless bytes came
// that it was not shown.
func (f *first) end(fromClient bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.observer != nil && !f.enough {
		f.observer.End(fromClient)
	}
}

// close ends what the observer gets.
func (f *first) close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.observer != nil {
		f.observer.Close()
		f.observer = nil
	}
}
