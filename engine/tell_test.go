package engine

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mxprint/mxprint/event"
	"github.com/mxprint/mxprint/internal/host"
	"github.com/mxprint/mxprint/internal/report"
	"github.com/mxprint/mxprint/internal/test/lab"
	"github.com/mxprint/mxprint/packet"
)

// TestWants: observations that Config.Wants refuses reach no observer.
func TestWants(t *testing.T) {
	r := &recorder{}
	runFile(t, made(New(silent(t, Config{
		Observers: []event.Observer{r},
		Wants:     func(o *event.Observation) bool { return o.Module == event.SYN || o.Module == event.SYNACK },
	}))), labCapture)
	want := "syn 198.18.0.1:41688\nsyn+ack 198.18.0.1:41688\nsyn [2001:db8::1]:51546\nsyn+ack [2001:db8::1]:51546\nflush"
	if got := join(r.said); got != want {
		t.Errorf("the observer got\n%s\nwant\n%s", got, want)
	}
}

// TestFullDisk: a log that cannot be written is reported once, not at each
// flush, and again at the end; all that is lost is counted.
func TestFullDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // its clock stands still
		var log bytes.Buffer
		r := &recorder{flushErr: errors.New("disk full")}
		e := made(New(Config{Observers: []event.Observer{r}, Logger: slog.New(slog.NewTextHandler(&log, nil))}))
		fail := func(end bool) {
			r.unwritten = 3
			e.tell.flush()
			e.tell.warn(end)
		}
		for range 5 {
			fail(false)
		}
		time.Sleep(complain)
		fail(false)
		fail(false)
		fail(true)
		var got []string
		for line := range strings.Lines(log.String()) {
			_, line, _ := strings.Cut(strings.TrimSpace(line), "level=")
			got = append(got, line)
		}
		const line = `ERROR msg="observations could not be written" reason="disk full" lost=`
		if want := []string{line + "3", line + "15", line + "6"}; !slices.Equal(got, want) {
			t.Errorf("after five failed writes, three %v later, and the end, it says\n%s\nwant\n%s", complain, join(got), join(want))
		}
		if got := e.Stats().Unwritten; got != 24 {
			t.Errorf("%d unwritten, want 24", got)
		}
	})
}

// TestDevFull: on a device that is full every line is counted, and the capture
// goes on.
func TestDevFull(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		lab.Skip(t, "needs /dev/full: "+err.Error())
	}
	defer full.Close()
	var said bytes.Buffer
	e := made(New(Config{DB: labDB(t), Observers: []event.Observer{report.NewLog(full)}, Logger: slog.New(slog.NewTextHandler(&said, nil))}))
	runFile(t, e, labCapture)
	if st := e.Stats(); st.Frames != 4 || st.Unwritten != 8 {
		t.Errorf("%+v, want 4 frames and 8 lines unwritten", st)
	}
	if got := said.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, "no space left on device\" lost=8") {
		t.Errorf("it says\n%s\nwant one line, of 8", got)
	}
}

// slow waits until it may go on.
type slow struct {
	recorder
	gate chan struct{}
}

func (s *slow) Observe(o *event.Observation) {
	<-s.gate
	s.recorder.Observe(o)
}

// TestSlowLog: what an interface brings faster than a log takes it waits, up to
// a bound; the rest is lost and counted, and what is logged is in order.
func TestSlowLog(t *testing.T) {
	s := &slow{gate: make(chan struct{})}
	e := made(New(silent(t, Config{Observers: []event.Observer{s}, Hosts: host.Config{MaxHosts: 1000}})))
	e.tell.start()
	const frames = 2 * liveSeen
	batch := make([]host.Input, 1)
	for i := range frames {
		batch[0] = synInput(i)
		e.update(e.shards[0], batch, false)
	}
	lost := e.Stats().Lost
	close(s.gate)
	e.tell.stop()
	told := 0
	last := -1
	for _, line := range s.said {
		if line == "flush" {
			continue
		}
		told++
		module, client, _ := strings.Cut(line, " ")
		if n := synNumber(t, client); module == "syn" && n <= last {
			t.Fatalf("SYN %d is told after %d", n, last)
		} else if last = n; n < 0 || n >= frames {
			t.Fatalf("%s was not sent", line)
		}
	}
	const most = 2*liveSeen + 2 // a SYN is two
	if told+int(lost) != 2*frames || told < liveSeen || told > most {
		t.Errorf("of %d observations %d were told and %d lost; want %d to %d told, and the rest counted", 2*frames, told, lost, liveSeen, most)
	}
	if n := cap(e.tell.spare); n > 4*manySeen {
		t.Errorf("a list of %d is kept, want none above %d", n, 4*manySeen)
	}
}

// TestWoken: a list that was not handed over is delivered without any more frames.
func TestWoken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &recorder{}
		e := made(New(silent(t, Config{Observers: []event.Observer{r}, Workers: 2})))
		e.tell.start()
		batch := make([]host.Input, 1)
		for i := range 100 {
			batch[0] = synInput(i)
			e.update(e.shards[i%2], batch, false)
			if i%10 == 0 {
				time.Sleep(settle / 2 * time.Duration(i%3)) // it dozes, and sleeps
			}
		}
		time.Sleep(2 * settle)
		synctest.Wait()
		told := 0
		for _, line := range r.said {
			if line != "flush" {
				told++
			}
		}
		if told != 200 || r.said[len(r.said)-1] != "flush" {
			t.Errorf("%d told, the last is %q; want 200, and flushed", told, r.said[len(r.said)-1])
		}
		e.tell.stop()
	})
}

// TestObservationsAllocateNothing: no allocation for an observation, from the
// table to the observers.
func TestObservationsAllocateNothing(t *testing.T) {
	e := made(New(silent(t, Config{Observers: []event.Observer{report.NewLog(io.Discard)}, Hosts: host.Config{MaxHosts: 1000}})))
	batch := make([]host.Input, batchSize)
	n := 0
	step := func() {
		for i := range batch {
			batch[i] = synInput(n % 100_000)
			batch[i].Segment.Seq = uint32(n)
			n++
		}
		e.update(e.shards[0], batch, false)
		e.tell.fetch()
	}
	for range 100 {
		step() // until lists and tables have their size
	}
	if got := testing.AllocsPerRun(500, step); got != 0 {
		t.Errorf("%d SYNs make %v allocations, want 0", batchSize, got)
	}
}

// synInput is the SYN of the n-th client.
func synInput(n int) host.Input {
	in := host.Input{At: int64(n), Decoded: true, Segment: synSegment}
	in.Segment.Src = synClient(n)
	return in
}

func synNumber(t *testing.T, client string) int {
	var a, b, c int
	if _, err := fmt.Sscanf(client, "10.%d.%d.%d:", &a, &b, &c); err != nil {
		t.Fatal(err)
	}
	return a<<16 | b<<8 | c
}

func synClient(n int) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(n >> 16), byte(n >> 8), byte(n)}), 40000)
}

// synSegment is a SYN to port 25.
var synSegment = packet.Segment{
	Dst: netip.MustParseAddrPort("198.18.0.2:25"), Version: 4, Type: packet.SYN, TTL: 61, Window: 64240, MSS: 1460,
}
