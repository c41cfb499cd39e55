package difftest

// The events here sit on the limits of p0f's counting: how long a board is, how
// many scores make an address shared, at which packet things are too old. They
// use guests, whose boards nothing else has touched.

// tap sends one undisturbed SYN of h after sig, or its SYN+ACK when response is
// set: TTL at hops, the MSS given, no timestamp.
func (w *world) tap(h *host, sig *tcpSig, v6, response bool, hops int, mss uint16) {
	r := w.r
	p := persona{mss: mss}
	peer := w.hosts[r.n(len(w.hosts))]
	h.port++
	if response {
		peer.port++
		opening := w.shapeFor(pick(r, w.book.os...), peer, &persona{mss: 1460}, v6, 0)
		opening.src, opening.dst = w.endpoints(peer, h, v6, peer.port, 25)
		opening.flags |= flagSYN
		w.send(opening.finish(r))
		w.now += uint64(r.n(10_000))
	}
	sh := w.shapeFor(sig, h, &p, v6, 1460)
	sh.ttl, sh.ts1 = uint8(max(1, sig.ttl-hops)), 0
	sh.src, sh.dst = w.endpoints(h, peer, v6, h.port, 25)
	sh.flags |= flagSYN
	if response {
		sh.src, sh.dst = w.endpoints(h, peer, v6, 25, peer.port)
		sh.flags |= flagACK
		sh.ack = 1 + r.u32()/2
	}
	w.send(sh.finish(r))
	w.now += uint64(r.n(40_000))
}

// eventAgeing is two changes of operating system with that many quiet SYNs between
// them that the first has just left the board, or just not (p0f-v3.md §7.1).
func (w *world) eventAgeing() {
	r := w.r
	if r.chance(0.6) || len(w.book.os) == 0 {
		return
	}
	g, v6, response := w.guest(), r.chance(0.3), r.chance(0.2)
	sigs := w.book.os
	if response {
		sigs = w.book.response
	}
	one, other := pick(r, sigs...), pick(r, sigs...)
	send := func(n int, sig *tcpSig) {
		for range n {
			w.tap(g, sig, v6, response, 1, 1460)
		}
	}
	send(1, one)
	send(pick(r, 29, 30, 31, 32, 33), other)
	send(2, one)
}

// eventThreshold repeats a change of one weight until the address counts as
// shared, or stops just before: 3 of 6 and more, 5 of 3, 7 of 2, 9 of 1 (p0f-v3.md
// §7.1). The reasons are those that p0f-v3.md §7.2 gives that weight.
func (w *world) eventThreshold() {
	r := w.r
	if r.chance(0.4) || len(w.book.os) == 0 || len(w.book.freeMSS) == 0 {
		return
	}
	g, v6, response := w.guest(), r.chance(0.3), r.chance(0.3)
	sigs, prefix, sign := w.book.os, "", 1
	if response {
		sigs, prefix, sign = w.book.response, "<", -1
	}
	base := pick(r, sigs...)
	var next func(i int) (*tcpSig, int, uint16)
	switch r.n(6) {
	case 0: // 8: another name
		other := pick(r, sigs...)
		next = func(i int) (*tcpSig, int, uint16) { return []*tcpSig{base, other}[i%2], 2, 1460 }
	case 1: // 4: TTL, near
		next = func(i int) (*tcpSig, int, uint16) { return base, 1 + 2*(i%2), 1460 }
	case 2: // 2: another label of one name
		if l := w.book.byName[prefix+base.name]; len(l) > 0 {
			next = func(i int) (*tcpSig, int, uint16) { return l[i%len(l)], 2, 1460 }
		}
	case 3: // 1: another line of one label
		if l := w.book.byLabel[sign*base.label]; len(l) > 0 {
			next = func(i int) (*tcpSig, int, uint16) { return l[i%len(l)], 2, 1460 }
		}
	case 4: // 1: TTL, far
		next = func(i int) (*tcpSig, int, uint16) { return base, 7 + i%2, 1460 }
	default: // 1: MSS
		if !response {
			base = pick(r, w.book.freeMSS...)
		}
		next = func(i int) (*tcpSig, int, uint16) { return base, 2, 1460 - 40*uint16(i%2) }
	}
	if next == nil {
		return
	}
	quiet := r.n(3)
	for i := range r.between(3, 13) {
		sig, hops, mss := next(i)
		for range 1 + r.n(1+quiet) {
			w.tap(g, sig, v6, response, hops, mss)
		}
	}
}

