// Package proxyproto is a listener for servers behind a load balancer: it reads
// the header of the PROXY protocol that the balancer puts in front of each
// connection, and its connections have the addresses of the real client.
//
// Use it where a mail server in Go, or one of our fronts, is reached through
// HAProxy, nginx or mxprint proxy, so that notes follow the real client and not
// the balancer. Which networks may send a header is configured: without that,
// any client could claim any address.
//
// It implements versions 1 and 2 of
// https://www.haproxy.org/download/2.6/doc/proxy-protocol.txt, for TCP.
package proxyproto

import (
	"errors"
	"net"
	"net/netip"
	"slices"
	"syscall"

	"github.com/mxprint/mxprint/internal/serve"
)

// errStranger means that an address may not send a header.
var errStranger = errors.New("its address may not send a PROXY header")

// Listen wraps ln: the connections that it accepts are of *Conn. From are the
// networks of the load balancers; a connection from elsewhere fails at Greet,
// with or without a header. No network: every connection does.
//
// It is for package serve, which calls Greet, and bounds its time and how many
// connections are without their header.
func Listen(ln net.Listener, from []netip.Prefix) net.Listener { return &listener{ln, from} }

type listener struct {
	net.Listener
	from []netip.Prefix
}

func (l *listener) Accept() (net.Conn, error) {
	nc, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &Conn{Conn: nc, allowed: l.allowed(nc.RemoteAddr())}, nil
}

func (l *listener) allowed(a net.Addr) bool {
	addr := serve.EndOf(a).Addr()
	return slices.ContainsFunc(l.from, func(p netip.Prefix) bool { return p.Contains(addr) })
}

// Conn is a connection through a load balancer. Once Greet has returned nil,
// RemoteAddr and LocalAddr are the two ends that the balancer saw, unless the
// connection is its own.
type Conn struct {
	net.Conn
	allowed bool
	greeted bool
	header  Header
}

// Greet reads the header. Call it once, before anything else is read.
func (c *Conn) Greet() (err error) {
	if !c.allowed {
		return errStranger
	}
	c.header, err = Read(c.Conn)
	c.greeted = err == nil
	return err
}

// Header is what the balancer said.
func (c *Conn) Header() Header { return c.header }

// NetConn is the connection from the balancer.
func (c *Conn) NetConn() net.Conn { return c.Conn }

// SyscallConn makes Conn a syscall.Conn where what it wraps is one: after Greet
// it reads as that does.
func (c *Conn) SyscallConn() (syscall.RawConn, error) {
	sc, ok := c.Conn.(syscall.Conn)
	if !ok {
		return nil, errors.ErrUnsupported
	}
	return sc.SyscallConn()
}

// RemoteAddr is the real client.
func (c *Conn) RemoteAddr() net.Addr {
	if !c.greeted || c.header.Local() {
		return c.Conn.RemoteAddr()
	}
	return net.TCPAddrFromAddrPort(c.header.Client)
}

// LocalAddr is where the real client connected to.
func (c *Conn) LocalAddr() net.Addr {
	if !c.greeted || c.header.Local() {
		return c.Conn.LocalAddr()
	}
	return net.TCPAddrFromAddrPort(c.header.Server)
}
