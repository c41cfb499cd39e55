package shared

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mxprint/mxprint/internal/evidence"
	"github.com/mxprint/mxprint/internal/status"
	"github.com/mxprint/mxprint/internal/store"
	"github.com/mxprint/mxprint/internal/test/lab"
	"github.com/mxprint/mxprint/internal/test/valkeylab"
	"github.com/mxprint/mxprint/note"
)

// own is what a sensor knows by itself.
type own struct {
	mu    sync.Mutex
	conns map[netip.AddrPort]note.Note // by client
	asked int
}

func (o *own) set(client netip.AddrPort, n note.Note) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.conns == nil {
		o.conns = make(map[netip.AddrPort]note.Note)
	}
	o.conns[client] = n
}

func (o *own) connection(client, server netip.AddrPort) (note.Note, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	n, ok := o.conns[client]
	return n, ok
}

// Lookup waits as a sensor does.
func (o *own) Lookup(ctx context.Context, q note.Query) (note.Note, error) {
	o.mu.Lock()
	o.asked++
	n, ok := o.conns[q.Client]
	o.mu.Unlock()
	if !ok {
		if q.Wait > 0 {
			select {
			case <-time.After(q.Wait):
			case <-ctx.Done():
			}
		}
		n = note.Note{State: note.NotSeen}
	}
	return n, nil
}

// sensor is one of a fleet.
type sensor struct {
	*Store
	own  *own
	look *Lookuper
}

// start makes a sensor and runs it until the test ends.
func start(t testing.TB, cfg Config) *sensor {
	t.Helper()
	s := &sensor{Store: Open(cfg), own: &own{}}
	s.look = &Lookuper{Who: s.own, Store: s.Store}
	s.Connection = s.own.connection
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		s.Run(ctx)
		close(done)
	}()
	t.Cleanup(func() {
		cancel()
		<-done
	})
	return s
}

// ready waits until the store answers.
func (s *sensor) ready(t testing.TB) *sensor {
	t.Helper()
	lab.Eventually(t, func() error {
		if st := s.Stats(); st.Fault != "" || st.WriteFault != "" {
			return fmt.Errorf("%q, %q", st.Fault, st.WriteFault)
		}
		return nil
	})
	return s
}

// written waits until all is written.
func (s *sensor) written(t testing.TB) {
	t.Helper()
	lab.Eventually(t, func() error {
		if st := s.Stats(); st.Queued > 0 || st.Published == 0 {
			return fmt.Errorf("%+v", st)
		}
		return nil
	})
}

