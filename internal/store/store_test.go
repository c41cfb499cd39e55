package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mxprint/mxprint/internal/evidence"
	"github.com/mxprint/mxprint/note"
)

// answers is a Lookuper of fixed notes.
type answers struct {
	mu    sync.Mutex
	notes map[netip.Addr]note.Note
}

func (a *answers) Lookup(_ context.Context, q note.Query) (note.Note, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if n, ok := a.notes[q.Client.Addr()]; ok {
		return n, nil
	}
	return note.Note{State: note.Matched, OSName: "Linux", OSFlavor: "6.x", LinkType: "Ethernet or modem", Distance: note.Hops(9)}, nil
}

func (a *answers) set(addr string, n note.Note) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.notes[netip.MustParseAddr(addr)] = n
}

// clock is a time that tests set.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

// rig is a store that runs, in a folder of its own.
type rig struct {
	*testing.T
	*Store
	Lookuper
	who   *answers
	clock *clock
	path  string
	stop  func()
}

func start(t *testing.T, change func(*Config)) *rig {
	t.Helper()
	r := &rig{T: t, who: &answers{notes: make(map[netip.Addr]note.Note)}, clock: &clock{t: time.Now()}, path: filepath.Join(t.TempDir(), "store.db")}
	r.begin(change)
	return r
}

func (r *rig) begin(change func(*Config)) {
	r.Helper()
	cfg := Config{Path: r.path, commit: 5 * time.Millisecond, read: 10 * time.Second, now: r.clock.now}
	if change != nil {
		change(&cfg)
	}
	s, err := Open(cfg)
	if err != nil {
		r.Fatal(err)
	}
	s.Who = r.who
	r.Store, r.Lookuper = s, Lookuper{Who: r.who, Store: s}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	var once sync.Once
	r.stop = func() {
		once.Do(func() {
			cancel()
			if err := <-done; err != nil {
				r.Error(err)
			}
		})
	}
	r.Cleanup(r.stop)
}

// ask looks a client up, as a mail server does.
func (r *rig) ask(client, hello string) *note.Memory {
	r.Helper()
	n, err := r.Lookup(r.Context(), note.Query{Client: netip.MustParseAddrPort(client), Hello: hello})
	if err != nil {
		r.Fatal(err)
	}
	return n.Memory
}

// written waits until all is written.
func (r *rig) written() {
	r.Helper()
	ctx, cancel := context.WithTimeout(r.Context(), time.Minute)
	defer cancel()
	if err := r.run(ctx, func(*writer) error { return nil }); err != nil {
		r.Fatalf("not written: %v (%+v)", err, r.Stats())
	}
}

func (r *rig) reader() *Reader {
	r.Helper()
	reader, err := Read(r.path)
	if err != nil {
		r.Fatal(err)
	}
	r.Cleanup(func() { reader.Close() })
	return reader
}

