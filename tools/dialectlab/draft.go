package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/mxprint/mxprint/dialect"
)

// drafted are the fields that rules are made of. What the server or the
// configuration decides is left out: how fast, how early, and whether STARTTLS is
// used, but where TLS began at once.
var drafted = []dialect.Field{dialect.Hello, dialect.NoHello, dialect.StartTLS, dialect.TLS, dialect.Settings, dialect.Hints, dialect.Padding, dialect.SNI, dialect.Records, dialect.Mail, dialect.Rcpt, dialect.Data,
	dialect.Flow, dialect.Header, dialect.Write, dialect.Dot, dialect.Next, dialect.Refused, dialect.Quit, dialect.EndBy, dialect.LineEnd}

// rule is a signature in the making.
type rule struct {
	engine, flavor string
	class          string
	systems        []string
	texts          []string
}

// draft makes a rule of each engine: of each field the values that its sessions
// have, parameters and pipelining as the server's offers explain them. Engines with
// more sessions come first: of programs that speak alike, three are candidates.
func draft(all []*spoken) []rule {
	byEngine := make(map[string][]*spoken)
	var engines []string
	for _, s := range all {
		if !s.named() || !names(&s.print) {
			continue
		}
		if byEngine[s.Engine] == nil {
			engines = append(engines, s.Engine)
		}
		byEngine[s.Engine] = append(byEngine[s.Engine], s)
	}
	slices.SortFunc(engines, func(a, b string) int {
		return cmp.Or(len(byEngine[b])-len(byEngine[a]), strings.Compare(a, b))
	})
	var rules []rule
	for _, engine := range engines {
		writes := writesHeader(byEngine[engine])
		for _, part := range ranges(byEngine[engine]) {
			r := rule{engine: engine, flavor: part.flavor, class: part.sessions[0].Kind}
			for _, s := range part.sessions {
				if name := s.Program + " " + s.Release; !slices.Contains(r.systems, name) {
					r.systems = append(r.systems, name)
				}
			}
			slices.Sort(r.systems)
			for _, kind := range kinds(part.sessions) {
				for _, header := range writes {
					if header == "own" && kind[0].print.TLSUsed && slices.Contains(writes, "given") { // it is not seen there
						continue
					}
					for _, end := range endings(kind) {
						if text := ruleText(kind, part.sessions, header, end); text != "" {
							r.texts = append(r.texts, text)
						}
					}
				}
			}
			slices.Sort(r.texts)
			r.texts = slices.Compact(r.texts)
			if len(r.texts) > 0 {
				rules = append(rules, r)
			}
		}
	}
	return rules
}

// endings splits sessions in clear into those with a message and those without, if
// they do not end alike: a program may wait for the reply to QUIT after a message,
// and not where no recipient was accepted.
func endings(kind []*spoken) []ending {
	message := where(kind, func(s *spoken) bool { return s.print.Has(dialect.Write) })
	none := where(kind, func(s *spoken) bool { return !s.print.Has(dialect.Write) })
	if kind[0].print.TLSUsed || len(message) == 0 || len(none) == 0 || slices.Equal(union(dialect.EndBy, message), union(dialect.EndBy, none)) {
		return []ending{{sessions: kind}}
	}
	return []ending{{sessions: message}, {none, true}}
}

// ending is sessions of a kind that end in one way.
type ending struct {
	sessions []*spoken
	early    bool // before a message
}

// late are the fields of a message, and of what comes after it.
var late = []dialect.Field{dialect.Header, dialect.Write, dialect.Dot, dialect.Next}

// where returns the sessions to keep.
func where(all []*spoken, keep func(*spoken) bool) []*spoken {
	var some []*spoken
	for _, s := range all {
		if keep(s) {
			some = append(some, s)
		}
	}
	return some
}

// ruleText is a signature of sessions of one kind, of those of an engine, that end in
// one way; empty where they name nothing.
func ruleText(kind, all []*spoken, header string, end ending) string {
	var fields []string
	mail := slices.ContainsFunc(kind, func(s *spoken) bool { return s.print.Has(dialect.Mail) || s.print.TLSUsed })
	for _, f := range drafted {
		switch {
		case f == dialect.StartTLS:
			if atOnce(kind) && slices.ContainsFunc(all, (*spoken).startTLS) { // else its hello, below, makes it one of those
				fields = append(fields, "starttls=no")
			}
			continue
		case end.early && slices.Contains(late, f), f == dialect.Header && !(header != "" && mail):
			continue
		case f == dialect.Header && header == "given":
			fields = append(fields, "header=given")
			continue
		}
		terms := union(f, kind)
		switch {
		case f == dialect.EndBy:
			terms = union(f, end.sessions)
		case f == dialect.Flow && end.early:
			terms = flows(end.sessions, true)
		}
		if terms == nil && (f == dialect.Hello || f == dialect.Header && !kind[0].print.TLSUsed) { // TLS began at once, or no message came
			terms = union(f, all)
		}
		if len(terms) > 0 {
			fields = append(fields, f.String()+"="+strings.Join(terms, "|"))
		}
	}
	text := strings.Join(fields, ";")
	if !strings.Contains(text, "mail=") && !strings.Contains(text, "rec=") && !strings.Contains(text, "flow=") {
		return ""
	}
	return text
}

// startTLS reports whether a session came into TLS by STARTTLS.
func (s *spoken) startTLS() bool { return s.print.TLSUsed && s.print.Has(dialect.StartTLS) }

// atOnce reports whether TLS began at once in all sessions.
func atOnce(kind []*spoken) bool {
	return !slices.ContainsFunc(kind, func(s *spoken) bool { return !s.print.TLSUsed || s.startTLS() })
}

