package p0f

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/mxprint/mxprint/internal/ask"
	"github.com/mxprint/mxprint/note"
)

// readBatch is how many responses are read at a time.
const readBatch = 32

// Client asks a p0f query socket: mxprint's, or that of p0f 3. It is a
// note.Lookuper and safe for concurrent use. A Client with its Path set is ready
// for use, and must not be copied after that.
//
// All calls share one connection, which is made when it is first needed and
// again when it broke. A call that meets the end of a connection made before,
// as after a restart of the daemon, is repeated once on a new one.
type Client struct {
	// Path is the path of the unix socket.
	Path string

	// Timeout is how long a call may take whose context has no deadline, and
	// how long connecting may take; 0 means one second.
	Timeout time.Duration

	once sync.Once
	ask  ask.Client

	dial func(context.Context) (net.Conn, error) // nil but in tests
}

var _ note.Lookuper = (*Client)(nil)

// NewClient returns a Client of the socket at path. It does not connect yet.
func NewClient(path string) *Client {
	return &Client{Path: path}
}

// Lookup asks for the address of q.Client. The protocol carries no port, no
// server and no waiting time: those of q are ignored, and whether the daemon
// waits for an address it has not seen is the daemon's own setting. Whatever
// fails, the note is the zero Note, of state Unavailable; the error wraps
// context.DeadlineExceeded when time ran out, and net.ErrClosed after Close.
func (c *Client) Lookup(ctx context.Context, q note.Query) (note.Note, error) {
	n, err := c.client().Lookup(ctx, q)
	if err != nil {
		return note.Note{}, fmt.Errorf("p0f: asking %s: %w", c.Path, err)
	}
	return n, nil
}

// Close ends the connection and the goroutines behind it, and waits for them.
// Calls under way and later ones fail. It always returns nil.
func (c *Client) Close() error { return c.client().Close() }

// client is ask with the fields filled in.
func (c *Client) client() *ask.Client {
	c.once.Do(func() {
		c.ask.Protocol = ask.Protocol{Append: appendQuestion, Read: readAnswer, Buffer: readBatch * ResponseSize}
		c.ask.Timeout = c.Timeout
		if c.ask.Dial = c.dial; c.dial != nil {
			return
		}
		c.ask.Dial = func(ctx context.Context) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "unix", c.Path)
		}
	})
	return &c.ask
}

func appendQuestion(dst []byte, q note.Query) []byte {
	return AppendQuery(dst, q.Client.Addr().Unmap())
}

// readAnswer reads one response. A refusal is an answer like others.
func readAnswer(r *bufio.Reader) (ask.Answer, error) {
	b, err := r.Peek(ResponseSize)
	if len(b) > 0 && !bytes.HasPrefix(b, []byte{responseMagic & 0xff}) && !bytes.HasPrefix(b, []byte{responseMagic >> 24}) {
		line, _, _ := bytes.Cut(b, []byte("\n"))
		return ask.Answer{}, fmt.Errorf("%w: %q; is this p0f's socket?", ErrBadResponse, line[:min(len(line), 100)])
	}
	if err != nil {
		return ask.Answer{}, err
	}
	n, err := DecodeResponse(b)
	r.Discard(ResponseSize)
	if errors.Is(err, ErrBadResponse) {
		return ask.Answer{}, err
	}
	return ask.Answer{Note: n, Err: err}, nil
}