// eventTick places a packet on a multiple of 50, where p0f looks for what is too
// old, and the age of its flow or host at the limit or one second off it (p0f-v3.md
// §5.6). Whether the packet then finds its flow, or its host's past, shows.
func (w *world) eventTick() {
	r := w.r
	if w.counted%50 < 38 || len(w.book.os) == 0 {
		return
	}
	g, v6 := w.guest(), r.chance(0.3)
	before := pick(r, 1, 1, 2)
	for (w.counted+before)%50 != 49 {
		if len(w.out) >= w.p.Frames {
			return
		}
		w.now += uint64(r.n(20_000))
		w.filler()
	}
	if r.chance(0.7) { // to a whole second, and off it again, as only seconds count
		w.now = w.now/1_000_000*1_000_000 + uint64(pick(r, 0, 1, 500_000, 999_999))
	}
	pass := func(seconds int) { // the last packet but one shares the wait
		w.now += uint64(seconds/before) * 1_000_000
		if before == 2 {
			w.filler()
			w.now += uint64(seconds-seconds/2) * 1_000_000
		}
	}
	if r.chance(0.5) { // a flow
		f := w.openFlow(g, pick(r, w.hosts...), v6, func(sh *shape) { sh.payload = nil })
		pass(pick(r, 29, 30, 31, 1, 2, 3, 60, 61))
		w.answer(f)
		return
	}
	w.tap(g, pick(r, w.book.os...), v6, false, 2, 1460)
	pass(pick(r, 60, 61, 59, 120, 121, 7199, 7200, 7200, 7201))
	w.tap(g, pick(r, w.book.os...), v6, false, 2, 1400)
}

// eventTickAgain lets two ticks fall into one second, with a flow between them
// that was made a second later: time went back. The second tick must do nothing;
// in half of the cases it falls into another second, and all that is newer than
// it goes (p0f-v3.md §5.6).
func (w *world) eventTickAgain() {
	r := w.r
	if w.counted%50 < 30 || r.chance(0.7) {
		return
	}
	fill := func(to int) {
		for w.counted%50 != to && len(w.out) < w.p.Frames {
			w.filler()
		}
	}
	fill(0) // the tick has passed
	second := w.now / 1_000_000 * 1_000_000
	w.now = second + 1_000_000
	g, v6 := w.guest(), r.chance(0.3)
	f := w.openFlow(g, pick(r, w.hosts...), v6, func(sh *shape) { sh.payload = nil })
	w.now = second + uint64(r.n(1_000_000)) - uint64(r.n(2))*1_000_000
	fill(49)
	w.answer(f)
	w.now = second + 1_000_000
	w.openFlow(g, pick(r, w.hosts...), v6, nil)
}

// eventGrace sends an ACK within 100 ms whose clock went back by about 15000
// ticks, and a good one later: was the flow given up on (p0f-v3.md §6)?
func (w *world) eventGrace() {
	r := w.r
	c, s := w.pair()
	first := 1 + r.u32()
	f := w.openFlow(c, s, r.chance(0.3), func(sh *shape) {
		sh.ts1 = first
		if !has(sh.layout, optTS) {
			sh.layout, sh.eolPad = []byte{optMSS, optSOK, optTS, optNOP, optWS}, 0
		}
	})
	start := w.now
	w.answerAs(f, f.srv.srv.sig, func(sh *shape) { sh.payload = nil })
	w.now = start + uint64(pick(r, 25, 60, 98, 99, 100, 101))*1000
	w.send(w.stamped(f, false, first-uint32(pick(r, 1, 14_999, 15_000, 15_000, 15_001, 15_001, 15_002))))
	w.now += 1_000_000
	w.send(w.stamped(f, false, first+1000))
}

// filler is a packet that says little: an ACK of no flow.
func (w *world) filler() {
	c, s := w.pair()
	src, dst := w.endpoints(c, s, false, 1, 2)
	seg := w.plain(&flow{cli: c, srv: s, client: src, server: dst}, false)
	seg.flags = flagACK
	w.send(seg)
}
