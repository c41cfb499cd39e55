package engine

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"log/slog"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mxprint/mxprint/capture"
	"github.com/mxprint/mxprint/event"
	"github.com/mxprint/mxprint/filter"
	"github.com/mxprint/mxprint/note"
	"github.com/mxprint/mxprint/packet"
)

// TestRun: observations come in order, to every observer, and are flushed
// when the file is at its end.
func TestRun(t *testing.T) {
	first, second := &recorder{}, &recorder{}
	e := made(New(silent(t, Config{Observers: []event.Observer{first, second}})))
	runFile(t, e, labCapture)
	want := join([]string{
		"syn 198.18.0.1:41688", "mtu 198.18.0.1:41688", "syn+ack 198.18.0.1:41688", "mtu 198.18.0.1:41688",
		"syn [2001:db8::1]:51546", "mtu [2001:db8::1]:51546", "syn+ack [2001:db8::1]:51546", "mtu [2001:db8::1]:51546",
		"flush",
	})
	for i, r := range []*recorder{first, second} {
		if got := join(r.said); got != want {
			t.Errorf("observer %d saw\n%s\nwant\n%s", i, got, want)
		}
	}
	if got := e.Stats().Frames; got != 4 {
		t.Errorf("Frames() = %d, want 4", got)
	}
}

func TestRunEnds(t *testing.T) {
	header, records := labRecords(t)
	t.Run("with its context", func(t *testing.T) {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		e := made(New(silent(t, Config{})))
		if err := e.Run(ctx, openFile(t, labCapture)); err != nil {
			t.Errorf("Run = %v, want nil", err)
		}
		if _, err := e.Lookup(ctx, note.Query{Client: at(labClient)}); err != nil {
			t.Errorf("Lookup = %v: an end that was asked for is no failure", err)
		}
	})
	t.Run("with damage", func(t *testing.T) {
		r := &recorder{}
		e := made(New(silent(t, Config{Observers: []event.Observer{r}})))
		path := writeFile(t, header, records[0], records[1][:30])
		var damage *capture.DamageError
		if err := e.Run(context.Background(), openFile(t, path)); !errors.As(err, &damage) || damage.Frames != 1 {
			t.Errorf("Run = %v, want damage after frame 1", err)
		}
		if got := join(r.said); got != "syn 198.18.0.1:41688\nmtu 198.18.0.1:41688\nflush" {
			t.Errorf("before the damage it said\n%s", got)
		}
	})
	t.Run("with a link type that has no filter", func(t *testing.T) {
		user0 := bytes.Clone(header)
		user0[20] = 147
		e := made(New(silent(t, Config{})))
		err := e.Run(context.Background(), openFile(t, writeFile(t, user0, records[0], records[1])))
		want := "2 frames of link type 147: filter: link type not supported"
		if !errors.Is(err, filter.ErrLink) || err.Error() != want {
			t.Errorf("Run = %v, want %s", err, want)
		}
		if _, err := e.Lookup(context.Background(), note.Query{Client: at(labClient)}); !errors.Is(err, ErrNoSensor) {
			t.Errorf("Lookup = %v, want %v", err, ErrNoSensor)
		}
	})
	t.Run("with an invalid rule", func(t *testing.T) {
		e := made(New(silent(t, Config{Rule: filter.Rule{Expr: "udp"}})))
		err := e.Run(context.Background(), openFile(t, labCapture))
		if want := `engine: frames of link type 1: filter "udp": no TCP packet can match it`; err == nil || err.Error() != want {
			t.Errorf("Run = %v, want %s", err, want)
		}
	})
	t.Run("after Close", func(t *testing.T) {
		f := openFile(t, labCapture)
		f.Close()
		if err := made(New(silent(t, Config{}))).Run(context.Background(), f); !errors.Is(err, capture.ErrClosed) {
			t.Errorf("Run = %v, want %v", err, capture.ErrClosed)
		}
	})
}

// TestFlushError: observations that cannot be written are said to be lost; the
// capture goes on.
func TestFlushError(t *testing.T) {
	var log bytes.Buffer
	r := &recorder{flushErr: errors.New("disk full")}
	e := made(New(Config{Observers: []event.Observer{r}, Logger: slog.New(slog.NewTextHandler(&log, nil))}))
	runFile(t, e, labCapture)
	if got := log.String(); !strings.Contains(got, `level=ERROR msg="observations could not be written" reason="disk full" lost=8`) {
		t.Errorf("log = %q", got)
	}
	if st := e.Stats(); st.Frames != 4 || st.Unwritten != 8 || st.Lost != 0 {
		t.Errorf("%+v, want 4 frames and 8 observations unwritten", st)
	}
}

