package capture

import (
	"bytes"
	"context"
	"encoding/binary"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/mxprint/mxprint/internal/test/lab"
)

// lines is a log to look into.
type lines struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *lines) count(what string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.buf.String(), what)
}

// A ring outlives its interface: frames come again after it was down, and
// after it was removed and recreated, and each change is one line in the log.
func TestRingFollowsItsInterface(t *testing.T) {
	p := lab.NewPair(t)
	var log lines
	r := openIn(t, p.Server, Config{Interface: p.Server.If, Promiscuous: true, Log: slog.New(slog.NewTextHandler(&log, nil))})
	// arrives sends until a frame comes through.
	seq := uint32(0)
	arrives := func(when string) {
		t.Helper()
		s := newSender(t, p.Client, p.Client.If)
		for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
			s.send(synFrame(25, seq)) // fails while the veth comes up
			seq++
			if len(collect(t, r, 1, 25, 50*time.Millisecond)) > 0 {
				return
			}
		}
		t.Fatalf("no frame %s; log:\n%s", when, log.buf.String())
	}
	logged := func(when string, down, back int) {
		t.Helper()
		waitLog(t, r, &log, down, back)
		if d, b := log.count("interface is down"), log.count("interface is back"); d != down || b != back {
			t.Errorf("%s: %d lines of down and %d of back, want %d and %d; log:\n%s", when, d, b, down, back, log.buf.String())
		}
		if got, want := r.Stats().Away, down > back; got != want {
			t.Errorf("%s: Stats().Away = %v, want %v", when, got, want)
		}
	}
	arrives("at first")
	p.Server.IP("link", "set", p.Server.If, "down")
	logged("down", 1, 0)
	p.Server.IP("link", "set", p.Server.If, "up")
	arrives("after down and up")
	logged("up", 1, 1)

	p.Server.IP("link", "del", p.Server.If)
	logged("removed", 2, 1)
	p.Join()
	arrives("after it was recreated")
	logged("recreated", 2, 2)
	if got := p.Server.IP("-d", "link", "show", p.Server.If); !strings.Contains(got, "promiscuity 1") {
		t.Errorf("not promiscuous any more: %s", got)
	}

	// Down first, removed then: the socket says nothing about the second.
	p.Server.IP("link", "set", p.Server.If, "down")
	logged("down again", 3, 2)
	p.Server.IP("link", "del", p.Server.If)
	p.Join()
	arrives("after down, removal and return")
	logged("recreated again", 3, 3)
}

// waitLog reads until the log has as many lines, or the patience is over.
func waitLog(t *testing.T, r *Ring, log *lines, down, back int) {
	t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); {
		collect(t, r, 1<<20, 25, 50*time.Millisecond)
		if log.count("interface is down") >= down && log.count("interface is back") >= back {
			return
		}
	}
}

func TestRingOpensOnInterfaceThatIsDown(t *testing.T) {
	p := lab.NewPair(t)
	p.Server.IP("link", "set", p.Server.If, "down")
	var log lines
	r := openIn(t, p.Server, Config{Interface: p.Server.If, Log: slog.New(slog.NewTextHandler(&log, nil))})
	waitLog(t, r, &log, 1, 0)
	p.Server.IP("link", "set", p.Server.If, "up")
	s := newSender(t, p.Client, p.Client.If)
	for deadline := time.Now().Add(patience); ; {
		s.send(synFrame(25, 1))
		if len(collect(t, r, 1, 25, 50*time.Millisecond)) > 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("no frame; log:\n%s", log.buf.String())
		}
	}
	if log.count("interface is down") != 1 || log.count("interface is back") != 1 {
		t.Errorf("log:\n%s", log.buf.String())
	}
}

func openFiles(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

func ringMaps(t *testing.T) int {
	t.Helper()
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		t.Fatal(err)
	}
	return strings.Count(string(maps), "socket:")
}

