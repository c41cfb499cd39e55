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
	"time"

	"github.com/mxprint/mxprint/capture"
	"github.com/mxprint/mxprint/event"
	"github.com/mxprint/mxprint/filter"
	"github.com/mxprint/mxprint/note"
)

// manyClients is a capture of connections of that many clients: tagged and not,
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

// TestWorkers: however many workers share a file, they find the same.
func TestWorkers(t *testing.T) {
	const clients = 200
	path, _ := manyClients(t, clients)
	run := func(t *testing.T, path string, rule filter.Rule, workers int) (*Engine, []string) {
		r := &recorder{}
		e := made(New(silent(t, Config{Rule: rule, Workers: workers, Hosts: Hosts{MaxConns: 10 * clients}, Observers: []event.Observer{r}})))
		runFile(t, e, path)
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
		rule   filter.Rule
		things int // that one worker finds of each client, at the least
	}{
		{"all TCP", path, filter.Rule{}, 4},
		{"as p0f", path, filter.Rule{P0f: true}, 2},
		{"a port", path, filter.Rule{Expr: "dst port 25"}, 2},
		{"a port, as p0f", path, filter.Rule{Expr: "port 25", P0f: true}, 2},
		{"tags", path, filter.Rule{Expr: "vlan"}, 0},
		{"raw IP", raw, filter.Rule{}, 3},
		{"cooked", cooked, filter.Rule{}, 4},
		{"cooked, as p0f", cooked, filter.Rule{P0f: true}, 2},
		{"cooked, version 2", cooked2, filter.Rule{}, 3},
		{"cooked, version 2, as p0f", cooked2, filter.Rule{P0f: true}, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			one, want := run(t, tt.path, tt.rule, 1)
			if len(want) < tt.things*clients || len(want) == 0 {
				t.Fatalf("one worker finds %d things, want %d", len(want), tt.things*clients)
			}
			for _, workers := range []int{2, 3} {
				e, got := run(t, tt.path, tt.rule, workers)
				if !slices.Equal(got, want) {
					t.Errorf("%d workers find\n%s\nwant\n%s", workers, join(got), join(want))
				}
				if e.Stats().Frames != one.Stats().Frames || e.Stats().Frames == 0 {
					t.Errorf("%d workers: %d frames count, want %d", workers, e.Stats().Frames, one.Stats().Frames)
				}
				for i, s := range e.shards {
					if hosts, _ := s.table.Len(); hosts == 0 {
						t.Errorf("worker %d of %d has no hosts", i, workers)
					}
				}
			}
		})
	}
}

// TestWorkersEnd: a fault of a file is reported once, and the file's Close, or the
// end of the context, ends the reading.
func TestWorkersEnd(t *testing.T) {
	header, records := labRecords(t)
	noise := slices.Clone(records[0])
	noise[16+14] = 0x10 // IP version 1
	cut := writeFile(t, header, records[0], noise, noise, records[2][:30])
	var log strings.Builder
	e := made(New(Config{Workers: 3, Logger: slog.New(slog.NewTextHandler(&log, nil))}))
	var damage *capture.DamageError
	if err := e.Run(context.Background(), openFile(t, cut)); !errors.As(err, &damage) || damage.Frames != 3 {
		t.Errorf("Run = %v, want damage after frame 3", err)
	}
	if got := strings.Count(log.String(), "Unknown packet type 1"); got != 1 || e.Stats().Frames != 3 {
		t.Errorf("%d frames counted, want 3; log has %d warnings, want 1:\n%s", e.Stats().Frames, got, log.String())
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
		e := made(New(silent(t, Config{Workers: 3, Observers: []event.Observer{&ender{end: end}}})))
		if err := e.Run(ctx, f); !errors.Is(err, want) {
			t.Errorf("closed %t: Run = %v, want %v", closes, err, want)
		}
		if got := e.Stats().Frames; got == 0 || got >= uint64(frames) {
			t.Errorf("closed %t: %d of %d frames counted: it was to end meanwhile", closes, got, frames)
		}
	}
}

// ender ends something at the first observation.
type ender struct {
	end  func()
	once sync.Once
}

func (e *ender) Observe(*event.Observation) { e.once.Do(e.end) }
func (e *ender) Flush() (int, error)        { return 0, nil }

// TestWorkersBounds: a number of workers that is out of bounds is refused.
func TestWorkersBounds(t *testing.T) {
	for _, n := range []int{-1, maxWorkers + 1} {
		if _, err := New(Config{Workers: n}); err == nil || !strings.Contains(err.Error(), "want 1 to 64") {
			t.Errorf("New with %d workers: %v, want an error", n, err)
		}
	}
}

// endless is a source that gives nothing until it is closed, and fails then.
type endless struct{ closed chan struct{} }

func (*endless) Live() bool { return true }
func (s *endless) Close() error {
	close(s.closed)
	return nil
}
func (s *endless) Read(ctx context.Context, _ func(*capture.Frame)) error {
	select {
	case <-s.closed:
		return errors.New("gone")
	case <-ctx.Done():
		return ctx.Err()
	}
}

// TestOneSourceFails: an address that was not seen is unavailable when the last
// source has failed, not while another one runs.
func TestOneSourceFails(t *testing.T) {
	e := made(New(silent(t, Config{})))
	sources := []*endless{{make(chan struct{})}, {make(chan struct{})}}
	ended := make(chan error, len(sources))
	for _, s := range sources {
		go func() { ended <- e.Run(context.Background(), s) }()
	}
	for e.running.Load() != 2 {
		time.Sleep(time.Millisecond)
	}
	q := note.Query{Client: at(labClient)}
	for i, want := range []error{nil, ErrNoSensor} {
		sources[i].Close()
		if err := <-ended; err == nil {
			t.Fatal("a source that fails ends without an error")
		}
		if _, err := e.Lookup(context.Background(), q); !errors.Is(err, want) {
			t.Errorf("Lookup after %d of 2 sources failed = %v, want %v", i+1, err, want)
		}
	}
}
