package milter

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mxprint/mxprint/internal/front"
	"github.com/mxprint/mxprint/internal/serve"
	"github.com/mxprint/mxprint/internal/test/fronttest"
	"github.com/mxprint/mxprint/note"
)

func TestNegotiation(t *testing.T) {
	// Changes: add and change headers. Events that we do not want: RCPT, body, end
	// of header, unknown command, DATA. Not answered: connect, HELO, MAIL, header.
	const (
		actions  = 0x11
		unwanted = 0x8 | 0x10 | 0x40 | 0x100 | 0x200
		silent   = 0x80 | 0x1000 | 0x2000 | 0x4000
	)
	for _, tt := range []struct {
		name              string
		offer             offer
		version, protocol uint32
	}{
		{"Postfix", postfixOffer, 6, unwanted | silent},
		{"Sendmail", sendmailOffer, 6, unwanted | silent},
		{"newer", offer{7, 0xffffffff, 0xffffffff}, 6, unwanted | silent},
		{"protocol 2", oldOffer, 2, 0x8 | 0x10 | 0x40},
		{"all events", offer{6, actions, 0}, 6, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			fronttest.Leaks(t)
			path, _ := run(t, &Server{Lookuper: seen()})
			m := dial(t, path)
			m.send('O', numbers(tt.offer.version, tt.offer.actions, tt.offer.protocol))
			m.want("O" + numbers(tt.version, actions, tt.protocol))
		})
	}
}

func TestClients(t *testing.T) {
	for _, tt := range []struct {
		name, connect, macros string
		want                  note.Query // without a client: no question
	}{
		{"IPv4", "4\x04\x57198.18.0.1\x00", "", query(client4, "")},
		{"IPv6 of Postfix", "6\x1a\x0a2001:db8::1\x00", "", query(client6, "")},
		{"IPv6 of Sendmail", "6\x1a\x0aIPv6:2001:db8::1\x00", "", query(client6, "")},
		{"IPv4 mapped into IPv6", "6\x04\x57IPv6:::ffff:198.18.0.1\x00", "", query(client4, "")},
		{"no port", "4\x00\x00198.18.0.1\x00", "", query("198.18.0.1:0", "")},
		{"server of Postfix", "4\x04\x57198.18.0.1\x00", "{daemon_addr}\x00198.18.0.2\x00{daemon_port}\x0025\x00",
			query(client4, "198.18.0.2:25")},
		{"server of Sendmail", "4\x04\x57198.18.0.1\x00", "{daemon_port}\x0025\x00{daemon_addr}\x000.0.0.0\x00{if_addr}\x00198.18.0.2\x00",
			query(client4, "198.18.0.2:25")},
		{"server of Sendmail, IPv6", "6\x1a\x0aIPv6:2001:db8::1\x00", "{daemon_port}\x00587\x00{daemon_addr}\x00IPv6:::\x00{if_addr}\x00IPv6:2001:db8::2\x00",
			query(client6, "[2001:db8::2]:587")},
		{"server without a port", "4\x04\x57198.18.0.1\x00", "{daemon_addr}\x00198.18.0.2\x00", query(client4, "")},
		{"macros without an end", "4\x04\x57198.18.0.1\x00", "{daemon_addr}", query(client4, "")},
		{"long macros", "4\x04\x57198.18.0.1\x00", "{daemon_addr}\x00" + strings.Repeat("x", 100000), query(client4, "")},
		{"unknown", "U", "", note.Query{}},
		{"unix socket", "L\x00\x00/run/sock\x00", "", note.Query{}},
		{"no address", "4\x04\x57unknown\x00", "", note.Query{}},
		{"unspecified", "4\x04\x570.0.0.0\x00", "", note.Query{}},
		{"other family", "9\x04\x57198.18.0.1\x00", "", note.Query{}},
		{"cut", "4\x04", "", note.Query{}},
		{"nothing", "", "", note.Query{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			fronttest.Leaks(t)
			who := seen()
			path, _ := run(t, &Server{Lookuper: who})
			m := dial(t, path)
			m.begin(postfixOffer)
			if tt.macros != "" {
				m.send('D', "C", tt.macros)
			}
			m.send('C', "client.example\x00", tt.connect)
			m.mail("Subject: x")
			switch tt.want.Client.String() {
			case client4:
				m.want(added("X-p0f-Result", header4))
			case client6:
				m.want(added("X-p0f-Result", header6))
			}
			m.want("a")
			var want []note.Query
			if tt.want.Client.IsValid() {
				tt.want.Wait = patience * 4 / 5
				want = []note.Query{tt.want}
			}
			if got := who.Queries(); !slices.Equal(got, want) {
				t.Errorf("asked %+v, want %+v", got, want)
			}
		})
	}
}

