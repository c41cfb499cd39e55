package main

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/mxprint/mxprint/internal/signature"
)

// tally counts answers.
type tally struct{ alone, set, wrong, unknown int }

func (t *tally) n() int { return t.alone + t.set + t.wrong + t.unknown }

func (t *tally) String() string {
	p := func(n int) string { return fmt.Sprintf("%d (%.1f %%)", n, 100*float64(n)/float64(max(1, t.n()))) }
	return fmt.Sprintf("%d sessions: right alone %s, in a set %s, wrong %s, unknown %s", t.n(), p(t.alone), p(t.set), p(t.wrong), p(t.unknown))
}

// add counts the answer about a session.
func (t *tally) add(db *signature.DB, s *spoken) string {
	m, engine := db.MatchSMTP(&s.print), labelName(s.Engine)
	switch {
	case m.N == 0 || m.Quality() == signature.Generic:
		t.unknown++
		return "unknown"
	case !s.named():
		t.wrong++
		return "wrong " + m.Sigs[0].Label.Name + " " + strings.Join(m.Others(), ",")
	case m.N == 1 && len(m.Others()) == 0 && m.Sigs[0].Label.Name == engine:
		t.alone++
		return "alone"
	case m.Sigs[0].Label.Name == engine || slices.Contains(m.Others(), engine):
		t.set++
		return "set " + m.Sigs[0].Label.Name + "," + strings.Join(m.Others(), ",")
	}
	t.wrong++
	return "wrong " + m.Sigs[0].Label.Name + " " + strings.Join(m.Others(), ",")
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
	list, err := loadSessions(labData())
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

func where(all []*spoken, keep func(*spoken) bool) []*spoken {
	var some []*spoken
	for _, s := range all {
		if keep(s) {
			some = append(some, s)
		}
	}
	return some
}

func TestLeaveOut(t *testing.T) {
	all := sessions(t)
	var log strings.Builder
	report := func(name string, clear, tls *tally) {
		both := tally{clear.alone + tls.alone, clear.set + tls.set, clear.wrong + tls.wrong, clear.unknown + tls.unknown}
		t.Logf("%s\n  clear %v\n  TLS   %v\n  both  %v", name, clear, tls, &both)
	}
	run := func(name string, group func(*spoken) string, same bool) {
		var clear, tls tally
		keys := make(map[string]bool)
		for _, s := range all {
			keys[group(s)] = true
		}
		for key := range keys {
			db := compile(t, where(all, func(s *spoken) bool { return same || group(s) != key }))
			for _, s := range where(all, func(s *spoken) bool { return group(s) == key }) {
				to := &clear
				if s.TLS != "" {
					to = &tls
				}
				fmt.Fprintf(&log, "%s|%s|%s|%s|%s|%s\n", name, to.add(db, s), s.Engine, s.Program+" "+s.Release, s.Variant, s.Dialect)
			}
		}
		report(name, &clear, &tls)
	}
	bots := where(all, func(s *spoken) bool { return !s.named() })
	all = where(all, (*spoken).named)
	db := compile(t, all)
	var named tally
	for _, s := range bots {
		fmt.Fprintf(&log, "%s|%s|%s|%s|%s|%s\n", "bots", named.add(db, s), s.Engine, s.Program+" "+s.Release, s.Variant, s.Dialect)
	}
	t.Logf("bots and by hand: %v", &named)
	run("known", func(s *spoken) string { return "" }, true)
	half := compile(t, halfOf(all))
	var clear, tls tally
	seen := make(map[*spoken]bool)
	for _, s := range halfOf(all) {
		seen[s] = true
	}
	for _, s := range all {
		if to := &clear; !seen[s] {
			if s.TLS != "" {
				to = &tls
			}
			fmt.Fprintf(&log, "%s|%s|%s|%s|%s|%s\n", "half", to.add(half, s), s.Engine, s.Program+" "+s.Release, s.Variant, s.Dialect)
		}
	}
	report("other half", &clear, &tls)
	many := make(map[string]map[string]bool)
	for _, s := range all {
		if many[s.Engine] == nil {
			many[s.Engine] = make(map[string]bool)
		}
		many[s.Engine][s.Program+" "+s.Release] = true
	}
	everything := all
	all = where(all, func(s *spoken) bool { return len(many[s.Engine]) > 1 })
	_ = everything
	run("release left out", func(s *spoken) string { return s.Program + " " + s.Release }, false)
	all = everything
	run("engine left out", func(s *spoken) string { return s.Engine }, false)
	os.WriteFile("/tmp/score.log", []byte(log.String()), 0o644)
}

// halfOf is every second session of the same program, release, variant.
func halfOf(all []*spoken) []*spoken {
	count := make(map[string]int)
	return where(all, func(s *spoken) bool {
		key := s.Program + s.Release + s.System + s.Variant
		count[key]++
		return count[key]%2 == 1
	})
}

func labData() string {
	if dir := os.Getenv("DATA"); dir != "" {
		return dir
	}
	return "data"
}
