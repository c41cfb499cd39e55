package difftest

import (
	"encoding/binary"
	"net/netip"
	"strings"
)

// segment sends an ACK segment of a flow from one side, at the sequence number
// expected plus skew, and moves on when there is no skew.
func (w *world) segment(f *flow, fromServer bool, payload []byte, skew uint32) {
	s := w.plain(f, fromServer)
	s.flags |= flagACK
	s.seq += skew
	s.payload = payload
	if len(payload) > 0 && w.r.chance(0.7) {
		s.flags |= flagPSH
	}
	if skew == 0 {
		if fromServer {
			f.sseq += uint32(len(payload))
		} else {
			f.cseq += uint32(len(payload))
			f.sentByClient += len(payload)
		}
	}
	w.send(s)
}

// plain returns a segment of a flow without flags, with a timestamp when the
// flow has them.
func (w *world) plain(f *flow, fromServer bool) *segment {
	r := w.r
	h, s := f.cli, &segment{src: f.client, dst: f.server, seq: f.cseq, ack: f.sseq}
	if fromServer {
		h, s = f.srv, &segment{src: f.server, dst: f.client, seq: f.sseq, ack: f.cseq}
	}
	s.ttl, s.df, s.id = uint8(64-min(h.hops, 60)), true, uint16(r.n(65536))
	s.win = uint16(r.n(65536))
	if f.ts != r.chance(0.1) {
		tick := h.tick(w.now)
		if r.chance(0.06) {
			tick += pick(r, 3000, ^uint32(2999), r.u32(), 5, 4)
		}
		s.opts = binary.BigEndian.AppendUint32([]byte{1, 1, optTS, 10}, tick)
		s.opts = binary.BigEndian.AppendUint32(s.opts, r.u32())
	}
	return s
}

// chatter is payload that is neither a GET nor a HEAD request, so that no line
// of p0f's HTTP modules depends on it; its length lies around the 13 and 15
// bytes at which p0f begins to look (p0f-v3.md §8.1, §8.3).
func (w *world) chatter() []byte {
	r := w.r
	text := pick(r,
		"220 mx.example.net ESMTP ready\r\n",
		"EHLO client.example.org\r\nMAIL FROM:<a@example.org>\r\n",
		"SSH-2.0-Example_1.0\r\n",
		"POST / HTTP/1.1\r\nHost: example.net\r\n\r\n",
		"OPTIONS / HTTP/1.1\r\n\r\n",
		"get / HTTP/1.0\r\n\r\n",
		"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 and so on, no line in sight",
		"PUT /x HTTP/1.1\r\nA: b\r\n\r\n",
		strings.Repeat("x", 1460),
		strings.Repeat("\r\n", 20),
	)
	b := []byte(text)
	switch r.n(6) {
	case 0:
		return b[:min(len(b), pick(r, 1, 2, 5, 7, 12, 13, 14, 15, 16))]
	case 1:
		return b[:1+r.n(len(b))]
	}
	return b
}

// eventData sends data, or an empty ACK, on a flow: in sequence most often, else
// one off, repeated, or far away (p0f-v3.md §12.2 class 7).
func (w *world) eventData() {
	r := w.r
	f := w.recent()
	if f == nil {
		return
	}
	if !f.answered && r.chance(0.7) {
		w.answer(f)
		w.now += uint64(pick(r, 0, 100, 25_000, 40_000, 120_000))
	}
	fromServer := r.chance(0.4)
	var payload []byte
	if r.chance(0.45) {
		payload = w.chatter()
	}
	skew := uint32(0)
	if r.chance(0.15) {
		skew = pick[uint32](r, 1, 0xffffffff, uint32(r.n(3000)), r.u32(), 0xffffffff-uint32(r.n(1500)))
	}
	w.segment(f, fromServer, payload, skew)
}

// eventClose ends a flow with a FIN or RST of either side; then, half of the
// time, sends data on the dead flow.
func (w *world) eventClose() {
	r := w.r
	f := w.recent()
	if f == nil {
		return
	}
	s := w.plain(f, r.chance(0.5))
	s.flags = pick[uint16](r, flagFIN, flagFIN|flagACK, flagFIN|flagACK, flagRST, flagRST|flagACK)
	if r.chance(0.3) {
		s.seq = pick(r, 0, s.seq+1, s.seq-1, r.u32())
	}
	if r.chance(0.2) {
		s.payload = w.chatter()
	}
	w.send(s)
	if r.chance(0.5) {
		w.now += uint64(r.n(300_000))
		w.segment(f, r.chance(0.5), w.chatter(), 0)
	}
}

