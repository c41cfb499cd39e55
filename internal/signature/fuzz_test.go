package signature

import (
	"encoding/binary"
	"errors"
	"strings"
	"testing"

	"github.com/mxprint/mxprint/packet"
)

// FuzzParse: no text makes Parse panic, an error has a place, and what parses
// can be asked.
func FuzzParse(f *testing.F) {
	for _, tt := range badDatabases {
		f.Add(tt.text)
	}
	f.Add(tcpHead + anySig + "[tcp:response]\nlabel = g:c:M:\nsig = 4:64-:12:1460:mss*4,7:mss,sok,ts,nop,ws,eol+1:df,id+:+\n")
	f.Add(tcpHead + "or = M:n\nsource = s\ndate = 2026-11\nsig = *:64|255|128:0:*:fit(65536|1..2/mss-12)|{1,2..5}|seg(20)|mss*4,{1,3..5}:mss,sok~,(ts~,nop|nop),[?30|ws]:df,id+?,flow?:*\n")
	f.Add("classes = c\n[smtp:client]\nlabel = s:c:M:\nor = N:\nsource = s\nsig = offer=size,!dsn;hello=EHLO @|x;mail=M:<> SIZE=? X!;flow=M+R~D!.;next=/Q|$;rec=e*\n")
	f.Add(mtuHead + "sig = 1500\n" + "[http:request]\nua_os = A=[x]B\nlabel = s:!:N:f\nsys = A\nsig = *:?Host=[a]:Via:b\n")
	f.Fuzz(func(t *testing.T, text string) {
		db, err := Parse(strings.NewReader(text), "x.fp")
		checkAgrees(t, text, err)
		var syntax *SyntaxError
		switch {
		case errors.As(err, &syntax):
			checkPlace(t, "fuzz", text, syntax)
			return
		case errors.Is(err, ErrTooLarge):
			return
		case err != nil:
			t.Fatalf("Parse = %v, want a SyntaxError or ErrTooLarge", err)
		}
		s := linuxSYN()
		for _, dir := range []Direction{Request, Response} {
			checkMatch(t, db, dir, &s, 1460)
			for i := range db.tcp[dir].sigs {
				sig := &db.tcp[dir].sigs[i]
				if db.TCP(sig.ID) != sig || sig.Label == nil || db.Label(sig.Label.ID) != sig.Label {
					t.Fatalf("signature %d of line %d is not found by its number, or its label %v is not", sig.ID, sig.Line, sig.Label)
				}
				matchesItself(t, db, dir, sig)
			}
		}
		for id := 1; db.Label(id) != nil; id++ {
			if l := db.Label(id); l.ID != id || l.Name == "" {
				t.Fatalf("label %d = %+v", id, l)
			}
		}
	})
}

// checkAgrees: Check finds a fault where Parse does, first the same one, and no
// fault where Parse finds none.
func checkAgrees(t *testing.T, text string, want error) {
	t.Helper()
	rep, err := Check(strings.NewReader(text), "x.fp")
	switch {
	case len(rep.Errors) > 0:
		if want == nil || want.Error() != rep.Errors[0].Error() || rep.DB != nil {
			t.Errorf("Check = first %v, want %v", rep.Errors[0], want)
		}
	case err == nil && want != nil || err != nil && (want == nil || err.Error() != want.Error()):
		t.Errorf("Check = %v, want %v", err, want)
	case (rep.DB == nil) != (want != nil):
		t.Errorf("Check has database %v where Parse says %v", rep.DB, want)
	}
	for _, e := range append(rep.Errors, rep.Warnings...) {
		if !strings.Contains(e.Text, "\r") && !strings.Contains(text, "\r") {
			checkPlace(t, "fuzz", text, e)
		}
		if e.Hint == "" {
			t.Errorf("nothing says what to do about %v", e)
		}
	}
}

