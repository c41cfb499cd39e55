package engine

import (
	"context"
	"net/netip"
	"sync"
	"sync/atomic"

	"github.com/mxprint/mxprint/internal/host"
	"github.com/mxprint/mxprint/packet"
)

// waiters are the look-ups that wait for the SYN of a connection, or without a
// port for one of an address.
type waiters struct {
	count atomic.Int32 // of look-ups; a batch of frames asks no more, mostly

	mu sync.Mutex
	by map[netip.AddrPort]*waiter
}

// waiter is woken when the address or connection it waits for has been seen.
type waiter struct {
	seen  chan struct{} // closed
	count int           // look-ups that wait
}

func (w *waiters) any() bool { return w.count.Load() > 0 }

// join enters a look-up, which must leave again.
func (w *waiters) join(client netip.AddrPort) *waiter {
	w.mu.Lock()
	defer w.mu.Unlock()
	one := w.by[client]
	if one == nil {
		if w.by == nil {
			w.by = make(map[netip.AddrPort]*waiter)
		}
		one = &waiter{seen: make(chan struct{})}
		w.by[client] = one
	}
	one.count++
	w.count.Add(1)
	return one
}

func (w *waiters) leave(client netip.AddrPort, one *waiter) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.count.Add(-1)
	if one.count--; one.count == 0 && w.by[client] == one {
		delete(w.by, client)
	}
}

// wait returns when the address was seen, or ctx ends.
func (w *waiter) wait(ctx context.Context) {
	select {
	case <-w.seen:
	case <-ctx.Done():
	}
}

// wakeAll ends the waiting for the clients of a batch, which is in the table.
func (w *waiters) wakeAll(batch []host.Input) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i := range batch {
		// A SYN makes the client known, an ACK may say which of two it is.
		if in := &batch[i]; in.Decoded && (in.Segment.Type == packet.SYN || in.Segment.Type == packet.ACK) {
			w.wakeBoth(in.Segment.Src)
		}
	}
}

// wakeOne ends the waiting for one client, who is in the table.
func (w *waiters) wakeOne(client netip.AddrPort) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.wakeBoth(client)
}

// wakeBoth wakes those who wait for the connection, and those who do for the
// address.
func (w *waiters) wakeBoth(client netip.AddrPort) {
	w.wake(netip.AddrPortFrom(client.Addr(), 0))
	w.wake(client)
}

func (w *waiters) wake(client netip.AddrPort) {
	if one := w.by[client]; one != nil {
		delete(w.by, client)
		close(one.seen)
	}
}

// giveUp ends all waiting.
func (w *waiters) giveUp() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for client := range w.by {
		w.wake(client)
	}
}
