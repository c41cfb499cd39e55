package report

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mxprint/mxprint/dialect"
	"github.com/mxprint/mxprint/event"
	"github.com/mxprint/mxprint/internal/signature"
	"github.com/mxprint/mxprint/note"
	"github.com/mxprint/mxprint/packet"
)

// syn is an observation of a SYN with a window, which nothing matches.
func syn(window uint16, at int64) *event.Observation {
	s := packet.Segment{
		Type: packet.SYN, Version: 4, TTL: 60, Window: window, MSS: 1460, HeaderLen: 44,
		Layout: packet.Layout{Kinds: [packet.MaxOptions]uint8{packet.OptMSS}, Len: 1},
	}
	raw := signature.AppendRaw(nil, &s, signature.MultipleOf(&s, 0))
	return &event.Observation{Module: event.SYN, Segment: s, At: at * 1e6, RawSig: raw}
}

// TestUnknownsAreBounded: of too many different SYNs the rarest give way, and
// the file says so.
func TestUnknownsAreBounded(t *testing.T) {
	u := NewUnknowns()
	for range 3 {
		u.Observe(syn(11, 1))
	}
	u.Observe(syn(13, 2))
	u.Observe(syn(13, 4))
	for w := range 5 * maxUnknown { // seven are the same multiple of an MSS as another
		u.Observe(syn(uint16(20001+w), int64(5+w)))
	}
	text := string(u.Text())
	if got := strings.Count(text, "\nsig "); got != maxUnknown || len(u.byDraft) != maxUnknown {
		t.Errorf("%d signatures, %d in the map, want %d", got, len(u.byDraft), maxUnknown)
	}
	for _, want := range []string{
		"; seen 3 times, first 1970-01-01T00:00:01Z, last 1970-01-01T00:00:01Z, for example 4:60+4:0:1460:11,0:mss::0\nsig    = *:64:0:*:11,0:mss::0\n" +
			"; seen 2 times, first 1970-01-01T00:00:02Z, last 1970-01-01T00:00:04Z, for example 4:60+4:0:1460:13,0:mss::0\n",
		"\n; 3995 different ones, those seen least, gave way: 1000 are kept\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the file lacks\n%s\nit begins\n%s", want, text[:min(len(text), 1000)])
		}
	}
	if _, err := signature.Parse(strings.NewReader(text), "unknown.fp"); err != nil {
		t.Error(err)
	}
}

// TestUnknownsAllocateNothing: what is known to be unknown costs no allocation.
func TestUnknownsAllocateNothing(t *testing.T) {
	u := NewUnknowns()
	o := syn(11, 1)
	u.Observe(o)
	if n := testing.AllocsPerRun(100, func() { u.Observe(o) }); n != 0 {
		t.Errorf("%v allocations, want 0", n)
	}
}

// TestUnknownsRead: a new process goes on with the file of the old one, edited
// or not; what the signatures match by now is dropped.
func TestUnknownsRead(t *testing.T) {
	u := NewUnknowns()
	u.Observe(syn(11, 1))
	u.Observe(syn(13, 2))
	u.Observe(syn(13, 4))
	first := u.Text()
	v := NewUnknowns()
	edited := "nonsense\n; seen 99999999999999999 times, first x\n; seen 5 times, first x, last y, for example z\nsig = *:\n" +
		"; seen 5 times, first 1970-01-01T00:00:02Z, last 1970-01-01T00:00:02Z, for example z\nsig = *:64:nonsense\n" +
		strings.Replace(string(first), "s:other:Unknown:", "s:unix:Linux:mine", 1)
	if err := v.read(strings.NewReader(edited)); err != nil {
		t.Fatal(err)
	}
	if got := v.Text(); !bytes.Equal(got, first) {
		t.Errorf("read again it is\n%s\nwant\n%s", got, first)
	}
	db, err := signature.Parse(strings.NewReader("classes = c\n[tcp:request]\nlabel = s:c:N:\nsig = *:64:0:*:13,0:mss::0\n"), "x.fp")
	if err != nil {
		t.Fatal(err)
	}
	if v.Drop(db); len(v.byDraft) != 1 || strings.Contains(string(v.Text()), "13,0") {
		t.Errorf("what a signature matches is still unknown:\n%s", v.Text())
	}
	if err := NewUnknowns().read(strings.NewReader(strings.Repeat("x", 2*maxUnknowns))); err == nil {
		t.Error("a line without end is read")
	}
}

