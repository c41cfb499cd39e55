package signature

import (
	"strings"
	"testing"

	"github.com/mxprint/mxprint/packet"
)

// matchHead declares what the databases of the tests use: U is a program.
const matchHead = "classes = unix\n[tcp:request]\n"

// linuxSYN is the SYN that most signatures of the tests are made for: IPv4, TTL
// 60, MSS 1460, window 4 times that, scale 7, DF and an ID.
func linuxSYN() packet.Segment {
	return packet.Segment{
		Version: 4, Type: packet.SYN, Flags: packet.FlagSYN, TTL: 60, MSS: 1460, Window: 5840, Scale: 7, TS1: 1,
		HeaderLen: 60, Quirks: packet.QuirkDF | packet.QuirkIDNonZero, Layout: layoutOf(2, 4, 8, 1, 3),
	}
}

// labels of the signatures of a test: s = specific, g = generic, u = program.
func matchDB(t testing.TB, sigs ...string) *DB {
	t.Helper()
	var b strings.Builder
	b.WriteString(matchHead)
	for i, s := range sigs {
		kind, sig, _ := strings.Cut(s, " ")
		name := string(rune('A' + i))
		switch kind {
		case "s":
			b.WriteString("label = s:unix:" + name + ":\n")
		case "g":
			b.WriteString("label = g:unix:" + name + ":\n")
		case "u":
			b.WriteString("label = s:!:" + name + ":\nsys =\n")
		case "gu":
			b.WriteString("label = g:!:" + name + ":\nsys =\n")
		}
		b.WriteString("sig = " + sig + "\n")
	}
	return parse(t, b.String())
}

