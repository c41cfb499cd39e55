package engine

import (
	"context"
	"encoding/binary"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mxprint/mxprint/capture"
	"github.com/mxprint/mxprint/note"
)

// at is an address to ask about, without a port.
func at(a netip.Addr) netip.AddrPort { return netip.AddrPortFrom(a, 0) }

func TestLookup(t *testing.T) {
	e := made(New(silent(t, Config{})))
	runFile(t, e, labCapture)
	ctx := context.Background()
	for _, a := range []netip.Addr{labClient, labClient6} {
		n, err := e.Lookup(ctx, note.Query{Client: at(a)})
		if err != nil || n.State != note.Matched || n.OSName != "Linux" || n.OSFlavor != "lab" || n.Quality != 0 ||
			n.Distance != note.Hops(0) || n.LinkType != "Ethernet" || n.TotalConn != 1 || n.ByConnection {
			t.Errorf("Lookup(%v) = %+v, %v, want Linux lab", a, n, err)
		}
		if n.FirstSeen.Unix() == 0 || n.FirstSeen != n.LastSeen || !n.LastNAT.IsZero() || !n.LastChange.IsZero() {
			t.Errorf("Lookup(%v): times %v, %v, %v, %v", a, n.FirstSeen, n.LastSeen, n.LastNAT, n.LastChange)
		}
	}
	for _, a := range []string{"203.0.113.7", "2001:db8::7"} {
		n, err := e.Lookup(ctx, note.Query{Client: at(netip.MustParseAddr(a))})
		if want := (note.Note{State: note.NotSeen}); err != nil || !reflect.DeepEqual(n, want) {
			t.Errorf("Lookup(%s) = %+v, %v, want %+v", a, n, err, want)
		}
	}
	// A socket for both protocols has IPv4 addresses mapped into IPv6.
	if n, err := e.Lookup(ctx, note.Query{Client: at(netip.AddrFrom16(labClient.As16()))}); err != nil || n.State != note.Matched {
		t.Errorf("Lookup of a mapped address = %v, %v, want %v", n.State, err, note.Matched)
	}
	// A port is of no use where connections are not kept.
	n, err := e.Lookup(ctx, note.Query{Client: netip.AddrPortFrom(labClient, 1)})
	if err != nil || n.State != note.Matched {
		t.Errorf("Lookup with another port = %v, %v, want %v", n.State, err, note.Matched)
	}
	if n, err := e.Lookup(ctx, note.Query{}); err != nil || n.State != note.NotSeen {
		t.Errorf("Lookup of an unseen client = %v, %v, want %v", n.State, err, note.NotSeen)
	}
}

func TestLookupUnknown(t *testing.T) {
	e := made(New(silent(t, Config{DB: parseDB(t, "")})))
	runFile(t, e, labCapture)
	n, err := e.Lookup(context.Background(), note.Query{Client: at(labClient)})
	if err != nil || n.State != note.Unknown || n.OSName != "" || n.Distance != note.Hops(0) || n.TotalConn != 1 {
		t.Errorf("Lookup = %+v, %v, want %v at distance 0", n, err, note.Unknown)
	}
}

func TestLookupQuality(t *testing.T) {
	const sig = "sig = *:64:0:*:mss*44,10:mss,sok,ts,nop,ws:df,id+:0\n"
	for _, tt := range []struct {
		kind, sig string
		want      note.Quality
	}{
		{"s", sig, 0},
		{"g", sig, note.Generic},
		{"s", strings.Replace(sig, "64", "128", 1), note.Fuzzy},
		{"g", strings.Replace(sig, "64", "128", 1), note.Fuzzy | note.Generic},
	} {
		db := parseDB(t, "classes = unix\n[tcp:request]\nlabel = "+tt.kind+":unix:Linux:\n"+tt.sig)
		e := made(New(silent(t, Config{DB: db})))
		runFile(t, e, labCapture)
		n, err := e.Lookup(context.Background(), note.Query{Client: at(labClient)})
		if err != nil || n.State != note.Matched || n.Quality != tt.want {
			t.Errorf("%s %s: %v, quality %d, %v; want quality %d", tt.kind, tt.sig, n.State, n.Quality, err, tt.want)
		}
	}
}

