package store

import (
	"context"
	"database/sql"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/mxprint/mxprint/internal/test/lab"
	"github.com/mxprint/mxprint/note"
)

// grown adds connections to a file of an older schema, as a site has them after a
// month: each fifth from a new address, most with a verdict. It returns how many
// connections the file has: a few less, where two of the random addresses are one.
func grown(t *testing.T, path string, rows int) (count int) {
	t.Helper()
	db, err := sql.Open("sqlite", source(path, true))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	tx, err := db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	const numbers = "WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < ? - 1) "
	addresses, names, profiles := max(rows/5, 1), max(rows/20, 1), max(rows/500, 1)
	month := (30 * 24 * time.Hour).Milliseconds()
	begin := time.Now().UnixMilli() - month + time.Hour.Milliseconds()
	for _, one := range []struct {
		query string
		args  []any
	}{
		{"CREATE TEMP TABLE a (i INTEGER PRIMARY KEY, k BLOB UNIQUE)", nil},
		{numbers + "INSERT OR IGNORE INTO a SELECT i, randomblob(4) FROM n", []any{addresses}},
		{numbers + "INSERT INTO text (id, text) SELECT 100 + i, printf('host%d.example.org', i) FROM n", []any{names}},
		{numbers + `INSERT INTO text (id, text) SELECT 10000000 + i, printf('{"state":"matched","os":"Linux","os_flavor":"%d.x","raw_sig":"%s"}', i, hex(randomblob(100))) FROM n`, []any{profiles}},
		{numbers + `INSERT INTO connection (id, at, address, port, name, profile, mark)
			SELECT 100000 + n.i, ? + n.i * ? / ?, k, 1024 + n.i % 60000, 100 + n.i * 7919 % ?, 10000000 + n.i * 104729 % ?, randomblob(?)
			FROM n JOIN a ON a.i = n.i * 15485863 % ?`, []any{rows, begin, month - 2*time.Hour.Milliseconds(), rows, names, profiles, markSize, addresses}},
		{`INSERT OR REPLACE INTO host SELECT address, min(at), max(at), count(*), 1, 'Linux 6.x', 'Postfix', 'OpenSSL 3.0', '', 0 FROM connection GROUP BY address`, nil},
		{"INSERT OR IGNORE INTO named (name, address, last) SELECT name, address, max(at) FROM connection GROUP BY name, address", nil},
		{"INSERT INTO verdict (connection, at, source, spam, sure, person, score, threshold) SELECT id, at + 1000, 'rspamd', id % 3 = 0, 1, 0, 12.5, 6 FROM connection WHERE id % 4 > 0", nil},
		{"DROP TABLE a", nil},
	} {
		if _, err := tx.Exec(one.query, one.args...); err != nil {
			t.Fatalf("%s: %v", one.query, err)
		}
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec("PRAGMA wal_checkpoint(TRUNCATE)"); err != nil {
		t.Fatal(err)
	}
	if err := db.QueryRow("SELECT count(*) FROM connection").Scan(&count); err != nil {
		t.Fatal(err)
	}
	return count
}

// is wants a version, a number of connections and no damage.
func is(t *testing.T, path string, version, connections int) {
	t.Helper()
	db, err := sql.Open("sqlite", source(path, false))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var have, count int
	var word string
	for query, to := range map[string]any{"PRAGMA user_version": &have, "SELECT count(*) FROM connection": &count, "PRAGMA quick_check(1)": &word} {
		if err := db.QueryRow(query).Scan(to); err != nil {
			t.Fatalf("%s: %v", query, err)
		}
	}
	if have != version || count != connections || word != "ok" {
		t.Errorf("the file is of version %d, with %d connections, %s; want version %d and %d", have, count, word, version, connections)
	}
}

// olderRig is a store with a file of the version before, which is opened and not run
// yet.
func olderRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{T: t, who: &answers{}, clock: &clock{t: time.Now()}, path: older(t, len(migrations)-1, []int64{1, 2}, time.Now().Add(-time.Hour))}
	r.open(t)
	return r
}

func (r *rig) open(t *testing.T) {
	t.Helper()
	s, err := Open(Config{Path: r.path, commit: 5 * time.Millisecond, now: r.clock.now})
	if err != nil {
		t.Fatal(err)
	}
	s.Who = r.who
	r.Store, r.Lookuper = s, Lookuper{Who: r.who, Store: s}
}

// TestOlder: a file of an older version holds no mail up. Look-ups are answered
// without a memory, and what came meanwhile is written afterwards, under numbers
// that the file does not have, and found by the ids that were given.
func TestOlder(t *testing.T) {
	r := olderRig(t)
	if st := r.Stats(); st.Fault != errOlder.Error() {
		t.Errorf("the fault is %q", st.Fault)
	}
	r.quick("of an older version")
	m := r.ask("192.0.2.9:9", "x.example")
	if m.ID == "" || m.New || m.Visits != 0 {
		t.Errorf("of an address that is not known yet: %+v", m)
	}
	if _, err := Read(r.path); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("its schema is version %d, this program reads %d", len(migrations)-1, len(migrations))) {
		t.Errorf("a reader: %v", err)
	}
	is(t, r.path, len(migrations)-1, 2)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- r.Store.Run(ctx) }()
	r.written()
	if st := r.Stats(); st.Fault != "" || st.Written != 51 || st.Dropped > 0 {
		t.Errorf("%+v", st)
	}
	if err := r.Verdict(Verdict{ID: m.ID, Source: "test", Spam: true}, true); err != nil {
		t.Errorf("a verdict with an id of before: %v", err)
	}
	if m := r.ask("192.0.2.1:2", ""); m.New || m.Visits == 0 {
		t.Errorf("of an address that was known: %+v", m)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	is(t, r.path, len(migrations), 2+51+1)
}

