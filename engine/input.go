package engine

import (
	"errors"
	"fmt"

	"github.com/mxprint/mxprint/capture"
	"github.com/mxprint/mxprint/internal/host"
	"github.com/mxprint/mxprint/internal/signature"
	"github.com/mxprint/mxprint/packet"
)

// batchSize is how many frames go to a table together.
const batchSize = 64

// input is one source's way into the engine. Link types may change from frame
// to frame, so decoder and filter are kept by type.
type input struct {
	engine  *Engine
	live    bool               // the kernel has filtered, and cuts frames behind their headers
	part    int                // the only shard whose frames it takes, or all
	batches []*batch           // by shard
	pipes   []*pipe            // by shard; none for an interface, and for a part of a file
	matcher *signature.Matcher // where there are pipes

	link   *link // of the last frame
	links  map[packet.LinkType]*link
	warned struct{ version, offset bool }
	err    error
}

// batch is the frames on their way to one shard.
type batch struct {
	n    int
	all  [batchSize]host.Input
	data []byte // payload, where it must outlive its frame
}

// maxPayload is how much payload ends a batch, in bytes.
const maxPayload = 16 << 10

// all says that an input takes the frames of all shards.
const all = -1

func newInput(e *Engine, src capture.Source) *input {
	live, ok := src.(interface{ Live() bool })
	in := &input{engine: e, live: ok && live.Live(), part: all}
	for range e.shards {
		in.batches = append(in.batches, new(batch))
	}
	return in
}

// start has what is read of a file entered beside the reading.
func (in *input) start() {
	if in.live || in.part != all {
		return
	}
	in.matcher = signature.NewMatcher(in.engine.db.Load())
	for _, s := range in.engine.shards {
		in.pipes = append(in.pipes, in.engine.newPipe(s))
	}
}

// end returns when all that was read is entered.
func (in *input) end() {
	for _, p := range in.pipes {
		p.end()
	}
}

func (in *input) frame(f *capture.Frame) {
	if in.link == nil || in.link.decoder.Link != f.Link {
		if in.err != nil || !in.use(f.Link) {
			return
		}
	}
	to, known := 0, true
	if len(in.batches) > 1 {
		if to, known = in.engine.owner(f); known && in.leaves(to) {
			return
		}
	}
	if !in.live && !in.link.late && !in.link.filter.Match(f.Data, f.WireLen) {
		return
	}
	// Decode where it will lie, which is right if its shard is known.
	b := in.batches[to]
	next := &b.all[b.n]
	err := in.link.decoder.Decode(f.Data, f.WireLen, &next.Segment)
	if in.link.late && !in.link.takes(f, &next.Segment, err) {
		return
	}
	if (err != nil || next.Segment.ExtLen > 0) && !in.link.counts(f, &next.Segment, err) {
		return
	}
	next.At, next.Decoded, next.Payload = f.Time, err == nil, nil
	if !known {
		if to, next = in.assign(next); next == nil {
			return
		}
		b = in.batches[to]
	}
	if err != nil {
		in.warn(err)
	}
	b.n++
	if err == nil && next.Segment.PayloadLen > 0 {
		next.Payload = payload(f.Data, &next.Segment)
		if !in.live {
			next.Payload = b.keep(next.Payload)
		}
	}
	if b.n == batchSize || len(b.data) > maxPayload || in.live && next.Payload != nil {
		in.send(to)
	}
}

// assign moves a decoded frame to the batch of its shard, or returns nil where
// it is left to another input.
func (in *input) assign(f *host.Input) (shard int, moved *host.Input) {
	if f.Decoded {
		shard = in.engine.fanout.Worker(f.Segment.Src, f.Segment.Dst, len(in.batches))
	}
	if in.leaves(shard) {
		return shard, nil
	}
	b := in.batches[shard]
	moved = &b.all[b.n]
	if moved != f {
		*moved = *f
	}
	return shard, moved
}

// leaves reports whether a shard's frames are left to another input.
func (in *input) leaves(shard int) bool { return in.part != all && in.part != shard }

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
		in.match(b)
		in.batches[to] = in.pipes[to].send(b)
		return
	}
	in.engine.update(in.engine.shards[to], b.all[:b.n], !in.live)
	b.n, b.data = 0, b.data[:0]
}

// match matches the SYNs of a batch, beside the shard that enters the one before:
// it needs nothing of the memory of hosts.
func (in *input) match(b *batch) {
	db := in.engine.db.Load()
	if db != in.matcher.DB() {
		in.matcher = signature.NewMatcher(db)
	}
	for i := range b.all[:b.n] {
		next := &b.all[i]
		next.By = nil
		if next.Decoded && next.Segment.Type == packet.SYN {
			in.matcher.Match(signature.Request, &next.Segment, 0, &next.Match)
			next.By = db
		}
	}
}

// flush feeds all that is on its way, and has the observers told.
func (in *input) flush() {
	for i := range in.batches {
		if in.batches[i].n > 0 {
			in.send(i)
		}
	}
}

// use finds or makes the decoder and filter of a link type.
func (in *input) use(t packet.LinkType) bool {
	if l := in.links[t]; l != nil {
		in.link = l
		return true
	}
	l, err := in.engine.rule.newLink(t, in.live)
	if err != nil {
		in.err = fmt.Errorf("engine: frames of link type %d: %w", t, err)
		return false
	}
	l.decoder.HeadersOnly, l.late = in.live, l.late && !in.live
	if in.links == nil {
		in.links = make(map[packet.LinkType]*link)
	}
	in.links[t], in.link = l, l
	return true
}

// warn says once each that frames look like no IP packet and that their IP
// header cannot be found, as p0f does (p0f v3 §1.3, §1.5).
func (in *input) warn(err error) {
	if in.link.decoder.Lost() && !in.warned.offset {
		in.warned.offset = true
		in.engine.log.Warn("Unable to find link-specific packet offset", "link", in.link.decoder.Link)
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