func (s *sensor) ask(t testing.TB, q note.Query) note.Note {
	t.Helper()
	n, err := s.look.Lookup(context.Background(), q)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// patient is the deadline of tests that are about other things: the machine may be
// busy.
const patient = 2 * time.Second

var (
	client = netip.MustParseAddrPort("192.0.2.1:40001")
	server = netip.MustParseAddrPort("198.51.100.25:25")
	linux  = note.Note{State: note.Matched, ByConnection: true, OSName: "Linux", OSFlavor: "6.16 and newer", RawSig: "4:64+0:0:1460:mss*44,10:mss,sok,ts,nop,ws:df,id+:0",
		Distance: note.Hops(3), LinkType: "Ethernet", MTU: 1500, TotalConn: 1, FirstSeen: time.Unix(1_700_000_000, 0), LastSeen: time.Unix(1_700_000_000, 0)}
)

// two are two sensors of a fleet, of which the first has seen a connection.
func two(t *testing.T, cfg Config) (a, b *sensor) {
	t.Helper()
	cfg.deadline = patient
	cfg.Sensor, cfg.Version = "a", "1"
	a = start(t, cfg).ready(t)
	cfg.Sensor = "b"
	b = start(t, cfg).ready(t)
	a.own.set(client, linux)
	a.Opened(client, server)
	a.written(t)
	return a, b
}

// TestSingle: a mail server asks its own sensor, and is answered from another's,
// over TCP and a unix socket, with and without hashes.
func TestSingle(t *testing.T) {
	for _, tt := range []struct {
		name   string
		unix   bool
		secret []byte
	}{{"tcp", false, nil}, {"unix", true, nil}, {"hashed", true, []byte("0123456789abcdef")}} {
		t.Run(tt.name, func(t *testing.T) {
			srv := valkeylab.Start(t, valkeylab.Options{Unix: tt.unix})
			t.Log(regexp.MustCompile(`(redis|valkey)_version:[0-9.]+`).FindAllString(srv.CLI("INFO", "server"), -1))
			_, b := two(t, Config{Servers: []string{srv.Addr}, Secret: tt.secret})
			n := b.ask(t, note.Query{Client: client, Server: server, Hello: "mail.example.org"})
			want := linux
			want.Memory = &note.Memory{New: true}
			if diff := cmp.Diff(want, n, cmp.Comparer(func(x, y time.Time) bool { return x.Equal(y) })); diff != "" {
				t.Errorf("of another sensor (-want +got):\n%s", diff)
			}
			if st := b.Stats(); st.Found != 1 || st.Asked != 1 || st.Errors != 0 {
				t.Errorf("Stats = %+v", st)
			}
			b.written2(t)
			keys := srv.CLI("KEYS", "*")
			for _, text := range []string{"192.0.2.1", "mail.example.org"} {
				if strings.Contains(keys, text) != (tt.secret == nil) {
					t.Errorf("%s: keys are\n%s", text, keys)
				}
			}
			checkTTL(t, srv)
		})
	}
}

// checkTTL wants every key to be bounded, as docs/shared-store.md says.
func checkTTL(t *testing.T, srv *valkeylab.Server) {
	t.Helper()
	for key := range strings.SplitSeq(srv.CLI("KEYS", "*"), "\n") {
		if key == prefix+"seed" {
			continue
		}
		if ttl := srv.CLI("TTL", key); ttl == "-1" || !strings.HasPrefix(key, prefix) {
			t.Errorf("key %s has TTL %s", key, ttl)
		}
	}
}

// TestHonest: a note is of the connection only if the record is of its four ends.
func TestHonest(t *testing.T) {
	srv := valkeylab.Start(t, valkeylab.Options{Unix: true})
	a, b := two(t, Config{Servers: []string{srv.Addr}})
	other := netip.AddrPortFrom(client.Addr(), 40002)
	for _, tt := range []struct {
		name                          string
		q                             note.Query
		state                         note.State
		byConnection, ambiguous, host bool
	}{
		{"its four ends", note.Query{Client: client, Server: server}, note.Matched, true, false, false},
		{"mapped", note.Query{Client: netip.AddrPortFrom(netip.AddrFrom16(client.Addr().As16()), client.Port()), Server: server}, note.Matched, true, false, false},
		{"another server", note.Query{Client: client, Server: netip.MustParseAddrPort("10.0.0.1:25")}, note.Matched, false, true, false},
		{"no server", note.Query{Client: client}, note.Matched, false, true, false},
		{"another port", note.Query{Client: other, Server: server}, note.Matched, false, false, true},
		{"no port", note.Query{Client: netip.AddrPortFrom(client.Addr(), 0)}, note.Matched, false, false, true},
		{"another address", note.Query{Client: netip.MustParseAddrPort("192.0.2.9:40001"), Server: server}, note.NotSeen, false, false, false},
	} {
		n := b.ask(t, tt.q)
		if n.State != tt.state || n.ByConnection != tt.byConnection || n.Ambiguous != tt.ambiguous || (n.RawSig != "") != tt.byConnection {
			t.Errorf("%s: %v, by connection %t, ambiguous %t, %q", tt.name, n.State, n.ByConnection, n.Ambiguous, n.RawSig)
		}
	}
	// The sensor's own answer comes first.
	windows := linux
	windows.OSName = "Windows"
	b.own.set(client, windows)
	if n := b.ask(t, note.Query{Client: client, Server: server}); n.OSName != "Windows" {
		t.Errorf("the sensor's own answer is %s", n.Title())
	}
	// A connection that has ended is not the next one with its ends.
	a.own.set(client, note.Note{State: note.Matched, OSName: "Linux"})
	a.Closed(client, server)
	lab.Eventually(t, func() error {
		if ttl := srv.CLI("TTL", "mxprint:1:c:{192.0.2.1}.40001:t"); len(ttl) > 2 {
			return errors.New("it lives for " + ttl)
		}
		return nil
	})
}

// TestSoon: a look-up that is ahead of the other sensor waits for it as for its
// own, and no longer.
func TestSoon(t *testing.T) {
	srv := valkeylab.Start(t, valkeylab.Options{Unix: true})
	a, b := two(t, Config{Servers: []string{srv.Addr}, deadline: patient})
	late := netip.MustParseAddrPort("192.0.2.2:40001")
	a.own.set(late, linux)
	time.AfterFunc(50*time.Millisecond, func() { a.Opened(late, server) })
	begin := time.Now()
	if n := b.ask(t, note.Query{Client: late, Server: server, Wait: 20 * time.Second}); !n.ByConnection {
		t.Errorf("%+v", n)
	}
	if d := time.Since(begin); d > 10*time.Second {
		t.Errorf("it took %v", d)
	}
}

// TestViews: what two sensors saw of one connection is one note; what another
// connection said is not in it.
func TestViews(t *testing.T) {
	srv := valkeylab.Start(t, valkeylab.Options{Unix: true})
	cfg := Config{Servers: []string{srv.Addr}}
	a, b := two(t, cfg)
	cfg.Sensor, cfg.deadline = "c", patient
	c := start(t, cfg).ready(t)
	a.Opened(client, server) // at the same time as c, however long its start took
	c.Opened(client, server) // it sees the handshake, but not the SYN
	parts := &note.Note{TLS: &note.TLS{State: note.Complete, Library: "OpenSSL", JA4: "t13i301100_5f7f3e0f8a7b_e5627efa2ab1"},
		Software: &note.Software{State: note.Matched, Name: "Exim", Dialect: "ehlo", Reading: note.Complete}, Flow: &note.Flow{Counted: true}}
	c.Session(client, server, parts)
	a.written(t)
	c.written(t)
	n := b.ask(t, note.Query{Client: client, Server: server})
	if n.OSName != "Linux" || n.Software == nil || n.Software.Name != "Exim" || n.TLS == nil || n.Flow == nil || !n.ByConnection {
		t.Errorf("joined: %+v", n)
	}
	time.Sleep(sameOpen + 200*time.Millisecond)
	c.Opened(client, server) // the next connection with these ends
	c.Session(client, server, parts)
	c.written(t)
	b.recent.forget()
	if n := b.ask(t, note.Query{Client: client, Server: server}); n.Software != nil {
		t.Errorf("of another connection: %+v", n)
	}
}

// TestSession: what a session has said so far is there before it ends.
func TestSession(t *testing.T) {
	srv := valkeylab.Start(t, valkeylab.Options{Unix: true})
	cfg := Config{Servers: []string{srv.Addr}, deadline: patient, Sensor: "b"}
	b := start(t, cfg).ready(t)
	cfg.Sensor = "a"
	a := &sensor{Store: Open(cfg), own: &own{}}
	a.Connection, a.Sessions = a.own.connection, true
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		a.Run(ctx)
		close(done)
	}()
	defer func() {
		cancel()
		<-done
	}()
	a.ready(t)
	n := linux
	n.Software = &note.Software{State: note.Unknown, Reading: note.Reading}
	a.own.set(client, n)
	a.Opened(client, server)
	for _, name := range []string{"", "Exim"} {
		if name != "" {
			n.Software = &note.Software{State: note.Matched, Name: name, Reading: note.Complete}
			a.own.set(client, n)
		}
		lab.Eventually(t, func() error {
			got := b.ask(t, note.Query{Client: client, Server: server})
			if got.Software == nil || got.Software.Name != name || !got.ByConnection {
				return fmt.Errorf("%+v", got.Software)
			}
			return nil
		})
	}
}