// TestOlderStopped: the process ends before the file is up to date, which stays as
// it was.
func TestOlderStopped(t *testing.T) {
	r := olderRig(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := r.Store.Run(ctx); err != nil {
		t.Error(err)
	}
	is(t, r.path, len(migrations)-1, 2)
}

// TestOlderFullDisk: there is no room to bring the file up to date. It stays as it
// was, and is brought up to date when there is.
func TestOlderFullDisk(t *testing.T) {
	lab.NeedRoot(t) // to mount a small disk
	dir := t.TempDir()
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size=8m", "none", dir).CombinedOutput(); err != nil {
		lab.Skip(t, fmt.Sprintf("needs a small disk, which cannot be mounted here: %v: %s", err, out))
	}
	t.Cleanup(func() { exec.Command("umount", "-l", dir).Run() })
	from := older(t, len(migrations)-1, []int64{1, 2}, time.Now().Add(-time.Hour))
	rows := grown(t, from, 20_000)
	text, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{T: t, who: &answers{}, clock: &clock{t: time.Now()}, path: filepath.Join(dir, "store.db")}
	for name, size := range map[string]int{"store.db": len(text), "other": 8<<20 - len(text) - 256<<10} {
		if err := os.WriteFile(filepath.Join(dir, name), append(text, make([]byte, 8<<20)...)[:size], 0o600); err != nil {
			t.Fatal(err)
		}
	}
	r.open(t)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- r.Store.Run(ctx) }()
	r.until("the disk is full", func() bool { return strings.Contains(r.Stats().Fault, "full") })
	r.quick("no room to bring it up to date")
	is(t, r.path, len(migrations)-1, rows)
	if err := os.Remove(filepath.Join(dir, "other")); err != nil {
		t.Fatal(err)
	}
	r.until("it is up to date", func() bool { return r.Stats().Fault == "" && r.Stats().Queued == 0 })
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	is(t, r.path, len(migrations), rows+50)
}

// TestOlderLarge times a large file: MXPRINT_OLDER says of how many connections.
func TestOlderLarge(t *testing.T) {
	rows, err := strconv.Atoi(os.Getenv("MXPRINT_OLDER"))
	if err != nil {
		t.Skip("MXPRINT_OLDER says of how many connections, such as 2000000")
	}
	began := time.Now()
	r := &rig{T: t, who: &answers{}, clock: &clock{t: time.Now()}, path: older(t, len(migrations)-1, []int64{1, 2}, time.Now().Add(-time.Hour))}
	rows = grown(t, r.path, rows)
	t.Logf("made in %v: %d MB", time.Since(began).Round(time.Second), r.bytes()>>20)
	began = time.Now()
	r.open(t)
	t.Logf("opened in %v", time.Since(began))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- r.Store.Run(ctx) }()
	time.Sleep(500 * time.Millisecond) // stopped in the middle
	cancel()
	stop := time.Now()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	t.Logf("stopped in %v", time.Since(stop))
	is(t, r.path, len(migrations)-1, rows)

	r.open(t)
	ctx, cancel = context.WithCancel(t.Context())
	began = time.Now()
	go func() { done <- r.Store.Run(ctx) }()
	var took []time.Duration
	most := int64(0)
	for n := 0; r.Stats().Fault != ""; n++ { // 200 look-ups a second meanwhile
		at := time.Now()
		a := netip.AddrFrom4([4]byte{10, byte(n >> 16), byte(n >> 8), byte(n)})
		if _, err := r.Lookup(t.Context(), note.Query{Client: netip.AddrPortFrom(a, 25), Hello: "x.example"}); err != nil {
			t.Fatal(err)
		}
		took = append(took, time.Since(at))
		if n%20 == 0 {
			most = max(most, r.bytes())
		}
		time.Sleep(5 * time.Millisecond)
	}
	updated := time.Since(began)
	r.written()
	var use unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &use); err != nil {
		t.Fatal(err)
	}
	slices.Sort(took)
	t.Logf("%d connections brought up to date in %v; files at most %d MB meanwhile, the process %d MB; %d look-ups, 99 %% within %v, the slowest %v; %+v",
		rows, updated.Round(100*time.Millisecond), most>>20, use.Maxrss>>10, len(took), took[len(took)*99/100], took[len(took)-1], r.Stats())
	if p99 := took[len(took)*99/100]; p99 > 2*time.Millisecond+500*time.Microsecond {
		t.Errorf("99 %% of the look-ups took up to %v", p99)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	is(t, r.path, len(migrations), rows+len(took))
}
