package sender

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/mxprint/mxprint/internal/host"
	core "github.com/mxprint/mxprint/internal/signature"
	"github.com/mxprint/mxprint/packet"
	"github.com/mxprint/mxprint/signature"
)

// synOnly is a table that gets SYNs, read beside or not.
type synOnly struct {
	*host.Table
	at, n int64
}

func (t *synOnly) take(count int) time.Duration {
	s := packet.Segment{
		Dst: netip.MustParseAddrPort("198.51.100.25:25"), Version: 4, Type: packet.SYN, Flags: packet.FlagSYN, TTL: 57, MSS: 1460, Window: 64240, Scale: 7,
		HeaderLen: 60, TS1: 1, Quirks: packet.QuirkDF | packet.QuirkIDNonZero,
	}
	s.Layout.Len = uint8(copy(s.Layout.Kinds[:], []byte{packet.OptMSS, packet.OptSOK, packet.OptTS, packet.OptNOP, packet.OptWS}))
	begin := time.Now()
	for range count {
		t.n++
		t.at += 10
		s.Src, s.Seq = client(int(t.n*7919)), uint32(t.n)
		t.Frame(t.at)
		t.Update(&s, nil)
	}
	return time.Since(begin)
}

// BenchmarkSYN compares a SYN with and without a Reader beside, in pairs that
// alternate: it reports the median of their ratios.
func BenchmarkSYN(b *testing.B) {
	tables := make([]*synOnly, 2)
	for i := range tables {
		tables[i] = &synOnly{Table: host.New((*core.DB)(signature.Builtin()), host.Config{MaxHosts: 100_000, Unverified: 50_000, Recent: 50_000}, nil)}
	}
	tables[1].Follow(New(Config{}).Follow, nil)
	const each = 20_000
	var ratios []float64
	for i := 0; b.Loop(); i++ {
		var took [2]time.Duration
		took[i%2] = tables[i%2].take(each)
		took[1-i%2] = tables[1-i%2].take(each)
		ratios = append(ratios, float64(took[1])/float64(took[0]))
	}
	b.ReportMetric(median(ratios), "ratio")
}

func median(all []float64) float64 {
	for i := range all { // few
		for j := i; j > 0 && all[j] < all[j-1]; j-- {
			all[j], all[j-1] = all[j-1], all[j]
		}
	}
	return all[len(all)/2]
}

// BenchmarkSession reads the lab's sessions: a whole one, from its segments.
func BenchmarkSession(b *testing.B) {
	var all [][]frame
	for _, l := range labels(b) {
		if len(all) == 50 {
			break
		}
		for _, conn := range byConnection(frames(b, l.File)) {
			if len(all) < 50 {
				all = append(all, conn)
			}
		}
	}
	r := New(Config{})
	t := host.New((*core.DB)(signature.Builtin()), host.Config{Recent: 10_000}, nil)
	t.Follow(r.Follow, nil)
	b.ReportAllocs()
	port := uint16(0)
	for i := 0; b.Loop(); i++ {
		port++
		for _, f := range all[i%len(all)] {
			s := f.Segment
			if s.Dst.Port() < 1024 {
				s.Src = netip.AddrPortFrom(s.Src.Addr(), 1024+port)
			} else {
				s.Dst = netip.AddrPortFrom(s.Dst.Addr(), 1024+port)
			}
			t.Frame(f.at)
			t.Update(&s, f.payload)
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "sessions/s")
	if st := r.Stats(); st.Read == 0 {
		b.Fatal(fmt.Sprintf("nothing was read: %+v", st))
	}
}
