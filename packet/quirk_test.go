package packet

import (
	"encoding/binary"
	"testing"
)

// TestQuirks has a row for every way a quirk of p0f v3 §1.7 comes about, and
// for what comes close. Quirks of options are TestOptions'.
func TestQuirks(t *testing.T) {
	word := func(b []byte, at int, v uint16) { binary.BigEndian.PutUint16(b[at:], v) }
	long := func(b []byte, at int, v uint32) { binary.BigEndian.PutUint32(b[at:], v) }
	tcp4, tcp6 := 20, 40
	for _, tt := range []struct {
		name string
		v6   bool
		edit func([]byte)
		want Quirks
	}{
		{"DF and an ID", false, func(b []byte) {}, DF | IDNonZero},
		{"DF, ID 0", false, func(b []byte) { word(b, 4, 0) }, DF},
		{"no DF, ID 0", false, func(b []byte) { word(b, 4, 0); word(b, 6, 0) }, IDZero},
		{"no DF, an ID", false, func(b []byte) { word(b, 6, 0) }, 0},
		{"reserved flag", false, func(b []byte) { word(b, 6, 0xc000) }, DF | IDNonZero | MustBeZero},
		{"reserved flag alone", false, func(b []byte) { word(b, 6, 0x8000) }, MustBeZero},
		{"reserved flag alone, ID 0", false, func(b []byte) { word(b, 6, 0x8000); word(b, 4, 0) }, MustBeZero | IDZero},

		{"ECT(1)", false, func(b []byte) { b[1] = 1 }, DF | IDNonZero | ECN},
		{"ECT(0)", false, func(b []byte) { b[1] = 2 }, DF | IDNonZero | ECN},
		{"DSCP alone", false, func(b []byte) { b[1] = 4 }, DF | IDNonZero},
		{"ECE", false, func(b []byte) { b[tcp4+13] |= FlagECE }, DF | IDNonZero | ECN},
		{"CWR", false, func(b []byte) { b[tcp4+13] |= FlagCWR }, DF | IDNonZero | ECN},
		{"NS", false, func(b []byte) { b[tcp4+12] |= 1 }, DF | IDNonZero | ECN},
		{"the other reserved bits of TCP", false, func(b []byte) { b[tcp4+12] |= 0x0e }, DF | IDNonZero},

		{"IPv6", true, func(b []byte) {}, 0},
		{"IPv6, flow label 1", true, func(b []byte) { b[3] = 1 }, Flow},
		{"IPv6, highest bit of the flow label", true, func(b []byte) { b[1] = 8 }, Flow},
		{"IPv6, DSCP alone", true, func(b []byte) { b[0], b[1] = 0x6f, 0xc0 }, 0},
		{"IPv6, ECT", true, func(b []byte) { b[1] = 0x20 }, ECN},
		{"IPv6, lowest ECN bit", true, func(b []byte) { b[1] = 0x10 }, ECN},

		{"sequence number 0", true, func(b []byte) { long(b, tcp6+4, 0) }, SeqZero},
		{"sequence number with low bytes 0", true, func(b []byte) { long(b, tcp6+4, 0x01000000) }, 0},

		// Without ACK, p0f looks at bit 24 of the number alone.
		{"ack 1", true, func(b []byte) { long(b, tcp6+8, 1) }, 0},
		{"ack 0x100", true, func(b []byte) { long(b, tcp6+8, 0x100) }, 0},
		{"ack 0x10000", true, func(b []byte) { long(b, tcp6+8, 0x10000) }, 0},
		{"ack 0x02000000", true, func(b []byte) { long(b, tcp6+8, 0x02000000) }, 0},
		{"ack 0xfeffffff", true, func(b []byte) { long(b, tcp6+8, 0xfeffffff) }, 0},
		{"ack 0x01000000", true, func(b []byte) { long(b, tcp6+8, 0x01000000) }, AckNonZero},
		{"ack 0x03000000", true, func(b []byte) { long(b, tcp6+8, 0x03000000) }, AckNonZero},
		{"ack 0xffffffff", true, func(b []byte) { long(b, tcp6+8, 0xffffffff) }, AckNonZero},
		{"ack 0xffffffff with FIN", true, func(b []byte) { b[tcp6+13] = FlagFIN; long(b, tcp6+8, 0xffffffff) }, AckNonZero},
		{"ack 0xffffffff with RST", true, func(b []byte) { b[tcp6+13] = FlagRST; long(b, tcp6+8, 0xffffffff) }, 0},
		{"ack 0xffffffff with ACK", true, func(b []byte) { b[tcp6+13] |= FlagACK; long(b, tcp6+8, 0xffffffff) }, 0},
		{"ACK with number 0", true, func(b []byte) { b[tcp6+13] |= FlagACK }, AckZero},
		{"RST and ACK with number 0", true, func(b []byte) { b[tcp6+13] = FlagRST | FlagACK }, AckZero},

		{"urgent pointer", true, func(b []byte) { word(b, tcp6+18, 1) }, UrgPtr},
		{"URG with a pointer", true, func(b []byte) { b[tcp6+13] |= FlagURG; word(b, tcp6+18, 1) }, URG},
		{"URG without a pointer", true, func(b []byte) { b[tcp6+13] |= FlagURG }, URG},
		{"PSH", true, func(b []byte) { b[tcp6+13] |= FlagPSH }, PSH},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := syn4()
			if tt.v6 {
				b = syn6()
			}
			tt.edit(b)
			if s := decode(t, b); s.Quirks != tt.want {
				t.Errorf("Decode(%x).Quirks = %s, want %s", b, quirkNames(s.Quirks), quirkNames(tt.want))
			}
		})
	}
}

func TestQuirkNames(t *testing.T) {
	if got, want := 1<<len(QuirkNames)>>1, int(Bad); got != want {
		t.Errorf("the last name belongs to bit %#x, want %#x, the last quirk", got, want)
	}
	if got, want := quirkNames(DF|IDZero|MustBeZero|AckNonZero|PSH|OptNonZero|Bad), "df,id-,0+,ack+,pushf+,opt+,bad,"; got != want {
		t.Errorf("names = %q, want %q", got, want)
	}
}

func quirkNames(q Quirks) string {
	names := ""
	for i, n := range QuirkNames {
		if q&(1<<i) != 0 {
			names += n + ","
		}
	}
	return names
}