func subject(t *testing.T, text string) Subject {
	t.Helper()
	s, err := ParseSubject(text)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestMemory(t *testing.T) {
	r := start(t, nil)
	m := r.ask("192.0.2.1:1000", "mx.example.org")
	if !m.New || m.Visits != 0 || len(m.ID) != 20 {
		t.Errorf("the first visit is %+v", m)
	}
	if again := r.ask("192.0.2.1:1000", "mx.example.org"); again.ID != m.ID || !again.New {
		t.Errorf("the same connection is %+v, was %+v", again, m)
	}
	r.written()
	first := r.clock.now()
	r.clock.add(time.Hour)
	if m := r.ask("192.0.2.1:1001", "mx.example.org"); m.New || m.Visits != 1 || m.Names != 1 || m.Addresses != 1 || !m.FirstSeen.Equal(first.UTC().Truncate(time.Second)) {
		t.Errorf("the second visit is %+v", m)
	}
	for i := range 5 {
		r.ask(fmt.Sprintf("198.51.100.%d:25", i), "mx.example.org")
		r.ask(fmt.Sprintf("192.0.2.1:20%d", i), fmt.Sprintf("name%d.example", i))
	}
	r.written()
	r.who.set("192.0.2.1", note.Note{State: note.Matched, OSName: "Windows", OSFlavor: "10"})
	m = r.ask("192.0.2.1:3000", "MX.example.org.")
	if m.Visits != 7 || m.Names != 6 || m.Addresses != 6 || len(m.Changed) != 1 || m.Changed[0] != "os" {
		t.Errorf("after a change it is %+v", m)
	}
	r.written()
	r.clock.add(time.Hour)
	if m := r.ask("192.0.2.1:3001", ""); len(m.Changed) != 1 || m.ChangedAt.Before(first.Add(time.Hour).Truncate(time.Second)) {
		t.Errorf("an hour after a change it is %+v", m)
	}
	r.clock.add(8 * 24 * time.Hour)
	if m := r.ask("192.0.2.1:3002", ""); len(m.Changed) != 0 {
		t.Errorf("a week after a change it is %+v", m)
	}
}

// TestNetwork has two addresses of one /64: they are one sender.
// TestContradictions: what a mail claimed falsely stays with its connection, also
// when others ask without claims, a later mail claims nothing, and the session ends.
func TestContradictions(t *testing.T) {
	r := start(t, nil)
	client := netip.MustParseAddrPort("192.0.2.1:1000")
	plain, _ := r.who.Lookup(r.Context(), note.Query{Client: client})
	claims := func(ids ...string) {
		n := plain
		n.Contradictions = &note.Findings{State: note.Complete}
		for _, id := range ids {
			n.Contradictions.List = append(n.Contradictions.List, note.Finding{ID: id})
		}
		r.who.set("192.0.2.1", n)
		r.ask(client.String(), "mx.example.org")
	}
	claims("mailer_software")
	claims()
	r.who.set("192.0.2.1", plain)
	r.ask(client.String(), "mx.example.org")
	r.Completed(client, netip.AddrPort{})
	r.written()
	list, err := r.reader().History(r.Context(), subject(t, "192.0.2.1"), 10)
	if err != nil || len(list) != 1 {
		t.Fatalf("%+v, %v, want one connection", list, err)
	}
	if c := list[0].Note.Contradictions; !c.Has("mailer_software") {
		t.Errorf("the contradictions are %+v, want mailer_software", c)
	}
}

func TestNetwork(t *testing.T) {
	r := start(t, nil)
	r.ask("[2001:db8::1]:1000", "")
	r.written()
	if m := r.ask("[2001:db8::ffff:2]:1000", ""); m.New || m.Visits != 1 {
		t.Errorf("the other address is %+v", m)
	}
	if m := r.ask("[2001:db8:0:1::1]:1000", ""); !m.New {
		t.Errorf("another network is %+v", m)
	}
}

// TestRestart stops and starts: nothing is forgotten.
func TestRestart(t *testing.T) {
	r := start(t, nil)
	id := r.ask("192.0.2.1:1000", "").ID
	r.stop()
	r.begin(nil)
	if m := r.ask("192.0.2.1:1001", ""); m.Visits != 1 {
		t.Errorf("after a restart it is %+v", m)
	}
	if err := r.Verdict(Verdict{ID: id, Source: "rspamd", Spam: true, Sure: true}, true); err != nil {
		t.Errorf("a verdict after a restart: %v", err)
	}
}

func TestVerdicts(t *testing.T) {
	r := start(t, nil)
	id := r.ask("192.0.2.1:1000", "a.example").ID
	r.ask("192.0.2.2:1000", "")
	r.who.set("192.0.2.3", note.Note{State: note.Matched, OSName: "Windows"})
	r.ask("192.0.2.3:1", "")
	r.written()
	r.who.set("192.0.2.3", note.Note{State: note.Matched, OSName: "Linux"})
	r.ask("192.0.2.3:2", "")
	at := netip.MustParseAddrPort
	for _, tt := range []struct {
		name string
		v    Verdict
		want error
	}{
		{"id", Verdict{ID: id, Spam: true, Sure: true}, nil},
		{"id in capitals", Verdict{ID: strings.ToUpper(id)}, nil},
		{"unknown id", Verdict{ID: "aaaaaaaaaaaaaaaaaaab"}, ErrUnknownID},
		{"no id at all", Verdict{ID: "x"}, ErrUnknownID},
		{"id of an attacker's address", Verdict{ID: "zzzzzzzzzzzzzzzzzzzz", Client: at("192.0.2.1:1000")}, ErrUnknownID},
		{"port", Verdict{Client: at("192.0.2.2:1000")}, nil},
		{"another port", Verdict{Client: at("192.0.2.2:1001")}, ErrNoConnection},
		{"address and time", Verdict{Client: at("192.0.2.2:0"), At: r.clock.now().Add(time.Minute)}, nil},
		{"too late", Verdict{Client: at("192.0.2.2:0"), At: r.clock.now().Add(time.Hour)}, ErrNoConnection},
		{"two that differ", Verdict{Client: at("192.0.2.3:0")}, ErrAmbiguous},
	} {
		tt.v.Source = "test"
		if err := r.Verdict(tt.v, true); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, err, tt.want)
		}
	}
	for _, v := range []Verdict{{ID: id}, {Source: "x"}, {ID: id, Source: "a b"}, {ID: id, Source: strings.Repeat("x", 41)}} {
		if err := r.Verdict(v, true); err == nil {
			t.Errorf("%+v is taken", v)
		}
	}
	list, err := r.reader().History(t.Context(), subject(t, "192.0.2.1"), 10)
	if err != nil || len(list) != 1 || len(list[0].Verdicts) != 2 || list[0].Name != "a.example" || !list[0].Verdicts[0].Spam || list[0].Note.OSName != "Linux" {
		t.Errorf("history is %+v, %v", list, err)
	}
	var labels []evidence.Label
	if err := r.reader().Mails(t.Context(), time.Time{}, func(m *evidence.Mail) error { labels = append(labels, m.Label()); return nil }); err != nil || len(labels) != 2 || labels[0] != evidence.Spam {
		t.Errorf("mails are %v, %v", labels, err)
	}
	if st := r.Stats(); st.Verdicts != 4 || st.Orphans != 6 {
		t.Errorf("counted are %+v", st)
	}
}

