//go:build !linux

package proxy

import (
	"io"
	"sync"
	"sync/atomic"
	"time"
)

// pipes are buffers here.
type pipes struct{ pool sync.Pool }

func (*pipes) close() {}

// copy carries all that comes from a socket to another, until the end, which is
// no error, and notes when.
func (ps *pipes) copy(from, to stream, active *atomic.Int64) error {
	buf, ok := ps.pool.Get().(*[]byte)
	if !ok {
		buf = new([]byte)
		*buf = make([]byte, 4<<10)
	}
	defer ps.pool.Put(buf)
	for {
		n, err := from.Read(*buf)
		if n > 0 {
			active.Store(time.Now().UnixNano())
			if _, err := to.Write((*buf)[:n]); err != nil {
				return err
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func isShort(error) bool { return false }
