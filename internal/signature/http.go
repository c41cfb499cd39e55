package signature

import (
	"slices"
	"strings"
)

// HTTP is one signature of an [http:…] section (p0f-v3.md §2.5).
type HTTP struct {
	File  string // as in TCP
	Line  int    // line in the file
	Label *Label // what it says of the sender
	label int    // its id, while the labels are being read
	layer int

	Version  int      // 0 for HTTP/1.0, 1 for HTTP/1.1, or Any
	Order    []Header // headers in the order they must come
	Absent   []string // headers that must not occur
	Software string   // text that an honest User-Agent or Server contains

	need     httpNeed
	software []byte // Software
}

func (h *HTTP) place() place { return place{h.File, h.Line, h.layer} }

// Header is one entry of the header order of an HTTP signature.
type Header struct {
	Name     string // case counts
	Optional bool
	Value    string // text the value must contain; empty for any
}

// takes reports whether a value satisfies the entry.
func (h *Header) takes(value string) bool {
	return h.Value == "" || strings.Contains(value, h.Value)
}

// indexHeader returns where a header of this name first stands, or -1.
func indexHeader(headers []Header, name string) int {
	return slices.IndexFunc(headers, func(h Header) bool { return h.Name == name })
}

const maxHeaders = 32 // entries of a header list

// httpSig reads ver:order:absent:software.
func (p *parser) httpSig(dir Direction, v string) {
	h := &HTTP{File: p.file, Line: p.line, layer: p.layer, label: len(p.db.labels)}
	h.Version, v = p.version(v, "01*", "want 0, 1 or * and a colon as the HTTP version", httpFields)
	v = p.headerOrder(h, v)
	v = p.absentHeaders(h, v)
	if p.err != nil {
		return
	}
	if i := strings.IndexByte(v, ':'); i >= 0 {
		p.fail(v[i:], "colon in the expected software", httpFields)
		return
	}
	h.Software = v
	for _, old := range p.db.http[dir] {
		if p.work -= 6 * (1 + len(old.Order) + len(h.Order) + len(old.Absent)*len(h.Order)); p.work < 0 { // names are dearer than numbers
			p.tooMuch()
			return
		}
		if !p.db.labels[old.label-1].Generic && old.covers(h) {
			p.covered(old.place())
			return
		}
	}
	p.db.http[dir] = append(p.db.http[dir], h)
	p.counted(true)
}

func (p *parser) headerOrder(h *HTTP, v string) string {
	for p.err == nil && v != "" && v[0] != ':' {
		var hd Header
		if hd, v = p.header(v, len(h.Order), true); strings.HasPrefix(v, "=") {
			hd.Value, v = p.bracketed(v[1:])
		}
		if p.err != nil {
			return ""
		}
		h.Order = append(h.Order, hd)
		v = p.comma(v, "header")
	}
	return p.colon(v, "header order")
}

func (p *parser) absentHeaders(h *HTTP, v string) string {
	for p.err == nil && v != "" && v[0] != ':' {
		var hd Header
		if hd, v = p.header(v, len(h.Absent), false); p.err != nil {
			return ""
		}
		h.Absent = append(h.Absent, hd.Name)
		v = p.comma(v, "header")
	}
	return p.colon(v, "absent headers")
}

// header reads the name of a header, and whether it is optional, of a list that has
// some already.
func (p *parser) header(v string, have int, mayBeOptional bool) (h Header, rest string) {
	if have == maxHeaders {
		p.fail(v, "more than %d headers", "name the telling ones", maxHeaders)
		return h, ""
	}
	if mayBeOptional {
		v, h.Optional = strings.CutPrefix(v, "?")
	}
	n := span(v, isHeaderByte)
	if n == 0 {
		p.fail(v, "want a header name", "names are of letters, digits, - and _; a ? before one makes it optional")
	}
	h.Name = v[:n]
	return h, v[n:]
}

// bracketed reads [text], which may not be empty.
func (p *parser) bracketed(v string) (string, string) {
	end := strings.IndexByte(v, ']')
	if !strings.HasPrefix(v, "[") || end < 0 {
		p.fail(v, "want [text]", "write NAME=[text]")
		return "", ""
	}
	if end == 1 {
		p.fail(v, "empty text in brackets", "write a text, or leave =[] out")
		return "", ""
	}
	return v[1:end], v[end+1:]
}

// comma steps over the comma between entries; what ends the list stays.
func (p *parser) comma(v, what string) string {
	if strings.HasPrefix(v, ",") {
		return v[1:]
	}
	if !strings.HasPrefix(v, ":") {
		p.fail(v, "want a comma or a colon after a %s", "put commas between the headers, and a colon behind the last", what)
	}
	return v
}

// uaOS reads ua_os = NAME,NAME=[text],…
func (p *parser) uaOS(s, v string) {
	if p.section != httpRequest || p.expect != expectLabel {
		p.fail(s, "ua_os belongs in [http:request], before its first label", "move the line there")
		return
	}
	for v != "" && p.err == nil {
		n := span(v, isNameByte)
		if n == 0 {
			p.fail(v, "want the name of a system", "write ua_os = Linux,Windows=[text]")
			return
		}
		id := p.db.names.id(v[:n])
		name := p.db.names.names[id]
		entry := UAOS{Name: name, Substring: name, name: id}
		v = v[n:]
		bracket := strings.HasPrefix(v, "=")
		if bracket {
			entry.Substring, v = p.bracketed(v[1:])
		}
		p.db.uaOS = append(p.db.uaOS, entry)
		if v != "" && v[0] != ',' && !bracket {
			p.fail(v, "want a comma between systems", "write the systems with commas between them, and nothing behind the last")
			return
		}
		v = strings.TrimPrefix(v, ",") // blanks behind it are part of the next name
	}
}

func isHeaderByte(c byte) bool { return isAlnum(c) || c == '-' || c == '_' }
