//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/mxprint/mxprint/internal/shared"
	"github.com/mxprint/mxprint/note"
)

var sharedTable = table{"redis-benchmark", "<!-- bench -only shared writes from here -->\n", "<!-- shared to here -->\n"}

// What the part about the shared store does.
const (
	sharedBatch = 256     // commands that are written at once, by either
	sharedConns = 2       // connections of redis-benchmark, goroutines of ours that write
	sharedNotes = 400_000 // published in a run
	sharedWarm  = 20_000  // connections that are looked up
)

// stranger is a sensor that has seen nothing.
type stranger struct{}

func (stranger) Lookup(context.Context, note.Query) (note.Note, error) {
	return note.Note{State: note.NotSeen}, nil
}

// published is the note that is published: as long as one of a usual client.
var published = note.Note{State: note.Matched, ByConnection: true, OSName: "Linux", OSFlavor: "6.16 and newer", Others: []string{"Android", "ChromeOS"},
	LinkType: "Ethernet or modem", MTU: 1500, RawSig: "4:57+7:0:1460:mss*44,10:mss,sok,ts,nop,ws:df,id+:0", Distance: note.Hops(7),
	FirstSeen: time.Unix(1_790_000_000, 0), LastSeen: time.Unix(1_790_000_100, 0), TotalConn: 17, SYNs: 17, Handshakes: 17, UptimeMin: 1234, UpModDays: 49, Clock: note.ClockRandom}

// shared measures how fast notes are published, beside redis-benchmark with the
// same command and pipelining, and how long look-ups take that another sensor's
// note answers. The bars are half of its rate, and 1 ms for 99 of 100 look-ups.
func (b *bench) shared(ctx context.Context) error {
	b.table = sharedTable
	addr, stop, err := startRedis(ctx)
	if err != nil {
		return err
	}
	defer stop()
	a, err := openShared(ctx, addr, "a")
	if err != nil {
		return err
	}
	defer a.stop()
	other, err := openShared(ctx, addr, "b")
	if err != nil {
		return err
	}
	defer other.stop()
	var theirs, ours, ratios []float64
	for range rounds {
		t, err := redisBenchmark(ctx, addr)
		if err != nil {
			return err
		}
		o, err := a.publish(ctx)
		if err != nil {
			return err
		}
		theirs, ours, ratios = append(theirs, t), append(ours, o), append(ratios, o/t)
	}
	ratio := median(ratios)
	b.add(row{fmt.Sprintf("notes published a second, %d commands at a time on %d connections", sharedBatch, sharedConns),
		fmt.Sprintf("%.0f", median(theirs)), fmt.Sprintf("%.0f", median(ours)), fmt.Sprintf("%.2f", ratio), "0.5", ratio >= 0.5})
	for _, atOnce := range []int{1, 8} {
		took, without, err := other.ask(ctx, atOnce)
		if err != nil {
			return err
		}
		p99 := took[len(took)*99/100]
		b.add(row{fmt.Sprintf("look-up answered from another sensor, %d at a time: half within, 99 %% within, of 20,000 without an answer", atOnce), "",
			fmt.Sprintf("%v, %v, %d", took[len(took)/2].Round(time.Microsecond), p99.Round(time.Microsecond), without), "", "99 % within 1 ms",
			p99 <= time.Millisecond && without < sharedWarm/100})
	}
	return b.withoutStore(ctx)
}

// beforeEnv names a program of mxprint from before there was a shared store, for a
// row that compares them without one.
const beforeEnv = "MXPRINT_BENCH_BEFORE"

// withoutStoreRuns is how often each of the two programs is asked for a second.
const withoutStoreRuns = 16