// TestMemory: the fleet counts names, addresses, visits, JA4 and dialects.
func TestMemory(t *testing.T) {
	srv := valkeylab.Start(t, valkeylab.Options{Unix: true})
	cfg := Config{Servers: []string{srv.Addr}, deadline: patient}
	var fleet []*sensor
	for _, name := range []string{"a", "b", "c"} {
		cfg.Sensor = name
		fleet = append(fleet, start(t, cfg).ready(t))
	}
	ask := func(i int, from, hello string) *note.Memory {
		t.Helper()
		s, from2 := fleet[i%3], netip.MustParseAddrPort(from)
		n := linux
		n.TLS = &note.TLS{State: note.Complete, JA4: "t13i301100_5f7f3e0f8a7b_e5627efa2ab1"}
		n.Software = &note.Software{State: note.Unknown, Dialect: "ehlo:fqdn", Reading: note.Complete}
		s.own.set(from2, n)
		got := s.ask(t, note.Query{Client: from2, Server: server, Hello: hello})
		again := s.ask(t, note.Query{Client: from2, Server: server, Hello: hello})
		if diff := cmp.Diff(got.Memory, again.Memory); diff != "" {
			t.Errorf("asked again, the memory is another: %s", diff)
		}
		s.written2(t)
		return got.Memory
	}
	// One address with five names, at three exchangers.
	for i := range 5 {
		m := ask(i, fmt.Sprintf("192.0.2.1:%d", 1000+i), fmt.Sprintf("name%d.example.org", i))
		if int(m.Names) != i || int(m.Visits) != i || m.New != (i == 0) || m.FirstSeen.IsZero() != (i == 0) {
			t.Errorf("visit %d: %+v", i, m)
		}
	}
	// A campaign: each address once, one name, one JA4, one dialect.
	for i := range 6 {
		m := ask(i, fmt.Sprintf("192.0.2.%d:1000", 100+i), "campaign.example.org")
		if int(m.Addresses) != i || int(m.JA4Addresses) != i+1 || int(m.DialectAddresses) != i+1 || !m.New {
			t.Errorf("address %d: %+v", i, m)
		}
	}
	checkTTL(t, srv)
	// A change is one wherever it is seen.
	changed := linux
	changed.OSName = "Windows"
	from := netip.MustParseAddrPort("192.0.2.1:2000")
	fleet[1].own.set(from, changed)
	if m := fleet[1].ask(t, note.Query{Client: from, Server: server}).Memory; !cmp.Equal(m.Changed, []string{"os"}) || m.ChangedAt.IsZero() {
		t.Errorf("changed: %+v", m)
	}
}