// Close and the end of the context wake a Read that sleeps, at once, and leave
// no goroutine, no descriptor and no mapping behind.
func TestRingCloseWakesRead(t *testing.T) {
	ns := lab.NewNetNS(t)
	files, goroutines := openFiles(t), runtime.NumGoroutine()
	quickest := patience
	for i := range 40 {
		r := openIn(t, ns, Config{Interface: "lo", RingBytes: minRing})
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan error, 1)
		go func() {
			for {
				if err := r.Read(ctx, func(*Frame) {}); err != nil {
					ended <- err
					return
				}
			}
		}()
		time.Sleep(time.Duration(i%4) * time.Millisecond)
		want, end := ErrClosed, func() { r.Close() }
		if i%2 == 1 {
			want, end = context.Canceled, cancel
		}
		start := time.Now()
		end()
		if err := <-ended; err != want {
			t.Errorf("Read = %v, want %v", err, want)
		}
		quickest = min(quickest, time.Since(start))
		r.Close()
		r.Close()
		cancel()
		if err := r.Read(context.Background(), nil); err != ErrClosed {
			t.Errorf("Read after Close = %v", err)
		}
		r.Stats()
	}
	// A Read that is not woken returns after idleWait, every time.
	if quickest > idleWait/2 {
		t.Errorf("the quickest Read returned after %v", quickest)
	}
	for deadline := time.Now().Add(patience); runtime.NumGoroutine() > goroutines && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond)
	}
	if n := runtime.NumGoroutine(); n > goroutines {
		t.Errorf("%d goroutines, %d before", n, goroutines)
	}
	if n := openFiles(t); n > files {
		t.Errorf("%d open files, %d before", n, files)
	}
	if n := ringMaps(t); n != 0 {
		t.Errorf("%d rings still mapped", n)
	}
}

// A capture may come through a named pipe, as tcpdump writes it: frames are
// there when they are written, and Close wakes the Read.
func TestFileFromPipe(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pipe")
	if err := unix.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	w, err := os.OpenFile(path, os.O_RDWR, 0) // does not wait for a reader
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	if _, err := w.Write(seedFiles(t)["pcap"]); err != nil {
		t.Fatal(err)
	}
	f, err := OpenFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var seen atomic.Int32
	ended := make(chan error, 1)
	go func() {
		var err error
		for err == nil { // a Read ends when nothing is ready
			err = f.Read(context.Background(), func(*Frame) { seen.Add(1) })
		}
		ended <- err
	}()
	for deadline := time.Now().Add(patience); seen.Load() < 3 && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond)
	}
	f.Close()
	if err := <-ended; err != ErrClosed || seen.Load() != 3 {
		t.Errorf("Read = %v after %d frames, want ErrClosed after 3", err, seen.Load())
	}
}

// A failed open leaves nothing behind either.
func TestRingFailedOpenLeaksNothing(t *testing.T) {
	ns := lab.NewNetNS(t)
	files := openFiles(t)
	for range 20 {
		if err := ns.Do(func() error {
			_, err := OpenRing(Config{Filter: onlyPort(t, 25)[:1]})
			return err
		}); err == nil {
			t.Fatal("a filter without a return is taken")
		}
	}
	if n := openFiles(t); n > files {
		t.Errorf("%d open files, %d before", n, files)
	}
}

// Close may come while a frame is looked at, even from there: the frame stays.
func TestRingCloseKeepsFrameMapped(t *testing.T) {
	p := lab.NewPair(t)
	r := openIn(t, p.Server, Config{Interface: p.Server.If, Filter: onlyPort(t, 25)})
	if err := newSender(t, p.Client, p.Client.If).send(synFrame(25, 1)); err != nil {
		t.Fatal(err)
	}
	if err := r.Read(context.Background(), func(f *Frame) {
		r.Close()
		time.Sleep(20 * time.Millisecond)
		if !bytes.Equal(f.Data, synFrame(25, 1)) {
			t.Errorf("frame after Close: %x", f.Data)
		}
	}); err != nil {
		t.Errorf("Read = %v", err)
	}
	if n := ringMaps(t); n != 0 {
		t.Errorf("%d rings still mapped after the Read", n)
	}
	if st := r.Stats(); st.Frames != 1 {
		t.Errorf("stats after Close: %+v", st)
	}
}

func TestRingCountsDrops(t *testing.T) {
	p := lab.NewPair(t)
	r := openIn(t, p.Server, Config{Interface: p.Server.If, Filter: onlyPort(t, 25), RingBytes: minRing})
	s := newSender(t, p.Client, p.Client.If)
	const sent = 600 // the kernel's queue before the ring holds 1000
	for i := range sent {
		if err := s.send(synFrame(25, uint32(i))); err != nil {
			t.Fatal(err)
		}
	}
	want := Stats{Frames: minRing / minSlot, Drops: sent - minRing/minSlot}
	for end := time.Now().Add(patience); r.Stats().Drops < want.Drops && time.Now().Before(end); {
		time.Sleep(time.Millisecond)
	}
	got := collect(t, r, minRing/minSlot, 25, patience)
	if st := r.Stats(); st != want || len(got) != minRing/minSlot {
		t.Errorf("%d frames, %+v, want %+v", len(got), st, want)
	}
	for i, f := range got {
		if seq := binary.BigEndian.Uint32(f.Data[38:]); seq != uint32(i) {
			t.Fatalf("frame %d is the one sent as %d", i, seq)
		}
	}
	r.Close()
	if st := r.Stats(); st != want {
		t.Errorf("after Close %+v, want %+v", st, want)
	}
}

