package observe

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mxprint/mxprint/event"
	"github.com/mxprint/mxprint/internal/report"
	"github.com/mxprint/mxprint/packet"
)

// recorder is an observer that keeps what it was called with.
type recorder struct {
	calls     []string
	fails     error
	unwritten int           // of a Flush that fails
	gate      chan struct{} // each Observe waits for it, if there is one
}

func (r *recorder) Observe(o *event.Observation) {
	if r.gate != nil {
		<-r.gate
	}
	r.calls = append(r.calls, fmt.Sprintf("%s %s %s", o.Module, o.Client, o.RawSig))
}

func (r *recorder) Flush() (lost int, err error) {
	r.calls = append(r.calls, "flush")
	if r.fails != nil {
		return r.unwritten, r.fails
	}
	return 0, nil
}

// observed is what a recorder was called with, without its flushes.
func (r *recorder) observed() []string {
	return slices.DeleteFunc(slices.Clone(r.calls), func(s string) bool { return s == "flush" })
}

var silent = slog.New(slog.DiscardHandler)

// numbered is an observation with a number.
func numbered(n int) *event.Observation {
	return &event.Observation{
		Module: event.SYN, Client: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(n >> 16), byte(n >> 8), byte(n)}), 40000),
		Server: netip.MustParseAddrPort("198.18.0.2:25"), Segment: packet.Segment{Version: 4, TTL: 61, MSS: 1460, Window: 64240},
	}
}

// put observes and hands over, as a table does.
func put(l *List, wait bool, all ...*event.Observation) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, o := range all {
		l.Observe(o)
	}
	l.Hand(wait)
}

// TestRawSig: the raw signature of an observation is copied, for the table lends it.
func TestRawSig(t *testing.T) {
	r := &recorder{}
	c := New([]event.Observer{r}, nil, silent)
	l := c.List(new(sync.Mutex), 10)
	c.Start()
	http, lent := numbered(2), []byte("1:Host")
	http.Module, http.RawSig = event.HTTPRequest, lent
	syn := numbered(1)
	syn.RawSig = []byte("4:61+3:0:1460:mss*44,0:::0")
	put(l, true, syn, numbered(3), http)
	lent[0] = '2'
	c.Stop()
	want := []string{"syn 10.0.0.1:40000 4:61+3:0:1460:mss*44,0:::0", "syn 10.0.0.3:40000 ", "http request 10.0.0.2:40000 1:Host", "flush"}
	if !slices.Equal(r.calls, want) {
		t.Errorf("the observer was called with %q, want %q", r.calls, want)
	}
}

// TestNone: without observers there is no list, and nothing happens.
func TestNone(t *testing.T) {
	c := New(nil, nil, silent)
	l := c.List(new(sync.Mutex), 10)
	c.Start()
	l.Observe(numbered(1))
	l.Hand(true)
	c.Stop()
	if lost, unwritten := c.Counts(); l != nil || lost+unwritten != 0 {
		t.Errorf("a list %v, %d lost, %d unwritten; want none", l, lost, unwritten)
	}
}

// TestFullDisk: a log that cannot be written is reported once, not at each
// flush, and again at the end; all that is lost is counted.
func TestFullDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // its clock stands still
		var log bytes.Buffer
		r := &recorder{fails: errors.New("disk full"), unwritten: 3}
		c := New([]event.Observer{r}, nil, slog.New(slog.NewTextHandler(&log, nil)))
		fail := func(end bool) {
			c.flush()
			c.warn(end)
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
			t.Errorf("after five failed writes, three %v later, and the end, it logs\n%q\nwant\n%q", complain, got, want)
		}
		if _, got := c.Counts(); got != 24 {
			t.Errorf("%d unwritten, want 24", got)
		}
	})
}

// TestSlowLog: what an interface brings faster than a log takes it waits, up to
// a bound; the rest is lost and counted, and what is logged is in order.
func TestSlowLog(t *testing.T) {
	const most, count = 1 << 15, 1 << 17
	r := &recorder{gate: make(chan struct{})}
	c := New([]event.Observer{r}, nil, silent)
	l := c.List(new(sync.Mutex), most)
	c.Start()
	for i := range count {
		put(l, false, numbered(i))
	}
	lost, _ := c.Counts()
	close(r.gate)
	c.Stop()
	got := r.observed()
	if !slices.IsSorted(addresses(got)) {
		t.Error("observations are not in order")
	}
	if n := len(got); n+int(lost) != count || n < most || n > 2*most {
		t.Errorf("of %d observations %d were taken and %d lost; want %d to %d taken, and the rest counted", count, n, lost, most, 2*most)
	}
	if n := max(cap(c.spare.seen), cap(c.spare.others)); n > mostWaits*3/2 {
		t.Errorf("a list of %d is kept, want none above %d", n, mostWaits*3/2)
	}
}