// TestWarnsOnce: frames that look like no IP packet, and captures whose IP
// headers cannot be found, are worth a line, not a line each.
func TestWarnsOnce(t *testing.T) {
	noise := make([]byte, 60)
	noise[12], noise[13], noise[23] = 8, 0, 6 // IPv4 and TCP, says the frame; the version is 0
	raw := append([]byte{0x30, 9: 6, 59: 0}, []byte{}...)
	for _, tt := range []struct {
		name  string
		p0f   bool
		link  packet.LinkType
		frame []byte
		want  string
	}{
		{"Ethernet", false, packet.LinkEthernet, noise, "Unknown packet type 0, link detection issue?"},
		{"Ethernet, as p0f", true, packet.LinkEthernet, noise, "Unknown packet type 0, link detection issue?"},
		{"IPv4", false, packet.LinkIPv4, raw, "Unknown packet type 3, link detection issue?"},
		{"link with detection, as p0f", true, packet.LinkIPv4, raw, "Unable to find link-specific packet offset"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var log bytes.Buffer
			e := made(New(Config{Rule: filter.Rule{P0f: tt.p0f}, Logger: slog.New(slog.NewTextHandler(&log, nil))}))
			in := feed(e)
			for range 3 {
				in.frame(&capture.Frame{Data: tt.frame, WireLen: len(tt.frame), Link: tt.link})
			}
			if got := strings.Count(log.String(), tt.want); got != 1 {
				t.Errorf("log has %d of %q, want 1:\n%s", got, tt.want, log.String())
			}
			if e.Stats().Frames != 3 {
				t.Errorf("%d frames counted, want 3", e.Stats().Frames)
			}
		})
	}
}

// TestMixedLinks: the frames of a pcapng may be of several link types.
func TestMixedLinks(t *testing.T) {
	e := made(New(silent(t, Config{})))
	in := feed(e)
	f := labFrame(t)
	for i, g := range []*capture.Frame{
		f,
		{Data: f.Data[14:], WireLen: len(f.Data) - 14, Link: packet.LinkRaw},
		f,
		{Data: append([]byte{0, 0, 8, 0}, f.Data[14:]...), WireLen: len(f.Data) - 10, Link: packet.LinkSLL2}, // too short a header
		{Data: f.Data[14:], WireLen: len(f.Data) - 14, Link: packet.LinkIPv4},
	} {
		in.frame(g)
		if in.err != nil {
			t.Fatalf("frame %d: %v", i, in.err)
		}
	}
	if len(in.links) != 4 || e.Stats().Frames != 4 {
		t.Errorf("%d link types, %d frames counted, want 4 and 4", len(in.links), e.Stats().Frames)
	}
}

func TestFrameAllocatesNothing(t *testing.T) {
	e := made(New(silent(t, Config{Hosts: Hosts{MaxHosts: 100, Recent: 100}, Observers: []event.Observer{quiet{}}})))
	e.caller.Start()
	defer e.caller.Stop()
	in := newInput(e, false)
	f := labFrame(t)
	g := fromClient(f, labClient)
	i := uint32(0)
	step := func() {
		i++
		binary.BigEndian.PutUint32(g.Data[14+12:], 10<<24|i) // a new address each time
		g.Time = int64(i) * 1000
		in.frame(g)
	}
	for range 5000 {
		step()
	}
	if n := testing.AllocsPerRun(1000, step); n != 0 {
		t.Errorf("a frame makes %v allocations, want 0", n)
	}
	if hosts := e.Stats().Hosts; hosts < 100 {
		t.Errorf("%d hosts: the frames were not taken", hosts)
	}
}

// quiet takes observations and says nothing.
type quiet struct{}

func (quiet) Observe(*event.Observation) {}
func (quiet) Flush() (int, error)        { return 0, nil }

