package host

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"unsafe"

	"github.com/mxprint/mxprint/internal/http1"
	"github.com/mxprint/mxprint/note"
	"github.com/mxprint/mxprint/packet"
)

// webDB is testDB and HTTP: programs, and systems by HTTP. Which one matches is
// chosen by a header X-Name.
const webDB = testDB + `[http:request]
ua_os = Linux,Windows
label = s:!:Firefox:10
sys   = @unix
sig   = 1:X-Name=[firefox]::Firefox/
label = s:!:Wget:
sys   = Windows
sig   = 1:X-Name=[wget]::
label = s:unix:Linux:by HTTP
sig   = 1:X-Name=[linux]::
label = g:win:Windows:by HTTP
sig   = 1:X-Name=[windows]::
[http:response]
label = s:!:Apache:2.x
sys   = @unix,@win
sig   = 1:X-Name=[apache2]::Apache
label = s:!:Apache:1.x
sys   = @unix,@win
sig   = 1:X-Name=[apache1]::
label = s:!:nginx:
sys   = @unix,@win
sig   = 1:X-Name=[nginx]::
label = s:win:Windows:server
sig   = 1:X-Name=[windows]::
`

// webFeed is a feed that knows HTTP.
func webFeed(t testing.TB, cfg Config) *feed {
	f := newFeed(t, cfg)
	f.SetDB(mustParse(t, webDB))
	return f
}

// sides opens a connection and returns what feeds data of either side, a
// segment each.
func (f *feed) sides(port int, edit ...func(*packet.Segment)) (client, server func(parts ...string) []string) {
	first := syn(port, edit...)
	f.send(first, synAck(first))
	side := func(opening *packet.Segment) func(parts ...string) []string {
		at := 0
		return func(parts ...string) []string {
			f.said = nil
			for _, p := range parts {
				f.Frame(f.ms * 1000)
				f.Update(data(opening, at, len(p)), []byte(p))
				at += len(p)
			}
			return f.said
		}
	}
	return side(first), side(synAck(first))
}

// get and reply are messages that a signature of webDB may match.
func get(name string, fields ...string) string {
	return "GET / HTTP/1.1\nX-Name: " + name + "\n" + strings.Join(append(fields, ""), "\n") + "\n"
}

func reply(name string, fields ...string) string {
	return "HTTP/1.1 200 OK\nX-Name: " + name + "\n" + strings.Join(append(fields, ""), "\n") + "\n"
}

// TestHTTPExchange: the first request and response of a flow are reported, with
// what the address is known for afterwards, and the flow ends.
func TestHTTPExchange(t *testing.T) {
	f := webFeed(t, Config{})
	ask, answer := f.sides(1025)
	f.expect("half a request", ask("GET / HTTP/1.1\r\nX-Na"))
	f.expect("the rest", ask("me: firefox\r\nUser-Agent: Firefox/ Linux\r\nAccept-Language: de\r\n\r\n"),
		"http request cli Firefox 10 German 1:X-Name=[firefox],User-Agent,Accept-Language=[de]:Host,Connection,Accept,Accept-Encoding,Accept-Charset,Keep-Alive:Firefox/ Linux")
	f.expect("more of the client", ask(get("wget")))
	f.expect("a response", answer(reply("apache2", "Server: Apache")),
		"http response srv Apache 2.x none 1:X-Name=[apache2],Server:Content-Type,Connection,Keep-Alive,Accept-Ranges,Date:Apache")
	if f.conns() != 0 {
		t.Errorf("%d flows, want 0", f.conns())
	}
	h := f.host(clientAddr)
	if h.App == nil || h.App.Title() != "Firefox 10" || h.Language.String() != "German" || h.BadSW != note.Honest {
		t.Errorf("client: %+v", h)
	}
	if h = f.host(serverAddr); h.App == nil || h.App.Title() != "Apache 2.x" || h.Language != 0 {
		t.Errorf("server: %+v", h)
	}
	if f.partial.bytes != 0 {
		t.Errorf("%d bytes of headers are kept, want 0", f.partial.bytes)
	}
}