// TestMatch has a row or more for every rule of p0f-v3.md §3.3. want is the name
// of the label, A for the first signature; fuzzy follows a "~".
func TestMatch(t *testing.T) {
	const exact = "*:64:0:*:mss*4,7:mss,sok,ts,nop,ws:df,id+:0"
	set := func(edit func(*packet.Segment)) packet.Segment { s := linuxSYN(); edit(&s); return s }
	linux := linuxSYN()
	v6 := set(func(s *packet.Segment) { s.Version, s.Quirks = 6, 0 })
	sub := func(old, new string) string { return strings.Replace(exact, old, new, 1) }
	for _, tt := range []struct {
		name string
		sigs []string
		seg  packet.Segment
		want string
		dist int
	}{
		{"exact", []string{"s " + exact}, linux, "A", 4},
		{"no signatures", nil, linux, "", 4},

		// 1. The layout.
		{"layout", []string{"s " + sub("mss,sok", "sok,mss")}, linux, "", 4},
		{"layout, one option less", []string{"s " + sub(",ws", "")}, linux, "", 4},
		{"layout by number", []string{"s " + sub("mss,sok", "?2,?4")}, linux, "A", 4},
		{"padding", []string{"s " + sub("nop,ws", "eol+2")}, set(func(s *packet.Segment) { s.Layout = layoutOf(2, 4, 8, 0); s.Layout.EOLPad = 3 }), "", 4},

		// 2. Quirks: df and id+ may be missing, id- and ecn may be added.
		{"df and id+ missing", []string{"s " + exact}, set(func(s *packet.Segment) { s.Quirks = 0 }), "A~", 4},
		{"id+ missing", []string{"s " + exact}, set(func(s *packet.Segment) { s.Quirks = packet.QuirkDF }), "A~", 4},
		{"ecn added", []string{"s " + exact}, set(func(s *packet.Segment) { s.Quirks |= packet.QuirkECN }), "A~", 4},
		{"id- added for df,id+", []string{"s " + exact}, set(func(s *packet.Segment) { s.Quirks = packet.QuirkIDZero }), "A~", 4},
		{"seq- added", []string{"s " + exact}, set(func(s *packet.Segment) { s.Quirks |= packet.QuirkSeqZero }), "", 4},
		{"df added", []string{"s " + sub("df,id+", "")}, linux, "", 4},
		{"ecn missing", []string{"s " + sub("df,id+", "df,id+,ecn")}, linux, "", 4},
		{"bad missing", []string{"s " + sub("df,id+", "df,id+,bad")}, linux, "", 4},

		// Masks: only signatures for any version leave out the other's quirks.
		{"df masked for IPv6", []string{"s " + exact}, v6, "A", 4},
		{"id- masked for IPv6", []string{"s " + sub("df,id+", "id-")}, v6, "A", 4},
		{"0+ is not masked for IPv6", []string{"s " + sub("df,id+", "0+")}, v6, "", 4},
		{"flow masked for IPv4", []string{"s " + sub("df,id+", "df,id+,flow")}, linux, "A", 4},
		{"a flow label defeats *", []string{"s " + exact}, set(func(s *packet.Segment) { s.Version, s.Quirks = 6, packet.QuirkFlow }), "", 4},
		{"flow in the signature", []string{"s " + sub("df,id+", "df,id+,flow")}, set(func(s *packet.Segment) { s.Version, s.Quirks = 6, packet.QuirkFlow }), "A", 4},
		{"df of version 4 is not masked", []string{"s 4" + exact[1:]}, v6, "A~", 4},
		{"flow of version 6 is not masked", []string{"s 6:64:0:*:mss*4,7:mss,sok,ts,nop,ws:flow:0"}, set(func(s *packet.Segment) { s.Quirks = 0 }), "", 4},

		// The version itself does not count.
		{"4: takes IPv6", []string{"s 4:64:0:*:mss*4,7:mss,sok,ts,nop,ws::0"}, v6, "A", 4},
		{"6: takes IPv4", []string{"s 6:64:0:*:mss*4,7:mss,sok,ts,nop,ws::0"}, set(func(s *packet.Segment) { s.Quirks = 0 }), "A", 4},

		// 3. IP options.
		{"IP options", []string{"s " + exact}, set(func(s *packet.Segment) { s.IPOptLen = 4 }), "", 4},
		{"IP options of the signature", []string{"s " + sub(":0:*", ":8:*")}, set(func(s *packet.Segment) { s.IPOptLen = 8 }), "A", 4},

		// 4. TTL.
		{"TTL as sent", []string{"s " + exact}, set(func(s *packet.Segment) { s.TTL = 64 }), "A", 0},
		{"distance 35", []string{"s " + exact}, set(func(s *packet.Segment) { s.TTL = 29 }), "A", 35},
		{"distance 36 is fuzzy, and a guess", []string{"s " + exact}, set(func(s *packet.Segment) { s.TTL = 28 }), "A~", 4},
		{"TTL too high is fuzzy, and a guess", []string{"s " + exact}, set(func(s *packet.Segment) { s.TTL = 65 }), "A~", 63},
		{"random TTL", []string{"s " + sub("64", "64-")}, set(func(s *packet.Segment) { s.TTL = 1 }), "A", 63},
		{"random TTL too high", []string{"s " + sub("64", "64-")}, set(func(s *packet.Segment) { s.TTL = 65 }), "", 63},
		{"random TTL, fuzzy by quirk", []string{"s " + sub("64", "64-")}, set(func(s *packet.Segment) { s.TTL = 20; s.Quirks |= packet.QuirkECN }), "A~", 44},

		// 5. MSS, scale, payload.
		{"MSS", []string{"s " + sub("0:*:", "0:1400:")}, linux, "", 4},
		{"MSS equal", []string{"s " + sub("0:*:", "0:1460:")}, linux, "A", 4},
		{"scale", []string{"s " + sub(",7", ",8")}, linux, "", 4},
		{"any scale", []string{"s " + sub(",7", ",*")}, linux, "A", 4},
		{"payload unexpected", []string{"s " + exact}, set(func(s *packet.Segment) { s.PayloadLen = 1 }), "", 4},
		{"payload expected", []string{"s " + exact[:len(exact)-1] + "+"}, linux, "", 4},
		{"payload there", []string{"s " + exact[:len(exact)-1] + "+"}, set(func(s *packet.Segment) { s.PayloadLen = 1 }), "A", 4},
		{"any payload", []string{"s " + exact[:len(exact)-1] + "*"}, set(func(s *packet.Segment) { s.PayloadLen = 1 }), "A", 4},

		// 6. Window.
		{"window, number", []string{"s " + sub("mss*4", "5840")}, linux, "A", 4},
		{"window, another number", []string{"s " + sub("mss*4", "5841")}, linux, "", 4},
		{"window, divisor", []string{"s " + sub("mss*4", "%584")}, linux, "A", 4},
		{"window, no divisor", []string{"s " + sub("mss*4", "%1024")}, linux, "", 4},
		{"window 0 is divisible", []string{"s " + sub("mss*4", "%1024")}, set(func(s *packet.Segment) { s.Window = 0 }), "A", 4},
		{"window, other multiple", []string{"s " + sub("mss*4", "mss*5")}, linux, "", 4},
		{"window, other unit", []string{"s " + sub("mss*4", "mtu*4")}, linux, "", 4},
		{"window, MTU", []string{"s " + sub("mss*4", "mtu*4")}, set(func(s *packet.Segment) { s.Window = 6000 }), "A", 4},
		{"any window", []string{"s " + sub("mss*4", "*")}, set(func(s *packet.Segment) { s.Window = 1 }), "A", 4},

		// 7. Order, and who wins.
		{"the first specific wins", []string{"s " + sub("mss*4", "5840"), "s " + sub("mss*4", "*")}, linux, "A", 4},
		{"a specific later beats a generic", []string{"g " + exact, "s " + exact}, linux, "B", 4},
		{"the first generic of two", []string{"g " + exact, "g " + sub("mss*4", "*")}, linux, "A", 4},
		{"a generic beats a fuzzy", []string{"s " + sub("df,id+", "df"), "s " + sub("64", "40"), "g " + exact}, linux, "C", 4},
		{"an exact beats a fuzzy before it", []string{"s " + sub("64", "40"), "s " + exact}, linux, "B", 4},
		{"the first fuzzy of two", []string{"s " + sub("64", "50"), "s " + sub("64", "40")}, linux, "A~", 4},
		{"a generic fuzzy counts as any fuzzy", []string{"g " + sub("64", "40"), "s " + sub("64", "50")}, linux, "A~", 4},
		{"after a fuzzy, quirks must agree", []string{"s " + sub("64", "40"), "s " + exact}, set(func(s *packet.Segment) { s.Quirks = packet.QuirkDF }), "A~", 4},

		// Programs.
		{"program", []string{"u " + exact}, linux, "A", 4},
		{"fuzzy program is no match, at distance 0", []string{"u " + exact}, set(func(s *packet.Segment) { s.Quirks = packet.QuirkDF }), "", 0},
		{"fuzzy generic program too", []string{"gu " + exact}, set(func(s *packet.Segment) { s.Quirks = packet.QuirkDF }), "", 0},
		{"fuzzy program hides a fuzzy system", []string{"u " + sub("64", "50"), "s " + sub("64", "40")}, linux, "", 0},
		{"fuzzy program does not hide an exact system", []string{"u " + sub("64", "50"), "s " + exact}, linux, "B", 4},
		{"fuzzy program does not hide a generic system", []string{"u " + sub("64", "50"), "g " + exact}, linux, "B", 4},
		{"generic program", []string{"gu " + exact}, linux, "A", 4},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := matchDB(t, tt.sigs...).Match(Request, &tt.seg, 0)
			got := ""
			if m.Sig != nil {
				got = m.Sig.Label.Name
				if m.Generic() != m.Sig.Label.Generic {
					t.Errorf("Generic() = %v of a label with Generic %v", m.Generic(), m.Sig.Label.Generic)
				}
			} else if m.Generic() {
				t.Error("Generic() is true of no match")
			}
			if m.Fuzzy {
				got += "~"
			}
			if got != tt.want || m.Distance != tt.dist {
				t.Errorf("Match = %q, distance %d; want %q, %d", got, m.Distance, tt.want, tt.dist)
			}
		})
	}
}