// withoutStore asks the sensors of both programs in turn, and each first every second
// time. The bar is 5 %.
func (b *bench) withoutStore(ctx context.Context) error {
	program := os.Getenv(beforeEnv)
	if program == "" {
		return nil
	}
	pair, err := newPair(ctx)
	if err != nil {
		return err
	}
	defer pair.remove()
	config := b.path("before.toml")
	text := fmt.Sprintf("[sensor]\ninterfaces = [%q]\nfilter = %q\n[p0f]\nsocket = %q\n", serverIf, synFilter, b.path("before.sock"))
	if err := os.WriteFile(config, []byte(text), 0o644); err != nil {
		return err
	}
	for _, conns := range []int{1, 50} {
		now, err := b.ourSensor()
		if err != nil {
			return err
		}
		before := &daemon{name: "before", socket: b.path("before.sock"), args: []string{program, "serve", "-config", config}}
		row := func() error { return b.withoutStoreRow(ctx, pair, before, now, conns) }
		if conns == 1 {
			err = onOneCore(row)
		} else {
			err = row()
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) withoutStoreRow(ctx context.Context, pair *pair, before, now *daemon, conns int) error {
	for _, d := range []*daemon{before, now} {
		if err := b.start(ctx, pair, d, nil); err != nil {
			return err
		}
		defer d.stop()
	}
	if err := pair.flood(ctx, "-count", "20", "-rate", "1000"); err != nil {
		return err
	}
	time.Sleep(300 * time.Millisecond)
	var ratios []float64
	var old, is answering
	for i := range withoutStoreRuns {
		ask := []func() error{
			func() error { return old.add(ctx, before, load{conns, 1, time.Second}) },
			func() error { return is.add(ctx, now, load{conns, 1, time.Second}) },
		}
		if err := errors.Join(ask[i%2](), ask[1-i%2]()); err != nil {
			return err
		}
		ratios = append(ratios, is.rates[i]/old.rates[i])
	}
	ratio := median(ratios)
	what := fmt.Sprintf("without a store, p0f's socket, %d at a time, beside mxprint before it had one", conns)
	if conns == 1 {
		what += " (sensor and client on one core)"
	}
	b.add(row{what, old.String(), is.String(), fmt.Sprintf("%.3f (all: %.2f to %.2f)", ratio, slices.Min(ratios), slices.Max(ratios)), "0.95", ratio >= 0.95})
	return nil
}

// onOneCore runs f, and the processes it starts, on one core. Where two cores are
// free, a client that waits for each answer is answered at one of two speeds, by
// where the kernel happens to put the sensor: the same program beside itself gave
// 0.92 and 1.19.
func onOneCore(f func() error) error {
	runtime.LockOSThread() // a process begins on the cores of the thread that starts it
	defer runtime.UnlockOSThread()
	var is, one unix.CPUSet
	if err := unix.SchedGetaffinity(0, &is); err != nil {
		return err
	}
	for i := range 8 * len(is) {
		if is.IsSet(i) {
			one.Set(i)
			break
		}
	}
	if err := unix.SchedSetaffinity(0, &one); err != nil {
		return err
	}
	return errors.Join(f(), unix.SchedSetaffinity(0, &is))
}

// startRedis starts a server on loopback that keeps nothing on the disk.
func startRedis(ctx context.Context, more ...string) (addr string, stop func(), err error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	addr = ln.Addr().String()
	ln.Close()
	_, port, _ := net.SplitHostPort(addr)
	args := append([]string{"--port", port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--daemonize", "no"}, more...)
	cmd := exec.CommandContext(ctx, "redis-server", args...)
	if err := cmd.Start(); err != nil {
		return "", nil, fmt.Errorf("%w (make deps installs redis-server)", err)
	}
	stop = func() {
		cmd.Process.Kill()
		cmd.Wait()
	}
	for range 100 {
		if shared.Try(ctx, shared.Config{Servers: []string{addr}}) == nil {
			return addr, stop, nil
		}
		time.Sleep(50 * time.Millisecond)
	}
	stop()
	return "", nil, errors.New("redis-server does not answer")
}

// redisBenchmark returns how many notes of our length redis-benchmark sets a second.
func redisBenchmark(ctx context.Context, addr string) (float64, error) {
	host, port, _ := net.SplitHostPort(addr)
	value := strings.Repeat("x", shared.Size(published))
	out, err := exec.CommandContext(ctx, "redis-benchmark", "-h", host, "-p", port, "-c", strconv.Itoa(sharedConns), "-P", strconv.Itoa(sharedBatch), "-r", "100000",
		"-n", strconv.Itoa(sharedNotes), "-q", "SET", "mxprint:1:c:{__rand_int__}", value, "PX", "600000").CombinedOutput()
	m := regexp.MustCompile(`([0-9.]+) requests per second`).FindAllStringSubmatch(string(out), -1)
	if err != nil || len(m) == 0 {
		return 0, fmt.Errorf("redis-benchmark: %v: %s", err, out)
	}
	return strconv.ParseFloat(m[len(m)-1][1], 64)
}

// sharing is a sensor with the shared store.
type sharing struct {
	*shared.Store
	stop func()
}

func openShared(ctx context.Context, addr, name string) (*sharing, error) {
	s := &sharing{Store: shared.Open(shared.Config{Servers: []string{addr}, Sensor: name, Version: "bench"})}
	s.Connection = func(client, server netip.AddrPort) (note.Note, bool) { return published, true }
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		s.Run(ctx)
		close(done)
	}()
	s.stop = func() {
		cancel()
		<-done
	}
	for range 100 {
		if st := s.Stats(); st.Fault == "" && st.WriteFault == "" {
			return s, nil
		}
		time.Sleep(50 * time.Millisecond)
	}
	return nil, errors.New("the shared store does not answer")
}

var sharedServer = netip.MustParseAddrPort("198.51.100.25:25")

// sharedClient is the i-th client: of 1,000 addresses.
func sharedClient(i int) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, byte(i % 1000 / 250), byte(i % 250)}), uint16(1024+i/1000))
}

