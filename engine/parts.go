package engine

import (
	"context"

	"github.com/mxprint/mxprint/capture"
	"github.com/mxprint/mxprint/packet"
)

// MaxReaders is how many workers read a capture file each on its own: more would
// spend most of their time on passing over what is the others', and get it from
// one reader.
const MaxReaders = 4

// runParts feeds the engine from a source. Where there are several workers and
// it is a capture file, each reads all of it, and takes what is its own: to tell
// whose a frame is costs little, while what one core decodes and another enters
// has to cross from cache to cache.
func (e *Engine) runParts(ctx context.Context, src capture.Source) error {
	parts := e.parts(src)
	if parts == nil {
		return e.feed(ctx, src, all)
	}
	errs := make(chan error, len(parts))
	for i, part := range parts {
		go func() { errs <- e.feed(ctx, part, i) }()
	}
	var first error
	for range parts {
		if err := <-errs; first == nil {
			first = err
		}
	}
	return first
}

// parts returns a reader for each worker, or none where there is one worker, or
// they are too many, or src is no file that can be read several times.
func (e *Engine) parts(src capture.Source) []*capture.File {
	file, ok := src.(*capture.File)
	if n := len(e.shards); ok && n > 1 && n <= MaxReaders {
		if parts, err := file.Again(n); err == nil {
			return parts
		}
	}
	return nil
}

// owner tells which shard's a frame is before it is decoded. Where it is not ok
// that shows afterwards: so it is where p0f would find out from a frame where IP
// headers are, which must be the same one for all.
func (e *Engine) owner(f *capture.Frame) (shard int, ok bool) {
	if e.rule.P0f && f.Link != packet.LinkEthernet {
		return 0, false
	}
	at, ok := f.Link.Network(f.Data)
	if !ok {
		return 0, false
	}
	return e.fanout.Packet(f.Data[at:], len(e.shards))
}
