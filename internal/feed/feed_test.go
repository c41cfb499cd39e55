package feed

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mxprint/mxprint/event"
	"github.com/mxprint/mxprint/note"
)

// answers is a sensor that knows what it is given.
type answers func(note.Query) (note.Note, error)

func (a answers) Lookup(_ context.Context, q note.Query) (note.Note, error) { return a(q) }

func linux(note.Query) (note.Note, error) {
	return note.Note{State: note.Matched, OSName: "Linux", OSFlavor: "6.x", SYNs: 1, Handshakes: 1, LinkType: "Ethernet or modem"}, nil
}

func query(n int) note.Query {
	return note.Query{Client: netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, byte(n >> 16), byte(n >> 8), byte(n)}), 1025), Server: netip.MustParseAddrPort("198.51.100.1:25")}
}

func TestFeed(t *testing.T) {
	f := New()
	now := time.Unix(1_700_000_000, 0)
	f.now = func() time.Time { return now }
	who := f.Front("milter", answers(linux))
	p0f := f.Front("p0f", answers(func(note.Query) (note.Note, error) { return note.Note{}, errors.New("gone") }))
	r, lost := f.Follow(&Filter{}, "")
	if lost {
		t.Error("a reader without a position has lost something")
	}
	for i := range 3 {
		who.Lookup(t.Context(), query(i))
	}
	p0f.Lookup(t.Context(), query(1)) // the same connection
	list := f.Recent(&Filter{}, 10)
	if len(list) != 3 || list[0].Client != query(2).Client || list[1].Asked != 2 || !cmp.Equal(list[1].Fronts, []string{"milter", "p0f"}) || list[1].Note.State != note.Unavailable {
		t.Errorf("Recent = %+v", list)
	}
	events, n := r.Read(100)
	if n != 0 || len(events) != 3 { // of the one that changed the last alone
		t.Errorf("Read = %d events, %d lost, want 3", len(events), n)
	}
	if again, _ := f.Follow(&Filter{}, events[1].ID); again.next != events[1].event(t)+1 {
		t.Errorf("after %s the next event is %d", events[1].ID, again.next)
	}
	if c, ok := f.ByID(list[0].ID); !ok || c.Client != list[0].Client {
		t.Errorf("ByID(%s) = %+v, %t", list[0].ID, c, ok)
	}
	for _, id := range []string{"", "x", "-", "0-1", f.epoch + "-", f.epoch + "-zz", f.epoch + "-0", f.epoch + "-zzzzzzzzzzzzzzzzzzzz"} {
		if _, ok := f.ByID(id); ok {
			t.Errorf("ByID(%q) finds something", id)
		}
	}
	for _, id := range []string{"x", "0-1", f.epoch + "-zz"} {
		if _, lost := f.Follow(&Filter{}, id); !lost {
			t.Errorf("Follow(%q) misses nothing", id)
		}
	}
	now = now.Add(2 * same)
	who.Lookup(t.Context(), query(1))
	if list := f.Recent(&Filter{Client: netip.MustParsePrefix("192.0.0.1/32")}, 10); len(list) != 2 || list[0].Asked != 1 {
		t.Errorf("two minutes later it is the same connection: %+v", list)
	}
}

// event is the number in the ID of an event.
func (e Event) event(t *testing.T) uint64 {
	var n uint64
	for _, d := range e.ID[len(e.ID)-1:] {
		n = uint64(d - '0')
	}
	return n
}

// TestBounds: whatever comes, the feed keeps Kept connections, and a slow
// reader learns how many events it has lost.
func TestBounds(t *testing.T) {
	f := New()
	r, _ := f.Follow(&Filter{}, "")
	who := f.Front("milter", answers(linux))
	const more = 100
	for i := range Kept + more {
		who.Lookup(t.Context(), query(i))
	}
	if f.Len() != Kept || len(f.lists[verified]) != Kept || len(f.byEnds) != Kept || len(f.events) != maxEvents {
		t.Errorf("%d connections, %d, %d, %d events; want %d", f.Len(), len(f.lists[verified]), len(f.byEnds), len(f.events), Kept)
	}
	if list := f.Recent(&Filter{}, 2*Kept); len(list) != Kept || list[Kept-1].Client != query(more).Client {
		t.Errorf("Recent has %d, the last %v", len(list), list[len(list)-1].Client)
	}
	total, lost := 0, uint64(0)
	for {
		list, gone := r.Read(1000)
		lost += gone
		if len(list) == 0 {
			break
		}
		total += len(list)
	}
	if lost != more || total != Kept {
		t.Errorf("a slow reader got %d, and heard of %d lost, want %d and %d", total, lost, Kept, more)
	}
}

