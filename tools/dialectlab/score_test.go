package main

import (
	"bytes"
	"fmt"
	"hash/crc32"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/mxprint/mxprint/dialect"
	"github.com/mxprint/mxprint/internal/signature"
)

// tally counts answers: names, candidates, and none.
type tally struct {
	alone, set, wrong int // named
	among, notAmong   int // generic: the program is a candidate, or is not
	unknown           int
	names             map[string]int // wrong ones
}

func (t *tally) n() int { return t.alone + t.set + t.wrong + t.among + t.notAmong + t.unknown }

func (t *tally) String() string {
	p := func(n int) string { return fmt.Sprintf("%d (%.1f %%)", n, 100*float64(n)/float64(max(1, t.n()))) }
	return fmt.Sprintf("%d sessions: right alone %s, in a set %s, wrong %s; a candidate %s, not one %s; unknown %s",
		t.n(), p(t.alone), p(t.set), p(t.wrong), p(t.among), p(t.notAmong), p(t.unknown))
}

// add counts the answer about a session.
func (t *tally) add(db *signature.DB, s *spoken) { t.count(db.MatchSMTP(&s.print), s) }

func (t *tally) count(m signature.SMTPMatch, s *spoken) {
	engine := labelName(s.Engine)
	in := m.N > 0 && s.named() && (m.Sigs[0].Label.Name == engine || slices.Contains(m.Others(), engine))
	switch {
	case m.N == 0:
		t.unknown++
	case m.Quality() == signature.Generic && in:
		t.among++
	case m.Quality() == signature.Generic:
		t.notAmong++
	case !s.named():
		t.wrong++
		t.says(s, &m)
	case m.N == 1 && len(m.Others()) == 0 && m.Sigs[0].Label.Name == engine:
		t.alone++
	case in:
		t.set++
	default:
		t.wrong++
		t.says(s, &m)
	}
}

// says keeps who got a wrong name.
func (t *tally) says(s *spoken, m *signature.SMTPMatch) {
	if t.names == nil {
		t.names = make(map[string]int)
	}
	t.names[s.Engine+" is named "+m.Title()]++
}

func compile(t *testing.T, all []*spoken) *signature.DB {
	t.Helper()
	var b bytes.Buffer
	b.WriteString("classes = mta,mua,library,tool,monitor\n")
	if err := writeRules(&b, draft(all), "2026-11"); err != nil {
		t.Fatal(err)
	}
	db, err := signature.Parse(&b, "builtin/draft.fp")
	if err != nil {
		t.Fatal(err)
	}
	return db
}

func sessions(t *testing.T) []*spoken {
	t.Helper()
	list, err := loadSessions("data")
	if err != nil {
		t.Fatal(err)
	}
	var all []*spoken
	for i := range list {
		if names(&list[i].print) {
			all = append(all, &list[i])
		}
	}
	return all
}

// report prints a tally with what it must reach, of a hundred sessions: named
// right, named right or among the candidates, and named wrong at most.
func report(t *testing.T, name string, n *tally, named, among, wrong float64) {
	t.Helper()
	t.Logf("%-28s %v", name, n)
	for text, count := range n.names {
		t.Logf("%5d %s", count, text)
	}
	all := float64(max(1, n.n())) / 100
	right := float64(n.alone + n.set)
	if right/all < named || (right+float64(n.among))/all < among || float64(n.wrong)/all > wrong {
		t.Errorf("%s: want %v %% named, %v %% with candidates, at most %v %% wrong", name, named, among, wrong)
	}
}

// byTLS counts answers about sessions without and with TLS.
type byTLS [2]tally

func (b *byTLS) add(db *signature.DB, s *spoken) {
	i := 0
	if s.print.TLSUsed {
		i = 1
	}
	b[i].add(db, s)
}