// TestScoreHTTP walks p0f-v3.md §8.7 and 8.8. Each case is a history of one
// client or server; the last message counts.
func TestScoreHTTP(t *testing.T) {
	linux, unknown := window(winLinux3), window(winUnknown)
	for _, tt := range []struct {
		name      string
		syn       func(*packet.Segment)
		requests  []string
		responses []string
		want      []string // what is said after the last message, less its fingerprint
	}{
		{"an honest browser", linux, []string{get("firefox", "User-Agent: Firefox/ Linux")}, nil, nil},
		{"another system in the User-Agent", linux, []string{get("firefox", "User-Agent: Firefox/ Windows")}, nil, []string{"host change cli ua_vs_os 0,1,1,1"}},
		{"of a dishonest one it does not count", linux, []string{get("firefox", "User-Agent: Windows")}, nil, nil},
		{"a system and none known", unknown, []string{get("firefox", "User-Agent: Firefox/ Linux")}, nil, []string{"host change cli ua_vs_os 0,1,1,1"}},
		{"a program on the wrong system", linux, []string{get("wget")}, nil, []string{"host change cli app_vs_os 0,1,1,1"}},
		{"a program and no system known", unknown, []string{get("wget")}, nil, nil},
		{"a proxy", linux, []string{get("firefox", "Via: 1.1 a")}, nil, []string{"host change cli via 1,1,1,1"}},
		{"an unknown program by a proxy", linux, []string{get("x", "X-Forwarded-For: a")}, nil, []string{"host change cli via 1,1,1,1"}},
		{"the system by HTTP", linux, []string{get("linux")}, nil, nil},
		{"another system by HTTP", linux, []string{get("windows")}, nil, []string{"host change cli os_diff 0,1,1,1"}},
		{"no system known, one by HTTP", unknown, []string{get("linux")}, nil, []string{"host change cli os_diff 0,1,1,1"}},
		{"the same system twice (odd)", linux, []string{get("linux"), get("linux")}, nil, []string{"host change cli os_diff 0,0,1,1"}},
		{"two systems by HTTP", linux, []string{get("linux"), get("windows")}, nil, []string{"host change cli os_diff 1,1,1,1"}},
		{"a program between two systems", linux, []string{get("linux"), get("firefox"), get("windows")}, nil, []string{"host change cli os_diff 1,1,1,1"}},

		{"a server twice", linux, nil, []string{reply("nginx"), reply("nginx")}, nil},
		{"another server", linux, nil, []string{reply("nginx"), reply("apache2")}, []string{"host change srv srv_sig_lb 1,1,1,1"}},
		{"another version of it", linux, nil, []string{reply("apache1"), reply("apache2")}, []string{"host change srv srv_sig_lb 0,0,1,1"}},
		{"unknown now", linux, nil, []string{reply("nginx"), reply("x")}, []string{"host change srv x_known 0,1,1,1"}},
		{"unknown before", linux, nil, []string{reply("x"), reply("nginx")}, nil},
		{"unknown before, a system now", linux, nil, []string{reply("x"), reply("windows")}, []string{"host change srv os_diff x_known 1,1,1,1"}},
		{"a proxy of the server", linux, nil, []string{reply("nginx", "Via: a")}, []string{"host change srv via 1,1,1,1"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := webFeed(t, Config{})
			var said []string
			for i, text := range append(tt.requests, tt.responses...) {
				ask, answer := f.sides(1025+i, tt.syn)
				if i < len(tt.requests) {
					said = ask(text)
				} else {
					ask(get("x"))
					said = answer(text)
				}
			}
			if !slices.Equal(said[1:], tt.want) {
				t.Errorf("said %q, want %q", said[1:], tt.want)
			}
		})
	}
}

// TestBadSW: 1 for another system, 0 again for the right one, 2 for a lie (p0f-v3.md
// §8.8, §8.11).
func TestBadSW(t *testing.T) {
	f := webFeed(t, Config{})
	for i, tt := range []struct {
		request string
		want    note.Honesty
	}{
		{get("firefox", "User-Agent: Firefox/ Windows"), note.OSMismatch},
		{get("firefox", "User-Agent: Firefox/"), note.OSMismatch},
		{get("firefox", "User-Agent: Firefox/ Linux"), note.Honest},
		{get("firefox", "User-Agent: Linux"), note.Dishonest},
		{get("firefox", "User-Agent: Firefox/ Windows"), note.Dishonest},
		{get("x", "User-Agent: Linux"), note.Dishonest},
		{get("firefox", "User-Agent: Firefox/ Linux"), note.Honest},
	} {
		ask, _ := f.sides(1025 + i)
		ask(tt.request)
		if got := f.host(clientAddr).BadSW; got != tt.want {
			t.Errorf("%d: after %q, %d, want %d", i, tt.request, got, tt.want)
		}
	}
}

