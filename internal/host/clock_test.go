package host

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/mxprint/mxprint/event"
	"github.com/mxprint/mxprint/internal/signature"
	"github.com/mxprint/mxprint/note"
	"github.com/mxprint/mxprint/packet"
)

// TestUptimeClock: an uptime comes with what the database says of the stack's
// clock. One that is unknown, or two that differ, may count from anywhere.
func TestUptimeClock(t *testing.T) {
	const (
		head = "classes = unix\n[tcp:request]\nlabel = s:unix:A:\n"
		sig  = "sig = *:64:0:*:5840,7:mss,sok,ts,nop,ws:df,id+:0\n"
		next = "label = s:unix:B:\nuptime = random\nsig = *:64:0:*:5841,7:mss,sok,ts,nop,ws:df,id+:0\n"
	)
	for _, tt := range []struct {
		name, db string
		second   uint16 // window of a second SYN that is measured, 0: an ACK is
		want     note.Clock
	}{
		{"not stated", head + sig, 0, note.ClockUnknown},
		{"since boot", head + "uptime = boot\n" + sig, 0, note.ClockBoot},
		{"random", head + "uptime = random\n" + sig, 0, note.ClockRandom},
		{"of no known system", "", 0, note.ClockRandom},
		{"since boot, two SYNs", head + "uptime = boot\n" + sig + next, 5840, note.ClockBoot},
		{"of two systems", head + "uptime = boot\n" + sig + next, 5841, note.ClockRandom},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var said []note.Clock
			table := New(mustParse(t, tt.db), Config{}, observe(func(o *event.Observation) {
				if o.Module == event.Uptime {
					said = append(said, o.Clock)
				}
			}))
			first := syn(1025, stamp(5000))
			then := data(first, 0, 0, stamp(6000))
			if tt.second != 0 {
				then = syn(1026, stamp(6000), window(tt.second))
			}
			for i, s := range []*packet.Segment{first, synAck(first, stamp(0)), then} {
				table.Frame(1e15 + int64(i)*500_000)
				table.Update(s, nil)
			}
			h, _ := table.Host(first.Src.Addr())
			if h.UpModDays != 49 || h.Clock != tt.want || len(said) != 1 || said[0] != tt.want {
				t.Errorf("clock %d, modulo %d days, observed %d, want clock %d of one uptime modulo 49 days",
					h.Clock, h.UpModDays, said, tt.want)
			}
		})
	}
}

// observe is a function as an Observer.
type observe func(*event.Observation)

func (f observe) Room() *Sighting              { return new(Sighting) }
func (f observe) Wants(*Sighting) bool         { return true }
func (f observe) Observe(o *event.Observation) { f(o) }

func (f observe) Take(v *Sighting, raw []byte) {
	var lent Lent
	for part := range v.Parts.All {
		o := v.Observation(part, &lent)
		if part == Fingerprint {
			o.RawSig = raw
		}
		f(o)
	}
}

// TestFlags: what a box on the way did is kept of an address and of each of
// its connections.
func TestFlags(t *testing.T) {
	table := New(mustParse(t, "classes = unix\n[tcp:request]\nlabel = s:unix:A:\nor = B:1\nor = A:2\nor = B:3\nor = C:\n"+
		"sig = *:64|255:0:*:fit(5840),7:mss,sok~,ts~,nop,ws:df,id+:0\n"), Config{Recent: 10}, nil)
	erased := syn(3, ttl(250), mss(1400))
	erased.Layout.Len = uint8(copy(erased.Layout.Kinds[:], []byte{2, 1, 1, 8, 1, 3}))
	for i, tt := range []struct {
		syn  *packet.Segment
		want signature.Flags
	}{
		{syn(1), 0},
		{syn(2, ttl(250)), signature.TTLReset},
		{erased, signature.TTLReset | signature.Erased | signature.Clamped},
	} {
		table.Frame(int64(i) * 1e6)
		table.Update(tt.syn, nil)
		h, _ := table.Host(tt.syn.Src.Addr())
		c, ok := table.Conn(tt.syn.Src, netip.AddrPort{})
		if !ok || h.Flags != tt.want || c.Flags != tt.want || c.Fuzzy || c.OS == nil || !slices.Equal(c.OS.Others, []string{"B", "C"}) {
			t.Errorf("%d: flags %d of the address, connection %+v, want %d", i, h.Flags, c, tt.want)
		}
	}
	if c, _ := table.Conn(syn(1).Src, netip.AddrPort{}); c.Flags != 0 {
		t.Errorf("the first connection has the flags %d now", c.Flags)
	}
}
