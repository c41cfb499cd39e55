package difftest

import (
	"bytes"
	"net/netip"
	"slices"
)

var webPorts = []uint16{80, 80, 8080, 25}

// eventHTTP is one exchange on a new connection: a request, most often a
// response, each cut into segments, with this and that going wrong (p0f-v3.md
// §12.2 class 11).
func (w *world) eventHTTP() {
	r := w.r
	c, s := w.pair()
	w.exchange(c, s, w.request(), w.response())
	if r.chance(0.25) { // the same client again: scores need a history
		for range r.between(1, 6) {
			w.now += uint64(r.n(400_000))
			w.exchange(c, s, w.request(), w.response())
		}
	}
}

func (w *world) exchange(c, s *host, request, response *message) {
	r := w.r
	f := w.web(c, s)
	w.answer(f)
	w.now += uint64(r.n(30_000))
	if r.chance(0.03) { // the server speaks first
		w.sendCut(f, true, response.bytes())
	}
	data := request.bytes()
	if r.chance(0.06) { // not the whole request
		data = data[:r.n(len(data))]
	}
	w.sendCut(f, false, data)
	if r.chance(0.08) { // more of the client
		w.segment(f, false, pick(r, w.chatter(), request.bytes(), bytes.Repeat([]byte{'m'}, 9000)), 0)
	}
	if r.chance(0.12) {
		return
	}
	w.now += uint64(r.n(60_000))
	data = response.bytes()
	if r.chance(0.05) {
		data = data[:r.n(len(data))]
	}
	w.sendCut(f, true, data)
	if r.chance(0.15) { // after the end
		w.segment(f, r.chance(0.5), w.chatter(), 0)
	}
}

// web opens a connection to a port of a web server.
func (w *world) web(c, s *host) *flow {
	port := pick(w.r, webPorts...)
	return w.openFlow(c, s, c.cli.v6 != w.r.chance(0.1), func(sh *shape) {
		sh.dst = netip.AddrPortFrom(sh.dst.Addr(), port)
	})
}

// sendCut sends data of one side in segments.
func (w *world) sendCut(f *flow, fromServer bool, data []byte) {
	for _, part := range w.cut(data) {
		if w.r.chance(0.004) { // lost, or early
			w.segment(f, fromServer, part, uint32(w.r.between(1, 1460)))
			continue
		}
		if w.r.chance(0.01) {
			w.segment(f, !fromServer, nil, 0)
		}
		w.segment(f, fromServer, part, 0)
		w.now += uint64(pick(w.r, 0, 0, 100, 2000, 30_000))
	}
}

// cut divides data: not at all, somewhere, at or beside the ends of lines,
// around the offsets where p0f changes its mind, into bytes.
func (w *world) cut(data []byte) [][]byte {
	r := w.r
	var at []int
	switch x := r.n(100); {
	case x < 50:
	case x < 72:
		for range r.between(1, 4) {
			at = append(at, r.n(len(data)+1))
		}
	case x < 88:
		for i, c := range data {
			if c == '\n' && r.chance(0.2) {
				at = append(at, i+pick(r, -2, -1, 0, 1, 1, 2, 3))
			}
		}
	case x < 95:
		base := pick(r, 13, 14, 15, 1024, 8192, 8192)
		for range r.between(1, 3) {
			at = append(at, base+r.between(-4, 4))
		}
	case x < 98:
		for i := 1460; i < len(data); i += 1460 {
			at = append(at, i)
		}
	default:
		for i := range min(len(data), 400) {
			at = append(at, i)
		}
	}
	slices.Sort(at)
	var parts [][]byte
	last := 0
	for _, i := range append(at, len(data)) {
		if i = min(i, len(data)); i > last {
			parts = append(parts, data[last:i])
			last = i
		}
	}
	return parts
}
