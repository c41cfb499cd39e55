package main

import (
	"strings"
	"testing"

	"github.com/mxprint/mxprint/dialect"
	"github.com/mxprint/mxprint/internal/signature"
)

// heard are the ways in which mail servers report what a client said.
var heard = []struct {
	name  string
	lines func(lines []string) []string
	gaps  bool

	header bool
}{
	{"lines", func(lines []string) []string { return lines }, false, false},
	{"lines and header (Haraka, OpenSMTPD)", func(lines []string) []string { return lines }, false, true},
	{"arguments and header (milter)", arguments, true, true},
	{"verbs and header (Exim)", verbs, false, true},
}

// said are the lines of a session, up to the end of its first message; nil
// without one.
func said(s *spoken) []string {
	var lines []string
	for _, event := range s.Plain {
		parts := strings.SplitN(event, " ", 6)
		switch {
		case parts[0] == "message":
			return append(lines, ".")
		case parts[0] == "command" && len(parts) == 6:
			lines = append(lines, dialect.Redact(parts[5]))
		}
	}
	return nil
}

func arguments(lines []string) []string {
	var some []string
	for _, line := range lines {
		verb, rest, _ := strings.Cut(line, " ")
		switch strings.ToUpper(verb) {
		case "EHLO", "HELO":
			some = append(some, "* "+strings.TrimLeft(rest, " "))
		case "MAIL", "RCPT":
			_, path, _ := strings.Cut(rest, ":")
			some = append(some, strings.ToUpper(verb)+" *"+strings.TrimLeft(path, " "))
		}
	}
	return some
}

func verbs(lines []string) []string {
	var some []string
	for _, line := range lines {
		verb, rest, _ := strings.Cut(line, " ")
		switch verb = strings.ToUpper(verb); verb {
		case ".":
			some = append(some, line)
		case "EHLO", "HELO":
			some = append(some, "* "+strings.TrimLeft(rest, " "))
		default:
			some = append(some, verb+" *")
		}
	}
	return some
}

// TestJoined counts what is said of sessions with TLS when the mail server
// reports what it heard inside, at the end of the first message: of known
// programs, and of releases and engines that the rules were made without.
// docs/score.md has the figures.
func TestJoined(t *testing.T) {
	inside := where(sessions(t), func(s *spoken) bool { return s.named() && s.print.TLSUsed && said(s) != nil })
	programs := where(sessions(t), (*spoken).named)
	db := compile(t, programs)
	without := make(map[string]*signature.DB)
	key := func(s *spoken, release bool) string {
		if release {
			return s.Engine + "\x00" + s.Program + " " + s.Release
		}
		return s.Engine
	}
	left := func(s *spoken, release bool) *signature.DB {
		k := key(s, release)
		if without[k] == nil {
			without[k] = compile(t, where(programs, func(p *spoken) bool { return key(p, release) != k }))
		}
		return without[k]
	}
	releases := make(map[string]map[string]bool)
	for _, s := range programs {
		if releases[s.Engine] == nil {
			releases[s.Engine] = make(map[string]bool)
		}
		releases[s.Engine][s.Program+" "+s.Release] = true
	}
	type counts struct{ known, release, engine tally }
	count := func(match func(*signature.DB, *spoken) signature.SMTPMatch) (n counts) {
		for _, s := range inside {
			n.known.count(match(db, s), s)
			if len(releases[s.Engine]) > 1 {
				n.release.count(match(left(s, true), s), s)
			}
			n.engine.count(match(left(s, false), s), s)
		}
		return n
	}
	header := make(map[string]string) // of a program, in clear: the recordings have none inside TLS
	for _, s := range programs {
		if h := s.print.Get(dialect.Header); h != nil && !s.print.TLSUsed {
			header[s.Program+s.Release+s.System] = string(h)
		}
	}
	alone := count(func(db *signature.DB, s *spoken) signature.SMTPMatch { return db.MatchSMTP(&s.print) })
	t.Logf("packets alone: known %v\nreleases %v\nengines %v", &alone.known, &alone.release, &alone.engine)
	for _, way := range heard {
		n := count(func(db *signature.DB, s *spoken) signature.SMTPMatch {
			g := dialect.OfLines(way.lines(said(s)), way.gaps)
			if h := header[s.Program+s.Release+s.System]; way.header && h != "" {
				f, err := dialect.Parse("header=" + h)
				if err != nil {
					t.Fatal(err)
				}
				g.Join(&f)
			}
			return db.JoinSMTP(&s.print, &g)
		})
		t.Logf("%s: known %v\nreleases %v\nengines %v", way.name, &n.known, &n.release, &n.engine)
		if n.known.alone < alone.known.alone || n.known.wrong > alone.known.wrong {
			t.Errorf("%s: worse than packets alone", way.name)
		}
		if n.engine.wrong*20 >= n.engine.n() {
			t.Errorf("%s: %d of %d sessions of engines left out are named wrong, want less than 5 %%", way.name, n.engine.wrong, n.engine.n())
		}
	}
}
