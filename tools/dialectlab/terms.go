package main

import (
	"slices"
	"strings"

	"github.com/mxprint/mxprint/dialect"
)

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
