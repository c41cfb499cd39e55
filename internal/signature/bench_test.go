package signature

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/mxprint/mxprint/internal/test/lab"
	"github.com/mxprint/mxprint/packet"
)

// stockFile is p0f's own database, where its package puts it.
const stockFile = "/etc/p0f/p0f.fp"

// oneLayout is a database of n signatures of p0f's language that share Linux's
// option layout: windows, scales, link sizes and quirks differ.
func oneLayout(n int) string {
	var b strings.Builder
	b.WriteString(termsHead)
	for i := range n {
		window := fmt.Sprintf("mss*%d", 1+i/12%60)
		if i%3 == 0 {
			window = fmt.Sprint(1000 + i)
		}
		quirks := [...]string{"df,id+", "df", "df,id+,ecn", ""}[i%4]
		fmt.Fprintf(&b, "sig = 4:64:0:%d:%s,%d:mss,sok,ts,nop,ws:%s:0\n", 1000+i/720, window, i%12, quirks)
	}
	return b.String()
}

// manyRules is a database of n signatures with added terms in few layouts.
func manyRules(n int) string {
	var b strings.Builder
	b.WriteString(termsHead)
	for i := range n {
		fmt.Fprintf(&b, "sig = *:64|255:%d:*:fit(%d),%d:mss,sok~,ts~,nop,ws,[?30]:df,id+,flow?,ecn?:0\n",
			i/1024*4, 16384+i/16%64*1024, i%16)
	}
	return b.String()
}

// manyLayouts spreads n signatures over layouts as real databases do.
func manyLayouts(n int) string {
	layouts := [...]string{"mss,sok,ts,nop,ws", "mss,nop,ws,nop,nop,sok", "mss,nop,ws,sok,ts", "mss", "mss,nop,nop,sok"}
	var b strings.Builder
	b.WriteString(termsHead)
	for i := range n {
		fmt.Fprintf(&b, "sig = *:%d:0:*:%d,%d:%s:df,id+:0\n", 64<<(i%2), 1000+i, i/2%14, layouts[i%len(layouts)])
	}
	return b.String()
}

// typicalSYNs are what the cost is measured with: known systems, and packets
// that nothing matches, which cost the most.
func typicalSYNs() []packet.Segment {
	linux, old, windows, unknown, rebuilt := linux610(), linuxSYN(), linuxSYN(), linuxSYN(), linux610()
	windows.TTL, windows.Window, windows.Scale, windows.TS1 = 120, 64240, 8, 0
	windows.Layout = layoutOf(2, 1, 3, 1, 1, 4)
	unknown.Window, unknown.Scale = 12345, 3
	rebuilt.MSS, rebuilt.TTL = 1357, 250
	return []packet.Segment{linux, old, windows, unknown, rebuilt}
}

// TestLargeAllocatesNothing with terms, in large databases.
func TestLargeAllocatesNothing(t *testing.T) {
	for name, text := range map[string]string{"layout": oneLayout(1000), "rules": manyRules(1000), "layouts": manyLayouts(1000)} {
		db := parse(t, text)
		list := typicalSYNs()
		if n := testing.AllocsPerRun(100, func() {
			for i := range list {
				db.Match(Request, &list[i], 0)
			}
		}); n != 0 {
			t.Errorf("%s: %v allocations, want 0", name, n)
		}
	}
}

// TestIndexFindsTheFirst: in the databases of the benchmark the trees find
// what a walk in file order finds.
func TestIndexFindsTheFirst(t *testing.T) {
	for name, text := range map[string]string{"layout": oneLayout(2000), "rules": manyRules(2000), "layouts": manyLayouts(2000)} {
		db := parse(t, text)
		sigs := db.tcp[Request].sigs
		matched := 0
		for i := 0; i < len(sigs); i += 7 {
			for _, edit := range []func(*packet.Segment){
				func(s *packet.Segment) {},
				func(s *packet.Segment) { s.TTL = 250 },
				func(s *packet.Segment) { s.Quirks ^= packet.QuirkECN },
				func(s *packet.Segment) { s.Quirks = 0 },
				func(s *packet.Segment) { s.MSS -= 60 },
			} {
				s := segmentOf(&sigs[i], 4)
				edit(&s)
				m, want := db.Match(Request, &s, 0), walk(sigs, &s, 0)
				if m.Sig != want.Sig || m.Fuzzy != want.Fuzzy || m.Distance != want.Distance {
					t.Fatalf("%s: Match(%s) = %+v, the walk = %+v", name, AppendRaw(nil, &s, m.Multiple), m, want)
				}
				if m.Sig != nil {
					matched++
				}
			}
		}
		if matched < 300 {
			t.Errorf("%s: %d matches, too few", name, matched)
		}
	}
}

// BenchmarkSizes is the cost of one match. The bound is one and a half times
// that with p0f's own 91 signatures, however many there are.
func BenchmarkSizes(b *testing.B) {
	bench := func(name string, db *DB) {
		list := typicalSYNs()
		b.Run(fmt.Sprintf("%s/%d", name, len(db.tcp[Request].sigs)), func(b *testing.B) {
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				db.Match(Request, &list[i%len(list)], 0)
			}
		})
	}
	if _, err := os.Stat(stockFile); err != nil {
		lab.Skip(b, "p0f's database is not installed")
	}
	stock, err := Load(stockFile)
	if err != nil {
		b.Fatal(err)
	}
	bench("p0f", stock)
	bench("builtin", Builtin())
	for _, n := range []int{91, 719, 5000} {
		bench("layout", parse(b, oneLayout(n)))
		bench("rules", parse(b, manyRules(min(n, 3000)))) // more of them cost more than a file may
		bench("layouts", parse(b, manyLayouts(n)))
	}
}
