// Package savedsyn is a net.Listener whose connections know the system of
// their client: Linux keeps the client's own SYN for a listener that asks.
//
//	ln, err := savedsyn.Listen("tcp", ":25")
//	…
//	server.Serve(ln)                    // any server: SMTP, HTTP, TLS
//	…
//	n := savedsyn.Fingerprint(c)        // where the server has the net.Conn
//	if n.State == note.Matched { … n.Title() … }
//
// Use it in a Go server that runs on Linux and is the end of the client's TCP
// connection. It needs no privilege, no capture and no process beside it; the
// answer is that of the very connection, is there when Accept returns, and
// comes after a completed handshake, so it cannot be forged. Where the server
// is another program use package sockops, where the connections only pass, or
// on another system, packages capture and engine.
//
// Without a saved SYN the note is note.Unavailable, and the connection works as
// any other. That is so
//   - on other systems than Linux, and on Linux before 4.3;
//   - when the connection was made with a SYN cookie, as in a flood of SYNs,
//     or was waiting before the listener had the kernel save SYNs;
//   - on a listener of Multipath TCP, which is what net.Listen makes: give
//     NewListener one of a net.ListenConfig with SetMultipathTCP(false). Clients
//     that speak Multipath TCP are served, and named, by either.
//
// With Listener.SMTP the note also has what the client said by SMTP so far: ask
// at the end of the message, when most of it is there.
//
// The note is of one SYN: TotalConn is 1, and there is no uptime, which takes
// two. See tcp(7) and Linux commit cd8ae85299d5 for the socket options
// TCP_SAVE_SYN and TCP_SAVED_SYN.
//
// # Compatibility
//
// Until 1.0 this package only gains names; none is removed or changes its
// meaning.
package savedsyn

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/mxprint/mxprint/internal/sender"
	core "github.com/mxprint/mxprint/internal/signature"
	"github.com/mxprint/mxprint/note"
	"github.com/mxprint/mxprint/signature"
)

// ErrUnavailable says that there is no saved SYN. Errors that wrap it say why.
var ErrUnavailable = errors.New("savedsyn: the client's SYN is not available")

// errNotKept: SYN cookies, or a connection older than the listener's option.
var errNotKept = fmt.Errorf("%w: the kernel kept none for this connection", ErrUnavailable)

// Listener is a listener whose connections are *Conn where they are TCP. It is
// safe for concurrent use.
type Listener struct {
	net.Listener

	// DB names the systems; nil means signature.Builtin. Set it before the
	// first Accept.
	DB *signature.DB

	// SMTP has each connection read what its client says by SMTP and in its TLS
	// ClientHello: the note names the TLS library, conduct and numbers then, as far
	// as the session has come. No address, password or message is kept
	// (docs/privacy.md); a connection takes at most 4 KiB. Set it before the first
	// Accept. Bytes that do not pass Read, Write, ReadFrom or WriteTo, as by
	// net.Buffers or SyscallConn, are not seen.
	SMTP bool

	err  error
	once sync.Once
	feed func(client, server netip.AddrPort) *sender.Feed
}

// Listen is net.Listen for a network of TCP ("tcp", "tcp4", "tcp6"), without
// Multipath TCP. Where SYNs cannot be saved it listens all the same; Err says
// why.
func Listen(network, address string) (*Listener, error) {
	// Before it listens, so that not even the first connection is missed. What
	// may be wrong shows again in NewListener.
	config := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		save(c)
		return nil
	}}
	config.SetMultipathTCP(false)
	ln, err := config.Listen(context.Background(), network, address)
	if err != nil {
		return nil, err
	}
	return NewListener(ln), nil
}

// NewListener makes a listener save SYNs: one with options of its own, or one
// that was inherited. ln is to be a *net.TCPListener; what it accepts is passed
// on unchanged where it is no *net.TCPConn, so put other wrappers (TLS, limits)
// around the Listener and not inside. Connections that wait in ln have none.
func NewListener(ln net.Listener) *Listener {
	return &Listener{Listener: ln, err: saveOn(ln)}
}