// eventSession is a mail session from SYN to FIN, without disorder.
func (w *world) eventSession() {
	r := w.r
	c, s := w.pair()
	pause := func() { w.now += uint64(pick(r, 100, 1000, 30_000, 60_000, 250_000)) }
	f := w.openFlow(c, s, r.chance(0.3), nil)
	pause()
	w.answer(f)
	pause()
	w.segment(f, false, nil, 0)
	pause()
	for range r.n(3) {
		w.segment(f, r.chance(0.5), nil, 0)
		pause()
	}
	for range r.n(4) { // small client data keeps the flow undecided
		w.segment(f, false, w.chatter()[:1], 0)
		pause()
	}
	w.segment(f, true, w.chatter(), 0)
	pause()
	w.segment(f, false, w.chatter(), 0)
	pause()
	end := w.plain(f, r.chance(0.5))
	end.flags = flagFIN | flagACK
	w.send(end)
}

// eventStray sends a segment that belongs to no flow, or with odd flags.
func (w *world) eventStray() {
	r := w.r
	c, s := w.pair()
	src, dst := w.endpoints(c, s, r.chance(0.3), uint16(r.n(65536)), pick(r, serverPorts...))
	f := &flow{cli: c, srv: s, client: src, server: dst, cseq: r.u32(), sseq: r.u32(), ts: r.chance(0.5)}
	if known := w.recent(); known != nil && r.chance(0.5) {
		f = known
	}
	seg := w.plain(f, r.chance(0.5))
	seg.flags = uint16(r.n(512))
	seg.payload = w.chatter()
	w.send(seg)
	if r.chance(0.3) { // a connection of an endpoint to itself
		self := netip.AddrPortFrom(c.v4, 4000)
		sh := w.shapeFor(w.next(c, &c.cli, false), c, &c.cli, false, 0)
		sh.src, sh.dst = self, self
		sh.flags |= flagSYN
		w.send(sh.finish(r))
		nf := &flow{cli: c, srv: c, client: self, server: self, cseq: sh.seq + 1, sseq: sh.seq + 1, ts: true}
		w.addFlow(nf)
		if r.chance(0.7) {
			w.segment(nf, r.chance(0.5), nil, 0)
		}
	}
}

// eventClock sends a SYN and then a packet whose distance in time and in ticks
// lies at the limits of p0f-v3.md §6: a second SYN, a SYN+ACK, an ACK or a FIN.
func (w *world) eventClock() {
	r := w.r
	c, s := w.pair()
	v6 := r.chance(0.3)
	if len(w.book.withTS) > 0 && r.chance(0.8) {
		c.cli.sig = pick(r, w.book.withTS...)
		if c.cli.temper == newName || c.cli.temper == anything {
			c.cli.temper = pick(r, steady, newMSS, portDrop)
		}
	}
	start := w.now
	first := max(1, r.u32()>>uint(r.n(20)))
	f := w.openFlow(c, s, v6, func(sh *shape) { sh.ts1 = first })
	millis := pick(r, 24, 25, 26, 50, 99, 100, 101, 1000, 1000, 10_000, 10_000, 599_999, 600_000, 600_001, r.n(5000))
	rate := pick(r, 0.5, 0.69, 0.7, 0.71, 0.99, 1, 1.5, 10, 11, 11.9, 12, 13, 50, 51, 53.9, 99, 100, 101, 117, 250, 299, 300,
		500, 501, 532, 533, 534, 933, 1000, 1033, 1100, 1400, 1499, 1500, 1501, 2000, float64(r.n(15000))/10)
	ticks := uint32(float64(millis) * rate / 1000)
	if r.chance(0.2) {
		ticks = pick(r, 0, 3, 4, 5, 6, ^uint32(0), ^uint32(13_999), ^uint32(14_998), ^uint32(14_999), ^uint32(15_000),
			1<<31-1, 1<<31, 1<<31+1, ^uint32(1000), ^uint32(100), 150_000, 150_001)
	}
	w.now = start + uint64(millis)*1000
	second := first + ticks
	switch r.n(5) {
	case 0, 1:
		w.openFlow(c, s, v6, func(sh *shape) { sh.ts1 = second })
	case 2:
		w.serverClock(f, first, second, millis)
	default:
		w.answer(f)
		w.send(w.stamped(f, false, second))
		if r.chance(0.5) { // was the flow given up on by the one before?
			w.now += 1_000_000
			w.send(w.stamped(f, false, first+1000))
		}
	}
}

