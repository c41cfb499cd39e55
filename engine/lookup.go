package engine

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/mxprint/mxprint/host"
	"github.com/mxprint/mxprint/note"
	"github.com/mxprint/mxprint/signature"
)

// ErrNoSensor is the error of a look-up when the capture has failed and the
// client was not seen before.
var ErrNoSensor = errors.New("engine: capture has failed")

// waiter is woken when the address or connection it waits for has been seen.
type waiter struct {
	seen  chan struct{} // closed
	count int           // look-ups that wait
}

// Lookup implements note.Lookuper. A query with the client's port is answered
// from that connection's own SYN where the engine keeps connections
// (host.Config.Recent) and has seen it, and else from what is known of the
// address. It waits for a connection as for an address not seen yet.
func (e *Engine) Lookup(ctx context.Context, q note.Query) (note.Note, error) {
	if !e.recent {
		q.Client = netip.AddrPortFrom(q.Client.Addr(), 0)
	}
	e.mu.Lock()
	n, own := e.known(q)
	if own || q.Wait <= 0 || e.failed != nil {
		defer e.mu.Unlock()
		return e.answer(n)
	}
	w := e.waiting[q.Client]
	if w == nil {
		w = &waiter{seen: make(chan struct{})}
		e.waiting[q.Client] = w
	}
	w.count++
	e.mu.Unlock()
	w.wait(ctx, q.Wait)
	e.mu.Lock()
	defer e.mu.Unlock()
	if w.count--; w.count == 0 && e.waiting[q.Client] == w {
		delete(e.waiting, q.Client)
	}
	n, _ = e.known(q)
	return e.answer(n)
}

// answer tells a client that was not seen from one that could not be.
func (e *Engine) answer(n note.Note) (note.Note, error) {
	if e.failed != nil && !n.Known() {
		return note.Note{Distance: note.DistanceUnknown}, fmt.Errorf("%w: %w", ErrNoSensor, e.failed)
	}
	return n, nil
}

// known answers from the table as it is. own says that the answer is about
// what was asked: the connection, or the address where no port was given.
func (e *Engine) known(q note.Query) (n note.Note, own bool) {
	h, ok := e.table.Host(q.Client.Addr())
	n = note.Note{State: note.NotSeen, Distance: note.DistanceUnknown}
	if ok {
		n = hostNote(&h)
	}
	if q.Client.Port() == 0 {
		return n, ok
	}
	c, found := e.table.Conn(q.Client, q.Server)
	if !found && q.Server.IsValid() {
		// Behind a port forwarding the server knows itself by another address.
		c, found = e.table.Conn(q.Client, netip.AddrPort{})
	}
	if found {
		connNote(&n, &c)
	}
	return n, found
}

// connNote replaces what the connection's own SYN says better.
func connNote(n *note.Note, c *host.Conn) {
	n.State, n.ByConnection = note.Unknown, true
	n.OSName, n.OSFlavor, n.Quality, n.Others, n.Rewrite = "", "", 0, "", 0
	n.RawSig, n.Distance, n.LinkType = c.RawSig, c.Distance, c.Link
	if c.OS != nil {
		setOS(n, c.OS, c.Fuzzy, c.OS.Generic, c.Flags)
	}
}

// wait returns when the address was seen, the time is up, or ctx ends.
func (w *waiter) wait(ctx context.Context, most time.Duration) {
	timer := time.NewTimer(most)
	defer timer.Stop()
	select {
	case <-w.seen:
	case <-timer.C:
	case <-ctx.Done():
	}
}

// wake ends the waiting for a connection, or without a port for an address. It
// runs under the engine's lock, so that the answer waits for the rest of the
// packet.
func (e *Engine) wake(client netip.AddrPort) {
	if w := e.waiting[client]; w != nil {
		delete(e.waiting, client)
		close(w.seen)
	}
}

// hostNote puts what the table knows into the words of a note.
func hostNote(h *host.Host) note.Note {
	n := note.Note{
		State:    note.Unknown,
		LinkType: h.Link,

		FirstSeen: seconds(h.FirstSeen), LastSeen: seconds(h.LastSeen),
		LastNAT: seconds(h.LastNAT), LastChange: seconds(h.LastChange),
		TotalConn: h.TotalConn,
		UptimeMin: h.UptimeMin, UpModDays: h.UpModDays, Clock: note.Clock(h.Clock),
		Distance: h.Distance,
	}
	if h.OS != nil {
		setOS(&n, h.OS, h.Fuzzy, h.Generic, h.Flags)
	}
	return n
}

func setOS(n *note.Note, os *signature.Label, fuzzy, generic bool, flags signature.Flags) {
	n.State = note.Matched
	n.OSName, n.OSFlavor = os.Name, os.Flavor
	n.Others, n.Rewrite = os.Others, note.Rewrite(flags)
	if fuzzy {
		n.Quality |= note.Fuzzy
	}
	if generic {
		n.Quality |= note.Generic
	}
}

func seconds(s uint32) time.Time {
	if s == 0 {
		return time.Time{}
	}
	return time.Unix(int64(s), 0)
}
