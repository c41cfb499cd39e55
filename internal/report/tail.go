package report

import (
	"github.com/mxprint/mxprint/internal/host"
	"github.com/mxprint/mxprint/signature"
)

// tails remembers how lines end: senders are of a few hundred kinds, behind a few
// links.
type tails struct {
	since  int64 // second of packet time, from which prints are
	prints [1024]printTail
	links  [64]linkTail // by MTU
}

// printsFor is for how many seconds of packet time fingerprints are remembered,
// lest they hold on to a database that was replaced.
const printsFor = 60

// printTail is a fingerprint as it was last written, but for the distance, of
// which there are dozens to a signature.
type printTail struct {
	of     printKey
	before []byte // "|os=Linux 3.11 and newer|dist="
	behind []byte // "|params=none|raw_sig="
}

// printKey is what a printTail shows.
type printKey struct {
	sig   *signature.TCP
	dscp  uint8
	fuzzy bool
	far   bool // farther than p0f takes for real
	probe bool
	is    bool // not the zero value
}

// linkTail is a link as it was last written.
type linkTail struct {
	mtu  int
	name string
	text []byte // "|link=Ethernet or modem|raw_mtu=1500"
}

// appendPrint appends the fields of a SYN or SYN+ACK up to its raw signature. The
// keys are the same in each call.
func (t *tails) appendPrint(b []byte, o *host.Observation, k *keys) []byte {
	if second := o.At / 1e6; second < t.since || second >= t.since+printsFor {
		t.since = second
		for i := range t.prints {
			t.prints[i].of = printKey{}
		}
	}
	m := &o.Match
	key := printKey{
		sig: m.Sig, dscp: o.Segment.DSCP, fuzzy: m.Fuzzy, far: m.Distance > signature.MaxDistance,
		probe: o.Module == host.Probe || o.Module == host.ProbeResponse, is: true,
	}
	at := uint(key.dscp)
	if m.Sig != nil {
		at += uint(m.Sig.ID) * 2
	}
	if m.Fuzzy {
		at++
	}
	p := &t.prints[at%uint(len(t.prints))]
	if p.of != key {
		p.of = key
		p.before = append(appendSystem(p.before[:0], o, k), k.dist...)
		if m.Sig != nil && m.Sig.RandomTTL {
			p.before = append(p.before, "<= "...)
		}
		p.behind = append(appendParams(append(p.behind[:0], k.params...), o), k.rawSig...)
	}
	b = appendNumber(append(b, p.before...), m.Distance)
	return append(b, p.behind...)
}

// ofLink is the fields of a link.
func (t *tails) ofLink(o *host.Observation, k *keys) []byte {
	l := &t.links[uint(o.MTU)%uint(len(t.links))]
	if l.mtu != o.MTU || l.name != o.Link || len(l.text) == 0 {
		l.mtu, l.name = o.MTU, o.Link
		l.text = append(append(l.text[:0], k.link...), orUnknown(o.Link)...)
		l.text = appendNumber(append(l.text, k.rawMTU...), o.MTU)
	}
	return l.text
}
