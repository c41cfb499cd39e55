package export

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mxprint/mxprint/event"
	"github.com/mxprint/mxprint/internal/status"
	"github.com/mxprint/mxprint/internal/store"
	"github.com/mxprint/mxprint/internal/test/lab"
	"github.com/mxprint/mxprint/note"
)

// taker is an HTTP server that takes batches as ClickHouse does, and counts rows by
// id. What SQL means is tested with the real engine (make test-fleet).
type taker struct {
	*httptest.Server
	mu      sync.Mutex
	rows    map[string]int // by table and id
	answers func(query string) (status int, text string)
	queries []string
	inserts int
	tokens  map[string]int
}

func newTaker(t *testing.T) *taker {
	k := &taker{rows: make(map[string]int), tokens: make(map[string]int)}
	k.Server = httptest.NewServer(http.HandlerFunc(k.serve))
	t.Cleanup(k.Close)
	return k
}

func (k *taker) serve(w http.ResponseWriter, r *http.Request) {
	body := io.Reader(r.Body)
	if r.Header.Get("Content-Encoding") == "gzip" {
		z, err := gzip.NewReader(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		body = z
	}
	text, err := io.ReadAll(body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	query := r.URL.Query().Get("query")
	if query == "" {
		query = string(text)
	}
	k.queries = append(k.queries, query)
	if k.answers != nil {
		if status, text := k.answers(query); status != 0 {
			w.WriteHeader(status)
			io.WriteString(w, text)
			return
		}
	}
	switch {
	case strings.HasPrefix(query, "SELECT max(version)"):
		fmt.Fprintln(w, len(migrations))
	case strings.HasPrefix(query, "INSERT INTO "):
		table := strings.Fields(query)[2]
		k.inserts++
		k.tokens[r.URL.Query().Get("insert_deduplication_token")]++
		for line := range bytes.Lines(text) {
			var id struct {
				Run, N uint64
				Table  string
			}
			if json.Unmarshal(line, &id) != nil || id.Table != table {
				w.WriteHeader(http.StatusBadRequest)
				fmt.Fprintf(w, "Code: 117. DB::Exception: %q is no row of %s", line, table)
				return
			}
			k.rows[fmt.Sprint(table, " ", id.Run, " ", id.N)]++
		}
	}
}

// count is how many rows there are, and how many came again.
func (k *taker) count() (rows, again int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, n := range k.rows {
		again += n - 1
	}
	return len(k.rows), again
}

func (k *taker) answer(f func(query string) (int, string)) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.answers = f
}

// to is a configuration that sends to a server.
func to(t *testing.T, url, spool string) Config {
	t.Helper()
	c, err := NewClickHouse(ClickHouseConfig{URL: url, Database: "mxprint", User: "u", Password: "p", Deadline: 5 * time.Second, Keep: 90 * 24 * time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	return Config{ClickHouse: c, Spool: spool, MaxSpool: 16 << 20, Every: time.Nanosecond, Sensor: "mx1", backOff: 10 * time.Millisecond, Logger: slog.New(slog.NewTextHandler(testLog{t}, nil))}
}

type testLog struct{ t *testing.T }

func (l testLog) Write(b []byte) (int, error) {
	l.t.Log(strings.TrimSpace(string(b)))
	return len(b), nil
}

// running runs an exporter until the returned function is called.
func running(t *testing.T, cfg Config) (e *Exporter, stop func()) {
	t.Helper()
	e, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		e.Run(ctx)
	}()
	stop = sync.OnceFunc(func() {
		cancel()
		<-ended
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(stop)
	return e, stop
}

func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(lab.Patience); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not in time: %s", what)
		}
	}
}

var (
	client = netip.MustParseAddrPort("192.0.2.1:40000")
	server = netip.MustParseAddrPort("[2001:db8::25]:25")
)

func syn(n int) *event.Observation {
	return &event.Observation{
		Module: event.SYN, Client: netip.AddrPortFrom(client.Addr(), uint16(n)), Server: server, At: 1_700_000_000_000_000 + int64(n),
		System: event.System{Matched: true, Name: "Linux", Flavor: "5.x"}, RawSig: []byte("4:64+0:0:1460:mss*20,7:mss,sok,ts,nop,ws:df,id+:0"),
	}
}

// TestRows has one row of each kind: the schema and other programs read them.
func TestRows(t *testing.T) {
	sender := note.Note{
		TLS:      &note.TLS{State: note.Complete, Library: "OpenSSL", Version: "1.3", JA4: "t13i"},
		Software: &note.Software{State: note.Matched, Name: "Exim", Flavor: "4.9x", Dialect: "ehlo", Reading: note.Complete},
		Conduct:  &note.Findings{State: note.Complete, List: []note.Finding{{ID: "bare_lf", Evidence: "never sent"}}},
		Flow:     &note.Flow{TCPRTT: 1500 * time.Microsecond, Reset: true},
	}
	const ends = `"client":"::ffff:192.0.2.1","client_port":40000,"server":"2001:db8::25","server_port":25`
	const senderRow = `"tls_state":"complete","tls_library":"OpenSSL","tls_version":"1.3","ja4":"t13i","software_state":"matched","software":"Exim","software_flavor":"4.9x","software_quality":"exact","dialect":"ehlo","reading":"complete","conduct_state":"complete","conduct":["bare_lf"],"tcp_rtt_ms":1.5,"reset":true`
	for _, tt := range []struct {
		o    event.Observation
		want string
	}{
		{event.Observation{Module: event.SYN, Distance: 7, System: event.System{Matched: true, Name: "Linux", Flavor: "5 \"x\"", Others: []string{"Android"}, Rewrite: note.RewriteTTL}, RawSig: []byte("4:57+7:0")},
			`"module":"syn","subject":"client",` + ends + `,"raw_sig":"4:57+7:0","matched":"yes","os":"Linux","os_flavor":"5 \"x\"","quality":"exact","os_or":["Android"],"rewritten":"ttl","distance":7}`},
		{event.Observation{Module: event.SYNACK, Role: event.Server, RawSig: []byte("4:57\x7f\xff")},
			`"module":"syn+ack","subject":"server",` + ends + `,"raw_sig":"4:57\u007f` + "\ufffd" + `","matched":"no","distance":0}`},
		{event.Observation{Module: event.MTU, MTU: 1500, Link: "Ethernet"}, `"module":"mtu","subject":"client",` + ends + `,"link":"Ethernet","mtu":1500}`},
		{event.Observation{Module: event.Uptime, UptimeMin: 9, Frequency: 1000.25, Clock: note.ClockBoot},
			`"module":"uptime","subject":"client",` + ends + `,"uptime_min":9,"frequency_hz":1000.25,"uptime_reliable":true}`},
		{event.Observation{Module: event.IPSharing, Reasons: event.ReasonPort | event.ReasonTTL}, `"module":"ip sharing","subject":"client",` + ends + `,"reasons":["ttl","port"]}`},
		{event.Observation{Module: event.HTTPRequest, System: event.System{Matched: true, App: true, Name: "wget"}, HTTP: event.HTTP{Language: "English"}},
			`"module":"http request","subject":"client",` + ends + `,"matched":"yes","app":"wget","quality":"exact","language":"English"}`},
		{event.Observation{Module: event.TLS, Sender: &sender}, `"module":"tls","subject":"client",` + ends + `,` + senderRow + `}`},
	} {
		var out bytes.Buffer
		e, err := New(Config{File: &out, Sensor: "mx1"})
		if err != nil {
			t.Fatal(err)
		}
		tt.o.Client, tt.o.Server, tt.o.At = client, server, 1_700_000_000_000_007
		e.Observe(&tt.o)
		e.Save()
		want := fmt.Sprintf(`{"table":"observations","run":%d,"n":1,"sensor":"mx1","time":"2023-11-14T22:13:20.000007Z",`, e.run) + tt.want + "\n"
		if got := out.String(); got != want {
			t.Errorf("%s is written\n%swant\n%s", tt.o.Module, got, want)
		}
		if !json.Valid(out.Bytes()) {
			t.Errorf("%s is not JSON", out.Bytes())
		}
	}
}

type answers struct{ note.Note }

func (a answers) Lookup(context.Context, note.Query) (note.Note, error) { return a.Note, nil }

// TestNotes: a connection has one row, and more only where an answer says more.
func TestNotes(t *testing.T) {
	var out bytes.Buffer
	e, err := New(Config{File: &out, Sensor: "mx1", Tables: []Table{Notes}})
	if err != nil {
		t.Fatal(err)
	}
	n := note.Note{State: note.Matched, OSName: "Linux", ByConnection: true, Memory: &note.Memory{ID: "abcdefghijklmnopqrst", Visits: 3}}
	who := e.Lookuper(answers{n})
	e.Who = answers{note.Note{State: note.Matched, OSName: "Linux", ByConnection: true, Software: &note.Software{State: note.Matched, Name: "Exim"}}}
	for range 3 {
		who.Lookup(t.Context(), note.Query{Client: client, Server: server, Hello: "Mail.Example.ORG."})
	}
	e.Observe(&event.Observation{Module: event.SMTP, Client: client, Server: server}) // its note is another, the memory stays
	e.Observe(&event.Observation{Module: event.SYN, Client: client, Server: server})  // not wanted
	e.Lookuper(answers{note.Note{State: note.NotSeen}}).Lookup(t.Context(), note.Query{Client: client})
	e.Save()
	type got struct {
		Connection, Client, Name, OS, Software string
		Visits                                 int
		Time, Changed                          time.Time
		Tokens                                 []string
		Sender                                 uint64
	}
	var rows []got
	for line := range strings.Lines(out.String()) {
		var r got
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatal(err)
		}
		rows = append(rows, r)
	}
	if len(rows) != 2 {
		t.Fatalf("%d rows, want 2:\n%s", len(rows), out.String())
	}
	for i, r := range rows {
		if r.Connection != n.Memory.ID || r.Name != "mail.example.org" || r.OS != "Linux" || r.Visits != 3 || !r.Time.Equal(rows[0].Time) || r.Sender == 0 ||
			r.Software != []string{"", "Exim"}[i] || !strings.Contains(strings.Join(r.Tokens, " "), "hello=full name") {
			t.Errorf("row %d is %+v", i, r)
		}
	}
}

