package sender

import (
	"context"

	"github.com/mxprint/mxprint/internal/stream"
	"github.com/mxprint/mxprint/note"
)

// Lookuper returns one that adds what the Reader knows to the answers of next.
// It answers with what was read so far: ask again at the end of the message,
// when more is known.
func (r *Reader) Lookuper(next note.Lookuper) note.Lookuper { return lookuper{next, r} }

type lookuper struct {
	note.Lookuper
	reader *Reader
}

// Lookup implements note.Lookuper.
func (l lookuper) Lookup(ctx context.Context, q note.Query) (note.Note, error) {
	n, err := l.Lookuper.Lookup(ctx, q)
	if err == nil {
		l.reader.add(&n, q.Unmapped())
	}
	return n, err
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
	e := p.kept.all[stream.Key{Client: q.Client, Server: q.Server}]
	if e == nil {
		// Without the server's end, or with another than that in the packets, as
		// with a port forwarding.
		if e = p.kept.newest[q.Client]; e == nil {
			return false
		}
	}
	p.known(n, e)
	return true
}

// known adds what is known of a connection.
func (p *part) known(n *note.Note, e *entry) {
	if e.done != nil {
		n.TLS, n.Software, n.Conduct, n.Flow = e.done.TLS, e.done.Software, e.done.Conduct, e.done.Flow
		return
	}
	if s := p.table.Session(e.key); s != nil {
		p.fill(n, e, s)
	}
}
