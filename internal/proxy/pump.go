package proxy

import (
	"io"
	"math"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// pumps carry each direction of a connection on a goroutine of its own, through
// a buffer: for systems without epoll and splice.
type pumps struct{ pool sync.Pool }

// connect implements carrier.
func (*pumps) connect(*conn, []byte) bool { return false }

// carry implements carrier.
func (ps *pumps) carry(c *conn) {
	p := &pumped{conn: c}
	p.directions.Store(2)
	p.active.Store(time.Now().UnixNano())
	p.watch = time.AfterFunc(math.MaxInt64, p.idled) // which must find p.watch
	p.watch.Reset(c.v.idle)
	go ps.pump(p, c.client, c.backend)
	go ps.pump(p, c.backend, c.client)
}

// cut implements carrier: who accepted the connections closes them, which ends
// both directions.
func (*pumps) cut() {}

func (*pumps) close() {}

// pumped is a connection that pumps carry.
type pumped struct {
	*conn
	active           atomic.Int64 // when bytes have passed; nanoseconds since 1970
	directions, ends atomic.Int32 // still open; 1 once all is closed
	watch            *time.Timer
}

// idled closes the connection if nothing has passed for long, or looks again
// later.
func (p *pumped) idled() {
	if left := p.v.idle - time.Since(time.Unix(0, p.active.Load())); left > 0 {
		p.watch.Reset(left)
		return
	}
	p.sayIdle()
	p.end()
}

// pump carries one direction, and its end.
func (ps *pumps) pump(p *pumped, from, to stream) {
	err := ps.copy(p, from, to)
	if err == nil {
		err = to.CloseWrite()
	}
	if p.directions.Add(-1) == 0 || err != nil {
		p.sayCut(err)
		p.end()
	}
}

// copy carries all that comes from one end to the other, until the end, which
// is no error, and notes when.
func (ps *pumps) copy(p *pumped, from, to net.Conn) error {
	buf, ok := ps.pool.Get().(*[]byte)
	if !ok {
		buf = new([]byte)
		*buf = make([]byte, 4<<10)
	}
	defer ps.pool.Put(buf)
	for {
		n, err := from.Read(*buf)
		if n > 0 {
			p.active.Store(time.Now().UnixNano())
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

// end closes both connections, once.
func (p *pumped) end() {
	if p.ends.Swap(1) != 0 {
		return
	}
	p.watch.Stop()
	p.backend.Close()
	p.owner.Close()
}
