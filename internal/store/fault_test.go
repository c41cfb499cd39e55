package store

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/mxprint/mxprint/internal/test/lab"
	"github.com/mxprint/mxprint/note"
)

// quick wants that a look-up takes hardly longer than without a store.
func (r *rig) quick(what string) {
	r.Helper()
	var slowest time.Duration
	for i := range 50 {
		began := time.Now()
		a := netip.AddrFrom4([4]byte{198, 18, 1, byte(i)})
		n, err := r.Lookup(r.Context(), note.Query{Client: netip.AddrPortFrom(a, uint16(1000+i)), Hello: "x.example"})
		if err != nil || n.OSName == "" {
			r.Errorf("%s: the answer is %+v, %v", what, n, err)
		}
		slowest = max(slowest, time.Since(began))
	}
	if slowest > 10*time.Second { // with a deadline of 2 ms, on a machine that others use; a fault lasts until the test ends it
		r.Errorf("%s: a look-up took %v", what, slowest)
	}
}

// until waits for something.
func (r *rig) until(what string, ok func() bool) {
	r.Helper()
	for end := time.Now().Add(lab.Patience); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			r.Fatalf("%s: it does not come to that: %+v", what, r.Stats())
		}
		r.clock.add(time.Second) // waits after faults pass
	}
}

func usual(c *Config) { c.read = 0 } // the deadline that users have

func TestDamaged(t *testing.T) {
	for name, damage := range map[string]func([]byte){
		"zeros":       func(b []byte) { clear(b) },
		"other bytes": func(b []byte) { copy(b, "this is no database at all, and never was one") },
		"a page":      func(b []byte) { clear(b[pageSize : 2*pageSize]) },
	} {
		t.Run(name, func(t *testing.T) {
			r := start(t, usual)
			r.ask("192.0.2.1:1", "x.example")
			r.stop()
			text, err := os.ReadFile(r.path)
			if err != nil {
				t.Fatal(err)
			}
			damage(text)
			if err := os.WriteFile(r.path, text, 0o600); err != nil {
				t.Fatal(err)
			}
			r.begin(usual)
			r.quick("damaged")
			r.written()
			st := r.Stats()
			if kept, err := os.ReadFile(r.path + ".damaged"); err != nil || !bytes.Equal(kept, text) || st.Asides != 1 || st.Aside == "" || st.Fault != "" {
				t.Errorf("kept %d bytes, %v; %+v", len(kept), err, st)
			}
		})
	}
}

func TestRemoved(t *testing.T) {
	r := start(t, usual)
	r.ask("192.0.2.1:1", "")
	r.written()
	for _, end := range []string{"", "-wal", "-shm"} {
		os.Remove(r.path + end)
	}
	r.quick("removed")
	r.until("the file is there again", func() bool {
		r.ask("192.0.2.7:7", "")
		_, err := os.Stat(r.path)
		return err == nil
	})
	r.written()
	if list, err := r.reader().History(t.Context(), subject(t, "198.18.1.0/24"), 100); err != nil || len(list) != 50 || !r.Stats().Gone {
		t.Errorf("%d connections, %v; %+v", len(list), err, r.Stats())
	}
}

// TestLocked has another process lock the file, and let it go.
func TestLocked(t *testing.T) {
	r := start(t, usual)
	r.ask("192.0.2.1:1", "")
	r.written()
	other, err := sql.Open("sqlite", "file:"+r.path+"?_txlock=exclusive&_pragma=busy_timeout(10000)") // the store may still tidy up
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	tx, err := other.Begin()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec("DELETE FROM meta WHERE name = 'none'"); err != nil {
		t.Fatal(err)
	}
	r.quick("locked")
	r.until("the lock is said", func() bool { return strings.Contains(r.Stats().Fault, "another process has locked it") })
	r.quick("locked for longer")
	tx.Rollback()
	r.until("it goes on", func() bool { return r.Stats().Fault == "" && r.Stats().Queued == 0 })
	if list, err := r.reader().History(t.Context(), subject(t, "198.18.1.0/24"), 200); err != nil || len(list) != 50 {
		t.Errorf("%d connections were not lost, %v", len(list), err)
	}
}

// TestLockedAtStart has another process lock the file before it is opened: what comes
// meanwhile does not take the place of what is there.
func TestLockedAtStart(t *testing.T) {
	r := start(t, usual)
	first := r.ask("192.0.2.1:1", "x.example")
	r.stop()
	other, err := sql.Open("sqlite", "file:"+r.path+"?_txlock=immediate")
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	tx, err := other.Begin()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec("DELETE FROM meta"); err != nil { // the seed: it has to be read, and cannot be written
		t.Fatal(err)
	}
	r.begin(usual)
	second := r.ask("192.0.2.2:2", "x.example")
	r.quick("locked at the start")
	tx.Rollback()
	r.until("it goes on", func() bool { return r.Stats().Fault == "" && r.Stats().Queued == 0 && r.Stats().Written == 51 })
	for _, m := range []*note.Memory{first, second} {
		if err := r.Verdict(Verdict{ID: m.ID, Source: "test", Spam: true}, true); err != nil {
			t.Errorf("a verdict: %v", err)
		}
	}
	if list, err := r.reader().History(t.Context(), subject(t, "192.0.2.0/24"), 200); err != nil || len(list) != 2 {
		t.Errorf("history has %+v, %v", list, err)
	}
}