// TestMatchDirections: the two directions have nothing to do with each other,
// and only a SYN+ACK knows the peer's MSS.
func TestMatchDirections(t *testing.T) {
	db := parse(t, matchHead+"label = s:unix:Q:\nsig = *:64:0:*:mss*3,*:mss::0\n"+
		"[tcp:response]\nlabel = s:unix:R:\nsig = *:64:0:*:mss*3,*:mss::0\n")
	s := packet.Segment{Version: 4, TTL: 64, MSS: 1399, Window: 1337 * 3, HeaderLen: 44, Layout: layoutOf(packet.OptMSS)}
	if m := db.Match(Request, &s, 0); m.Sig != nil {
		t.Errorf("Match of a SYN = %v, want none: the window is no multiple", m.Sig.Label.Name)
	}
	m := db.Match(Response, &s, 1337)
	if m.Sig == nil || m.Sig.Label.Name != "R" || (m.Multiple != Multiple{WindowMSS, 3}) {
		t.Errorf("Match of a SYN+ACK = %+v, want R with mss*3", m)
	}
}

// TestCovered holds the rule of p0f-v3.md §2.6, its oddities included.
func TestCovered(t *testing.T) {
	const x = "4:64:0:1460:5840,7:mss,nop,ws:df,id+:0"
	sub := func(old, new string) string { return strings.Replace(x, old, new, 1) }
	for _, tt := range []struct {
		name          string
		first, second string
		covered       bool
	}{
		{"equal, version 4", x, x, true},
		{"equal, any version, with df", "*" + x[1:], "*" + x[1:], false}, // odd
		{"equal, any version, with id-", "*" + sub("df,id+", "id-")[1:], "*" + sub("df,id+", "id-")[1:], false},
		{"equal, any version, with ecn", "*" + sub("df,id+", "ecn")[1:], "*" + sub("df,id+", "ecn")[1:], true},
		{"equal, any version, without quirks", "*" + sub("df,id+", "")[1:], "*" + sub("df,id+", "")[1:], true},
		{"6 covers 4", "6:64:0:*:1,0:mss::0", "4:64:0:*:1,0:mss::0", true}, // odd
		{"* covers 4", "*" + x[1:], x, true},
		{"4 covers *", x, "*" + x[1:], true},
		{"flow of * is not left out", "*:64:0:*:1,0:mss:flow:0", "*:64:0:*:1,0:mss:flow:0", true},
		{"another scale", x, sub(",7", ",6"), false},
		{"any scale covers", sub(",7", ",*"), x, true},
		{"any scale is not covered", x, sub(",7", ",*"), false},
		{"any MSS covers", sub("1460", "*"), x, true},
		{"any MSS is not covered", x, sub("1460", "*"), false},
		{"any MSS covers any", sub("1460", "*"), sub("1460", "*"), true},
		{"any payload covers", x[:len(x)-1] + "*", x, true},
		{"any payload is not covered", x, x[:len(x)-1] + "*", false},
		{"any window covers", sub("5840", "*"), x, true},
		{"any window is not covered", x, sub("5840", "*"), false},
		{"mss*4 covers the number", sub("5840", "mss*4"), x, true},
		{"mss*5 does not", sub("5840", "mss*5"), x, false},
		{"mss*4 with any MSS does not", "4:64:0:*:mss*4,0:mss::0", "4:64:0:*:5840,0:mss::0", false},
		{"mss*4 with MSS 99 does not", "4:64:0:99:mss*4,0:mss::0", "4:64:0:99:396,0:mss::0", false},
		{"mss*4 with MSS 100 does", "4:64:0:100:mss*4,0:mss::0", "4:64:0:100:400,0:mss::0", true},
		{"mtu*4 covers the number", sub("5840", "mtu*4"), sub("5840", "6000"), true},
		{"%1460 covers the number", sub("5840", "%1460"), x, true},
		{"%1000 does not", sub("5840", "%1000"), x, false},
		{"%2 does not cover mss*4", sub("5840", "%2"), sub("5840", "mss*4"), false},
		{"* does not cover mss*4", sub("5840", "*"), sub("5840", "mss*4"), false},
		{"mss*4 covers itself", sub("5840", "mss*4"), sub("5840", "mss*4"), true},
		{"mss*4 does not cover mtu*4", sub("5840", "mss*4"), sub("5840", "mtu*4"), false},
		{"lower TTL in reach", x, sub(":64", ":29"), true},
		{"lower TTL out of reach", x, sub(":64", ":28"), false},
		{"higher TTL", x, sub(":64", ":65"), false},
		{"random TTL reaches all", sub(":64", ":64-"), sub(":64", ":1"), true},
		{"random TTL does not reach up", sub(":64", ":64-"), sub(":64", ":65"), false},
		{"quirks in another order", x, sub("df,id+", "id+,df"), true},
		{"a quirk less", x, sub("df,id+", "df"), false},
		{"a quirk more", x, sub("df,id+", "df,id+,ecn"), false},
		{"another layout", x, sub("mss,nop", "nop,mss"), false},
		{"another padding", "4:64:0:*:1,0:mss,eol+1::0", "4:64:0:*:1,0:mss,eol+2::0", false},
		{"other IP options", x, sub(":0:1460", ":4:1460"), false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			text := tcpHead + "sig = " + tt.first + "\nlabel = s:c:Other:\nsig = " + tt.second + "\n"
			_, err := Parse(strings.NewReader(text), "x.fp")
			want := "x.fp:6:1: signature is already covered by line 4: "
			if got := err != nil && strings.HasPrefix(err.Error(), want); got != tt.covered || !tt.covered && err != nil {
				t.Errorf("%s after %s: %v, want covered %v", tt.second, tt.first, err, tt.covered)
			}
		})
	}
	t.Run("a generic covers nothing, but can be covered", func(t *testing.T) {
		generic := "classes = c\n[tcp:request]\nlabel = g:c:N:f\nsig = " + x + "\nsig = " + x + "\nlabel = s:c:N:g\nsig = " + x + "\n"
		if got := parse(t, generic).Count(); got != 3 {
			t.Errorf("%d signatures, want 3", got)
		}
		_, err := Parse(strings.NewReader(generic+"label = g:c:N:h\nsig = "+x+"\n"), "x.fp")
		if err == nil || !strings.HasPrefix(err.Error(), "x.fp:9:1: signature is already covered by line 7") {
			t.Errorf("a generic after a specific: %v, want it covered by line 7", err)
		}
	})
	t.Run("directions are apart", func(t *testing.T) {
		if got := parse(t, tcpHead+"sig = "+x+"\n[tcp:response]\nlabel = s:c:N:f\nsig = "+x+"\n").Count(); got != 2 {
			t.Errorf("%d signatures, want 2", got)
		}
	})
}

