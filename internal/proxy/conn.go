package proxy

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"time"

	"github.com/mxprint/mxprint/internal/proxyproto"
	"github.com/mxprint/mxprint/internal/serve"
	"github.com/mxprint/mxprint/note"
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
	v               *serving
	owner           net.Conn // client, or what wraps it; to be closed
	client, backend stream
	header          proxyproto.Header
}

// serve hands a connection on. It returns when that is set up.
func (v *serving) serve(nc net.Conn) {
	c := &conn{v: v, owner: nc}
	var balanced bool
	var err error
	c.client, balanced = c.unwrap(nc)
	if c.client == nil {
		nc.Close()
		return
	}
	if !balanced {
		c.saved()
	}
	var first []byte
	if v.Send != XClient {
		if first, err = v.header(c); err != nil {
			c.notTaken(err)
			return
		}
		if v.carrier.connect(c, first) {
			return
		}
	}
	if c.backend, err = v.dial(); err != nil {
		c.unreachable(err)
		return
	}
	if v.Send == XClient {
		err = v.xclient(c)
	} else if len(first) > 0 {
		_, err = c.backend.Write(first) // there is room in a new socket
	}
	if err != nil {
		c.backend.Close()
		c.notTaken(err)
		return
	}
	v.carrier.carry(c)
}

// unwrap finds the connection of the kernel, and what a load balancer says of
// it, if there is one.
func (c *conn) unwrap(nc net.Conn) (s stream, balanced bool) {
	c.header = proxyproto.Header{Client: endOf(nc.RemoteAddr()), Server: endOf(nc.LocalAddr())}
	for {
		if s, ok := nc.(stream); ok {
			return s, balanced
		}
		if p, ok := nc.(*proxyproto.Conn); ok {
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

// dial connects to the mail server.
func (v *serving) dial() (stream, error) {
	network := "tcp"
	if strings.Contains(v.Backend, "/") {
		network = "unix"
	}
	d := net.Dialer{Timeout: dialTimeout, KeepAlive: -1} // Idle sees to it
	nc, err := d.DialContext(context.WithoutCancel(v.ctx), network, v.Backend)
	if err != nil {
		return nil, err
	}
	return nc.(stream), nil // what the two networks have
}

// unreachable ends a connection that there is no mail server for.
func (c *conn) unreachable(err error) {
	c.fail(&c.v.away, "the mail server cannot be reached", err)
}

// notTaken ends a connection that the mail server cannot be told of.
func (c *conn) notTaken(err error) {
	c.fail(&c.v.refused, "the mail server does not take a client", err)
}

// fail logs why a connection is not handed on, answers the client that it come
// again, and closes it.
func (c *conn) fail(lines *serve.Lines, what string, err error) {
	c.v.failed.Add(1)
	if ok, more := lines.Allow(time.Now()); ok {
		c.v.log.Warn(what+"; its client was answered 421", "backend", c.v.Backend,
			"client", c.header.Client, "reason", err, "suppressed", more)
	}
	c.v.turnAway(c.client)
	c.owner.Close()
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

// header is what tells the mail server of the client.
func (v *serving) header(c *conn) ([]byte, error) {
	if v.Send == Nothing {
		return nil, nil
	}
	version := 2
	if v.Send == V1 {
		version = 1
	}
	h := c.header
	if v.Notes != nil && version == 2 && !h.Local() {
		h.Note = v.noteOf(&h)
	}
	return h.Append(make([]byte, 0, 128), version)
}

// noteOf is the note of a client as JSON; nil without one.
func (v *serving) noteOf(h *proxyproto.Header) []byte {
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

// carrier carries the bytes of connections, and closes them at their end. Its
// methods are safe for concurrent use, and do not wait for the network.
type carrier interface {
	// connect connects to the mail server, says the first bytes, and carries, if
	// it can do so by itself.
	connect(c *conn, first []byte) bool

	// carry carries between the client and the mail server.
	carry(*conn)

	cut()   // ends all, also those that come later
	close() // to be called after the last connection
}

// sayIdle logs that the connection is closed as nothing has passed.
func (c *conn) sayIdle() {
	if ok, more := c.v.idled.Allow(time.Now()); ok {
		c.v.log.Info("closed a connection on which nothing passed", "client", c.header.Client, "for", c.v.idle, "suppressed", more)
	}
}

// sayCut logs why a connection is cut, where that is this machine's fault, and
// not the end of a connection.
func (c *conn) sayCut(err error) {
	for _, ours := range []error{fs.ErrPermission, syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM, syscall.ENOSPC} {
		if !errors.Is(err, ours) {
			continue
		}
		if ok, more := c.v.spliceFault.Allow(time.Now()); ok {
			c.v.log.Error("a connection was cut", "client", c.header.Client, "reason", err, "suppressed", more)
		}
	}
}
