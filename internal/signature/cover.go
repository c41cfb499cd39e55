package signature

import "slices"

// covered returns the first signature that matches all that t matches, so that
// t could never be used, or nil (p0f-v3.md §2.6). Catch-alls cover nothing. Its
// steps are taken from work, and it ends when none are left.
func (table *tcpTable) covered(t *TCP, labels []Label, work *int) *TCP {
	forms := t.forms()
	g := table.byLayout[forms[0].layout]
	if g == nil {
		return nil
	}
	for _, e := range g.entries {
		old := &table.sigs[e.sig]
		if *work -= old.coverCost(t); *work < 0 {
			return nil
		}
		if !labels[old.label-1].Generic && old.coversAll(t) {
			return old
		}
	}
	return nil
}

func (t *TCP) coversAll(n *TCP) bool {
	if t.ext == nil && n.ext == nil {
		return t.covers(n)
	}
	return t.coversTerms(n)
}

// covers applies the rules of matching with a signature in place of the
// packet. A new signature for any version counts as IPv6 here, so that p0f
// does not see two equal ones with df or id+.
func (t *TCP) covers(n *TCP) bool {
	version := uint8(6)
	if n.Version == 4 {
		version = 4
	}
	if t.quirksFor(version) != n.Quirks || t.IPOptLen != n.IPOptLen {
		return false
	}
	if d := t.TTL - n.TTL; d < 0 || !t.RandomTTL && d > MaxDistance {
		return false
	}
	return fits(t.MSS, n.MSS) && fits(t.Scale, n.Scale) && fits(t.Payload, n.Payload) && t.windowCovers(n)
}

func (t *TCP) windowCovers(n *TCP) bool {
	if n.Kind != WindowEqual {
		return t.Kind == n.Kind && t.Window == n.Window
	}
	mult := multipleOf(n.Window, n.MSS, false, 0, n.Version == 6, 0)
	return t.windowFits(n.Window, mult)
}

// covers reports whether every message that matches n matches h too.
func (h *HTTP) covers(n *HTTP) bool {
	if h.Version != Any && h.Version != n.Version {
		return false
	}
	return h.orderCovers(n) && !h.forbidsOneOf(n) && subset(h.Absent, n.Absent)
}

func (h *HTTP) orderCovers(n *HTTP) bool {
	at := 0
	for _, want := range h.Order {
		i := indexHeader(n.Order[at:], want.Name)
		if i < 0 {
			if !want.Optional || indexHeader(n.Order, want.Name) >= 0 {
				return false
			}
			continue
		}
		at += i
		if !want.takes(n.Order[at].Value) {
			return false
		}
		at++
	}
	return true
}

func (h *HTTP) forbidsOneOf(n *HTTP) bool {
	return slices.ContainsFunc(h.Absent, func(name string) bool { return indexHeader(n.Order, name) >= 0 })
}

// subset reports whether all of a is in b.
func subset[T comparable](a, b []T) bool {
	return !slices.ContainsFunc(a, func(x T) bool { return !slices.Contains(b, x) })
}
