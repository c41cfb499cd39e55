package difftest

import (
	"fmt"
	"slices"
	"strings"
)

// message is a request or response before it is put into bytes.
type message struct {
	first  string
	fields []httpField
	body   string
}

// httpField is a header line in the making: name, what is between name and
// value, value, and the end of the line.
type httpField struct{ name, colon, value, end string }

// The fields that requests and responses have now and then: those of p0f-v3.md
// §8.5, and some that p0f does not know.
var (
	requestNames = []string{"Host", "User-Agent", "Connection", "Accept", "Accept-Encoding", "Accept-Language",
		"Accept-Charset", "Keep-Alive", "Cookie", "Referer", "Origin", "Range", "If-Modified-Since", "If-None-Match",
		"Authorization", "Proxy-Authorization", "Cache-Control", "X-Odd", "host", "USER-AGENT", "Te", "Server", "Date",
		"Content-Length", "Set-Cookie"}
	responseNames = []string{"Content-Type", "Connection", "Keep-Alive", "Accept-Ranges", "Date", "Set-Cookie",
		"Last-Modified", "ETag", "Content-Length", "Content-Disposition", "Cache-Control", "Expires", "Pragma", "Location",
		"Refresh", "Content-Range", "Vary", "Server", "X-Powered-By", "server", "Host", "User-Agent", "Accept-Language"}
	proxyNames = []string{"Via", "X-Forwarded-For"}
)

// request makes a request that fits a signature of the database, or none, and
// then changes it now and then (p0f-v3.md §12.2 class 11).
func (w *world) request() *message {
	r := w.r
	method := pick(r, "GET /", "GET /", "GET /", "HEAD /", "GET /a b?c=d&e=%20", "GET /"+strings.Repeat("x", r.n(300)))
	m := w.message(w.db.httpRequest, requestNames, func(version string) string { return method + " HTTP/1." + version })
	if r.chance(0.4) {
		m.set("Accept-Language", w.language())
	}
	return m
}

// response is request for the server.
func (w *world) response() *message {
	r := w.r
	status := pick(r, "200 OK", "200", "404 Not Found", "100 Continue", "304 Not Modified", "301")
	m := w.message(w.db.httpResponse, responseNames, func(version string) string { return "HTTP/1." + version + " " + status })
	m.body = pick(r, "", "<html>\r\n<body>a: b\r\n", strings.Repeat("z", r.n(2000)), "Server: in/the body\r\n\r\n")
	return m
}

func (w *world) message(sigs []*httpSig, names []string, first func(version string) string) *message {
	r := w.r
	m := &message{}
	version := byte('1')
	if len(sigs) > 0 && r.chance(0.85) {
		s := pick(r, sigs...)
		if s.version != '*' {
			version = s.version
		}
		w.fitting(m, s)
	} else {
		for range r.n(9) {
			m.fields = append(m.fields, w.field(pick(r, names...), ""))
		}
	}
	if r.chance(0.04) {
		version ^= 1
	}
	m.first = first(string(version) + pick(r, "", "", "", "", "", "", "", "", "x"))
	for r.chance(0.35) {
		w.change(m, names)
	}
	return m
}

// fitting gives a message the fields of a signature.
func (w *world) fitting(m *message, s *httpSig) {
	r := w.r
	software := s.software
	if r.chance(0.12) {
		software = pick(r, "Mozilla/5.0", "Other/2", "")
	}
	for _, want := range s.order {
		if want.optional && r.chance(0.5) {
			continue
		}
		f := w.field(want.name, want.value)
		if want.name == "User-Agent" || want.name == "Server" {
			f.value = w.software(software, want.value)
		}
		m.fields = append(m.fields, f)
	}
}

