package observe

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/mxprint/mxprint/event"
	"github.com/mxprint/mxprint/note"
	"github.com/mxprint/mxprint/packet"
)

// made is an observation with all that its module sets.
func made(module event.Module, n int) *event.Observation {
	o := numbered(n)
	o.Module, o.Role, o.At = module, event.Role(n%2), int64(n)
	if !module.Fingerprint() {
		o.Segment = packet.Segment{}
	}
	switch module {
	case event.SYN, event.SYNACK, event.Probe, event.ProbeResponse:
		o.PeerMSS, o.Distance, o.RawSig = uint16(n), n%30, fmt.Append(nil, "raw ", n)
		o.System = event.System{Matched: true, Name: fmt.Sprint("system ", n), Quality: note.Fuzzy, RandomTTL: n%3 == 0}
	case event.MTU:
		o.MTU, o.Link = n, fmt.Sprint("link ", n)
	case event.Uptime:
		o.UptimeMin, o.ModDays, o.Frequency, o.Clock = uint32(n), uint32(n+1), float64(n)/3, note.ClockBoot
	case event.HostChange, event.IPSharing:
		o.Reasons, o.Hits = event.ReasonTTL, [4]int{n, 1, 2, 3}
	case event.HTTPRequest, event.HTTPResponse:
		o.RawSig, o.HTTP = fmt.Append(nil, "header ", n), event.HTTP{Dishonest: true, Language: fmt.Sprint("language ", n)}
		o.System = event.System{App: true, Name: fmt.Sprint("program ", n)}
	default:
		o.Sender = new(note.Note)
	}
	return o
}

// TestList: what is in a list comes out in order and whole, with nothing of what was
// in it before: fingerprints written where they lie or copied, and links and uptimes of
// the same segment or of others.
func TestList(t *testing.T) {
	var l list
	var lent lent
	for range 20 {
		l = l.emptied()
		var want []string
		last := numbered(1)
		for range rand.IntN(200) {
			o := made(event.Module(rand.IntN(event.Modules)), rand.IntN(1000))
			switch {
			case rand.IntN(2) == 0:
			case o.Module.Fingerprint():
				o, *l.next() = l.next(), *o
			case o.Module == event.MTU || o.Module == event.Uptime:
				o.Role, o.Client, o.Server, o.At = last.Role, last.Client, last.Server, last.At
			}
			if o.Module.Fingerprint() {
				last = o
			}
			want = append(want, fmt.Sprintf("%+v", *o))
			lent := o.RawSig // the table's
			l.add(o)
			clear(lent)
		}
		l.each(&lent, func(o *event.Observation) {
			if got := fmt.Sprintf("%+v", *o); len(want) == 0 || got != want[0] {
				t.Fatalf("the list has %s, want %q", got, want)
			}
			want = want[1:]
		})
		if len(want) > 0 {
			t.Fatalf("the list lacks %q", want)
		}
	}
}
