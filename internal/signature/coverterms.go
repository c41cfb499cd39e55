package signature

import "slices"

// coversTerms is covers where one of the two signatures goes beyond p0f's
// language. What it reports is really dead; it does not see all that is
// (docs/signatures.md).
func (t *TCP) coversTerms(n *TCP) bool {
	return t.IPOptLen == n.IPOptLen && fits(t.MSS, n.MSS) && fits(t.Payload, n.Payload) &&
		t.ttlCovers(n) && t.quirksCover(n) && t.termsCover(n) && t.formsCover(n) && t.scaleCovers(n)
}

// coverCost is how many steps a comparison takes at most, about.
func (t *TCP) coverCost(n *TCP) int {
	if t.ext == nil && n.ext == nil {
		return 1
	}
	return 2 + len(t.windowList())*len(n.windowList()) + len(t.forms())*len(n.forms())
}

// formsCover wants each form of n among those of t. Whether a timestamp counts
// for the window must be the same too.
func (t *TCP) formsCover(n *TCP) bool { return subset(n.forms(), t.forms()) }

// ttlCovers asks for the same initial TTLs: one that is 35 at most higher
// takes only a part of the packets.
func (t *TCP) ttlCovers(n *TCP) bool {
	if t.RandomTTL {
		return t.TTL >= slices.Max(n.initialTTLs())
	}
	return !n.RandomTTL && subset(n.initialTTLs(), t.initialTTLs())
}

// quirksCover holds for both versions where the later signature is for both,
// and else for its own: that a signature for one version takes packets of the
// other is an oddity of p0f that no database is written for.
func (t *TCP) quirksCover(n *TCP) bool {
	for _, version := range [...]uint8{4, 6} {
		if n.Version != Any && n.Version != int(version) {
			continue
		}
		want, may := t.quirksFor(version), t.quirksFor(version)|t.optionalFor(version)
		least := n.quirksFor(version)
		if most := least | n.optionalFor(version); want&^least != 0 || most&^may != 0 {
			return false
		}
	}
	return true
}

func (t *TCP) scaleCovers(n *TCP) bool {
	anyScale := t.Scale == Any && (t.ext == nil || t.ext.scales == nil)
	if anyScale {
		return true
	}
	if n.Scale == Any && (n.ext == nil || n.ext.scales == nil) {
		return false
	}
	for scale := range 256 {
		if n.scaleFits(scale) && !t.scaleFits(scale) {
			return false
		}
	}
	return true
}

// windowList is the window of any signature as terms; nil for any window.
func (t *TCP) windowList() []windowTerm {
	switch t.Kind {
	case WindowAny:
		return nil
	case windowTerms:
		return t.ext.windows
	}
	return []windowTerm{{kind: t.Kind, low: t.Window, top: t.Window}}
}

func (t *TCP) termsCover(n *TCP) bool {
	have, want := t.windowList(), n.windowList()
	if have == nil || want == nil {
		return have == nil
	}
	for i := range want {
		found := false
		for j := range have {
			found = found || have[j].covers(&want[i])
		}
		if !found {
			return false
		}
	}
	return true
}

func (t *windowTerm) covers(n *windowTerm) bool {
	if t.kind == WindowModulo && n.kind == WindowEqual && n.low == n.top {
		return n.low%t.low == 0
	}
	return t.kind == n.kind && t.units&n.units == n.units && t.low <= n.low && n.top <= t.top
}