// TestAskedByAnyone: who may ask, and asks about addresses that never came, leaves
// the connections of senders where they are, and finds his own bounded.
func TestAskedByAnyone(t *testing.T) {
	f := New()
	mail := f.Front("milter", answers(linux))
	anyone := f.Front("p0f", answers(func(note.Query) (note.Note, error) { return note.Note{State: note.NotSeen}, nil }))
	spoofed := f.Front("p0f", answers(func(note.Query) (note.Note, error) { return note.Note{State: note.Unknown, SYNs: 1}, nil }))
	const mails = Kept - maxUnverified - 1
	for i := range mails {
		mail.Lookup(t.Context(), query(i))
	}
	for i := range 3 * Kept {
		anyone.Lookup(t.Context(), query(mails+2*i))
		spoofed.Lookup(t.Context(), query(mails+2*i+1))
	}
	list := f.Recent(&Filter{}, 2*Kept)
	seen := 0
	for i := range list {
		if list[i].Verified() {
			seen++
		}
		if _, ok := f.ByID(list[i].ID); !ok {
			t.Fatalf("%s is not found", list[i].ID)
		}
	}
	if seen != mails || len(list) != Kept || f.Len() != Kept || len(f.byEnds) != Kept {
		t.Errorf("%d of %d senders are left, among %d connections", seen, mails, len(list))
	}
	if last := query(mails + 6*Kept - 1).Client; list[0].Client != last {
		t.Errorf("the newest is %v, want %v", list[0].Client, last)
	}
	for i := range 2 * Kept { // and give way when senders come
		mail.Lookup(t.Context(), query(-1-i))
	}
	for _, c := range f.Recent(&Filter{}, 2*Kept) {
		if !c.Verified() {
			t.Fatalf("%v is kept, and older senders are not", c.Client)
		}
	}
}

// TestSpoofed: SYNs change nothing, whatever their number.
func TestSpoofed(t *testing.T) {
	f := New()
	for m := range event.Module(event.Modules) {
		o := &event.Observation{Module: m, Client: query(int(m)).Client, Server: query(0).Server}
		if m <= event.HTTPResponse && Wants(o) {
			t.Errorf("the feed wants %v", m)
		}
	}
	o := &event.Observation{Module: event.SYN, Client: query(1).Client}
	if n := testing.AllocsPerRun(1000, func() { f.Observe(o) }); n != 0 {
		t.Errorf("a SYN allocates %v times", n)
	}
	if f.seq != 0 || f.Len() != 0 || len(f.stale) != 0 {
		t.Errorf("SYNs made %d events", f.seq)
	}
}

// TestRefresh: when a session was read, the feed asks for what is known now.
func TestRefresh(t *testing.T) {
	f := New()
	state := note.NotSeen
	who := answers(func(note.Query) (note.Note, error) { return note.Note{State: state}, nil })
	f.Front("milter", who).Lookup(t.Context(), note.Query{Client: query(1).Client}) // without the server's end
	state = note.Unknown
	f.refresh(t.Context(), who, ends{query(1).Client, query(1).Server})
	f.refresh(t.Context(), who, ends{query(2).Client, query(2).Server})
	list := f.Recent(&Filter{}, 10)
	if len(list) != 2 || list[1].Note.State != note.Unknown || list[1].Asked != 1 || list[0].Asked != 0 {
		t.Errorf("Recent = %+v", list)
	}
}

