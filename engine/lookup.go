package engine

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/mxprint/mxprint/internal/answer"
	"github.com/mxprint/mxprint/internal/await"
	"github.com/mxprint/mxprint/internal/host"
	"github.com/mxprint/mxprint/note"
)

// ErrNoSensor is the error of a look-up when the last source has failed and the
// client was not seen before.
var ErrNoSensor = errors.New("engine: capture has failed")

// Lookup implements note.Lookuper. A query with the client's port is answered
// from that connection's own SYN where the engine keeps connections
// (Hosts.Recent) and has seen it, and else, after Query.Wait, from what is
// known of the address. Of a connection that was Missed it knows nothing: that is
// ErrNoSYN.
func (e *Engine) Lookup(ctx context.Context, q note.Query) (note.Note, error) {
	q = q.Unmapped()
	if !e.recent {
		q.Client = netip.AddrPortFrom(q.Client.Addr(), 0)
	}
	e.fetch()
	n, found := e.known(q, q.Wait <= 0)
	if q.Wait <= 0 || found == own || e.failure() != nil {
		return e.answer(n)
	}
	ctx, cancel := context.WithTimeout(ctx, q.Wait)
	defer cancel()
	if found == askedBefore { // perhaps about the connection before, if the capture is behind
		w := e.join(q.Client)
		again, end := context.WithTimeout(ctx, behind)
		w.Wait(again)
		end()
		e.waiting.Leave(q.Client, w)
		n, found = e.known(q, false)
	}
	for found < askedBefore && ctx.Err() == nil && e.failure() == nil {
		w := e.join(q.Client)
		// It may have come between the look and the joining.
		if n, found = e.known(q, false); found < askedBefore {
			w.Wait(ctx)
			n, found = e.known(q, ctx.Err() != nil)
		}
		e.waiting.Leave(q.Client, w)
	}
	return e.answer(n)
}

// join has a look-up wait for a client, and frames be fetched as they come.
func (e *Engine) join(client netip.AddrPort) *await.Waiter {
	defer func() {
		for _, in := range *e.sources.Load() {
			if in.ring != nil {
				in.rest.End()
			}
		}
	}()
	return e.waiting.Join(client)
}

// behind is how far a capture may be behind a server that asks about the next connection.
const behind = 2 * time.Millisecond

// answer distinguishes a client that was not seen from one that could not be.
func (e *Engine) answer(n note.Note) (note.Note, error) {
	if failed := e.failure(); failed != nil && !n.Known() {
		return note.Note{}, fmt.Errorf("%w: %w", ErrNoSensor, failed)
	}
	if n.State == note.Unavailable {
		return n, ErrNoSYN
	}
	return n, nil
}

// finding is how well what is known fits a query.
type finding int

const (
	fallback    finding = iota // it is about something else
	askedBefore                // it is about what was asked, and was asked for before
	own                        // it is about what was asked: the connection, or the address where no port was given
)

// known answers from the tables as they are. over says that there is no waiting
// any more for what a server makes of a SYN inside a connection.
func (e *Engine) known(q note.Query, over bool) (note.Note, finding) {
	h, ok := e.host(q.Client.Addr())
	n := note.Note{State: note.NotSeen}
	if ok {
		n = e.hostNote(&h)
	}
	if q.Client.Port() == 0 && ok {
		return n, own
	}
	c, found := e.conn(q.Client, q.Server)
	exact := found
	if !found && q.Server.IsValid() {
		// With a port forwarding the server knows itself by another address. It
		// may be another connection as well.
		c, found = e.conn(q.Client, netip.AddrPort{})
	}
	switch {
	case !found:
		return n, fallback
	case c.Missed:
		return note.Note{}, own
	case exact && (c.Own || over && c.Open):
		connNote(&n, &c)
		if c.Asked {
			return n, askedBefore
		}
		return n, own
	case c.Rival:
		n.Ambiguous = true // of two SYNs neither is a better answer
	default:
		connNote(&n, &c)
		n.ByConnection, n.Ambiguous, n.RawSig = false, true, ""
	}
	return n, fallback
}

