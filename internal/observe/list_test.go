package observe

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/mxprint/mxprint/event"
	"github.com/mxprint/mxprint/internal/host"
	"github.com/mxprint/mxprint/internal/signature"
	"github.com/mxprint/mxprint/note"
	"github.com/mxprint/mxprint/packet"
)

var labeled = &signature.TCP{Label: &signature.Label{Name: "Linux", Flavor: "3.x"}}

// sighted is a sighting with a number and all parts, and their observations.
func sighted(n int) (v host.Sighting, raw string, all [4]event.Observation) {
	client := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(n >> 16), byte(n >> 8), byte(n)}), 40000)
	server := netip.MustParseAddrPort("198.18.0.2:25")
	v = host.Sighting{
		Parts: host.Fingerprint | host.Change | host.Link | host.Uptime, At: int64(n), PeerMSS: uint16(n),
		Segment: packet.Segment{Src: client, Dst: server, Version: 4, TTL: 61, MSS: uint16(n), Window: 64240},
		Match:   signature.Match{Sig: labeled, Fuzzy: true, Distance: n % 30},
		Changed: event.HostChange, Reasons: event.ReasonTTL, Hits: [4]uint8{1, 2, 3, uint8(n % 32)},
		LinkName: fmt.Sprint("link ", n),
		Clock:    note.ClockBoot, ModDays: 49, UptimeMin: uint32(n), Frequency: float64(n) / 3,
	}
	system := event.System{Matched: true, Name: "Linux", Flavor: "3.x", Quality: note.Fuzzy}
	if n%3 == 0 {
		v.Match.Sig, system = nil, event.System{}
	}
	switch n % 4 {
	case 1:
		v.Module, v.Role, v.From = event.SYNACK, event.Server, event.Server
		v.Segment.Src, v.Segment.Dst = server, client
	case 2:
		v.Module, v.Changed, system.App = event.Probe, event.IPSharing, system.Matched
	case 3: // the answer to a probe may come from the end that sent it
		v.Module, v.Role, system.App = event.ProbeResponse, event.Server, system.Matched
	}
	raw = fmt.Sprint("raw ", n)
	for i := range all {
		all[i] = event.Observation{Module: []event.Module{v.Module, v.Changed, event.MTU, event.Uptime}[i],
			Role: v.Role, Client: client, Server: server, At: v.At}
	}
	all[0].Segment, all[0].PeerMSS, all[0].Distance = v.Segment, v.PeerMSS, n%30
	all[0].System, all[0].RawSig = system, []byte(raw)
	all[1].Reasons, all[1].Hits = event.ReasonTTL, [4]int{1, 2, 3, n % 32}
	all[2].MTU, all[2].Link = int(v.Segment.MSS)+40, v.LinkName
	all[3].UptimeMin, all[3].ModDays, all[3].Frequency, all[3].Clock = v.UptimeMin, 49, v.Frequency, note.ClockBoot
	return v, raw, all
}

// whole is an observation of another module, with what that sets.
func whole(module event.Module, n int) *event.Observation {
	o := numbered(n)
	o.Module, o.Segment = module, packet.Segment{}
	switch module {
	case event.HTTPRequest, event.HTTPResponse:
		o.RawSig, o.HTTP = fmt.Append(nil, "header ", n), event.HTTP{Dishonest: true, Language: fmt.Sprint("language ", n)}
		o.System = event.System{App: true, Name: fmt.Sprint("program ", n)}
	case event.TLS, event.SMTP:
		o.Sender = new(note.Note)
	default:
		o.MTU = n
	}
	return o
}

// told keeps observations as text.
type told []string

func (t *told) Observe(o *event.Observation) { *t = append(*t, fmt.Sprintf("%+v", *o)) }
func (*told) Flush() (int, error)            { return 0, nil }

// TestList: what is in a list comes out in order and whole, with nothing of what was
// in it before: all parts of sightings, or some, and other observations.
func TestList(t *testing.T) {
	var l list
	var lent host.Lent
	for range 20 {
		l = l.emptied()
		var want []string
		for range rand.IntN(200) {
			n := rand.IntN(1000)
			if rand.IntN(3) == 0 {
				o := whole(event.Module(rand.IntN(event.Modules)), n)
				want = append(want, fmt.Sprintf("%+v", *o))
				l.add(o)
				clear(o.RawSig) // the table's
				continue
			}
			v, raw, all := sighted(n)
			v.Parts = host.Parts(1 + rand.IntN(15))
			for i := range all {
				if v.Parts>>i&1 != 0 {
					want = append(want, fmt.Sprintf("%+v", all[i]))
				}
			}
			*l.next() = v
			lent := []byte(raw)
			l.addNext(l.next(), lent)
			clear(lent)
		}
		if l.count != len(want) {
			t.Fatalf("a list of %d counts %d", len(want), l.count)
		}
		var got told
		l.call([]event.Observer{&got}, &lent)
		if !slices.Equal(got, want) {
			t.Fatalf("the list has\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
}

// TestParts: of a sighting observers get the parts that they want, the list takes none
// if there is not room for all, and what it does not take is counted.
func TestParts(t *testing.T) {
	for _, tt := range []struct {
		want string
		most int
		lost uint64
	}{
		{"syn,host change,mtu,uptime", 8, 0}, {"mtu,uptime", 8, 0}, {"syn", 8, 0}, {"host change", 8, 0}, {"", 8, 0},
		{"syn,host change,mtu,uptime", 7, 4}, {"mtu,uptime", 3, 2},
	} {
		r := &recorder{}
		c := New([]event.Observer{r}, func(o *event.Observation) bool {
			if o.RawSig != nil {
				t.Errorf("%s is asked for with a raw signature", o.Module)
			}
			return slices.Contains(strings.Split(tt.want, ","), o.Module.String())
		}, silent)
		l := c.List(new(sync.Mutex), tt.most)
		for range 2 {
			v := l.Room()
			*v, _, _ = sighted(4)
			if wanted := l.Wants(v); wanted != (tt.want != "") {
				t.Errorf("Wants = %v where %q are wanted", wanted, tt.want)
			} else if wanted {
				l.Take(v, []byte("raw"))
			}
		}
		c.Start()
		c.Stop()
		got := ""
		for _, call := range r.observed() {
			module, _, _ := strings.Cut(call, " 10.")
			got += "," + module
		}
		once := ""
		if tt.want != "" {
			once = "," + tt.want
		}
		want := strings.Repeat(once, 2)
		if tt.lost > 0 {
			want = once
		}
		if lost, _ := c.Counts(); got != want || lost != tt.lost {
			t.Errorf("%q wanted, room for %d: got %q, %d lost; want %q, %d lost", tt.want, tt.most, got, lost, want, tt.lost)
		}
	}
}
