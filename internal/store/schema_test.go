package store

import (
	"database/sql"
	"fmt"
	"net/netip"
	"path/filepath"
	"testing"
	"time"
)

// older makes a file of an older schema, with a connection at each of some ids, a
// minute after the one before.
func older(t *testing.T, version int, ids []int64, first time.Time) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "store.db")
	db, err := sql.Open("sqlite", source(path, true))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	do := func(query string, args ...any) {
		t.Helper()
		if _, err := db.Exec(query, args...); err != nil {
			t.Fatalf("%s: %v", query, err)
		}
	}
	for _, m := range migrations[:version] {
		do(m)
	}
	do(fmt.Sprintf("PRAGMA application_id = %d; PRAGMA user_version = %d", application, version))
	do("INSERT INTO text (id, text) VALUES (1, ?), (2, 'mx.example.org')", `{"state":"matched","os":"Linux"}`)
	for i, id := range ids {
		at := first.Add(time.Duration(i) * time.Minute).UnixMilli()
		k := Key(netip.MustParseAddr("192.0.2.1"))
		do("INSERT INTO connection (id, at, address, port, name, profile) VALUES (?, ?, ?, ?, 2, 1)", id, at, k, 1000+i)
		do("INSERT OR REPLACE INTO host VALUES (?, ?, ?, 1, 1, '', '', '', '', 0)", k, at, at)
		do("INSERT OR REPLACE INTO named (name, address, last) VALUES (2, ?, ?)", k, at)
	}
	return path
}

// TestMigrate opens files of each older schema: nothing is lost, and connections are
// found whatever the run they are in.
func TestMigrate(t *testing.T) {
	ids := []int64{1, 8191, 8192, 20_000, 70_000, 70_001}
	for version := 1; version < len(migrations); version++ {
		t.Run(fmt.Sprint(version), func(t *testing.T) {
			first := time.Now().Add(-time.Hour)
			r := &rig{T: t, who: &answers{}, clock: &clock{t: time.Now()}, path: older(t, version, ids, first)}
			r.begin(nil)
			r.written() // in the background it is brought up to date
			if list, err := r.reader().History(t.Context(), subject(t, "192.0.2.0/24"), 10); err != nil || len(list) != len(ids) || list[0].Name != "mx.example.org" {
				t.Errorf("history is %+v, %v", list, err)
			}
			if list, err := r.reader().History(t.Context(), subject(t, "192.0.2.2"), 10); err != nil || len(list) != 0 {
				t.Errorf("history of another address is %+v, %v", list, err)
			}
			if list, err := r.reader().Hosts(t.Context(), subject(t, "192.0.2.1"), 10); err != nil || len(list) != 1 {
				t.Errorf("hosts are %+v, %v", list, err)
			}
			for i := range ids {
				v := Verdict{Client: netip.AddrPortFrom(netip.MustParseAddr("192.0.2.1"), uint16(1000+i)), Source: "test", Spam: true, At: first.Add(time.Duration(i) * time.Minute)}
				if err := r.Verdict(v, true); err != nil {
					t.Errorf("a verdict on connection %d: %v", ids[i], err)
				}
			}
			old := Verdict{Client: netip.MustParseAddrPort("192.0.2.1:1000"), Source: "test", At: first.Add(-10 * time.Minute)}
			if err := r.Verdict(old, true); err != ErrNoConnection {
				t.Errorf("a verdict of before all connections: %v", err)
			}
			list, err := r.reader().History(t.Context(), subject(t, "mx.example.org"), 10)
			for i := range list {
				if len(list[i].Verdicts) != 1 {
					t.Errorf("%+v", list[i])
				}
			}
			if n, err2 := r.Forget(t.Context(), subject(t, "192.0.2.1")); err != nil || err2 != nil || n != int64(len(ids)) {
				t.Errorf("forgot %d, %v, %v", n, err, err2)
			}
		})
	}
}

// TestPasses has more rows than one pass looks at: all that is old goes, and nothing
// else, in several passes.
func TestPasses(t *testing.T) {
	r := start(t, func(c *Config) { c.MaxAge = 24 * time.Hour })
	const n = 2*passed + 500
	ask := func(second int) {
		for i := range n {
			if i%3 != second {
				a := netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)})
				r.ask(netip.AddrPortFrom(a, uint16(second+1)).String(), "x.example")
			}
			if i%1000 == 0 {
				r.written()
			}
		}
		r.written()
	}
	ask(3)
	r.clock.add(25 * time.Hour)
	ask(2) // a third does not come again
	for range (n/slice + 1) + 4 {
		r.tidied()
	}
	for table, want := range map[string]int{"host": n - n/3, "named": n - n/3, "connection": n - n/3} {
		var got int
		if err := r.reader().db.QueryRow("SELECT count(*) FROM " + table).Scan(&got); err != nil || got != want {
			t.Errorf("%s has %d rows, %v, want %d", table, got, err, want)
		}
	}
	if m := r.ask("10.0.0.2:9", ""); !m.New {
		t.Errorf("one that did not come again is %+v", m)
	}
	if m := r.ask("10.0.0.3:9", ""); m.New {
		t.Errorf("one that came again is %+v", m)
	}
}