func TestHTTPCovered(t *testing.T) {
	for _, tt := range []struct {
		name          string
		first, second string
		covered       bool
	}{
		{"equal", "1:Host,Via::", "1:Host,Via::", true},
		{"another version", "1:Host::", "0:Host::", false},
		{"any version covers", "*:Host::", "0:Host::", true},
		{"any version is not covered", "1:Host::", "*:Host::", false},
		{"fewer headers cover", "1:Host::", "1:Accept,Host,Via::", true},
		{"another order", "1:Host,Via::", "1:Via,Host::", false},
		{"more forbidden before", "1:Host:Via:", "1:Host::", false},
		{"more forbidden after", "1:Host::", "1:Host:Via:", true},
		{"forbidden, and wanted later", "1:Host:Via:", "1:Host,Via:Via:", false},
		{"software does not count", "1:Host::a", "1:Host::b", true},
		{"value does not cover none", "1:Host=[a]::", "1:Host::", false},
		{"none covers a value", "1:Host::", "1:Host=[a]::", true},
		{"part of a value covers", "1:Host=[a]::", "1:Host=[xay]::", true},
		{"optional and absent", "1:?Via,Host::", "1:Host::", true},
		{"optional and out of order", "1:Host,?Via::", "1:Via,Host::", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Parse(strings.NewReader(httpHead+"sig = "+tt.first+"\nsig = "+tt.second+"\n"), "x.fp")
			want := "x.fp:6:1: signature is already covered by line 5: "
			if got := err != nil && strings.HasPrefix(err.Error(), want); got != tt.covered || !tt.covered && err != nil {
				t.Errorf("%s after %s: %v, want covered %v", tt.second, tt.first, err, tt.covered)
			}
		})
	}
}

