package export

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/netip"
	"net/url"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mxprint/mxprint/event"
	"github.com/mxprint/mxprint/internal/evidence"
	"github.com/mxprint/mxprint/internal/store"
	"github.com/mxprint/mxprint/internal/test/clickhouse"
	"github.com/mxprint/mxprint/note"
)

// TestClickHouse sends rows to the real engine, loses an answer, takes the server
// away and brings it back, forgets, and makes a report.
func TestClickHouse(t *testing.T) {
	ch := clickhouse.New(t)
	at, _ := url.Parse(ch.URL())
	var lose atomic.Bool
	proxy := httputil.NewSingleHostReverseProxy(at)
	proxy.ErrorHandler = func(w http.ResponseWriter, _ *http.Request, err error) {
		http.Error(w, err.Error(), http.StatusBadGateway)
	}
	proxy.ModifyResponse = func(r *http.Response) error {
		if strings.HasPrefix(r.Request.URL.Query().Get("query"), "INSERT") && lose.CompareAndSwap(true, false) {
			panic(http.ErrAbortHandler) // the rows are there, the answer is not
		}
		return nil
	}
	front := newFront(t, proxy)
	dir := t.TempDir()
	e, _ := running(t, to(t, front, dir))

	for n := range 100 {
		e.Observe(fresh(n))
	}
	until(t, "100 rows", func() bool { return e.Stats().Sent == 100 })
	ch.Want("mxprint", "SELECT count(), uniqExact(run, n), any(os), any(toString(client)) FROM observations", "100\t100\tLinux\t::ffff:192.0.2.1")

	lose.Store(true)
	for n := range 100 {
		e.Observe(fresh(n))
	}
	until(t, "the batch again", func() bool { return e.Stats().Sent == 200 && e.Stats().Failures > 0 })
	ch.Want("mxprint", "SELECT count(), uniqExact(run, n) FROM observations", "200\t200")

	ch.Stop()
	for n := range 100 {
		e.Observe(fresh(n))
	}
	until(t, "a failure", func() bool { return e.Stats().Fault != "" })
	ch.Start()
	until(t, "300 rows", func() bool { return e.Stats().Sent == 300 })
	ch.Want("mxprint", "SELECT count(), uniqExact(run, n) FROM observations", "300\t300")

	t.Run("columns", func(t *testing.T) { columns(t, ch, e) })
	t.Run("versions", func(t *testing.T) { versionsOf(t, ch, front) })
	t.Run("forget", func(t *testing.T) {
		sub, _ := store.ParseSubject("192.0.2.1")
		if _, err := e.Forget(t.Context(), sub); err != nil {
			t.Error(err)
		}
		for _, table := range []string{"observations", "notes"} {
			ch.Want("mxprint", "SELECT count() FROM "+table+" WHERE client = toIPv6('192.0.2.1')", "0")
		}
	})
}

// fresh is an observation of now: ClickHouse removes old ones.
func fresh(n int) *event.Observation {
	o := syn(n)
	o.At = time.Now().UnixMicro()
	return o
}

// newFront is a server in front of another.
func newFront(t *testing.T, h http.Handler) string {
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}

