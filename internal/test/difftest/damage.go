package difftest

import "encoding/binary"

// eventOptions sends a SYN or SYN+ACK with a fuzzed option area (p0f-v3.md §12.2
// class 4).
func (w *world) eventOptions() {
	r := w.r
	c, s := w.pair()
	v6 := r.chance(0.3)
	sh := w.shapeFor(w.next(c, &c.cli, false), c, &c.cli, v6, 0)
	c.port = w.nextPort(c)
	sh.src, sh.dst = w.endpoints(c, s, v6, c.port, pick(r, serverPorts...))
	sh.flags |= flagSYN
	seg := sh.finish(r)
	if r.chance(0.4) {
		seg.opts = w.optionArea()
	} else {
		seg = w.fuzzOptions(seg, 1)
	}
	w.send(seg)
	f := w.addFlow(&flow{cli: c, srv: s, client: sh.src, server: sh.dst, cseq: seg.seq + 1, mss: sh.mss, ts: has(sh.layout, optTS)})
	if r.chance(0.3) {
		w.answer(f)
	}
}

var limits = []byte{0, 1, 2, 3, 4, 5, 8, 9, 10, 11, 30, 33, 34, 35, 39, 40, 41, 255}

// fuzzOptions replaces one or two bytes of a valid option area by kinds or
// lengths near a limit, with the probability given.
func (w *world) fuzzOptions(s *segment, p float64) *segment {
	if len(s.opts) == 0 || !w.r.chance(p) {
		return s
	}
	s.opts = append([]byte(nil), s.opts...)
	for range w.r.between(1, 2) {
		s.opts[w.r.n(len(s.opts))] = pick(w.r, limits...)
	}
	if w.r.chance(0.15) {
		s.opts = s.opts[:w.r.n(len(s.opts)/4+1)*4]
	}
	return s
}

// optionArea returns one of the areas that sit on a limit of p0f-v3.md §1.8.
func (w *world) optionArea() []byte {
	r := w.r
	nops := func(n int) []byte {
		b := make([]byte, n)
		for i := range b {
			b[i] = optNOP
		}
		return b
	}
	mss := []byte{optMSS, 4, byte(r.n(8)), byte(r.n(256))}
	switch r.n(10) {
	case 0:
		return nops(pick(r, 24, 28, 40, 20))
	case 1: // 24 kinds with the last byte still to come, or an EOL as the 24th and 25th
		b := nops(pick(r, 24, 28))
		b[pick(r, 22, 23, len(b)-1)] = pick[byte](r, optEOL, optMSS, optSOK)
		return b
	case 2: // padding clean, dirty first, in the middle, last
		b := append(mss, make([]byte, 8)...)
		b[5+r.n(7)] = byte(r.n(2))
		return b
	case 3: // the same option twice
		return append(append(mss, optMSS, 4, 2, 0), optWS, 3, byte(r.n(20)), optNOP)
	case 4: // timestamps twice: 0, then another
		b := append([]byte{optTS, 10, 0, 0, 0, 0, 0, 0, 0, 0}, optTS, 10, 0, 0, 0, byte(r.n(6)), 0, 0, 0, byte(r.n(2)))
		return b
	case 5: // SACK and unknown options of lengths at their limits
		length := pick[byte](r, 2, 9, 10, 11, 18, 33, 34, 35, 38, 40)
		b := append([]byte{pick[byte](r, optSACK, optSACK, 30, 254, 19), length}, nops(pick(r, 10, 34, 38))...)
		return b[:len(b)/4*4]
	case 6: // options that do not fit
		return append(nops(pick(r, 1, 5)), pick(r, []byte{optMSS, 4, 5}, []byte{optNOP, optWS, 3}, []byte{optNOP, optNOP, optSOK},
			[]byte{optTS, 10, 0}, []byte{optNOP, optNOP, optSACK}, []byte{optNOP, optNOP, 77})...)
	case 7: // lengths that lie, values that count
		return []byte{optMSS, byte(r.n(7)), 5, 0xb4, optSOK, byte(r.n(4)), optWS, byte(r.n(5)), 7, optNOP, optNOP, optEOL}
	case 8:
		b := append([]byte{optTS, byte(r.n(12))}, r.bytes(8)...)
		return append(b, optNOP, optEOL)
	}
	return r.bytes(4 * r.n(11))
}

