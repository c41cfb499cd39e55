//go:build linux

// Package fleet runs three mail exchangers that share a store. HAProxy stands
// before them on two, where the sensors are; it spreads the connections over all
// three, so that a mail server mostly asks an mxprint that has not seen the client.
package fleet

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/mail"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	gosmtp "github.com/emersion/go-smtp"
	"github.com/pires/go-proxyproto"

	"github.com/mxprint/mxprint/internal/status"
	"github.com/mxprint/mxprint/internal/test/lab"
	"github.com/mxprint/mxprint/internal/test/mailtest"
	"github.com/mxprint/mxprint/note"
	"github.com/mxprint/mxprint/query"
)

// deadline is what the mail server gives a look-up.
const deadline = 500 * time.Millisecond

// host is a machine of the fleet.
type host struct {
	*lab.NetNS
	addr netip.Addr
}

// fleet is a network of clients, exchangers and a store, all on one bridge.
type fleet struct {
	clients []host // the first sends timestamps, the second does not
	systems []string
	mx      []*exchanger
	store   host

	mu    sync.Mutex
	mails map[string]*answers
}

// exchanger is a mail server that asks its own mxprint.
type exchanger struct {
	host
	name  string
	dir   string
	asks  *query.Client
	fleet *fleet
	serve *mailtest.Process
}

// answers are what a mail server got about the client of one mail.
type answers struct {
	at            string
	first, last   note.Note
	err           error
	took, longest time.Duration
}

// newFleet makes the network.
func newFleet(t *testing.T) *fleet {
	t.Helper()
	f := &fleet{systems: []string{"Stamped", "Plain"}, mails: make(map[string]*answers)}
	bridge := lab.NewNetNS(t)
	bridge.IP("link", "add", "br0", "type", "bridge")
	bridge.IP("link", "set", "br0", "up")
	n := 0
	join := func() host {
		n++
		h := host{lab.NewNetNS(t), netip.AddrFrom4([4]byte{198, 18, 7, byte(n)})}
		h.If, h.IPv4 = "eth0", h.addr
		port := fmt.Sprintf("to%d", n)
		h.IP("link", "add", "eth0", "type", "veth", "peer", "name", port, "netns", bridge.Name)
		bridge.IP("link", "set", port, "master", "br0")
		bridge.IP("link", "set", port, "up")
		h.IP("addr", "add", h.addr.String()+"/24", "dev", "eth0")
		h.IP("link", "set", "eth0", "up")
		return h
	}
	for i := range 3 {
		f.mx = append(f.mx, &exchanger{host: join(), name: fmt.Sprintf("mx%d", i+1), fleet: f})
	}
	f.store = join()
	for range f.systems {
		f.clients = append(f.clients, join())
	}
	if out, err := f.clients[1].Command(context.Background(), "sysctl", "-qw", "net.ipv4.tcp_timestamps=0").CombinedOutput(); err != nil {
		t.Fatalf("sysctl: %v: %s", err, out)
	}
	for _, to := range []netip.Addr{f.mx[0].addr, f.mx[1].addr, f.store.addr} {
		lab.Eventually(t, func() error {
			if !mailtest.Reaches(f.clients[0].NetNS, to) {
				return fmt.Errorf("%v is not reached", to)
			}
			return nil
		})
	}
	return f
}

// start starts mail servers, sensors with keys of [store], and HAProxy on two
// exchangers. The third captures, and nothing passes it.
func (f *fleet) start(t *testing.T, keys string) {
	t.Helper()
	for i, m := range f.mx {
		m.dir = mailtest.TempDir(t)
		mailtest.WriteFiles(t, m.dir, map[string]string{"nat.fp": mailtest.NatDB, "haproxy.cfg": f.haproxy(m)})
		m.serve = mailtest.StartServeWait(t, m.NetNS, m.dir, "50ms", fmt.Sprintf("[signatures]\nfile = %q\n[http]\nlisten = [%q]\n[store]\nvalkey_sensor = %q\n%s",
			filepath.Join(m.dir, "nat.fp"), "unix:"+filepath.Join(m.dir, "http.sock"), m.name, keys))
		m.ask(t)
		m.listen(t, 2525, haproxy)
		if i < 2 {
			p := mailtest.Start(t, "haproxy", m.Command(context.Background(), lab.NeedProgram(t, "haproxy"), "-db", "-f", filepath.Join(m.dir, "haproxy.cfg")))
			p.WaitFor("connections", func() bool { return mailtest.Listens(m.NetNS, m.addr, 25) })
		}
	}
	f.allShare(t)
}