// TestServerClock: dates may not go back by more than 10 s, nor on by more than
// the time that has passed and 10 s; on another port nothing is compared.
func TestServerClock(t *testing.T) {
	at := func(seconds int) string {
		return fmt.Sprintf("Date: Sun, 06 Nov 1994 08:%02d:%02d GMT", seconds/60, seconds%60)
	}
	for _, tt := range []struct {
		name      string
		from, to  string
		otherPort bool
		want      bool
	}{
		{"100 s later", at(1000), at(1100), false, false},
		{"110 s", at(1000), at(1110), false, false},
		{"111 s", at(1000), at(1111), false, true},
		{"10 s back", at(1000), at(990), false, false},
		{"11 s back", at(1000), at(989), false, true},
		{"11 s back on another port", at(1000), at(989), true, false},
		{"a date that cannot be read", at(1000), "Date: x", false, false},
		{"none before", "Date:", at(1), false, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := webFeed(t, Config{})
			ask, answer := f.sides(1025)
			ask(get("x"))
			answer(reply("nginx", tt.from))
			f.ms += 100_000
			var edit []func(*packet.Segment)
			if tt.otherPort {
				edit = append(edit, func(s *packet.Segment) { s.Dst = netip.AddrPortFrom(s.Dst.Addr(), 8080) })
			}
			ask, answer = f.sides(1026, edit...)
			ask(get("x"))
			said := answer(reply("nginx", tt.to))
			if got := slices.Contains(said, "host change srv date 0,1,1,1"); got != tt.want {
				t.Errorf("said %q, want date %v", said, tt.want)
			}
		})
	}
}

// TestHTTPWhole: p0f loses the line that a boundary of segments cuts.
//
// Deviation: with HTTPWhole it is not lost.
func TestHTTPWhole(t *testing.T) {
	for _, whole := range []bool{false, true} {
		f := webFeed(t, Config{HTTPWhole: whole})
		ask, answer := f.sides(1025)
		ask(get("x"))
		said := answer("HTTP/1.1 200 OK\nX-Name: ngi", "nx\nServer: a\n\n")
		if got := strings.Contains(said[0], " nginx "); got != whole {
			t.Errorf("whole %v: said %q", whole, said)
		}
	}
}

// TestCutCapture: where the capture has cut data off, what is there counts, and
// there is no going on behind it.
func TestCutCapture(t *testing.T) {
	for _, tt := range []struct {
		name, captured string
		alive          bool
	}{
		{"the whole header", get("firefox"), true},
		{"a part of the header", get("firefox")[:30], false},
		{"nothing", "", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := webFeed(t, Config{})
			f.send(syn(1025), synAck(syn(1025)))
			f.said = nil
			f.Frame(f.ms * 1000)
			f.Update(data(syn(1025), 0, 1400), []byte(tt.captured))
			if said := len(f.said) > 0; said != tt.alive || f.conns() == 1 != tt.alive {
				t.Errorf("said %q, %d flows, want %v", f.said, f.conns(), tt.alive)
			}
		})
	}
}

// TestHTTPFlood: half-open headers cost what they may and no more; the oldest
// give way, and the newest goes on.
func TestHTTPFlood(t *testing.T) {
	if size := unsafe.Sizeof(partialRec{}) + unsafe.Sizeof(links{}); size != partialBytes {
		t.Errorf("an unfinished header takes %d bytes, partialBytes is %d", size, partialBytes)
	}
	const most = 100_000
	f := webFeed(t, Config{MaxConns: 20_000, HTTPBytes: most})
	first, _ := f.sides(1025)
	first("GET / HTTP/1.1\n")
	for i := range 2000 {
		ask, _ := f.sides(2000 + i)
		ask("GET / HTTP/1.1\n", strings.Repeat("A: b\n", i%20), "X-Half: ")
		if f.partial.bytes > most {
			t.Fatalf("%d bytes are kept of %d connections, want %d at most", f.partial.bytes, i, most)
		}
		checkPartials(t, f.Table)
	}
	if n := f.conns(); n < 100 || n > most/(partialBytes+pageBytes) {
		t.Errorf("%d connections are left, want as many as fit", n)
	}
	if said := first("X-Name: wget\n\n"); len(said) != 0 {
		t.Errorf("the oldest connection is still there: %q", said)
	}
	last, _ := f.sides(1026)
	if last("GET / HTTP/1.1\n"); len(last("X-Name: wget\n\n")) == 0 {
		t.Error("the newest connection is not followed")
	}
	// One connection alone may always be followed.
	f = webFeed(t, Config{HTTPBytes: 1})
	ask, _ := f.sides(1025)
	if ask("GET / HTTP/1.1\n", "X-Fill: "+strings.Repeat("x", 1000)+"\n"); len(ask("X-Name: wget\n\n")) == 0 {
		t.Error("a single connection is not followed")
	}
}