// TestHidden: with a key no row has an address or a name, and the same sender has
// the same hash.
func TestHidden(t *testing.T) {
	var out bytes.Buffer
	e, err := New(Config{File: &out, Sensor: "mx1", Key: []byte("0123456789abcdef")})
	if err != nil {
		t.Fatal(err)
	}
	who := e.Lookuper(answers{note.Note{State: note.Unknown}})
	for _, c := range []string{"192.0.2.77:1", "192.0.2.77:2", "[2001:db8:1:2::3]:1", "[2001:db8:1:2::4]:2"} {
		q := note.Query{Client: netip.MustParseAddrPort(c), Server: server, Hello: "host-192-0-2-77.example.net"}
		who.Lookup(t.Context(), q)
		e.Observe(&event.Observation{Module: event.SYN, Client: q.Client, Server: server})
	}
	e.Save()
	for _, secret := range []string{"192.0.2.77", "2001:db8:1", "192-0-2-77"} {
		if strings.Contains(out.String(), secret) {
			t.Errorf("a row has %s:\n%s", secret, out.String())
		}
	}
	hashes := map[string]int{}
	for line := range strings.Lines(out.String()) {
		var r struct{ Client netip.Addr }
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatal(err)
		}
		if !netip.MustParsePrefix("fc00::/8").Contains(r.Client) {
			t.Errorf("%s is not in fc00::/8", r.Client)
		}
		hashes[r.Client.String()]++
	}
	if len(hashes) != 2 {
		t.Errorf("two senders have %d hashes: %v", len(hashes), hashes)
	}
}