// TestForget looks for what was forgotten in the bytes of the files.
func TestForget(t *testing.T) {
	r := start(t, nil)
	const network, name = "2001:db8:dead:beef::", "very-special-name.example"
	hardly := []byte{0x20, 0x01, 0x0d, 0xb8, 0xde, 0xad, 0xbe, 0xef}
	for i := range 300 {
		id := r.ask(fmt.Sprintf("[%s%x]:%d", network, i, 1000+i), name).ID
		r.Verdict(Verdict{ID: id, Source: "learn", Spam: true, Sure: true, Person: true}, false)
		r.ask(fmt.Sprintf("192.0.2.%d:25", i%250), "other.example")
	}
	r.written()
	if !r.onDisk(hardly) || !r.onDisk([]byte(name)) {
		t.Fatal("the test does not find what is there")
	}
	if n, err := r.Forget(t.Context(), subject(t, network+"/64")); err != nil || n != 300 {
		t.Fatalf("forgot %d, %v", n, err)
	}
	if r.onDisk(hardly) {
		t.Error("the network is in the files")
	}
	if r.onDisk([]byte(name)) {
		t.Error("a name that it alone had is in the files")
	}
	if m := r.ask("["+network+"1]:9", ""); !m.New {
		t.Errorf("after it was forgotten it is %+v", m)
	}
	r.written()
	if n, err := r.Forget(t.Context(), subject(t, "other.example")); err != nil || n != 250 {
		t.Errorf("forgot %d of a name, %v", n, err)
	}
	if r.onDisk([]byte("other.example")) {
		t.Error("the name is in the files")
	}
}

func (r *rig) onDisk(b []byte) bool {
	r.Helper()
	for _, end := range []string{"", "-wal", "-shm"} {
		text, err := os.ReadFile(r.path + end)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			r.Fatal(err)
		}
		if bytes.Contains(text, b) {
			return true
		}
	}
	return false
}