// TestHTTPAllocatesNothing: neither mails nor the web cost allocations once the
// tables have their size.
func TestHTTPAllocatesNothing(t *testing.T) {
	f := webFeed(t, Config{MaxConns: 100, MaxHosts: 100})
	f.observer = new(quiet)
	for _, tt := range []struct {
		name             string
		request, respond []string
	}{
		{"the server speaks first", nil, []string{"220 mx.example ESMTP\r\n"}},
		{"the client does", []string{"EHLO mx.example.net\r\n"}, nil},
		{"HTTP", []string{get("firefox", "User-Agent: Firefox/ Linux", "Accept-Language: de")}, []string{reply("nginx")}},
		{"HTTP in parts", []string{"GET / HTT", "P/1.1\nA: b\n", "X-Name: wget\n\n"}, []string{"HTTP/1.1 200 OK\nX-Na", "me: nginx\n\n"}},
		{"a header that does not end", []string{"GET / HTTP/1.1\n", "A: " + strings.Repeat("b", 1000)}, nil},
	} {
		s := syn(1025)
		answer, ack, back := synAck(s), data(s, 0, 0), data(synAck(s), 0, 0)
		var parts [2][][]byte
		for i, texts := range [][]string{tt.request, tt.respond} {
			for _, p := range texts {
				parts[i] = append(parts[i], []byte(p))
			}
		}
		run := func() {
			f.ms += 10
			s.Seq += 77
			answer.Ack, ack.Seq, back.Seq = s.Seq+1, s.Seq+1, answer.Seq+1
			f.Frame(f.ms * 1000)
			f.Update(s, nil)
			f.Update(answer, nil)
			for i, seg := range []*packet.Segment{ack, back} {
				for _, p := range parts[i] {
					seg.PayloadLen = uint16(len(p))
					f.Update(seg, p)
					seg.Seq += uint32(len(p))
				}
			}
		}
		for range 50 {
			run()
		}
		if n := testing.AllocsPerRun(200, run); n != 0 {
			t.Errorf("%s: a connection makes %v allocations, want 0", tt.name, n)
		}
	}
}

// TestSetDBKeepsHTTP: what is known stays, scores restart.
func TestSetDBKeepsHTTP(t *testing.T) {
	f := webFeed(t, Config{})
	ask, answer := f.sides(1025)
	ask(get("firefox", "Accept-Language: en"))
	answer(reply("nginx"))
	f.SetDB(mustParse(t, webDB))
	if h := f.host(clientAddr); h.App == nil || h.App.Name != "Firefox" || h.Language.String() != "English" {
		t.Errorf("client: %+v", h)
	}
	ask, answer = f.sides(1026)
	ask(get("firefox"))
	if said := answer(reply("apache1")); len(said) != 1 {
		t.Errorf("said %q, want the fingerprint alone", said)
	}
	f.SetDB(mustParse(t, testDB))
	if h := f.host(clientAddr); h.App != nil {
		t.Errorf("the program is %s, which the database does not have", h.App.Title())
	}
}

// checkPartials holds the unfinished headers of a table together.
func checkPartials(t testing.TB, table *Table) {
	t.Helper()
	p := &table.partial
	sum, pages := 0, 0
	n := checkAge(t, "headers", &p.age, 0, func(n uint32) {
		rec := p.at(n)
		if table.flows.at(rec.flow).partial != n || rec.size > http1.MaxData {
			t.Fatalf("header %d of flow %d, which has %d, is of %d bytes", n, rec.flow, table.flows.at(rec.flow).partial, rec.size)
		}
		have := 0
		for _, page := range rec.pages {
			if page != none {
				have++
			}
		}
		if have != (int(rec.size)+pageBytes-1)/pageBytes {
			t.Fatalf("header %d: %d pages for %d bytes", n, have, rec.size)
		}
		pages += have
	})
	sum = n*partialBytes + pages*pageBytes
	if sum != p.bytes || int(p.made)-len(p.free) != n || int(p.pages.made)-len(p.pages.free) != pages {
		t.Fatalf("%d headers and %d pages of %d bytes; %d bytes counted, %d and %d in use",
			n, pages, sum, p.bytes, int(p.made)-len(p.free), int(p.pages.made)-len(p.pages.free))
	}
	if p.bytes > max(table.cfg.HTTPBytes, HTTPConnBytes) {
		t.Fatalf("%d bytes of headers, with a limit of %d", p.bytes, table.cfg.HTTPBytes)
	}
}
