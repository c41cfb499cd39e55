package engine

import (
	"context"
	"encoding/binary"
	"errors"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/mxprint/mxprint/capture"
	"github.com/mxprint/mxprint/event"
	"github.com/mxprint/mxprint/internal/host"
	"github.com/mxprint/mxprint/packet"
)

// manyClients is a capture of connections of so many clients: tagged and not,
// over IPv4 and IPv6, also with extension headers and options, each with a frame
// of no use.
func manyClients(t *testing.T, clients int) (path string, frames int) {
	header, records := labRecords(t)
	file := [][]byte{header}
	add := func(frame []byte) {
		r := slices.Clone(records[0][:16])
		binary.LittleEndian.PutUint32(r[8:], uint32(len(frame)))
		binary.LittleEndian.PutUint32(r[12:], uint32(len(frame)))
		file = append(file, r, frame)
		frames++
	}
	for i := range clients {
		const source4, source6 = 14 + 12 + 2, 14 + 8 + 14 // their last two bytes
		four := i%5 < 3
		syn, answer := slices.Clone(records[0][16:]), slices.Clone(records[1][16:])
		if four {
			binary.BigEndian.PutUint16(syn[source4:], uint16(i))
			binary.BigEndian.PutUint16(answer[source4+4:], uint16(i))
		} else {
			syn, answer = slices.Clone(records[2][16:]), slices.Clone(records[3][16:])
			binary.BigEndian.PutUint16(syn[source6:], uint16(i))
			binary.BigEndian.PutUint16(answer[source6+16:], uint16(i))
		}
		switch i % 5 {
		case 1:
			syn, answer = tagFrame(syn, 0x8100), tagFrame(answer, 0x8100)
		case 2: // an IPv4 header with options
			syn = slices.Insert(syn, 34, 1, 1, 1, 1)
			syn[14]++
			binary.BigEndian.PutUint16(syn[16:], binary.BigEndian.Uint16(syn[16:])+4)
		case 3:
			syn = extend(syn, 0)
		}
		add(syn)
		add(answer)
		add(syn[:len(syn)-8]) // options are missing: counted, not decoded
	}
	return writeFile(t, file...), frames
}

// plain hides that a source is a file.
type plain struct{ capture.Source }

// withLink is a capture of Ethernet as one of another link type.
func withLink(t *testing.T, path string, link uint32, convert func(ethernet []byte) []byte) string {
	all, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	header := slices.Clone(all[:24])
	binary.LittleEndian.PutUint32(header[20:], link)
	file := [][]byte{header}
	for all = all[24:]; len(all) > 0; {
		n := 16 + int(binary.LittleEndian.Uint32(all[8:]))
		r, frame := slices.Clone(all[:16]), convert(all[16:n])
		binary.LittleEndian.PutUint32(r[8:], uint32(len(frame)))
		binary.LittleEndian.PutUint32(r[12:], uint32(len(frame)))
		file = append(file, r, frame)
		all = all[n:]
	}
	return writeFile(t, file...)
}

// TestParts: however many workers share a file, and whether or not each can read
// it on its own, they find the same.
func TestParts(t *testing.T) {
	const clients = 200
	path, _ := manyClients(t, clients)
	run := func(t *testing.T, path string, rule Rule, workers int, hide bool) (*Engine, []string) {
		r := &recorder{}
		e := New(silent(t, Config{Rule: rule, Workers: workers, Hosts: host.Config{MaxConns: 10 * clients}, Observers: []event.Observer{r}}))
		var src capture.Source = openFile(t, path)
		if hide {
			src = plain{src}
		} else if got := len(e.parts(openFile(t, path))); workers > 1 && got != workers {
			t.Fatalf("%d workers have %d readers", workers, got)
		}
		if err := e.Run(context.Background(), src); err != nil {
			t.Fatal(err)
		}
		said := slices.DeleteFunc(r.said, func(s string) bool { return s == "flush" })
		slices.Sort(said)
		return e, said
	}
	raw := withLink(t, path, 101, func(f []byte) []byte { return f[14:] })
	cooked := withLink(t, path, 113, func(f []byte) []byte { return append(make([]byte, 14), f[12:]...) })
	cooked2 := withLink(t, path, 276, func(f []byte) []byte { return slices.Concat(f[12:14], make([]byte, 18), f[14:]) })
	for _, tt := range []struct {
		name   string
		path   string
		rule   Rule
		things int // that one worker finds of each client, at the least
	}{
		{"all TCP", path, Rule{}, 4},
		{"as p0f", path, Rule{P0f: true}, 2},
		{"a port", path, Rule{Expr: "dst port 25"}, 2},
		{"a port, as p0f", path, Rule{Expr: "port 25", P0f: true}, 2},
		{"tags", path, Rule{Expr: "vlan"}, 0},
		{"raw IP", raw, Rule{}, 3},
		{"cooked", cooked, Rule{}, 4},
		{"cooked, as p0f", cooked, Rule{P0f: true}, 2},
		{"cooked, version 2", cooked2, Rule{}, 3},
		{"cooked, version 2, as p0f", cooked2, Rule{P0f: true}, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			one, want := run(t, tt.path, tt.rule, 1, false)
			if len(want) < tt.things*clients || len(want) == 0 {
				t.Fatalf("one worker finds %d things, want %d", len(want), tt.things*clients)
			}
			for _, workers := range []int{2, 3} {
				for _, hide := range []bool{false, true} {
					e, got := run(t, tt.path, tt.rule, workers, hide)
					if !slices.Equal(got, want) {
						t.Errorf("%d workers, one reader %t: they find\n%s\nwant\n%s", workers, hide, join(got), join(want))
					}
					if e.Frames() != one.Frames() || e.Frames() == 0 {
						t.Errorf("%d workers, one reader %t: %d frames count, want %d", workers, hide, e.Frames(), one.Frames())
					}
					for i, s := range e.shards {
						if hosts, _ := s.table.Len(); hosts == 0 {
							t.Errorf("worker %d of %d has no hosts", i, workers)
						}
					}
				}
			}
		})
	}
	if e := New(silent(t, Config{Workers: MaxReaders + 1})); e.parts(openFile(t, path)) != nil {
		t.Errorf("%d workers read each on its own", MaxReaders+1)
	}
}