// stamped returns an ACK, FIN or RST with a given TSval.
func (w *world) stamped(f *flow, fromServer bool, tick uint32) *segment {
	seg := w.plain(f, fromServer)
	seg.flags = pick[uint16](w.r, flagACK, flagACK, flagACK, flagFIN|flagACK, flagRST)
	seg.opts = binary.BigEndian.AppendUint32([]byte{optTS, 10}, tick)
	seg.opts = append(seg.opts, 0, 0, 0, 0, 1, 1)
	return seg
}

// serverClock is eventClock for the server: a SYN+ACK, then another one of a new
// flow or an ACK of the same.
func (w *world) serverClock(f *flow, first, second uint32, millis int) {
	r := w.r
	stamp := func(v uint32) func(*shape) {
		return func(sh *shape) {
			sh.ts1 = v
			if !has(sh.layout, optTS) {
				sh.layout = []byte{optMSS, optSOK, optTS, optNOP, optWS}
			}
		}
	}
	sig := f.srv.srv.sig
	w.answerAs(f, sig, stamp(first))
	w.now += uint64(millis) * 1000
	if r.chance(0.5) {
		nf := w.openFlow(f.cli, f.srv, f.client.Addr().Is6(), nil)
		w.answerAs(nf, sig, stamp(second))
		return
	}
	w.send(w.stamped(f, true, second))
}

// eventDay repeats a SYN of one host a day later, give or take a millisecond,
// with a change that makes timestamps count (p0f-v3.md §7.2 step 7), or after the
// short times at which the limit of its step changes.
func (w *world) eventDay() {
	r := w.r
	c, s := w.pair()
	if len(w.book.withTS) > 0 {
		c.cli.sig = pick(r, w.book.withTS...)
	}
	c.cli.temper = newMSS
	v6 := r.chance(0.3)
	millis := pick(r, 99, 100, 101, 1000, 10_000, 10_000, 600_000)
	if r.chance(0.1) {
		millis = 86_400_000 + pick(r, -1, 0, 1)
	}
	limit := uint32(max(millis, 100) * 1500 / 1000)
	first := 1 + r.u32()
	start := w.now
	w.openFlow(c, s, v6, func(sh *shape) { sh.ts1 = first })
	w.now = start + uint64(millis)*1000
	delta := pick(r, limit-1, limit, limit+1, limit+2, limit*2, ^limit, ^limit+1, ^limit-1, r.u32(), limit/2)
	w.openFlow(c, s, v6, func(sh *shape) { sh.ts1 = first + delta })
}

// eventTool is a host of a known class that starts to scan (p0f-v3.md §7.3).
func (w *world) eventTool() {
	r := w.r
	if len(w.book.tools) == 0 || len(w.book.classes) == 0 {
		return
	}
	c, s := w.pair()
	v6 := r.chance(0.3)
	c.cli.temper = steady
	c.cli.sig = pick(r, pick(r, w.book.classes...)...)
	w.openFlow(c, s, v6, nil)
	for range r.between(1, 7) {
		w.now += uint64(r.n(300_000))
		keep := c.cli.sig
		c.cli.sig = pick(r, w.book.tools...)
		w.openFlow(c, s, v6, nil)
		c.cli.sig = keep
		if r.chance(0.2) {
			w.openFlow(c, s, v6, nil)
		}
	}
}

// eventHistory is a run of SYNs or of SYN+ACKs of one host with one temper, long
// enough to reach a threshold of p0f-v3.md §7.1 or to age a board out.
func (w *world) eventHistory() {
	r := w.r
	c, s := w.pair()
	v6 := r.chance(0.3)
	c.cli.temper = temper(r.n(int(tempers)))
	c.cli.sig = w.anySig(c.cli.temper)
	if r.chance(0.5) {
		s.srv.temper = temper(r.n(int(tempers)))
		s.srv.sig = w.anyResponse()
	}
	c.hops = pick(r, 0, 3, 6, 8, 10, 12)
	for range pick(r, 4, 8, 12, 20, 36) {
		f := w.openFlow(c, s, v6, nil)
		if r.chance(0.4) {
			w.now += uint64(r.n(50_000))
			w.answer(f)
		}
		w.now += uint64(r.n(700_000))
	}
}
