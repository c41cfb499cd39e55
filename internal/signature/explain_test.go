package signature

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/mxprint/mxprint/packet"
)

// segments is a sequence of packets that come near the built-in signatures:
// their layouts, with values around those that they ask for.
func nearSegments(n int) []packet.Segment {
	r := rand.New(rand.NewPCG(4, 2026))
	db := Builtin()
	var all []packet.Segment
	for range n {
		dir := Direction(r.IntN(2))
		t := &db.tcp[dir].sigs[r.IntN(len(db.tcp[dir].sigs))]
		forms := t.forms()
		s := packet.Segment{
			Type: packet.SYN, Version: 4 + 2*uint8(r.IntN(2)), TTL: uint8(max(t.TTL-r.IntN(40), 0)), Layout: forms[r.IntN(len(forms))].layout,
			MSS: []uint16{1460, 1440, 1380, 536, 8960}[r.IntN(5)], Scale: uint8(r.IntN(15)), PayloadLen: uint16(r.IntN(10) / 9),
		}
		s.HeaderLen = headerLen(&s) // the multiple of a window may hang on it
		if hasTimestamp(&s.Layout) {
			s.TS1 = uint32(r.IntN(10))
		}
		s.Quirks = t.quirksFor(s.Version) | t.optionalFor(s.Version)&packet.Quirks(r.Uint32())
		if r.IntN(4) == 0 {
			s.Quirks ^= packet.QuirkDF << r.IntN(17)
		}
		if s.Version == 6 {
			s.Quirks &^= packet.QuirkDF | packet.QuirkIDNonZero | packet.QuirkIDZero | packet.QuirkMustBeZero
		} else {
			s.Quirks &^= packet.QuirkFlow
		}
		if s.TS1 == 0 && hasTimestamp(&s.Layout) {
			s.Quirks |= packet.QuirkTS1Zero
		} else {
			s.Quirks &^= packet.QuirkTS1Zero
		}
		list := t.windowList()
		if s.Window = uint16(r.Uint32()); len(list) > 0 && r.IntN(3) > 0 {
			w := list[r.IntN(len(list))]
			if s.Window = uint16(w.example(int(s.MSS), forms[0].ts)); s.Window == 0 {
				s.Window = uint16(w.low)
			}
		}
		all = append(all, s)
	}
	return all
}

// TestExplainAgrees: Explain finds no difference where a signature matches
// exactly, only fuzzy ones where it matches so, and others where it does not.
func TestExplainAgrees(t *testing.T) {
	db := Builtin()
	var count [exact + 1]int
	for _, s := range nearSegments(300) {
		for dir := range db.tcp {
			for i := range db.tcp[dir].sigs {
				sig := &db.tcp[dir].sigs[i]
				want := differs
				if f := formOf(sig, &s); f != nil {
					want, _ = sig.compare(&seen{&s, MultipleOf(&s, 0), 0}, entry{erased: f.erased, ts: f.ts})
				}
				got, near := exact, sig.Explain(&s, 0)
				for _, d := range near.Differences {
					if got == exact && d.Fuzzy {
						got = fuzzy
					} else if !d.Fuzzy {
						got = differs
					}
					if d.Want == "" || d.Has == "" || d.Field == "" {
						t.Errorf("%+v of %s says too little", d, sig.Text)
					}
				}
				if count[want]++; got != want || (near.weight == 0) != (want == exact) {
					t.Fatalf("Explain(%s) of %s = %+v, want verdict %d", AppendRaw(nil, &s, MultipleOf(&s, 0)), sig.Text, near.Differences, want)
				}
			}
		}
	}
	if count[exact] < 50 || count[fuzzy] < 10 {
		t.Errorf("%d exact, %d fuzzy, %d different: too few", count[exact], count[fuzzy], count[differs])
	}
}

// TestExplainOrder: what matches comes first, then what differs least; n bounds
// them.
func TestExplainOrder(t *testing.T) {
	db := parse(t, "classes = c\n[tcp:request]\nlabel = s:c:A:\nsig = *:255:0:1331:5,*:sack,ts:bad:+\n"+
		"label = s:c:B:\nsig = *:64:0:*:8192,{2,3}:mss:df:0\nlabel = s:c:C:\nsig = *:64:0:*:8192..9000|mss*4,7:mss:df:0\n"+
		"[tcp:response]\nlabel = s:c:D:\nsig = *:64:0:*:*,*:mss:df:0\n")
	s, err := ParseRaw("4:60+4:0:1460:8192,7:mss:df:0")
	if err != nil {
		t.Fatal(err)
	}
	var got strings.Builder
	for _, dir := range []Direction{Request, Response} {
		for _, n := range db.Explain(dir, &s, 0, 3) {
			fmt.Fprintf(&got, "%s %+v\n", n.Sig.Label.Name, n.Differences)
		}
	}
	want := "C []\nB [{Field:scale Want:{2,3} Has:7 Hint: Fuzzy:false}]\n" +
		"A [{Field:TTL Want:255 Has:60 Hint:wants 220 to 255 on arrival Fuzzy:true} {Field:MSS Want:1331 Has:1460 Hint: Fuzzy:false} " +
		"{Field:window Want:5 Has:8192 Hint: Fuzzy:false} {Field:options Want:sack,ts Has:mss Hint: Fuzzy:false} " +
		"{Field:quirks Want:bad Has:df Hint:lacks bad, should not have df Fuzzy:false} {Field:payload Want:+ Has:0 Hint: Fuzzy:false}]\nD []\n"
	if got.String() != want {
		t.Errorf("Explain =\n%swant\n%s", got.String(), want)
	}
	if len(db.Explain(Request, &s, 0, 2)) != 2 || len(db.Explain(Request, &s, 0, 0)) != 0 || len(db.Explain(Request, &s, 0, -1)) != 0 {
		t.Error("n does not bound the signatures")
	}
}