// publish publishes notes as fast as they are written.
func (s *sharing) publish(ctx context.Context) (float64, error) {
	before, begin := s.Stats(), time.Now()
	for i := 0; i < sharedNotes; {
		if s.Stats().Queued > 15_000 {
			time.Sleep(200 * time.Microsecond)
			continue
		}
		for range 1000 {
			s.Opened(sharedClient(i), sharedServer)
			i++
		}
	}
	for s.Stats().Queued > 0 && ctx.Err() == nil {
		time.Sleep(time.Millisecond)
	}
	took, after := time.Since(begin), s.Stats()
	if after.Dropped > before.Dropped || after.WriteFault != "" || after.Published-before.Published < sharedNotes*99/100 { // the last batch may be under way
		return 0, fmt.Errorf("%+v", after)
	}
	return float64(after.Published-before.Published) / took.Seconds(), nil
}

// ask looks up connections that the other sensor has published. without is how many
// had no answer in time.
func (s *sharing) ask(ctx context.Context, atOnce int) (all []time.Duration, without int64, err error) {
	who := &shared.Lookuper{Who: stranger{}, Store: s.Store}
	var mu sync.Mutex
	var wrong, next atomic.Int64
	var wg sync.WaitGroup
	for range atOnce {
		wg.Go(func() {
			var took []time.Duration
			for i := next.Add(1); i < sharedWarm && ctx.Err() == nil; i = next.Add(1) {
				begin := time.Now()
				n, err := who.Lookup(ctx, note.Query{Client: sharedClient(int(i)), Server: sharedServer, Hello: "mail" + strconv.Itoa(int(i%500)) + ".example.org"})
				took = append(took, time.Since(begin))
				if err != nil || !n.ByConnection || n.OSName != "Linux" {
					wrong.Add(1)
				}
			}
			mu.Lock()
			defer mu.Unlock()
			all = append(all, took...)
		})
	}
	wg.Wait()
	if without = wrong.Load(); without > sharedWarm/2 {
		return nil, 0, fmt.Errorf("%d of %d look-ups were not answered: %+v", without, sharedWarm, s.Stats())
	}
	slices.Sort(all)
	return all, without, nil
}
