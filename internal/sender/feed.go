package sender

import (
	"net/netip"
	"time"

	"github.com/mxprint/mxprint/event"
	"github.com/mxprint/mxprint/internal/stream"
	"github.com/mxprint/mxprint/note"
)

// Feed takes the bytes of one connection from a program that they pass through,
// as a proxy or the mail server itself. It acknowledges each byte when it is
// handed over: what the client had heard when it spoke is known at most. It is
// safe for concurrent use.
type Feed struct {
	part *part
	next [2]uint32
	e    *entry // nil: it is not read
}

// Feeds returns what makes a Feed for each connection of a program. observe may
// be nil.
func (r *Reader) Feeds(observe func(*event.Observation)) func(client, server netip.AddrPort) *Feed {
	p := r.part(observe)
	return func(client, server netip.AddrPort) *Feed {
		f := &Feed{part: p, next: [2]uint32{1, 1}}
		p.mu.Lock()
		defer p.mu.Unlock()
		p.tick(time.Now().UnixMicro())
		if f.e = p.open(stream.Key{Client: client, Server: server}, 0, 0, p.at); f.e != nil {
			f.e.fed = true
		}
		return f
	}
}

// Observe takes bytes of one direction, before they are sent on, and reports
// whether more are wanted.
func (f *Feed) Observe(fromClient bool, b []byte) (more bool) { return f.take(fromClient, b, false) }

// End says that a side has said its last byte.
func (f *Feed) End(fromClient bool) { f.take(fromClient, nil, true) }

// Close says that the connection is over, however it ended, and that nothing
// more of it comes.
func (f *Feed) Close() {
	f.part.mu.Lock()
	defer f.part.mu.Unlock()
	if f.e != nil {
		f.part.table.Drop(f.e.conn)
	}
}

// Note adds to a note what is known of the connection, also after its end.
func (f *Feed) Note(n *note.Note) {
	f.part.mu.Lock()
	defer f.part.mu.Unlock()
	if f.e != nil {
		f.part.known(n, f.e)
	}
}

func (f *Feed) take(fromClient bool, b []byte, fin bool) (more bool) {
	p, side := f.part, stream.Server
	if fromClient {
		side = stream.Client
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.tick(time.Now().UnixMicro())
	if f.e == nil || f.e.conn == nil {
		return false
	}
	p.table.Segment(f.e.conn, &stream.Segment{Side: side, Seq: f.next[side], Ack: f.next[side^1], ACK: true, FIN: fin,
		Data: b, Window: 1, Time: sinceEpoch(p.at)})
	f.next[side] += uint32(len(b))
	return f.e.conn != nil
}