func TestAge(t *testing.T) {
	r := start(t, func(c *Config) { c.MaxAge = 24 * time.Hour; c.Marks = time.Hour })
	id := r.ask("192.0.2.1:1", "old.example").ID
	for i := range 60 {
		id := r.ask(fmt.Sprintf("192.0.2.%d:2", i+10), "old.example").ID
		r.Verdict(Verdict{ID: id, Source: "test", Spam: true, Sure: true}, false)
	}
	r.written()
	r.clock.add(2 * time.Hour)
	r.tidied()
	if err := r.Verdict(Verdict{ID: id, Source: "test"}, true); !errors.Is(err, ErrUnknownID) {
		t.Errorf("an old id: %v", err)
	}
	r.clock.add(48 * time.Hour)
	r.ask("192.0.2.2:1", "new.example")
	for range 5 {
		r.tidied()
	}
	reader := r.reader()
	for what, want := range map[string]int{"192.0.2.1": 0, "old.example": 0, "new.example": 1} {
		if list, err := reader.History(t.Context(), subject(t, what), 10); err != nil || len(list) != want {
			t.Errorf("%s has %d connections, %v; want %d", what, len(list), err, want)
		}
	}
	if list, err := reader.Hosts(t.Context(), subject(t, "192.0.2.0/24"), 100); err != nil || len(list) != 1 {
		t.Errorf("hosts are %+v, %v", list, err)
	}
	if r.onDisk([]byte("old.example")) {
		t.Error("an old name is in the file")
	}
	c, err := reader.Evidence(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if e := c.Estimate("system=Linux", evidence.Day(r.clock.now())); e.Senders != 60 || e.Share != 1 {
		t.Errorf("evidence of removed connections is %+v", e)
	}
	if r.onDisk([]byte{192, 0, 2, 1}) {
		t.Error("an old address is in the file")
	}
}

// tidied has retention run.
func (r *rig) tidied() {
	r.Helper()
	ctx, cancel := context.WithTimeout(r.Context(), time.Minute)
	defer cancel()
	err := r.run(ctx, func(w *writer) error {
		if err := w.tidy(r.clock.now()); err != nil {
			return err
		}
		return w.truncate()
	})
	if err != nil {
		r.Fatal(err)
	}
}

// TestSize writes more than the bound has place for.
func TestSize(t *testing.T) {
	const bound = 8 << 20
	r := start(t, func(c *Config) { c.MaxSize = bound })
	names := []string{"", "", "", "mx.example.net"}
	for i := range 70_000 {
		a := netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
		r.ask(netip.AddrPortFrom(a, 25).String(), names[i%4])
		if i%5000 == 0 {
			r.written()
			r.tidied()
			if n := r.bytes(); n > bound {
				t.Fatalf("after %d connections the files have %d bytes", i, n)
			}
		}
	}
	r.written()
	r.tidied()
	st := r.Stats()
	if n := r.bytes(); n > bound || st.Expired == 0 || st.Fault != "" {
		t.Errorf("%d bytes, %+v", n, st)
	}
	if m := r.ask("10.1.17.100:26", ""); m == nil || m.New {
		t.Errorf("one of the last is %+v", m)
	}
}

func (r *rig) bytes() (n int64) {
	for _, end := range []string{"", "-wal", "-shm"} {
		if st, err := os.Stat(r.path + end); err == nil {
			n += st.Size()
		}
	}
	return n
}

func TestBackup(t *testing.T) {
	r := start(t, nil)
	r.ask("192.0.2.1:1", "")
	r.written()
	to := filepath.Join(t.TempDir(), "copy.db")
	if err := r.reader().Backup(t.Context(), to); err != nil {
		t.Fatal(err)
	}
	reader, err := Read(to)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	if list, err := reader.History(t.Context(), subject(t, "192.0.2.1"), 10); err != nil || len(list) != 1 {
		t.Errorf("the copy has %+v, %v", list, err)
	}
	if st, err := os.Stat(to); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("the copy is %v, %v", st.Mode(), err)
	}
	if err := r.reader().Backup(t.Context(), to); err == nil {
		t.Error("a file that exists is overwritten")
	}
}

func TestSubject(t *testing.T) {
	for text, want := range map[string]string{
		"192.0.2.1": "192.0.2.1/32", "::ffff:192.0.2.1": "192.0.2.1/32", "2001:db8::1": "2001:db8::/64", "2001:db8::/32": "2001:db8::/32",
		"2001:db8::/127": "2001:db8::/64", "192.0.2.77/24": "192.0.2.0/24", "MX.Example.": "mx.example", "t13d1516h2_8daaf6152771_e5627efa2ab1": "ja4",
		"": "error", "a b": "error", "192.0.2.0/33": "error",
	} {
		s, err := ParseSubject(text)
		got := s.Name
		switch {
		case err != nil:
			got = "error"
		case s.Network.IsValid():
			got = s.Network.String()
		case s.JA4 != "":
			got = "ja4"
		}
		if got != want {
			t.Errorf("%q is %s, want %s", text, got, want)
		}
	}
}