// columns sends rows with all members, and wants a column for each.
func columns(t *testing.T, ch *clickhouse.Server, e *Exporter) {
	full := note.Note{
		State: note.Matched, OSName: "Linux", OSFlavor: "5.x", Others: []string{"Android"}, Rewrite: note.RewriteTTL, LinkType: "Ethernet", MTU: 1500,
		Distance: note.Hops(7), ByConnection: true, Ambiguous: true, RawSig: "4:64", Memory: &note.Memory{ID: "aaaaaaaaaaaaaaaaaaaa", Visits: 2, New: true, Names: 3, Addresses: 4, Changed: []string{"os"}},
		TLS:      &note.TLS{State: note.Complete, Library: "OpenSSL", Release: "3.0", Version: "1.3", JA4: "t13i"},
		Software: &note.Software{State: note.Matched, Name: "Exim", Flavor: "4.9x", Others: []string{"Postfix"}, Dialect: "ehlo", Reading: note.Complete},
		Conduct:  &note.Findings{State: note.Complete, List: []note.Finding{{ID: "bare_lf"}}},
		Flow:     &note.Flow{HandshakeRTT: time.Millisecond, TCPRTT: time.Millisecond, SMTPRTT: time.Millisecond, Retransmits: 1, ClosedBy: "client", Reset: true},
	}
	var lines []byte
	e.flushMu.Lock() // no other flush takes the rows
	e.Lookuper(answers{full}).Lookup(t.Context(), note.Query{Client: client, Server: server, Hello: "mail.example.org"})
	for _, o := range []event.Observation{
		{Module: event.SYN, System: event.System{Matched: true, Name: "Linux", Flavor: "x", Others: full.Others, Rewrite: note.RewriteTTL}, RawSig: []byte("4:64"), Distance: 3},
		{Module: event.HTTPRequest, System: event.System{Matched: true, App: true, Name: "wget", Flavor: "x"}, HTTP: event.HTTP{Language: "English"}},
		{Module: event.MTU, MTU: 1500, Link: "Ethernet"}, {Module: event.IPSharing, Reasons: event.ReasonPort},
		{Module: event.Uptime, UptimeMin: 5, Frequency: 100, Clock: note.ClockBoot}, {Module: event.TLS, Sender: &full},
	} {
		o.Client, o.Server, o.At = client, server, time.Now().UnixMicro()
		e.Observe(&o)
	}
	e.Judged("aaaaaaaaaaaaaaaaaaaa", &store.Verdict{Source: "rspamd", Spam: true, Sure: true, Person: true, HasScore: true, Score: 7.5, Threshold: 5})
	e.makeNotes()
	e.mu.Lock()
	for t := range e.rows {
		lines = append(lines, e.rows[t].lines...)
	}
	e.mu.Unlock()
	before := e.Stats().Sent
	e.flushMu.Unlock()
	for line := range strings.Lines(string(lines)) {
		var r map[string]any
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatal(err)
		}
		table := fmt.Sprint(r["table"])
		text, err := ch.Query("mxprint", "SELECT name FROM system.columns WHERE database = 'mxprint' AND table = "+quote(table)+" FORMAT TSVRaw")
		if err != nil {
			t.Fatal(err)
		}
		have := strings.Fields(text)
		for name := range r {
			if name != "table" && !slices.Contains(have, name) {
				t.Errorf("table %s has no column %s", table, name)
			}
		}
	}
	until(t, "the rows", func() bool { return e.Stats().Sent == before+8 })
	ch.Want("mxprint", "SELECT name, os, distance, visits, new, conduct, round(tcp_rtt_ms, 1), tokens[1], sender > 0 FROM notes FINAL", "mail.example.org\tLinux\t7\t2\ttrue\t['bare_lf']\t1\tsystem=Linux\t1")
	ch.Want("mxprint", "SELECT source, spam, score, threshold FROM verdicts", "rspamd\ttrue\t7.5\t5")
}

var (
	timeFilter = regexp.MustCompile(`\$__timeFilter\((\w+)\)`)
	timeStep   = regexp.MustCompile(`\$__timeInterval\((\w+)\)`)
	sqlBlock   = regexp.MustCompile("(?s)```sql\n(.*?)```")
	comment    = regexp.MustCompile(`(?m)^--.*\n`)
)

