package p0f

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mxprint/mxprint/internal/test/fronttest"
	"github.com/mxprint/mxprint/internal/test/lab"
	"github.com/mxprint/mxprint/note"
)

var (
	v2Client = netip.MustParseAddrPort("198.18.0.1:39435")
	v2Server = netip.MustParseAddrPort("198.18.0.2:25")
)

// v2Query is a query in the padding of which is memory of the client.
func v2Query(id uint32, client, server netip.AddrPort) []byte {
	q := binary.NativeEndian.AppendUint32(nil, 0x0defaced)
	q = append(q, 1, 0xde, 0xad, 0xbe)
	q = binary.NativeEndian.AppendUint32(q, id)
	q = append(append(q, client.Addr().AsSlice()...), server.Addr().AsSlice()...)
	q = binary.NativeEndian.AppendUint16(q, client.Port())
	return binary.NativeEndian.AppendUint16(q, server.Port())
}

// v2Reply is a reply as a client reads it.
type v2Reply struct {
	ID                        uint32
	Type                      byte
	Genre, Detail, Link, TOS  string
	Distance                  int8
	Firewall, NAT, Real, Zero byte
	Score                     int16
	Flags                     uint16
	Uptime                    int32
}

// readV2 reads one reply, field by field in their order.
func readV2(t testing.TB, r io.Reader) v2Reply {
	t.Helper()
	var b [141]byte
	if _, err := io.ReadFull(r, b[:]); err != nil {
		t.Fatalf("reading a reply: %v", err)
	}
	rest := b[:]
	take := func(n int) []byte {
		f := rest[:n]
		rest = rest[n:]
		return f
	}
	text := func(n int) string {
		s, after, ok := bytes.Cut(take(n), []byte{0})
		if !ok || len(bytes.Trim(after, "\x00")) != 0 {
			t.Fatalf("reply %x: a text does not end in a NUL, or something follows it", b)
		}
		return string(s)
	}
	if m := binary.NativeEndian.Uint32(take(4)); m != 0x0defaced {
		t.Fatalf("reply %x: magic %#x", b, m)
	}
	var v v2Reply
	v.ID = binary.NativeEndian.Uint32(take(4))
	v.Type = take(1)[0]
	v.Genre, v.Detail = text(20), text(40)
	v.Distance = int8(take(1)[0])
	v.Link, v.TOS = text(30), text(30)
	v.Firewall, v.NAT, v.Real = take(1)[0], take(1)[0], take(1)[0]
	v.Score = int16(binary.NativeEndian.Uint16(take(2)))
	v.Flags = binary.NativeEndian.Uint16(take(2))
	v.Uptime = int32(binary.NativeEndian.Uint32(take(4)))
	if len(rest) != 0 {
		t.Fatalf("%d bytes of the reply are left", len(rest))
	}
	return v
}

// v2Known is a Lookuper that knows one connection.
func v2Known(n note.Note) *fronttest.Lookuper {
	return &fronttest.Lookuper{Notes: map[netip.AddrPort]note.Note{v2Client: n}}
}

var v2FreeBSD = note.Note{
	State: note.Matched, OSName: "FreeBSD", OSFlavor: "8.x (1)", LinkType: "ethernet/modem",
	Distance: note.Hops(17), UptimeMin: 1390*60 + 59, UpModDays: 497,
}

// startV2 serves a socket and returns its path.
func startV2(t testing.TB, s *V2Server) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "p0f2")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	path := filepath.Join(dir, "sock")
	ln, err := Listen(path, 0)
	if err != nil {
		t.Fatal(err)
	}
	stop := fronttest.Start(s.Serve, ln)
	t.Cleanup(func() {
		if err := stop(); err != nil {
			t.Errorf("Serve = %v, want nil", err)
		}
	})
	return path
}