// TestAway: while the server is away rows wait, whatever ends the process, and then
// each arrives once.
func TestAway(t *testing.T) {
	k := newTaker(t)
	k.answer(func(string) (int, string) { return http.StatusServiceUnavailable, "away" })
	dir := t.TempDir()
	e, stop := running(t, to(t, k.URL, dir))
	const each = 500
	for n := range each {
		e.Observe(syn(n))
	}
	until(t, "a failure", func() bool { return e.Stats().Fault != "" })
	if s := e.Stats(); !strings.Contains(s.Fault, "503: away") || s.Waiting != each || s.Oldest.IsZero() || s.Since.IsZero() || s.Bytes == 0 {
		t.Errorf("Stats = %+v", s)
	}
	stop()
	e, _ = running(t, to(t, k.URL, dir))
	for n := range each {
		e.Observe(syn(n))
	}
	if s := e.Stats(); s.Waiting < each {
		t.Errorf("after a restart %d rows wait, want %d", s.Waiting, each)
	}
	k.answer(nil)
	until(t, "all rows", func() bool { rows, _ := k.count(); return rows == 2*each })
	until(t, "an empty spool", func() bool { return e.Stats().Waiting == 0 })
	if rows, again := k.count(); rows != 2*each || again != 0 {
		t.Errorf("%d rows, %d again", rows, again)
	}
	if s := e.Stats(); s.Fault != "" || s.Sent != 2*each || s.Bytes != 0 || s.Dropped.Sum() != 0 {
		t.Errorf("Stats = %+v", s)
	}
	if list, _ := filepath.Glob(dir + "/*.gz"); len(list) > 0 {
		t.Errorf("left in the spool: %q", list)
	}
}