// software is a User-Agent or Server that contains what a signature wants, and
// mostly names a system.
func (w *world) software(expected, value string) string {
	r := w.r
	parts := []string{expected, value}
	if len(w.db.ua) > 0 && r.chance(0.7) {
		parts = append(parts, pick(r, w.db.ua...))
	}
	if r.chance(0.3) {
		parts = append(parts, pick(r, "(X11; U; en-US)", "rv:50.0", "a|b", "like Gecko", "[x]", strings.Repeat("k", r.n(260))))
	}
	for i := range parts {
		j := r.n(i + 1)
		parts[i], parts[j] = parts[j], parts[i]
	}
	return strings.TrimSpace(strings.Join(parts, " "))
}

// field makes a field whose value contains want.
func (w *world) field(name, want string) httpField {
	r := w.r
	f := httpField{name: name, colon: ": ", value: want, end: "\r\n"}
	switch {
	case name == "Date":
		f.value = w.noDate()
	case want == "" || r.chance(0.4):
		f.value = pick(r, "", "a", "www.example.org", "text/html,*/*;q=0.8", "gzip, deflate", "keep-alive", "close", "bytes", "300",
			"x=y; z", strings.Repeat("v", r.n(230))) + want + pick(r, "", "", "b", ";q=0.5", ", deflate")
	}
	return f
}

// noDate is a Date that cannot be read: what p0f makes of those that can is not
// defined (p0f-v3.md §8.9, §12.4).
func (w *world) noDate() string {
	return pick(w.r, "", "today", "Sun Nov  6 08:49:37 1994", "Sunday, 06-Nov-94 08:49:37 GMT",
		"Sun, 32 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 1994 24:49:37 GMT", "Sun, 06 Nov 1994", "0", "6 Nov 1994 08:49:37 GMT")
}

// language is one of all codes of two letters, most often one that p0f knows,
// or an odd form (p0f-v3.md §8.4).
func (w *world) language() string {
	r := w.r
	two := string([]byte{'a' + byte(r.n(26)), 'a' + byte(r.n(26))})
	switch r.n(8) {
	case 0:
		return pick(r, "en", "de", "fr", "zh", "ja", "zu", "aa", "xx")
	case 1:
		return two
	case 2:
		return pick(r, "", "e", "*", "eng", "en_US", "EN", "En", "1n", "e1", "en1", " en", "e", "en\x00", "\x00en", "en ", "i-klingon", "-en", "é")
	}
	return two + pick(r, "-US", "-us,en;q=0.5", ";q=0.8", ",fr", "_AA")
}

// set gives a field a value, at a place of its own where it is not there yet.
func (m *message) set(name, value string) {
	for i := range m.fields {
		if m.fields[i].name == name {
			m.fields[i].value = value
			return
		}
	}
	m.fields = append(m.fields, httpField{name: name, colon: ": ", value: value, end: "\r\n"})
}