// queries runs what contrib/clickhouse and docs/clickhouse.md have for people, with
// rows in the tables: each gives an answer.
func queries(t *testing.T, ch *clickhouse.Server) {
	list := strings.Split(comment.ReplaceAllString(readFile(t, "../../contrib/clickhouse/queries.sql"), ""), ";")
	for _, m := range sqlBlock.FindAllStringSubmatch(readFile(t, "../../docs/clickhouse.md"), -1) {
		if !strings.HasPrefix(m[1], "ALTER") { // which "forget" runs
			list = append(list, m[1])
		}
	}
	var dashboard struct {
		Panels []struct {
			Title   string
			Targets []struct{ RawSQL string }
		}
	}
	if err := json.Unmarshal([]byte(readFile(t, "../../contrib/clickhouse/mxprint-clickhouse.json")), &dashboard); err != nil {
		t.Fatal(err)
	}
	for _, p := range dashboard.Panels {
		for _, target := range p.Targets {
			q := timeFilter.ReplaceAllString(target.RawSQL, "$1 >= now() - INTERVAL 1 DAY")
			list = append(list, timeStep.ReplaceAllString(q, "toStartOfInterval(toDateTime($1), INTERVAL 60 second)"))
		}
	}
	ran, empty := 0, 0
	for _, q := range list {
		if q = strings.TrimSpace(q); q == "" {
			continue
		}
		ran++
		answer, err := ch.Query("default", q)
		if err != nil {
			t.Errorf("%s\n%v", q, err)
		} else if answer == "" {
			empty++
			t.Logf("no row: %.80s", q)
		}
	}
	if ran < 18 || empty > 1 { // no address has several names
		t.Errorf("%d queries, %d without a row", ran, empty)
	}
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// versionsOf: a schema of a newer version is left as it is, and another age changes
// the tables.
func versionsOf(t *testing.T, ch *clickhouse.Server, at string) {
	c, err := NewClickHouse(ClickHouseConfig{URL: at, Database: "mxprint", Deadline: 20 * time.Second, Keep: 30 * 24 * time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := c.migrate(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	ch.Want("mxprint", "SELECT count() FROM system.tables WHERE database = 'mxprint' AND engine_full LIKE '%toIntervalDay(30)%'", "3")
	ch.Want("mxprint", "SELECT max(version) FROM mxprint_schema", fmt.Sprint(len(migrations)))
	if _, err := ch.Query("mxprint", "INSERT INTO mxprint_schema (version) VALUES (99)"); err != nil {
		t.Fatal(err)
	}
	if err := c.migrate(t.Context()); err != nil {
		t.Errorf("a newer schema: %v", err)
	}
}

// TestReport: the report of ClickHouse is that of the store, for the same mails.
func TestReport(t *testing.T) {
	ch := clickhouse.New(t)
	cfg := to(t, ch.URL(), t.TempDir())
	e, _ := running(t, cfg)
	path := t.TempDir() + "/store.db"
	s, err := store.Open(store.Config{Path: path, Judged: e.Judged})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); s.Run(ctx) }()
	const senders = 120
	for i := range senders {
		n := note.Note{State: note.Matched, OSName: "Linux", ByConnection: true, TLS: &note.TLS{State: note.Complete, JA4: "t13i"},
			Software: &note.Software{State: note.Matched, Name: "Exim"}, Conduct: &note.Findings{State: note.Complete, List: []note.Finding{{ID: "bare_lf"}}}}
		if i%3 == 0 {
			n.OSName = "Windows"
		}
		who := e.Lookuper(&store.Lookuper{Who: answers{n}, Store: s})
		q := note.Query{Client: netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(i)}), 4000), Server: server, Hello: "mail.example.org"}
		e.Observe(&event.Observation{Module: event.SYN, Client: q.Client, Server: server, At: time.Now().UnixMicro(), RawSig: []byte("4:64")})
		got, err := who.Lookup(t.Context(), q)
		if err != nil || got.Memory == nil {
			t.Fatal(got, err)
		}
		if err := s.Verdict(store.Verdict{ID: got.Memory.ID, Source: "rspamd", Spam: i%3 == 0 || i%10 == 1, Sure: true}, i == senders-1); err != nil {
			t.Fatal(err)
		}
	}
	s.Verdict(store.Verdict{ID: strings.Repeat("b", 20), Source: "rspamd", Spam: true}, true) // of another sensor's connection
	until(t, "all rows", func() bool { return e.Stats().Sent == 3*senders+1 })
	r, err := store.Read(path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer func() { cancel(); <-ended }()
	now := time.Now()
	want, err := evidence.Make(t.Context(), r, now, 14)
	if err != nil {
		t.Fatal(err)
	}
	reader := &Reader{ClickHouse: cfg.ClickHouse}
	got, err := evidence.Make(t.Context(), reader, now, 14)
	if err != nil {
		t.Fatal(err)
	}
	var a, b strings.Builder
	want.Print(&a)
	got.Print(&b)
	if a.String() != b.String() || !strings.Contains(a.String(), "\nsystem=Linux") || reader.Sample() != 1 {
		t.Errorf("of ClickHouse\n%s\nof the store\n%s", b.String(), a.String())
	}
	t.Run("queries", func(t *testing.T) { queries(t, ch) })
	some := &Reader{ClickHouse: cfg.ClickHouse, MaxMails: senders / 4}
	mails := 0
	if err := some.Mails(t.Context(), now.Add(-time.Hour), func(*evidence.Mail) error { mails++; return nil }); err != nil || mails == 0 || mails > senders/2 {
		t.Errorf("a sample of 1 in %d has %d of %d mails, %v", some.Sample(), mails, senders, err)
	}
}