func query(client, server string) note.Query {
	q := note.Query{Client: netip.MustParseAddrPort(client)}
	if server != "" {
		q.Server = netip.MustParseAddrPort(server)
	}
	return q
}

// TestNameWithoutEnd: the client's name has no NUL, so that there is nothing
// after it. The library ends the process on such a packet.
func TestNameWithoutEnd(t *testing.T) {
	fronttest.Leaks(t)
	path, _ := run(t, &Server{Lookuper: seen()})
	m := dial(t, path)
	m.begin(postfixOffer)
	m.send('C', "client.example")
	m.mail()
	m.want("a")
}

// TestStates: what a mail gets in each of the four states, forged headers being
// removed in all.
func TestStates(t *testing.T) {
	for _, tt := range []struct {
		name   string
		who    *fronttest.Lookuper
		client string
		want   string // text of the header
		stats  Stats
	}{
		{"matched", seen(), client4, header4, Stats{Noted: 1}},
		{"unknown", seen(), client6, header6, Stats{Noted: 1}},
		{"not seen", seen(), "198.18.0.9:9", "", Stats{}},
		{"unavailable", &fronttest.Lookuper{Err: fronttest.ErrNoSensor}, client4, "", Stats{Stats: serve.Stats{Missed: 1}}},
		{"late", &fronttest.Lookuper{Delay: time.Hour}, client4, "", Stats{Stats: serve.Stats{Missed: 1}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			fronttest.Leaks(t)
			s := &Server{Lookuper: tt.who}
			if tt.who.Delay > 0 {
				s.Deadline = defaultDeadline
			}
			path, _ := run(t, s)
			m := dial(t, path)
			m.begin(postfixOffer)
			m.connect(tt.client)
			m.mail("X-p0f-Result: forged")
			want := []string{removed(1, "X-p0f-Result")}
			if tt.want != "" {
				want = append(want, added("X-p0f-Result", tt.want))
			}
			m.want(append(want, "a")...)
			tt.stats.Open, tt.stats.Total, tt.stats.Requests, tt.stats.Forged = 1, 1, 1, 1
			if got := s.Stats(); got != tt.stats {
				t.Errorf("Stats = %+v, want %+v", got, tt.stats)
			}
		})
	}
}

// TestProtocol2: without silent events, each is answered.
func TestProtocol2(t *testing.T) {
	fronttest.Leaks(t)
	path, _ := run(t, &Server{Lookuper: seen()})
	m := dial(t, path)
	m.begin(oldOffer)
	m.connect(client4)
	m.want("c")
	m.send('M', "<>\x00")
	m.want("c")
	m.send('L', "X-p0f-Result\x00x\x00")
	m.want("c")
	m.send('L', "Subject\x00x\x00")
	m.want("c")
	m.send('E')
	m.want(removed(1, "X-p0f-Result"), added("X-p0f-Result", header4), "a")
}

// TestUnaskedEvents: a mail server that sends what we did not ask for gets its
// answers, whatever the events hold.
func TestUnaskedEvents(t *testing.T) {
	fronttest.Leaks(t)
	path, _ := run(t, &Server{Lookuper: seen()})
	m := dial(t, path)
	m.begin(postfixOffer)
	m.connect(client4)
	for _, cmd := range "HRNBUT" {
		for _, data := range []string{"", "x", "x\x00", "\x00\x00\x00", strings.Repeat("x", 1<<20)} {
			m.send(byte(cmd), data)
		}
	}
	m.mail()
	for {
		cmd, data, err := m.receive()
		if err != nil {
			t.Fatal(err)
		}
		if cmd == 'i' {
			break
		}
		if cmd != 'c' && cmd != 's' || data != "" {
			t.Fatalf("answer %q %q, want continue or skip", cmd, data)
		}
	}
	m.want("a")
}

