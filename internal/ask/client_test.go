package ask

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mxprint/mxprint/note"
)

// The clients of real protocols test the most, in package p0f and in package
// query. Here are the bounds, with a protocol of four bytes: the port that is
// asked about, and back again as TotalConn.

func ports(dial func(context.Context) (net.Conn, error)) *Client {
	return &Client{Dial: dial, Protocol: Protocol{
		Append: func(dst []byte, q note.Query) []byte {
			return binary.BigEndian.AppendUint32(dst, uint32(q.Client.Port()))
		},
		Read: func(r *bufio.Reader) (Answer, error) {
			b, err := r.Peek(4)
			if err != nil {
				return Answer{}, err
			}
			defer r.Discard(4)
			if n := binary.BigEndian.Uint32(b); n < refused {
				return Answer{Note: note.Note{State: note.Unknown, TotalConn: n}}, nil
			}
			return Answer{Err: errRefused}, nil
		},
		Buffer: 64,
	}}
}

const refused = 1 << 16

var errRefused = errors.New("refused")

// pipe dials serve.
func pipe(serve func(nc net.Conn)) func(context.Context) (net.Conn, error) {
	return func(context.Context) (net.Conn, error) {
		near, far := net.Pipe()
		go func() { defer far.Close(); serve(far) }()
		return near, nil
	}
}

func about(port uint16) note.Query {
	return note.Query{Client: netip.AddrPortFrom(netip.IPv6Loopback(), port)}
}

// TestBound: questions without an answer are turned away when there are too
// many, and those whose callers have left count.
func TestBound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hold := make(chan struct{})
		c := ports(pipe(func(nc net.Conn) { <-hold }))
		done, cancel := context.WithCancel(context.Background())
		cc, _, err := c.connection()
		if err != nil {
			t.Fatal(err)
		}
		cancel()
		for i := range maxPending {
			if _, err := cc.ask(done, about(1)); err != context.Canceled {
				t.Fatalf("question %d: %v, want %v", i, err, context.Canceled)
			}
		}
		if _, err := c.Lookup(context.Background(), about(1)); err != errBusy {
			t.Errorf("one question more: %v, want %v", err, errBusy)
		}
		close(hold)
		c.Close()
	})
}

// TestAnswersFindTheirQuestions also after refusals, and after callers that
// left.
func TestAnswersFindTheirQuestions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := ports(pipe(func(nc net.Conn) {
			var b [4]byte
			in := bufio.NewReader(nc) // a pipe has no buffer, as sockets have
			for {
				if _, err := io.ReadFull(in, b[:]); err != nil {
					return
				}
				port := binary.BigEndian.Uint32(b[:])
				time.Sleep(time.Millisecond)
				if port%3 == 0 {
					port = refused
				}
				nc.Write(binary.BigEndian.AppendUint32(nil, port))
			}
		}))
		for port := range uint16(30) {
			go func() {
				ctx, cancel := context.WithTimeout(context.Background(), time.Duration(1+port%7)*20*time.Millisecond)
				defer cancel()
				n, err := c.Lookup(ctx, about(port))
				switch {
				case errors.Is(err, context.DeadlineExceeded):
				case port%3 == 0 && err != errRefused, port%3 != 0 && (err != nil || n.TotalConn != uint32(port)):
					t.Errorf("about %d: %+v, %v", port, n, err)
				}
			}()
		}
		synctest.Wait()
		time.Sleep(time.Second)
		if n, err := c.Lookup(context.Background(), about(31)); err != nil || n.TotalConn != 31 {
			t.Errorf("the last: %+v, %v", n, err)
		}
		c.Close()
	})
}

// TestStall: a daemon that takes nothing does not keep its connection, nor a
// goroutine, for good.
func TestStall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hold := make(chan struct{})
		c := ports(pipe(func(nc net.Conn) { <-hold }))
		if _, err := c.Lookup(context.Background(), about(1)); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a question that is not read: %v, want %v", err, context.DeadlineExceeded)
		}
		time.Sleep(stallTime)
		synctest.Wait()
		if c.conn.usable() {
			t.Error("the connection is in use after the stall")
		}
		close(hold)
		c.Close()
	})
}

// A daemon that cannot be reached is left alone for a while, in which calls fail
// at once; then it is tried again.
func TestMaxPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		away := errors.New("away")
		dials, back := 0, false
		c := &Client{MaxPause: 2 * time.Second, Protocol: Protocol{
			Append: func(dst []byte, _ note.Query) []byte { return append(dst, '?') },
			Read: func(r *bufio.Reader) (Answer, error) {
				_, err := r.ReadByte()
				return Answer{Note: note.Note{State: note.Matched}}, err
			}, Buffer: 16,
		}}
		c.Dial = func(context.Context) (net.Conn, error) {
			dials++
			if !back {
				return nil, away
			}
			near, far := net.Pipe()
			go func() {
				io.ReadFull(far, make([]byte, 1))
				far.Write([]byte{'!'})
			}()
			return near, nil
		}
		defer c.Close()
		q := note.Query{Client: netip.MustParseAddrPort("198.18.0.1:1")}
		for range 100 * 100 { // 100 s
			if _, err := c.Lookup(t.Context(), q); !errors.Is(err, away) {
				t.Fatalf("Lookup = %v, want %v", err, away)
			}
			time.Sleep(10 * time.Millisecond)
		}
		// 0, 0.1, 0.3, 0.7, 1.5 s and then every 2 s.
		if dials < 50 || dials > 55 {
			t.Errorf("%d attempts to connect in 100 s, want about 53", dials)
		}
		back = true
		time.Sleep(2 * time.Second)
		if n, err := c.Lookup(t.Context(), q); err != nil || n.State != note.Matched {
			t.Errorf("Lookup = %+v, %v when the daemon is back", n, err)
		}
	})
}
