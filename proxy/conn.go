package proxy

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"net"
	"net/netip"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/mxprint/mxprint/internal/front"
	"github.com/mxprint/mxprint/note"
	"github.com/mxprint/mxprint/proxied"
)

// stream is a connection whose directions end apart, and which the kernel can
// copy from and to.
type stream interface {
	net.Conn
	syscall.Conn
	CloseWrite() error
}

// conn is one connection that is handed on.
type conn struct {
	v                *serving
	owner            net.Conn // client, or what wraps it; to be closed
	client, backend  stream
	header           proxied.Header
	active           atomic.Int64 // when bytes have passed; nanoseconds since 1970
	directions, ends atomic.Int32 // still open; 1 once all is closed
	watch            *time.Timer
}

// serve hands a connection on. It returns when the two directions have
// goroutines of their own, whose stacks are as small as can be.
func (v *serving) serve(nc net.Conn) {
	c := &conn{v: v, owner: nc}
	var balanced bool
	c.client, balanced = c.unwrap(nc)
	if c.client == nil {
		nc.Close()
		return
	}
	if !balanced {
		c.saved()
	}
	if c.backend = v.dial(c); c.backend == nil {
		nc.Close()
		return
	}
	if err := v.introduce(c); err != nil {
		v.fail(c, &v.refused, "the mail server does not take a client", err)
		c.backend.Close()
		nc.Close()
		return
	}
	c.relay()
}

// unwrap finds the connection of the kernel, and what a load balancer says of
// it, if there is one.
func (c *conn) unwrap(nc net.Conn) (s stream, balanced bool) {
	c.header = proxied.Header{Client: endOf(nc.RemoteAddr()), Server: endOf(nc.LocalAddr())}
	for {
		if s, ok := nc.(stream); ok {
			return s, balanced
		}
		if p, ok := nc.(*proxied.Conn); ok {
			balanced, c.header = true, p.Header()
		}
		w, ok := nc.(interface{ NetConn() net.Conn })
		if !ok {
			return nil, balanced
		}
		nc = w.NetConn()
	}
}

func endOf(a net.Addr) netip.AddrPort {
	tcp, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.AddrPort{}
	}
	ap := tcp.AddrPort()
	return netip.AddrPortFrom(ap.Addr().Unmap().WithZone(""), ap.Port())
}

// saved hands the SYN of the connection to the sensor.
func (c *conn) saved() {
	s := c.v.Server
	if s.Source == nil {
		return
	}
	// A *savedsyn.Conn has it.
	if k, ok := c.client.(interface{ SYN() ([]byte, error) }); ok {
		if syn, err := k.SYN(); err == nil {
			s.Source.put(syn)
			return
		}
	}
	s.missed.Add(1)
	if s.Missed != nil {
		s.Missed(c.header.Client, c.header.Server)
	}
}

// dial connects to the mail server. Without one the client is told to come
// again.
func (v *serving) dial(c *conn) stream {
	network := "tcp"
	if strings.Contains(v.Backend, "/") {
		network = "unix"
	}
	d := net.Dialer{Timeout: dialTimeout}
	nc, err := d.DialContext(context.WithoutCancel(v.ctx), network, v.Backend)
	if err != nil {
		v.fail(c, &v.away, "the mail server cannot be reached", err)
		return nil
	}
	return nc.(stream) // what the two networks have
}

// fail logs why a connection is not handed on, and answers the client.
func (v *serving) fail(c *conn, lines *front.Lines, what string, err error) {
	v.failed.Add(1)
	if ok, more := lines.Allow(time.Now()); ok {
		v.log.Warn(what+"; its client was answered 421", "backend", v.Backend,
			"client", c.header.Client, "reason", err, "suppressed", more)
	}
	v.turnAway(c.client)
}

// turnAway answers a client that is not handed on. Who expects TLS at once gets
// no text.
func (v *serving) turnAway(nc net.Conn) {
	const submissions = 465
	if endOf(nc.LocalAddr()).Port() == submissions {
		return
	}
	nc.SetWriteDeadline(time.Now().Add(time.Millisecond)) // there is room in a new socket
	nc.Write([]byte("421 " + v.name + " Service not available, try again later\r\n"))
}

// introduce tells the mail server of the client.
func (v *serving) introduce(c *conn) error {
	if v.Send == Nothing {
		return nil
	}
	if v.Send == XClient {
		return v.xclient(c)
	}
	version := 2
	if v.Send == V1 {
		version = 1
	}
	h := c.header
	if v.Notes != nil && version == 2 && !h.Local() {
		h.Note = v.noteOf(&h)
	}
	text, err := h.Append(make([]byte, 0, 128), version)
	if err == nil {
		_, err = c.backend.Write(text) // there is room in a new socket
	}
	return err
}

// noteOf is the note of a client as JSON; nil without one.
func (v *serving) noteOf(h *proxied.Header) []byte {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(v.ctx), noteTimeout)
	defer cancel()
	n, err := v.Notes.Lookup(ctx, note.Query{Client: h.Client, Server: h.Server, Wait: noteTimeout / 2})
	if err != nil || !n.Known() {
		return nil
	}
	text, err := json.Marshal(n)
	if err != nil {
		return nil
	}
	return text
}

// relay starts both directions.
func (c *conn) relay() {
	c.directions.Store(2)
	c.active.Store(time.Now().UnixNano())
	c.watch = time.AfterFunc(c.v.idle, c.idled)
	go c.pump(c.client, c.backend)
	go c.pump(c.backend, c.client)
}

// idled closes the connection if nothing has passed for long, or looks again
// later.
func (c *conn) idled() {
	if left := c.v.idle - time.Since(time.Unix(0, c.active.Load())); left > 0 {
		c.watch.Reset(left)
		return
	}
	if ok, more := c.v.idled.Allow(time.Now()); ok {
		c.v.log.Info("closed a connection on which nothing passed", "client", c.header.Client, "for", c.v.idle, "suppressed", more)
	}
	c.close()
}

// pump carries one direction, and its end.
func (c *conn) pump(from, to stream) {
	err := c.v.pipes.copy(from, to, &c.active)
	if err == nil {
		err = to.CloseWrite()
	}
	if err != nil && isOurs(err) {
		if ok, more := c.v.spliceFault.Allow(time.Now()); ok {
			c.v.log.Error("a connection was cut", "client", c.header.Client, "reason", err, "suppressed", more)
		}
	}
	if c.directions.Add(-1) == 0 || err != nil {
		c.close()
	}
}

// isOurs reports whether an error is this machine's fault, and not the end of a
// connection.
func isOurs(err error) bool {
	return errors.Is(err, fs.ErrPermission) || isShort(err)
}

// close closes both connections, once.
func (c *conn) close() {
	if c.ends.Swap(1) != 0 {
		return
	}
	c.watch.Stop()
	c.backend.Close()
	c.owner.Close()
}
