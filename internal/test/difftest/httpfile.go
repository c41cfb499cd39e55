package difftest

import (
	"bytes"
	"fmt"
	"net/netip"
	"strings"
)

// HTTPFiles returns fixed captures for what the HTTP class of the generator can
// only touch: every language, every place to cut a message, every length about
// a bound (p0f-v3.md §12.2 class 11).
func HTTPFiles() []LinkFile {
	return []LinkFile{
		{Name: "http-languages", Data: webFile(languageExchanges())},
		{Name: "http-cuts-request", Data: webFile(cutExchanges(true))},
		{Name: "http-cuts-response", Data: webFile(cutExchanges(false))},
		{Name: "http-bounds", Data: webFile(boundExchanges())},
		{Name: "http-offsets", Data: webFile(offsetExchanges())},
	}
}

// webExchange is one connection: what each side sends, in segments.
type webExchange struct{ request, response [][]byte }

// whole is an exchange whose parts come in one segment each.
func whole(request, response string) webExchange {
	return webExchange{[][]byte{[]byte(request)}, [][]byte{[]byte(response)}}
}

const (
	plainRequest  = "GET / HTTP/1.1\r\nHost: a.example\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:50.0) Gecko/20100101 Firefox/50.0\r\nAccept: text/html,*/*;q=0.8\r\nAccept-Language: de,en;q=0.5\r\nConnection: close\r\n\r\n"
	plainResponse = "HTTP/1.1 200 OK\r\nServer: Apache/2.4\r\nX-Own:\r\nKeep-Alive: a|b\r\nConnection: close\r\nContent-Type: text/html\r\n\r\n<p>\r\nServer: x\r\nb: \x80\r\n\r\n"
)

// languageExchanges have all 676 codes of two letters, with and without a
// country, and odd forms.
func languageExchanges() []webExchange {
	var out []webExchange
	ask := func(language string) {
		out = append(out, whole("GET / HTTP/1.1\r\nHost: x\r\nAccept-Language: "+language+"\r\n\r\n", plainResponse))
	}
	for a := 'a'; a <= 'z'; a++ {
		for b := 'a'; b <= 'z'; b++ {
			ask(string([]rune{a, b}))
			if (a+b)%3 == 0 {
				ask(string([]rune{a, b}) + []string{"-US,en;q=0.5", ";q=1", ",de", " ", "_XX"}[b%5])
			}
		}
	}
	for _, odd := range []string{"", "e", "*", "eng", "EN", "En", "eN", "e1", "1e", "en1", "en\x00g", "e\x00n", "\x00", "en\t", "  en", "\ten", "é", "e\xc3", "en\xc3", "@a", "[a", "`a", "{a", "az", "zz", "a{"} {
		ask(odd)
	}
	return out
}