func TestMatchAllocatesNothing(t *testing.T) {
	db := Builtin()
	segs := []packet.Segment{linuxSYN(), {}, {Version: 6, TTL: 64, Layout: layoutOf(2)}}
	if n := testing.AllocsPerRun(100, func() {
		for i := range segs {
			db.Match(Request, &segs[i], 0)
			db.Match(Response, &segs[i], 1460)
		}
	}); n != 0 {
		t.Errorf("Match makes %v allocations, want 0", n)
	}
	raw := make([]byte, 0, 256)
	if n := testing.AllocsPerRun(100, func() {
		for i := range segs {
			raw = AppendRaw(raw[:0], &segs[i], Multiple{})
		}
	}); n != 0 {
		t.Errorf("AppendRaw makes %v allocations, want 0", n)
	}
}

func BenchmarkMatch(b *testing.B) {
	unknown := linuxSYN()
	unknown.Quirks |= packet.QuirkSeqZero
	strange := linuxSYN()
	strange.Layout = layoutOf(9, 9, 9)
	linux := linuxSYN()
	linux.Window = 64240
	for _, tt := range []struct {
		name string
		seg  packet.Segment
	}{
		{"Linux", linux},
		{"unknown", unknown},
		{"unknown layout", strange},
	} {
		b.Run(tt.name, func(b *testing.B) {
			db := Builtin()
			b.ReportAllocs()
			for b.Loop() {
				db.Match(Request, &tt.seg, 0)
			}
		})
	}
}