func TestFilter(t *testing.T) {
	c := Connection{Client: netip.MustParseAddrPort("192.0.2.7:1025"), Changed: time.Unix(1000, 0)}
	c.Note, _ = linux(note.Query{})
	now := time.Unix(1010, 0)
	for text, want := range map[string]bool{
		"": true, "client=192.0.2.7": true, "client=192.0.2.0/24": true, "client=192.0.2.7:1025": true, "client=::ffff:192.0.2.7": true,
		"client=192.0.2.8": false, "client=192.0.2.7:1026": false, "client=2001:db8::/32": false,
		"system=linux": true, "system=Linux+6": true, "system=windows": false, "state=matched": true, "state=not_seen": false,
		"since=20s": true, "since=5s": false, "since=1970-01-01T00:16:41Z": false, "program=curl": false, "finding=early_talker": false,
	} {
		v, _ := url.ParseQuery(text)
		f, err := ParseFilter(v, now)
		if err != nil {
			t.Errorf("%s: %v", text, err)
		} else if got := f.Takes(&c); got != want {
			t.Errorf("%s: Takes = %t, want %t", text, got, want)
		}
	}
	for text, want := range map[string]string{
		"client=x":            `client: "x": want an address, ADDRESS:PORT or a network such as 192.0.2.0/24`,
		"state=x":             `state: "x": want one of unavailable, not seen, unknown, matched`,
		"since=x":             `since: "x": want a time such as 2026-11-28T10:00:00Z, or a duration such as 10m`,
		"system=a&system=b":   `system: want one value of at most 200 bytes`,
		"client=192.0.2.1/33": `client: "192.0.2.1/33": want an address, ADDRESS:PORT or a network such as 192.0.2.0/24`,
	} {
		v, _ := url.ParseQuery(text)
		if _, err := ParseFilter(v, now); err == nil || err.Error() != want {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
	if v, err := Words([]string{"192.0.2.0/24", "system=Windows XP"}); err != nil || v.Encode() != "client=192.0.2.0%2F24&system=Windows+XP" {
		t.Errorf("Words = %v, %v", v, err)
	}
	if _, err := Words([]string{"colour=red"}); err == nil {
		t.Error("colour is a word of a filter")
	}
}

func TestSummary(t *testing.T) {
	f := New()
	now := time.Unix(1_700_000_000, 0)
	f.now = func() time.Time { return now }
	states := []note.State{note.Matched, note.Unknown}
	i := 0
	who := f.Front("milter", answers(func(note.Query) (note.Note, error) {
		i++
		return note.Note{State: states[i%2], OSName: "Linux", LinkType: fmt.Sprint(i)}, nil
	}))
	for range 3 * minutes { // three an minute... of which the last hour counts
		now = now.Add(time.Minute / 2)
		who.Lookup(t.Context(), query(i))
	}
	who.Lookup(t.Context(), query(i-1)) // was Matched or Unknown, and is the other now
	s := f.Summary()
	sum := func(lines []Line) (n int) {
		for _, l := range lines {
			for _, k := range l.N {
				n += k
			}
		}
		return n
	}
	if len(s.Systems) != 2 || sum(s.Systems) != sum(s.States) || sum(s.Systems) < 2*minutes-2 || len(s.Links) != topNames || sum(s.Links) != sum(s.Systems) || len(s.Programs) != 0 {
		t.Errorf("Summary = %d %d %d %d", len(s.Systems), sum(s.Systems), len(s.Links), sum(s.Links))
	}
	if len(s.Minutes) != minutes || len(s.Senders) != topSenders || s.Kept != 3*minutes {
		t.Errorf("Summary = %d minutes, %d senders of %d", len(s.Minutes), len(s.Senders), s.Kept)
	}
}

func TestJSON(t *testing.T) {
	n, _ := linux(note.Query{})
	n.OSFlavor = `<script>alert("x")</script>`
	want := Connection{ID: "a-1", At: time.Unix(1, 0).UTC(), Changed: time.Unix(2, 0).UTC(), Client: netip.MustParseAddrPort("[2001:db8::1]:25"),
		Fronts: []string{"milter"}, Asked: 1, Took: time.Millisecond, Note: n}
	for _, client := range []string{"[2001:db8::1]:25", "[2001:db8::1]:0"} {
		want.Client = netip.MustParseAddrPort(client)
		text, err := json.Marshal(&want)
		if err != nil {
			t.Fatal(err)
		}
		var got Connection
		if err := json.Unmarshal(text, &got); err != nil || !cmp.Equal(got, want, cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b })) {
			t.Errorf("%s: %v: %+v", text, err, got)
		}
	}
}

