package store

import (
	"cmp"
	"encoding/json"
	"net/netip"
	"strings"
	"time"

	"github.com/mxprint/mxprint/note"
)

// Network is what is remembered in an address's stead: itself, of IPv6 the /64,
// of which a sender has all addresses.
func Network(a netip.Addr) netip.Prefix {
	a = a.Unmap().WithZone("")
	if a.Is4() {
		return netip.PrefixFrom(a, 32)
	}
	p, _ := a.Prefix(64)
	return p
}

// Key is a network as the tables have it.
func Key(a netip.Addr) []byte {
	b := Network(a).Addr().AsSlice()
	if len(b) == 16 {
		return b[:8]
	}
	return b
}

// fromKey is the network of a key.
func fromKey(b []byte) netip.Prefix {
	switch len(b) {
	case 4:
		return netip.PrefixFrom(netip.AddrFrom4([4]byte(b)), 32)
	case 8:
		var a [16]byte
		copy(a[:], b)
		return netip.PrefixFrom(netip.AddrFrom16(a), 64)
	}
	return netip.Prefix{}
}

// Reduce returns a note without what belongs to one connection, or to one moment:
// what is left comes again and again, and rules and evidence rest on it. Times
// of the flow become the upper ends of buckets.
func Reduce(n *note.Note) note.Note {
	r := note.Note{
		State: n.State, OSName: n.OSName, OSFlavor: n.OSFlavor, Quality: n.Quality, Others: n.Others, Rewrite: n.Rewrite,
		HTTPName: n.HTTPName, HTTPFlavor: n.HTTPFlavor, LinkType: n.LinkType, MTU: n.MTU, Distance: n.Distance,
		BadSW: n.BadSW, ByConnection: n.ByConnection, Ambiguous: n.Ambiguous, RawSig: n.RawSig,
		TLS: n.TLS, Software: n.Software,
		Conduct: reduceFindings(n.Conduct), Contradictions: reduceFindings(n.Contradictions),
	}
	if f := n.Flow; f != nil {
		r.Flow = &note.Flow{HandshakeRTT: bucket(f.HandshakeRTT), TCPRTT: bucket(f.TCPRTT), SMTPRTT: bucket(f.SMTPRTT),
			Counted: f.Counted, Retransmits: min(f.Retransmits, 5), ZeroWindows: min(f.ZeroWindows, 2), ClosedBy: f.ClosedBy, Reset: f.Reset}
	}
	if m := n.Memory; m != nil {
		r.Memory = &note.Memory{New: m.New, Visits: power(m.Visits), Names: power(m.Names), Addresses: power(m.Addresses), Changed: m.Changed, NewHere: m.NewHere}
	}
	return r
}

// reduceFindings leaves out what the client sent.
func reduceFindings(f *note.Findings) *note.Findings {
	if f == nil {
		return nil
	}
	r := &note.Findings{State: f.State}
	for _, one := range f.List {
		r.List = append(r.List, note.Finding{ID: one.ID, MayBe: one.MayBe})
	}
	return r
}

// bucket rounds a time up to one of a few.
func bucket(d time.Duration) time.Duration {
	if d <= 0 {
		return 0
	}
	b := time.Millisecond
	for b < d && b < 16*time.Second {
		b *= 2
	}
	return b
}

// power rounds a count up to a power of two, at most 64.
func power(n uint32) uint32 {
	if n == 0 {
		return 0
	}
	p := uint32(1)
	for p < n && p < 64 {
		p *= 2
	}
	return p
}

// maxProfile is the length of a profile, in bytes.
const maxProfile = 4 << 10

// profile is a note as the table text has it.
func profile(n *note.Note) string {
	r := Reduce(n)
	for _, shorten := range []func(){
		func() {},
		func() { r.Software, r.RawSig = shortSoftware(r.Software), "" },
		func() { r = note.Note{State: r.State, OSName: r.OSName, OSFlavor: r.OSFlavor} },
	} {
		shorten()
		if text, err := json.Marshal(r); err == nil && len(text) <= maxProfile {
			return string(text)
		}
	}
	return `{"state":"unknown"}`
}

func shortSoftware(s *note.Software) *note.Software {
	if s == nil {
		return nil
	}
	short := *s
	short.Dialect, short.Others = "", nil
	return &short
}

// Parts are what an address is known by: its system, program and TLS library, each
// empty where it is not known. A note says when one of them changed.
type Parts [3]string

// PartsOf returns those of a note.
func PartsOf(n *note.Note) (p Parts) {
	if n.State == note.Matched {
		p[0] = cut(n.Title())
	}
	if s := n.Software; s != nil && s.State == note.Matched && s.Reading == note.Complete && s.Quality&note.Generic == 0 {
		p[1] = cut(s.Title())
	}
	if t := n.TLS; t != nil && t.State == note.Complete {
		p[2] = cut(strings.TrimSpace(t.Library + " " + t.Release))
	}
	return p
}

// Changes are the names of the parts that are not what they were.
func (p Parts) Changes(was Parts) (list []string) {
	for i, name := range []string{"os", "software", "tls"} {
		if was[i] != "" && p[i] != "" && was[i] != p[i] {
			list = append(list, name)
		}
	}
	return list
}

// Add takes the parts that are known now.
func (p *Parts) Add(is Parts) {
	for i := range p {
		p[i] = cmp.Or(is[i], p[i])
	}
}

// maxName is the length of a name, in bytes: that of the longest host name.
const maxName = 255

func cut(s string) string { return s[:min(len(s), maxName)] }

// CleanName is a name as it is remembered: lower case, printable, bounded; or "".
func CleanName(name string) string {
	name = strings.ToLower(cut(strings.TrimSuffix(name, ".")))
	for i := range len(name) {
		if name[i] <= ' ' || name[i] >= 0x7f {
			return ""
		}
	}
	return name
}
