package sender

import (
	"context"
	"net/netip"

	"github.com/mxprint/mxprint/internal/stream"
	"github.com/mxprint/mxprint/note"
)

// Lookuper returns one that adds what the Reader knows to the answers of next.
// It answers with what was read so far: ask again at the end of the message,
// when more is known.
func (r *Reader) Lookuper(next note.Lookuper) note.Lookuper { return lookuper{next, r} }

// Connection returns a function that adds what the Reader knows to what own returns
// of a connection, without a question to anyone.
func (r *Reader) Connection(own func(client, server netip.AddrPort) (note.Note, bool)) func(client, server netip.AddrPort) (note.Note, bool) {
	return func(client, server netip.AddrPort) (note.Note, bool) {
		n, ok := own(client, server)
		r.add(&n, note.Query{Client: client, Server: server})
		return n, ok || n.TLS != nil || n.Software != nil
	}
}

type lookuper struct {
	note.Lookuper
	reader *Reader
}

// Lookup implements note.Lookuper.
func (l lookuper) Lookup(ctx context.Context, q note.Query) (note.Note, error) {
	n, err := l.Lookuper.Lookup(ctx, q)
	if err == nil {
		l.reader.answer(&n, q.Unmapped())
	}
	return n, err
}

// answer adds what is known, and what the mail server that asks reports.
func (r *Reader) answer(n *note.Note, q note.Query) {
	var h *heard
	if q.Heard != nil {
		h = readHeard(q.Heard)
	}
	kept := h != nil && r.hear(q, h)
	r.add(n, q)
	if h != nil && !kept { // its packets are not read
		h.join(r.cfg.DB, n)
	}
}

// add sets what is known of the connection that was asked about. Without the
// client's port nothing is.
func (r *Reader) add(n *note.Note, q note.Query) {
	if q.Client.Port() == 0 {
		return
	}
	for _, p := range r.all() {
		if p.add(n, q) {
			return
		}
	}
}

func (p *part) add(n *note.Note, q note.Query) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	e := p.entry(q)
	if e == nil {
		return false
	}
	p.known(n, e)
	return true
}

// entry is what is known of the connection that was asked about, or nil.
func (p *part) entry(q note.Query) *entry {
	if e := p.kept.find(stream.Key{Client: q.Client, Server: q.Server}); e != nil {
		return e
	}
	// Without the server's end, or with another than that in the packets, as with
	// a port forwarding.
	return p.kept.newest[q.Client]
}

// known adds what is known of a connection.
func (p *part) known(n *note.Note, e *entry) {
	if e.over != nil {
		done := e.over.note
		n.TLS, n.Software, n.Conduct, n.Flow = done.TLS, done.Software, done.Conduct, done.Flow
	} else {
		p.fill(n, e, e.conn.Session())
	}
	if e.heard != nil {
		e.heard.join(p.reader.cfg.DB, n)
	}
}
