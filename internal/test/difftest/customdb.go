package difftest

import (
	"fmt"
	"strings"
)

// CustomDatabase returns a database that p0f accepts and that holds what its
// stock one lacks (p0f-v3.md §12.2 class 12): operating systems and generic labels
// in every section, userland SYN+ACKs, random TTLs for operating systems,
// signatures of one IP version, IP options, "mtu*", "%", "A+B", every quirk, an
// empty sys, two spellings of a name, duplicate MTU values. The text is made
// here; nothing in it comes from p0f's file. The same variant gives the same
// text.
func CustomDatabase(variant uint64) string {
	b := &dbWriter{r: newSource(variant, "database")}
	b.line("; made by difftest, variant %d", variant)
	b.line("classes = desk, srv,embedded")
	b.line("classes =")
	b.mtu()
	b.tcp("[tcp:request]", false)
	b.http(newSource(variant, "database of HTTP"))
	b.tcp("[tcp:response]", true)
	b.line("[mtu]")
	b.line("label = Late link")
	b.line("sig   = 1374")
	return b.String()
}

type dbWriter struct {
	strings.Builder
	r *source
}

func (b *dbWriter) line(format string, args ...any) { fmt.Fprintf(b, format+"\n", args...) }

func (b *dbWriter) mtu() {
	b.line("[mtu]")
	b.line("label = Plain wire")
	b.line("sig   = 1500")
	b.line("sig   = 01460")
	b.line("label = Second wire")
	b.line("sig   = 1500")
	b.line("sig   = 1280")
	b.line("label = Loop: a | b")
	b.line("sig   = 65535")
	b.line("sig   = 41")
}

// labels of a TCP section: type, class, name, flavor, sys ("-" = none). The
// order mixes generic, specific and userland, and the two spellings of "Alpha OS".
var customLabels = [][5]string{
	{"s", "desk", "Alpha OS", "1.x", "-"},
	{"s", "desk", "Alpha OS", "2.x (new)", "-"},
	{"g", "srv", "Beta", "any: time", "-"},
	{"s", "SRV", "ALPHA os", "server", "-"},
	{"s", "!", "Prober", "v1", "@desk,Beta"},
	{"s", "embedded", "Gamma/3_x-(a)", "", "-"},
	{"g", "embedded", "Gamma/3_x-(a)", "late", "-"},
	{"s", "!", "Mapper", "", ""},
	{"s", "srv", "Beta", "9", "-"},
	{"g", "!", "Sweeper!", "x|y", "@srv, @embedded"},
	{"s", "desk", "Delta ?", "1", "-"},
}

// tcp writes a section. Signatures are made in families that share a layout and
// quirks, so that exact, generic and fuzzy candidates meet; within a family the
// literal windows are distinct and wildcards come last, so that no earlier
// signature covers a later one (p0f-v3.md §2.6).
func (b *dbWriter) tcp(section string, response bool) {
	r := b.r
	b.line("%s", section)
	var sigs []string
	families := append([]string(nil), "mss,sok,ts,nop,ws", "mss,nop,ws,nop,nop,sok", "mss",
		"mss,nop,nop,ts,nop,ws,sok", "mss,sok,ts,eol+1", "", "mss,sack,nop,nop", "mss,?30,nop,nop", "ts,nop,nop",
		"nop,nop,nop,nop", "mss,ws,eol+4", "mss,sok,ws,nop,nop,nop", "?2,nop,nop,sok,", "mss,mss,ws,nop", "sok,mss,eol+5",
		"ws,mss,nop", "mss,ts,nop,eol+0", "nop,nop,nop,nop,nop,nop,nop,nop,nop,nop,nop,nop,nop,nop,nop,nop,nop,nop,nop,nop,mss",
		"sok,mss,nop,nop", "mss,?77,?254", "ts,mss,sok")
	for _, layout := range families {
		quirks := b.someQuirks(layout, response)
		sigs = append(sigs, b.family(layout, quirks)...)
	}
	// Labels take the signatures in runs, in an order that interleaves families.
	for i := len(sigs) - 1; i > 0 && r.chance(0.5); i-- {
		j := max(0, i-1)
		if strings.Contains(sigs[i], ":*,") || strings.Contains(sigs[j], ":*,") {
			continue
		}
		sigs[i], sigs[j] = sigs[j], sigs[i]
	}
	for n := 0; len(sigs) > 0; n++ {
		l := customLabels[n%len(customLabels)]
		b.line("")
		b.line("label = %s:%s:%s:%s", l[0], l[1], l[2], l[3])
		if l[4] != "-" {
			b.line("sys   = %s", l[4])
		}
		take := min(len(sigs), r.between(1, 4))
		for _, s := range sigs[:take] {
			b.line("  sig=%s", s)
		}
		sigs = sigs[take:]
	}
}

