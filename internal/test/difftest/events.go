package difftest

import "net/netip"

var serverPorts = []uint16{25, 25, 25, 80, 587, 465, 1024}

// eventSYN opens a flow with a SYN after the client's persona, mutated now and
// then (p0f-v3.md §12.2 classes 1 to 4).
func (w *world) eventSYN() {
	c, s := w.pair()
	w.openFlow(c, s, c.cli.v6 != w.r.chance(0.1), nil)
}

// openFlow sends a SYN from c to s and remembers the flow. change, when not
// nil, is applied to the finished shape.
func (w *world) openFlow(c, s *host, v6 bool, change func(*shape)) *flow {
	r := w.r
	sig := w.next(c, &c.cli, false)
	sh := w.shapeFor(sig, c, &c.cli, v6, 0)
	c.port = w.nextPort(c)
	sh.src, sh.dst = w.endpoints(c, s, v6, c.port, pick(r, serverPorts...))
	w.mutate(sh, &c.cli, 0)
	sh.flags |= flagSYN
	if change != nil {
		change(sh)
	}
	f := &flow{
		cli: c, srv: s, client: sh.src, server: sh.dst, cseq: sh.seq + 1, sseq: r.u32(),
		mss: sh.mss, ts: has(sh.layout, optTS),
	}
	if !has(sh.layout, optMSS) {
		f.mss = 0
	}
	w.send(w.fuzzOptions(sh.finish(r), 0.03))
	return w.addFlow(f)
}

// nextPort moves a host's client port on, mostly upwards in small steps, so
// that both port reuse and drops of 63 and 64 occur (p0f-v3.md §7.2 step 5).
func (w *world) nextPort(h *host) uint16 {
	switch x := w.r.n(100); {
	case x < 80:
		return h.port + uint16(w.r.between(1, 4))
	case x < 92:
		return h.port
	case x < 96:
		return h.port - uint16(pick(w.r, 1, 62, 63, 64, 65))
	}
	return uint16(w.r.n(65536))
}

func (w *world) endpoints(c, s *host, v6 bool, cport, sport uint16) (src, dst netip.AddrPort) {
	if v6 {
		return netip.AddrPortFrom(c.v6, cport), netip.AddrPortFrom(s.v6, sport)
	}
	return netip.AddrPortFrom(c.v4, cport), netip.AddrPortFrom(s.v4, sport)
}

// mutate turns one or more knobs of a packet (p0f-v3.md §12.2 classes 2 and 3).
// A persona whose turn it is to be a mutant always gets one.
func (w *world) mutate(sh *shape, p *persona, peer uint16) {
	r := w.r
	switch {
	case p.mutant && p.temper == fuzzily:
		w.nearMiss(sh)
		return
	case p.mutant:
		w.knob(sh, peer)
	case p.temper != anything && !r.chance(0.06):
		return
	}
	for range r.weighted(5, 3, 1) {
		w.knob(sh, peer)
	}
}

// nearMiss makes what p0f-v3.md §3.3 calls a fuzzy match out of an exact one.
func (w *world) nearMiss(sh *shape) {
	v6 := sh.v6()
	switch w.r.n(4) {
	case 0:
		sh.ttl = uint8(min(255, int(sh.ttl)+w.r.between(36, 120)))
	case 1:
		if !v6 {
			sh.id = 0
		}
	case 2:
		if !v6 && sh.df {
			sh.df, sh.id = false, 0
		}
	case 3:
		sh.tos |= 2
	}
}