func TestRingAllocatesNothing(t *testing.T) {
	p := lab.NewPair(t)
	r := openIn(t, p.Server, Config{Interface: p.Server.If, Filter: onlyPort(t, 25)})
	s := newSender(t, p.Client, p.Client.If)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	syn, n := synFrame(25, 1), 0
	count := func(*Frame) { n++ }
	if a := testing.AllocsPerRun(500, func() {
		s.send(syn)
		for n = 0; n == 0; {
			if err := r.Read(ctx, count); err != nil {
				t.Fatal(err)
			}
		}
	}); a != 0 {
		t.Errorf("%v allocations a frame, want 0", a)
	}
}

// monotonic is a clock that sender and receiver share, in nanoseconds.
func monotonic() int64 {
	var ts unix.Timespec
	unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts)
	return ts.Nano()
}

// BenchmarkRingDelay: how long after it was sent a frame is handed over. The
// shortest timer of a block ring gives 500 µs in the median.
func BenchmarkRingDelay(b *testing.B) {
	p := lab.NewPair(b)
	r := openIn(b, p.Server, Config{Interface: p.Server.If, Filter: onlyPort(b, 25)})
	s := newSender(b, p.Client, p.Client.If)
	frames := b.N
	go func() {
		f := synFrame(25, 0)
		for i := range frames {
			binary.BigEndian.PutUint64(f[60:], uint64(monotonic()))
			s.send(f)
			time.Sleep(time.Duration(1000+i%7*150) * time.Microsecond)
		}
	}()
	var delays []int64
	for len(delays) < frames {
		if err := r.Read(context.Background(), func(f *Frame) {
			delays = append(delays, monotonic()-int64(binary.BigEndian.Uint64(f.Data[60:])))
		}); err != nil {
			b.Fatalf("%v after %d frames", err, len(delays))
		}
	}
	slices.Sort(delays)
	b.ReportMetric(float64(delays[frames/2]), "ns-median")
	b.ReportMetric(float64(delays[frames*99/100]), "ns-99%")
}

// lost is how many frames the veth has not carried across: the kernel's queue
// behind it was full.
func lost(t *testing.T, ns *lab.NetNS) uint64 {
	t.Helper()
	out, err := ns.Command(t.Context(), "cat", "/sys/class/net/"+ns.If+"/statistics/tx_dropped").Output()
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.ParseUint(strings.TrimSpace(string(out)), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// Under a flood every frame is either handed over or counted as dropped.
func TestRingFlood(t *testing.T) {
	p := lab.NewPair(t)
	r := openIn(t, p.Server, Config{Interface: p.Server.If, Filter: onlyPort(t, 25)})
	s := newSender(t, p.Client, p.Client.If)
	sent := make(chan uint64, 1)
	go func() {
		syn, n := synFrame(25, 1), uint64(0)
		for start := time.Now(); time.Since(start) < 500*time.Millisecond; {
			for range 64 {
				if s.send(syn) == nil {
					n++
				}
			}
		}
		sent <- n
	}()
	var got, total uint64
	var worst int64
	for deadline := time.Now().Add(patience); (total == 0 || got+r.Stats().Drops < total) && time.Now().Before(deadline); {
		if err := r.Read(context.Background(), func(f *Frame) {
			got++
			worst = max(worst, time.Now().UnixMicro()-f.Time)
		}); err != nil {
			t.Fatal(err)
		}
		select {
		case total = <-sent:
			total -= lost(t, p.Client)
		default:
		}
	}
	st := r.Stats()
	t.Logf("%d frames in half a second, %d handed over, worst delay %d µs, %+v", total, got, worst, st)
	if got != st.Frames || st.Frames+st.Drops != total {
		t.Errorf("%d sent, %d handed over, %+v", total, got, st)
	}
	// What the ring holds is not lost, however slow the reader.
	if got < min(total, defaultRing/defaultSlot) {
		t.Errorf("%d of %d frames handed over", got, total)
	}
}
