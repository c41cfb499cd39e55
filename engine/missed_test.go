package engine

import (
	"context"
	"encoding/binary"
	"errors"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mxprint/mxprint/capture"
	"github.com/mxprint/mxprint/note"
)

// TestMissed: a connection without a SYN has no answer, neither that of its
// address nor that of an older connection with the same ends.
func TestMissed(t *testing.T) {
	e := made(New(silent(t, Config{DB: labDB(t), Hosts: Hosts{Recent: 10}})))
	in := feed(e)
	f := labFrame(t)
	in.frame(f)
	known := netip.AddrPortFrom(labClient, binary.BigEndian.Uint16(f.Data[14+20:]))
	server := netip.AddrPortFrom(labServer, 25)
	stranger := netip.MustParseAddrPort("203.0.113.7:2000")
	e.Missed(known, server)
	e.Missed(stranger, server)
	for _, tt := range []struct {
		name  string
		query note.Query
		want  note.State
	}{
		{"of a known address", note.Query{Client: known, Server: server}, note.Unavailable},
		{"without the server", note.Query{Client: known}, note.Unavailable},
		{"behind a port forwarding", note.Query{Client: known, Server: netip.MustParseAddrPort("10.0.0.1:25")}, note.Unavailable},
		{"the address itself", note.Query{Client: at(labClient)}, note.Matched},
		{"another connection of it", note.Query{Client: netip.AddrPortFrom(labClient, 2)}, note.Matched},
		{"of a stranger", note.Query{Client: stranger, Server: server}, note.Unavailable},
		{"a stranger", note.Query{Client: at(stranger.Addr())}, note.Unavailable},
		{"another connection of his", note.Query{Client: netip.AddrPortFrom(stranger.Addr(), 2)}, note.NotSeen},
	} {
		n, err := e.Lookup(context.Background(), tt.query)
		if n.State != tt.want || errors.Is(err, ErrNoSYN) != (tt.want == note.Unavailable) || n.Known() != (tt.want == note.Matched) {
			t.Errorf("%s: %v, %v, want %v", tt.name, n.State, err, tt.want)
		}
	}
	again := fromClient(f, labClient)
	again.Data[14+20+7]++ // its sequence number
	in.frame(again)
	if n, err := e.Lookup(context.Background(), note.Query{Client: known, Server: server}); err != nil || !n.ByConnection {
		t.Errorf("after another SYN: %+v, %v", n, err)
	}
}

// TestMissedWakes: a look-up that waits for the connection returns at once.
func TestMissedWakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := made(New(silent(t, Config{Hosts: Hosts{Recent: 10}})))
		client := netip.MustParseAddrPort("203.0.113.7:2000")
		start := time.Now()
		for _, q := range []note.Query{{Client: client}, {Client: at(client.Addr())}} {
			q.Wait = time.Hour
			go func() {
				if n, err := e.Lookup(context.Background(), q); n.State != note.Unavailable || !errors.Is(err, ErrNoSYN) {
					t.Errorf("Lookup(%v) = %v, %v", q.Client, n.State, err)
				}
				if waited := time.Since(start); waited != time.Second {
					t.Errorf("Lookup(%v) waited %v", q.Client, waited)
				}
			}()
		}
		time.Sleep(time.Second)
		e.Missed(client, netip.AddrPort{})
		synctest.Wait()
	})
}

// cutSource has one frame, cut behind its headers.
type cutSource struct{ frame *capture.Frame }

func (c *cutSource) Live() bool { return true }

func (c *cutSource) Read(_ context.Context, fn func(*capture.Frame)) error {
	if c.frame == nil {
		return capture.ErrClosed
	}
	fn(c.frame)
	c.frame = nil
	return nil
}

func (c *cutSource) Close() error { return nil }

// TestHeadersOnly: a SYN with data of which the source has only the headers.
func TestHeadersOnly(t *testing.T) {
	e := made(New(silent(t, Config{})))
	f := labFrame(t)
	binary.BigEndian.PutUint16(f.Data[14+2:], uint16(f.WireLen-14+100))
	f.WireLen += 100
	if err := e.Run(context.Background(), &cutSource{f}); !errors.Is(err, capture.ErrClosed) {
		t.Fatal(err)
	}
	if n, _ := e.Lookup(context.Background(), note.Query{Client: at(labClient)}); !n.Known() {
		t.Errorf("a cut frame was not taken: %v", n.State)
	}
}
