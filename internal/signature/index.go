package signature

import (
	"math/bits"
	"slices"

	"github.com/mxprint/mxprint/packet"
)

// entry is a signature in the index, by one of its layouts.
type entry struct {
	sig    int32 // its place in the file's order
	erased bool
	ts     bool
}

// group is the signatures of one layout. Thousands may share one, so each is a
// tree that asks one field of the packet at a time; what remains is held
// against the packet field by field. A fuzzy match forgives the TTL and some
// quirks, so that it needs a tree that does not ask for them.
type group struct {
	entries []entry
	exact   *node
	fuzzy   *node
}

// node is a leaf, or asks one field: children holds the signatures that want
// a certain value, rest those that do not care.
type node struct {
	entries  []entry // of a leaf, in the order of the file
	field    field
	children *children
	rest     *node
}

// children finds nodes by a number: open addressing, half full at most. A match
// asks several; a map of Go's takes three times as long.
type children struct {
	slots []childSlot
	shift uint8
}

// childSlot is free where node is nil.
type childSlot struct {
	node *node
	key  uint32
}

func newChildren(n int) *children {
	size := bits.Len(uint(max(2*n-1, 1)))
	return &children{slots: make([]childSlot, 1<<size), shift: uint8(32 - size)}
}

// place is the first slot to look at for a key.
func (c *children) place(key uint32) uint32 { return key * 0x9e3779b1 >> c.shift }

func (c *children) add(key uint32, n *node) {
	mask := uint32(len(c.slots) - 1)
	i := c.place(key)
	for c.slots[i].node != nil {
		i = (i + 1) & mask
	}
	c.slots[i] = childSlot{n, key}
}

func (c *children) at(key uint32) *node {
	mask := uint32(len(c.slots) - 1)
	for i := c.place(key) & mask; c.slots[i].node != nil; i = (i + 1) & mask {
		if c.slots[i].key == key {
			return c.slots[i].node
		}
	}
	return nil
}

// field is what a node asks of a packet.
type field uint8

const (
	byScale field = iota
	byWindow
	byMultiple
	byZone // of 2 KiB, in which the buffer space of a fitted window lies
	byMSS
	byIPOptions
	byCore // the quirks that no fuzzy match forgives
	byQuirks
	byTTL
	fields
)

const (
	fuzzyFields = 1<<byScale | 1<<byWindow | 1<<byMultiple | 1<<byZone | 1<<byMSS | 1<<byIPOptions | 1<<byCore
	exactFields = fuzzyFields&^(1<<byCore) | 1<<byQuirks | 1<<byTTL

	leafSize = 4  // so few are compared faster than looked for
	maxKeys  = 64 // values of one field for which a signature is listed
)

// looseQuirks may differ in a fuzzy match.
const looseQuirks = fuzzyMissing | fuzzyAdded

// keys of byZone that are no zones: for the window 65535, which stands for all
// above it, and for windows of a jumbo frame whose MSS was lowered.
const (
	topZone   = 1 << 20
	jumboZone = 1 << 21
	zoneBits  = 11
)

// zones is where the space of a fitted window may lie: up to a segment above it.
func zones(s *seen) (first, last uint32) {
	if s.Window == maxWindow {
		return topZone, topZone
	}
	segment := max(int(s.MSS), s.peerMSS, segmentMSS)
	return uint32(s.Window) >> zoneBits, uint32(int(s.Window)+segment) >> zoneBits
}

// each visits the nodes behind n for a packet, one after the other.
func (n *node) each(s *seen, visit func(*node)) {
	at := func(key uint32) {
		if child := n.children.at(key); child != nil {
			visit(child)
		}
	}
	if n.field != byZone {
		at(n.field.key(s))
		return
	}
	first, last := zones(s)
	for zone := first; zone <= last; zone++ {
		at(zone)
	}
	at(jumboZone | uint32(s.Window))
}

// key is the value of a field in a packet.
func (f field) key(s *seen) uint32 {
	switch f {
	case byIPOptions:
		return uint32(s.IPOptLen)
	case byScale:
		return uint32(s.Scale)
	case byWindow:
		return uint32(s.Window)
	case byMultiple:
		return multipleKey(s.mult.Kind, s.mult.N)
	case byMSS:
		return uint32(s.MSS)
	case byCore:
		return quirksKey(s.Version, s.Quirks&^looseQuirks)
	case byQuirks:
		return quirksKey(s.Version, s.Quirks)
	}
	return uint32(s.TTL)
}

