package milter

import (
	"context"
	"net/netip"
	"time"

	"github.com/mxprint/mxprint/note"
)

// lookup is a question under way.
type lookup struct {
	q      note.Query
	until  time.Time // the deadline
	cancel context.CancelFunc
	done   chan struct{} // closed when n and err are there
	n      note.Note
	err    error
}

// ask starts a look-up of a client.
func (v *serving) ask(client, server netip.AddrPort) *lookup {
	// A connection that stays unseen must be left time to be answered with what is
	// known of the address.
	return v.start(note.Query{Client: client, Server: server, Wait: v.deadline * 4 / 5})
}

// start starts a look-up. The end of the server does not cut it short: mails
// under way are finished with their notes.
func (v *serving) start(q note.Query) *lookup {
	l := &lookup{q: q, until: time.Now().Add(v.deadline), done: make(chan struct{})}
	var ctx context.Context
	ctx, l.cancel = context.WithDeadline(context.Background(), l.until)
	v.lookups.Go(func() {
		defer l.cancel()
		defer close(l.done)
		l.n, l.err = v.Lookuper.Lookup(ctx, q)
	})
	return l
}

// again asks q, which waits for no SYN, and returns the note there was where no answer comes.
func (v *serving) again(q note.Query, n note.Note) note.Note {
	l := v.start(q)
	defer l.cancel()
	if now, ok := l.note(); ok {
		return now
	}
	return n
}

// note returns the answer and waits for it until the deadline; false without
// one.
func (l *lookup) note() (note.Note, bool) {
	select {
	case <-l.done:
	default:
		t := time.NewTimer(time.Until(l.until))
		defer t.Stop()
		select {
		case <-l.done:
		case <-t.C:
			return note.Note{}, false
		}
	}
	return l.n, l.err == nil
}
