package export

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/mxprint/mxprint/event"
	"github.com/mxprint/mxprint/internal/signature"
	"github.com/mxprint/mxprint/internal/store"
	"github.com/mxprint/mxprint/internal/test/clickhouse"
	"github.com/mxprint/mxprint/note"
)

// connectionsEnv is how many connections TestScale makes up: 500 without it.
const connectionsEnv = "MXPRINT_FLEET_CONNECTIONS"

// TestScale measures what a connection with all its rows takes: time of the sensor,
// bytes of the spool, bytes and time of ClickHouse. docs/scale.md has the figures.
// The connections are made up: as many senders as a third of them, with addresses,
// names, times and counts at random, systems and programs of the built-in database,
// a verdict on every second.
func TestScale(t *testing.T) {
	n, err := strconv.Atoi(cmp.Or(os.Getenv(connectionsEnv), "500"))
	if err != nil {
		t.Fatal(err)
	}
	ch := clickhouse.New(t)
	cfg := to(t, ch.URL(), t.TempDir())
	cfg.Every, cfg.MaxSpool, cfg.backOff = DefaultEvery, 4<<30, 0
	e, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	m := newMakeUp(n)
	var made, ours time.Duration
	lines := [tables]int{}
	for done := 0; done < n; {
		begin := cpuTime()
		batch := m.connections(min(2000, n-done))
		made += cpuTime() - begin
		begin = cpuTime()
		for i := range batch {
			c := &batch[i]
			for j := range c.observations {
				e.Observe(&c.observations[j])
			}
			e.ask(askedNote{q: c.query, note: c.asked, at: c.at, front: true})
			e.ask(askedNote{q: c.query, note: c.ended, at: c.at.Add(time.Second), front: true})
			if i%2 == 0 {
				e.Judged(c.asked.Memory.ID, &store.Verdict{At: c.at, Source: "rspamd", Spam: i%4 == 0, Sure: true, HasScore: true, Score: 12.25, Threshold: 15})
			}
			lines[Observations] += len(c.observations)
		}
		e.Save()
		ours += cpuTime() - begin
		done += len(batch)
	}
	s := e.Stats()
	per := func(d time.Duration) string { return fmt.Sprintf("%.1fµs", d.Seconds()*1e6/float64(n)) }
	t.Logf("%d connections, %d rows, %.1f rows a connection, %d dropped", n, s.Waiting, float64(s.Waiting)/float64(n), s.Dropped.Sum())
	t.Logf("sensor: %s of CPU time a connection (and %s to make it up); spool: %.0f bytes a connection", per(ours), per(made), float64(s.Bytes)/float64(n))
	begin := time.Now()
	for {
		sent, err := e.send.step(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if !sent {
			break
		}
	}
	took := time.Since(begin)
	t.Logf("ClickHouse: %d rows in %v by one connection, %.0f connections a second, batches of %.0f rows", s.Waiting, took.Round(time.Millisecond), float64(n)/took.Seconds(), float64(s.Waiting)/float64(e.Stats().Batches))
	for table := range tables {
		if _, err := ch.Query("mxprint", "OPTIMIZE TABLE "+table.String()+" FINAL"); err != nil {
			t.Error(err)
		}
	}
	for _, q := range []string{
		"SELECT table, sum(rows), round(sum(bytes_on_disk) / sum(rows), 1) FROM system.parts WHERE active AND database = 'mxprint' GROUP BY table ORDER BY table",
		fmt.Sprintf("SELECT round(sum(bytes_on_disk) / %d, 1) AS bytes_a_connection FROM system.parts WHERE active AND database = 'mxprint'", n),
		"SELECT table, name, round(data_compressed_bytes / (SELECT count() FROM notes), 2) AS b FROM system.columns WHERE database = 'mxprint' AND table = 'notes' ORDER BY b DESC LIMIT 8",
	} {
		answer, err := ch.Query("mxprint", q)
		t.Logf("%s\n%s %v", q, answer, err)
	}
	begin = time.Now()
	mails, err := (&Reader{ClickHouse: cfg.ClickHouse}).Evidence(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("evidence of %d tokens read in %v", len(mails.Tokens()), time.Since(begin).Round(time.Millisecond))
}

// cpuTime is that of this process.
func cpuTime() time.Duration {
	var u syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// madeUp is a connection.
type madeUp struct {
	query        note.Query
	at           time.Time
	asked, ended note.Note
	observations []event.Observation
}

// makeUp makes connections up.
type makeUp struct {
	r        *rand.Rand
	senders  []netip.Addr
	systems  [][2]string
	programs [][2]string
	n        int
}

func newMakeUp(n int) *makeUp {
	m := &makeUp{r: rand.New(rand.NewPCG(28, 1))}
	for range max(n/3, 1) {
		m.senders = append(m.senders, netip.AddrFrom4([4]byte{byte(1 + m.r.IntN(220)), byte(m.r.IntN(256)), byte(m.r.IntN(256)), byte(m.r.IntN(256))}))
	}
	for _, e := range signature.Builtin().Entries() {
		if e.Label == nil {
			continue
		}
		name := [2]string{e.Label.Name, e.Label.Flavor}
		if e.Section == "tcp:request" {
			m.systems = append(m.systems, name)
		} else if strings.HasPrefix(e.Section, "smtp") {
			m.programs = append(m.programs, name)
		}
	}
	return m
}

// few is a number below n: the first ones are frequent.
func (m *makeUp) few(n int) int {
	return int(float64(n) * m.r.Float64() * m.r.Float64() * m.r.Float64())
}

func (m *makeUp) millis(most int) time.Duration {
	return time.Duration(m.r.IntN(most*1000)) * time.Microsecond
}

func (m *makeUp) connections(n int) []madeUp {
	list := make([]madeUp, n)
	for i := range list {
		m.connection(&list[i])
	}
	return list
}

func (m *makeUp) connection(c *madeUp) {
	m.n++
	addr := m.senders[m.few(len(m.senders))]
	c.at = time.Now().Add(-24 * time.Hour).Add(time.Duration(m.n) * 10 * time.Millisecond)
	c.query = note.Query{Client: netip.AddrPortFrom(addr, uint16(1024+m.r.IntN(64000))), Server: server,
		Hello: fmt.Sprintf("%s%d.%s.example", []string{"mail", "mx", "smtp", "host"}[m.r.IntN(4)], m.r.IntN(1000), strings.ReplaceAll(addr.String(), ".", "-"))}
	system, program, hops := m.systems[m.few(len(m.systems))], m.programs[m.few(len(m.programs))], m.r.IntN(25)
	raw := fmt.Sprintf("4:%d+%d:0:%d:mss*%d,%d:mss,sok,ts,nop,ws:df,id+:0", 64-hops, hops, 1460-m.few(60), 20+m.few(40), 7+m.few(4))
	name := newConnection()
	c.asked = note.Note{State: note.Matched, OSName: system[0], OSFlavor: system[1], LinkType: "Ethernet", MTU: 1500, Distance: note.Hops(hops), ByConnection: true, RawSig: raw,
		Memory: &note.Memory{ID: name, Visits: uint32(m.few(100)), Names: uint32(m.few(4))}}
	c.ended = c.asked
	c.ended.TLS = &note.TLS{State: note.Complete, Library: "OpenSSL", Release: "3.0 to 3.4", Version: "1.3", JA4: fmt.Sprintf("t13d%04dh2_8daaf6152771_e5627efa2ab1", m.few(300))}
	c.ended.Software = &note.Software{State: note.Matched, Name: program[0], Flavor: program[1], Reading: note.Complete, Dialect: fmt.Sprintf("hello=ehlo lines=%d mail=lower rcpt=%d", m.few(20), m.few(20))}
	c.ended.Conduct = &note.Findings{State: note.Complete}
	if m.few(10) > 4 {
		c.ended.Conduct.List = []note.Finding{{ID: "early_talker"}}
	}
	c.ended.Flow = &note.Flow{HandshakeRTT: m.millis(200), TCPRTT: m.millis(200), SMTPRTT: m.millis(1000), Counted: true, ClosedBy: "client"}
	at := c.at.UnixMicro()
	syn := event.Observation{Module: event.SYN, Distance: hops, System: event.System{Matched: true, Name: system[0], Flavor: system[1]}, RawSig: []byte(raw)}
	c.observations = []event.Observation{syn, {Module: event.MTU, MTU: 1500, Link: "Ethernet"}, {Module: event.Uptime, UptimeMin: uint32(m.r.IntN(100_000)), Frequency: 1000, Clock: note.ClockRandom},
		{Module: event.TLS, Sender: &c.ended}, {Module: event.SMTP, Sender: &c.ended}}
	for i := range c.observations {
		c.observations[i].Client, c.observations[i].Server, c.observations[i].At = c.query.Client, server, at+int64(i)
	}
	c.observations = slices.Clip(c.observations)
}
