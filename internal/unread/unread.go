// Package unread counts the frames that a source held and the engine did not
// read, by kind, and puts them into words. It decides nothing: a frame that is
// counted here is not seen by anything else.
package unread

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/mxprint/mxprint/filter"
	"github.com/mxprint/mxprint/packet"
)

// Counts counts by kind. The zero value is ready; safe for concurrent use.
type Counts struct {
	mu      sync.Mutex
	tunnels map[tunnelled]uint64
	links   map[packet.LinkType]uint64
	broken  map[error]uint64

	cut, cutAnswers uint64 // SYNs and SYN+ACKs whose headers were captured in part
	cutEarly        uint64 // segments that were captured to a place before their flags
}

// tunnelled is why a tunnel was not opened.
type tunnelled struct {
	kinds  packet.Tunnels
	reason error
}

// maxKinds bounds the different kinds that are counted; reasons and kinds are
// few, but kinds come together in any way.
const maxKinds = 1000

// Tunnel counts a frame whose tunnels were not opened.
func (c *Counts) Tunnel(kinds packet.Tunnels, reason error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	count(&c.tunnels, tunnelled{kinds, reason}, 1)
}

// Link counts a frame of a link type that is not supported.
func (c *Counts) Link(t packet.LinkType) {
	c.mu.Lock()
	defer c.mu.Unlock()
	count(&c.links, t, 1)
}

// Broken counts a frame that does not decode.
func (c *Counts) Broken(reason error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	count(&c.broken, reason, 1)
}

// Cut counts a SYN, or a SYN+ACK, of whose header a part was captured. If bytes are
// missing, type 0 is a segment that ends before its flags.
func (c *Counts) Cut(t packet.Type, missing bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case t == packet.SYN:
		c.cut++
	case t == packet.SYNACK:
		c.cutAnswers++
	case t == 0 && missing:
		c.cutEarly++
	}
}

// Move adds what from has counted, and empties it but for its link types.
func (c *Counts) Move(from *Counts) {
	from.mu.Lock()
	defer from.mu.Unlock()
	c.mu.Lock()
	defer c.mu.Unlock()
	for k, n := range from.tunnels {
		count(&c.tunnels, k, n)
	}
	for k, n := range from.broken {
		count(&c.broken, k, n)
	}
	c.cut += from.cut
	c.cutAnswers += from.cutAnswers
	c.cutEarly += from.cutEarly
	clear(from.tunnels)
	clear(from.broken)
	from.cut, from.cutAnswers, from.cutEarly = 0, 0, 0
}

// Refused is the error for frames of link types that are not supported, or nil.
func (c *Counts) Refused() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.links) == 0 {
		return nil
	}
	var all []string
	for _, link := range slices.Sorted(maps.Keys(c.links)) {
		all = append(all, fmt.Sprintf("%s of link type %d", plural(c.links[link], "frame"), link))
	}
	return fmt.Errorf("%s: %w", strings.Join(all, ", "), filter.ErrLink)
}

// Totals returns how many frames were not read that might have been, and how many
// SYNs, SYN+ACKs and segments that may be such were cut. Encapsulations that cannot be
// opened do not count: a mirror may be full of VPNs, and nothing is wrong then.
func (c *Counts) Totals() (frames, cut uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for k, n := range c.tunnels {
		if !errors.Is(k.reason, errors.ErrUnsupported) {
			frames += n
		}
	}
	for _, n := range c.broken {
		frames += n
	}
	return frames, c.cut + c.cutAnswers + c.cutEarly
}

// Lines returns one line for each kind, sorted, and one for SYN+ACKs without
// their SYN.
func (c *Counts) Lines(lone uint64) []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var lines []string
	for k, n := range c.tunnels {
		reason := strings.TrimPrefix(k.reason.Error(), "packet: ")
		if kinds := k.kinds.String(); kinds != "" {
			reason = kinds + ": " + reason
		}
		lines = append(lines, fmt.Sprintf("%s: %s", plural(n, "frame"), reason))
	}
	for err, n := range c.broken {
		lines = append(lines, fmt.Sprintf("%s: %s", plural(n, "frame"), strings.TrimPrefix(err.Error(), "packet: ")))
	}
	const advice = ", capture with -s 96 or more"
	for name, n := range map[string]uint64{"SYN": c.cut, "SYN+ACK": c.cutAnswers} {
		switch {
		case n == 1:
			lines = append(lines, "1 "+name+" cut inside its header"+advice)
		case n > 1:
			lines = append(lines, fmt.Sprintf("%d %ss cut inside their headers%s", n, name, advice))
		}
	}
	if c.cutEarly > 0 {
		lines = append(lines, plural(c.cutEarly, "TCP segment")+" cut before the flags, capture with -s 192 or more")
	}
	if lone > 0 {
		lines = append(lines, plural(lone, "SYN+ACK")+" whose SYN is not in the capture")
	}
	slices.Sort(lines)
	return lines
}

func count[K comparable](m *map[K]uint64, k K, n uint64) {
	if *m == nil {
		*m = make(map[K]uint64)
	}
	if _, known := (*m)[k]; known || len(*m) < maxKinds {
		(*m)[k] += n
	}
}

func plural(n uint64, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