// matchesItself builds the packet a signature describes and wants some match
// at least as good: exact, by it or by another.
func matchesItself(t *testing.T, db *DB, dir Direction, sig *TCP) {
	t.Helper()
	if sig.Kind == WindowMSS || sig.Kind == WindowMTU || sig.Kind == windowTerms && sig.ext.windows[0].kind >= WindowMSS {
		return // whether a window exists depends on what divides it first
	}
	version := uint8(4)
	if sig.Version == 6 || sig.Version == Any && sig.Quirks&packet.QuirkFlow != 0 {
		version = 6
	}
	s := segmentOf(sig, version)
	m := db.Match(dir, &s, 0)
	if m.Sig == nil || m.Fuzzy {
		t.Fatalf("line %d: its own packet %s matches %+v, want an exact match", sig.Line, AppendRaw(nil, &s, m.Multiple), m)
	}
}

// checkMatch holds what callers rely on of a Match.
func checkMatch(t *testing.T, db *DB, dir Direction, s *packet.Segment, peerMSS uint16) {
	t.Helper()
	m := db.Match(dir, s, peerMSS)
	if m.Distance < 0 || m.Distance > 255 {
		t.Errorf("distance %d of %+v", m.Distance, s)
	}
	if m.Multiple.N < 0 || m.Multiple.N > 32767 || (m.Multiple.N == 0) != (m.Multiple.Kind == WindowAny) {
		t.Errorf("multiple %+v", m.Multiple)
	}
	if m.Sig == nil {
		if m.Fuzzy || m.Generic() {
			t.Errorf("no signature, but fuzzy %v, generic %v", m.Fuzzy, m.Generic())
		}
		return
	}
	if bare, ok := withoutProbes(s); formOf(m.Sig, s) == nil && (!ok || m.Flags&Erased == 0 || formOf(m.Sig, &bare) == nil) {
		t.Errorf("line %d matches another layout than its own", m.Sig.Line)
	}
	if m.Fuzzy && m.Sig.Label.Userland() {
		t.Errorf("line %d is a program and matches fuzzily", m.Sig.Line)
	}
	if may := m.Sig.optionalFor(s.Version); !m.Fuzzy && m.Sig.quirksFor(s.Version)|may != s.Quirks|may {
		t.Errorf("line %d matches exactly, with other quirks", m.Sig.Line)
	}
	if again := db.Match(dir, s, peerMSS); again != m {
		t.Errorf("the second Match = %+v, the first = %+v", again, m)
	}
}

// FuzzMatch holds the built-in database against segments of all kinds: the
// index by layout must find what a walk through all signatures finds.
func FuzzMatch(f *testing.F) {
	f.Add([]byte{2, 4, 8, 1, 3}, uint32(3), uint16(64240), uint16(1460), uint8(60), uint8(7), uint8(4), uint16(0), false)
	f.Add([]byte{2}, uint32(0), uint16(1024), uint16(1460), uint8(50), uint8(0), uint8(4), uint16(1331), true)
	f.Add([]byte{2, 1, 3, 1, 1, 4}, uint32(packet.QuirkFlow), uint16(64800), uint16(1440), uint8(117), uint8(8), uint8(6), uint16(12), false)
	f.Fuzz(func(t *testing.T, kinds []byte, quirks uint32, window, mss uint16, ttl, scale, version uint8, peer uint16, response bool) {
		s := packet.Segment{
			Window: window, MSS: mss, TTL: ttl, Scale: scale, TS1: binary.BigEndian.Uint32([]byte{ttl, scale, version, 0}),
			Quirks: packet.Quirks(quirks) & (packet.QuirkBad<<1 - 1), Version: 4, HeaderLen: 60,
			PayloadLen: uint16(version & 1), Layout: layoutOf(kinds[:min(len(kinds), packet.MaxOptions)]...),
		}
		if version%2 == 0 && version > 4 {
			s.Version = 6
		}
		dir := Request
		if response {
			dir = Response
		}
		db := Builtin()
		checkMatch(t, db, dir, &s, peer)
		m, want := db.Match(dir, &s, peer), walk(db.tcp[dir].sigs, &s, peer)
		if bare, ok := withoutProbes(&s); ok && want.Sig == nil { // beyond p0f's language: without the options of WAN optimisers
			if w := walk(db.tcp[dir].sigs, &bare, peer); w.Sig != nil && w.Sig.ext != nil {
				want = w
			}
		}
		if m.Sig != want.Sig || m.Fuzzy != want.Fuzzy || m.Distance != want.Distance {
			t.Errorf("Match = %+v, the walk of p0f-v3.md §3.3 = %+v", m, want)
		}
	})
}

