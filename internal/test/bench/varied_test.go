//go:build linux

package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/mxprint/mxprint/internal/signature"
	"github.com/mxprint/mxprint/internal/test/lab"
	"github.com/mxprint/mxprint/packet"
)

// variedRecording writes n SYNs to a file, and reads it.
func variedRecording(tb testing.TB, n int) (k *kinds, path string, r *recording) {
	lab.NeedProgram(tb, "p0f") // its database
	tb.Chdir("../../..")
	k, err := newKinds()
	if err != nil {
		tb.Fatal(err)
	}
	path = filepath.Join(tb.TempDir(), "varied.pcap")
	if err := writeFile(path, func(w *pcapWriter) { w.varied(k, n) }); err != nil {
		tb.Fatal(err)
	}
	if r, err = readRecording(path); err != nil {
		tb.Fatal(err)
	}
	return k, path, r
}

// What peers are compared with must be SYNs of many kinds, of both versions of
// IP, that databases name, and the same each time.
func TestVaried(t *testing.T) {
	const count = 20_000
	k, path, r := variedRecording(t, count)
	if len(k.recorded) < 200 || len(k.described) < 1000 {
		t.Errorf("%d recorded kinds and %d of signatures: want more", len(k.recorded), len(k.described))
	}
	if len(r.frames) != count {
		t.Fatalf("%d frames, want %d", len(r.frames), count)
	}
	decoder := packet.Decoder{Link: packet.LinkEthernet}
	var v6, named int
	for i := range r.frames {
		f := r.frame(i)
		var s packet.Segment
		if err := decoder.Decode(f.Data, f.WireLen, &s); err != nil || s.Type != packet.SYN || s.Dst.Port() != 25 {
			t.Fatalf("frame %d: %v, type %d to %s: want a SYN to port 25", i, err, s.Type, s.Dst)
		}
		if s.Version == 6 {
			v6++
		}
		if m := signature.Builtin().Match(signature.Request, &s, 0); m.Sig != nil {
			named++
		}
	}
	if v6 < count/5 || v6 > count*4/5 || named < count*9/10 {
		t.Errorf("of %d SYNs %d are of IPv6 and %d have a name", count, v6, named)
	}
	again := path + ".again"
	if err := writeFile(again, func(w *pcapWriter) { w.varied(k, count) }); err != nil {
		t.Fatal(err)
	}
	a, errA := os.ReadFile(path)
	b, errB := os.ReadFile(again)
	if errA != nil || errB != nil || !bytes.Equal(a, b) {
		t.Errorf("a second capture is another (%v, %v)", errA, errB)
	}
}

// The work that is compared with peers, in small.
func BenchmarkVaried(b *testing.B) {
	_, _, r := variedRecording(b, 20_000)
	for name, run := range map[string]func(context.Context, *recording) (tally, error){
		"match": matcherRun{}.run, "engine": engineRun{}.run, "log": engineRun{log: true}.run,
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if _, err := run(b.Context(), r); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(r.frames)), "ns/SYN")
		})
	}
}
