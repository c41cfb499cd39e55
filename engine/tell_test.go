package engine

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mxprint/mxprint/internal/host"
	"github.com/mxprint/mxprint/internal/report"
	"github.com/mxprint/mxprint/internal/test/lab"
	"github.com/mxprint/mxprint/packet"
)

// choosy wants the observations of one module.
type choosy struct {
	recorder
	module host.Module
}

func (c *choosy) Wants(o *host.Observation) bool { return o.Module == c.module }

// TestChoosers: what no observer wants is told to nobody, unless one of them
// does not choose.
func TestChoosers(t *testing.T) {
	syns, answers, all := &choosy{module: host.SYN}, &choosy{module: host.SYNACK}, &recorder{}
	runFile(t, New(silent(t, Config{Observers: []Observer{syns, answers}})), labCapture)
	want := "syn 198.18.0.1:41688\nsyn+ack 198.18.0.1:41688\nsyn [2001:db8::1]:51546\nsyn+ack [2001:db8::1]:51546\nflush"
	for _, c := range []*choosy{syns, answers} {
		if got := join(c.said); got != want {
			t.Errorf("two that choose were told\n%s\nwant\n%s", got, want)
		}
	}
	runFile(t, New(silent(t, Config{Observers: []Observer{all, &choosy{module: host.SYN}}})), labCapture)
	if len(all.said) != 9 {
		t.Errorf("one that does not choose was told\n%s\nwant all", join(all.said))
	}
}

// TestFullDisk: a log that cannot be written is worth a line, not one a flush,
// and one at the end; all that is lost is counted.
func TestFullDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // its clock stands still
		var log bytes.Buffer
		r := &recorder{flushErr: errors.New("disk full")}
		e := New(Config{Observers: []Observer{r}, Logger: slog.New(slog.NewTextHandler(&log, nil))})
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
	e := New(Config{DB: labDB(t), Observers: []Observer{report.NewLog(full)}, Logger: slog.New(slog.NewTextHandler(&said, nil))})
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

func (s *slow) Observe(o *host.Observation) {
	<-s.gate
	s.recorder.Observe(o)
}

// TestSlowLog: what an interface brings faster than a log takes it waits, up to
// a bound; the rest is lost and counted, and what is told is in order.
func TestSlowLog(t *testing.T) {
	s := &slow{gate: make(chan struct{})}
	e := New(silent(t, Config{Observers: []Observer{s}, Hosts: host.Config{MaxHosts: 1000}}))
	e.tell.start()
	const frames = 2 * talesMost
	batch := make([]host.Input, 1)
	for i := range frames {
		batch[0] = synInput(i)
		e.update(e.shards[0], batch, false)
		e.handOver(e.shards[0])
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
	const most = 2*talesMost + 2 // a SYN is two
	if told+int(lost) != 2*frames || told < talesMost || told > most {
		t.Errorf("of %d observations %d were told and %d lost; want %d to %d told, and the rest counted", 2*frames, told, lost, talesMost, most)
	}
	if n := cap((<-e.tell.spare).list); n > maxKept {
		t.Errorf("a list of %d is kept, want none above %d", n, maxKept)
	}
}

// TestWoken: a list that nobody handed over is told without any more frames.
func TestWoken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &recorder{}
		e := New(silent(t, Config{Observers: []Observer{r}, Workers: 2}))
		e.tell.start()
		batch := make([]host.Input, 1)
		for i := range 100 {
			batch[0] = synInput(i)
			e.update(e.shards[i%2], batch, false)
			e.handOver(e.shards[i%2])
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