// TestRace has fronts, readers and summaries at once.
func TestRace(t *testing.T) {
	f := New()
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			who := f.Front(fmt.Sprint("front", i), answers(linux))
			for j := range 2000 {
				who.Lookup(t.Context(), query(j))
			}
		})
		wg.Go(func() {
			r, _ := f.Follow(&Filter{System: "linux"}, "")
			for range 200 {
				r.Read(100)
				f.Summary()
				f.Recent(&Filter{}, 10)
			}
		})
	}
	wg.Wait()
}

func FuzzFilter(f *testing.F) {
	f.Add("client=192.0.2.0/24&system=x&since=1h", "a-1")
	f.Fuzz(func(t *testing.T, text, id string) {
		feed := New()
		feed.ByID(id)
		feed.Follow(&Filter{}, id)
		v, err := url.ParseQuery(text)
		if err != nil {
			return
		}
		if filter, err := ParseFilter(v, time.Unix(0, 0)); err == nil {
			filter.Takes(&Connection{})
		}
	})
}

func BenchmarkAnswered(b *testing.B) {
	n, _ := linux(note.Query{})
	for name, different := range map[string]int{"new": 1 << 20, "again": 100} {
		b.Run(name, func(b *testing.B) {
			f := New()
			b.ReportAllocs()
			for i := range b.N {
				f.Answered("milter", query(i%different), &n, time.Unix(1e9, 0), time.Millisecond)
			}
		})
	}
}

// BenchmarkAnsweredAgain has several fronts ask about one client.
func BenchmarkAnsweredAgain(b *testing.B) {
	f, q := New(), query(1)
	n, _ := linux(q)
	now := time.Now()
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			f.Answered("p0f", q, &n, now, time.Microsecond)
		}
	})
}

// TestAnsweredAgain: an answer that says nothing new is counted without the lock
// and without an allocation, whichever connections share a slot and whichever gave
// way to newer ones.
func TestAnsweredAgain(t *testing.T) {
	f := New()
	n, _ := linux(note.Query{})
	now := time.Now()
	f.Answered("p0f", query(1), &n, now, time.Millisecond)
	f.mu.Lock()
	again := make(chan float64)
	go func() {
		again <- testing.AllocsPerRun(10, func() { f.Answered("p0f", query(1), &n, now, 2*time.Millisecond) })
	}()
	select {
	case allocs := <-again:
		if allocs != 0 {
			t.Errorf("an answer that says nothing new allocates %v times", allocs)
		}
	case <-time.After(10 * time.Second):
		t.Error("an answer that says nothing new waits for the lock")
	}
	f.mu.Unlock()
	if c, _ := f.ByID(f.epoch + "-1"); c.Asked != 12 || c.Took != 2*time.Millisecond || f.seq != 1 {
		t.Errorf("asked %d times, %v at most, %d events; want 12, 2ms, 1", c.Asked, c.Took, f.seq)
	}
	const clients = 3 * slots
	for range 2 {
		for i := range clients {
			f.Answered("p0f", query(i), &n, now, 0)
		}
	}
	for _, c := range f.Recent(&Filter{}, clients) {
		if want := map[bool]int{false: 2, true: 14}[c.Client == query(1).Client]; c.Asked != want {
			t.Fatalf("%v was asked about %d times, want %d", c.Client, c.Asked, want)
		}
	}
	for i := range Kept {
		f.Answered("p0f", query(clients+i), &n, now, 0)
	}
	f.Answered("p0f", query(0), &n, now, 0) // the first has given way
	if c := f.Recent(&Filter{}, 1)[0]; c.Client != query(0).Client || c.Asked != 1 {
		t.Errorf("%v, asked about %d times; want a new connection of %v", c.Client, c.Asked, query(0).Client)
	}
}
