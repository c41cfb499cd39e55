package engine

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/mxprint/mxprint/capture"
	"github.com/mxprint/mxprint/filter"
	"github.com/mxprint/mxprint/internal/await"
	"github.com/mxprint/mxprint/internal/host"
	"github.com/mxprint/mxprint/internal/unread"
	"github.com/mxprint/mxprint/packet"
)

// batchSize is how many frames go to a table together.
const batchSize = 64

// maxPayload is how much payload ends a batch, in bytes.
const maxPayload = 256 << 10

// input is one source's way into the engine. Link types may change from frame
// to frame, so decoder and filter are kept by type.
type input struct {
	engine  *Engine
	source  capture.Source
	live    bool        // the kernel cuts frames after their headers
	matched bool        // the kernel has matched the rule; with tunnels, only that it may match
	batches []*batch    // by shard
	ahead   *host.Ahead // of a file; nil: SYNs are matched where they are entered
	pipes   []*pipe     // by shard; none: batches are entered by the goroutine that reads
	last    int         // the shard of the last frame

	link   *link // of the last frame
	links  map[packet.LinkType]*link
	warned struct{ version, offset bool }
	err    error

	raw       *link // of packets inside tunnels
	rawRule   bool  // the rule can match them
	unwrapped capture.Frame
	tagged    []byte // a frame with the tag that the kernel took out
	unread    unread.Counts

	// Of a ring, from which look-ups fetch:
	ring     ring         // nil: the source is another
	entering sync.Mutex   // held while its frames are entered
	fetching atomic.Bool  // entering is held
	came     atomic.Int32 // frames, since its reader last looked
	lately   int          // how many had come then
	rest     *await.Rest

	frames, syns uint64 // since the last publish
	at           int64  // of the last frame
	counts       counts
}

// link is what frames of one link type need.
type link struct {
	decoder packet.Decoder
	rule    *filter.LinkRule
}

// batch is the frames on their way to one shard.
type batch struct {
	n    int
	all  []host.Input
	data []byte // payload, where it must outlive its frame
}

func newBatch(size int) *batch { return &batch{all: make([]host.Input, size)} }

func newInput(e *Engine, live bool) *input {
	in := &input{engine: e, live: live, matched: live && e.tunnels.Kinds == 0}
	for range e.shards {
		in.batches = append(in.batches, newBatch(batchSize))
	}
	return in
}

// frame takes one frame. It is decoded where it will lie, if it is for the shard
// of the one before: a ring's frames are for one shard.
func (in *input) frame(f *capture.Frame) {
	in.frames++
	in.at = f.Time
	if in.err != nil || !in.matched && in.inner(f) {
		return
	}
	if in.link == nil || in.link.decoder.Link != f.Link {
		if err := in.use(f.Link); err != nil {
			in.refuse(f.Link, err)
			return
		}
	}
	if in.matched || in.link.rule.Match(f.Data, f.WireLen) {
		in.enter(f, in.link, 0)
	}
}

// enter decodes a frame that the rule takes and puts it on its way. It reports
// whether there is a segment in it.
func (in *input) enter(f *capture.Frame, l *link, tunnels packet.Tunnels) (segment bool) {
	b := in.batches[in.last]
	next := &b.all[b.n]
	s := &next.Segment
	err := l.decoder.Decode(f.Data, f.WireLen, s)
	switch {
	case err != nil:
		in.countCut(l, f, err)
		if l.rule.Extended() && err == packet.ErrNotTCP {
			return false // the filter took it for what may follow its extension headers
		}
		if in.live {
			in.countBroken(err)
		}
		in.warn(l, err)
	case s.ExtLen > 0 && !l.counts(f, s):
		return false
	case s.Type == packet.SYN:
		in.syns++
	}
	s.Tunnels = tunnels
	next.At, next.Decoded, next.Payload = f.Time, err == nil, nil
	if len(in.batches) > 1 && next.Decoded {
		if to := in.engine.fanout.Worker(s.Src, s.Dst, len(in.batches)); to != in.last {
			in.last, b = to, in.batches[to]
			b.all[b.n] = *next
			next = &b.all[b.n]
		}
	}
	b.n++
	b.data = in.ahead.Match(next, b.data)
	if next.Decoded && next.Segment.PayloadLen > 0 {
		next.Payload = payload(f.Data, &next.Segment)
		if !in.live {
			next.Payload = b.keep(next.Payload)
		}
	}
	if b.n == len(b.all) || len(b.data) > maxPayload || in.live && next.Payload != nil {
		in.send(in.last)
	}
	return err == nil
}

// counts reports whether the rule takes a segment with extension headers, as if
// they were not there.
func (l *link) counts(f *capture.Frame, s *packet.Segment) bool {
	const ipv6 = 40
	return l.rule.MatchWithout(f.Data, f.WireLen, filter.Extensions{
		TCP: int(s.PayloadOff) - int(s.HeaderLen) + ipv6, Len: int(s.ExtLen), VLAN: f.VLAN, Tagged: f.Tagged,
	})
}

// keep copies payload into a batch.
func (b *batch) keep(payload []byte) []byte {
	from := len(b.data)
	b.data = append(b.data, payload...)
	return b.data[from:len(b.data):len(b.data)]
}

