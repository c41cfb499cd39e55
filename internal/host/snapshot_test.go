package host

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"github.com/mxprint/mxprint/internal/signature"
	"github.com/mxprint/mxprint/packet"
)

var update = flag.Bool("update", false, "write testdata/memory.1")

// snapshotTime is when the tables of these tests are written.
var snapshotTime = time.Unix(2_000_000, 0)

var snapshotConfig = Config{MaxHosts: 1000, Unverified: 500, Recent: 1000}

// remembering returns tables with a verified client whose connection is open, one
// of IPv6, one that only sent a SYN, and two SYNs between the same ends.
func remembering(t *testing.T, db *signature.DB, count int) []*Table {
	t.Helper()
	cfg := snapshotConfig.Share(count)
	var tables []*Table
	for range count {
		tables = append(tables, New(db, cfg, nil))
		tables[len(tables)-1].ShareSeed(tables[0])
	}
	feed := func(i int, segments ...*packet.Segment) {
		table := tables[i%count]
		for _, s := range segments {
			table.Frame(snapshotTime.Add(-time.Second).UnixMicro())
			table.Update(s, nil)
		}
	}
	open := linuxSYN(1025, winLinux3)
	answer := &packet.Segment{Src: open.Dst, Dst: open.Src, Version: 4, Type: packet.SYNACK, Flags: packet.FlagSYN | packet.FlagACK, Seq: 7, Ack: open.Seq + 1}
	ack := &packet.Segment{Src: open.Src, Dst: open.Dst, Version: 4, Type: packet.ACK, Flags: packet.FlagACK, Seq: open.Seq + 1, Ack: 8}
	feed(0, open, answer, ack)
	six := linuxSYN(1026, winXP)
	six.Version, six.Src, six.Dst = 6, netip.MustParseAddrPort("[2001:db8::1]:1026"), netip.MustParseAddrPort("[2001:db8::25]:25")
	feed(1, six)
	lone := linuxSYN(1027, winLinux2)
	lone.Src = netip.MustParseAddrPort("192.0.2.3:1027")
	feed(0, lone)
	two, other := linuxSYN(1028, winLinux3), linuxSYN(1028, winXP)
	two.Src = netip.MustParseAddrPort("192.0.2.4:1028")
	other.Src, other.Seq = two.Src, two.Seq+1000
	feed(1, two, other)
	return tables
}

func snapshotOf(t *testing.T, tables []*Table) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := Snapshot(&b, snapshotTime, tables); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// restoring restores into new tables, the clients spread over them.
func restoring(text []byte, at time.Time, db *signature.DB, cfg Config, count int) ([]*Table, Restored, error) {
	cfg = cfg.Share(count)
	var tables []*Table
	for range count {
		tables = append(tables, New(db, cfg, nil))
		tables[len(tables)-1].ShareSeed(tables[0])
	}
	got, err := Restore(bytes.NewReader(text), at, tables, func(a netip.Addr) *Table {
		b := a.As16()
		return tables[int(b[15])%count]
	})
	return tables, got, err
}

// known is what tables say of the ends in remembering.
func known(tables []*Table) string {
	var b strings.Builder
	for _, c := range []string{"192.0.2.1:1025", "[2001:db8::1]:1026", "192.0.2.3:1027", "192.0.2.4:1028"} {
		client, server := netip.MustParseAddrPort(c), netip.MustParseAddrPort("192.0.2.25:25")
		if client.Addr().Is6() {
			server = netip.MustParseAddrPort("[2001:db8::25]:25")
		}
		for _, t := range tables {
			h, ok := t.Host(client.Addr())
			if !ok {
				continue
			}
			conn, _ := t.Conn(client, server)
			list := t.hosts.at(t.hosts.number(client.Addr())).list
			fmt.Fprintf(&b, "%v: list %d, %s, conns %d, SYNs %d, handshakes %d, first %d, last %d, MTU %d %s, distance %d; own %v, rival %v, open %v, %s\n", client, list,
				labelName(h.OS), h.TotalConn, h.SYNs, h.Handshakes, h.FirstSeen, h.LastSeen, h.MTU, h.Link, h.Distance, conn.Own, conn.Rival, conn.Open, conn.RawSig)
		}
	}
	return b.String()
}