// TestKnown counts what is said of sessions whose program has a rule: of all, and
// of each part of them, drawn without regard to the program, with rules made from the
// other parts. docs/score.md has the figures.
func TestKnown(t *testing.T) {
	all := sessions(t)
	programs := where(all, (*spoken).named)
	db := compile(t, programs)
	var others tally
	for _, s := range all {
		if !s.named() {
			others.add(db, s)
		}
	}
	report(t, "bots and by hand", &others, 0, 0, 1)
	var known byTLS
	for _, s := range programs {
		known.add(db, s)
	}
	report(t, "known, clear", &known[0], 70, 94.9, 0.1)
	report(t, "known, TLS", &known[1], 63, 99.5, 0)
	for _, n := range []uint32{2, 10} {
		var unseen byTLS
		for part := range n {
			of := func(s *spoken) bool { return crc32.ChecksumIEEE([]byte(s.Program+s.Release+s.Variant))%n == part }
			db := compile(t, where(programs, func(s *spoken) bool { return !of(s) }))
			for _, s := range where(programs, of) {
				unseen.add(db, s)
			}
		}
		report(t, fmt.Sprintf("one of %d parts, clear", n), &unseen[0], 67, 91.5, 0.3)
		report(t, fmt.Sprintf("one of %d parts, TLS", n), &unseen[1], 61, 95.5, 0.4)
	}
}

// TestGivenForms: which of its headers the lab gave decides little. With any one of
// them in all sessions that have one, the same are named; with that which cron writes,
// and Haskell's smtp-mail too, Ruby's net/smtp gets the name of smtp-mail.
func TestGivenForms(t *testing.T) {
	programs := where(sessions(t), (*spoken).named)
	db := compile(t, programs)
	forms := make(map[string]bool)
	for _, s := range programs {
		if header := string(s.print.Get(dialect.Header)); s.Given && header != "" {
			forms[header] = true
		}
	}
	if len(forms) < len(labHeaders) {
		t.Fatalf("%d forms were given, want %d", len(forms), len(labHeaders))
	}
	for form := range forms {
		var n byTLS
		for _, s := range programs {
			other := *s
			if header := string(s.print.Get(dialect.Header)); s.Given && header != "" {
				var err error
				text := strings.Replace(s.print.String(), ";header="+header, ";header="+form, 1)
				if other.print, err = dialect.Parse(text); err != nil {
					t.Fatal(err)
				}
			}
			n.add(db, &other)
		}
		wrong := 0.0
		if form == "FTSMCE" {
			wrong = 0.8
		}
		report(t, "given "+form, &n[0], 70, 91.5, wrong)
	}
}

// TestLeftOut counts what is said of releases, and of engines, that the rules
// were made without.
func TestLeftOut(t *testing.T) {
	all := where(sessions(t), (*spoken).named)
	releases := make(map[string]map[string]bool) // by engine
	release := func(s *spoken) string { return s.Program + " " + s.Release }
	for _, s := range all {
		if releases[s.Engine] == nil {
			releases[s.Engine] = make(map[string]bool)
		}
		releases[s.Engine][release(s)] = true
	}
	leaveOut := func(of []*spoken, key func(*spoken) string) (n byTLS) {
		keys := make(map[string]bool)
		for _, s := range of {
			keys[key(s)] = true
		}
		for k := range keys {
			db := compile(t, where(all, func(s *spoken) bool { return key(s) != k }))
			for _, s := range where(of, func(s *spoken) bool { return key(s) == k }) {
				n.add(db, s)
			}
		}
		return n
	}
	t.Run("releases", func(t *testing.T) {
		n := leaveOut(where(all, func(s *spoken) bool { return len(releases[s.Engine]) > 1 }), release)
		report(t, "releases left out, clear", &n[0], 66.5, 91, 0.2)
		report(t, "releases left out, TLS", &n[1], 57, 87.5, 1)
	})
	t.Run("engines", func(t *testing.T) {
		n := leaveOut(all, func(s *spoken) string { return s.Engine })
		report(t, "engines left out, clear", &n[0], 0, 0, 3.4)
		report(t, "engines left out, TLS", &n[1], 0, 0, 2.7)
	})
}

// TestBuiltin: the built-in signatures of programs are those of the recordings.
func TestBuiltin(t *testing.T) {
	var b bytes.Buffer
	if err := rules("data", &b); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile("../../internal/signature/builtin/95-smtp.fp")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(text, b.Bytes()) {
		t.Error("builtin/95-smtp.fp differs: go run . rules data >../../internal/signature/builtin/95-smtp.fp")
	}
}
