package milter

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"time"
)

// conn stands between a mail server and the library. The library takes packets
// on trust: it allocates what a length claims, up to 512 MB, ends the process
// on an empty packet or a text without its end, and writes its complaints to
// the standard logger. So it gets only whole packets that are in order, made of
// what it needs of the ones that came in; at anything else it sees the end of
// the stream.
type conn struct {
	net.Conn
	ctx context.Context // ends before the server does
	v   *serving
	in  *bufio.Reader
	out []byte // packet of which the library has not read all yet
	buf []byte // its memory

	answers []byte // not written yet

	packets int
	session bool // a client of the mail server is served
}

const (
	readBuffer = 2048     // bytes; the packets that are kept are shorter
	maxAnswers = 16 << 10 // bytes that are kept before they are written
)

func newConn(ctx context.Context, v *serving, nc net.Conn) *conn {
	c := &conn{Conn: nc, ctx: ctx, v: v}
	c.in = bufio.NewReaderSize(&patient{Conn: nc, c: c, ack: newAcker(nc)}, readBuffer)
	return c
}

// patient reads from the mail server. The end of the server times out every
// read, to wake those who are idle; a session under way goes on.
type patient struct {
	net.Conn
	c   *conn
	ack acker
}

func (p *patient) Read(b []byte) (int, error) {
	n, err := p.Conn.Read(b)
	if n == 0 && p.c.session && p.c.ctx.Err() != nil && errors.Is(err, os.ErrDeadlineExceeded) {
		p.Conn.SetReadDeadline(time.Now().Add(drainTime))
		n, err = p.Conn.Read(b)
	}
	if err == nil {
		p.ack.now()
	}
	return n, err
}

// Read hands the library the next part of a checked packet. A mail server waits
// for an answer when there is nothing more to read, so that this is the time to
// write what has been answered.
func (c *conn) Read(b []byte) (int, error) {
	if len(c.out) == 0 {
		if err := c.next(); err != nil {
			c.complain(err)
			return 0, io.EOF
		}
	}
	n := copy(b, c.out)
	c.out = c.out[n:]
	return n, nil
}

// next makes the next packet for the library, and passes over those that it
// does not need.
func (c *conn) next() error {
	for len(c.out) == 0 {
		if c.in.Buffered() == 0 {
			if err := c.flush(); err != nil {
				return err
			}
		}
		wait := idleTime
		if c.packets == 0 {
			wait = firstTime
		}
		c.within(wait)
		if c.ctx.Err() != nil && !c.session {
			return context.Canceled
		}
		if _, err := c.in.Peek(1); err != nil {
			return err
		}
		c.within(packetTime)
		if err := c.packet(); err != nil {
			return err
		}
		c.packets++
	}
	return nil
}

// within bounds the reads from now on.
func (c *conn) within(d time.Duration) { c.Conn.SetReadDeadline(time.Now().Add(d)) }

// SetReadDeadline and SetWriteDeadline are the library's, which has no limits
// but for the first packet; ours stand.
func (c *conn) SetReadDeadline(time.Time) error  { return nil }
func (c *conn) SetWriteDeadline(time.Time) error { return nil }

// Write keeps the library's answers, which come in two parts each, until there
// is nothing more to answer.
func (c *conn) Write(b []byte) (int, error) {
	c.answers = append(c.answers, b...)
	if len(c.answers) > maxAnswers {
		if err := c.flush(); err != nil {
			return 0, net.ErrClosed
		}
	}
	return len(b), nil
}

func (c *conn) flush() error {
	if len(c.answers) == 0 {
		return nil
	}
	c.Conn.SetWriteDeadline(time.Now().Add(writeTime))
	_, err := c.Conn.Write(c.answers)
	c.answers = c.answers[:0]
	if cap(c.answers) > maxAnswers/4 {
		c.answers = nil
	}
	return err
}

// complain logs what a mail server should not have done. That it has gone, that
// it was idle and that the server ends is no fault.
func (c *conn) complain(err error) {
	if !errors.Is(err, errPacket) && !(errors.Is(err, os.ErrDeadlineExceeded) && c.ctx.Err() == nil) {
		return
	}
	c.v.group.Bad.Add(1)
	c.v.log.Warn("closed a connection", "client", c.RemoteAddr().String(), "reason", err)
}
