package milter

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mxprint/mxprint/internal/test/fronttest"
	"github.com/mxprint/mxprint/note"
)

// mta is the mail server's side of a milter connection, packet by packet.
type mta struct {
	net.Conn
	t testing.TB
}

// offer is what a mail server puts into its options.
type offer struct{ version, actions, protocol uint32 }

// What mail servers offer: Postfix 3.7 as it comes, Sendmail 8.17 with its
// sizes of data, and one of protocol 2, before 2007.
var (
	postfixOffer  = offer{6, 0x1ff, 0x1fffff}
	sendmailOffer = offer{6, 0x1ff, 0x301fffff}
	oldOffer      = offer{2, 0x3f, 0x7f}
)

func packetOf(cmd byte, parts ...string) []byte {
	data := strings.Join(parts, "")
	b := binary.BigEndian.AppendUint32(nil, uint32(1+len(data)))
	return append(append(b, cmd), data...)
}

func (m *mta) send(cmd byte, parts ...string) {
	m.t.Helper()
	if _, err := m.Write(packetOf(cmd, parts...)); err != nil {
		m.t.Fatalf("sending %q: %v", cmd, err)
	}
}

// receive reads one packet.
func (m *mta) receive() (cmd byte, data string, err error) {
	var head [5]byte
	if _, err := io.ReadFull(m, head[:]); err != nil {
		return 0, "", err
	}
	size := binary.BigEndian.Uint32(head[:])
	if size < 1 || size > 1<<16 {
		return 0, "", fmt.Errorf("length %d", size)
	}
	b := make([]byte, size-1)
	_, err = io.ReadFull(m, b)
	return head[4], string(b), err
}

// want reads packets and compares them, written as their command and data.
func (m *mta) want(packets ...string) {
	m.t.Helper()
	for _, want := range packets {
		cmd, data, err := m.receive()
		if got := string(cmd) + data; err != nil || got != want {
			m.t.Fatalf("answer %q, %v, want %q", got, err, want)
		}
	}
}

func numbers(n ...uint32) string {
	var b []byte
	for _, v := range n {
		b = binary.BigEndian.AppendUint32(b, v)
	}
	return string(b)
}

// begin negotiates.
func (m *mta) begin(o offer) {
	m.t.Helper()
	m.send('O', numbers(o.version, o.actions, o.protocol))
	if cmd, data, err := m.receive(); err != nil || cmd != 'O' || len(data) != 12 {
		m.t.Fatalf("options are answered with %q %q, %v", cmd, data, err)
	}
}

// connect names the client, after negotiation by postfixOffer.
func (m *mta) connect(client string) {
	m.t.Helper()
	c := netip.MustParseAddrPort(client)
	family := "4"
	addr := c.Addr().String()
	if c.Addr().Is6() {
		family, addr = "6", "IPv6:"+addr
	}
	m.send('C', "client.example\x00", family, string([]byte{byte(c.Port() >> 8), byte(c.Port())}), addr, "\x00")
}

// mail sends a mail with headers in the form "name: value".
func (m *mta) mail(headers ...string) {
	m.t.Helper()
	m.send('M', "<a@b.example>\x00")
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ":")
		m.send('L', name, "\x00", strings.TrimSpace(value), "\x00")
	}
	m.send('E')
}

// added is the packet that adds a header, and removed that which removes one.
func added(name, text string) string { return "i" + numbers(0) + name + "\x00" + text + "\x00" }
func removed(i uint32, name string) string {
	return "m" + numbers(i) + name + "\x00\x00"
}

// The clients of these tests.
const (
	client4 = "198.18.0.1:1111"
	client6 = "[2001:db8::1]:6666"
)

const (
	header4 = `os="Linux 5.x" link_type="Ethernet" distance=4 total_conn=4 shared_ip=N`
	header6 = `os="unknown" link_type="" total_conn=6 shared_ip=N`
)

// seen has seen both.
func seen() *fronttest.Lookuper {
	return &fronttest.Lookuper{Notes: map[netip.AddrPort]note.Note{
		netip.MustParseAddrPort(client4): {State: note.Matched, OSName: "Linux", OSFlavor: "5.x", LinkType: "Ethernet", Distance: note.Hops(4), TotalConn: 4},
		netip.MustParseAddrPort(client6): {State: note.Unknown, TotalConn: 6},
	}}
}

// run starts s on a unix socket until stop is called or the test ends.
func run(t testing.TB, s *Server) (path string, stop func()) {
	t.Helper()
	if s.Deadline == 0 {
		s.Deadline = patience // a busy machine may be late for the default
	}
	dir, err := os.MkdirTemp("", "milter") // t.TempDir may be too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	path = filepath.Join(dir, "s")
	ln, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	end := fronttest.Start(s.Serve, ln)
	stop = func() {
		if err := end(); err != nil {
			t.Errorf("Serve = %v, want nil", err)
		}
		if n := s.Stats().Open; n != 0 {
			t.Errorf("%d connections open after Serve", n)
		}
	}
	t.Cleanup(stop)
	return path, stop
}

// patience is for what comes within milliseconds. A busy machine takes longer.
const patience = 30 * time.Second

// dial connects, and gives up on everything when the patience is over.
func dial(t testing.TB, path string) *mta {
	t.Helper()
	nc, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	nc.SetDeadline(time.Now().Add(patience))
	return &mta{nc, t}
}

// wantClosed reads to the end of the stream.
func (m *mta) wantClosed() {
	m.t.Helper()
	if rest, err := io.ReadAll(m); err != nil || len(rest) > 0 {
		m.t.Errorf("read %q, %v, want the connection closed", rest, err)
	}
}
