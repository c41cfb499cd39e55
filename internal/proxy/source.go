package proxy

import (
	"context"
	"encoding/binary"
	"sync"
	"time"

	"github.com/mxprint/mxprint/capture"
	"github.com/mxprint/mxprint/packet"
)

const (
	sourceRoom = 1024        // SYNs that wait to be read
	sourceWait = time.Second // how long Read waits
)

// A Source is a capture.Source of the SYNs of the connections that Servers
// accept. Make one with NewSource.
type Source struct {
	frames chan capture.Frame
	closed chan struct{}
	once   sync.Once
}

// NewSource returns a Source without frames.
func NewSource() *Source {
	return &Source{frames: make(chan capture.Frame, sourceRoom), closed: make(chan struct{})}
}

// put hands in an IP packet, which must not be changed any more. It waits for
// room: the front asks about a client only when it is handed on.
func (s *Source) put(syn []byte) {
	select {
	case s.frames <- capture.Frame{Time: time.Now().UnixMicro(), Data: syn, WireLen: wireLen(syn), Link: packet.LinkRaw}:
	case <-s.closed:
	}
}

// wireLen is the length of a packet by its IP header: its data is not saved.
func wireLen(ip []byte) int {
	switch {
	case len(ip) >= 20 && ip[0]>>4 == 4:
		return int(binary.BigEndian.Uint16(ip[2:]))
	case len(ip) >= 40 && ip[0]>>4 == 6:
		return int(binary.BigEndian.Uint16(ip[4:])) + 40
	}
	return len(ip)
}

// Live is true: the kernel chooses, and keeps no more than headers.
func (*Source) Live() bool { return true }

// Read implements capture.Source.
func (s *Source) Read(ctx context.Context, fn func(*capture.Frame)) error {
	idle := time.NewTimer(sourceWait)
	defer idle.Stop()
	select {
	case <-s.closed:
		return capture.ErrClosed
	case <-ctx.Done():
		return ctx.Err()
	case <-idle.C:
		return nil
	case f := <-s.frames:
		fn(&f)
	}
	for range sourceRoom {
		select {
		case f := <-s.frames:
			fn(&f)
		default:
			return nil
		}
	}
	return nil
}

// Close implements capture.Source.
func (s *Source) Close() error {
	s.once.Do(func() { close(s.closed) })
	return nil
}
