package proxy

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/mxprint/mxprint/internal/proxyproto"
	"github.com/mxprint/mxprint/internal/serve"
	"github.com/mxprint/mxprint/note"
)

// stream is a connection whose directions end apart.
type stream interface {
	net.Conn
	syscall.Conn
	CloseWrite() error
}

// conn is one connection that is proxied.
type conn struct {
	v               *serving
	owner           net.Conn // client, or what wraps it; to be closed
	client, backend stream
	header          proxyproto.Header
	first           first

	// While it is carried:
	active atomic.Int64 // when bytes came last; nanoseconds since 1970
	unread atomic.Int64 // since when the client is to read; 0: it has read all
	open   atomic.Int32 // directions
	mu     sync.Mutex   // of what follows
	ended  bool
	watch  *time.Timer // calls inspect
	spare  func() bool // takes the connection out of those that are to be cut
}

// serve sets a connection up, and returns when its bytes are carried.
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
	c.first.begin(v.Server, c.header.Client, c.header.Server)
	header, err := v.header(c)
	if err != nil {
		c.notTaken(err)
		return
	}
	if c.backend, err = v.dial(); err != nil {
		c.fail("the mail server cannot be reached", err)
		return
	}
	if err := c.introduce(header); err != nil {
		c.backend.Close()
		c.notTaken(err)
		return
	}
	c.carry()
}

// unwrap finds the connection of the kernel, and what a load balancer says of
// it, if there is one.
func (c *conn) unwrap(nc net.Conn) (s stream, balanced bool) {
	c.header = proxyproto.Header{Client: serve.EndOf(nc.RemoteAddr()), Server: serve.EndOf(nc.LocalAddr())}
	if p := serve.Find[*proxyproto.Conn](nc); p != nil {
		balanced, c.header = true, p.Header()
	}
	return serve.Find[stream](nc), balanced
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
	s.group.Missed.Add(1)
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
	d := net.Dialer{Timeout: dialTimeout, KeepAlive: -1} // Idle ends what is dead
	nc, err := d.DialContext(v.cutting, network, v.Backend)
	if err != nil {
		return nil, err
	}
	return nc.(stream), nil // what the two networks have
}

// introduce names the client to the mail server.
func (c *conn) introduce(header []byte) error {
	if c.v.Send == XClient {
		stop := context.AfterFunc(c.v.cutting, func() { c.backend.Close() })
		defer stop()
		return c.v.xclient(c)
	}
	if len(header) == 0 {
		return nil
	}
	_, err := c.backend.Write(header) // there is room in a new socket
	return err
}

// notTaken ends a connection whose client the mail server does not accept.
func (c *conn) notTaken(err error) {
	c.fail("the mail server refused the client's address", err)
}

// fail logs why a connection is not proxied, answers 421 so that the client
// comes back, and closes it.
func (c *conn) fail(what string, err error) {
	c.first.close()
	if c.v.cutting.Err() != nil {
		c.v.turnAway(c.client) // it is the proxy that ends, not the mail server
		c.owner.Close()
		return
	}
	c.v.failed.Add(1)
	c.v.log.Warn(what+"; its client was answered 421", "backend", c.v.Backend, "client", c.header.Client, "reason", err)
	c.v.turnAway(c.client)
	c.owner.Close()
}

// turnAway answers a client that is not proxied. One that expects TLS at once
// gets no text.
func (v *serving) turnAway(nc net.Conn) {
	const submissions = 465
	if serve.EndOf(nc.LocalAddr()).Port() == submissions {
		return
	}
	nc.SetWriteDeadline(time.Now().Add(time.Millisecond)) // there is room in a new socket
	nc.Write([]byte("421 " + v.name + " Service not available, try again later\r\n"))
}

// header is the PROXY header about the client; nil where none is sent.
func (v *serving) header(c *conn) ([]byte, error) {
	version := 2
	switch v.Send {
	case XClient, Nothing:
		return nil, nil
	case V1:
		version = 1
	}
	h := c.header
	if v.Notes != nil && version == 2 && !h.Local() {
		h.Note = v.noteOf(&h)
	}
	raw, err := h.Append(make([]byte, 0, 128), version)
	if err != nil {
		return nil, fmt.Errorf("PROXY header: %w", err)
	}
	return raw, nil
}

// noteOf is the note of a client as JSON; nil without one.
func (v *serving) noteOf(h *proxyproto.Header) []byte {
	ctx, cancel := context.WithTimeout(v.cutting, noteTimeout)
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