func labelName(l *signature.Label) string {
	if l == nil {
		return "no system"
	}
	return l.Name + " " + l.Flavor
}

// TestSnapshotRoundTrip: whatever the number of workers before and after, the next
// process says the same.
func TestSnapshotRoundTrip(t *testing.T) {
	db := mustParse(t, testDB)
	for _, workers := range [][2]int{{1, 1}, {2, 1}, {1, 3}, {2, 2}} {
		before := remembering(t, db, workers[0])
		after, got, err := restoring(snapshotOf(t, before), snapshotTime.Add(time.Second), db, snapshotConfig, workers[1])
		if err != nil {
			t.Fatal(err)
		}
		want := known(before)
		if said := known(after); said != want || !strings.Contains(want, "own true, rival false, open true") || !strings.Contains(want, "rival true") || !strings.Contains(want, "list 1") {
			t.Errorf("%v workers: known:\n%swant:\n%s", workers, said, want)
		}
		if got.Conns != 4 || got.Hosts < 6 || got.Age != time.Second {
			t.Errorf("%v workers: Restore = %+v", workers, got)
		}
	}
}

// many returns tables with 20,000 hosts, a quarter of them verified, and as many
// connections: more than a few blocks.
func many(tables []*Table) {
	s := linuxSYN(1025, winLinux3)
	for i := range manyAddresses {
		table := tables[i%len(tables)]
		table.Frame(snapshotTime.Add(time.Duration(i-manyAddresses) * time.Millisecond).UnixMicro())
		table.Update(addressed(s, i), nil)
		if i%4 == 0 {
			table.Verify(s.Src, s.Dst)
		}
	}
}

const manyAddresses = 20_000

// TestSnapshotMany: each of many hosts and connections comes back as it was, in
// its list, whatever was made ready for the others meanwhile.
func TestSnapshotMany(t *testing.T) {
	db := mustParse(t, testDB)
	cfg := Config{MaxHosts: 8 * manyAddresses, Unverified: 4 * manyAddresses, Recent: 4 * manyAddresses, HostAge: time.Hour}
	for _, workers := range [][2]int{{1, 1}, {2, 1}, {1, 3}, {3, 2}} {
		var before []*Table
		for range workers[0] {
			before = append(before, New(db, cfg.Share(workers[0]), nil))
			before[len(before)-1].ShareSeed(before[0])
		}
		many(before)
		after, got, err := restoring(snapshotOf(t, before), snapshotTime, db, cfg, workers[1])
		if err != nil || got.Hosts < manyAddresses || got.Conns != manyAddresses {
			t.Fatalf("%v workers: Restore = %+v, %v", workers, got, err)
		}
		for i := range manyAddresses {
			s := addressed(linuxSYN(1025, winLinux3), i)
			was, is := before[i%workers[0]], after[int(s.Src.Addr().As16()[15])%workers[1]]
			a, b := was.hosts.number(s.Src.Addr()), is.hosts.number(s.Src.Addr())
			if b == none {
				t.Fatalf("%v workers: %v is not known", workers, s.Src)
			}
			want, got := *was.hosts.at(a), *is.hosts.at(b)
			want.hash, want.flows, want.client.last = got.hash, 0, lastSeg{}
			if got != want {
				t.Fatalf("%v workers: %v is\n%+v, want\n%+v", workers, s.Src, got, want)
			}
			wasConn, _ := was.Conn(s.Src, s.Dst)
			if c, ok := is.Conn(s.Src, s.Dst); !ok || c != wasConn {
				t.Fatalf("%v workers: the connection of %v is\n%+v, want\n%+v", workers, s.Src, c, wasConn)
			}
		}
	}
}

