package host

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"runtime"
	"strconv"
	"testing"
	"time"
	"unsafe"

	"github.com/mxprint/mxprint/event"
	"github.com/mxprint/mxprint/packet"
)

// TestHostRecordSize bounds what one address costs. The index is between one
// third and two thirds full once it has grown beyond manySlots, so that a record
// has up to three of its slots.
func TestHostRecordSize(t *testing.T) {
	record, place, slot := unsafe.Sizeof(hostRec{}), unsafe.Sizeof(links{}), unsafe.Sizeof(slot{})
	if record != 128 || unsafe.Offsetof(hostRec{}.client) != 64 {
		t.Errorf("a record takes %d bytes, its second part is at %d: want two cache lines", record, unsafe.Offsetof(hostRec{}.client))
	}
	if total := record + place + 3*slot; total > 160 {
		t.Errorf("a host takes %d bytes, %d of its list and %d of the index, want 160 at most together", record, place, 3*slot)
	}
	head := unsafe.Sizeof(uint32(0))
	if flow := unsafe.Sizeof(flowRec{}) + place + 4*head; flow > 96 {
		t.Errorf("a connection takes %d bytes with its list and chain, want 96 at most", flow)
	}
	t.Logf("host %d bytes, index %d to %d, server or HTTP %d, flow %d", record, 3*slot/2, 3*slot, unsafe.Sizeof(extraRec{}), unsafe.Sizeof(flowRec{}))
}

// addressed is a SYN from address number i.
func addressed(s *packet.Segment, i int) *packet.Segment {
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], 10<<24|uint32(i))
	s.Src = netip.AddrPortFrom(netip.AddrFrom4(b), uint16(1024+i%60000))
	return s
}

// TestMillionHosts measures what a million addresses take, and fails only
// where they are not all there.
func TestMillionHosts(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a second and 150 MB")
	}
	const n = 1_000_000
	f := newFeed(t, Config{MaxHosts: 2 * n})
	f.observer = nil
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := heap()
	s := syn(1)
	for i := range n {
		f.Frame(f.ms * 1000)
		f.Update(addressed(s, i), nil)
	}
	after := heap()
	hosts, _ := f.Len()
	if hosts != n+1 { // and the server
		t.Errorf("%d hosts, want %d", hosts, n+1)
	}
	t.Logf("%.1f bytes a host", float64(after-before)/float64(hosts))
	runtime.KeepAlive(f)
}

// TestSteadyStateAllocatesNothing: tables that have their size allocate no
// more, neither for known hosts nor for new ones that push old ones out.
func TestSteadyStateAllocatesNothing(t *testing.T) {
	f := newFeed(t, Config{MaxHosts: 1000, MaxConns: 100, Recent: 500})
	f.observer = new(quiet)
	first := syn(1)
	next := 0
	round := func(addresses int) func() {
		s, answer, ack, fin := syn(1), synAck(first), data(first, 0, 0), data(first, 0, 0, typed(packet.FIN))
		return func() {
			next++
			f.ms += 7
			addressed(s, next%addresses)
			s.Seq = uint32(next)
			for _, other := range []*packet.Segment{ack, fin} {
				other.Src, other.Seq, other.TS1 = s.Src, s.Seq+1, uint32(next)
			}
			answer.Dst = s.Src
			for _, seg := range [...]*packet.Segment{s, answer, ack, fin} {
				f.Frame(f.ms * 1000)
				f.Update(seg, nil)
			}
		}
	}
	for _, tt := range []struct {
		name      string
		addresses int
	}{{"known hosts", 500}, {"new hosts, full table", 1 << 20}} {
		step := round(tt.addresses)
		for range 5000 {
			step()
		}
		if n := testing.AllocsPerRun(2000, step); n != 0 {
			t.Errorf("%s: a connection makes %v allocations, want 0", tt.name, n)
		}
	}
	hosts, _ := f.Len()
	if hosts < 1000 {
		t.Fatalf("%d hosts: the table was never full", hosts)
	}
	known, unknown := addressed(syn(1), next%(1<<20)).Src.Addr(), netip.MustParseAddr("2001:db8::1")
	if _, ok := f.Host(known); !ok {
		t.Fatalf("host %v is not known", known)
	}
	if n := testing.AllocsPerRun(1000, func() { f.Host(known); f.Host(unknown) }); n != 0 {
		t.Errorf("a look-up makes %v allocations, want 0", n)
	}
}

// quiet takes observations and says nothing.
type quiet struct{ room Sighting }

func (q *quiet) Room() *Sighting          { return &q.room }
func (*quiet) Wants(*Sighting) bool       { return true }
func (*quiet) Take(*Sighting, []byte)     {}
func (*quiet) Observe(*event.Observation) {}

func BenchmarkUpdate(b *testing.B) {
	for name, addresses := range map[string]int{"1000 hosts": 1000, "500000 hosts": 500_000} {
		b.Run(name, func(b *testing.B) {
			f := newFeed(b, Config{MaxHosts: addresses})
			f.observer = new(quiet)
			s := syn(1)
			i := 0
			step := func() {
				i += 7919
				s.Seq = uint32(i)
				f.Frame(f.ms * 1000)
				f.Update(addressed(s, i%addresses), nil)
			}
			for range addresses * 2 {
				step()
			}
			b.ReportAllocs()
			for b.Loop() {
				step()
			}
		})
	}
}

func BenchmarkHost(b *testing.B) {
	const n = 500_000
	f := newFeed(b, Config{MaxHosts: n})
	f.observer = new(quiet)
	s := syn(1)
	for i := range n {
		f.Frame(f.ms * 1000)
		f.Update(addressed(s, i), nil)
	}
	i := 0
	b.ReportAllocs()
	for b.Loop() {
		i += 7919
		if _, ok := f.Host(addressed(s, i%n).Src.Addr()); !ok {
			b.Fatalf("host %d is not known", i%n)
		}
	}
}

// BenchmarkUpdateAll is what a SYN costs the table among many hosts, each as
// likely as any other, in batches.
func BenchmarkUpdateAll(b *testing.B) {
	for _, hosts := range []int{10_000, 1_000_000, 4_000_000} {
		b.Run(strconv.Itoa(hosts), func(b *testing.B) {
			table := New(mustParse(b, testDB), Config{MaxHosts: hosts + 1}, nil)
			var batch [64]Input
			s := syn(1)
			n, seq := 0, uint32(0)
			fill := func(next func() int) {
				for i := range batch {
					seq++
					addressed(s, next())
					s.Seq = seq
					batch[i] = Input{At: 1e15 + int64(seq), Decoded: true, Segment: *s}
				}
			}
			for n < hosts {
				fill(func() int { n++; return n % hosts })
				table.UpdateAll(batch[:])
			}
			random := rand.New(rand.NewPCG(1, 2))
			var took time.Duration
			for i := 0; i < b.N; i += len(batch) {
				fill(func() int { return random.IntN(hosts) })
				begin := time.Now()
				table.UpdateAll(batch[:])
				took += time.Since(begin)
			}
			b.ReportMetric(float64(took.Nanoseconds())/float64(b.N), "ns/SYN")
		})
	}
}