// TestRepeats: a name that an address gives again is not added again, unless the store
// was emptied.
func TestRepeats(t *testing.T) {
	srv := valkeylab.Start(t, valkeylab.Options{})
	s := start(t, Config{Servers: []string{srv.Addr}, Sensor: "a", deadline: patient}).ready(t)
	port := client.Port()
	visit := func(times int) {
		for range times {
			port++
			from := netip.AddrPortFrom(client.Addr(), port)
			s.own.set(from, linux)
			s.ask(t, note.Query{Client: from, Server: server, Hello: "mail.example.org"})
		}
		s.written2(t)
	}
	visit(5)
	if n := srv.CLI("GET", "mxprint:1:v:{192.0.2.1}"); n != "5" {
		t.Errorf("%q visits, want 5", n)
	}
	if stats := srv.CLI("INFO", "commandstats"); !strings.Contains(stats, "cmdstat_pfadd:calls=2,") {
		t.Errorf("want one PFADD for the address and one for the name:\n%s", stats)
	}
	srv.CLI("FLUSHALL")
	lab.Eventually(t, func() error {
		if s.Stats().Emptied == 0 {
			return errors.New("the store was emptied, which was not found")
		}
		return nil
	})
	visit(1)
	if n := srv.CLI("PFCOUNT", "mxprint:1:an:{192.0.2.1}"); n != "1" {
		t.Errorf("%q names after the store was emptied, want 1", n)
	}
}

