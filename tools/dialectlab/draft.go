package main

import (
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
// have, parameters and pipelining as the server's offers explain them.
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
	slices.Sort(engines)
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

// union lists the alternatives of a field, or nothing where it says nothing.
func union(f dialect.Field, sessions []*spoken) []string {
	switch f {
	case dialect.Mail, dialect.Rcpt:
		return paths(f, sessions)
	case dialect.Flow:
		return flows(sessions, false)
	case dialect.Header:
		return headers(sessions)
	}
	var terms []string
	for _, s := range sessions {
		value := string(s.print.Get(f))
		if value == "" || f == dialect.Records && strings.HasSuffix(value, "-") {
			continue // not to the end
		}
		switch f {
		case dialect.Hello:
			value = helloTerm(value)
		case dialect.Next:
			value = strings.ReplaceAll(strings.ReplaceAll(value, "6", "Q"), "n", "M")
		}
		if f == dialect.Dot && value != "with" { // by how the message ends, not by the program
			terms = append(terms, "alone", "crlf")
			continue
		}
		terms = append(terms, value)
	}
	slices.Sort(terms)
	terms = slices.Compact(terms)
	has := func(value string) bool { return slices.Contains(terms, value) }
	drop := func(value string) {
		terms = slices.DeleteFunc(terms, func(term string) bool { return term == value })
	}
	switch {
	case f == dialect.SNI && has("no"): // an address has no name
		return nil
	case f == dialect.Write:
		if has("one") || has("parts") { // a large message, cut by the network
			drop("bulk")
		}
		if has("lines") {
			drop("date")
		}
	case f == dialect.EndBy && has("alert") && has("noalert"),
		f == dialect.EndBy && slices.Contains(terms, "quit") && slices.Contains(terms, "quit!"),
		len(terms) > 10:
		return nil
	}
	return terms
}

// writesHeader says what signatures of an engine have of the header, each in turn:
// "own", "given", or nothing. They have its own where the engine writes that of each
// message in clear. Where other sessions of it have what the lab gave, there are
// signatures with each. Those without come beside those with its own where another
// release may write another one: where releases differ, or one alone was recorded; and
// where the message is relayed, because a site can remove the field Received, but not
// of programs that fetch mails from elsewhere.
func writesHeader(sessions []*spoken) []string {
	own, given, none := false, false, false
	releases := make(map[string]bool)
	for _, s := range sessions {
		releases[s.Program+" "+s.Release] = true
		switch header := s.header(); {
		case header == dialect.Relayed && s.Kind == "mua":
			return []string{"own"}
		case header == dialect.Relayed:
			return []string{"own", ""}
		case header != "" && header != "none":
			own = true
		case s.Given:
			given = true
		case s.print.Has(dialect.Write) && !s.print.TLSUsed:
			none = true
		}
	}
	switch {
	case own && given:
		return []string{"own", "given"}
	case own && (none || len(releases) == 1 || len(headerTerms(sessions)) > 1):
		return []string{"own", ""}
	case own:
		return []string{"own"}
	}
	return []string{""}
}

// headers makes terms of headers. To, Subject, and what names the program may be
// missing: that is for the user to say. Fields that stand in three orders and more
// stand in any: the program has them in a hash. An engine with many orders of
// different fields has none.
func headers(sessions []*spoken) []string {
	terms := headerTerms(sessions)
	var sorted []string
	for _, term := range terms {
		items := headerItems(term)
		slices.Sort(items)
		sorted = append(sorted, "*"+strings.Join(items, ""))
	}
	slices.Sort(sorted)
	if sorted = slices.Compact(sorted); len(terms) > 2 && len(sorted) == 1 {
		return sorted
	}
	if len(terms) > 4 {
		return nil
	}
	return terms
}

// headerItems splits a term of a header into its fields.
func headerItems(term string) (items []string) {
	begin := 0
	for i := 1; i <= len(term); i++ {
		if i == len(term) || term[i] >= 'A' && term[i] <= 'Z' {
			items = append(items, term[begin:i])
			begin = i
		}
	}
	return items
}

func headerTerms(sessions []*spoken) []string {
	var terms []string
	for _, s := range sessions {
		value := s.header()
		if value == "" || value == "none" {
			continue
		}
		text := ""
		for _, item := range headerItems(value) {
			if text += item; strings.IndexByte("TSUX", item[0]) >= 0 {
				text += "?"
			}
		}
		terms = append(terms, text)
	}
	slices.Sort(terms)
	return slices.Compact(terms)
}

// helloTerm is @ for the name of a host.
func helloTerm(value string) string {
	verb, name, _ := strings.Cut(value, " ")
	switch name {
	case "fqdn", "bare", "ip", "[ip]", "[ipv6]", "underscore":
		return verb + " @"
	}
	return value
}

// paths makes terms of MAIL or RCPT: a parameter is there where it is offered,
// or may be, or is there always.
func paths(f dialect.Field, sessions []*spoken) []string {
	type param struct{ has, lacks, blind int }
	var heads []string
	order := make(map[string][]string)
	count := make(map[string]map[string]*param)
	for _, s := range sessions {
		head, params := splitPath(string(s.print.Get(f)))
		if head == "" {
			continue
		}
		if count[head] == nil {
			heads = append(heads, head)
			count[head] = make(map[string]*param)
		}
		at := 0
		for _, p := range params {
			if count[head][p] == nil {
				count[head][p] = new(param)
				order[head] = slices.Insert(order[head], min(at, len(order[head])), p)
			}
			at = slices.Index(order[head], p) + 1
		}
	}
	for _, s := range sessions {
		head, params := splitPath(string(s.print.Get(f)))
		for name, p := range count[head] {
			has := slices.Contains(params, name)
			offered := s.print.Offer.Has(dialect.Needs(strings.TrimSpace(name)))
			switch {
			case has && !offered:
				p.blind++
			case has:
				p.has++
			case offered:
				p.lacks++
			}
		}
	}
	var terms []string
	for _, head := range heads {
		text := head
		for _, name := range order[head] {
			text += name
			switch p := count[head][name]; {
			case p.lacks > 0:
				text += "?"
			case p.blind > 0:
				text += "!"
			}
		}
		terms = append(terms, text)
	}
	slices.Sort(terms)
	return terms
}

// splitPath takes the parameters off.
func splitPath(value string) (head string, params []string) {
	end := strings.Index(value, "<>")
	if end < 0 {
		if end = strings.IndexByte(value, ':'); end < 0 {
			return value, nil
		}
		for end++; end < len(value) && value[end] == ' '; end++ {
		}
		end = min(end+1, len(value))
	} else {
		end += 2
	}
	head, value = value[:end], value[end:]
	for value != "" {
		n := 1 + strings.IndexByte(value[1:], ' ')
		if n == 0 {
			n = len(value)
		}
		params = append(params, value[:n])
		value = value[n:]
	}
	return head, params
}

// flows makes terms of orders: + for what is pipelined where that is offered. Those
// that did not come to the message are among them if early, with - at the end.
func flows(sessions []*spoken, early bool) []string {
	type wait struct{ offered, not string }
	waits := make(map[string][]wait) // by the letters
	var orders []string
	for _, s := range sessions {
		flow := string(s.print.Get(dialect.Flow))
		if flow == "" || strings.HasSuffix(flow, "-") && !early {
			continue
		}
		letters, seps := "", ""
		for i := range len(flow) {
			if strings.IndexByte("/+~", flow[i]) >= 0 {
				seps += flow[i : i+1]
			} else {
				letters += flow[i : i+1]
			}
		}
		if waits[letters] == nil {
			orders = append(orders, letters)
			waits[letters] = make([]wait, len(seps))
		}
		offered := s.print.Offer.Has(dialect.OfferOf("PIPELINING"))
		for i := range seps {
			if i >= len(waits[letters]) {
				break
			}
			if offered {
				waits[letters][i].offered += seps[i : i+1]
			} else {
				waits[letters][i].not += seps[i : i+1]
			}
		}
	}
	slices.Sort(orders)
	var terms []string
	for _, letters := range orders {
		text := letters[:1]
		for i := range len(letters) - 1 {
			if letters[i+1] != '$' && letters[i+1] != '-' && i < len(waits[letters]) {
				text += waitTerm(waits[letters][i].offered, waits[letters][i].not)
			}
			text += letters[i+1 : i+2]
		}
		terms = append(terms, text)
	}
	return slices.DeleteFunc(terms, func(term string) bool { // another one says it, too
		begin, open := strings.CutSuffix(term, "-")
		return open && slices.ContainsFunc(terms, func(other string) bool {
			return other != term && strings.HasPrefix(other, begin) && other[len(other)-1] == '-'
		})
	})
}

// waitTerm is the separator that explains how a command came.
func waitTerm(offered, not string) string {
	blind := strings.Contains(not, "+")
	switch has, lacks := strings.Contains(offered, "+"), strings.Contains(offered, "/"); {
	case has && lacks, blind && (lacks || strings.Contains(not, "/")):
		return "~"
	case blind:
		return "!"
	case has:
		return "+"
	}
	return "/"
}

// writeRules prints a file of signatures.
func writeRules(out io.Writer, rules []rule, date string) error {
	fmt.Fprintf(out, `; Programs that send mail, by how they speak SMTP (docs/dialect.md). The file is
; made of the recordings of tools/dialectlab by its command rules: of each field
; the values that the sessions of an engine have, where the server's offers do
; not explain them.

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