// send feeds a shard.
func (in *input) send(to int) {
	b := in.batches[to]
	if in.pipes != nil {
		in.batches[to] = in.pipes[to].send(b)
		return
	}
	in.engine.update(in.engine.shards[to], b.all[:b.n], !in.live)
	b.n, b.data = 0, b.data[:0]
}

// flush feeds all that is on its way.
func (in *input) flush() {
	in.publish()
	for i := range in.batches {
		if in.batches[i].n > 0 {
			in.send(i)
		}
	}
}

// use finds or makes the decoder and filter of a link type.
func (in *input) use(t packet.LinkType) error {
	if l := in.links[t]; l != nil {
		in.link = l
		return nil
	}
	rule, err := in.engine.rule.ForLink(int(t), in.live)
	if err != nil {
		return err
	}
	if in.links == nil {
		in.links = make(map[packet.LinkType]*link)
	}
	in.link = &link{packet.Decoder{Link: t, P0f: in.engine.rule.P0f, HeadersOnly: in.live}, rule}
	in.links[t] = in.link
	return nil
}

// refuse deals with a frame of a link type that the rule cannot be compiled for: an
// interface has no other, and of a file the others are read.
func (in *input) refuse(t packet.LinkType, err error) {
	if in.live || !errors.Is(err, filter.ErrLink) {
		in.err = fmt.Errorf("engine: frames of link type %d: %w", t, err)
		return
	}
	in.unread.Link(t)
}

// warn reports once each that frames look like no IP packet and that their IP
// header cannot be found, as p0f does (p0f-v3.md §1.3, §1.5).
func (in *input) warn(l *link, err error) {
	if l.decoder.Lost() && !in.warned.offset {
		in.warned.offset = true
		in.engine.log.Warn("Unable to find link-specific packet offset", "link", l.decoder.Link)
	}
	var version packet.VersionError
	if !in.warned.version && errors.As(err, &version) {
		in.warned.version = true
		in.engine.log.Warn(fmt.Sprintf("Unknown packet type %d, link detection issue?", version))
	}
}

// payload returns what was captured of a segment's data.
func payload(frame []byte, s *packet.Segment) []byte {
	from := min(int(s.PayloadOff), len(frame))
	to := min(from+int(s.PayloadLen), len(frame))
	return frame[from:to]
}

// Unread returns one line for each kind of what was not read since the engine was
// made, sorted. It may be called at any time; of a file it counts when that has
// ended.
func (e *Engine) Unread() []string {
	var lone uint64
	if !e.readsLone && !e.live.Load() {
		e.each(func(t *host.Table) { lone += t.Lone() })
	}
	return e.unread.Lines(lone)
}

// inner enters the packet inside the tunnels of a frame. It reports false for a
// frame to be entered as it is.
func (in *input) inner(f *capture.Frame) bool {
	data := f.Data
	if f.Tagged && f.Link == packet.LinkEthernet {
		in.tagged = f.AppendTagged(in.tagged[:0])
		data = in.tagged
	}
	ip, kinds, err := in.engine.tunnels.Inner(f.Link, data)
	if kinds == 0 && (ip == nil && err == nil || in.engine.rule.P0f && !errors.Is(err, errors.ErrUnsupported)) {
		return false
	}
	if err != nil {
		// A rule that names the tags may have taken it all the same.
		if !in.takesOuter(f) || !in.enter(f, in.link, 0) {
			in.unread.Tunnel(kinds, err)
		}
		return true
	}
	g := &in.unwrapped
	*g = capture.Frame{Time: f.Time, Data: ip, WireLen: max(f.WireLen-len(f.Data), 0) + len(ip), Link: packet.LinkRaw}
	if in.takesInner(g) || in.takesOuter(f) {
		in.enter(g, in.raw, kinds)
	}
	return true
}

// takesInner matches an inner packet with the rule. A rule about link headers, or
// a program compiled for them, cannot match it.
func (in *input) takesInner(f *capture.Frame) bool {
	if in.raw == nil {
		in.raw = &link{packet.Decoder{Link: packet.LinkRaw}, new(filter.LinkRule)}
		rule := in.engine.rule
		if l, err := rule.ForLink(int(packet.LinkRaw), in.live); err == nil && rule.Program == nil {
			in.raw.rule, in.rawRule = l, true
		}
	}
	return in.rawRule && in.raw.rule.Match(f.Data, f.WireLen)
}

// takesOuter matches the frame around an inner packet with the rule.
func (in *input) takesOuter(f *capture.Frame) bool {
	return in.use(f.Link) == nil && in.link.rule.Match(f.Data, f.WireLen)
}

// countBroken counts a frame of an interface that does not decode and that is not
// merely another protocol: the kernel let it pass, so it was to be read.
func (in *input) countBroken(err error) {
	if _, isVersion := err.(packet.VersionError); isVersion || err == packet.ErrNotIP || err == packet.ErrHeader || err == packet.ErrShort {
		in.unread.Broken(err)
	}
}

// countCut counts a segment that did not decode because its header was captured
// in part.
func (in *input) countCut(l *link, f *capture.Frame, err error) {
	missing := f.WireLen > len(f.Data)
	if err != packet.ErrCut && err != packet.ErrShort || in.live && !missing {
		return // or it is all there, and malformed
	}
	in.unread.Cut(l.decoder.CutSYN(f.Data), missing)
}