// TestUnknownsReadLate: what is seen while the file is read counts beside what
// the file says.
func TestUnknownsReadLate(t *testing.T) {
	u, v, all := NewUnknowns(), NewUnknowns(), NewUnknowns()
	for _, at := range []int64{1, 2, 3} {
		u.Observe(syn(11, at))
		all.Observe(syn(11, at))
	}
	for _, at := range []int64{4, 5} {
		v.Observe(syn(11, at))
		all.Observe(syn(11, at))
	}
	if err := v.read(bytes.NewReader(u.Text())); err != nil {
		t.Fatal(err)
	}
	if got, want := v.Text(), all.Text(); !bytes.Equal(got, want) {
		t.Errorf("it is\n%s\nwant\n%s", got, want)
	}
}

// TestUnknownsSave: the file is replaced whole, and only when there is
// something new; a failure is logged and tried again.
func TestUnknownsSave(t *testing.T) {
	var log bytes.Buffer
	dir := t.TempDir()
	path := filepath.Join(dir, "unknown.fp")
	u := NewUnknowns()
	u.Save(path, slog.New(slog.NewTextHandler(&log, nil)))
	if _, err := os.Stat(path); err == nil {
		t.Error("nothing new was written")
	}
	u.Observe(syn(11, time.Now().Unix()))
	u.Save(filepath.Join(dir, "none", "x"), slog.New(slog.NewTextHandler(&log, nil)))
	if !strings.Contains(log.String(), `level=ERROR msg="unknown SYNs cannot be written"`) {
		t.Errorf("log %q", log.String())
	}
	u.Save(path, slog.New(slog.DiscardHandler))
	if text, err := os.ReadFile(path); err != nil || !bytes.Equal(text, u.Text()) {
		t.Errorf("the file is %q, %v", text, err)
	}
	if files, err := os.ReadDir(dir); err != nil || len(files) != 1 {
		t.Errorf("%v, %v, want the file alone", files, err)
	}
}

// FuzzUnknowns: whatever the file holds, reading it is bounded, and what is
// written then is read again as it is.
func FuzzUnknowns(f *testing.F) {
	u := NewUnknowns()
	u.Observe(syn(11, 1))
	u.Observe(syn(13, 2))
	f.Add(string(u.Text()))
	f.Add("[tcp:response]\n; seen 07 times, first 2026-11-25T19:00:00+01:00, last 0001-01-01T00:00:00Z, for example x\nsig=*:64:0:*:*,*:mss::0")
	f.Fuzz(func(t *testing.T, text string) {
		u := NewUnknowns()
		u.read(strings.NewReader(text))
		if len(u.byDraft) > maxUnknown || len(u.byDraft) != len(u.rarest) {
			t.Fatalf("%d entries, %d in the heap", len(u.byDraft), len(u.rarest))
		}
		u.Drop(signature.Builtin())
		want := u.Text()
		v := NewUnknowns()
		if err := v.read(bytes.NewReader(want)); err != nil || !bytes.Equal(v.Text(), want) {
			t.Errorf("read again it is\n%s\nwant\n%s", v.Text(), want)
		}
	})
}

// TestUnknownCutHeader: a client chooses how long the other values are, so that the
// header's is cut.
func TestUnknownCutHeader(t *testing.T) {
	for n := range 260 {
		var b dialect.Builder
		b.Reply(220, 0)
		b.Command(dialect.Command{Line: "EHLO a.example", Heard: dialect.All})
		b.Reply(250, 0)
		b.Command(dialect.Command{Line: "MAIL FROM:<>" + strings.Repeat(" ", 240) + "x", Heard: dialect.All})
		b.Reply(250, 0)
		b.Command(dialect.Command{Line: "RCPT TO:<>" + strings.Repeat(" ", n) + "x", Heard: dialect.All})
		b.Reply(250, 0)
		b.Command(dialect.Command{Line: "DATA", Heard: dialect.All})
		b.Reply(354, 0)
		b.Message(dialect.Message{Bytes: 100, First: 100, Heard: dialect.All, Header: dialect.Relayed, HeaderSeen: true})
		f := b.Fingerprint()
		u := NewUnknowns()
		done := make(chan bool)
		go func() {
			u.Observe(&event.Observation{Module: event.SMTP, Sender: &note.Note{Software: &note.Software{State: note.Unknown, Dialect: f.String()}}})
			close(done)
		}()
		select {
		case <-done:
		case <-time.After(time.Minute):
			t.Fatalf("blanks %d: Observe does not return; header %q", n, f.Get(dialect.Header))
		}
	}
}