func (w *world) knob(sh *shape, peer uint16) {
	r := w.r
	switch r.n(26) {
	case 0:
		sh.df = !sh.df
	case 1:
		sh.id = pick[uint16](r, 0, 1, 65535)
	case 2:
		sh.tos |= uint8(r.between(1, 3))
	case 3:
		sh.flags |= pick[uint16](r, flagECE, flagCWR, flagECE|flagCWR)
	case 4:
		sh.flags |= flagNS
	case 5:
		sh.evil = true
	case 6:
		sh.tos = sh.tos&3 | uint8(r.n(64))<<2
	case 7:
		sh.ipOpts = ipOptions(pick(r, 4, 8, 8, 40))
	case 8:
		sh.flags |= flagPSH
	case 9:
		sh.flags |= flagURG
		sh.urg = uint16(r.n(2) * 77)
	case 10:
		sh.urg = uint16(r.between(1, 65535))
	case 11:
		sh.seq = 0
	case 12:
		sh.ack = pick[uint32](r, 0, 1, 0x100, 0x10000, 0x01000000, 0x02000000, 0x03000000, 0xfeffffff, 0xffffffff)
	case 13:
		sh.payload = r.bytes(r.between(1, 30))
	case 14:
		sh.flowLabel = 1 + r.u32()%0xffffe
	case 15, 16, 17:
		sh.win = uint16(w.freeWindow(sh, sh.v6(), peer))
	case 18:
		sh.mss = w.someMSS()
	case 19:
		sh.ts1 = pick(r, 0, 0, sh.ts1+3000, sh.ts1-3000, sh.ts1+3000000, r.u32())
	case 20:
		sh.ts2 = pick[uint32](r, 0, 1, 1<<24, r.u32())
	case 21:
		sh.scale = uint8(pick(r, 0, 13, 14, 15, 15, 16, 255, r.n(15)))
	case 22:
		sh.badLen = true
	case 23:
		w.relayout(sh)
	case 24:
		sh.reserved = uint8(r.n(8))
	case 25:
		w.padEnd(sh)
	}
}

// relayout changes the order of options.
func (w *world) relayout(sh *shape) {
	l := append([]byte(nil), sh.layout...)
	if len(l) < 2 || l[len(l)-1] == optEOL {
		sh.layout = append([]byte{optMSS, optNOP}, pick[byte](w.r, optNOP, optSOK, 30, optSACK))
		sh.eolPad = 0
		return
	}
	i := w.r.n(len(l) - 1)
	l[i], l[i+1] = l[i+1], l[i]
	sh.layout = l
}

// padEnd gives a layout an EOL with padding whose bytes are clean, dirty in the
// middle, or dirty in the last place, which p0f does not look at.
func (w *world) padEnd(sh *shape) {
	size := 0
	for _, k := range sh.layout {
		n, _ := optionSize(k)
		size += n
	}
	if has(sh.layout, optEOL) {
		size += sh.eolPad
	} else {
		sh.layout = append(append([]byte(nil), sh.layout...), optEOL)
		size++
		sh.eolPad = 0
	}
	sh.eolPad += (4 - size%4) % 4
	if size+4 <= 36 && w.r.chance(0.5) {
		sh.eolPad += 4
	}
	sh.dirtyPad, sh.lastPad = w.r.chance(0.5), w.r.chance(0.4)
}

// eventSYNACK answers a flow (p0f-v3.md §12.2 class 6).
func (w *world) eventSYNACK() {
	r := w.r
	f := w.unanswered()
	if f == nil {
		w.eventSYN()
		return
	}
	switch x := r.n(100); {
	case x < 90:
		w.answer(f)
	case x < 94: // from the wrong side
		back := *f
		back.cli, back.srv = f.srv, f.cli
		back.client, back.server = f.server, f.client
		back.sseq = f.cseq - 1
		w.answer(&back)
	case x < 97: // of no flow
		c, s := w.pair()
		src, dst := w.endpoints(c, s, r.chance(0.3), uint16(r.n(65536)), 25)
		w.answer(&flow{cli: c, srv: s, client: src, server: dst, cseq: r.u32(), sseq: r.u32(), mss: 1460})
	default: // twice, the second one different
		w.answer(f)
		w.now += uint64(r.n(3_000_000))
		f.sseq += uint32(r.n(2)) * 77
		w.answer(f)
	}
}

func (w *world) unanswered() *flow {
	if w.r.chance(0.1) {
		return w.recent()
	}
	for range 6 {
		if f := w.recent(); f != nil && !f.answered {
			return f
		}
	}
	return nil
}

// answer sends the SYN+ACK of a flow. f.sseq is the sequence number after it.
func (w *world) answer(f *flow) {
	w.answerAs(f, w.next(f.srv, &f.srv.srv, true), nil)
}