// TestSnapshotMixed: hosts and connections come in turns from the beginning to the
// end, so that reading one waits for the other nowhere.
func TestSnapshotMixed(t *testing.T) {
	cfg := Config{MaxHosts: 8 * manyAddresses, Unverified: 4 * manyAddresses, Recent: manyAddresses / 2}
	table := New(mustParse(t, testDB), cfg, nil)
	many([]*Table{table})
	blocks := blockReader{r: bytes.NewReader(snapshotOf(t, []*Table{table})[len(snapshotLine):]), buf: make([]byte, maxBlock)}
	hosts, conns := 0, 0
	for {
		kind, records, err := blocks.next()
		if err != nil {
			t.Fatal(err)
		}
		switch kind {
		case blockHosts:
			hosts += len(records) / hostBytes
		case blockConns:
			conns += len(records) / connBytes
		case blockEnd:
			if hosts < manyAddresses || conns != cfg.Recent {
				t.Errorf("%d hosts and %d connections, want %d and %d", hosts, conns, manyAddresses, cfg.Recent)
			}
			return
		}
		const block = maxBlock / hostBytes
		if ahead := hosts - 2*conns; max(ahead, -ahead) > 3*block {
			t.Fatalf("after %d hosts there are %d connections, of half as many", hosts, conns)
		}
	}
}

// TestSnapshotGoesOn: the connection that was under way ends after the restart,
// and the SYN that the server answers replaces its rival.
func TestSnapshotGoesOn(t *testing.T) {
	db := mustParse(t, testDB)
	tables, _, err := restoring(snapshotOf(t, remembering(t, db, 1)), snapshotTime.Add(time.Second), db, snapshotConfig, 1)
	if err != nil {
		t.Fatal(err)
	}
	table := tables[0]
	client, server := netip.MustParseAddrPort("192.0.2.1:1025"), netip.MustParseAddrPort("192.0.2.25:25")
	table.Frame(snapshotTime.Add(2 * time.Second).UnixMicro())
	table.Update(&packet.Segment{Src: client, Dst: server, Version: 4, Type: packet.FINACK, Flags: packet.FlagFIN | packet.FlagACK, Seq: 1026, Ack: 8}, nil)
	if c, _ := table.Conn(client, server); c.Own || c.Open {
		t.Errorf("after its FIN the connection is %+v", c)
	}
	two := netip.MustParseAddrPort("192.0.2.4:1028")
	table.Update(&packet.Segment{Src: server, Dst: two, Version: 4, Type: packet.SYNACK, Flags: packet.FlagSYN | packet.FlagACK, Seq: 7, Ack: 1028 + 1000 + 1}, nil)
	table.Update(&packet.Segment{Src: two, Dst: server, Version: 4, Type: packet.ACK, Flags: packet.FlagACK, Seq: 1028 + 1000 + 1, Ack: 8}, nil)
	if c, _ := table.Conn(two, server); !c.Own || labelName(c.OS) != "Windows XP" {
		t.Errorf("of two SYNs the server answered the second, but: %+v", c)
	}
	if h, _ := table.Host(two.Addr()); h.TotalConn != 2 {
		t.Errorf("TotalConn = %d, want 2", h.TotalConn)
	}
}

// TestSnapshotAfterAGap: a connection may have ended while no sensor ran, and its
// ports may be those of another machine by now.
func TestSnapshotAfterAGap(t *testing.T) {
	db := mustParse(t, testDB)
	tables, _, err := restoring(snapshotOf(t, remembering(t, db, 1)), snapshotTime.Add(time.Minute), db, snapshotConfig, 1)
	if err != nil {
		t.Fatal(err)
	}
	c, ok := tables[0].Conn(netip.MustParseAddrPort("192.0.2.1:1025"), netip.MustParseAddrPort("192.0.2.25:25"))
	if !ok || c.Own {
		t.Errorf("Conn = %+v, %v, want one that is not sure to be the connection", c, ok)
	}
	cfg := snapshotConfig
	cfg.Trusted = true
	_, got, err := restoring(snapshotOf(t, remembering(t, db, 1)), snapshotTime.Add(time.Minute), db, cfg, 1)
	if err != nil || got.Conns != 0 {
		t.Errorf("a table whose connections are always there has %d that may not be (%v)", got.Conns, err)
	}
}