// change alters one thing of a message.
func (w *world) change(m *message, names []string) {
	r := w.r
	if len(m.fields) == 0 {
		m.fields = append(m.fields, w.field(pick(r, names...), ""))
		return
	}
	i := r.n(len(m.fields))
	f := &m.fields[i]
	isDate := f.name == "Date"
	switch r.n(22) {
	case 0: // another order
		j := r.n(len(m.fields))
		m.fields[i], m.fields[j] = m.fields[j], m.fields[i]
	case 1:
		m.fields = slices.Delete(m.fields, i, i+1)
	case 2, 3: // one more
		m.fields = slices.Insert(m.fields, i, w.field(pick(r, names...), ""))
	case 4:
		m.fields = append(m.fields, *f)
	case 5, 6:
		m.fields = slices.Insert(m.fields, i, w.field(pick(r, proxyNames...), pick(r, "1.1 proxy", "10.0.0.1")))
	case 7: // many
		for n := pick(r, 31, 32, 33, 34); len(m.fields) < n; {
			m.fields = append(m.fields, w.field(pick(r, append(names, "X-A", "X-B")...), ""))
		}
	case 8:
		f.name = strings.Repeat("N", pick(r, 31, 32, 33, 34))
	case 9:
		if !isDate { // the bound is 1024 bytes before the LF
			n := pick(r, 1021, 1022, 1023, 1024, 1025, 1026)
			f.value = (f.value + strings.Repeat("w", n))[:n]
		}
	case 10:
		f.end = pick(r, "\n", "\r\r\n", " \r\n", "\r\n", "\n")
	case 11:
		for i := range m.fields {
			m.fields[i].end = "\n"
		}
		m.first = strings.TrimSuffix(m.first, "\r\n") + "\n"
	case 12:
		f.value, f.colon = "", pick(r, ":", ": ", ":\t", ":  ")
	case 13:
		f.colon = pick(r, ":", ":\t", ":  ", ":\t ", " :", "", ": \t")
	case 14:
		f.name = pick(r, "", "A b", "A.b", "A\x00", "_x-1", "É", "A(b)", "-")
	case 15, 16:
		if !isDate {
			odd := pick(r, "|", "]", "[", "\x01", "\x7f", "\x80", "\xff", "\x00", "\t", "\r", "  ", ":", "=[x]", "a|b]c")
			at := r.n(len(f.value) + 1)
			f.value = f.value[:at] + odd + f.value[at:]
		}
	case 17: // a continuation line
		f.end = "\r\n more\r\n"
	case 18:
		m.first = pick(r, "GET / HTTP/1.1", "GET / HTTP/1.0", "GET /", "GET / HTTP/2.0", "GET / HTTP/1.2", "GET /  HTTP/1.1 ", "GET /\x01 HTTP/1.1",
			"GET /\x7f HTTP/1.1", "GET /\x80 HTTP/1.1", "HEAD / HTTP/1.1", "GET /a HTTP/1.", "HEAD /\r HTTP/1.1", "POST / HTTP/1.1", "GET http://a/ HTTP/1.1",
			"\r\nGET / HTTP/1.1", "HTTP/1.1 200 OK", "HTTP/1.0 200", "HTTP/1.1", "HTTP/1.1 20", "HTTP/2 200 OK", "HTTP/1.1 \x80", "ICY 200 OK", "HTTP/1.1 200 \x1b")
	case 19:
		n := pick(r, 1020, 1021, 1022, 1023, 1024, 1025) - len(m.first)
		if n > 0 && strings.HasPrefix(m.first, "GET /") {
			m.first = "GET /" + strings.Repeat("y", n) + m.first[5:]
		} else if n > 0 {
			m.first += strings.Repeat("y", n)
		}
	case 20: // about where the buffer ends
		w.swell(m, pick(r, 1016, 1022, 1024, 1030, 8180, 8188, 8190, 8192, 8194, 8200, 9000))
	case 21:
		m.fields[0].value = strings.ToUpper(m.fields[0].value)
	}
}

// swell lengthens a message to that many bytes of header.
func (w *world) swell(m *message, size int) {
	have := len(m.header())
	for have < size && len(m.fields) < 34 {
		n := min(size-have, pick(w.r, 500, 900, 1000))
		f := httpField{name: "X-Fill", colon: ": ", value: strings.Repeat("f", max(0, n-len("X-Fill: \r\n"))), end: "\r\n"}
		at := w.r.n(len(m.fields) + 1)
		m.fields = slices.Insert(m.fields, at, f)
		have = len(m.header())
	}
}

// header is a message up to the empty line.
func (m *message) header() []byte {
	var b strings.Builder
	b.WriteString(m.first)
	if !strings.HasSuffix(m.first, "\n") {
		b.WriteString("\r\n")
	}
	for _, f := range m.fields {
		fmt.Fprint(&b, f.name, f.colon, f.value, f.end)
	}
	b.WriteString("\r\n")
	return []byte(b.String())
}

func (m *message) bytes() []byte { return append(m.header(), m.body...) }
