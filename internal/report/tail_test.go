package report

import (
	"bytes"
	"io"
	"math/rand/v2"
	"testing"

	"github.com/mxprint/mxprint/engine"
	"github.com/mxprint/mxprint/internal/host"
	"github.com/mxprint/mxprint/packet"
	"github.com/mxprint/mxprint/signature"
)

// TestTails: a log that has written much writes the next line as one that has
// written nothing, and so does a report.
func TestTails(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	linux := &signature.Label{Name: "Linux", Flavor: "lab"}
	tool := &signature.Label{Name: "NMap", Class: signature.Userland, Generic: true}
	sigs := []*signature.TCP{
		nil, {ID: 1, Label: linux}, {ID: 2, Label: linux, RandomTTL: true}, {ID: 3, Label: tool},
		{ID: 1, Label: tool}, // of the next database
	}
	modules := []host.Module{host.SYN, host.SYNACK, host.Probe, host.ProbeResponse, host.MTU, host.MTU}
	links := []string{"", "Ethernet or modem", "DSL"}
	for name, observer := range map[string]func(io.Writer) engine.Observer{
		"log":    func(w io.Writer) engine.Observer { return NewLog(w) },
		"report": func(w io.Writer) engine.Observer { return NewBlocks(w) },
	} {
		var got, want bytes.Buffer
		used := observer(&got)
		for range 5_000 {
			s := packet.Segment{Version: 4, Type: packet.SYN, TTL: uint8(40 + rnd.IntN(3)), DSCP: uint8(rnd.IntN(2))}
			o := host.Observation{
				Module: modules[rnd.IntN(len(modules))], At: int64(rnd.IntN(2) * 1e6), Segment: &s,
				MTU: 1499 + rnd.IntN(2), Link: links[rnd.IntN(len(links))],
			}
			o.Match.Sig, o.Match.Distance, o.Match.Fuzzy = sigs[rnd.IntN(len(sigs))], 34+rnd.IntN(3), rnd.IntN(2) == 0
			used.Observe(&o)
			used.Flush()
			fresh := observer(&want)
			fresh.Observe(&o)
			fresh.Flush()
			if !bytes.Equal(got.Bytes(), want.Bytes()) {
				t.Fatalf("%s: after others it writes\n%swant\n%s", name, got.String(), want.String())
			}
			got.Reset()
			want.Reset()
		}
	}
}