// TestLookupDoubt: what makes an answer uncertain reaches the note, of the
// address and of the connection.
func TestLookupDoubt(t *testing.T) {
	db := parseDB(t, "classes = unix\n[tcp:request]\nlabel = g:unix:Linux:\nor = Android:\n"+
		"sig = *:32|64:0:*:*,*:mss,sok,ts,nop,ws:df?,id+?:0\n")
	e := made(New(silent(t, Config{DB: db, Hosts: Hosts{Recent: 10}})))
	in := feed(e)
	f := labFrame(t)
	in.frame(f)
	client := netip.AddrPortFrom(labClient, binary.BigEndian.Uint16(f.Data[14+20:]))
	for _, q := range []note.Query{{Client: client}, {Client: at(labClient)}} {
		n, err := e.Lookup(context.Background(), q)
		if err != nil || !slices.Equal(n.Others, []string{"Android"}) || n.Rewrite != note.RewriteTTL || n.ByConnection != (q.Client.Port() != 0) {
			t.Errorf("Lookup(%v) = %+v, %v, want Android too, and the TTL reset", q.Client, n, err)
		}
	}
	in.frame(other(f))
	if n, err := e.Lookup(context.Background(), note.Query{Client: netip.AddrPortFrom(labClient, 40000)}); err != nil || n.State != note.Unknown || n.Others != nil || n.Rewrite != 0 {
		t.Errorf("Lookup of an unmatched SYN = %+v, %v, want no doubts of another's", n, err)
	}
}

// other is the frame as of no known system, from port 40000.
func other(f *capture.Frame) *capture.Frame {
	o := fromClient(f, labClient)
	binary.BigEndian.PutUint16(o.Data[14+20:], 40000)
	o.Data[14+20+20+4] = 1 // nop for sok
	return o
}

// TestLookupByConnection: behind one address are two systems, each asked about
// by its port.
func TestLookupByConnection(t *testing.T) {
	e := made(New(silent(t, Config{Hosts: Hosts{Recent: 10}})))
	in := feed(e)
	f := labFrame(t)
	in.frame(f)
	in.frame(other(f))
	client := netip.AddrPortFrom(labClient, binary.BigEndian.Uint16(f.Data[14+20:]))
	server := netip.AddrPortFrom(labServer, 25)
	for _, tt := range []struct {
		name  string
		q     note.Query
		state note.State
		own   bool
	}{
		{"the first", note.Query{Client: client}, note.Matched, true},
		{"with its server", note.Query{Client: client, Server: server}, note.Matched, true},
		{"the second", note.Query{Client: netip.AddrPortFrom(labClient, 40000), Server: server}, note.Unknown, true},
		{"a server by another address: behind a port forwarding", note.Query{Client: client, Server: netip.AddrPortFrom(labServer, 26)}, note.Matched, false},
		{"another port: of the address", note.Query{Client: netip.AddrPortFrom(labClient, 40001)}, note.Matched, false},
		{"no port: of the address", note.Query{Client: at(labClient)}, note.Matched, false},
	} {
		n, err := e.Lookup(context.Background(), tt.q)
		if err != nil || n.State != tt.state || n.ByConnection != tt.own || (n.RawSig != "") != tt.own {
			t.Errorf("%s: %v, by connection %v, raw signature %q, %v; want %v, %v", tt.name, n.State, n.ByConnection, n.RawSig, err, tt.state, tt.own)
		}
	}
}