// TestManyNames: a client that gives itself a new name on each connection, and has
// new TLS hellos, makes no key of each.
func TestManyNames(t *testing.T) {
	srv := valkeylab.Start(t, valkeylab.Options{})
	s := start(t, Config{Servers: []string{srv.Addr}, Sensor: "a", deadline: patient}).ready(t)
	visit := func(addr string, n int) {
		from := netip.AddrPortFrom(netip.MustParseAddr(addr), uint16(1000+n))
		told := linux
		told.TLS = &note.TLS{State: note.Complete, JA4: fmt.Sprintf("t13i301100_%012x_e5627efa2ab1", n)}
		s.own.set(from, told)
		s.ask(t, note.Query{Client: from, Server: server, Hello: fmt.Sprintf("name%d.example.org", n)})
	}
	for n := range 2000 {
		visit("192.0.2.1", n)
	}
	visit("192.0.2.2", 5000)
	s.written2(t)
	n := strings.Count(srv.CLI("KEYS", "mxprint:1:na:*")+srv.CLI("KEYS", "mxprint:1:ja:*"), "mxprint")
	t.Logf("%d keys of names and hellos after 2,001 connections", n)
	if n < 2 || n > maxAdded+2 {
		t.Errorf("%d keys of names and hellos, want at most %d", n, maxAdded+2)
	}
	if n := srv.CLI("PFCOUNT", "mxprint:1:na:name5000.example.org"); n != "1" {
		t.Errorf("the name of another client is of %s addresses, want 1", n)
	}
}

func TestSensors(t *testing.T) {
	srv := valkeylab.Start(t, valkeylab.Options{Unix: true})
	a, b := two(t, Config{Servers: []string{srv.Addr}})
	var list []status.Peer
	lab.Eventually(t, func() (err error) {
		if list, err = b.Sensors(context.Background()); err == nil && len(list) != 2 {
			err = fmt.Errorf("%+v", list)
		}
		return err
	})
	for i, name := range []string{"a", "b"} {
		if s := list[i]; s.Name != name || s.Version != "1" || s.Seen < 0 || s.Seen > time.Minute || time.Since(s.Started) > time.Hour || time.Since(s.Started) < -time.Minute {
			t.Errorf("sensor %d: %+v", i, s)
		}
	}
	// What others write there is checked.
	srv.CLI("SADD", keySensors, "evil", "x y", "gone")
	srv.CLI("SET", prefix+kindSensor+"evil", `{"version":"1","started":-1}`, "EX", "100")
	srv.CLI("SET", prefix+kindSensor+"x y", `{"version":"1"}`, "EX", "100")
	if list, err := a.Sensors(context.Background()); err != nil || len(list) != 2 || a.Stats().Malformed != 2 {
		t.Errorf("with other entries: %+v, %v, %+v", list, err, a.Stats())
	}
}