// TestConcurrent has two captures, look-ups and changes of the database run
// at one time; the race detector judges.
func TestConcurrent(t *testing.T) {
	header, records := labRecords(t)
	many := [][]byte{header}
	for range 500 {
		for _, r := range records {
			many = append(many, r)
		}
	}
	path := writeFile(t, many...)
	r := &recorder{}
	e := made(New(silent(t, Config{Observers: []event.Observer{r}, Hosts: Hosts{Recent: 10}})))
	empty := parseDB(t, "")
	var captures, askers sync.WaitGroup
	for range 2 {
		src := openFile(t, path)
		captures.Go(func() {
			if err := e.Run(context.Background(), src); err != nil {
				t.Errorf("Run = %v", err)
			}
		})
	}
	done := make(chan struct{})
	for i := range 4 {
		askers.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-done:
					return
				default:
				}
				q := note.Query{Client: netip.AddrPortFrom(labClient, uint16(41688*(n%2))), Wait: time.Duration(n%3) * time.Microsecond}
				if _, err := e.Lookup(context.Background(), q); err != nil {
					t.Errorf("Lookup = %v", err)
					return
				}
				if i == 0 && n%10 == 0 {
					e.SetDB(empty)
					e.SetDB(labDB(t))
				}
			}
		})
	}
	captures.Wait()
	close(done)
	askers.Wait()
	if got := e.Stats().Frames; got != 4000 {
		t.Errorf("%d frames, want 4000", got)
	}
	if e.waiting.Len() != 0 {
		t.Errorf("%d look-ups still wait", e.waiting.Len())
	}
}

func TestSetDB(t *testing.T) {
	e := made(New(silent(t, Config{})))
	runFile(t, e, labCapture)
	for _, tt := range []struct {
		name, text string
		want       note.State
	}{
		{"with the label", "classes = unix\n[tcp:request]\nlabel = s:unix:Linux:lab\n", note.Matched},
		{"without", "", note.Unknown},
	} {
		e.SetDB(parseDB(t, tt.text))
		n, err := e.Lookup(context.Background(), note.Query{Client: at(labClient)})
		if err != nil || n.State != tt.want {
			t.Errorf("after a database %s: %v, %v, want %v", tt.name, n.State, err, tt.want)
		}
	}
}

// TestSetDBWhileReading: what is read of a file behind a change of the database
// is matched by the new one.
func TestSetDBWhileReading(t *testing.T) {
	const before, behind = 3 * batchSize, 2 * batchSize
	r := &systems{}
	e := made(New(silent(t, Config{DB: labDB(t), Observers: []event.Observer{r}})))
	src := &changing{frame: labFrame(t), left: before + behind, at: behind, change: func() {
		e.SetDB(parseDB(t, "classes = unix\n[tcp:request]\nlabel = s:unix:Other:\nsig = *:64:0:*:*,*:mss,sok,ts,nop,ws:df,id+:0\n"))
	}}
	if err := e.Run(context.Background(), src); err != nil {
		t.Fatal(err)
	}
	if len(r.names) != before+behind {
		t.Fatalf("%d SYNs, want %d", len(r.names), before+behind)
	}
	for i, name := range r.names {
		if i >= before && name != "Other" {
			t.Errorf("SYN %d is taken for %s, want Other", i, name)
		}
	}
}

// changing is a source of SYNs of a client each that changes something where at
// are left.
type changing struct {
	frame    *capture.Frame
	left, at int
	change   func()
}

func (c *changing) Read(_ context.Context, fn func(*capture.Frame)) error {
	for ; c.left > 0; c.left-- {
		if c.left == c.at {
			c.change()
		}
		fn(fromClient(c.frame, netip.AddrFrom4([4]byte{192, 0, byte(c.left >> 8), byte(c.left)})))
	}
	return io.EOF
}

func (*changing) Live() bool     { return false }
func (c *changing) Close() error { return nil }

// systems keeps what SYNs were taken for.
type systems struct{ names []string }

func (s *systems) Observe(o *event.Observation) {
	if o.Module != event.SYN {
		return
	}
	name := "nothing"
	if o.System.Matched {
		name = o.System.Name
	}
	s.names = append(s.names, name)
}

func (s *systems) Flush() (int, error) { return 0, nil }

func BenchmarkFrame(b *testing.B) {
	e := made(New(silent(b, Config{})))
	in := newInput(e, false)
	g := fromClient(labFrame(b), labClient)
	i := uint32(0)
	b.ReportAllocs()
	for b.Loop() {
		i += 7919
		binary.BigEndian.PutUint32(g.Data[14+12:], 10<<24|i%10_000)
		binary.BigEndian.PutUint32(g.Data[14+20+4:], i)
		in.frame(g)
	}
}