// TestAgain: a batch whose answer was lost comes again, under the same token.
func TestAgain(t *testing.T) {
	k := newTaker(t)
	lost := 0
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rec := httptest.NewRecorder()
		k.serve(rec, r)
		if strings.HasPrefix(r.URL.Query().Get("query"), "INSERT") && lost == 0 {
			lost++
			panic(http.ErrAbortHandler)
		}
		w.WriteHeader(rec.Code)
		w.Write(rec.Body.Bytes())
	}))
	defer front.Close()
	e, _ := running(t, to(t, front.URL, t.TempDir()))
	e.Observe(syn(1))
	until(t, "the batch again", func() bool { return e.Stats().Sent == 1 })
	if rows, again := k.count(); rows != 1 || again != 1 || len(k.tokens) != 1 {
		t.Errorf("%d rows, %d again, tokens %v", rows, again, k.tokens)
	}
}

// TestRefused: rows that the server calls wrong are dropped and counted; those
// behind them arrive.
func TestRefused(t *testing.T) {
	k := newTaker(t)
	refuse := true
	k.answer(func(query string) (int, string) {
		if refuse && strings.HasPrefix(query, "INSERT") {
			refuse = false
			return http.StatusBadRequest, "Code: 27. DB::Exception: Cannot parse input"
		}
		return 0, ""
	})
	e, _ := running(t, to(t, k.URL, t.TempDir()))
	e.Observe(syn(1))
	until(t, "a refusal", func() bool { return e.Stats().Dropped.Refused == 1 })
	e.Observe(syn(2))
	until(t, "the next row", func() bool { return e.Stats().Sent == 1 })
}

