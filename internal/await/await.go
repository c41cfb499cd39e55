// Package await has look-ups wait for what the capture has not yet seen, and wakes
// them when it has. It knows addresses alone.
package await

import (
	"context"
	"net/netip"
	"sync"
	"sync/atomic"
)

// Queue is the look-ups that wait for the SYN of a connection, or without a port
// for one of an address. The zero value is ready; safe for concurrent use.
type Queue struct {
	count atomic.Int32 // of look-ups; a batch of frames asks no more, mostly

	mu sync.Mutex
	by map[netip.AddrPort]*Waiter
}

// Waiter is woken when the address or connection it waits for has been seen.
type Waiter struct {
	seen  chan struct{} // closed
	count int           // look-ups that wait
}

// Any reports whether a look-up waits.
func (w *Queue) Any() bool { return w.count.Load() > 0 }

// Join enters a look-up, which must leave again.
func (w *Queue) Join(client netip.AddrPort) *Waiter {
	w.mu.Lock()
	defer w.mu.Unlock()
	one := w.by[client]
	if one == nil {
		if w.by == nil {
			w.by = make(map[netip.AddrPort]*Waiter)
		}
		one = &Waiter{seen: make(chan struct{})}
		w.by[client] = one
	}
	one.count++
	w.count.Add(1)
	return one
}

// Leave ends what Join began.
func (w *Queue) Leave(client netip.AddrPort, one *Waiter) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.count.Add(-1)
	if one.count--; one.count == 0 && w.by[client] == one {
		delete(w.by, client)
	}
}

// Wait returns when the address was seen, or ctx ends.
func (w *Waiter) Wait(ctx context.Context) {
	select {
	case <-w.seen:
	case <-ctx.Done():
	}
}

// Wake ends the waiting for a client that is in the table: for the connection,
// and for the address.
func (w *Queue) Wake(client netip.AddrPort) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.wake(netip.AddrPortFrom(client.Addr(), 0))
	w.wake(client)
}

func (w *Queue) wake(client netip.AddrPort) {
	if one := w.by[client]; one != nil {
		delete(w.by, client)
		close(one.seen)
	}
}

// GiveUp ends all waiting.
func (w *Queue) GiveUp() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for client := range w.by {
		w.wake(client)
	}
}

// Len returns how many clients are waited for.
func (w *Queue) Len() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.by)
}

// Waiting returns how many look-ups wait for a client.
func (w *Queue) Waiting(client netip.AddrPort) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	if one := w.by[client]; one != nil {
		return one.count
	}
	return 0
}
