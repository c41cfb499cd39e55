//go:build linux

package main

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/netip"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mxprint/mxprint/capture"
	"github.com/mxprint/mxprint/engine"
	"github.com/mxprint/mxprint/packet"
)

// memory is a source of SYNs that never ends by itself, from memory: client
// numbers come in an order that no cache foresees.
type memory struct {
	frame   capture.Frame
	syn     frame
	clients []uint32
	next    int
	left    int
}

const memoryBatch = 1024

// clock is the time of capture, which never goes back: a table would forget
// everybody.
var clock atomic.Int64

func newMemory(clients []uint32, count int) *memory {
	m := &memory{syn: newSYN(), clients: clients, left: count}
	m.frame = capture.Frame{Time: 1_700_000_000_000_000 + clock.Add(int64(count)) - int64(count), Data: m.syn, WireLen: len(m.syn), Link: packet.LinkEthernet}
	return m
}

// Read implements capture.Source.
func (m *memory) Read(_ context.Context, fn func(*capture.Frame)) error {
	if m.left == 0 {
		return io.EOF
	}
	for range min(memoryBatch, m.left) {
		m.syn.from(m.clients[m.next])
		m.syn[tcpAt+4]++ // no SYN that is sent again
		m.frame.Time++
		if m.next++; m.next == len(m.clients) {
			m.next = 0
		}
		m.left--
		fn(&m.frame)
	}
	return nil
}

// Live has the engine take the frames as from an interface, where the kernel has
// filtered, and on the goroutine that reads.
func (m *memory) Live() bool { return true }

// Close implements capture.Source.
func (m *memory) Close() error { return nil }

// shuffled is the numbers below n in random order.
func shuffled(n int) []uint32 {
	all := make([]uint32, n)
	for i := range all {
		all[i] = uint32(i)
	}
	rand.Shuffle(n, func(i, j int) { all[i], all[j] = all[j], all[i] })
	return all
}

// engines measures the engine alone. The bar is the ratio: one commit took 149 ns
// a SYN in one run and 209 to 286 in another, on machines of the same name.
func (b *bench) engines(ctx context.Context) error {
	first := 0.0
	for _, hosts := range []int{10_000, 1_000_000, 4_000_000} {
		ns, perHost, err := engineAlone(ctx, hosts)
		if err != nil {
			return err
		}
		if first == 0 {
			first = ns
		}
		b.add(row{fmt.Sprintf("engine alone, one core, %d hosts", hosts), "", fmt.Sprintf("%.0f ns a SYN", ns), times(ns/first) + " of the first", "3×", ns <= 3*first})
		if hosts == 1_000_000 {
			b.add(row{"memory a host at 1,000,000 hosts, resident", b.p0fHost, fmt.Sprintf("%.0f bytes", perHost), "", "160 bytes", perHost <= 160})
		}
		debug.FreeOSMemory()
	}
	return b.workers(ctx)
}

// engineAlone returns what a SYN costs among that many hosts, and what a host
// costs in resident memory.
func engineAlone(ctx context.Context, hosts int) (ns, bytes float64, err error) {
	clients := shuffled(hosts)
	debug.FreeOSMemory()
	before := resident("self")
	e, err := engine.New(engine.Config{Hosts: engine.Hosts{MaxHosts: hosts + 1}})
	if err != nil {
		return 0, 0, err
	}
	if err := e.Run(ctx, newMemory(clients, hosts)); err != nil {
		return 0, 0, err
	}
	debug.FreeOSMemory()
	bytes = float64(resident("self")-before) / float64(hosts)
	order := shuffled(hosts)
	var all []float64
	for range rounds {
		const count = 2_000_000
		begin := time.Now()
		if err := e.Run(ctx, newMemory(order, count)); err != nil {
			return 0, 0, err
		}
		all = append(all, float64(time.Since(begin).Nanoseconds())/count)
	}
	if got := e.Stats().Hosts; got < hosts {
		return 0, 0, fmt.Errorf("%d hosts are known, want %d", got, hosts)
	}
	runtime.KeepAlive(clients)
	return median(all), bytes, nil
}

// workers compares two workers with one. They take turns, and the ratio is the
// median of the rounds' ratios: the speed of a shared machine changes meanwhile.
func (b *bench) workers(ctx context.Context) error {
	var one, two, ratios []float64
	for range 5 * rounds {
		single, err := undisturbed(b, mostStolen, func() (float64, error) { return workersRate(ctx, 1) })
		if err != nil {
			return err
		}
		double, err := undisturbed(b, mostStolen, func() (float64, error) { return workersRate(ctx, 2) })
		if err != nil {
			return err
		}
		one, two, ratios = append(one, single), append(two, double), append(ratios, double/single)
	}
	ratio := median(ratios)
	b.add(row{"2 workers against 1, 100,000 hosts", "", fmt.Sprintf("%.1f and %.1f million SYNs/s", median(two)/1e6, median(one)/1e6), times(ratio), "1.7×", ratio >= 1.7})
	return nil
}

// workersRate is how many SYNs a second that many workers take, each on a core,
// with frames spread as the kernel spreads them.
func workersRate(ctx context.Context, n int) (float64, error) {
	const hosts, count = 100_000, 3_000_000
	e, err := engine.New(engine.Config{Workers: n, Hosts: engine.Hosts{MaxHosts: 2 * hosts}})
	if err != nil {
		return 0, err
	}
	shares := make([][]uint32, n)
	server := netip.MustParseAddrPort("198.18.0.2:25")
	for _, i := range shuffled(hosts) {
		c := clientBase + i
		a := netip.AddrFrom4([4]byte{byte(c >> 24), byte(c >> 16), byte(c >> 8), byte(c)})
		w := e.Fanout().Worker(netip.AddrPortFrom(a, 40000), server, n)
		shares[w] = append(shares[w], i)
	}
	var wg sync.WaitGroup
	errs := make([]error, n)
	begin := time.Now()
	for w := range n {
		wg.Go(func() { errs[w] = e.Run(ctx, newMemory(shares[w], count/n)) })
	}
	wg.Wait()
	took := time.Since(begin)
	for _, err := range errs {
		if err != nil {
			return 0, err
		}
	}
	return count / took.Seconds(), nil
}

// resident is the resident memory of a process in bytes, or 0.
func resident(pid string) int64 {
	text, err := os.ReadFile("/proc/" + pid + "/status")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			n, _ := strconv.ParseInt(strings.Fields(value)[0], 10, 64)
			return n << 10
		}
	}
	return 0
}
