package engine

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"github.com/mxprint/mxprint/capture"
	"github.com/mxprint/mxprint/host"
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

// TestParts: however many workers share a file, and whether or not each can read
// it on its own, they find the same.
func TestParts(t *testing.T) {
	const clients = 200
	path, frames := manyClients(t, clients)
	run := func(workers int, hide bool) (*Engine, []string) {
		r := &recorder{}
		e := New(silent(t, Config{Workers: workers, Hosts: host.Config{MaxConns: 10 * clients}, Observers: []Observer{r}}))
		var src capture.Source = openFile(t, path)
		if hide {
			src = plain{src}
		} else if got := len(e.parts(openFile(t, path))); got != workers {
			t.Fatalf("%d workers have %d readers", workers, got)
		}
		if err := e.Run(context.Background(), src); err != nil {
			t.Fatal(err)
		}
		said := slices.DeleteFunc(r.said, func(s string) bool { return s == "flush" })
		slices.Sort(said)
		return e, said
	}
	_, want := run(1, false)
	if len(want) != 4*clients {
		t.Fatalf("one worker finds %d things, want %d", len(want), 4*clients)
	}
	for _, workers := range []int{2, 3} {
		for _, hide := range []bool{false, true} {
			t.Run(fmt.Sprintf("%d workers, one reader %t", workers, hide), func(t *testing.T) {
				e, got := run(workers, hide)
				if !slices.Equal(got, want) {
					t.Errorf("they find\n%s\nwant\n%s", join(got), join(want))
				}
				st := e.Stats()
				if st.Frames != uint64(frames) || st.Hosts < clients {
					t.Errorf("%+v, want %d frames and %d hosts", st, frames, clients)
				}
				for i, s := range e.shards {
					if hosts, _ := s.table.Len(); hosts == 0 {
						t.Errorf("worker %d has no hosts", i)
					}
				}
			})
		}
	}
}

// TestPartsEnd: what is wrong with a file is said once, and closing it ends all
// that read it.
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
	f := openFile(t, labCapture)
	f.Close()
	if err := New(silent(t, Config{Workers: 2})).Run(context.Background(), f); !errors.Is(err, capture.ErrClosed) {
		t.Errorf("Run = %v, want %v", err, capture.ErrClosed)
	}
}