// childEnv makes the test binary a sensor that TestKill kills: URL and spool.
const childEnv = "MXPRINT_TEST_EXPORT"

func TestMain(m *testing.M) {
	if at, dir, ok := strings.Cut(os.Getenv(childEnv), " "); ok {
		child(at, dir)
	}
	os.Exit(m.Run())
}

// child observes 2,000 a second, and prints how many that were.
func child(at, dir string) {
	c, err := NewClickHouse(ClickHouseConfig{URL: at, Database: "mxprint", Deadline: 5 * time.Second, Keep: 24 * time.Hour})
	if err != nil {
		panic(err)
	}
	e, err := New(Config{ClickHouse: c, Spool: dir, MaxSpool: 64 << 20, Every: 2 * time.Second, Sensor: "child", backOff: 100 * time.Millisecond})
	if err != nil {
		panic(err)
	}
	go e.Run(context.Background())
	begin := time.Now()
	for n := 0; ; {
		for end := int(time.Since(begin).Seconds() * 2000); n < end; n++ {
			e.Observe(syn(n))
		}
		fmt.Println(e.run, n)
		time.Sleep(10 * time.Millisecond)
	}
}

// TestKill: kill -9 at any moment loses at most what was in memory, and what comes
// after it is complete.
func TestKill(t *testing.T) {
	k := newTaker(t)
	dir := t.TempDir()
	const rounds = 4
	for round := range rounds {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), childEnv+"="+k.URL+" "+dir)
		cmd.Stderr = testLog{t}
		out, err := cmd.StdoutPipe()
		if err == nil {
			err = cmd.Start()
		}
		if err != nil {
			t.Fatal(err)
		}
		var killAt time.Time
		var run uint64
		safe := 0 // observed longer ago than memory keeps them
		for in := bufio.NewScanner(out); in.Scan() && (killAt.IsZero() || time.Now().Before(killAt)); {
			if killAt.IsZero() { // it is up
				killAt = time.Now().Add(2500*time.Millisecond + rand.N(1500*time.Millisecond))
			}
			var n int
			fmt.Sscan(in.Text(), &run, &n)
			if time.Until(killAt) > 2*gatherTime {
				safe = n
			}
		}
		cmd.Process.Kill()
		cmd.Wait()
		k.answer(func(string) (int, string) { return []int{0, http.StatusServiceUnavailable}[round%2], "away" })
		if round%2 == 1 {
			k.answer(nil)
		}
		t.Logf("round %d: run %d, %d rows that may not be missing", round, run, safe)
		defer func() {
			rows := 0
			for id := range k.rows {
				if strings.HasPrefix(id, fmt.Sprintf("observations %d ", run)) {
					rows++
				}
			}
			for n := 1; n <= rows; n++ {
				if k.rows[fmt.Sprintf("observations %d %d", run, n)] == 0 {
					t.Fatalf("round %d: of %d rows number %d is missing", round, rows, n)
				}
			}
			if rows < safe || safe == 0 {
				t.Errorf("round %d: %d rows arrived, want %d at least", round, rows, safe)
			}
		}()
	}
	k.answer(nil)
	e, stop := running(t, to(t, k.URL, dir))
	until(t, "an empty spool", func() bool { return e.Stats().Waiting == 0 })
	stop()
}