func TestV2Notes(t *testing.T) {
	for _, tt := range []struct {
		name string
		n    note.Note
		want v2Reply
	}{
		{"matched", v2FreeBSD, v2Reply{Genre: "FreeBSD", Detail: "8.x (1)", Link: "ethernet/modem", Distance: 17, Real: 1, Uptime: 1390}},
		{"shared", note.Note{Distance: note.Hops(0), State: note.Matched, OSName: "A", LastNAT: time.Unix(1, 0)}, v2Reply{Genre: "A", NAT: 1, Real: 1, Uptime: -1}},
		{"a random clock, as p0f counts it", note.Note{Distance: note.Hops(0), State: note.Matched, OSName: "A", UptimeMin: 120, UpModDays: 49, Clock: note.ClockRandom},
			v2Reply{Genre: "A", Real: 1, Uptime: 2}},
		{"unknown", note.Note{State: note.Unknown, LinkType: "DSL", Distance: note.Hops(200)}, v2Reply{Link: "DSL", Distance: 127, Uptime: -1}},
		{"distance not known", note.Note{State: note.Unknown}, v2Reply{Distance: -1, Uptime: -1}},
		{"up since less than an hour", note.Note{Distance: note.Hops(0), State: note.Unknown, UptimeMin: 59, UpModDays: 49}, v2Reply{Uptime: 0}},
		{"longest uptime", note.Note{Distance: note.Hops(0), State: note.Unknown, UptimeMin: 1<<32 - 1, UpModDays: 49710}, v2Reply{Uptime: (1<<32 - 1) / 60}},
		{"long texts", note.Note{
			Distance: note.Hops(0), State: note.Matched, OSName: strings.Repeat("n", 99), OSFlavor: strings.Repeat("f", 99), LinkType: strings.Repeat("l", 99),
		}, v2Reply{Genre: strings.Repeat("n", 19), Detail: strings.Repeat("f", 39), Link: strings.Repeat("l", 29), Real: 1, Uptime: -1}},
		{"any bytes", note.Note{Distance: note.Hops(0), State: note.Matched, OSName: "A\r\nBcc: b", OSFlavor: "\x00\xff", LinkType: "\""},
			v2Reply{Genre: "A??Bcc: b", Detail: "??", Link: "'", Real: 1, Uptime: -1}},
		{"not seen", note.Note{State: note.NotSeen}, v2Reply{Type: 2}},
		{"unavailable", note.Note{}, v2Reply{Type: 2}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.want.ID = 0xfedcba98
			if tt.want.Type == 0 {
				tt.want.Score = -100
			}
			if got := readV2(t, bytes.NewReader(appendV2Reply(nil, tt.want.ID, &tt.n))); got != tt.want {
				t.Errorf("reply %+v, want %+v", got, tt.want)
			}
		})
	}
}

func TestV2Queries(t *testing.T) {
	leaks(t)
	good := v2Query(7, v2Client, v2Server)
	with := func(at int, b ...byte) []byte {
		q := bytes.Clone(good)
		copy(q[at:], b)
		return q
	}
	swapped := with(0, good[3], good[2], good[1], good[0])
	who := v2Known(v2FreeBSD)
	s := &V2Server{Lookuper: who, Wait: -1}
	nc := dial(t, startV2(t, s))
	for _, tt := range []struct {
		name   string
		q      []byte
		status byte
		server string // that was asked about
	}{
		{"good", good, v2OK, "198.18.0.2:25"},
		{"other connection", with(20, 1, 1), v2NoMatch, "198.18.0.2:25"},
		{"no address of the server", with(16, 0, 0, 0, 0), v2OK, "invalid AddrPort"},
		{"no port of the server", with(22, 0, 0), v2OK, "invalid AddrPort"},
		{"wrong magic", with(0, 0, 0, 0, 0), v2BadQuery, ""},
		{"other byte order", swapped, v2BadQuery, ""},
		{"type 0", with(4, 0), v2BadQuery, ""},
		{"counters of p0f 2", with(4, 2), v2BadQuery, ""},
		{"query of p0f 3", append(query("198.18.0.1"), 0, 0, 0), v2BadQuery, ""},
	} {
		before := len(who.Queries())
		send(t, nc, tt.q)
		got := readV2(t, nc)
		if got.Type != tt.status || got.ID != binary.NativeEndian.Uint32(tt.q[8:]) {
			t.Errorf("%s: reply %+v, want type %d and the id of the query", tt.name, got, tt.status)
		}
		asked := who.Queries()[before:]
		if tt.server == "" {
			if len(asked) != 0 {
				t.Errorf("%s: asked %+v, want nothing", tt.name, asked)
			}
			continue
		}
		if len(asked) != 1 || asked[0].Server.String() != tt.server || asked[0].Client.Addr() != v2Client.Addr() || asked[0].Wait != 0 {
			t.Errorf("%s: asked %+v, want about the server %s", tt.name, asked, tt.server)
		}
	}
	if got, want := s.Stats(), (Stats{Open: 1, Total: 1, Requests: 9, Bad: 5}); got != want {
		t.Errorf("Stats = %+v, want %+v", got, want)
	}
}