func multipleKey(kind WindowKind, n int) uint32 { return uint32(kind)<<16 | uint32(n) }

func quirksKey(version uint8, q packet.Quirks) uint32 {
	key := uint32(q) << 1
	if version == 4 {
		key |= 1
	}
	return key
}

// keys lists the values of a field that a signature takes; nil when they are
// all, or too many to list.
func (f field) keys(t *TCP) []uint32 {
	switch f {
	case byScale:
		return t.scaleKeys()
	case byWindow, byMultiple:
		return t.windowKeys(f)
	case byZone:
		return t.zoneKeys()
	case byIPOptions:
		return []uint32{uint32(t.IPOptLen)}
	case byMSS:
		if t.MSS != Any {
			return []uint32{uint32(t.MSS)}
		}
	case byCore:
		return t.quirksKeys(looseQuirks)
	case byQuirks:
		return t.quirksKeys(0)
	case byTTL:
		return t.ttlKeys()
	}
	return nil
}

func (t *TCP) scaleKeys() []uint32 {
	if t.ext != nil && t.ext.scales != nil {
		var keys []uint32
		for n := range 256 {
			if t.ext.scales.has(n) {
				keys = append(keys, uint32(n))
			}
		}
		return few(keys)
	}
	if t.Scale == Any {
		return nil
	}
	return []uint32{uint32(t.Scale)}
}

func (t *TCP) windowKeys(f field) []uint32 {
	var keys []uint32
	list := t.windowList()
	for i := range list {
		w := &list[i]
		switch {
		case f == byWindow && w.kind == WindowEqual && w.top-w.low < maxKeys:
			for n := w.low; n <= w.top; n++ {
				keys = append(keys, uint32(n))
			}
		case f == byMultiple && (w.kind == WindowMSS || w.kind == WindowMTU):
			keys = append(keys, multipleKey(w.kind, w.low))
		default:
			return nil
		}
	}
	return few(keys)
}

// zoneKeys are the zones of the spaces, and of plain windows.
func (t *TCP) zoneKeys() []uint32 {
	var keys []uint32
	list := t.windowList()
	for i := range list {
		w := &list[i]
		if w.kind != windowFit && w.kind != WindowEqual || (w.top-w.low)>>zoneBits > maxKeys/2 {
			return nil
		}
		keys = append(keys, zonesOf(w.low, w.top)...)
		keys = append(keys, topKey(w.top)...)
		if w.kind == windowFit && w.top != w.low {
			return nil // the windows of jumbo frames are too many
		}
		if w.kind == windowFit {
			for i, mss := range usualMSS {
				if mss > segmentMSS {
					keys = append(keys, jumboZone|uint32(w.clamped[0][i]), jumboZone|uint32(w.clamped[1][i]))
				}
			}
		}
	}
	return few(keys)
}

func zonesOf(low, top int) []uint32 {
	var keys []uint32
	for z := low >> zoneBits; z <= top>>zoneBits; z++ {
		keys = append(keys, uint32(z))
	}
	return keys
}

func topKey(top int) []uint32 {
	if top >= maxWindow {
		return []uint32{topZone}
	}
	return nil
}

func (t *TCP) quirksKeys(ignore packet.Quirks) []uint32 {
	var keys []uint32
	for _, version := range [...]uint8{4, 6} {
		want, optional := t.quirksFor(version)&^ignore, t.optionalFor(version)&^ignore
		optional &^= want
		for sub := optional; ; sub = (sub - 1) & optional {
			keys = append(keys, quirksKey(version, want|sub))
			if len(keys) > maxKeys {
				return nil
			}
			if sub == 0 {
				break
			}
		}
	}
	return few(keys)
}