// allShare waits until all exchangers have the store.
func (f *fleet) allShare(t *testing.T) {
	t.Helper()
	for _, m := range f.mx {
		lab.Eventually(t, func() error {
			st, err := m.status()
			if err != nil || st.Shared == nil || st.Shared.Fault != "" || st.Shared.WriteFault != "" {
				return fmt.Errorf("%s: %+v, %v", m.name, st.Shared, err)
			}
			return nil
		})
	}
}

// ask has the mail server ask the exchanger's mxprint.
func (m *exchanger) ask(t *testing.T) {
	m.asks = query.NewClient(filepath.Join(m.dir, "query.sock"))
	t.Cleanup(func() { m.asks.Close() })
}

func (f *fleet) haproxy(m *exchanger) string {
	text := fmt.Sprintf("defaults\n\tmode tcp\n\ttimeout connect 30s\n\ttimeout client 120s\n\ttimeout server 120s\nlisten smtp\n\tbind %v:25\n\tbalance roundrobin\n", m.addr)
	for _, to := range f.mx {
		text += fmt.Sprintf("\tserver %s %v:2525 send-proxy-v2\n", to.name, to.addr)
	}
	return text
}

// listen starts the mail server of an exchanger.
func (m *exchanger) listen(t *testing.T, port uint16, behind func(net.Listener) net.Listener) {
	t.Helper()
	var ln net.Listener
	if err := m.Do(func() (err error) {
		ln, err = net.Listen("tcp", netip.AddrPortFrom(m.addr, port).String())
		return err
	}); err != nil {
		t.Fatal(err)
	}
	s := gosmtp.NewServer(m)
	s.Domain = m.name
	go s.Serve(behind(ln))
	t.Cleanup(func() { s.Close() })
}

func haproxy(ln net.Listener) net.Listener { return &proxyproto.Listener{Listener: ln} }
func nothing(ln net.Listener) net.Listener { return ln }

// NewSession implements gosmtp.Backend: it asks as soon as a client has connected.
func (m *exchanger) NewSession(c *gosmtp.Conn) (gosmtp.Session, error) {
	s := &session{m: m, q: note.Query{Client: addrPort(c.Conn().RemoteAddr()), Server: addrPort(c.Conn().LocalAddr()), Wait: 50 * time.Millisecond}}
	s.got.at = m.name
	s.got.first = s.ask()
	return s, nil
}

func addrPort(a net.Addr) netip.AddrPort { return netip.MustParseAddrPort(a.String()) }

type session struct {
	m   *exchanger
	q   note.Query
	got answers
}

func (s *session) ask() note.Note {
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	begin := time.Now()
	n, err := s.m.asks.Lookup(ctx, s.q)
	s.got.took = time.Since(begin)
	s.got.longest = max(s.got.longest, s.got.took)
	s.got.err = errors.Join(s.got.err, err)
	return n
}

func (*session) Mail(string, *gosmtp.MailOptions) error { return nil }
func (*session) Rcpt(string, *gosmtp.RcptOptions) error { return nil }
func (*session) Reset()                                 {}
func (*session) Logout() error                          { return nil }

// Data asks again, as fronts do when the mail has come.
func (s *session) Data(r io.Reader) error {
	msg, err := mail.ReadMessage(r)
	if err != nil {
		return err
	}
	s.got.last = s.ask()
	f, got := s.m.fleet, s.got
	f.mu.Lock()
	defer f.mu.Unlock()
	f.mails[msg.Header.Get("X-Test-Id")] = &got
	return nil
}

// status asks an exchanger's mxprint how it is.
func (m *exchanger) status() (*status.Status, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	return status.Fetch(ctx, m.asks, query.ErrRefused)
}

// counted is what the sensors have counted: look-ups without a proper answer of the
// store, and what could not be published.
func (f *fleet) counted(t *testing.T) (late, dropped uint64) {
	t.Helper()
	for _, m := range f.mx {
		st, err := m.status()
		if err != nil || st.Shared == nil {
			t.Fatalf("%s: %v", m.name, err)
		}
		late += st.Shared.Errors + st.Shared.Missed
		dropped += st.Shared.Dropped
	}
	return late, dropped
}

// metrics reads a metric of an exchanger.
func (m *exchanger) metrics() string {
	c := http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", filepath.Join(m.dir, "http.sock"))
	}}}
	resp, err := c.Get("http://mxprint/metrics")
	if err != nil {
		return ""
	}
	defer resp.Body.Close()
	var b bytes.Buffer
	b.ReadFrom(resp.Body)
	return b.String()
}