// v2Perl is a client with the pack strings of qpsmtpd's plugin ident/p0f. It
// prints what it unpacked, the uptime as qpsmtpd reads it.
const v2Perl = `
use strict; use warnings; use Socket;
my ($path, $client, $cport, $server, $sport, $id) = @ARGV;
socket(my $s, PF_UNIX, SOCK_STREAM, 0) or die "socket: $!";
connect($s, sockaddr_un($path)) or die "connect: $!";
syswrite($s, pack("L L L N N S S", 0x0defaced, 1, $id,
	unpack("N", inet_aton($client)), unpack("N", inet_aton($server)), $cport, $sport)) or die "write: $!";
sysread($s, my $r, 1024) or die "read: $!";
print join("|", length $r, unpack("L L C Z20 Z40 c Z30 Z30 C C C s S N", $r)), "\n";
`

// TestV2OfQpsmtpd: one write, one read, and each field where Perl looks for it.
func TestV2OfQpsmtpd(t *testing.T) {
	perl := lab.NeedProgram(t, "perl")
	leaks(t)
	who := v2Known(v2FreeBSD)
	who.Notes[netip.MustParseAddrPort("198.18.0.1:65535")] = note.Note{State: note.Unknown}
	path := startV2(t, &V2Server{Lookuper: who})
	var hours [4]byte
	binary.NativeEndian.PutUint32(hours[:], 1390)
	for _, tt := range []struct{ port, want string }{
		{"39435", fmt.Sprintf("141|233811181|4000000000|0|FreeBSD|8.x (1)|17|ethernet/modem||0|0|1|-100|0|%d", binary.BigEndian.Uint32(hours[:]))},
		{"65535", "141|233811181|4000000000|0|||-1|||0|0|0|-100|0|4294967295"},
		{"39436", "141|233811181|4000000000|2|||0|||0|0|0|0|0|0"},
	} {
		out, err := exec.Command(perl, "-e", v2Perl, path, "198.18.0.1", tt.port, "198.18.0.2", "25", "4000000000").CombinedOutput()
		if err != nil || string(out) != tt.want+"\n" {
			t.Errorf("port %s: %q, %v, want %q", tt.port, out, err, tt.want)
		}
		asked := who.Queries()
		if last := asked[len(asked)-1]; last.Client.String() != "198.18.0.1:"+tt.port || last.Server != v2Server || last.Wait <= 0 {
			t.Errorf("port %s: asked %+v", tt.port, last)
		}
	}
}

// v2Queries are queries about n clients, and the replies that everything makes.
func v2Queries(n int) (b []byte, want []v2Reply) {
	for i := range n {
		client := netip.AddrPortFrom(netip.AddrFrom4([4]byte{198, 18, byte(i >> 8), byte(i)}), uint16(i))
		b = append(b, v2Query(uint32(i), client, v2Server)...)
		want = append(want, v2Reply{
			ID: uint32(i), Genre: "Linux", Detail: noteOf(client.Addr()).OSFlavor, Real: 1, Score: -100, Uptime: -1,
		})
	}
	return b, want
}

// TestV2Portions: queries in any portions get replies in whole and in order.
func TestV2Portions(t *testing.T) {
	leaks(t)
	path := startV2(t, &V2Server{Lookuper: everything{}})
	for _, portion := range []int{1, v2QuerySize - 1, v2QuerySize, v2QuerySize + 1, 1000, 1 << 20} {
		b, want := v2Queries(500)
		nc := dial(t, path)
		go func() {
			for len(b) > 0 {
				n := min(portion, len(b))
				nc.Write(b[:n])
				b = b[n:]
			}
			nc.Write([]byte{1, 2, 3})
			nc.CloseWrite()
		}()
		in := make([]byte, 0, len(want)*v2ReplySize)
		for len(in) < cap(in) {
			n, err := nc.Read(in[len(in):cap(in)])
			if err != nil || n%v2ReplySize != 0 {
				t.Fatalf("portions of %d: one read got %d bytes, %v, want whole replies", portion, n, err)
			}
			in = in[:len(in)+n]
		}
		for i, w := range want {
			if got := readV2(t, bytes.NewReader(in[i*v2ReplySize:])); got != w {
				t.Fatalf("portions of %d: reply %d is %+v, want %+v", portion, i, got, w)
			}
		}
		if n, err := nc.Read(in); n != 0 || err != io.EOF {
			t.Errorf("portions of %d: %d bytes more, %v, want the end", portion, n, err)
		}
	}
}