// host returns what the shard that saw the address last knows of it. Almost
// always a single one knows it: that of its connections as a client.
func (e *Engine) host(a netip.Addr) (last host.Host, known bool) {
	e.each(func(t *host.Table) {
		h, ok := t.Host(a)
		if ok {
			t.Verify(netip.AddrPortFrom(a, 0), netip.AddrPort{})
		}
		if ok && (!known || h.LastSeen > last.LastSeen) {
			last, known = h, true
		}
	})
	return last, known
}

// Connection returns what is known of a connection from its own SYN, and whether
// there is one. It is not a question of a mail server: nothing is verified by it.
func (e *Engine) Connection(client, server netip.AddrPort) (n note.Note, known bool) {
	e.each(func(t *host.Table) {
		c, ok := t.Conn(client, server)
		if !ok || !c.Own || c.Missed || known {
			return
		}
		n = note.Note{State: note.NotSeen}
		if h, ok := t.Host(client.Addr()); ok {
			n = e.hostNote(&h)
		}
		connNote(&n, &c)
		known = true
	})
	return n, known
}

// conn returns what the client's SYN said; a mail server that asks has the connection.
func (e *Engine) conn(client, server netip.AddrPort) (c host.Conn, known bool) {
	e.each(func(t *host.Table) {
		if known {
			return
		}
		if c, known = t.Conn(client, server); known && c.Own {
			t.Verify(client, server)
		}
	})
	return c, known
}

// connNote replaces what the connection's own SYN says better.
func connNote(n *note.Note, c *host.Conn) {
	n.State, n.ByConnection = note.Unknown, true
	n.OSName, n.OSFlavor, n.Quality, n.Others, n.Rewrite = "", "", 0, nil, 0
	n.RawSig, n.Distance, n.LinkType, n.MTU = c.RawSig, note.Hops(c.Distance), c.Link, c.MTU
	if c.OS != nil {
		answer.SetOS(n, c.OS, c.Fuzzy, c.OS.Generic, c.Flags)
	}
}

// hostNote puts what the table knows into the words of a note. Handshakes are
// counted where there are connections.
func (e *Engine) hostNote(h *host.Host) note.Note {
	n := note.Note{
		State:    note.Unknown,
		LinkType: h.Link, MTU: h.MTU,

		FirstSeen: seconds(h.FirstSeen), LastSeen: seconds(h.LastSeen),
		LastNAT: seconds(h.LastNAT), LastChange: seconds(h.LastChange),
		TotalConn: h.TotalConn,
		UptimeMin: h.UptimeMin, UpModDays: h.UpModDays, Clock: h.Clock,
		Distance: note.Hops(h.Distance),
	}
	if h.OS != nil {
		answer.SetOS(&n, h.OS, h.Fuzzy, h.Generic, h.Flags)
	}
	if h.App != nil {
		n.HTTPName, n.HTTPFlavor = h.App.Name, h.App.Flavor
	}
	if h.Language.Named() {
		n.Language = h.Language.String()
	}
	n.BadSW = h.BadSW
	if e.recent {
		n.SYNs, n.Handshakes = h.SYNs, h.Handshakes
	}
	return n
}

func seconds(s uint32) time.Time {
	if s == 0 {
		return time.Time{}
	}
	return time.Unix(int64(s), 0)
}

// ErrNoSYN is the error of a look-up when the sensor was handed the connection
// without its SYN: what else is known of the address may be another machine's.
var ErrNoSYN = errors.New("engine: the connection came without its SYN")

// Missed reports an established connection whose SYN the sensor could not get
// (sockops.Config.Missed). A look-up of the connection then returns ErrNoSYN at
// once, and so does one of the address if nothing is known of it. An engine that
// keeps no connections ignores it.
func (e *Engine) Missed(client, server netip.AddrPort) {
	shard := e.shards[e.fanout.Worker(client, server, len(e.shards))]
	shard.mu.Lock()
	shard.table.Missed(client, server)
	shard.mu.Unlock()
	e.waiting.Wake(client)
}
