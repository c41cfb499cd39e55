package host

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"github.com/mxprint/mxprint/event"
	"github.com/mxprint/mxprint/internal/signature"
	"github.com/mxprint/mxprint/packet"
)

// followed writes down what a Follower gets.
type followed []string

func (f *followed) Open(s *packet.Segment, client, server uint32, at int64) {
	*f = append(*f, fmt.Sprintf("open %d %d %d at %d", s.Src.Port(), client, server, at))
}

func (f *followed) Segment(s *packet.Segment, payload []byte, at int64) {
	*f = append(*f, fmt.Sprintf("%d>%d %q", s.Src.Port(), s.Dst.Port(), payload))
}

func (f *followed) Close() { *f = append(*f, "close") }

// TestFollow: a connection is opened when its handshake is complete, once, and
// not by what may be forged.
func TestFollow(t *testing.T) {
	client, server := netip.MustParseAddrPort("192.0.2.1:40000"), netip.MustParseAddrPort("192.0.2.25:25")
	seg := func(typ packet.Type, seq, ack uint32) packet.Segment {
		s := packet.Segment{Src: client, Dst: server, Version: 4, Type: typ, Flags: uint16(typ), Seq: seq, Ack: ack, TTL: 64}
		if typ == packet.SYNACK {
			s.Src, s.Dst = server, client
		}
		return s
	}
	back := func(s packet.Segment) packet.Segment { s.Src, s.Dst = s.Dst, s.Src; return s }
	var got followed
	table := New(new(signature.DB), Config{Recent: 10}, nil)
	table.Follow(func(func(*event.Observation)) Follower { return &got }, nil)
	at := int64(0)
	for _, in := range []struct {
		s    packet.Segment
		data string
	}{
		{seg(packet.ACK, 101, 501), "forged"},
		{seg(packet.SYN, 100, 0), ""},
		{seg(packet.SYNACK, 500, 101), ""},
		{seg(packet.ACK, 101, 777), "wrong number"},
		{seg(packet.ACK, 101, 501), ""},
		{seg(packet.ACK, 101, 501), ""}, // again
		{back(seg(packet.ACK, 501, 101)), "220 "},
		{seg(packet.ACK, 101, 505), "QUIT"},
		{seg(packet.FINACK, 105, 505), ""},
		{seg(packet.SYN, 900, 0), ""}, // the next one between the same ends
		{seg(packet.SYNACK, 300, 901), ""},
		{seg(packet.ACK, 901, 301), ""},
	} {
		at++
		in.s.PayloadLen = uint16(len(in.data))
		table.Frame(at)
		table.Update(&in.s, []byte(in.data))
	}
	table.Unfollow()
	want := []string{
		`40000>25 "forged"`, `25>40000 ""`, `40000>25 "wrong number"`, `open 40000 100 500 at 5`, `40000>25 ""`, `40000>25 ""`,
		`25>40000 "220 "`, `40000>25 "QUIT"`, `40000>25 ""`, `25>40000 ""`, `open 40000 900 300 at 12`, `40000>25 ""`, "close",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", []string(got), want)
	}
	New(new(signature.DB), Config{}, nil).Unfollow() // without one nothing happens
}
