package shared

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/valkey-io/valkey-go"

	"github.com/mxprint/mxprint/internal/evidence"
	"github.com/mxprint/mxprint/internal/store"
)

const (
	forgetTime = 5 * time.Minute
	scanCount  = 1000
	// maxHashed is how many networks of one address are forgotten where only their
	// hashes are in the store: each has to be tried.
	maxHashed = 1 << 16
)

// Forget removes from the store what is kept of an address, network or name, and
// returns how many keys that were. A sketch counts and has no address in it that
// could be read back: sketches of the address go, those of others keep their count.
func (s *Store) Forget(ctx context.Context, sub store.Subject) (keys int64, err error) {
	l := s.write.Load()
	if l == nil {
		return 0, fmt.Errorf("shared store: %w: try again", errConnecting)
	}
	ctx, cancel := context.WithTimeout(ctx, forgetTime)
	defer cancel()
	switch {
	case sub.Name != "":
		keys, err = l.Do(ctx, l.B().Del().Key(s.names.named(sub.Name)).Build()).AsInt64()
	case sub.Network.IsValid():
		keys, err = s.forgetNetwork(ctx, l, sub.Network)
	}
	s.recent.forget()
	if err != nil {
		return keys, fmt.Errorf("shared store: %w", err)
	}
	return keys, nil
}

// forgetNetwork removes the keys whose hash tag is an address of the network.
func (s *Store) forgetNetwork(ctx context.Context, l *link, p netip.Prefix) (keys int64, err error) {
	is, err := s.within(p)
	if err != nil {
		return 0, err
	}
	gone := make(map[netip.Addr]bool) // addresses that were there, where they can be read
	for _, node := range l.Nodes() {
		cursor := uint64(0)
		for {
			entry, err := node.Do(ctx, node.B().Scan().Cursor(cursor).Match(prefix+"*{*").Count(scanCount).Build()).AsScanEntry()
			if err != nil {
				return keys, err
			}
			var dels valkey.Commands
			for _, key := range entry.Elements {
				tag, ok := ofNetwork(key)
				if !ok || !is(tag) {
					continue
				}
				dels = append(dels, l.B().Del().Key(key).Build())
				if a, err := netip.ParseAddr(tag); err == nil {
					gone[a] = true
				}
			}
			for _, r := range l.DoMulti(ctx, dels...) {
				n, err := r.AsInt64()
				if err != nil {
					return keys, err
				}
				keys += n
			}
			if cursor = entry.Cursor; cursor == 0 {
				break
			}
		}
	}
	return keys, s.forgetEvidence(ctx, l, p, gone)
}

// within returns what recognises the hash tags of a network.
func (s *Store) within(p netip.Prefix) (func(tag string) bool, error) {
	if s.names.secret == nil {
		return func(tag string) bool {
			a, err := netip.ParseAddr(tag)
			return err == nil && p.Contains(a)
		}, nil
	}
	tags := make(map[string]bool)
	for a := range networks(p) {
		if len(tags) >= maxHashed {
			return nil, fmt.Errorf("%v has more than %d networks, and the store has hashes only: forget parts of it", p, maxHashed)
		}
		tags[strings.Trim(s.names.tag(a), "{}")] = true
	}
	return func(tag string) bool { return tags[tag] }, nil
}

// networks yields the addresses of a network, of IPv6 one of each /64.
func networks(p netip.Prefix) func(func(netip.Addr) bool) {
	return func(yield func(netip.Addr) bool) {
		for a := p.Masked().Addr(); a.IsValid() && p.Contains(a); {
			if !yield(a) {
				return
			}
			if a.Is4() {
				a = a.Next()
				continue
			}
			b := a.As16() // the next /64
			for i := 7; i >= 0; i-- {
				if b[i]++; b[i] != 0 {
					break
				}
			}
			if next := netip.AddrFrom16(b); next.Less(a) {
				return
			} else {
				a = next
			}
		}
	}
}

// forgetEvidence removes senders from the counts of all sensors: those that were
// found, and the first networks of p. The counts of a sensor that still remembers
// one come back within an hour: forget it there too.
func (s *Store) forgetEvidence(ctx context.Context, l *link, p netip.Prefix, gone map[netip.Addr]bool) error {
	seed, err := s.seed(ctx, l)
	if err != nil {
		return err
	}
	senders, n := make(map[uint64]bool), 0
	for a := range gone {
		senders[evidence.Sender(seed, store.Key(a))] = true
	}
	for a := range networks(p) {
		if n++; n > maxHashed {
			break
		}
		senders[evidence.Sender(seed, store.Key(a))] = true
	}
	err = s.eachCounts(ctx, func(sensor string, c *evidence.Counts) error {
		c.ForgetAll(senders)
		return s.setCounts(ctx, l, sensor, c)
	})
	select {
	case s.soon <- struct{}{}: // and those of this site, from what is left
	default:
	}
	return err
}
