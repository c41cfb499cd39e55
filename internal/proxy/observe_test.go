package proxy_test

import (
	"bytes"
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mxprint/mxprint/internal/proxy"
	"github.com/mxprint/mxprint/internal/test/fronttest"
)

// dialog is an Observer that keeps what it gets until the client says STARTTLS
// or DATA.
type dialog struct {
	mu             sync.Mutex
	client, server netip.AddrPort
	text           strings.Builder // "C: …" and "S: …" in the order of the calls
	sizes          [2]int          // bytes of the server, of the client
	ends           []bool          // by which side
	closed         int
	all            bool // also what comes after STARTTLS and DATA
}

func (d *dialog) Observe(fromClient bool, b []byte) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	who, side := "S: ", 0
	if fromClient {
		who, side = "C: ", 1
	}
	d.sizes[side] += len(b)
	if d.all {
		return true
	}
	d.text.WriteString(who + string(b))
	return !fromClient || !bytes.HasPrefix(b, []byte("DATA\r\n")) && !bytes.HasPrefix(b, []byte("STARTTLS\r\n"))
}

func (d *dialog) End(fromClient bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.ends = append(d.ends, fromClient)
}

func (d *dialog) Close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closed++
}

// wantClosed waits for the end of the connection. An observer that did not have
// all bytes does not learn which side ended first.
func (d *dialog) wantClosed(t *testing.T, ends ...bool) {
	t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		d.mu.Lock()
		got, closed := slices.Clone(d.ends), d.closed
		d.mu.Unlock()
		if closed == 1 && slices.Equal(got, ends) {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("closed %d times, ends by the client %v, want one and %v", closed, got, ends)
		}
	}
}

func (d *dialog) get() (string, [2]int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.text.String(), d.sizes
}

// The observer gets both directions in their order, and nothing after it has
// seen the end of what it wants; the bytes pass on unchanged.
func TestObserver(t *testing.T) {
	for _, last := range []string{"DATA\r\n", "STARTTLS\r\n"} {
		t.Run(strings.TrimSpace(last), func(t *testing.T) {
			fronttest.Leaks(t)
			var d dialog
			b := newBackend(t, "tcp", "127.0.0.1:0")
			addr, _, _ := start(t, &proxy.Server{Backend: b.Addr().String(), Send: proxy.Nothing, Observe: func(client, server netip.AddrPort) proxy.Observer {
				d.client, d.server = client, server
				return &d
			}})
			client := dial(t, addr)
			server := b.accept(t)
			want := ""
			for _, turn := range []struct{ who, text string }{
				{"S", "220 mx.example ESMTP\r\n"}, {"C", "EHLO client.example\r\n"}, {"S", "250-mx.example\r\n250 PIPELINING\r\n"},
				{"C", last}, {"S", "354 go ahead\r\n"}, {"C", "\x16\x03\x01 secret\r\n"},
			} {
				from, to := server, net.Conn(client)
				if turn.who == "C" {
					from, to = client, server
				}
				write(t, from, turn.text)
				wantRead(t, to, turn.text)
				if !strings.Contains(want, last) {
					want += turn.who + ": " + turn.text
				}
			}
			if got, _ := d.get(); got != want {
				t.Errorf("observed %q, want %q", got, want)
			}
			client.Close()
			server.Close()
			d.wantClosed(t)
			if from := client.LocalAddr().String(); d.client.String() != from || d.server.String() != addr {
				t.Errorf("observer of %s to %s, want %s to %s", d.client, d.server, from, addr)
			}
		})
	}
}

// observed starts a proxy with an observer, and returns both ends of a connection
// through it.
func observed(t *testing.T, d *dialog) (client *net.TCPConn, server net.Conn) {
	t.Helper()
	b := newBackend(t, "tcp", "127.0.0.1:0")
	addr, _, _ := start(t, &proxy.Server{Backend: b.Addr().String(), Send: proxy.Nothing, Observe: func(_, _ netip.AddrPort) proxy.Observer { return d }})
	client = dial(t, addr)
	return client, b.accept(t)
}

// TestObserverBound: an observer that never has enough gets 16 KiB of each direction.
func TestObserverBound(t *testing.T) {
	fronttest.Leaks(t)
	d := dialog{all: true}
	client, server := observed(t, &d)
	text := strings.Repeat("x", 100_000)
	write(t, client, text)
	wantRead(t, server, text)
	write(t, server, text)
	wantRead(t, client, text)
	client.Close()
	server.Close()
	d.wantClosed(t)
	if _, sizes := d.get(); sizes != [2]int{16 << 10, 16 << 10} {
		t.Errorf("observed %d bytes, want 16 KiB of each direction", sizes)
	}
}