// TestMatchIsTheWalk holds the index by layout to the walk through all
// signatures, with packets made for each built-in signature and then changed
// in one place.
func TestMatchIsTheWalk(t *testing.T) {
	db := Builtin()
	matched, fuzzy, none := 0, 0, 0
	check := func(dir Direction, s packet.Segment) {
		m, want := db.Match(dir, &s, 0), walk(db.tcp[dir].sigs, &s, 0)
		if m.Sig != want.Sig || m.Fuzzy != want.Fuzzy || m.Distance != want.Distance {
			t.Errorf("Match(%s) = %+v, the walk = %+v", AppendRaw(nil, &s, m.Multiple), m, want)
		}
		switch {
		case m.Fuzzy:
			fuzzy++
		case m.Sig != nil:
			matched++
		default:
			none++
		}
	}
	for _, dir := range []Direction{Request, Response} {
		for i := range db.tcp[dir].sigs {
			for _, version := range []uint8{4, 6} {
				base := segmentOf(&db.tcp[dir].sigs[i], version)
				for _, ttl := range []int{0, -1, -35, -36, -37, -40, -44, 1, 2, 3, 9} {
					s := base
					s.TTL = uint8(int(s.TTL) + ttl)
					check(dir, s)
				}
				for bit := range 17 {
					s := base
					s.Quirks ^= 1 << bit
					check(dir, s)
				}
				for _, edit := range []func(*packet.Segment){
					func(s *packet.Segment) { s.Window++ },
					func(s *packet.Segment) { s.MSS -= 12 },
					func(s *packet.Segment) { s.Scale++ },
					func(s *packet.Segment) { s.IPOptLen += 4 },
					func(s *packet.Segment) { s.PayloadLen++ },
					func(s *packet.Segment) { s.Layout.EOLPad++ },
				} {
					s := base
					edit(&s)
					check(dir, s)
				}
			}
		}
	}
	if matched < 1000 || fuzzy < 1000 || none < 1000 {
		t.Errorf("%d exact, %d fuzzy, %d no matches: too few", matched, fuzzy, none)
	}
}

