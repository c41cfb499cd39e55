package engine

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/mxprint/mxprint/internal/host"
	"github.com/mxprint/mxprint/packet"
	"github.com/mxprint/mxprint/signature"
)

// kept keeps copies of what it is shown.
type kept struct{ all []host.Observation }

func (k *kept) Observe(o *host.Observation) {
	c := *o
	if o.Segment != nil {
		s := *o.Segment
		c.Segment = &s
	}
	k.all = append(k.all, c)
}

func (k *kept) Flush() (int, error) { return 0, nil }

// TestTales: what is told is what was said, whoever sent the packet and whatever
// was said of it first.
func TestTales(t *testing.T) {
	a, b := netip.MustParseAddrPort("192.0.2.1:40000"), netip.MustParseAddrPort("[2001:db8::2]:25")
	from := func(src, dst netip.AddrPort) *packet.Segment { return &packet.Segment{Src: src, Dst: dst, TTL: 57} }
	packets := [][]host.Observation{
		{{Module: host.SYN, Segment: from(a, b)}, {Module: host.MTU, MTU: 1500, Link: "DSL"}, {Module: host.Uptime, UptimeMin: 7, Frequency: 250}},
		{{Module: host.SYNACK, Role: host.Server, Segment: from(b, a)}, {Module: host.MTU, Role: host.Server, MTU: 1492}},
		{{Module: host.ProbeResponse, Role: host.Server, Segment: from(a, b)}}, // of a server that asks itself
		{{Module: host.HTTPRequest, HTTP: host.HTTP{RawSig: []byte("1:Host:::")}}, {Module: host.HostChange, Reasons: host.TTL}},
		{{Module: host.Uptime, Role: host.Server, UptimeMin: 9}},
		{{Module: host.Probe, Segment: from(a, b)}},
	}
	var said tales
	for range 2 { // in a list of which all is old, too
		said.clear()
		var want, got kept
		for i, p := range packets {
			for _, o := range p {
				o.At, o.Client, o.Server = int64(i), a, b
				if p[0].Segment == nil {
					o.Client = netip.AddrPortFrom(a.Addr(), uint16(i))
				}
				said.add(&o, uint64(i))
				want.Observe(&o)
			}
		}
		said.each(new(lent), []Observer{&got})
		if diff := cmp.Diff(want.all, got.all, cmpopts.EquateComparable(netip.AddrPort{}), cmpopts.IgnoreUnexported(signature.Match{})); diff != "" {
			t.Errorf("said and told differ (-said +told):\n%s", diff)
		}
	}
}