// v2Answered asks once.
func v2Answered(t testing.TB, path string) {
	t.Helper()
	nc := dial(t, path)
	b, want := v2Queries(1)
	send(t, nc, b)
	if got := readV2(t, nc); got != want[0] {
		t.Errorf("reply %+v, want %+v", got, want[0])
	}
	nc.Close()
}

// TestV2Abuse: whatever other clients do, one is answered.
func TestV2Abuse(t *testing.T) {
	leaks(t)
	var log fronttest.Log
	s := &V2Server{Lookuper: everything{}, WriteTimeout: time.Second, MaxConns: 1250, Logger: log.Logger()}
	path := startV2(t, s)
	begin := time.Now()
	q := v2Query(1, v2Client, v2Server)

	// A thousand that say nothing, or half a query.
	var idle []net.Conn
	for i := range 1000 {
		nc := dial(t, path)
		idle = append(idle, nc)
		send(t, nc, q[:i%v2QuerySize])
	}
	v2Answered(t, path)

	// Hang-ups before, in and after the query.
	for i := range 200 {
		nc := dial(t, path)
		send(t, nc, append(q, q...)[:i%(2*v2QuerySize+1)])
		nc.Close()
	}
	v2Answered(t, path)

	// One that never reads is dropped.
	never := dial(t, path)
	go func() {
		many := bytes.Repeat(q, 1000)
		for {
			if _, err := never.Write(many); err != nil {
				return
			}
		}
	}()
	for end := time.Now().Add(patience); s.Stats().Dropped == 0; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("a client that does not read is not dropped")
		}
	}
	v2Answered(t, path)

	// Bad queries without end, from several connections.
	for range 3 {
		bad := dial(t, path)
		send(t, bad, bytes.Repeat([]byte("GET / HTTP/1.0\r\nHost: x\r\n"), 96)) // 25 bytes each
		for i := range 100 {
			if got := readV2(t, bad); got.Type != v2BadQuery {
				t.Fatalf("reply %d of bad queries: %+v", i, got)
			}
		}
		bad.Close()
	}
	v2Answered(t, path)

	// Those over the limit are closed at once.
	for end := time.Now().Add(patience); s.Stats().Open > 1000; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("Stats = %+v, want 1000 open", s.Stats())
		}
	}
	for range 250 {
		idle = append(idle, dial(t, path))
	}
	over := dial(t, path)
	if n, err := over.Read(make([]byte, 1)); n != 0 || err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("one connection too many: read %d bytes, %v, want it closed", n, err)
	}
	if got := s.Stats(); got.Open != 1250 || got.Refused != 1 || got.Dropped != 1 || got.Bad != 300 || got.Missed != 0 {
		t.Errorf("Stats = %+v, want 1250 open, 1 rejected, 1 dropped, 300 bad", got)
	}
	for end := time.Now().Add(patience); len(log.Lines()) < 3 && time.Now().Before(end); {
		time.Sleep(time.Millisecond) // the connection is closed before the line is written
	}
	if lines, most := log.Lines(), 3*(int(time.Since(begin)/time.Second)+1); len(lines) < 3 || len(lines) > most {
		t.Errorf("%d lines in the log, want 3 to %d", len(lines), most)
	}
	// The idle ones are served still: the rest of a query makes it whole.
	send(t, idle[5], q[5:])
	if got := readV2(t, idle[5]); got.Type != v2OK || got.ID != 1 {
		t.Errorf("an idle client gets %+v", got)
	}
}