// segmentOf makes a packet of an IP version that a signature describes.
func segmentOf(sig *TCP, version uint8) packet.Segment {
	s := packet.Segment{
		Version: version, TTL: uint8(sig.TTL), IPOptLen: uint8(sig.IPOptLen), MSS: 1460, Layout: sig.Layout,
		HeaderLen: 60, Quirks: sig.quirksFor(version),
	}
	if sig.MSS != Any {
		s.MSS = uint16(sig.MSS)
	}
	if sig.Scale != Any {
		s.Scale = uint8(sig.Scale)
	}
	if sig.Payload == 1 {
		s.PayloadLen = 1
	}
	if sig.ext != nil && sig.ext.scales != nil {
		for n := 255; n >= 0; n-- {
			if sig.ext.scales.has(n) {
				s.Scale = uint8(n)
			}
		}
	}
	switch sig.Kind {
	case WindowEqual:
		s.Window = uint16(sig.Window)
	case WindowModulo:
		s.Window = uint16(sig.Window * (65535 / sig.Window))
	case WindowMSS:
		s.Window = s.MSS * uint16(sig.Window)
	case WindowMTU:
		s.Window = (s.MSS + 40) * uint16(sig.Window)
	case windowTerms:
		switch w := sig.ext.windows[0]; w.kind {
		case windowFit:
			s.Window = uint16(fitted(w.top, int(s.MSS)))
		case windowSeg:
			s.Window = uint16(segments(w.low, int(s.MSS)))
		case WindowModulo:
			s.Window = 0
		case WindowMSS:
			s.Window = s.MSS * uint16(w.low)
		case WindowMTU:
			s.Window = (s.MSS + 40) * uint16(w.low)
		default:
			s.Window = uint16(w.low)
		}
	}
	return s
}

// TestWithoutProbes: field case 21. The options of WAN optimisers are removed
// for signatures beyond p0f's language, and said to be a box's; to p0f's own
// signatures the segment is unknown, as to p0f.
func TestWithoutProbes(t *testing.T) {
	const p0f, ours = "sig = *:128:0:*:8192,8:mss,nop,ws,nop,nop,sok:df,id+:0\n", "sig = *:128:0:*:8192,8:mss,nop,ws,nop,nop,sok:df,id+?:0\n"
	for _, tt := range []struct {
		name, sig, layout string
		want              bool
	}{
		{"two of 76, and padding", ours, "mss,nop,ws,nop,nop,sok,?76,?76,nop,eol+0", true},
		{"76 and 78", ours, "mss,nop,ws,nop,nop,sok,?76,?78", true},
		{"33 of WAAS", ours, "mss,nop,ws,nop,nop,sok,?33", true},
		{"in the middle", ours, "mss,nop,ws,nop,nop,?76,sok,nop,nop", true},
		{"another kind", ours, "mss,nop,ws,nop,nop,sok,?77,?77,nop,eol+0", false},
		{"something missing besides", ours, "mss,nop,ws,nop,nop,?76", false},
		{"p0f's language", p0f, "mss,nop,ws,nop,nop,sok,?76,?76,nop,eol+0", false},
	} {
		db, err := Parse(strings.NewReader("classes = win\n[tcp:request]\nlabel = s:win:Windows:\n"+tt.sig), "t")
		if err != nil {
			t.Fatal(err)
		}
		s, err := ParseRaw("4:121+7:0:1386:8192,8:" + tt.layout + ":df,id+:0")
		if err != nil {
			t.Fatal(err)
		}
		for name, m := range map[string]Match{"DB": db.Match(Request, &s, 0), "Matcher": viaMatcher(db, &s)} {
			if (m.Sig != nil) != tt.want || tt.want && m.Flags != Erased || m.Distance != 7 {
				t.Errorf("%s, %s: %+v, want a match: %v, with the options erased", tt.name, name, m, tt.want)
			}
		}
		if n := testing.AllocsPerRun(100, func() { db.Match(Request, &s, 0) }); n != 0 {
			t.Errorf("%s: %v allocations, want 0", tt.name, n)
		}
	}
}

func viaMatcher(db *DB, s *packet.Segment) (m Match) {
	NewMatcher(db).Match(Request, s, 0, &m)
	return m
}
