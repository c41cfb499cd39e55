// Package ask is the asking side of a query socket whose answers come in the
// order of the questions: many callers share one connection, and each keeps its
// own deadline whatever the daemon does.
//
// It is for the clients of our protocols, which bring the form of a question
// and of an answer; a mail server uses those clients. Beside the standard
// library it imports note alone, so that they are cheap to import.
package ask

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/mxprint/mxprint/note"
)

const (
	// DefaultTimeout is for a caller without a deadline: no mail may hang on
	// us.
	DefaultTimeout = time.Second

	// stallTime is how long a daemon may leave queries unanswered, answering
	// none of them, before its connection is given up.
	stallTime = 5 * time.Second

	// maxPending bounds the queries without an answer, and with them what waits
	// to be written.
	maxPending = 16384

	// inlinePending is how many queries without an answer, of inlineQuery bytes
	// at most, surely fit into the socket's buffer (8 KiB on the BSDs), so that
	// writing them cannot block.
	inlinePending = 64
	inlineQuery   = 128

	// minPause is how long no connection is made after one that could not be;
	// it doubles each time, up to Client.MaxPause.
	minPause = 100 * time.Millisecond
)

var (
	errNoAddress = errors.New("no client address in the query")
	errBusy      = errors.New("too many queries without an answer")
	errStalled   = errors.New("the daemon does not answer")
	errUnasked   = errors.New("an answer without a question")
	errClosed    = fmt.Errorf("the client is closed: %w", net.ErrClosed)
)

// Protocol is the form of questions and answers.
type Protocol struct {
	// Append appends a question.
	Append func(dst []byte, q note.Query) []byte

	// Read reads one answer. An error means that the connection has ended, or
	// that the daemon does not speak the protocol; it ends the connection.
	Read func(r *bufio.Reader) (Answer, error)

	// Buffer is how many bytes are read at a time; an answer has as many at
	// most.
	Buffer int
}

// Answer is one answer of a daemon. With Err, which may be its refusal of the
// question, the Note is the zero Note.
type Answer struct {
	Note note.Note
	Err  error
}

// Client asks one daemon. Set the fields before its first use, and do not copy
// it after that. Safe for concurrent use.
//
// All calls share one connection, which is made when it is first needed and
// again when it broke. A call that meets the end of a connection made before,
// as after a restart of the daemon, is repeated once on a new one.
type Client struct {
	Protocol Protocol

	// Dial makes a connection, or fails by the end of the context.
	Dial func(context.Context) (net.Conn, error)

	// Timeout is how long a call may take whose context has no deadline, and
	// how long connecting may take; 0 means DefaultTimeout.
	Timeout time.Duration

	// MaxPause bounds how long no connection is made after one that could not
	// be; calls fail at once meanwhile, with the reason. 0 means that every
	// call may try.
	MaxPause time.Duration

	mu     sync.Mutex
	conn   *conn
	closed bool
}

// Lookup puts a question and waits for its answer. The error wraps
// context.DeadlineExceeded when time ran out, and net.ErrClosed after Close;
// the note is then the zero Note, of state Unavailable.
func (c *Client) Lookup(ctx context.Context, q note.Query) (note.Note, error) {
	if !q.Client.Addr().IsValid() {
		return note.Note{}, errNoAddress
	}
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, c.timeout())
		defer cancel()
	}
	if err := ctx.Err(); err != nil {
		return note.Note{}, err
	}
	for again := true; ; again = false {
		cc, old, err := c.connection()
		if err != nil {
			return note.Note{}, err
		}
		o, err := cc.ask(ctx, q)
		if err != nil {
			return note.Note{}, err
		}
		if o.broken && old && again {
			continue
		}
		return o.Note, o.Err
	}
}

// Close ends the connection and the goroutines behind it, and waits for them.
// Calls under way and later ones fail. It always returns nil.
func (c *Client) Close() error {
	c.mu.Lock()
	cc := c.conn
	c.conn, c.closed = nil, true
	c.mu.Unlock()
	if cc != nil {
		cc.fail(errClosed, false)
		cc.wg.Wait()
	}
	return nil
}

func (c *Client) timeout() time.Duration {
	if c.Timeout > 0 {
		return c.Timeout
	}
	return DefaultTimeout
}

// connection returns the connection in use, or a new one which is still being
// made; old says which.
func (c *Client) connection() (cc *conn, old bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil, false, errClosed
	}
	pause := minPause
	if last := c.conn; last != nil {
		if last.usable() {
			return last, true, nil
		}
		if at, err := last.unmade(); err != nil {
			if time.Since(at) < min(last.pause, c.MaxPause) {
				return nil, false, err
			}
			pause = min(2*last.pause, max(c.MaxPause, minPause))
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), c.timeout())
	c.conn = &conn{protocol: &c.Protocol, cancel: cancel, pause: pause}
	c.conn.wg.Add(1)
	go c.conn.run(ctx, c.Dial)
	return c.conn, false, nil
}
