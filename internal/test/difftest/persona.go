package difftest

// A persona is the way in which a host appears in one role: which signature its
// packets follow and how they change from one to the next. Each temper exists
// to feed one part of the scoring of p0f-v3.md §7.2 often enough for its threshold.
type persona struct {
	temper temper
	sig    *tcpSig
	mss    uint16
	turn   int
	mutant bool
	v6     bool
}

type temper int

const (
	steady   temper = iota
	newName         // another OS each time: os_diff 8
	newLabel        // same OS, another label: os_diff 2
	newLine         // same label, another line: os_diff 1
	fuzzily         // exact and fuzzy in turn: fuzzy 1
	farther         // the TTL wanders: ttl 4 or 1
	newMSS          // mtu 1
	portDrop        // port 1
	unknown         // known and unknown in turn: x_known, sig_diff
	twoFaces        // two signatures in turn
	anything
	tempers
)

// books are the signatures of a database by what tempers ask for.
type books struct {
	os       []*tcpSig // request signatures of operating systems
	tools    []*tcpSig // userland request signatures
	classes  [][]*tcpSig
	byName   map[string][]*tcpSig
	byLabel  map[int][]*tcpSig
	freeMSS  []*tcpSig // request signatures with any MSS
	withTS   []*tcpSig
	response []*tcpSig
}

func newBooks(db *database) books {
	b := books{byName: map[string][]*tcpSig{}, byLabel: map[int][]*tcpSig{}}
	seen := map[string]int{}
	for _, s := range db.request {
		if s.userland() {
			b.tools = append(b.tools, s)
			continue
		}
		b.os = append(b.os, s)
		i, ok := seen[s.class]
		if !ok {
			i = len(b.classes)
			seen[s.class] = i
			b.classes = append(b.classes, nil)
		}
		b.classes[i] = append(b.classes[i], s)
		b.byName[s.name] = append(b.byName[s.name], s)
		b.byLabel[s.label] = append(b.byLabel[s.label], s)
		if s.mss == wild && s.hasMSS {
			b.freeMSS = append(b.freeMSS, s)
		}
		if has(s.layout, optTS) {
			b.withTS = append(b.withTS, s)
		}
	}
	for _, s := range db.response {
		b.byName["<"+s.name] = append(b.byName["<"+s.name], s)
		b.byLabel[-s.label] = append(b.byLabel[-s.label], s)
		b.response = append(b.response, s)
	}
	return b
}

func has(layout []byte, kind byte) bool {
	for _, k := range layout {
		if k == kind {
			return true
		}
	}
	return false
}

// settle gives a host new personas.
func (w *world) settle(h *host) {
	r := w.r
	h.cli = persona{temper: temper(r.n(int(tempers))), mss: w.someMSS(), v6: r.chance(0.3)}
	h.cli.sig = w.anySig(h.cli.temper)
	h.srv = persona{temper: temper(r.n(int(tempers))), mss: w.someMSS(), v6: h.cli.v6}
	h.srv.sig = w.anyResponse()
}

func (w *world) anySig(t temper) *tcpSig {
	r := w.r
	switch {
	case t == newMSS && len(w.book.freeMSS) > 0:
		return pick(r, w.book.freeMSS...)
	case r.chance(0.35) && len(w.book.withTS) > 0:
		return pick(r, w.book.withTS...)
	case r.chance(0.15) || len(w.book.os) == 0:
		return pick(r, w.db.request...)
	case r.chance(0.3):
		return pick(r, pick(r, w.book.classes...)...)
	}
	return pick(r, w.book.os...)
}

func (w *world) anyResponse() *tcpSig { return pick(w.r, w.book.response...) }

// next returns the signature that a host's next SYN or SYN+ACK follows, and
// prepares what shapeFor reads from the persona.
func (w *world) next(h *host, p *persona, response bool) *tcpSig {
	r := w.r
	if r.chance(0.02) {
		w.settle(h)
	}
	p.turn++
	p.mutant = false
	key, name := p.sig.label, p.sig.name
	if response {
		key, name = -key, "<"+name
	}
	again := func() *tcpSig {
		if response {
			return w.anyResponse()
		}
		return w.anySig(p.temper)
	}
	switch p.temper {
	case newName:
		p.sig = again()
	case newLabel:
		if l := w.book.byName[name]; len(l) > 0 {
			p.sig = pick(r, l...)
		}
	case newLine:
		if l := w.book.byLabel[key]; len(l) > 0 {
			p.sig = pick(r, l...)
		}
	case fuzzily, unknown:
		p.mutant = r.chance(0.5)
	case farther:
		h.hops = max(0, h.hops+pick(r, -3, -2, -1, -1, 0, 1, 1, 2, 3))
		if h.hops > 30 {
			h.hops = pick(r, 0, 4, 7, 12)
		}
	case newMSS:
		p.mss = w.someMSS()
	case portDrop:
		h.port -= uint16(pick(r, 63, 64, 65, 200, 0, 1000))
	case twoFaces:
		if p.turn%4 == 0 {
			p.sig = again()
		}
	case anything:
		p.sig = again()
		p.mutant = r.chance(0.5)
		p.mss = w.someMSS()
	}
	return p.sig
}

func (w *world) someMSS() uint16 {
	r := w.r
	if r.chance(0.85) {
		return pick[uint16](r, 1460, 1460, 1460, 1452, 1440, 1430, 1420, 1400, 1380, 1360, 1240, 1220, 1414, 1412,
			536, 216, 8960, 16396, 16344, 3884)
	}
	return pick[uint16](r, 0, 1, 2, 9, 12, 99, 100, 536, 1331, 1460, 8960, 65535, uint16(r.n(65536)))
}