// walk is p0f-v3.md §3.3 word for word: all signatures in file order, no index.
func walk(sigs []TCP, s *packet.Segment, peerMSS uint16) Match {
	mult := MultipleOf(s, peerMSS)
	var generic, fuzzyMatch *TCP
	for i := range sigs {
		sig := &sigs[i]
		if sig.ext != nil {
			f := formOf(sig, s)
			if f == nil {
				continue
			}
			v, _ := sig.compare(&seen{s, mult, int(peerMSS)}, entry{erased: f.erased, ts: f.ts})
			switch {
			case v == exact && !sig.Label.Generic:
				return withDistance(Match{Sig: sig}, sig, s)
			case v == exact && generic == nil:
				generic = sig
			case v == fuzzy && fuzzyMatch == nil:
				fuzzyMatch = sig
			}
			continue
		}
		if sig.Layout != s.Layout || sig.IPOptLen != int(s.IPOptLen) {
			continue
		}
		q := sig.Quirks
		if sig.Version == Any && s.Version == 4 {
			q &^= packet.QuirkFlow
		}
		if sig.Version == Any && s.Version == 6 {
			q &^= packet.QuirkDF | packet.QuirkIDNonZero | packet.QuirkIDZero
		}
		isFuzzy := q != s.Quirks
		if missing, added := q&^s.Quirks, s.Quirks&^q; isFuzzy &&
			(fuzzyMatch != nil || missing&^(packet.QuirkDF|packet.QuirkIDNonZero) != 0 || added&^(packet.QuirkIDZero|packet.QuirkECN) != 0) {
			continue
		}
		if sig.RandomTTL && sig.TTL < int(s.TTL) {
			continue
		}
		if !sig.RandomTTL && (int(s.TTL) > sig.TTL || sig.TTL-int(s.TTL) > 35) {
			isFuzzy = true
		}
		if sig.MSS != Any && sig.MSS != int(s.MSS) || sig.Scale != Any && sig.Scale != int(s.Scale) ||
			sig.Payload != Any && (sig.Payload == 1) != (s.PayloadLen > 0) {
			continue
		}
		if sig.Kind == WindowEqual && sig.Window != int(s.Window) || sig.Kind == WindowModulo && int(s.Window)%sig.Window != 0 ||
			(sig.Kind == WindowMSS || sig.Kind == WindowMTU) && mult != (Multiple{sig.Kind, sig.Window}) {
			continue
		}
		switch {
		case !isFuzzy && !sig.Label.Generic:
			return Match{Sig: sig, Distance: sig.TTL - int(s.TTL)}
		case !isFuzzy && generic == nil:
			generic = sig
		case isFuzzy && fuzzyMatch == nil:
			fuzzyMatch = sig
		}
	}
	switch {
	case generic != nil:
		return withDistance(Match{Sig: generic}, generic, s)
	case fuzzyMatch == nil:
		return Match{Distance: GuessDistance(s.TTL)}
	case fuzzyMatch.Label.Class == Userland:
		return Match{}
	}
	return withDistance(Match{Sig: fuzzyMatch, Fuzzy: true}, fuzzyMatch, s)
}

// withDistance gives a match the distance of p0f-v3.md §3.3, from the first
// initial TTL that fits.
func withDistance(m Match, sig *TCP, s *packet.Segment) Match {
	initials := []int{sig.TTL}
	if sig.ext != nil {
		initials = append(initials, sig.ext.ttls...)
	}
	for _, initial := range initials {
		if d := initial - int(s.TTL); d >= 0 && (d <= 35 || sig.RandomTTL) {
			m.Distance = d
			return m
		}
	}
	m.Distance = GuessDistance(s.TTL)
	return m
}

// formOf returns the form of a signature with the layout of a segment, or nil.
func formOf(sig *TCP, s *packet.Segment) *form {
	for _, f := range sig.forms() {
		if f.layout == s.Layout {
			return &f
		}
	}
	return nil
}