func TestForged(t *testing.T) {
	for _, tt := range []struct {
		name    string
		headers []string
		removed uint32
	}{
		{"none", []string{"Subject: x", "X-p0f: y"}, 0},
		{"one", []string{"X-p0f-Result: x"}, 1},
		{"cases", []string{"x-P0F-result: x", "Subject: x", "X-P0F-RESULT: y", "X-p0f-Result:"}, 3},
		{"prefix", []string{"X-p0f-Resul: x", "X-p0f-Result-2: x"}, 0},
		{"long value", []string{"X-p0f-Result: " + strings.Repeat("x", 2<<20), "Subject: x"}, 1},
		{"long name", []string{strings.Repeat("x", 2<<20) + ": x", "X-p0f-Result: "}, 1},
		{"limit", slices.Repeat([]string{"X-p0f-Result: x"}, maxForged), maxForged},
	} {
		t.Run(tt.name, func(t *testing.T) {
			fronttest.Leaks(t)
			path, _ := run(t, &Server{Lookuper: seen()})
			m := dial(t, path)
			m.begin(sendmailOffer)
			m.connect(client4)
			m.mail(tt.headers...)
			for i := tt.removed; i > 0; i-- {
				m.want(removed(i, "X-p0f-Result"))
			}
			m.want(added("X-p0f-Result", header4), "a")
		})
	}
	t.Run("over the limit", func(t *testing.T) {
		path, _ := run(t, &Server{Lookuper: seen()})
		m := dial(t, path)
		m.begin(postfixOffer)
		m.connect(client4)
		m.mail(slices.Repeat([]string{"X-p0f-Result: x"}, maxForged+1)...)
		m.want("y550 5.6.0 Too many headers X-p0f-Result\x00")
		m.mail("Subject: the next one")
		m.want(added("X-p0f-Result", header4), "a")
	})
}

// TestMailsOfOneConnection: what is known of the client lasts, what is known of
// a mail does not.
func TestMailsOfOneConnection(t *testing.T) {
	fronttest.Leaks(t)
	who := seen()
	s := &Server{Lookuper: who, Header: "X-OS", Form: front.V2Text}
	path, _ := run(t, s)
	m := dial(t, path)
	m.begin(postfixOffer)
	m.connect(client4)
	const text = "Linux 5.x, (distance 4, link: Ethernet)"
	m.mail("X-OS: x", "x-os: y")
	m.want(removed(2, "X-OS"), removed(1, "X-OS"), added("X-OS", text), "a")
	m.mail()
	m.want(added("X-OS", text), "a")
	// Aborted, once and twice; and one without an end.
	for range 2 {
		m.send('M', "<>\x00")
		m.send('L', "X-OS\x00x\x00")
		m.send('A')
		m.send('A')
	}
	m.send('M', "<>\x00")
	m.send('L', "X-OS\x00x\x00")
	m.mail("X-OS: z")
	m.want(removed(1, "X-OS"), added("X-OS", text), "a")
	if n := len(who.Queries()); n != 1 {
		t.Errorf("%d questions about one client, want 1", n)
	}
	// The mail server's next client on this connection.
	m.send('K')
	m.connect(client6)
	m.mail()
	m.want(added("X-OS", "UNKNOWN, (distance 0, link: unknown)"), "a")
	m.send('K')
	m.mail()
	m.want("a") // no one said who it is from
	m.send('Q')
	m.wantClosed()
	want := Stats{Stats: serve.Stats{Total: 1, Requests: 5}, Noted: 4, Forged: 3}
	for end := time.Now().Add(patience); s.Stats() != want; time.Sleep(time.Millisecond) {
		if time.Now().After(end) { // the connection is counted out after it is closed
			t.Fatalf("Stats = %+v, want %+v", s.Stats(), want)
		}
	}
}

// TestTextIsRefused: a form whose text would break a header.
func TestTextIsRefused(t *testing.T) {
	fronttest.Leaks(t)
	var log fronttest.Log
	path, _ := run(t, &Server{Lookuper: seen(), Logger: log.Logger(),
		Form: func(*note.Note) string { return "x\r\nBcc: y" }})
	m := dial(t, path)
	m.begin(postfixOffer)
	m.connect(client4)
	m.mail("X-p0f-Result: forged")
	m.want(removed(1, "X-p0f-Result"), "a")
	if lines := log.Lines(); len(lines) != 1 || !strings.Contains(lines[0], "mail without a header") {
		t.Errorf("log %q", lines)
	}
}

func TestHeaderMustBeOne(t *testing.T) {
	pipes := fronttest.NewPipes()
	err := (&Server{Lookuper: seen(), Header: "X p0f"}).Serve(context.Background(), pipes)
	if !errors.Is(err, ErrHeader) {
		t.Errorf("Serve = %v, want %v", err, ErrHeader)
	}
	if _, err := pipes.Accept(); err == nil {
		t.Error("the listener is left open")
	}
}