func (w *world) answerAs(f *flow, sig *tcpSig, change func(*shape)) {
	r := w.r
	p := &f.srv.srv
	sh := w.shapeFor(sig, f.srv, p, f.client.Addr().Is6(), f.mss)
	sh.src, sh.dst = f.server, f.client
	w.mutate(sh, p, f.mss)
	sh.flags |= flagSYN | flagACK
	sh.ack = f.cseq
	if sig.quirks&qAckMinus != 0 || r.chance(0.03) {
		sh.ack = 0
	} else if r.chance(0.04) {
		sh.ack = r.u32()
	}
	if r.chance(0.1) {
		sh.mss = 1331 // printed as "*" (p0f-v3.md §3.4)
	}
	if change != nil {
		change(sh)
	}
	f.sseq = sh.seq + 1
	f.answered = true
	w.send(w.fuzzOptions(sh.finish(r), 0.03))
}

// eventSYNAgain sends a second SYN on a known flow (p0f-v3.md §12.2 class 7):
// before and after data, with a new sequence number, from the server's side.
func (w *world) eventSYNAgain() {
	r := w.r
	f := w.recent()
	if f == nil {
		return
	}
	c, src, dst, seq := f.cli, f.client, f.server, f.cseq-1-uint32(f.sentByClient)
	role := &c.cli
	switch r.n(6) {
	case 0:
		seq = r.u32()
	case 1:
		seq = f.cseq - 1
	case 2:
		seq += uint32(pick(r, -1, 1))
	case 3:
		c, src, dst, seq = f.srv, dst, src, pick(r, r.u32(), f.sseq-1, f.cseq-1)
		role = &c.cli
	}
	sig := w.next(c, role, false)
	sh := w.shapeFor(sig, c, role, src.Addr().Is6(), 0)
	sh.src, sh.dst, sh.seq = src, dst, seq
	w.mutate(sh, role, 0)
	sh.flags |= flagSYN
	w.send(w.fuzzOptions(sh.finish(r), 0.03))
	if seq != f.cseq-1 {
		nf := *f
		nf.cseq, nf.mss, nf.answered, nf.sentByClient = seq+1, sh.mss, false, 0
		if c != f.cli || src != f.client {
			nf.cli, nf.srv, nf.client, nf.server = f.srv, f.cli, src, dst
		}
		w.addFlow(&nf)
	}
}

// eventProbe is p0f-v3.md §12.2 class 8: the SYN of p0f-sendsyn, with and without
// a matching signature, then a SYN+ACK from either side or a plain ACK.
func (w *world) eventProbe() {
	r := w.r
	c, s := w.pair()
	v6 := r.chance(0.2)
	base := r.u32()
	for i := range r.between(1, 4) {
		f := w.openFlow(c, s, v6, func(sh *shape) { w.probeShape(sh, base, i) })
		w.now += uint64(r.n(200_000))
		switch r.n(6) {
		case 0:
		case 1:
			w.segment(f, false, nil, 0)
		case 2:
			back := *f
			back.cli, back.srv, back.client, back.server = f.srv, f.cli, f.server, f.client
			w.answer(&back)
		default:
			w.answer(f)
			if r.chance(0.3) {
				w.segment(f, true, w.chatter(), 0)
			}
		}
	}
}

func (w *world) probeShape(sh *shape, seq uint32, i int) {
	r := w.r
	sh.seq = seq
	sh.src = netip.AddrPortFrom(sh.src.Addr(), uint16(65535-i))
	if r.chance(0.6) { // the tool's own shape
		combo := r.n(8)
		sh.layout, sh.eolPad = []byte{optMSS}, 18
		if combo&4 != 0 {
			sh.layout, sh.scale, sh.eolPad = append(sh.layout, optWS), 5, sh.eolPad-3
		} else {
			sh.scale = 0
		}
		if combo&2 != 0 {
			sh.layout, sh.eolPad = append(sh.layout, optSOK), sh.eolPad-2
		}
		if combo&1 != 0 {
			sh.layout, sh.ts1, sh.ts2, sh.eolPad = append(sh.layout, optTS), 1337, 0, sh.eolPad-10
		}
		sh.layout = append(sh.layout, optNOP, optEOL)
		keep := sh.segment
		sh.segment = segment{src: keep.src, dst: keep.dst, seq: seq, flags: flagSYN, id: uint16(r.between(1, 65535))}
		sh.ttl = uint8(192 - r.n(3))
		sh.dirtyPad, sh.lastPad, sh.badLen = false, false, false
		if r.chance(0.15) {
			w.knob(sh, 0)
		}
	}
	sh.win, sh.mss = 1337, 1331
	if r.chance(0.08) {
		sh.mss = pick[uint16](r, 1330, 1332)
	}
}