func (t *TCP) ttlKeys() []uint32 {
	if t.RandomTTL {
		return nil
	}
	var keys []uint32
	for _, initial := range t.initialTTLs() {
		for ttl := max(initial-MaxDistance, 0); ttl <= initial; ttl++ {
			keys = append(keys, uint32(ttl))
		}
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}

// initialTTLs are those that packets of the signature may have left with.
func (t *TCP) initialTTLs() []int {
	if t.ext == nil {
		return []int{t.TTL}
	}
	return append([]int{t.TTL}, t.ext.ttls...)
}

// few returns the keys without doubles, or nil where there are too many.
func few(keys []uint32) []uint32 {
	slices.Sort(keys)
	if keys = slices.Compact(keys); len(keys) > maxKeys {
		return nil
	}
	return keys
}

// build makes the tree of some entries out of the allowed fields, each time
// with the one that leaves the least to compare.
func (t *tcpTable) build(entries []entry, allowed uint) *node {
	if len(entries) == 0 {
		return nil
	}
	best, least := fields, len(entries)
	for f := field(0); f < fields && len(entries) > leafSize; f++ {
		if allowed&(1<<f) == 0 {
			continue
		}
		if most := t.mostLeft(entries, f); most < least {
			best, least = f, most
		}
	}
	if best == fields {
		return &node{entries: entries}
	}
	return t.split(entries, best, allowed&^(1<<best))
}

// mostLeft is how many entries a packet can meet behind a node for a field.
func (t *tcpTable) mostLeft(entries []entry, f field) int {
	rest, most := 0, 0
	count := make(map[uint32]int)
	for _, e := range entries {
		keys := f.keys(&t.sigs[e.sig])
		if keys == nil {
			rest++
		}
		for _, k := range keys {
			if f == byZone && k >= jumboZone {
				continue // few packets carry such a window
			}
			count[k]++
			most = max(most, count[k])
		}
	}
	if f == byZone {
		most *= 2
	}
	return rest + most
}

func (t *tcpTable) split(entries []entry, f field, allowed uint) *node {
	var rest []entry
	lists := make(map[uint32][]entry)
	for _, e := range entries {
		keys := f.keys(&t.sigs[e.sig])
		if keys == nil {
			rest = append(rest, e)
		}
		for _, k := range keys {
			lists[k] = append(lists[k], e)
		}
	}
	n := &node{field: f, children: newChildren(len(lists)), rest: t.build(rest, allowed)}
	for k, list := range lists {
		n.children.add(k, t.build(list, allowed))
	}
	return n
}

// finish builds the trees, once all signatures are there.
func (t *tcpTable) finish() {
	for _, g := range t.byLayout {
		g.exact = t.build(g.entries, exactFields)
		g.fuzzy = t.build(g.entries, fuzzyFields)
	}
}

// candidate is a signature that fits, by the entry it was found with.
type candidate struct {
	sig   *TCP
	at    int32
	flags Flags
}

func (c *candidate) after(at int32) bool { return c.sig == nil || at < c.at }

// findExact looks for the first specific and the first generic signature that
// fit exactly.
func (t *tcpTable) findExact(n *node, s *seen, specific, generic *candidate) {
	for ; n != nil; n = n.rest {
		if n.children == nil {
			t.exactIn(n.entries, s, specific, generic)
			return
		}
		n.each(s, func(child *node) { t.findExact(child, s, specific, generic) })
	}
}

func (t *tcpTable) exactIn(entries []entry, s *seen, specific, generic *candidate) {
	for _, e := range entries {
		if !specific.after(e.sig) {
			return
		}
		sig := &t.sigs[e.sig]
		v, flags := sig.compare(s, e)
		switch {
		case v != exact:
		case !sig.Label.Generic:
			*specific = candidate{sig, e.sig, flags}
			return
		case generic.after(e.sig):
			*generic = candidate{sig, e.sig, flags}
		}
	}
}

// findFuzzy looks for the first signature that fits fuzzily.
func (t *tcpTable) findFuzzy(n *node, s *seen, nearly *candidate) {
	for ; n != nil; n = n.rest {
		if n.children != nil {
			n.each(s, func(child *node) { t.findFuzzy(child, s, nearly) })
			continue
		}
		for _, e := range n.entries {
			if !nearly.after(e.sig) {
				return
			}
			if v, flags := t.sigs[e.sig].compare(s, e); v == fuzzy {
				*nearly = candidate{&t.sigs[e.sig], e.sig, flags}
				return
			}
		}
		return
	}
}