func saveOn(ln net.Listener) error {
	sc, ok := ln.(syscall.Conn)
	if !ok {
		return fmt.Errorf("%w: a %T has no socket to set", ErrUnavailable, ln)
	}
	raw, err := sc.SyscallConn()
	if err == nil {
		err = save(raw)
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return nil
}

// Err says why connections will have no SYN, and is nil where the kernel saves
// them: a server logs it once, and goes on.
func (l *Listener) Err() error { return l.err }

// Accept returns the next connection, a *Conn.
func (l *Listener) Accept() (net.Conn, error) {
	nc, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	tcp, ok := nc.(*net.TCPConn)
	if !ok {
		return nc, nil
	}
	c := &Conn{TCPConn: tcp, db: l.DB, at: time.Now()}
	// At once and not when somebody asks: the kernel gives it out once, and
	// none after Close.
	c.syn, c.err = saved(tcp, c.buf[:])
	if c.err != nil && l.err != nil {
		c.err = l.err
	}
	if l.SMTP {
		l.once.Do(func() { l.feed = sender.New(sender.Config{DB: l.programs, Kept: 1}).Feeds(nil) })
		c.feed = l.feed(end(tcp.RemoteAddr()), end(tcp.LocalAddr()))
	}
	return c, nil
}

// programs is the database that names what sends.
func (l *Listener) programs() *core.DB {
	if l.DB == nil {
		return core.Builtin()
	}
	return (*core.DB)(l.DB)
}

// end is an end of a connection as notes have it.
func end(a net.Addr) netip.AddrPort {
	tcp, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.AddrPort{}
	}
	at := tcp.AddrPort()
	return netip.AddrPortFrom(at.Addr().Unmap().WithZone(""), at.Port())
}

// maxSYN is an IPv4 and a TCP header with all the options that fit. An IPv6
// packet with extension headers may be longer.
const maxSYN = 60 + 60

// Conn is a connection with its client's SYN. All of net.TCPConn is there, so
// that io.Copy splices and CloseWrite, SyscallConn and deadlines work; Close it
// as any other. It is safe for concurrent use.
type Conn struct {
	*net.TCPConn
	db  *signature.DB
	at  time.Time
	syn []byte // in buf, if it fits
	err error  // why it is absent
	buf [maxSYN]byte

	feed   *sender.Feed // reads what is said; nil: nothing does
	enough atomic.Bool  // it wants no more
}

// Fingerprint returns the note about the client, from the SYN of this very
// connection. It may be called at any time and as often as wanted, also after
// Close. State is note.Unavailable where there is no SYN (SYN says why), and
// note.Unknown where no signature matches or the SYN cannot be read.
func (c *Conn) Fingerprint() note.Note {
	if c.err != nil {
		return c.sender(note.Note{})
	}
	n := note.Note{State: note.Unknown, ByConnection: true, TotalConn: 1}
	if s, err := Decode(c.syn); err == nil {
		n = Name(c.db, &s)
	}
	n.FirstSeen = c.at.Truncate(time.Second)
	n.LastSeen = n.FirstSeen
	return c.sender(n)
}

// SYN returns the IP and TCP header of the client's SYN, for Decode. The slice
// is the connection's own: do not change it.
func (c *Conn) SYN() ([]byte, error) { return c.syn, c.err }

// maxWraps bounds the way through connections around connections.
const maxWraps = 16

// Fingerprint returns the note about the client of a connection that came from
// a Listener, also when it is wrapped, as in a *tls.Conn: whatever has a method
// NetConn is looked into. For any other connection the note is
// note.Unavailable.
func Fingerprint(c net.Conn) note.Note {
	for range maxWraps {
		switch w := c.(type) {
		case interface{ Fingerprint() note.Note }:
			return w.Fingerprint()
		case interface{ NetConn() net.Conn }:
			c = w.NetConn()
		default:
			return note.Note{}
		}
	}
	return note.Note{}
}

// ConnContext puts the note about the client into a context, for
// note.FromContext. It fits http.Server.ConnContext.
func ConnContext(ctx context.Context, c net.Conn) context.Context {
	return note.NewContext(ctx, Fingerprint(c))
}