func TestServeTellsTheFaultOfTheListener(t *testing.T) {
	fronttest.Leaks(t)
	broken := errors.New("broken listener")
	pipes := fronttest.NewPipes()
	pipes.Errs = []error{broken}
	if err := (&Server{Lookuper: seen()}).Serve(context.Background(), pipes); !errors.Is(err, broken) {
		t.Errorf("Serve = %v, want %v", err, broken)
	}
}

// TestDeadline: the look-up runs beside the conversation, and the end of the
// mail waits for the rest of the deadline only.
func TestDeadline(t *testing.T) {
	for _, tt := range []struct {
		name            string
		deadline, delay time.Duration
		talk            time.Duration // between connect and the end of the mail
		want            time.Duration // that the end waits
		noted           bool
	}{
		{"quick", 0, time.Millisecond, 0, time.Millisecond, true},
		{"long talk", 0, 49 * time.Millisecond, time.Second, 0, true},
		{"just in time", 0, 49 * time.Millisecond, 10 * time.Millisecond, 39 * time.Millisecond, true},
		{"late", 0, 51 * time.Millisecond, 10 * time.Millisecond, 40 * time.Millisecond, false},
		{"never", 0, time.Hour, time.Minute, 0, false},
		{"longer", 200 * time.Millisecond, 150 * time.Millisecond, 0, 150 * time.Millisecond, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				who := seen()
				who.Delay = tt.delay
				ln := fronttest.NewPipes()
				stop := fronttest.Start((&Server{Lookuper: who, Deadline: tt.deadline}).Serve, ln)
				m := &mta{ln.Connect(), t}
				m.begin(postfixOffer)
				begin := time.Now()
				m.connect(client4)
				m.send('M', "<>\x00")
				if took := time.Since(begin); took != 0 {
					t.Errorf("the conversation waited %v for the look-up", took)
				}
				time.Sleep(tt.talk)
				begin = time.Now()
				m.send('E')
				if tt.noted {
					m.want(added("X-p0f-Result", header4))
				}
				m.want("a")
				if took := time.Since(begin); took != tt.want {
					t.Errorf("the end of the mail waited %v, want %v", took, tt.want)
				}
				m.Close()
				if err := stop(); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// deaf does not mind its context.
type deaf struct{ release chan struct{} }

func (d deaf) Lookup(context.Context, note.Query) (note.Note, error) {
	<-d.release
	return note.Note{}, nil
}

// TestDeafLookuper: not even a Lookuper that breaks its word holds up a mail.
func TestDeafLookuper(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := deaf{make(chan struct{})}
		ln := fronttest.NewPipes()
		stop := fronttest.Start((&Server{Lookuper: d}).Serve, ln)
		m := &mta{ln.Connect(), t}
		m.begin(postfixOffer)
		begin := time.Now()
		m.connect(client4)
		m.mail()
		m.want("a")
		if took := time.Since(begin); took != defaultDeadline {
			t.Errorf("the mail took %v, want %v", took, defaultDeadline)
		}
		m.Close()
		close(d.release)
		stop()
	})
}

// again answers the first question with what a SYN shows, and later ones with
// what was said since.
type again struct {
	mu    sync.Mutex
	asked int
	fail  bool // the second time
}

func (a *again) Lookup(ctx context.Context, q note.Query) (note.Note, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	n := note.Note{State: note.Matched, OSName: "Linux"}
	if a.asked++; a.asked == 1 {
		return n, nil
	}
	if q.Wait != 0 || a.fail {
		return note.Note{}, errors.New("no sensor")
	}
	n.TLS = &note.TLS{State: note.Complete, Library: "Go"}
	return n, nil
}

// TestAgain: at the end of the message the note has what the client said until
// then; where no answer comes, what there was.
func TestAgain(t *testing.T) {
	for _, tt := range []struct {
		again, fail bool
		want        string
	}{
		{true, false, `os="Linux" os_quality=exact tls="Go"`},
		{true, true, `os="Linux" os_quality=exact`},
		{false, false, `os="Linux" os_quality=exact`},
	} {
		path, _ := run(t, &Server{Lookuper: &again{fail: tt.fail}, Header: "X-Mxprint", Form: (*note.Note).Full, Again: tt.again})
		m := dial(t, path)
		m.begin(postfixOffer)
		m.connect(client4)
		m.mail("X-Mxprint: forged")
		m.want(removed(1, "X-Mxprint"), added("X-Mxprint", tt.want), "a")
	}
}