// TestSnapshotOtherDatabase: labels are found again by name.
func TestSnapshotOtherDatabase(t *testing.T) {
	const other = "classes = win,unix\n[tcp:request]\nlabel = s:win:Windows:XP\nsig   = *:128:0:*:8192,7:mss:df:0\n" +
		"label = s:unix:BeOS:\nsig   = *:64:0:*:1,7:mss:df:0\nlabel = s:unix:Linux:3.x\nsig   = *:64:0:*:2,7:mss:df:0\n"
	text := snapshotOf(t, remembering(t, mustParse(t, testDB), 1))
	tables, _, err := restoring(text, snapshotTime, mustParse(t, other), snapshotConfig, 1)
	if err != nil {
		t.Fatal(err)
	}
	for addr, want := range map[string]string{"192.0.2.1": "Linux 3.x", "192.0.2.4": "Windows XP", "192.0.2.3": "no system"} {
		if h, ok := tables[0].Host(netip.MustParseAddr(addr)); !ok || labelName(h.OS) != want || h.Link != "" {
			t.Errorf("%s: %s by %q, want %s by no link", addr, labelName(h.OS), h.Link, want)
		}
	}
}

// TestSnapshotClock: a clock that was set back makes no host older or newer, one
// that went on forgets what is too old.
func TestSnapshotClock(t *testing.T) {
	db := mustParse(t, testDB)
	text := snapshotOf(t, remembering(t, db, 1))
	back := snapshotTime.Add(-24 * time.Hour)
	tables, got, err := restoring(text, back, db, snapshotConfig, 1)
	if err != nil || got.SetBack != 24*time.Hour || got.Hosts != 6 {
		t.Fatalf("Restore = %+v, %v, want six hosts and a clock set back by a day", got, err)
	}
	if h, _ := tables[0].Host(netip.MustParseAddr("192.0.2.1")); h.LastSeen != uint32(back.Unix()-1) {
		t.Errorf("last seen %d s ago, want 1", back.Unix()-int64(h.LastSeen))
	}
	for range 2 * expiryFrames {
		back = back.Add(time.Second)
		tables[0].Frame(back.UnixMicro())
	}
	if n, _ := tables[0].Len(); n != 6 {
		t.Errorf("%d hosts later, want 6", n)
	}
	if _, got, err := restoring(text, snapshotTime.Add(2*time.Hour), db, snapshotConfig, 1); err != nil || got.Hosts != 0 {
		t.Errorf("hosts of two hours and a second ago: %+v, %v, want none", got, err)
	}
	if _, _, err := restoring(text, snapshotTime.Add(2*time.Hour+time.Second), db, snapshotConfig, 1); !errors.Is(err, errOld) {
		t.Errorf("a snapshot that is too old: %v", err)
	}
}