// cutExchanges cut one message at each of its bytes, then into bytes.
func cutExchanges(request bool) []webExchange {
	var out []webExchange
	messages := []string{plainResponse, "HTTP/1.0 200\nA: b\nServer:c\n\nx", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nServer: a\r\n\r\n"}
	if request {
		messages = []string{plainRequest, "GET / HTTP/1.0\nA: b\nUser-Agent:c\n\n", "HEAD / HTTP/1.0\r\n\r\n", "GET / HTTP/1.1\r\nA b\r\n\r\n"}
	}
	for _, text := range messages {
		add := func(cuts ...int) {
			e := whole(plainRequest, plainResponse)
			var parts [][]byte
			last := 0
			for _, at := range append(cuts, len(text)) {
				if at > last {
					parts = append(parts, []byte(text[last:at]))
				}
				last = at
			}
			if request {
				e.request = parts
			} else {
				e.response = parts
			}
			out = append(out, e)
		}
		var all []int
		for at := range len(text) + 1 {
			add(at)
			all = append(all, at)
			if next := at + 1 + at*7%23; next < len(text) {
				add(at, next)
			}
		}
		add(all...)
	}
	return out
}

// boundExchanges have names, values, first lines and counts about their bounds,
// with LF and CRLF, whole and cut near the bound.
func boundExchanges() []webExchange {
	var out []webExchange
	both := func(fields string) {
		for _, end := range []string{"\n", "\r\n"} {
			f := strings.ReplaceAll(fields, "\n", end)
			out = append(out, whole("GET / HTTP/1.1"+end+f+end, plainResponse), whole(plainRequest, "HTTP/1.1 200 OK"+end+f+end))
			for _, back := range []int{0, 1, 2, 3} { // the end comes late
				a, b := "GET / HTTP/1.1"+end+f, "HTTP/1.1 200 OK"+end+f
				cut := func(s string) [][]byte {
					return [][]byte{[]byte(s[:len(s)-back]), []byte(s[len(s)-back:] + end), []byte("more\r\n")}
				}
				out = append(out, webExchange{cut(a), [][]byte{[]byte(plainResponse)}}, webExchange{[][]byte{[]byte(plainRequest)}, cut(b)})
			}
		}
	}
	for n := 30; n <= 34; n++ {
		both(strings.Repeat("N", n) + ": v\n")
		both(strings.Repeat("N", n) + "\n")
		both(strings.Repeat("A: b\n", n))
	}
	for n := 1020; n <= 1028; n++ {
		both("X: " + strings.Repeat("v", n) + "\n")
		both("X:" + strings.Repeat("v", n) + "\n")
		both("Server: s\nX-Long: " + strings.Repeat("v", n))
	}
	for n := 996; n <= 1030; n++ {
		out = append(out, whole("GET /"+strings.Repeat("x", n)+" HTTP/1.1\r\nA: b\r\n\r\n", plainResponse),
			whole("GET /"+strings.Repeat("x", n)+" HTTP/1.1\nA: b\n\n", plainResponse),
			whole(plainRequest, "HTTP/1.1 "+strings.Repeat("x", n)+"\r\nA: b\r\n\r\n"),
			webExchange{[][]byte{[]byte("GET /" + strings.Repeat("x", n)), []byte(" HTTP/1.1\r\nA: b\r\n\r\n")}, [][]byte{[]byte(plainResponse)}},
			webExchange{[][]byte{[]byte(plainRequest)}, [][]byte{[]byte("HTTP/1.1 " + strings.Repeat("x", n)), []byte("\r\nA: b\r\n\r\n"), []byte("x")}})
	}
	for _, first := range []string{"GET / HTTP/1.0\n", "GET /HTTP/1.0\n\n", "GET /\n\n\n\n\n\n\n\n\n\n\n\n\n", "HEAD /HTTP/1.1\n", "GET /aaaaaaHTTP/1.1\n", "GET / HTTP/1.\n\n\n\n"} {
		out = append(out, whole(first+"A: b\n\n", plainResponse))
	}
	for _, first := range []string{"HTTP/1.0 200\n", "HTTP/1.0 200\r\n", "HTTP/1.0 20\n\n", "HTTP/1.1 \r\n\r\n\r\n", "HTTP/1.10000\n", "HTTP/1.1\n\n\n\n\n\n", "HTTP/2.0 200 OK\n"} {
		out = append(out, whole(plainRequest, first+"A: b\n\n"), whole(plainRequest, first))
	}
	return out
}

// offsetExchanges have header areas that cross the offsets 1024 and 8192, with a
// boundary of segments at each offset about them.
func offsetExchanges() []webExchange {
	var out []webExchange
	fill := func(size int) string {
		var b strings.Builder
		for i := 0; b.Len() < size; i++ {
			n := min(size-b.Len(), 400)
			fmt.Fprintf(&b, "F%02d: %s\r\n", i, strings.Repeat("f", max(0, n-7)))
		}
		return b.String()
	}
	for _, bound := range []int{1024, 8192} {
		for delta := -9; delta <= 9; delta++ {
			size := bound + delta
			for _, tail := range []string{"Server: late\r\n\r\n", "\r\n", "\r\nbody: x\r\n\r\n"} {
				text := "HTTP/1.1 200 OK\r\nServer: early\r\n"
				text += fill(size-len(text)) + tail
				add := func(cuts ...int) {
					e := webExchange{request: [][]byte{[]byte(plainRequest)}}
					last := 0
					for _, at := range append(cuts, len(text)) {
						if at = min(at, len(text)); at > last {
							e.response, last = append(e.response, []byte(text[last:at])), at
						}
					}
					out = append(out, e)
					ask := bytes.Replace([]byte(text), []byte("HTTP/1.1 200 OK"), []byte("GET /a HTTP/1.1"), 1)
					ask = bytes.Replace(ask, []byte("Server"), []byte("Origin"), 1)
					e = webExchange{response: [][]byte{[]byte(plainResponse)}}
					last = 0
					for _, at := range append(cuts, len(ask)) {
						if at = min(at, len(ask)); at > last {
							e.request, last = append(e.request, ask[last:at]), at
						}
					}
					out = append(out, e)
				}
				add()
				for _, at := range []int{-2, -1, 0, 1, 2} {
					add(bound + at)
					add(bound+at, bound+at+1)
					add(size+at, size+at+9)
				}
			}
		}
	}
	return out
}

// webFile puts exchanges into a capture: one connection each, from a Linux host
// that answers to one of three names, so that scores have a history.
func webFile(exchanges []webExchange) []byte {
	w := &world{r: newSource(1, "web"), now: 1_600_000_000_000_000}
	for i, e := range exchanges {
		client := netip.AddrPortFrom(netip.AddrFrom4([4]byte{198, 18, 0, byte(1 + i/50)}), uint16(1025+i%60000))
		server := netip.AddrPortFrom(netip.AddrFrom4([4]byte{198, 18, 1, byte(1 + i%3)}), uint16(80+i%2))
		w.webConnection(client, server, e)
	}
	return encodePcap(pcapFormat{link: linkEthernet}, w.out)
}

func (w *world) webConnection(client, server netip.AddrPort, e webExchange) {
	cseq, sseq := uint32(1000), uint32(5000)
	segment := func(src, dst netip.AddrPort, seq, ack uint32, flags uint16, opts, payload []byte) {
		w.now += 3000
		s := &segment{src: src, dst: dst, seq: seq, ack: ack, flags: flags, opts: opts, payload: payload,
			ttl: 64, df: true, id: 1, win: 29200}
		w.send(s)
	}
	opts := []byte{optMSS, 4, 0x05, 0xb4, optSOK, 2, optTS, 10, 0, 0, 0, 9, 0, 0, 0, 0, optNOP, optWS, 3, 7}
	segment(client, server, cseq, 0, flagSYN, opts, nil)
	segment(server, client, sseq, cseq+1, flagSYN|flagACK, opts, nil)
	cseq, sseq = cseq+1, sseq+1
	for _, p := range e.request {
		segment(client, server, cseq, sseq, flagACK|flagPSH, nil, p)
		cseq += uint32(len(p))
	}
	for _, p := range e.response {
		segment(server, client, sseq, cseq, flagACK|flagPSH, nil, p)
		sseq += uint32(len(p))
	}
	// Whether p0f still follows the connection shows by a SYN that it may take
	// for one sent again.
	segment(client, server, cseq-1, 0, flagSYN, opts, nil)
}