// send sends mails from both clients to both addresses of the fleet, a few at a
// time, and calls at with the number of those that are through.
func (f *fleet) send(t *testing.T, prefix string, count int, at func(sent int)) {
	t.Helper()
	const atOnce = 8
	var wg sync.WaitGroup
	var next, sent atomic.Int64
	for range atOnce {
		wg.Go(func() {
			for i := next.Add(1) - 1; i < int64(count); i = next.Add(1) - 1 {
				c := f.clients[i%2]
				id := fmt.Sprintf("%s-%d", prefix, i)
				if err := mailtest.SendMail(c.NetNS, c.addr, f.mx[i/2%2].addr, id); err != nil {
					t.Errorf("mail %s: %v", id, err)
				}
				at(int(sent.Add(1)))
			}
		})
	}
	wg.Wait()
}

// check looks at the answers about the mails, and returns how many were not of their
// connection.
func (f *fleet) check(t *testing.T, prefix string, count int) (missing int) {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	var took []time.Duration
	known, first, elsewhere := 0, 0, 0
	for i := range count {
		id := fmt.Sprintf("%s-%d", prefix, i)
		got := f.mails[id]
		if got == nil {
			t.Errorf("mail %s did not come", id)
			continue
		}
		took = append(took, got.longest)
		if got.err != nil || got.longest > deadline+time.Second {
			t.Errorf("mail %s at %s: after %v: %v", id, got.at, got.longest, got.err)
		}
		want := f.systems[i%2]
		for _, n := range []*note.Note{&got.first, &got.last} {
			if n.State == note.Matched && n.OSName != want || n.State == note.Unknown {
				t.Errorf("mail %s at %s: a wrong note: %v %s, by connection %t, want %s", id, got.at, n.State, n.Title(), n.ByConnection, want)
			}
		}
		if got.first.ByConnection {
			first++
		}
		if got.last.ByConnection {
			known++
		} else {
			t.Logf("mail %s at %s: %v %s is not of its connection", id, got.at, got.last.State, got.last.Title())
		}
		if got.at == "mx3" {
			elsewhere++
		}
	}
	slices.Sort(took)
	if len(took) == 0 || elsewhere < count/5 {
		t.Fatalf("%d mails, %d of them at the exchanger without packets", len(took), elsewhere)
	}
	t.Logf("%s: %d mails, %d at mx3; by connection %d at the beginning, %d at the end; look-ups half within %v, 99 %% within %v, all within %v",
		prefix, count, elsewhere, first, known, took[len(took)/2], took[len(took)*99/100], took[len(took)-1])
	return count - known
}

// TestFleet: three exchangers, sensors on two of them, 1,000 mails: every note is
// right, wherever the packets passed. The store has 5 ms to answer: on a busy machine
// it may be late, which is counted, and the mails are sent again.
func TestFleet(t *testing.T) {
	f := newFleet(t)
	srv := f.server(t)
	f.start(t, fmt.Sprintf("valkey = [%q]", srv.Addr))
	count := 100
	if os.Getenv(fleetEnv) != "" {
		count = 1000
	}
	missing := count
	for try := 0; try < 5 && missing > 0; try++ {
		before, _ := f.counted(t)
		id := fmt.Sprint("plain-", try)
		f.send(t, id, count, func(int) {})
		missing = f.check(t, id, count)
		if late, _ := f.counted(t); missing > 0 && late == before {
			t.Errorf("%d notes are missing, and none was late", missing)
		}
	}
	if missing > 0 {
		t.Errorf("%d of %d mails have no note of their connection", missing, count)
	}
	f.allShare(t)
	found := uint64(0)
	for _, m := range f.mx {
		st, err := m.status()
		if err != nil || st.Shared == nil {
			t.Fatalf("%s: %v", m.name, err)
		}
		t.Logf("%s: %+v", m.name, *st.Shared)
		found += st.Shared.Found
		if st.Shared.Dropped > 0 || st.Shared.Malformed > 0 {
			t.Errorf("%s: %+v", m.name, *st.Shared)
		}
		if m := m.metrics(); !strings.Contains(m, `mxprint_shared_store_up{for="lookups"} 1`) {
			t.Errorf("the metrics are\n%s", m)
		}
	}
	if found < uint64(count)/3 {
		t.Errorf("%d notes came from other sensors", found)
	}
}

// fleetEnv has the long tests run: make test-fleet.
const fleetEnv = "MXPRINT_FLEET"

func needFleet(t *testing.T) {
	t.Helper()
	if os.Getenv(fleetEnv) == "" {
		t.Skip("a long test: make test-fleet")
	}
}