// addresses are those of numbered observations, so that they can be compared.
func addresses(calls []string) (all []string) {
	for _, call := range calls {
		var a, b, c int
		fmt.Sscanf(call, "syn 10.%d.%d.%d:", &a, &b, &c)
		all = append(all, fmt.Sprintf("%03d.%03d.%03d", a, b, c))
	}
	return all
}

// TestFileWaits: a file waits where the observers are slow, and nothing is lost.
func TestFileWaits(t *testing.T) {
	const count = 8 * mostWaits
	r := &recorder{gate: make(chan struct{})}
	c := New([]event.Observer{r}, nil, silent)
	l := c.List(new(sync.Mutex), 1<<30)
	c.Start()
	longest := 0
	go func() {
		for range count {
			r.gate <- struct{}{}
		}
	}()
	for i := range count {
		put(l, true, numbered(i))
		l.mu.Lock()
		longest = max(longest, l.count)
		l.mu.Unlock()
	}
	c.Stop()
	if got := r.observed(); len(got) != count || !slices.IsSorted(addresses(got)) {
		t.Errorf("%d observations, want %d, in order", len(got), count)
	}
	if lost, _ := c.Counts(); lost != 0 || longest > mostWaits {
		t.Errorf("%d lost, and a list of %d; want none, and at most %d", lost, longest, mostWaits)
	}
}

// TestWoken: what was not handed over at once is delivered without any more frames.
func TestWoken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &recorder{}
		c := New([]event.Observer{r}, nil, silent)
		var locks [2]sync.Mutex
		lists := []*List{c.List(&locks[0], 1000), c.List(&locks[1], 1000)}
		c.Start()
		for i := range 100 {
			put(lists[i%2], false, numbered(i), numbered(i))
			if i%10 == 0 {
				time.Sleep(settle / 2 * time.Duration(i%3)) // it dozes, and sleeps
			}
		}
		time.Sleep(2 * settle)
		synctest.Wait()
		if n := len(r.observed()); n != 200 || r.calls[len(r.calls)-1] != "flush" {
			t.Errorf("%d observations, the last call is %q; want 200, and flushed", n, r.calls[len(r.calls)-1])
		}
		c.Stop()
	})
}

// TestAllocatesNothing: no allocation for an observation, from the table to the
// observers.
func TestAllocatesNothing(t *testing.T) {
	c := New([]event.Observer{report.NewLog(io.Discard)}, nil, silent)
	l := c.List(new(sync.Mutex), 1000)
	o, n := numbered(0), 0
	o.Module = event.Uptime
	seen, raw, _ := sighted(0)
	signature := []byte(raw)
	step := func() {
		for range 32 {
			n++
			client := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(n >> 16), byte(n >> 8), byte(n)}), uint16(n))
			o.Client, seen.Segment.Src = client, client
			l.Observe(o)
			v := l.Room()
			*v = seen
			if l.Wants(v) {
				l.Take(v, signature)
			}
		}
		c.fetch()
	}
	for range 100 {
		step() // until lists have their size
	}
	if got := testing.AllocsPerRun(500, step); got != 0 {
		t.Errorf("32 observations and sightings make %v allocations, want 0", got)
	}
}

// slow takes a millisecond for a hundred observations.
type slow struct{ n int }

func (s *slow) Observe(*event.Observation) {
	if s.n++; s.n%100 == 0 {
		time.Sleep(time.Millisecond)
	}
}
func (*slow) Flush() (int, error) { return 0, nil }

// TestManyWorkers: a file waits for its observers also where many workers share what
// lists may hold.
func TestManyWorkers(t *testing.T) {
	for _, workers := range []int{1, 8, 9, 16} {
		var mu sync.Mutex
		s := &slow{}
		c := New([]event.Observer{s}, nil, slog.New(slog.DiscardHandler))
		l := c.List(&mu, (1<<15)/workers)
		c.Start()
		for range 400 {
			mu.Lock()
			for range 64 {
				l.Observe(&event.Observation{Module: event.MTU, MTU: 1500})
			}
			l.Hand(true) // of a file
			mu.Unlock()
		}
		c.Stop()
		if lost, _ := c.Counts(); lost > 0 {
			t.Errorf("%d workers: %d observations of a file are lost, %d came", workers, lost, s.n)
		}
	}
}