// damage spoils a frame in one of the ways of p0f-v3.md §12.2 class 5. Everything
// it does has a rule in p0f-v3.md §1.1 to §1.6.
func damage(r *source, rec *record) {
	b := rec.data
	switch r.n(18) {
	case 0, 1: // captured short, anywhere or by a few bytes
		rec.data = b[:pick(r, r.n(len(b)+1), len(b)-r.between(1, 3))]
	case 2: // claims to have been shorter than what was captured
		rec.wire = max(0, rec.wire-r.between(1, 30))
	case 3: // trailing bytes
		rec.data = append(b, r.bytes(r.between(1, 60))...)
		rec.wire = len(rec.data)
	case 4, 5, 6:
		tag(r, rec)
	case 7: // another ethertype
		binary.BigEndian.PutUint16(b[12:], pick[uint16](r, 0x0806, 0x8864, 0x0801, 0x05dc))
	case 8: // that of the other IP version
		binary.BigEndian.PutUint16(b[12:], pick[uint16](r, 0x0800, 0x86dd))
	default:
		damageIP(r, b[14:], b[12] == 0x86)
	}
}

// damageIP changes one field of an IP or TCP header.
func damageIP(r *source, ip []byte, v6 bool) {
	be := binary.BigEndian
	proto, length, tcp := 9, 2, int(ip[0]&15)*4
	if v6 {
		proto, length, tcp = 6, 4, 40
	}
	switch r.n(9) {
	case 0:
		ip[proto] = pick[byte](r, 0, 17, 1, 7)
	case 1: // total or payload length a little wrong
		be.PutUint16(ip[length:], be.Uint16(ip[length:])+uint16(pick(r, -21, -4, -1, 1, 4, 40)))
	case 2:
		be.PutUint16(ip[length:], pick[uint16](r, 0, 20, 39, 40, 60, 65535))
	case 3, 4: // header length; fragments and the reserved flag; IPv6 extension headers
		switch {
		case v6:
			ip[6] = pick[byte](r, 0, 44, 43, 60)
			ip[40] = pick[byte](r, 6, 6, 17)
		case r.chance(0.5):
			ip[0] = 0x40 | byte(r.n(16))
		default:
			be.PutUint16(ip[6:], pick[uint16](r, 0x2000, 1, 0x1fff, 0x6000, 0x8000, 0xc000, 0xa000))
		}
	case 5: // data offset
		if tcp+12 < len(ip) {
			ip[tcp+12] = ip[tcp+12]&15 | byte(r.n(16))<<4
		}
	case 6: // version
		ip[0] = ip[0]&15 | byte(r.n(16))<<4
	default: // any flags
		if tcp+13 < len(ip) {
			ip[tcp+13] = byte(r.n(256))
		}
	}
}

// tag inserts one VLAN tag, or two, or one of an invalid type. The high
// nibble of the TCI decides what p0f takes it for (p0f-v3.md §1.3).
func tag(r *source, rec *record) {
	b := rec.data
	out := append([]byte(nil), b[:12]...)
	for range 1 + r.weighted(5, 1) {
		out = binary.BigEndian.AppendUint16(out, pick[uint16](r, 0x8100, 0x88a8, 0x9100, 0x8100, 0x88e5))
		out = binary.BigEndian.AppendUint16(out, pick[uint16](r, 1, 0x2005, 0x4005, 0x6005, 0x4500, 0x6000, 0x0fff))
	}
	out = append(out, b[12:]...)
	rec.data, rec.wire = out, rec.wire+len(out)-len(b)
}

// countedByP0f says whether an Ethernet frame passes the filter that p0f sets
// without a rule of the user's (p0f-v3.md §1.1).
func countedByP0f(rec record) bool {
	b := rec.data
	if len(b) < 14 {
		return false
	}
	kind, ip := binary.BigEndian.Uint16(b[12:]), b[14:]
	switch kind {
	case 0x8100, 0x88a8, 0x9100:
		if len(ip) < 4 {
			return false
		}
		kind, ip = binary.BigEndian.Uint16(ip[2:]), ip[4:]
	}
	switch {
	case kind == 0x0800:
		return len(ip) > 9 && ip[9] == 6
	case kind == 0x86dd && len(ip) > 6:
		return ip[6] == 6 || ip[6] == 44 && len(ip) > 40 && ip[40] == 6
	}
	return false
}