// TestBound: over its bound the spool drops the oldest, and counts it.
func TestBound(t *testing.T) {
	dir := t.TempDir()
	s, err := openSpool(dir, 4000, time.Now, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	const n = 200
	for i := range n {
		s.add(Observations, fmt.Appendf(nil, "{\"n\":%d}\n{\"m\":%d}\n", i, i), 2)
		s.closeBatches(0, true)
	}
	var st status.Export
	s.stats(&st)
	if st.Bytes > 4000 || st.Waiting == 0 || uint64(st.Waiting)+st.Dropped.Full != 2*n {
		t.Errorf("%d bytes, %d rows wait, %d dropped", st.Bytes, st.Waiting, st.Dropped.Full)
	}
	f, body, ok := s.next()
	first := fmt.Sprintf("{\"n\":%d}\n", st.Dropped.Full/2)
	scan(body, func(lines []byte) error {
		if !strings.HasPrefix(string(lines), first) {
			t.Errorf("the oldest is %q, want %q", lines, first)
		}
		return nil
	})
	if !ok || f.rows != 2 {
		t.Errorf("next = %+v, %t", f, ok)
	}
	if list, _ := filepath.Glob(dir + "/*.gz"); len(list) != st.Waiting/2 {
		t.Errorf("%d files, want %d", len(list), st.Waiting/2)
	}
}

// TestCut: whatever is missing at the end of a batch, what is before it is kept.
func TestCut(t *testing.T) {
	lines := func(n int) []byte { return fmt.Appendf(nil, "{\"n\":%d}\n", n) }
	var whole []byte
	var ends []int
	for n := range 3 {
		whole = append(whole, compress(lines(n))...)
		ends = append(ends, len(whole))
	}
	for cut := range len(whole) {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "0001700000000000-notes.open"), whole[:cut], 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := openSpool(dir, 1<<20, time.Now, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		want := 0
		for _, end := range ends {
			if cut >= end {
				want++
			}
		}
		f, body, ok := s.next()
		if ok != (want > 0) || f.rows != want || ok && (f.table != Notes || len(body) != ends[want-1]) {
			t.Fatalf("of %d bytes: %+v, %d bytes, %t; want %d rows", cut, f, len(body), ok, want)
		}
		s.close()
	}
}

// TestSpoolFiles: what else lies in the folder is left alone, and two processes do
// not share it.
func TestSpoolFiles(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"README": "mine", "0001700000000000-notes-5.gz": "damaged", "0001700000000001-other-5.gz": "", "0001700000000002-notes-0.gz": "", "1-notes-1.gz": "",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s, err := openSpool(dir, 1<<20, time.Now, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	if _, err := openSpool(dir, 1<<20, time.Now, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), "another process uses it") {
		t.Errorf("a second process: %v", err)
	}
	if f, _, ok := s.next(); ok {
		t.Errorf("next = %+v", f)
	}
	if s.dropped.damaged != 5 {
		t.Errorf("%d rows are damaged, want 5", s.dropped.damaged)
	}
	list, _ := filepath.Glob(dir + "/*")
	if len(list) != 5 { // and the lock
		t.Errorf("left are %q", list)
	}
}

// TestForget: a sender goes out of the spool and the tables; where the server is
// away, out of the tables when it is back, and what came before is not sent.
func TestForget(t *testing.T) {
	k := newTaker(t)
	k.answer(func(string) (int, string) { return http.StatusServiceUnavailable, "away" })
	e, _ := running(t, to(t, k.URL, t.TempDir()))
	for n := range 10 {
		o := syn(n)
		if n%2 == 1 {
			o.Client = netip.MustParseAddrPort("198.51.100.7:25")
		}
		e.Observe(o)
	}
	sub, err := store.ParseSubject("198.51.100.0/24")
	if err != nil {
		t.Fatal(err)
	}
	n, err := e.Forget(t.Context(), sub)
	if n != 5 || err == nil || !strings.Contains(err.Error(), ErrLater.Error()) {
		t.Errorf("Forget = %d, %v", n, err)
	}
	k.answer(nil)
	until(t, "the rest", func() bool { return e.Stats().Waiting == 0 && e.Stats().Sent == 5 })
	until(t, "the request", func() bool { return len(e.spool.entriesNow()) == 0 })
	var deletes []string
	for _, q := range k.queries {
		if strings.HasPrefix(q, "ALTER") {
			deletes = append(deletes, q)
		}
	}
	want := "DELETE WHERE client >= toIPv6('::ffff:198.51.100.0') AND client <= toIPv6('::ffff:198.51.100.255')"
	if len(deletes) < 2 || !strings.Contains(deletes[len(deletes)-1], want) {
		t.Errorf("deletes %q", deletes)
	}
}

func (s *spool) entriesNow() []entry {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]entry(nil), s.entries...)
}