// A client that does not read what the mail server sends is closed, though it
// goes on to send, and one that reads slowly is not.
func TestFinding08UnreadReplies(t *testing.T) {
	fronttest.Leaks(t)
	b := newBackend(t, "tcp", "127.0.0.1:0")
	const patience = 300 * time.Millisecond
	addr, _, log := start(t, (&proxy.Server{Backend: b.Addr().String(), Send: proxy.Nothing}).Stalled(patience))
	client := dial(t, addr)
	client.SetReadBuffer(4 << 10)
	server := b.accept(t)
	reader := dial(t, addr)
	readers := b.accept(t)

	ended := make(chan error, 1)
	begin := time.Now()
	go func() {
		var err error
		for reply := []byte(strings.Repeat("250 OK\r\n", 1000)); err == nil; {
			_, err = server.Write(reply)
		}
		ended <- err
	}()
	for open := true; open; time.Sleep(patience / 10) {
		write(t, readers, "250 OK\r\n")
		wantRead(t, reader, "250 OK\r\n")
		select {
		case <-ended:
			open = false
		default:
			client.Write([]byte("NOOP\r\n"))
		}
	}
	if took := time.Since(begin); took < patience {
		t.Errorf("closed after %v, want %v at least", took, patience)
	}
	if lines := log.Lines(); len(lines) != 1 || !strings.Contains(lines[0], "its client does not read") {
		t.Errorf("log %q, want one line", lines)
	}
	write(t, readers, "250 still here\r\n")
	wantRead(t, reader, "250 still here\r\n")
}

// TestObserverEnds: the observer learns which side has said its last byte first.
func TestObserverEnds(t *testing.T) {
	fronttest.Leaks(t)
	d := dialog{all: true}
	client, server := observed(t, &d)
	write(t, client, "QUIT\r\n")
	wantRead(t, server, "QUIT\r\n")
	client.Close()
	for d.ended() == 0 {
		time.Sleep(time.Millisecond)
	}
	server.Close()
	d.wantClosed(t, true, false)
}

func (d *dialog) ended() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.ends)
}

// TestObserverReset: a side that resets its connection has ended it, too.
func TestObserverReset(t *testing.T) {
	for _, fromClient := range []bool{true, false} {
		t.Run(map[bool]string{true: "client", false: "server"}[fromClient], func(t *testing.T) {
			fronttest.Leaks(t)
			d := dialog{all: true}
			client, server := observed(t, &d)
			write(t, client, "QUIT\r\n")
			wantRead(t, server, "QUIT\r\n")
			gone, other := net.Conn(client), net.Conn(server)
			if !fromClient {
				gone, other = other, gone
			}
			if err := gone.(*net.TCPConn).SetLinger(0); err != nil { // close sends RST
				t.Fatal(err)
			}
			gone.Close()
			d.wantClosed(t, fromClient)
			other.Close()
		})
	}
}

// TestObserverLastWords: what a side says last is observed and passed on, and its end
// is seen after that, though a write to it fails first.
func TestObserverLastWords(t *testing.T) {
	for _, fromClient := range []bool{true, false} {
		t.Run(map[bool]string{true: "client", false: "server"}[fromClient], func(t *testing.T) {
			fronttest.Leaks(t)
			for range 100 {
				d := dialog{}
				client, server := observed(t, &d)
				write(t, server, "220 a\r\n")
				wantRead(t, client, "220 a\r\n")
				gone, other := net.Conn(client), net.Conn(server)
				if !fromClient {
					gone, other = other, gone
				}
				talks := make(chan struct{})
				go func() {
					defer close(talks)
					for {
						if _, err := io.WriteString(other, "250 a\r\n"); err != nil {
							return
						}
					}
				}()
				wantRead(t, gone, "250 a\r\n")
				write(t, gone, "LAST\r\n")
				gone.Close() // it resets, for it has not read all
				wantRead(t, other, "LAST\r\n")
				d.wantClosed(t, fromClient)
				other.Close()
				<-talks
				if text, _ := d.get(); !strings.Contains(text, "LAST\r\n") {
					t.Fatalf("observed %q", text)
				}
			}
		})
	}
}