// TestFullDisk is a store on a disk of 1 MiB.
func TestFullDisk(t *testing.T) {
	lab.NeedRoot(t) // to mount a small disk
	dir := t.TempDir()
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size=1m", "none", dir).CombinedOutput(); err != nil {
		lab.Skip(t, fmt.Sprintf("needs a small disk, which cannot be mounted here: %v: %s", err, out))
	}
	t.Cleanup(func() { exec.Command("umount", "-l", dir).Run() })
	r := start(t, func(c *Config) { usual(c); c.Path = dir + "/store.db" })
	r.path = dir + "/store.db"
	i := 0
	r.until("the disk is full", func() bool {
		for range 500 {
			i++
			a := netip.AddrFrom4([4]byte{10, 1, byte(i >> 8), byte(i)})
			r.ask(netip.AddrPortFrom(a, 25).String(), fmt.Sprintf("a-rather-long-name-%d.example", i))
		}
		return strings.Contains(r.Stats().Fault, "full") || r.Stats().Expired > 0
	})
	r.quick("full disk")
}

// TestForeign wants the file of another program to stay as it is.
func TestForeign(t *testing.T) {
	path := t.TempDir() + "/other.db"
	db, err := sql.Open("sqlite", "file:"+path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec("CREATE TABLE precious (x)"); err != nil {
		t.Fatal(err)
	}
	db.Close()
	before, _ := os.ReadFile(path)
	if _, err := Open(Config{Path: path}); err == nil || !strings.Contains(err.Error(), "another program") {
		t.Errorf("open: %v", err)
	}
	if after, _ := os.ReadFile(path); !bytes.Equal(before, after) {
		t.Error("the file was changed")
	}
	if err := Try(path); err == nil || !strings.Contains(err.Error(), "another program") {
		t.Errorf("try: %v", err)
	}
	for _, text := range []string{"hosts = 5\n", strings.Repeat("a line of a log\n", 1000)} {
		path := t.TempDir() + "/text"
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		for what, open := range map[string]func() error{
			"try":  func() error { return Try(path) },
			"open": func() error { _, err := Open(Config{Path: path}); return err },
		} {
			if err := open(); err == nil || !strings.Contains(err.Error(), "it is no database") {
				t.Errorf("%s of a text: %v", what, err)
			}
		}
		if after, err := os.ReadFile(path); err != nil || string(after) != text {
			t.Errorf("the text is gone: %v", err)
		}
	}
	if err := Try(t.TempDir() + "/new"); err != nil {
		t.Errorf("try of a new file: %v", err)
	}
	if _, err := Open(Config{Path: t.TempDir() + "/no/folder/x"}); err == nil {
		t.Error("a folder that does not exist is no error")
	}
}

// TestKill kills a process that writes, at random moments: it opens each time,
// and what is older than a second is there. make test does it 20 times;
// MXPRINT_KILLS says otherwise.
func TestKill(t *testing.T) {
	kills := 20
	if text := os.Getenv("MXPRINT_KILLS"); text != "" {
		var err error
		if kills, err = strconv.Atoi(text); err != nil {
			t.Fatal(err)
		}
	}
	path := t.TempDir() + "/store.db"
	var asked int
	for i := range kills {
		cmd := exec.Command(os.Args[0], "-test.run=TestKilled$")
		cmd.Env = append(os.Environ(), "MXPRINT_KILLED="+path, "MXPRINT_FROM="+strconv.Itoa(asked))
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		var killed time.Time
		seen := readAsked(t, out, time.Duration(800+rand.IntN(900))*time.Millisecond, func() {
			killed = time.Now()
			cmd.Process.Kill()
		})
		cmd.Wait()
		if len(seen) == 0 {
			t.Fatal("the process asked nothing")
		}
		r, err := Open(Config{Path: path})
		if err != nil || r.Stats().Fault != "" || r.Stats().Asides > 0 {
			t.Fatalf("kill %d: %v, %+v", i, err, r.Stats())
		}
		for n, at := range seen {
			a := netip.AddrFrom4([4]byte{10, byte(n >> 16), byte(n >> 8), byte(n)})
			h, err := readHost(r.db.Load().host.QueryRow(Key(a)))
			if err != nil {
				t.Fatal(err)
			}
			if !h.known && killed.Sub(at) > time.Second {
				t.Fatalf("kill %d: connection %d is missing, %v before the kill", i, n, killed.Sub(at))
			}
			asked = max(asked, n+1)
		}
		r.close()
	}
}

// readAsked reads the numbers that a process prints, with the times, and kills it.
func readAsked(t *testing.T, out interface{ Read([]byte) (int, error) }, after time.Duration, kill func()) map[int]time.Time {
	t.Helper()
	seen := make(map[int]time.Time)
	var timer *time.Timer
	buf, rest := make([]byte, 4096), ""
	for {
		n, err := out.Read(buf)
		rest += string(buf[:n])
		for {
			line, more, ok := strings.Cut(rest, "\n")
			if !ok {
				break
			}
			if number, err := strconv.Atoi(line); err == nil {
				if timer == nil { // from the first on
					timer = time.AfterFunc(after, kill)
					defer timer.Stop()
				}
				seen[number] = time.Now()
			}
			rest = more
		}
		if err != nil {
			return seen
		}
	}
}

// TestKilled is the process that is killed.
func TestKilled(t *testing.T) {
	path := os.Getenv("MXPRINT_KILLED")
	if path == "" {
		return // TestKill runs it
	}
	from, _ := strconv.Atoi(os.Getenv("MXPRINT_FROM"))
	s, err := Open(Config{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	go s.Run(context.Background())
	l := Lookuper{Who: &answers{notes: map[netip.Addr]note.Note{}}, Store: s}
	for n := from; ; n++ {
		a := netip.AddrFrom4([4]byte{10, byte(n >> 16), byte(n >> 8), byte(n)})
		l.Lookup(context.Background(), note.Query{Client: netip.AddrPortFrom(a, 25), Hello: "x.example"})
		fmt.Println(n)
		time.Sleep(2 * time.Millisecond)
	}
}
