package proxy

import (
	"context"
	"errors"
	"io/fs"
	"sync"
	"syscall"
	"time"

	"github.com/mxprint/mxprint/internal/serve"
)

const (
	// chunk is how many bytes are copied at a time. A direction has a buffer
	// only while it copies: one that waits for bytes has none. One that waits
	// for its reader has, so chunk times two bounds what a connection can hold.
	chunk = 8 << 10

	// unreadTime is how long a client may leave a reply unread. It is far less than
	// Idle: the replies that no client reads fill the mail server's buffers.
	unreadTime = time.Minute

	// lastTime is how long the last bytes of a side that has gone may take to be
	// written to the other side.
	lastTime = time.Second
)

// errGone ends a direction whose reader has gone.
var errGone = errors.New("proxy: it reads no more")

var buffers = sync.Pool{New: func() any { return new([chunk]byte) }}

// carry copies in both directions, each on a goroutine of its own, until both
// have ended. It does not wait for that.
//
// It does not use io.Copy, which on Linux splices: a splice that waits for bytes
// has a pipe, so that an idle connection would have six descriptors and not two,
// and one for which there is no pipe would be cut. A mail is too small to gain.
func (c *conn) carry() {
	c.active.Store(time.Now().UnixNano())
	c.open.Store(2)
	c.mu.Lock() // end may come at once
	c.watch = time.AfterFunc(min(c.v.idle, c.v.stalled), c.inspect)
	c.spare = context.AfterFunc(c.v.cutting, c.end)
	c.mu.Unlock()
	go c.pass(c.client, c.backend, true)
	go c.pass(c.backend, c.client, false)
}

// pass copies one direction, and hands its end on.
func (c *conn) pass(from, to stream, fromClient bool) {
	err := c.copy(from, to, fromClient)
	if err == nil {
		c.first.end(fromClient)
		err = c.sent(to.CloseWrite(), from)
	}
	if c.open.Add(-1) == 0 || err != nil && err != errGone {
		c.sayCut(err)
		c.end()
	}
}

// copy copies all that comes from one end to the other. The end of the stream
// is not an error.
func (c *conn) copy(from, to stream, fromClient bool) error {
	raw, err := from.SyscallConn()
	if err != nil {
		return err
	}
	var (
		buf  *[chunk]byte
		n    int
		fail error
	)
	read := func(fd uintptr) (done bool) {
		buf = buffers.Get().(*[chunk]byte)
		for {
			n, fail = syscall.Read(int(fd), buf[:])
			if fail != syscall.EINTR {
				break
			}
		}
		if fail == nil && n > 0 {
			return true
		}
		buffers.Put(buf)
		return fail != syscall.EAGAIN
	}
	for {
		if err := raw.Read(read); err != nil {
			return err
		}
		if serve.IsAny(fail, syscall.EPIPE, syscall.ECONNRESET) {
			c.first.end(fromClient)
		}
		if fail != nil || n == 0 {
			return fail
		}
		err := c.hand(from, to, buf[:n], fromClient)
		buffers.Put(buf)
		if err != nil {
			return err
		}
	}
}

// hand shows bytes to the observer, and writes them.
func (c *conn) hand(from, to stream, b []byte, fromClient bool) error {
	now := time.Now().UnixNano()
	c.active.Store(now)
	c.first.observe(b, fromClient)
	if !fromClient {
		c.unread.Store(now)
		defer c.unread.Store(0)
	}
	_, err := to.Write(b)
	return c.sent(err, from)
}

// sent returns errGone if it was the reader's end that let a write fail. What the
// reader said before may not have been read yet: a refusal, or QUIT. So the other
// direction goes on to that end, but not for long.
func (c *conn) sent(err error, from stream) error {
	if !serve.IsAny(err, syscall.EPIPE, syscall.ECONNRESET, syscall.ENOTCONN) {
		return err
	}
	from.SetWriteDeadline(time.Now().Add(lastTime))
	return errGone
}

// inspect closes the connection if it has passed nothing for too long, or if
// its client does not read. Otherwise it comes back.
func (c *conn) inspect() {
	now := time.Now().UnixNano()
	left := c.v.idle - time.Duration(now-c.active.Load())
	patience := c.v.stalled
	if since := c.unread.Load(); since != 0 {
		patience -= time.Duration(now - since)
	}
	switch {
	case left <= 0:
		c.say("closed a connection: no bytes passed", "for", c.v.idle)
	case patience <= 0:
		c.say("closed a connection: its client does not read", "for", c.v.stalled)
	default:
		c.mu.Lock()
		defer c.mu.Unlock()
		if !c.ended {
			c.watch.Reset(min(left, patience))
		}
		return
	}
	c.end()
}

// end closes both connections, once.
func (c *conn) end() {
	c.mu.Lock()
	if c.ended {
		c.mu.Unlock()
		return
	}
	c.ended = true
	c.watch.Stop()
	c.spare()
	c.mu.Unlock()
	c.first.close()
	c.backend.Close()
	c.owner.Close()
}

// say logs why the proxy itself closes a connection.
func (c *conn) say(what string, args ...any) {
	c.v.log.Info(what, append(args, "client", c.header.Client)...)
}

// sayCut logs why a connection is cut, where this machine is at fault and not an
// end of the connection.
func (c *conn) sayCut(err error) {
	if serve.IsAny(err, fs.ErrPermission, syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM, syscall.ENOBUFS, syscall.ENOSPC) {
		c.v.log.Error("a connection was cut", "client", c.header.Client, "reason", err)
	}
}
