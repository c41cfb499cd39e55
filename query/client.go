package query

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mxprint/mxprint/internal/ask"
	"github.com/mxprint/mxprint/note"
)

// Client asks a query socket. It is a note.Lookuper and safe for concurrent
// use. A Client with its Addr set is ready for use, and must not be copied
// after that.
//
// All calls share one connection, which is made when it is first needed and
// again when it broke. A call that meets the end of a connection made before,
// as after a restart of the daemon, is repeated once on a new one.
type Client struct {
	// Addr is the path of a unix socket, if there is a slash in it, or else
	// host and port of a TCP socket: "192.0.2.1:2526".
	Addr string

	// Timeout is how long a call may take whose context has no deadline, and
	// how long connecting may take; 0 means one second.
	Timeout time.Duration

	// TLS makes the connection one by TLS, for a server on another machine; nil
	// means none. Its ServerName is that of Addr where it is empty. Pin makes
	// one for a server whose certificate is known.
	TLS *tls.Config

	// Token is what the server wants to hear before it answers (Server.Token);
	// empty means none.
	Token string

	once sync.Once
	ask  ask.Client
	old  atomic.Bool // the server takes no reports

	dial func(context.Context) (net.Conn, error) // nil but in tests
}

var _ note.Lookuper = (*Client)(nil)

// NewClient returns a Client of the socket at addr. It does not connect yet.
func NewClient(addr string) *Client { return &Client{Addr: addr} }

// How long to wait before a client or connection that was not seen is asked
// about again: the SYN is mostly a millisecond behind.
const (
	firstPause = 500 * time.Microsecond
	maxPause   = 16 * time.Millisecond
)

// reconnectPause bounds how long a server on another machine is left alone that
// could not be reached.
const reconnectPause = 2 * time.Second

// Lookup asks for the connection q. Whatever fails, the note is the zero Note,
// of state Unavailable; the error wraps context.DeadlineExceeded when time ran
// out, ErrUnavailable when the daemon has no sensor, and net.ErrClosed after
// Close.
//
// Answers come in the order of the questions, so that one that waits would hold
// up those of all other callers. The daemon is asked for what it knows at once,
// and again until q.Wait is over, or nearly the time of ctx.
func (c *Client) Lookup(ctx context.Context, q note.Query) (note.Note, error) {
	end := time.Now().Add(q.Wait)
	if d, ok := ctx.Deadline(); ok && d.Before(end) {
		end = d
	}
	for pause := firstPause; ; pause = min(2*pause, maxPause) {
		n, err := c.lookup(ctx, q)
		if err != nil {
			return note.Note{}, fmt.Errorf("query: asking %s: %w", c.Addr, err)
		}
		// The last question needs as long as a pause to be answered in time.
		left := time.Until(end) - pause
		if answers(&n, q) || left <= 0 {
			return n, nil
		}
		select {
		case <-ctx.Done():
			return n, nil
		case <-time.After(min(pause, left)):
		}
	}
}

// lookup asks once. A server that takes no reports is asked without them.
func (c *Client) lookup(ctx context.Context, q note.Query) (note.Note, error) {
	reports := q.Heard != nil || q.Claims != nil
	if reports && !c.old.Load() {
		n, err := c.client().Lookup(ctx, q)
		if !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), "not an address") { // it knows no ask
			return n, err
		}
		c.old.Store(true)
	}
	q.Heard, q.Claims = nil, nil
	return c.client().Lookup(ctx, q)
}

// answers reports whether a note is about what was asked. What is known of the
// address may be another machine's while the connection's own SYN is on its way.
func answers(n *note.Note, q note.Query) bool {
	return n.ByConnection || q.Client.Port() == 0 && n.State != note.NotSeen
}

// Close ends the connection and the goroutines behind it, and waits for them.
// Calls under way and later ones fail. It always returns nil.
func (c *Client) Close() error { return c.client().Close() }

// client is ask with the fields filled in.
func (c *Client) client() *ask.Client {
	c.once.Do(func() {
		c.ask.Protocol = ask.Protocol{Append: appendRequest, Read: readAnswer, Buffer: maxAnswer}
		c.ask.Timeout = c.Timeout
		if c.ask.Dial = c.dial; c.dial != nil {
			return
		}
		c.ask.Dial = c.connect
		if !strings.Contains(c.Addr, "/") {
			c.ask.MaxPause = reconnectPause
		}
	})
	return &c.ask
}