// TestPartsEnd: what is wrong with a file is said once, and who closes it, or ends
// the context, ends all that read it.
func TestPartsEnd(t *testing.T) {
	header, records := labRecords(t)
	noise := slices.Clone(records[0])
	noise[16+14] = 0x10 // IP version 1
	cut := writeFile(t, header, records[0], noise, noise, records[2][:30])
	var log strings.Builder
	e := New(Config{Workers: 3, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	var damage *capture.DamageError
	if err := e.Run(context.Background(), openFile(t, cut)); !errors.As(err, &damage) || damage.Frames != 3 {
		t.Errorf("Run = %v, want damage after frame 3", err)
	}
	if got := strings.Count(log.String(), "Unknown packet type 1"); got != 1 || e.Frames() != 3 {
		t.Errorf("%d frames counted, want 3; log has %d warnings, want 1:\n%s", e.Frames(), got, log.String())
	}

	path, frames := manyClients(t, 10_000)
	for _, closes := range []bool{true, false} {
		f := openFile(t, path)
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		end := func() { f.Close() }
		var want error = capture.ErrClosed
		if !closes {
			end, want = cancel, nil
		}
		e := New(silent(t, Config{Workers: 3, Observers: []event.Observer{&ender{end: end}}}))
		if err := e.Run(ctx, f); !errors.Is(err, want) {
			t.Errorf("closed %t: Run = %v, want %v", closes, err, want)
		}
		if got := e.Frames(); got == 0 || got >= uint64(frames) {
			t.Errorf("closed %t: %d of %d frames counted: it was to end meanwhile", closes, got, frames)
		}
	}
}

// FuzzOwner: a frame's worker is the same before it is decoded and after.
func FuzzOwner(f *testing.F) {
	syn, syn6 := labFrame(f).Data, labSYN6(f, 25)
	for _, frame := range [][]byte{syn, syn6, tagFrame(syn, 0x8100), tagFrame(syn6, 0x88a8, 0x8100), extend(syn6, 0), syn[:30]} {
		for _, link := range []packet.LinkType{packet.LinkEthernet, packet.LinkRaw, packet.LinkSLL2, packet.LinkPFLOG} {
			f.Add(frame, uint16(link))
			f.Add(frame[min(14, len(frame)):], uint16(link))
		}
	}
	e := New(silent(f, Config{Workers: MaxReaders}))
	f.Fuzz(func(t *testing.T, frame []byte, link uint16) {
		g := capture.Frame{Data: frame, WireLen: len(frame), Link: packet.LinkType(link)}
		got, ok := e.owner(&g)
		if got < 0 || got >= MaxReaders {
			t.Fatalf("owner = %d of %d", got, MaxReaders)
		}
		var s packet.Segment
		d := packet.Decoder{Link: g.Link}
		if err := d.Decode(g.Data, g.WireLen, &s); err != nil || !ok {
			return
		}
		if want := e.fanout.Worker(s.Src, s.Dst, MaxReaders); got != want {
			t.Errorf("owner = %d, behind the decoder %d", got, want)
		}
	})
}

// ender ends something at the first observation.
type ender struct {
	end  func()
	once sync.Once
}

func (e *ender) Observe(*event.Observation) { e.once.Do(e.end) }
func (e *ender) Flush() (int, error)        { return 0, nil }
