package signature

import (
	"strings"
	"testing"

	"github.com/mxprint/mxprint/packet"
)

// TestAppendRaw holds the printed form of p0f-v3.md §3.4.
func TestAppendRaw(t *testing.T) {
	set := func(edit func(*packet.Segment)) packet.Segment { s := linuxSYN(); edit(&s); return s }
	for _, tt := range []struct {
		name string
		seg  packet.Segment
		mult Multiple
		want string
	}{
		{"Linux", linuxSYN(), Multiple{WindowMSS, 4}, "4:60+4:0:1460:mss*4,7:mss,sok,ts,nop,ws:df,id+:0"},
		{"window as a number", linuxSYN(), Multiple{}, "4:60+4:0:1460:5840,7:mss,sok,ts,nop,ws:df,id+:0"},
		{"window of the MTU", linuxSYN(), Multiple{WindowMTU, 32767}, "4:60+4:0:1460:mtu*32767,7:mss,sok,ts,nop,ws:df,id+:0"},
		{"nothing at all", packet.Segment{Version: 4}, Multiple{}, "4:0+32:0:0:0,0:::0"},
		{"guess 35", set(func(s *packet.Segment) { s.TTL = 93 }), Multiple{}, "4:93+35:0:1460:5840,7:mss,sok,ts,nop,ws:df,id+:0"},
		{"guess 36", set(func(s *packet.Segment) { s.TTL = 92 }), Multiple{}, "4:92+?:0:1460:5840,7:mss,sok,ts,nop,ws:df,id+:0"},
		{"IPv6, IP options, payload", set(func(s *packet.Segment) { s.Version, s.Quirks, s.IPOptLen, s.PayloadLen = 6, packet.QuirkFlow, 40, 1 }), Multiple{}, "6:60+4:40:1460:5840,7:mss,sok,ts,nop,ws:flow:+"},
		{"MSS of the probe on a SYN", set(func(s *packet.Segment) { s.MSS = 1331 }), Multiple{}, "4:60+4:0:1331:5840,7:mss,sok,ts,nop,ws:df,id+:0"},
		{"MSS of the probe on a SYN+ACK", set(func(s *packet.Segment) { s.MSS, s.Type = 1331, packet.SYNACK }), Multiple{}, "4:60+4:0:*:5840,7:mss,sok,ts,nop,ws:df,id+:0"},
		{"all options", set(func(s *packet.Segment) { s.Layout = layoutOf(1, 2, 3, 4, 5, 8, 6, 254, 0); s.Layout.EOLPad = 9 }), Multiple{}, "4:60+4:0:1460:5840,7:nop,mss,ws,sok,sack,ts,?6,?254,eol+9:df,id+:0"},
		{"all quirks", set(func(s *packet.Segment) { s.Quirks = packet.QuirkBad<<1 - 1 }), Multiple{}, "4:60+4:0:1460:5840,7:mss,sok,ts,nop,ws:df,id+,id-,ecn,0+,flow,seq-,ack+,ack-,uptr+,urgf+,pushf+,ts1-,ts2+,opt+,exws,bad:0"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := string(AppendRaw(nil, &tt.seg, tt.mult)); got != tt.want {
				t.Errorf("AppendRaw =\n%s, want\n%s", got, tt.want)
			}
		})
	}
	seg := linuxSYN()
	if got := string(AppendRaw([]byte("sig="), &seg, Multiple{})); !strings.HasPrefix(got, "sig=4:60") {
		t.Errorf("AppendRaw behind text = %q", got)
	}
}

// TestRawIsASignature: what is printed of a segment, read as a signature,
// matches that segment exactly. The observed TTL and the guess add up.
func TestRawIsASignature(t *testing.T) {
	for _, edit := range []func(*packet.Segment){
		func(*packet.Segment) {},
		func(s *packet.Segment) { s.TTL = 1 },
		func(s *packet.Segment) { s.Version, s.Quirks = 6, packet.QuirkFlow|packet.QuirkECN|packet.QuirkTS1Zero },
		func(s *packet.Segment) { s.Layout = layoutOf(1, 7, 0); s.Layout.EOLPad = 30 },
		func(s *packet.Segment) { s.PayloadLen, s.IPOptLen = 100, 8 },
		func(s *packet.Segment) { s.Window, s.MSS, s.Scale = 65535, 536, 255 },
	} {
		s := linuxSYN()
		edit(&s)
		mult := MultipleOf(&s, 0)
		raw := string(AppendRaw(nil, &s, mult))
		db := parse(t, tcpHead+"sig = "+raw+"\n")
		m := db.Match(Request, &s, 0)
		if m.Sig == nil || m.Fuzzy || m.Distance != GuessDistance(s.TTL) {
			t.Errorf("%s matches its own segment: %+v, want an exact match at distance %d", raw, m, GuessDistance(s.TTL))
		}
	}
}
