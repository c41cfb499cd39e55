package capture

import (
	"math/rand/v2"
	"testing"
)

// TestFanoutSpreads: whatever the factor, the addresses of a network go to all
// workers, to each at most twice its share, and to none less than a third of
// it.
func TestFanoutSpreads(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for i := range uint32(20_000) {
		f := Fanout{2*i + 1} // small ones, and any
		if i%2 == 0 {
			f.factor = rnd.Uint32() | 1
		}
		for n := 2; n <= 4; n++ {
			var got [4]int
			for host := range uint32(256) {
				got[f.of(198<<24|18<<16|host, n)]++
			}
			for w, count := range got[:n] {
				if share := 256 / n; count < share/3 || count > 2*share {
					t.Fatalf("factor %#x: %v of 256 addresses go to %d workers, worker %d", f.factor, got[:n], n, w)
				}
			}
		}
	}
}
