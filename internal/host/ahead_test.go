package host

import (
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/mxprint/mxprint/event"
	"github.com/mxprint/mxprint/internal/signature"
	"github.com/mxprint/mxprint/packet"
)

// TestAhead: a table finds out the same of what was matched ahead, also where one of
// the two has another database by then.
func TestAhead(t *testing.T) {
	first, second := mustParse(t, testDB), signature.Builtin()
	for _, raw := range []bool{true, false} {
		var db atomic.Pointer[signature.DB]
		db.Store(first)
		ahead := &Ahead{DB: &db, Raw: raw}
		var got, want []string
		list := func(to *[]string) observe {
			return func(o *event.Observation) {
				*to = append(*to, o.Module.String()+" "+title(&o.System)+" "+o.Link+" "+string(o.RawSig))
			}
		}
		tables := [2]*Table{New(first, Config{}, list(&got)), New(first, Config{}, list(&want))}
		var batch [together]Input // used again and again, as an engine's
		var data []byte
		for turn := range 40 {
			change := []*signature.DB{first, second}[turn/10%2]
			if turn%10 == 5 { // a turn before the tables
				db.Store([]*signature.DB{second, first}[turn/10%2])
			}
			if turn%10 == 0 {
				db.Store(change)
				tables[0].SetDB(change)
				tables[1].SetDB(change)
			}
			data = data[:0]
			for i := range batch {
				s := syn(1000*turn+i, window([]uint16{winLinux3, winXP, winUnknown}[rand.IntN(3)]), ttl(uint8(rand.IntN(256))))
				switch rand.IntN(4) {
				case 0:
					s = synAck(syn(1000*turn + i - 1))
				case 1:
					s.Version, s.Type = 4, packet.ACK
				}
				before := batch[i].ahead
				batch[i] = Input{At: int64(1e12 + turn), Decoded: rand.IntN(8) > 0, Segment: *s, ahead: before}
				data = ahead.Match(&batch[i], data)
			}
			tables[0].UpdateAll(batch[:])
			for i := range batch {
				tables[1].Frame(batch[i].At)
				if batch[i].Decoded {
					tables[1].Update(&batch[i].Segment, nil)
				}
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("with raw signatures %v: %d observations, want %d, and the same", raw, len(got), len(want))
		}
		if len(want) < 1000 {
			t.Errorf("%d observations, want more", len(want))
		}
	}
}
