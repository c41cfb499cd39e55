package difftest

// shapeFor returns a packet that fits a signature (p0f-v3.md §12.2 class 1), as
// host h would send it: TTL, clock and ports are the host's, wildcards are
// drawn. peer is the MSS of the SYN that a SYN+ACK answers, 0 for a SYN.
func (w *world) shapeFor(s *tcpSig, h *host, p *persona, v6 bool, peer uint16) *shape {
	r := w.r
	out := &shape{layout: s.layout, eolPad: s.eolPad}
	out.ttl = uint8(max(1, min(255, s.ttl-w.hopsOf(h, s))))
	if s.randomTTL {
		out.ttl = uint8(r.between(1, s.ttl))
	}
	out.tos = h.tos
	out.mss = p.mss
	if s.mss != wild {
		out.mss = uint16(s.mss)
	}
	out.scale = uint8(pick(r, 0, 1, 2, 4, 6, 7, 8, 10, 14))
	if s.scale != wild {
		out.scale = uint8(s.scale)
	}
	if has(s.layout, optTS) {
		out.ts1 = h.tick(w.now)
		if out.ts1 == 0 {
			out.ts1 = 1
		}
	}
	out.seq = max(1, r.u32())
	if !v6 && s.olen > 0 && s.olen <= 40 && s.olen%4 == 0 {
		out.ipOpts = ipOptions(s.olen)
	}
	if s.payload == '+' || s.payload == '*' && r.chance(0.3) {
		out.payload = r.bytes(r.between(1, 20))
	}
	w.applyQuirks(out, s, h, v6)
	w.setWindow(out, s, v6, peer)
	return out
}

// hopsOf draws the TTL distance: mostly that of the host, sometimes any, also
// beyond the 35 that make a match fuzzy and above the initial TTL.
func (w *world) hopsOf(h *host, s *tcpSig) int {
	r := w.r
	switch x := r.n(100); {
	case x < 88:
		return h.hops
	case x < 93:
		return r.n(13)
	case x < 96:
		return pick(r, 34, 35, 36, 37, 50)
	case x < 98:
		return -r.between(1, 40)
	}
	return s.ttl - r.between(1, 255)
}

func ipOptions(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = 1 // no-operation
	}
	return b
}

// applyQuirks sets the fields so that the packet has the quirks of s. With ver
// "*" those of the other IP version are left out, as p0f masks them.
func (w *world) applyQuirks(out *shape, s *tcpSig, h *host, v6 bool) {
	r := w.r
	q := s.quirks
	want := func(bit uint32) bool { return q&bit != 0 }
	if !v6 {
		out.df, out.evil = want(qDF), want(qZeroPlus)
		out.id = uint16(r.between(1, 65535))
		if out.df && !want(qIDPlus) || !out.df && want(qIDMinus) {
			out.id = 0
		}
	} else if want(qFlow) {
		out.flowLabel = 1 + r.u32()%0xffffe
	} else if h.flow != 0 && r.chance(0.3) {
		out.flowLabel = h.flow
	}
	if want(qECN) {
		switch r.n(3) {
		case 0:
			out.tos |= uint8(r.between(1, 3))
		case 1:
			out.flags |= pick[uint16](r, flagECE, flagCWR, flagECE|flagCWR)
		case 2:
			out.flags |= flagNS
		}
	}
	if want(qSeqMinus) {
		out.seq = 0
	}
	if want(qAckPlus) {
		out.ack = r.u32() | 0x01000000
	}
	if want(qUptrPlus) {
		out.urg = uint16(r.between(1, 65535))
	}
	if want(qUrgf) {
		out.flags |= flagURG
	}
	if want(qPushf) {
		out.flags |= flagPSH
	}
	if want(qTS1Minus) {
		out.ts1 = 0
	}
	if want(qTS2Plus) {
		out.ts2 = 1 + r.u32()/2
	}
	out.dirtyPad = want(qOptPlus)
	out.badLen = want(qBad)
	if want(qExws) && out.scale <= 14 {
		out.scale = uint8(r.between(15, 255))
	}
}

// setWindow chooses a window that s accepts: its literal, a multiple of its
// unit (by any of the divisors of p0f-v3.md §3.2, often the first), or any.
func (w *world) setWindow(out *shape, s *tcpSig, v6 bool, peer uint16) {
	r := w.r
	bases := w.divisors(out, v6, peer)
	base := int(out.mss)
	if s.winUnit == 'u' {
		base += 40
	}
	if r.chance(0.2) {
		base = pick(r, bases...)
	}
	win := 0
	switch s.winUnit {
	case '=':
		win = s.win
	case '%':
		win = s.win * r.n(65535/max(1, s.win)+1)
	case 's', 'u':
		win = base * s.win
		if win > 65535 || base <= 0 {
			win = r.n(65536)
		}
	default:
		win = w.freeWindow(out, v6, peer)
	}
	out.win = uint16(win)
}

// divisors lists the numbers of p0f-v3.md §3.2 that a window may be a multiple of,
// applicable or not.
func (w *world) divisors(out *shape, v6 bool, peer uint16) []int {
	m := int(out.mss)
	headers := 40 + len(out.ipOpts)
	if v6 {
		headers = 60
	}
	for _, k := range out.layout {
		n, _ := optionSize(k)
		headers += n
	}
	d := []int{m, m, m - 12, 1460, 1448, 1440, 1428, m + 40, m + headers, m + 60, 1500}
	if peer != 0 {
		d = append(d, int(peer), int(peer)-12, int(peer), int(peer)-12)
	}
	return d
}

func (w *world) freeWindow(out *shape, v6 bool, peer uint16) int {
	r := w.r
	switch r.n(10) {
	case 0:
		return pick(r, 0, 1337, 65535, 1, 32768, 65534)
	case 1, 2:
		return r.n(65536)
	case 3, 4:
		return pick(r, 8192, 5840, 14600, 29200, 64240, 65535, 16384, 5792, 28960, 65160)
	}
	base := pick(r, w.divisors(out, v6, peer)...)
	if base <= 0 {
		base = 1460
	}
	return base * r.n(65535/base+1)
}