// TestDeviationV2AnswersByAddress: what is known of the address is an answer
// too.
func TestDeviationV2AnswersByAddress(t *testing.T) {
	n := v2FreeBSD
	for _, n.ByConnection = range []bool{true, false} {
		nc := dial(t, startV2(t, &V2Server{Lookuper: v2Known(n)}))
		send(t, nc, v2Query(9, v2Client, v2Server))
		if got := readV2(t, nc); got.Type != v2OK || got.Genre != "FreeBSD" {
			t.Errorf("by connection %v: %+v, want FreeBSD", n.ByConnection, got)
		}
	}
}

// TestV2WithoutSensor: no match at once, and never silence.
func TestV2WithoutSensor(t *testing.T) {
	s := &V2Server{Lookuper: &fronttest.Lookuper{Err: fronttest.ErrNoSensor}}
	nc := dial(t, startV2(t, s))
	send(t, nc, v2Query(9, v2Client, v2Server))
	if got, want := readV2(t, nc), (v2Reply{ID: 9, Type: v2NoMatch}); got != want {
		t.Errorf("reply %+v, want %+v", got, want)
	}
	if got := s.Stats(); got.Missed != 1 || got.Requests != 1 {
		t.Errorf("Stats = %+v, want one query, unavailable", got)
	}
}

// TestV2Garbage sends random bytes with good queries strewn in.
func TestV2Garbage(t *testing.T) {
	leaks(t)
	path := startV2(t, &V2Server{Lookuper: everything{}})
	const seed = 9
	r := rand.New(rand.NewPCG(seed, seed))
	for range 20 {
		var b []byte
		for range 1 + r.IntN(300) {
			q := v2Query(r.Uint32(), v2Client, v2Server)
			switch r.IntN(3) {
			case 0: // good
			case 1:
				q[r.IntN(5)] ^= byte(1 + r.IntN(255))
			default:
				for i := range q {
					q[i] = byte(r.Uint32())
				}
			}
			b = append(b, q...)
		}
		nc := dial(t, path)
		go func() {
			nc.Write(b)
			nc.CloseWrite()
		}()
		for i := range len(b) / v2QuerySize {
			q := b[i*v2QuerySize:][:v2QuerySize]
			id, _, ok := decodeV2Query(q)
			if got := readV2(t, nc); got.ID != id || (got.Type == v2BadQuery) == ok {
				t.Fatalf("seed %d: query %x is answered with %+v", seed, q, got)
			}
		}
		if n, err := nc.Read(make([]byte, 1)); n != 0 || err != io.EOF {
			t.Fatalf("seed %d: %d bytes more, %v", seed, n, err)
		}
	}
}

// FuzzV2: any 24 bytes are a query about an IPv4 address or none, and any note
// has a reply that a client can read.
func FuzzV2(f *testing.F) {
	f.Add(v2Query(7, v2Client, v2Server), "Linux", "3.11 and newer", "DSL", 9, uint32(60))
	f.Add([]byte{}, "", "\r\n", strings.Repeat("x", 200), -5, uint32(0))
	f.Fuzz(func(t *testing.T, q []byte, name, flavor, link string, distance int, uptime uint32) {
		q = append(q, make([]byte, v2QuerySize)...)[:v2QuerySize]
		id, query, ok := decodeV2Query(q)
		switch {
		case !ok && query != (note.Query{}):
			t.Fatalf("bad query %x is about %+v", q, query)
		case ok:
			server := query.Server
			if !server.IsValid() {
				server = netip.AddrPortFrom(netip.AddrFrom4([4]byte(q[16:20])), binary.NativeEndian.Uint16(q[22:]))
			}
			again := v2Query(id, query.Client, server)
			copy(again[5:8], q[5:8])
			if !bytes.Equal(again, q) {
				t.Fatalf("query %x is about %+v, which is asked with %x", q, query, again)
			}
		}
		n := note.Note{State: note.Matched, OSName: name, OSFlavor: flavor, LinkType: link, Distance: note.Hops(distance), UptimeMin: uptime, UpModDays: 1}
		got := readV2(t, bytes.NewReader(appendV2Reply(nil, id, &n)))
		if got.ID != id || got.Type != v2OK || got.Distance < -1 || got.Uptime < 0 {
			t.Fatalf("%+v is answered with %+v", n, got)
		}
		for _, s := range []string{got.Genre, got.Detail, got.Link} {
			if strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' || r == '"' }) {
				t.Fatalf("%+v is answered with the text %q", n, s)
			}
		}
	})
}