// quirk sets that fit together; ver limits what may be used.
func (b *dbWriter) someQuirks(layout string, response bool) string {
	sets := []string{"df,id+", "df,id+", "df", "", "id-", "df,id+,ecn", "0+", "pushf+", "urgf+", "uptr+", "seq-",
		"df,id+,pushf+,urgf+,", "df,df"}
	if response {
		sets = append(sets, "ack-", "df,id+,ack-")
	} else {
		sets = append(sets, "ack+", "df,id+,ack+")
	}
	if strings.Contains(layout, "ts") {
		sets = append(sets, "df,id+,ts1-")
		if !response {
			sets = append(sets, "ts2+", "df,id+,ts2+")
		}
	}
	if strings.Contains(layout, "ws") {
		sets = append(sets, "df,exws", "df,id+,bad")
	}
	if strings.Contains(layout, "eol+4") || strings.Contains(layout, "eol+5") {
		sets = append(sets, "opt+", "df,opt+")
	}
	return pick(b.r, sets...)
}

func (b *dbWriter) family(layout, quirks string) []string {
	r := b.r
	payload := pick(r, "0", "0", "0", "*", "+")
	ttl := pick(r, "64", "64", "128", "255", "60+4", "32", "50+", "64-", "200-", "1")
	scale := pick(r, "*", "*", "7", "0", "")
	mss := pick(r, "*", "*", "1460", "*")
	if !strings.Contains(layout, "mss") && !strings.Contains(layout, "?2") {
		mss = pick(r, "*", "0")
	}
	if quirks != "" && strings.Contains(quirks, "exws") {
		scale = "*"
	}
	ver := func() string {
		v4only := strings.Contains(quirks, "df") || strings.Contains(quirks, "id") || strings.Contains(quirks, "0+")
		if v4only {
			return pick(r, "*", "4", "4")
		}
		return pick(r, "*", "4", "6")
	}
	olen := func() string { return pick(r, "0", "0", "0", "0", "4", "8", "40", "00") }
	sig := func(win string) string {
		q := quirks
		v := ver()
		if v == "6" && r.chance(0.6) && !strings.Contains(q, "flow") {
			q = strings.TrimSuffix("flow,"+q, ",")
		}
		return fmt.Sprintf("%s:%s:%s:%s:%s,%s:%s:%s:%s", v, ttl, olen(), mss, win, scale, layout, q, payload)
	}
	var out []string
	literal := 1000 + r.n(8)*1001
	for range r.between(1, 3) {
		out = append(out, sig(fmt.Sprint(literal)))
		literal += 1 + r.n(9000)
	}
	if mss != "0" {
		out = append(out, sig(fmt.Sprintf("mss*%d", r.between(1, 20))))
		out = append(out, sig(fmt.Sprintf("mtu*%d", r.between(1, 20))))
	}
	if r.chance(0.7) {
		out = append(out, sig(fmt.Sprintf("%%%d", pick(r, 2, 1024, 8192, 777, 65535))))
	}
	if r.chance(0.6) {
		out = append(out, sig("*"))
	}
	return out
}