// TestForgetHashed: the hashes of a network's senders are found again.
func TestForgetHashed(t *testing.T) {
	e, err := New(Config{File: io.Discard, Key: []byte("0123456789abcdef")})
	if err != nil {
		t.Fatal(err)
	}
	for network, n := range map[string]int{"192.0.2.0/24": 256, "192.0.2.7": 1, "2001:db8::/60": 16, "2001:db8::1": 1} {
		sub, err := store.ParseSubject(network)
		if err != nil {
			t.Fatal(err)
		}
		f, err := e.forgetting(sub)
		if err != nil || len(f.Clients) != n {
			t.Errorf("%s: %d senders, %v; want %d", network, len(f.Clients), err, n)
		}
		line := fmt.Appendf(nil, `{"client":%q}`, e.hide(sub.Network.Addr()))
		if !f.has(line) || f.has([]byte(`{"client":"fc00::1"}`)) {
			t.Errorf("%s: %s is not found", network, line)
		}
	}
	sub, _ := store.ParseSubject("10.0.0.0/8")
	if _, err := e.forgetting(sub); err == nil {
		t.Error("a network of 16 million senders gives no error")
	}
}

var update = flag.Bool("update", false, "write contrib/clickhouse/schema.sql")

// schema is the statements that make the tables, which keep rows for a number of days.
func schema(keep int) string {
	var b strings.Builder
	b.WriteString(versions + ";\n")
	for v, statements := range migrations {
		for _, s := range statements {
			b.WriteString("\n" + withDays(s, keep) + ";\n")
		}
		fmt.Fprintf(&b, "\nINSERT INTO mxprint_schema (version) VALUES (%d);\n", v+1)
	}
	return b.String()
}

// TestSchema: contrib has the schema, for operators who make the tables themselves.
func TestSchema(t *testing.T) {
	const path, head = "../../contrib/clickhouse/schema.sql", "-- The tables of [export] clickhouse (docs/clickhouse.md), which keep rows for 90 days.\n-- CREATE DATABASE mxprint; and run this with that database.\n\n"
	if *update {
		if err := os.WriteFile(path, []byte(head+schema(90)), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if text, err := os.ReadFile(path); err != nil || string(text) != head+schema(90) {
		t.Errorf("%s is not the schema, %v: go test ./internal/export -run TestSchema -update", path, err)
	}
}

// TestNothing: no row is made of what is not asked for, and a full memory drops.
func TestNothing(t *testing.T) {
	if _, err := New(Config{}); err == nil {
		t.Error("neither ClickHouse nor a file is no error")
	}
	e, err := New(Config{File: io.Discard, Tables: []Table{Verdicts}})
	if err != nil {
		t.Fatal(err)
	}
	if who := new(answers); e.Lookuper(who) != note.Lookuper(who) {
		t.Error("look-ups pass by an exporter that wants none")
	}
	e.Observe(syn(1))
	e.Judged("abcdefghijklmnopqrst", &store.Verdict{Source: "rspamd", Spam: true, HasScore: true, Score: 7.5, Threshold: 5})
	e.bytes = maxRows
	e.Judged("abcdefghijklmnopqrst", &store.Verdict{Source: "rspamd"})
	e.Save()
	if s := e.Stats(); s.Written != 1 || s.Dropped.Memory != 1 || s.Dropped.Sum() != 1 {
		t.Errorf("Stats = %+v", s)
	}
}

// BenchmarkObserve is what a row takes on the goroutine of the observers.
func BenchmarkObserve(b *testing.B) {
	e, err := New(Config{File: io.Discard, Sensor: "mx1"})
	if err != nil {
		b.Fatal(err)
	}
	o := syn(1)
	b.ReportAllocs()
	for n := range b.N {
		e.Observe(o)
		if n%10_000 == 9999 {
			e.Save()
		}
	}
}