// TestSnapshotRefused: nothing is taken from what is damaged anywhere, cut
// anywhere, or of another program or version.
func TestSnapshotRefused(t *testing.T) {
	db := mustParse(t, testDB)
	text := snapshotOf(t, remembering(t, db, 1))
	refused := func(what string, text []byte, want error) {
		t.Helper()
		tables, got, err := restoring(text, snapshotTime, db, snapshotConfig, 1)
		if hosts, _ := tables[0].Len(); !errors.Is(err, want) || got != (Restored{}) || hosts != 0 || tables[0].conns.count() != 0 {
			t.Errorf("%s: %+v, %v, %d hosts, want %v and none", what, got, err, hosts, want)
		}
	}
	for n := 0; n < len(text); n += 7 {
		refused(fmt.Sprintf("cut after %d bytes", n), text[:n], errDamaged)
		if n >= len(snapshotLine) {
			flipped := bytes.Clone(text)
			flipped[n] ^= 1 << (n % 8)
			refused(fmt.Sprintf("byte %d changed", n), flipped, errDamaged)
		}
	}
	var late bytes.Buffer
	late.WriteString(snapshotLine)
	w := &blockWriter{w: &late}
	tables := remembering(t, db, 1)
	w.begin(snapshotTime, tables)
	w.hosts(tables, hostPart(tables))
	w.texts(blockLink, []string{"DSL"})
	refused("a name after what has names", late.Bytes(), errDamaged)
	refused("another version", append([]byte("mxprint memory 9\n"), text...), errForeign)
	refused("another program", bytes.Repeat([]byte("p0f "), 100), errForeign)
}

// TestSnapshotSmallerTables: what does not fit is left out, the oldest first and
// the unverified before the verified.
func TestSnapshotSmallerTables(t *testing.T) {
	db := mustParse(t, testDB)
	text := snapshotOf(t, remembering(t, db, 1))
	tables, got, err := restoring(text, snapshotTime, db, Config{MaxHosts: 4, Unverified: 2, Recent: 2}, 1)
	if err != nil || got.Hosts != 4 || got.Conns != 2 {
		t.Fatalf("Restore = %+v, %v, want 4 hosts and 2 connections", got, err)
	}
	for _, addr := range []string{"192.0.2.1", "192.0.2.4"} {
		if _, ok := tables[0].Host(netip.MustParseAddr(addr)); !ok {
			t.Errorf("%s was forgotten", addr)
		}
	}
}

// TestSnapshotFormat reads what this format's first version wrote: a version that
// understands its line must understand its records.
func TestSnapshotFormat(t *testing.T) {
	const name = "testdata/memory.1"
	db := mustParse(t, testDB)
	tables := remembering(t, db, 1)
	if *update {
		if err := os.WriteFile(name, snapshotOf(t, tables), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	after, _, err := restoring(text, snapshotTime, db, snapshotConfig, 1)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := known(after), known(tables); got != want {
		t.Errorf("known:\n%swant:\n%s", got, want)
	}
}

// TestSnapshotRecords: every field of a record comes back.
func TestSnapshotRecords(t *testing.T) {
	random := rand.NewChaCha8([32]byte{})
	for range 100 {
		b := make([]byte, hostBytes)
		random.Read(b)
		b[40] &= putV6 | putExtra
		var r hostRec
		if r.get(b) {
			r.extra = 1
		}
		again := make([]byte, hostBytes)
		if r.put(again); !r.v6 {
			clear(b[4:16])
		}
		if !bytes.Equal(again, b) {
			t.Fatalf("host %x came back as %x", b, again)
		}
		b, again = make([]byte, connBytes), make([]byte, connBytes)
		random.Read(b)
		b[29] |= byte(isScored)
		b[28], b[30], b[31], b[32+46], b[32+51] = b[28]&putRival, 0, 0, 24, byte(signature.WindowMTU)
		var c connRec
		has, ok := c.get(b)
		if has {
			c.rival = 1
		}
		if c.put(again); c.syn.is&isV6 == 0 {
			clear(b[4:16])
		}
		if !ok || !bytes.Equal(again, b) {
			t.Fatalf("connection %x came back as %x, %v", b, again, ok)
		}
		b, again = make([]byte, extraBytes), make([]byte, extraBytes)
		random.Read(b)
		var e extraRec
		e.get(b)
		if e.put(again); !bytes.Equal(again, b) {
			t.Fatalf("extra record %x came back as %x", b, again)
		}
	}
	// A new field must be put, or be one that a restart may forget.
	for v, want := range map[any]int{hostRec{}: 25, extraRec{}: 2, connRec{}: 9, synRec{}: 16} {
		if n := reflect.TypeOf(v).NumField(); n != want {
			t.Errorf("%T has %d fields, want %d: does Snapshot write the new one?", v, n, want)
		}
	}
}

// FuzzSnapshot: whatever a file holds, with checksums that are right, is read or
// refused, and leaves a table that works.
func FuzzSnapshot(f *testing.F) {
	db := mustParse(f, testDB)
	text, err := os.ReadFile("testdata/memory.1")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Fuzz(func(t *testing.T, text []byte) {
		tables, got, err := restoring(signed(text), snapshotTime, db, Config{MaxHosts: 8, Unverified: 4, Recent: 8}, 1)
		table := tables[0]
		hosts, _ := table.Len()
		if err != nil && hosts != 0 || hosts != got.Hosts || hosts > 8 || table.conns.count() > 8 {
			t.Fatalf("Restore = %+v, %v, %d hosts", got, err, hosts)
		}
		for i := range 20 {
			s := linuxSYN(uint16(1025+i), winLinux3)
			s.Src = netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(i)}), s.Src.Port())
			table.Frame(snapshotTime.Add(time.Duration(i) * time.Second).UnixMicro())
			table.Update(s, nil)
			if c, ok := table.Conn(s.Src, s.Dst); !ok || c.RawSig == "" {
				t.Fatalf("SYN %d is not known", i)
			}
		}
		known(tables)
		if text := snapshotOf(t, tables); len(text) == 0 {
			t.Fatal("no snapshot")
		}
	})
}