// TestEvidence: the counts of sites add up, and a sender of both is one.
func TestEvidence(t *testing.T) {
	srv := valkeylab.Start(t, valkeylab.Options{Unix: true})
	a, b := two(t, Config{Servers: []string{srv.Addr}})
	lab.Eventually(t, func() error {
		if list, err := b.Sensors(context.Background()); err != nil || len(list) != 2 {
			return fmt.Errorf("%+v, %v", list, err)
		}
		return nil
	})
	addr := func(i int) netip.Addr { return netip.AddrFrom4([4]byte{192, 0, 2, byte(i)}) }
	today := evidence.Day(time.Now())
	for _, site := range []struct {
		s        *sensor
		from, to int
	}{{a, 0, 20}, {b, 10, 30}} {
		counts := func(_ context.Context, seed uint64) (*evidence.Counts, error) {
			c := evidence.NewCounts()
			for i := site.from; i < site.to; i++ {
				for range 5 {
					c.Add(evidence.Sample{Sender: evidence.Sender(seed, store.Key(addr(i))), Day: today, Spam: i%2 == 0, Tokens: []string{"system=Linux"}})
				}
			}
			return c, nil
		}
		if err := site.s.publishCounts(context.Background(), counts); err != nil {
			t.Fatal(err)
		}
	}
	all, sites, err := b.Evidence(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if e := all.Estimate("system=Linux", today); sites != 2 || e.Senders != 30 || e.Mails != 200 {
		t.Errorf("%d sites, %d senders, %d mails, want 2, 30, 200", sites, e.Senders, e.Mails)
	}
	if _, err := a.Forget(context.Background(), store.Subject{Network: store.Network(addr(15))}); err != nil {
		t.Fatal(err)
	}
	if all, _, err = b.Evidence(context.Background()); err != nil {
		t.Fatal(err)
	}
	if e := all.Estimate("system=Linux", today); e.Senders != 29 {
		t.Errorf("after a sender was forgotten, %d senders", e.Senders)
	}
}

// TestForget: nothing of an address is left, in plain or as a hash, and no other is
// touched.
func TestForget(t *testing.T) {
	for name, secret := range map[string][]byte{"plain": nil, "hashed": []byte("0123456789abcdef")} {
		t.Run(name, func(t *testing.T) {
			srv := valkeylab.Start(t, valkeylab.Options{Unix: true})
			a, b := two(t, Config{Servers: []string{srv.Addr}, Secret: secret})
			other := netip.MustParseAddrPort("192.0.3.1:40001")
			v6 := netip.MustParseAddrPort("[2001:db8::1]:40001")
			for _, c := range []netip.AddrPort{other, v6} {
				a.own.set(c, linux)
				a.Opened(c, server)
			}
			for _, c := range []netip.AddrPort{client, other, v6} {
				b.ask(t, note.Query{Client: c, Server: server, Hello: "h.example.org"})
			}
			a.written(t)
			b.written2(t)
			tag := strings.Trim(a.names.tag(client.Addr()), "{}")
			if keys := srv.CLI("KEYS", "*"); strings.Count(keys, "{"+tag+"}") < 5 {
				t.Fatalf("of %s there are\n%s", tag, keys)
			}
			n, err := a.Forget(context.Background(), store.Subject{Network: netip.MustParsePrefix("192.0.2.0/24")})
			if err != nil || n < 5 {
				t.Errorf("Forget = %d, %v", n, err)
			}
			if n, err := a.Forget(context.Background(), store.Subject{Network: store.Network(v6.Addr())}); err != nil || n < 5 {
				t.Errorf("Forget of IPv6 = %d, %v", n, err)
			}
			if n, err := a.Forget(context.Background(), store.Subject{Name: "h.example.org"}); err != nil || n != 1 {
				t.Errorf("Forget of a name = %d, %v", n, err)
			}
			keys := srv.CLI("KEYS", "*")
			if strings.Contains(keys, tag) || strings.Contains(keys, "na:") || strings.Count(keys, a.names.tag(other.Addr())) < 5 {
				t.Errorf("left are\n%s", keys)
			}
			lab.Eventually(t, func() error { // also in the memory of the other sensor
				if got := b.ask(t, note.Query{Client: netip.AddrPortFrom(client.Addr(), 0)}); got.State != note.NotSeen {
					return fmt.Errorf("%v", got.State)
				}
				return nil
			})
		})
	}
}

// written2 is written for a sensor that publishes no note.
func (s *sensor) written2(t testing.TB) {
	t.Helper()
	lab.Eventually(t, func() error {
		if st := s.Stats(); st.Queued > 0 {
			return fmt.Errorf("%+v", st)
		}
		return nil
	})
}

// TestHostileStore: records that others have written do no harm.
func TestHostileStore(t *testing.T) {
	srv := valkeylab.Start(t, valkeylab.Options{Unix: true})
	_, b := two(t, Config{Servers: []string{srv.Addr}})
	q := note.Query{Client: client, Server: server}
	big := strings.Repeat("x", 1<<20)
	for name, set := range map[string]func(){
		"a text":   func() { srv.CLI("SET", "mxprint:1:c:{192.0.2.1}.40001:t", "hello", "PX", "60000") },
		"too long": func() { srv.CLI("SET", "mxprint:1:c:{192.0.2.1}.40001:t", big[:100_000], "PX", "60000") },
		"for ever": func() { srv.CLI("PERSIST", "mxprint:1:c:{192.0.2.1}.40001:t") },
		"another type": func() {
			srv.CLI("DEL", "mxprint:1:c:{192.0.2.1}.40001:t")
			srv.CLI("LPUSH", "mxprint:1:c:{192.0.2.1}.40001:t", "x")
		},
		"a host":   func() { srv.CLI("SET", "mxprint:1:h:{192.0.2.1}", "hello") },
		"past":     func() { srv.CLI("SET", "mxprint:1:m:{192.0.2.1}", "hello") },
		"visits":   func() { srv.CLI("SET", "mxprint:1:v:{192.0.2.1}", "-17e4000000000000") },
		"a sketch": func() { srv.CLI("SET", "mxprint:1:an:{192.0.2.1}", "hello") },
	} {
		set()
		b.recent.forget()
		b.breaker.row.Store(0) // whatever the one before has come to
		b.breaker.open.Store(false)
		if n := b.ask(t, q); n.ByConnection && name != "a host" && name != "past" && name != "visits" && name != "a sketch" {
			t.Errorf("%s: %+v", name, n)
		}
	}
	if st := b.Stats(); st.Malformed == 0 {
		t.Errorf("nothing was counted: %+v", st)
	}
}

// TestOff: without a server nothing waits, and the sensor's own answer is given.
func TestOff(t *testing.T) {
	b := start(t, Config{Servers: []string{"127.0.0.1:1"}, Sensor: "b"})
	b.own.set(client, linux)
	quickest := time.Hour
	for try := 0; try < 5 && quickest > time.Second; try++ { // the machine may be busy
		begin := time.Now()
		for range 1000 {
			if n := b.ask(t, note.Query{Client: client, Server: server}); n.OSName != "Linux" || n.Memory != nil {
				t.Fatalf("%+v", n)
			}
		}
		quickest = min(quickest, time.Since(begin))
	}
	if quickest > time.Second {
		t.Errorf("1,000 look-ups took %v", quickest)
	}
	lab.Eventually(t, func() error {
		if st := b.Stats(); !strings.Contains(st.Fault, "refused") {
			return errors.New(st.Fault)
		}
		return nil
	})
	if st := b.Stats(); st.Missed < 1000 {
		t.Errorf("%+v", st)
	}
}

// TestAway: a server that goes away and comes back is used again without a restart.
func TestAway(t *testing.T) {
	srv := valkeylab.Start(t, valkeylab.Options{})
	a, b := two(t, Config{Servers: []string{srv.Addr}})
	srv.Kill()
	lab.Eventually(t, func() error {
		b.ask(t, note.Query{Client: client, Server: server})
		a.Opened(client, server)
		if st, st2 := b.Stats(), a.Stats(); st.Fault == "" || st2.WriteFault == "" {
			return fmt.Errorf("%+v %+v", st, st2)
		}
		return nil
	})
	srv.Restart()
	a.ready(t)
	b.ready(t)
	a.Opened(client, server)
	lab.Eventually(t, func() error {
		if n := b.ask(t, note.Query{Client: client, Server: server}); !n.ByConnection {
			return fmt.Errorf("%+v, %+v", n, b.Stats())
		}
		return nil
	})
}

// TestPassword: a wrong password is said, and a right one works, also of an ACL user
// that may do no more than docs/shared-store.md says.
func TestPassword(t *testing.T) {
	srv := valkeylab.Start(t, valkeylab.Options{Password: "right"})
	if err := Try(context.Background(), Config{Servers: []string{srv.Addr}, Password: "wrong"}); err == nil || !strings.Contains(err.Error(), "WRONGPASS") {
		t.Errorf("a wrong password: %v", err)
	}
	if err := Try(context.Background(), Config{Servers: []string{srv.Addr}}); err == nil {
		t.Error("no password is taken")
	}
	if err := Try(context.Background(), Config{Servers: []string{srv.Addr}, Password: "right"}); err != nil {
		t.Error(err)
	}
	srv.CLI(append([]string{"ACL", "SETUSER", "mxprint"}, documented(t)...)...)
	srv.CLI("ACL", "SETUSER", "mxprint", ">sesame")
	a, b := two(t, Config{Servers: []string{srv.Addr}, User: "mxprint", Password: "sesame", deadline: patient})
	if n := b.ask(t, note.Query{Client: client, Server: server, Hello: "x.example.org"}); !n.ByConnection || n.Memory == nil {
		t.Errorf("%+v", n)
	}
	b.written2(t)
	if _, err := a.Forget(context.Background(), store.Subject{Network: store.Network(client.Addr())}); err != nil {
		t.Error(err)
	}
	if st := b.Stats(); st.WriteFault != "" || st.Errors > 0 {
		t.Errorf("%+v", st)
	}
}

// documented is the rule for the user of docs/shared-store.md.
func documented(t *testing.T) []string {
	t.Helper()
	page, err := os.ReadFile("../../docs/shared-store.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rule, ok := strings.Cut(string(page), "ACL SETUSER mxprint ")
	if !ok {
		t.Fatal("the page has no rule")
	}
	rule, _, _ = strings.Cut(rule, "`")
	return strings.Fields(strings.ReplaceAll(rule, `\|`, "|"))
}

// TestPermissions: of what the documented rule allows nothing can be left out, and
// what is left out is named, by mxprint check and by a sensor that runs.
func TestPermissions(t *testing.T) {
	srv := valkeylab.Start(t, valkeylab.Options{})
	rule := documented(t)
	other := map[string]bool{
		"ping": true, "role": true, "asking": true, "readonly": true, "cluster|slots": true, "cluster|shards": true, // of Sentinels, Clusters, idle connections
		"hello": true, "auth": true, "client|setname": true, // need no permission in a HELLO of Redis 7
		"client|caching": true, // without it the client asks again after a minute
	}
	user := func(more ...string) {
		srv.CLI(append(append([]string{"ACL", "SETUSER", "mxprint", "reset", "on", ">sesame"}, rule[1:]...), more...)...)
		srv.Try("CLIENT", "KILL", "USER", "mxprint")
	}
	cfg := Config{Servers: []string{srv.Addr}, User: "mxprint", Password: "sesame", Sensor: "a", deadline: patient}
	for _, word := range rule {
		command, ok := strings.CutPrefix(word, "+")
		if !ok || other[command] {
			continue
		}
		user("-" + command)
		err := Try(t.Context(), cfg)
		if err == nil || !strings.Contains(err.Error(), strings.Split(command, "|")[0]) {
			t.Errorf("without %s: %v", command, err)
		}
	}
	user("resetkeys", "~other:*")
	if err := Try(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), "NOPERM") {
		t.Errorf("without its keys: %v", err)
	}
	user()
	if err := Try(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	if keys := srv.CLI("KEYS", "*"); keys != "" {
		t.Errorf("after all that there are keys:\n%s", keys)
	}
	a, b := two(t, cfg)
	user("-pfadd", "-pfcount")
	lab.Eventually(t, func() error {
		b.recent.forget()
		b.ask(t, note.Query{Client: client, Server: server, Hello: "x.example.org"})
		a.Opened(client, server)
		if st := b.Stats(); !strings.Contains(st.Fault, "'pfcount'") {
			return fmt.Errorf("%+v", st)
		}
		return nil
	})
	user("-pfadd")
	lab.Eventually(t, func() error {
		b.recent.forget()
		b.ask(t, note.Query{Client: client, Server: server, Hello: "x.example.org"})
		if st := b.Stats(); st.Fault != "" || !strings.Contains(st.WriteFault, "'pfadd'") {
			return fmt.Errorf("%+v", st)
		}
		return nil
	})
	user()
	b.ready(t)
}

// needFleet skips what takes long, or starts many servers.
func needFleet(t *testing.T) {
	t.Helper()
	if os.Getenv("MXPRINT_FLEET") == "" {
		t.Skip("starts many servers: make test-fleet")
	}
}

// TestClockSetBack: what was added while the clock was ahead is added again.
func TestClockSetBack(t *testing.T) {
	r := recent{since: time.Now()}
	r.make()
	now := time.Now()
	p := netip.MustParsePrefix("192.0.2.1/32")
	r.adds(p, "k", "e", now.Add(24*time.Hour))
	if !r.adds(p, "k", "e", now.Add(time.Hour)) {
		t.Error("an element is not added for 23 hours")
	}
}