// TestRawRoundTrip: ParseRaw of what AppendRaw prints has the same raw
// signature and the same match.
func TestRawRoundTrip(t *testing.T) {
	for _, s := range nearSegments(2000) {
		m := Builtin().Match(Request, &s, 0)
		text := string(AppendRaw(nil, &s, m.Multiple))
		back, err := ParseRaw(text)
		if err != nil {
			t.Fatalf("ParseRaw(%s): %v", text, err)
		}
		m2 := Builtin().Match(Request, &back, 0)
		if again := string(AppendRaw(nil, &back, m2.Multiple)); again != text {
			t.Errorf("ParseRaw(%s) is %s", text, again)
		}
		if back.Window == s.Window && m2.Sig != m.Sig {
			t.Errorf("ParseRaw(%s) matches %v, want %v", text, m2.Sig, m.Sig)
		}
	}
}

func TestParseRawBad(t *testing.T) {
	var got strings.Builder
	for _, text := range []string{
		"", "hello", "*:64+0:0:1460:1024,0:mss::0", "4:256+0:0:1460:1024,0:mss::0", "4:+0:0:1460:1024,0:mss::0", "4:64+x:0:1460:1024,0:mss::0",
		"4:64+0:44:1460:1024,0:mss::0", "4:64+0:0:70000:1024,0:mss::0", "4:64+0:0:1460:*,0:mss::0", "4:64+0:0:1460:%2,0:mss::0",
		"4:64+0:0:1460:fit(65536),0:mss::0", "4:64+0:0:1460:1024,*:mss::0", "4:64+0:0:1460:1024,{1,2}:mss::0", "4:64+0:0:1460:1024,0:[mss]::0",
		"4:64+0:0:1460:1024,0:mss:df?:0", "4:64+0:0:1460:1024,0:mss:dff:0", "6:64+0:0:1460:1024,0:mss:df:0", "4:64+0:0:1460:1024,0:mss::*",
		"4:64+0:0:1460:mss*1000,0:mss::0", "4:64+0:0:1460:1024,0:mss::0 ",
	} {
		_, err := ParseRaw(text)
		if err == nil {
			t.Errorf("ParseRaw(%q): no error", text)
			continue
		}
		fmt.Fprintf(&got, "%q\n\t%v\n", text, err)
	}
	golden(t, "raw.golden", got.String())
}

// TestDrafts: the drafts of packets make a database, in the order of their
// TTLs, that takes each of them exactly.
func TestDrafts(t *testing.T) {
	all := nearSegments(2000)
	drafts := make(map[string]bool)
	byTTL := make(map[int][]string)
	for i := range all {
		text := string(AppendDraft(nil, &all[i], MultipleOf(&all[i], 0)))
		if drafts[text] {
			continue
		}
		drafts[text] = true
		db := parse(t, tcpHead+"sig = "+text+"\n")
		ttl := db.TCP(1).TTL
		byTTL[ttl] = append(byTTL[ttl], text)
	}
	text := tcpHead
	for ttl := range 256 {
		for _, draft := range byTTL[ttl] {
			text += "sig = " + draft + "\n"
		}
	}
	db := parse(t, text)
	for i := range all {
		if m := db.Match(Request, &all[i], 0); m.Quality() != Exact {
			t.Errorf("%s is not taken by its draft %s", AppendRaw(nil, &all[i], m.Multiple), AppendDraft(nil, &all[i], m.Multiple))
		}
	}
}

// FuzzParseRaw: no text makes ParseRaw panic, and what it takes can be
// explained, drafted and read again.
func FuzzParseRaw(f *testing.F) {
	f.Add("4:57+7:0:1460:mss*44,7:mss,sok,ts,nop,ws:df,id+:0")
	f.Add("6:200+?:0:*:mtu*4,14:mss,nop,ws,?34,eol+3:flow,bad:+")
	f.Fuzz(func(t *testing.T, text string) {
		s, err := ParseRaw(text)
		if err != nil {
			return
		}
		m := Builtin().Match(Request, &s, 0)
		if near := Builtin().Explain(Request, &s, 0, 1); len(near) != 1 {
			t.Errorf("Explain(%q) = %v", text, near)
		}
		parse(t, tcpHead+"sig = "+string(AppendDraft(nil, &s, m.Multiple))+"\n")
	})
}
