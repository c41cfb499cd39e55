package store

import (
	"context"
	"net/netip"
	"os"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/mxprint/mxprint/note"
)

// TestRate has 2,000 connections a second with a bound of 64 MiB, for as long as
// MXPRINT_RATE says ("10m"): the bound holds, and look-ups stay quick.
func TestRate(t *testing.T) {
	text := os.Getenv("MXPRINT_RATE")
	if text == "" {
		t.Skip("MXPRINT_RATE says for how long, such as 10m")
	}
	span, err := time.ParseDuration(text)
	if err != nil {
		t.Fatal(err)
	}
	const bound = 64 << 20
	r := start(t, func(c *Config) { c.commit, c.read, c.now, c.MaxSize = 0, 0, time.Now, bound })
	var took []time.Duration
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	largest := int64(0)
	began := time.Now()
	for n := 0; time.Since(began) < span; {
		<-tick.C
		for want := int(time.Since(began).Seconds() * 2000); n < want; n++ {
			at24 := uint32(n) * 0x9e3779b1 // each once, and no two neighbours in a row
			a := netip.AddrFrom4([4]byte{10, byte(at24 >> 16), byte(at24 >> 8), byte(at24)})
			q := note.Query{Client: netip.AddrPortFrom(a, uint16(n)|1), Hello: []string{"a.example", "b.example", ""}[n%3]}
			at := time.Now()
			if _, err := r.Lookup(t.Context(), q); err != nil {
				t.Fatal(err)
			}
			took = append(took, time.Since(at))
		}
		if n%2000 < 20 {
			largest = max(largest, r.bytes())
		}
	}
	var use unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &use); err != nil {
		t.Fatal(err)
	}
	cpu := time.Duration(use.Utime.Nano() + use.Stime.Nano())
	r.written()
	slices.Sort(took)
	st := r.Stats()
	t.Logf("%.0f %% of one core, the test's own part included; %d MB written to the disk", 100*cpu.Seconds()/time.Since(began).Seconds(), use.Oublock*512>>20)
	t.Logf("%d look-ups: half within %v, 99 %% within %v, the slowest %v; files at most %d bytes; %+v", len(took), took[len(took)/2], took[len(took)*99/100], took[len(took)-1], max(largest, r.bytes()), st)
	if p99 := took[len(took)*99/100]; p99 > 2*time.Millisecond+500*time.Microsecond {
		t.Errorf("99 %% of the look-ups took up to %v", p99)
	}
	if st.Dropped > 0 {
		t.Errorf("%d connections are not remembered", st.Dropped)
	}
	if largest > bound {
		t.Errorf("the files had %d bytes", largest)
	}
}

// TestProfilesInMemory: what clients choose, how they speak, does not fill the
// memory while the evidence is counted.
func TestProfilesInMemory(t *testing.T) {
	r := start(t, nil)
	have := make(map[int64]*note.Note)
	for id := range int64(maxProfiles + 1000) {
		if _, err := readProfile(t.Context(), r.Store.db.Load().read, 1_000_000+id, have); err != nil {
			t.Fatal(err)
		}
		if len(have) > 8192 {
			t.Fatalf("%d notes are in memory", len(have))
		}
	}
}

// BenchmarkConnection writes connections of new addresses into a store that is full:
// each has another removed. B/connection is what goes to the disk.
func BenchmarkConnection(b *testing.B) {
	s, err := Open(Config{Path: b.TempDir() + "/store.db", MaxSize: 64 << 20})
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(b.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	l := Lookuper{Who: &answers{}, Store: s}
	n := uint32(0)
	write := func(count int) {
		for i := range count {
			at24 := n * 0x9e3779b1
			a := netip.AddrFrom4([4]byte{10, byte(at24 >> 16), byte(at24 >> 8), byte(at24)})
			q := note.Query{Client: netip.AddrPortFrom(a, uint16(n)|1), Hello: []string{"a.example", "b.example", ""}[n%3]}
			if _, err := l.Lookup(ctx, q); err != nil {
				b.Fatal(err)
			}
			if n++; i%200 == 199 || i == count-1 { // a tenth of a second, at 2,000 a second
				if err := s.run(ctx, func(*writer) error { return nil }); err != nil {
					b.Fatal(err)
				}
			}
		}
	}
	for s.Stats().Expired == 0 {
		write(10_000)
	}
	write(50_000)
	var before, after unix.Rusage
	unix.Getrusage(unix.RUSAGE_SELF, &before)
	b.ResetTimer()
	write(b.N)
	b.StopTimer()
	unix.Getrusage(unix.RUSAGE_SELF, &after)
	b.ReportMetric(float64((after.Oublock-before.Oublock)*512)/float64(b.N), "B/connection")
	if st := s.Stats(); st.Dropped > 0 {
		b.Errorf("%+v", st)
	}
	cancel()
	if err := <-done; err != nil {
		b.Error(err)
	}
}