// TestLookupWaits is about the mail server that asks before the SYN has come
// through. The clock is synctest's.
func TestLookupWaits(t *testing.T) {
	const most = 5 * time.Millisecond
	stranger := note.Query{Client: netip.MustParseAddrPort("203.0.113.7:4711"), Wait: most}
	t.Run("no longer than asked", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			e := made(New(silent(t, Config{})))
			start := time.Now()
			n, err := e.Lookup(t.Context(), stranger)
			if took := time.Since(start); took != most || err != nil || n.State != note.NotSeen {
				t.Errorf("Lookup = %v, %v after %v, want %v after %v", n.State, err, took, note.NotSeen, most)
			}
			if e.waiting.Len() != 0 {
				t.Errorf("%d entries wait, want none", e.waiting.Len())
			}
		})
	})
	t.Run("no longer than its context", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			e := made(New(silent(t, Config{})))
			ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
			defer cancel()
			start := time.Now()
			n, err := e.Lookup(ctx, stranger)
			if took := time.Since(start); took != time.Millisecond || err != nil || n.State != note.NotSeen {
				t.Errorf("Lookup = %v, %v after %v, want %v after 1ms", n.State, err, took, note.NotSeen)
			}
		})
	})
	t.Run("not without Wait", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			e := made(New(silent(t, Config{})))
			start := time.Now()
			if n, err := e.Lookup(t.Context(), note.Query{Client: stranger.Client}); err != nil || n.State != note.NotSeen || time.Since(start) != 0 {
				t.Errorf("Lookup = %v, %v after %v, want %v at once", n.State, err, time.Since(start), note.NotSeen)
			}
		})
	})
	t.Run("woken by the SYN, all of them", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			e := made(New(silent(t, Config{})))
			f := labFrame(t)
			start := time.Now()
			var asking sync.WaitGroup
			for port := range 20 {
				asking.Go(func() {
					n, err := e.Lookup(t.Context(), note.Query{Client: netip.AddrPortFrom(labClient, uint16(port)), Wait: time.Hour})
					if took := time.Since(start); took != time.Second || err != nil || n.State != note.Matched || n.LinkType != "Ethernet" {
						t.Errorf("Lookup = %v, %v after %v, want %v after 1s", n, err, took, note.Matched)
					}
				})
			}
			time.Sleep(time.Second)
			in := feed(e)
			in.frame(fromClient(f, netip.MustParseAddr("203.0.113.8"))) // somebody else
			synctest.Wait()
			if n := e.waiting.Waiting(at(labClient)); n != 20 {
				t.Errorf("%d look-ups wait, want 20", n)
			}
			in.frame(f)
			asking.Wait()
			if e.waiting.Len() != 0 {
				t.Errorf("%d entries wait, want none", e.waiting.Len())
			}
		})
	})
	t.Run("one that gives up does not end the others' waiting", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			e := made(New(silent(t, Config{})))
			go e.Lookup(t.Context(), note.Query{Client: at(labClient), Wait: time.Millisecond})
			var asking sync.WaitGroup
			asking.Go(func() {
				if n, err := e.Lookup(t.Context(), note.Query{Client: at(labClient), Wait: time.Hour}); err != nil || n.State != note.Matched {
					t.Errorf("Lookup = %v, %v, want %v", n.State, err, note.Matched)
				}
			})
			time.Sleep(time.Second)
			in := feed(e)
			in.frame(labFrame(t))
			asking.Wait()
		})
	})
	t.Run("of a connection, though the address is known", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			e := made(New(silent(t, Config{Hosts: Hosts{Recent: 10}})))
			in := feed(e)
			f := labFrame(t)
			in.frame(f)
			second := fromClient(f, labClient)
			binary.BigEndian.PutUint16(second.Data[14+20:], 40000)
			var asking sync.WaitGroup
			asking.Go(func() {
				n, err := e.Lookup(t.Context(), note.Query{Client: netip.AddrPortFrom(labClient, 40000), Wait: time.Hour})
				if err != nil || !n.ByConnection {
					t.Errorf("Lookup = %+v, %v, want the connection's own", n, err)
				}
			})
			time.Sleep(time.Second)
			in.frame(second)
			asking.Wait()
			// One that never comes is answered from the address.
			start := time.Now()
			n, err := e.Lookup(t.Context(), note.Query{Client: netip.AddrPortFrom(labClient, 40001), Wait: most})
			if took := time.Since(start); err != nil || n.State != note.Matched || n.ByConnection || took != most {
				t.Errorf("Lookup = %+v, %v after %v, want the address's after %v", n, err, took, most)
			}
		})
	})
}