// BenchmarkSnapshot writes and reads four million hosts and two million
// connections: a stop, after which the memory is the kernel's again, and a start,
// for which the file is still in the page cache.
func BenchmarkSnapshot(b *testing.B) {
	const hosts = 4_000_000
	cfg := Config{MaxHosts: 2 * hosts, Unverified: hosts, Recent: hosts / 2}
	f, err := os.Create(filepath.Join(b.TempDir(), "memory"))
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	for b.Loop() {
		table := New(signature.Builtin(), cfg, nil)
		s := linuxSYN(1025, 64240)
		for i := range hosts {
			table.Frame(snapshotTime.UnixMicro())
			table.Update(addressed(s, i*7919&0xffffff), nil)
			if i < hosts*5/8 || i%3 == 0 {
				table.Verify(s.Src, s.Dst)
			}
		}
		f.Seek(0, io.SeekStart)
		begin := time.Now()
		if err := Snapshot(f, snapshotTime, []*Table{table}); err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(time.Since(begin).Seconds(), "s/write")
		table = nil
		debug.FreeOSMemory()
		f.Seek(0, io.SeekStart)
		next := New(signature.Builtin(), cfg, nil)
		begin = time.Now()
		got, err := Restore(f, snapshotTime, []*Table{next}, func(netip.Addr) *Table { return next })
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(time.Since(begin).Seconds(), "s/read")
		b.ReportMetric(float64(got.Hosts), "hosts")
		b.ReportMetric(float64(got.Conns), "conns")
		size, _ := f.Seek(0, io.SeekCurrent)
		b.ReportMetric(float64(size)/1e6, "MB")
	}
}

// signed puts the right checksums into what may be a snapshot.
func signed(text []byte) []byte {
	if len(text) < len(snapshotLine) {
		return text
	}
	var out bytes.Buffer
	out.Write(text[:len(snapshotLine)])
	w := &blockWriter{w: &out}
	for rest := text[len(snapshotLine):]; len(rest) >= blockHead; {
		size := min(int(rest[1])|int(rest[2])<<8, len(rest)-blockHead)
		w.flush()
		w.kind = rest[0]
		copy(w.room(rest[0], size), rest[blockHead:])
		rest = rest[blockHead+size:]
	}
	w.flush()
	return out.Bytes()
}
