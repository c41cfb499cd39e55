package ask

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"github.com/mxprint/mxprint/note"
)

// outcome is what became of one query.
type outcome struct {
	Answer
	broken bool // the connection had been made, and ended before the answer
}

// question is a query without an answer. Its owner may have gone: the channel
// has room for the answer, so that it is never waited for.
type question chan outcome

// conn is one connection. Queries can be put to it while it is still
// being made. One goroutine makes it and then reads it; it is written by the caller who
// asks, so that a lone query takes no detour, or by a goroutine for the moment
// when there is more to write than may surely be written without waiting.
type conn struct {
	protocol *Protocol
	cancel   context.CancelFunc // ends the dialling
	pause    time.Duration      // before the next one, if this cannot be made
	wg       sync.WaitGroup

	mu       sync.Mutex
	nc       net.Conn // nil until it is made
	err      error    // not nil when it is of no use any more
	failed   time.Time
	pending  []question
	first    int       // index in pending of the one whose answer comes next
	progress time.Time // last answer, or when the first of pending was asked
	out      []byte    // queries to be written
	spare    []byte    // replaces out
	writing  bool      // somebody writes, and will look at out again
	long     bool      // since a query had no answer, one was longer than inlineQuery
}

// usable reports whether queries can be put to the connection. One that has
// stopped to answer is given up here.
func (c *conn) usable() bool {
	c.mu.Lock()
	stalled := c.err == nil && c.waiting() > 0 && time.Since(c.progress) > stallTime
	usable := c.err == nil && !stalled
	c.mu.Unlock()
	if stalled {
		c.fail(errStalled, true)
	}
	return usable
}

// unmade returns when and why the connection could not be made; nil if it was,
// or still is being made.
func (c *conn) unmade() (time.Time, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.nc != nil {
		return time.Time{}, nil
	}
	return c.failed, c.err
}

// waiting is the number of queries without an answer. c.mu is held.
func (c *conn) waiting() int { return len(c.pending) - c.first }

// ask puts a query and waits for its answer or the end of ctx.
func (c *conn) ask(ctx context.Context, about note.Query) (outcome, error) {
	q := make(question, 1)
	c.mu.Lock()
	switch {
	case c.err != nil:
		err := c.err
		c.mu.Unlock()
		return outcome{Answer{Err: err}, true}, nil
	case c.waiting() >= maxPending:
		c.mu.Unlock()
		return outcome{}, errBusy
	}
	c.push(q)
	before := len(c.out)
	c.out = c.protocol.Append(c.out, about)
	c.long = c.long || len(c.out)-before > inlineQuery
	c.startWriting()
	c.mu.Unlock()

	select {
	case a := <-q:
		return a, nil
	case <-ctx.Done():
		// The question stays where it is, to take up the answer that comes.
		return outcome{}, ctx.Err()
	}
}

// push appends to the questions without an answer. c.mu is held.
func (c *conn) push(q question) {
	if c.waiting() == 0 {
		c.progress, c.long = time.Now(), false
	}
	if len(c.pending) == cap(c.pending) && c.first > 0 {
		n := copy(c.pending, c.pending[c.first:])
		clear(c.pending[n:])
		c.pending, c.first = c.pending[:n], 0
	}
	c.pending = append(c.pending, q)
}

// pop takes the question whose answer has come; nil if absent.
func (c *conn) pop() question {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.waiting() == 0 {
		return nil
	}
	q := c.pending[c.first]
	c.pending[c.first] = nil
	c.first++
	if c.waiting() == 0 {
		c.pending, c.first = c.pending[:0], 0
	}
	c.progress = time.Now()
	return q
}

// startWriting has out written unless somebody is at it. c.mu is held, and
// let go for the time of the writing.
func (c *conn) startWriting() {
	if c.nc == nil || c.err != nil || c.writing || len(c.out) == 0 {
		return
	}
	c.writing = true
	if c.waiting() <= inlinePending && !c.long && !c.write() {
		return
	}
	c.wg.Add(1)
	go func() {
		defer c.wg.Done()
		c.mu.Lock()
		defer c.mu.Unlock()
		for c.write() {
		}
	}()
}

// write writes what is in out, and reports whether there is more by then. c.mu
// is held, and let go for the time of the writing.
func (c *conn) write() (more bool) {
	b := c.out
	c.out, c.spare = c.spare[:0], nil
	c.mu.Unlock()
	c.nc.SetWriteDeadline(time.Now().Add(stallTime))
	_, err := c.nc.Write(b)
	if err != nil {
		c.fail(fmt.Errorf("writing a query: %w", err), true)
	}
	c.mu.Lock()
	c.spare = b
	c.writing = c.err == nil && len(c.out) > 0
	return c.writing
}

// run makes the connection and reads its answers until it ends.
func (c *conn) run(ctx context.Context, dial func(context.Context) (net.Conn, error)) {
	defer c.wg.Done()
	defer c.cancel()
	nc, err := dial(ctx)
	if err != nil {
		c.fail(fmt.Errorf("connecting: %w", err), false)
		return
	}
	c.mu.Lock()
	if c.err != nil { // closed meanwhile
		c.mu.Unlock()
		nc.Close()
		return
	}
	c.nc = nc
	c.startWriting()
	c.mu.Unlock()
	c.fail(c.read(nc), true)
}

// read hands out the answers in the order of the questions, and returns why it
// ended.
func (c *conn) read(nc net.Conn) error {
	r := bufio.NewReaderSize(nc, c.protocol.Buffer)
	for {
		a, err := c.protocol.Read(r)
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return fmt.Errorf("reading an answer: %w", err)
		}
		q := c.pop()
		if q == nil {
			return errUnasked
		}
		q <- outcome{Answer: a}
	}
}

// fail ends the connection, unless it has ended, and with it every question.
func (c *conn) fail(err error, broken bool) {
	c.mu.Lock()
	if c.err != nil {
		c.mu.Unlock()
		return
	}
	c.err, c.failed = err, time.Now()
	lost := c.pending[c.first:]
	c.pending, c.first, c.out = nil, 0, nil
	nc := c.nc
	c.mu.Unlock()
	c.cancel()
	if nc != nil {
		nc.Close()
	}
	for _, q := range lost {
		q <- outcome{Answer{Err: err}, broken}
	}
}
