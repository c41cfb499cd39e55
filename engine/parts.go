package engine

import (
	"context"
	"encoding/binary"

	"github.com/mxprint/mxprint/capture"
	"github.com/mxprint/mxprint/packet"
)

// runParts feeds the engine from a source. Where there are several workers and
// it is a capture file, each reads all of it, and takes what is its own: to tell
// whose a frame is costs little, while what one core decodes and another enters
// has to cross from cache to cache.
func (e *Engine) runParts(ctx context.Context, src capture.Source) error {
	parts := e.parts(src)
	if len(parts) == 1 {
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

// parts returns a source for each worker, or the one there is.
func (e *Engine) parts(src capture.Source) []capture.Source {
	parts := []capture.Source{src}
	file, ok := src.(*capture.File)
	for ok && len(parts) < len(e.shards) {
		again, err := file.Again()
		if err != nil {
			return []capture.Source{src}
		}
		parts = append(parts, again)
	}
	return parts
}

// owner tells which shard's a frame is before it is decoded. Where it is not ok
// that shows afterwards.
func (e *Engine) owner(f *capture.Frame) (shard int, ok bool) {
	const header, ipv4, ipv6 = 14, 0x0800, 0x86dd
	if f.Link != packet.LinkEthernet || len(f.Data) < header {
		return 0, false
	}
	if kind := binary.BigEndian.Uint16(f.Data[header-2:]); kind != ipv4 && kind != ipv6 {
		return 0, false
	}
	return e.fanout.Packet(f.Data[header:], len(e.shards))
}
