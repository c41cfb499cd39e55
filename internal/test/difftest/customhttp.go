package difftest

import (
	"fmt"
	"strings"
)

// customHTTPLabels are labels of an HTTP section like customLabels: of
// operating systems, generic ones and programs. "Alpha OS" and "Beta" are also
// names of TCP labels.
var customHTTPLabels = [][5]string{
	{"s", "desk", "Alpha OS", "web", "-"},
	{"s", "!", "Reader", "1", "@desk,Beta"},
	{"s", "srv", "Beta", "client", "-"},
	{"s", "!", "reader", "2 | new", "@srv"},
	{"g", "!", "Any program", "", ""},
	{"s", "desk", "ALPHA OS", "2.x (web)", "-"},
	{"s", "embedded", "Gamma/3_x-(a)", "", "-"},
	{"g", "srv", "Beta", "some", "-"},
	{"s", "!", "Fetcher", "", ""},
	{"s", "!", "Mapper", "http", "@embedded,Alpha OS"},
	{"g", "desk", "Epsilon", "any: one", "-"},
}

func (b *dbWriter) http(r *source) {
	tcp := b.r
	b.r = r
	defer func() { b.r = tcp }()
	b.line("[http:request]")
	b.line("ua_os = Alpha OS,Beta=[BetaBrowser]Gamma/3_x-(a)=[Gamma],")
	b.line("ua_os = Epsilon=[BetaBrowser 2],beta")
	b.httpSection([]string{"Host", "User-Agent", "Accept", "Accept-Language", "Keep-Alive", "Cookie", "X-Beta", "x-own", "Via"},
		[]string{"Reader/", "Fetch", "Alpha", ""})
	b.line("[http:response]")
	b.httpSection([]string{"Date", "Server", "Content-Type", "Connection", "ETag", "X-Beta", "Vary", "Keep-Alive"},
		[]string{"AlphaServ", "Beta", ""})
}

// httpSection writes labels and signatures at random, none of which is covered
// by one before it.
func (b *dbWriter) httpSection(names, software []string) {
	r := b.r
	var done []*httpSig
	for i := range 24 {
		l := customHTTPLabels[i%len(customHTTPLabels)]
		var lines []string
		for range r.between(1, 3) {
			text := b.httpSig(names, software, 2-i/20)
			sig := &httpSig{generic: l[0] == "g"}
			if sig.generic && i > 8 { // or the first catch-alls would take all
				text = fmt.Sprintf("*:X-Only-%d,?%s::", i, pick(r, names...))
			}
			if err := sig.parse(text); err != nil {
				panic(err) // a fault of httpSig
			}
			covered := false
			for _, old := range done {
				covered = covered || old.covers(sig)
			}
			if !covered {
				done = append(done, sig)
				lines = append(lines, text)
			}
		}
		if len(lines) == 0 {
			continue
		}
		b.line("label = %s:%s:%s:%s", l[0], l[1], l[2], l[3])
		if l[4] != "-" {
			b.line("sys   = %s", l[4])
		}
		for _, text := range lines {
			b.line("sig   = %s", text)
		}
	}
}

func (b *dbWriter) httpSig(names, software []string, least int) string {
	r := b.r
	var order, absent []string
	rest := append([]string(nil), names...)
	for range r.between(least, 5) {
		i := r.n(len(rest))
		h := rest[i]
		if r.chance(0.85) { // a header may be wanted twice
			rest = append(rest[:i], rest[i+1:]...)
		}
		value := ""
		if h != "Date" && r.chance(0.35) {
			value = fmt.Sprintf("=[%s]", pick(r, "yes", "a:b,c", "*/*", " ", "close"))
		}
		optional := pick(r, "", "", "?")
		if len(order) == 0 {
			optional = "" // or it matches all
		}
		order = append(order, optional+h+value)
	}
	for range r.n(3) {
		absent = append(absent, pick(r, rest...))
	}
	return fmt.Sprintf("%s:%s:%s:%s", pick(r, "0", "1", "1", "*", "*"), strings.Join(order, ","), strings.Join(absent, ","), pick(r, software...))
}