// TestLookupFailed: when the capture has failed, an address that was not seen
// is no longer "not seen", and no look-up waits for it.
func TestLookupFailed(t *testing.T) {
	header, records := labRecords(t)
	path := writeFile(t, header, records[0], records[1][:20])
	e := made(New(silent(t, Config{})))
	waited := make(chan error)
	go func() {
		_, err := e.Lookup(context.Background(), note.Query{Client: netip.MustParseAddrPort("203.0.113.7:1"), Wait: time.Hour})
		waited <- err
	}()
	untilWaiting(t, e, 1)
	failure := e.Run(context.Background(), openFile(t, path))
	if failure == nil {
		t.Fatal("Run = nil, want damage")
	}
	if err := <-waited; !errors.Is(err, ErrNoSensor) || !errors.Is(err, failure) {
		t.Errorf("the Lookup that waited = %v, want %v and %v", err, ErrNoSensor, failure)
	}
	n, err := e.Lookup(context.Background(), note.Query{Client: netip.MustParseAddrPort("203.0.113.7:1"), Wait: time.Hour})
	if !errors.Is(err, ErrNoSensor) || n.State != note.Unavailable {
		t.Errorf("Lookup of a stranger = %v, %v, want %v and %v", n.State, err, note.Unavailable, ErrNoSensor)
	}
	if err != nil && strings.Contains(err.Error(), "\n") {
		t.Errorf("Lookup = %q, want one line", err)
	}
	if n, err := e.Lookup(context.Background(), note.Query{Client: at(labClient)}); err != nil || n.State != note.Matched {
		t.Errorf("Lookup of one seen before = %v, %v, want %v", n.State, err, note.Matched)
	}
}

// untilWaiting waits until n addresses are waited for.
func untilWaiting(t *testing.T, e *Engine, n int) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(100 * time.Microsecond) {
		got := e.waiting.Len()
		if got == n {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%d addresses are waited for, want %d", got, n)
		}
	}
}

// TestLookupLive has frames come through a pipe while a look-up waits, and
// everything end with the context: no goroutine stays.
func TestLookupLive(t *testing.T) {
	before := runtime.NumGoroutine()
	header, records := labRecords(t)
	pipe := filepath.Join(t.TempDir(), "live.pcap")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	opened := make(chan *os.File)
	go func() {
		w, err := os.OpenFile(pipe, os.O_WRONLY, 0)
		if err == nil {
			_, err = w.Write(header)
		}
		if err != nil {
			t.Error(err)
		}
		opened <- w
	}()
	src, err := capture.OpenFile(pipe)
	if err != nil {
		t.Fatal(err)
	}
	w := <-opened
	defer w.Close()
	e := made(New(silent(t, Config{})))
	ran := make(chan error)
	go func() { ran <- e.Run(context.Background(), src) }()
	answered := make(chan note.Note)
	go func() {
		n, err := e.Lookup(context.Background(), note.Query{Client: at(labClient), Wait: 20 * time.Second})
		if err != nil {
			t.Error(err)
		}
		answered <- n
	}()
	untilWaiting(t, e, 1)
	if _, err := w.Write(records[0]); err != nil {
		t.Fatal(err)
	}
	if n := <-answered; n.State != note.Matched {
		t.Errorf("Lookup = %v, want %v", n.State, note.Matched)
	}
	src.Close()
	if err := <-ran; !errors.Is(err, capture.ErrClosed) {
		t.Errorf("Run = %v, want %v", err, capture.ErrClosed)
	}
	for end := time.Now().Add(30 * time.Second); runtime.NumGoroutine() > before; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d goroutines, %d before", runtime.NumGoroutine(), before)
		}
	}
}