// labelName is the name of an engine as labels take it.
func labelName(engine string) string {
	name := []byte(strings.ReplaceAll(engine, "::", "-"))
	for i, c := range name {
		if !(c|0x20 >= 'a' && c|0x20 <= 'z' || c >= '0' && c <= '9' || strings.IndexByte(" ./-_!?()", c) >= 0) {
			name[i] = ' '
		}
	}
	return string(name)
}

// kinds splits sessions by what a program does not change from one to the next:
// how it greets, and inside TLS its library and what it asks of that.
func kinds(sessions []*spoken) [][]*spoken {
	groups := make(map[string][]*spoken)
	var order []string
	for _, s := range sessions {
		key := helloTerm(string(s.print.Get(dialect.Hello)))
		if s.print.TLSUsed {
			key += ";" + string(s.print.Get(dialect.TLS)) + ";" + string(s.print.Get(dialect.Hints))
		} else if head, _ := splitPath(string(s.print.Get(dialect.Mail))); head != "" {
			key += ";" + head
		}
		if groups[key] == nil {
			order = append(order, key)
		}
		groups[key] = append(groups[key], s)
	}
	slices.Sort(order)
	var all [][]*spoken
	for _, key := range order {
		all = append(all, groups[key])
	}
	return all
}

// names reports whether a session has more than a greeting.
func names(f *dialect.Fingerprint) bool {
	return f.Has(dialect.Mail) || f.Has(dialect.Records) || f.Has(dialect.Flow) || f.Has(dialect.NoHello)
}

// span is releases of one program that speak alike.
type span struct {
	flavor   string
	sessions []*spoken
}

// ranges splits the sessions of an engine where a release changed a field: none
// of the values before is one of those after. It takes engines that are one
// program; the releases of others are not those of the engine.
func ranges(sessions []*spoken) []span {
	byRelease := make(map[string][]*spoken)
	var releases []string
	program := sessions[0].Program
	for _, s := range sessions {
		if s.Program != program {
			return []span{{"", sessions}}
		}
		if byRelease[s.Release] == nil {
			releases = append(releases, s.Release)
		}
		byRelease[s.Release] = append(byRelease[s.Release], s)
	}
	slices.SortFunc(releases, compareReleases)
	var spans []span
	begin := 0
	for i := 1; i <= len(releases); i++ {
		if i < len(releases) && !changed(byRelease[releases[i-1]], byRelease[releases[i]]) {
			continue
		}
		sp := span{}
		for _, r := range releases[begin:i] {
			sp.sessions = append(sp.sessions, byRelease[r]...)
		}
		switch {
		case begin == 0 && i == len(releases):
		case i == len(releases):
			sp.flavor = releases[begin] + " and newer"
		case begin == 0:
			sp.flavor = releases[i-1] + " and older"
		case begin == i-1:
			sp.flavor = releases[begin]
		default:
			sp.flavor = releases[begin] + " to " + releases[i-1]
		}
		spans = append(spans, sp)
		begin = i
	}
	return spans
}

// changed reports whether a field of one release has no value of the other, in
// sessions of the same kind.
func changed(a, b []*spoken) bool {
	for _, f := range []dialect.Field{dialect.Hello, dialect.Mail, dialect.Rcpt, dialect.Data, dialect.Dot, dialect.Write, dialect.EndBy} {
		for _, variant := range []string{"plain", "starttls"} {
			x, y := valuesOf(f, variant, a), valuesOf(f, variant, b)
			if len(x) == 0 || len(y) == 0 {
				continue
			}
			if !slices.ContainsFunc(x, func(v string) bool { return slices.Contains(y, v) }) {
				return true
			}
		}
	}
	return false
}

func valuesOf(f dialect.Field, variant string, sessions []*spoken) []string {
	var values []string
	for _, s := range sessions {
		if s.Variant == variant && s.print.Has(f) {
			values = append(values, string(s.print.Get(f)))
		}
	}
	return values
}

func compareReleases(a, b string) int {
	for a != "" && b != "" {
		x, restA := leading(a)
		y, restB := leading(b)
		if x != y {
			return x - y
		}
		a, b = restA, restB
	}
	return len(a) - len(b)
}

// leading returns the first number of a release, and what follows it.
func leading(s string) (int, string) {
	i := 0
	for i < len(s) && (s[i] < '0' || s[i] > '9') {
		i++
	}
	n := 0
	for ; i < len(s) && s[i] >= '0' && s[i] <= '9' && n < 1<<40; i++ {
		n = n*10 + int(s[i]-'0')
	}
	return n, s[i:]
}

// writeRules prints a file of signatures.
func writeRules(out io.Writer, rules []rule, date string) error {
	fmt.Fprintf(out, `; Programs that send mail, by how they speak SMTP (docs/dialect.md). The file is
; made of the recordings of tools/dialectlab by its command rules: of each field
; the values that the sessions of an engine have, where the server's offers do
; not explain them. Of programs that match equally well the first are named: those
; with more recordings come first.

[smtp:client]
`)
	for _, r := range rules {
		if _, err := fmt.Fprintf(out, "\nlabel  = s:%s:%s:%s\nsource = tools/dialectlab: %s\ndate   = %s\n",
			r.class, labelName(r.engine), r.flavor, strings.Join(r.systems, ", "), date); err != nil {
			return err
		}
		for _, text := range r.texts {
			if _, err := fmt.Fprintf(out, "sig    = %s\n", text); err != nil {
				return err
			}
		}
	}
	return nil
}

// rules prints the signatures of a directory of recordings.
func rules(dir string, out io.Writer) error {
	list, err := loadSessions(dir)
	if err != nil {
		return err
	}
	var all []*spoken
	for i := range list {
		all = append(all, &list[i])
	}
	return writeRules(out, draft(all), "2026-11")
}
