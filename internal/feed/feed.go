// Package feed keeps the connections that mail servers asked about lately, and
// lets readers follow them: the API, the page, mxprint watch and mxprint top
// read it.
//
// A Feed stands between the fronts and what answers (Front), and listens to the
// sensor (it is an event.Observer). A SYN alone enters nothing: a flood of
// spoofed ones changes no list and evicts nothing.
package feed

import (
	"cmp"
	"context"
	"encoding/json"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mxprint/mxprint/note"
)

// The bounds of a Feed.
const (
	// Kept is how many connections are kept; of more the oldest go.
	Kept = 8192

	// maxUnverified is how many of them may be of clients whose handshake the sensor
	// has not seen, once there are others: who may ask at all, as each user of a
	// machine may at p0f's socket, can ask about every address there is.
	maxUnverified = Kept / 4

	// maxEvents is how many events a reader may be behind.
	maxEvents = Kept

	// same is how long after the last news a question with the same ends is about
	// the same connection: ports are used again, and a question may name none.
	same = time.Minute

	maxFronts = 4 // names that a connection keeps
)

// Connection is one that a mail server asked about, or that the sensor verified.
type Connection struct {
	ID      string         // unique; of this process
	At      time.Time      // when it entered
	Changed time.Time      // when something was last learned of it
	Client  netip.AddrPort // the port is 0 where the question named none
	Server  netip.AddrPort // not valid where the question named none
	Fronts  []string       // that asked
	Asked   int            // times
	Took    time.Duration  // the longest of these
	Note    note.Note      // the last answer
}

// Verified reports whether the client has completed a handshake.
func (c *Connection) Verified() bool { return c.Note.Handshakes > 0 }

// wire is a Connection in JSON (docs/web.md).
type wire struct {
	ID       string     `json:"id"`
	At       time.Time  `json:"time"`
	Changed  time.Time  `json:"changed"`
	Client   string     `json:"client"`
	Server   string     `json:"server,omitempty"`
	Fronts   []string   `json:"fronts"`
	Asked    int        `json:"asked"`
	Took     float64    `json:"took_seconds"`
	Verified bool       `json:"verified"`
	System   string     `json:"system"`
	Program  string     `json:"program,omitempty"`
	Findings []string   `json:"findings,omitempty"`
	Note     *note.Note `json:"note"`
}

// MarshalJSON writes the connection as docs/web.md describes it.
func (c *Connection) MarshalJSON() ([]byte, error) {
	w := wire{c.ID, c.At.UTC(), c.Changed.UTC(), Ends(c.Client), "", c.Fronts, c.Asked, c.Took.Seconds(), c.Verified(),
		c.system(), c.Program(), c.Findings(), &c.Note}
	if c.Server.IsValid() {
		w.Server = c.Server.String()
	}
	return json.Marshal(w)
}

// UnmarshalJSON reads what MarshalJSON writes.
func (c *Connection) UnmarshalJSON(text []byte) error {
	var w wire
	if err := json.Unmarshal(text, &w); err != nil {
		return err
	}
	*c = Connection{ID: w.ID, At: w.At, Changed: w.Changed, Fronts: w.Fronts, Asked: w.Asked, Took: time.Duration(w.Took * float64(time.Second))}
	if w.Note != nil {
		c.Note = *w.Note
	}
	addr, err := netip.ParseAddr(w.Client)
	if c.Client = netip.AddrPortFrom(addr, 0); err != nil {
		c.Client, err = netip.ParseAddrPort(w.Client)
	}
	if err != nil {
		return err
	}
	if w.Server != "" {
		c.Server, err = netip.ParseAddrPort(w.Server)
	}
	return err
}

// Ends is an address, with its port where there is one.
func Ends(a netip.AddrPort) string {
	if a.Port() == 0 {
		return a.Addr().String()
	}
	return a.String()
}

// system is the name of the client's system, or the state in words.
func (c *Connection) system() string {
	if c.Note.State == note.Matched {
		return c.Note.OSName
	}
	return c.Note.State.String()
}

// ends are a connection's, as a key.
type ends struct{ client, server netip.AddrPort }

// kept is a connection with its place among the events.
type kept struct {
	// conn is the connection as it was when it last changed: another one each time,
	// so that it can be read without the lock. What is counted stands below.
	conn  atomic.Pointer[Connection]
	asked atomic.Int64
	took  atomic.Int64 // nanoseconds

	n      uint64 // its number, from 1 on
	list   int    // of Feed.lists
	event  uint64 // of its last change
	minute int64  // in which it is counted
	names  [kinds]string
}

// now is the connection with what was counted of it.
func (k *kept) now() Connection {
	c := *k.conn.Load()
	c.Asked, c.Took = int(k.asked.Load()), time.Duration(k.took.Load())
	return c
}

// count counts a question and how long its answer took.
func (k *kept) count(took time.Duration) {
	k.asked.Add(1)
	for old := k.took.Load(); int64(took) > old && !k.took.CompareAndSwap(old, int64(took)); {
		old = k.took.Load()
	}
}

// Feed keeps connections and events. Make one with New; safe for concurrent
// use.
type Feed struct {
	epoch string // of the process: numbers of another one mean nothing
	now   func() time.Time
	stale chan ends // connections to ask about again
	known known     // some of byEnds

	mu     sync.Mutex
	lists  [2][]*kept       // unverified and verified ones, each in order of number
	byN    map[uint64]*kept // by number
	last   uint64           // number of the newest connection
	byEnds map[ends]*kept   // the newest with these ends
	events []uint64         // numbers of connections, by event, modulo maxEvents
	seq    uint64           // of the newest event
	tally  tally            // counts of the last hour
}

// New returns an empty Feed.
func New() *Feed {
	f := &Feed{
		epoch: strconv.FormatInt(time.Now().UnixMilli(), 36), now: time.Now, stale: make(chan ends, 1024),
		byN: make(map[uint64]*kept), byEnds: make(map[ends]*kept),
	}
	f.known.seed = [2]uint64{rand.Uint64(), rand.Uint64()}
	return f
}

// front is a note.Lookuper whose answers enter a feed.
type front struct {
	feed *Feed
	name string
	who  note.Lookuper
}

// Front returns a Lookuper for the front of that name, which asks who and enters
// what it answers.
func (f *Feed) Front(name string, who note.Lookuper) note.Lookuper { return &front{f, name, who} }

// Lookup implements note.Lookuper.
func (f *front) Lookup(ctx context.Context, q note.Query) (note.Note, error) {
	began := f.feed.now()
	n, err := f.who.Lookup(ctx, q)
	now := f.feed.now()
	f.feed.Answered(f.name, q, &n, now, now.Sub(began))
	return n, err
}

// Answered enters the answer to a question of the front of that name, which it does
// not keep; now is when it was there, took how long that was. One that says what
// the last one about the connection said is counted, and is no event: some mail
// servers ask often. That is without a lock, for it is what happens most.
func (f *Feed) Answered(name string, q note.Query, n *note.Note, now time.Time, took time.Duration) {
	q = q.Unmapped()
	if k := f.known.find(q); k != nil {
		if c := k.conn.Load(); now.Sub(c.Changed) < same && c.asksAgain(name, n) {
			k.count(took)
			return
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	k := f.entry(q, now)
	k.count(took)
	c := k.conn.Load()
	if c.asksAgain(name, n) {
		return
	}
	fronts := c.Fronts
	if !slices.Contains(fronts, name) && len(fronts) < maxFronts {
		fronts = append(slices.Clip(fronts), name) // readers have the list
	}
	f.changed(k, fronts, n, now)
}

// asksAgain reports whether the question of a front and its answer tell nothing
// new about the connection.
func (c *Connection) asksAgain(front string, n *note.Note) bool {
	return (slices.Contains(c.Fronts, front) || len(c.Fronts) >= maxFronts) && alike(&c.Note, n)
}

// alike reports whether two notes of one connection show the same. Parts that are
// made again count as others.
func alike(a, b *note.Note) bool {
	return a.State == b.State && a.OSName == b.OSName && a.OSFlavor == b.OSFlavor && a.Quality == b.Quality && a.RawSig == b.RawSig &&
		a.ByConnection == b.ByConnection && a.Ambiguous == b.Ambiguous && a.TotalConn == b.TotalConn && a.Handshakes == b.Handshakes &&
		a.LinkType == b.LinkType && a.Distance == b.Distance && a.HTTPName == b.HTTPName && a.LastNAT.Equal(b.LastNAT) && a.LastChange.Equal(b.LastChange) &&
		a.TLS == b.TLS && a.Software == b.Software && a.Conduct == b.Conduct && a.Contradictions == b.Contradictions && a.Flow == b.Flow && a.Memory == b.Memory
}

// entry is the connection of a question, which may be a new one. The lock is
// held.
func (f *Feed) entry(q note.Query, now time.Time) *kept {
	key := ends{q.Client, q.Server}
	k := f.byEnds[key]
	if k != nil && now.Sub(k.conn.Load().Changed) < same {
		return k
	}
	if len(f.byN) >= Kept {
		f.evict()
	}
	f.last++
	k = &kept{n: f.last}
	k.conn.Store(&Connection{ID: f.epoch + "-" + strconv.FormatUint(f.last, 36), At: now, Client: q.Client, Server: q.Server})
	f.lists[unverified] = append(f.lists[unverified], k)
	f.byN[k.n], f.byEnds[key] = k, k
	return k
}

// The lists of a Feed.
const (
	unverified = iota
	verified
)

// evict takes the connection out that gives way to the next. The lock is held.
func (f *Feed) evict() {
	from := unverified
	if some, others := f.lists[unverified], f.lists[verified]; len(others) > 0 && len(some) <= maxUnverified && (len(some) == 0 || others[0].n < some[0].n) {
		from = verified
	}
	k := f.lists[from][0]
	f.lists[from][0] = nil
	f.lists[from] = f.lists[from][1:]
	delete(f.byN, k.n)
	c := k.conn.Load()
	if key := (ends{c.Client, c.Server}); f.byEnds[key] == k {
		delete(f.byEnds, key)
	}
	f.known.drop(k, c)
}

// verify moves a connection to the verified ones. The lock is held.
func (f *Feed) verify(k *kept) {
	byNumber := func(o *kept, n uint64) int { return cmp.Compare(o.n, n) }
	i, _ := slices.BinarySearchFunc(f.lists[unverified], k.n, byNumber)
	f.lists[unverified] = slices.Delete(f.lists[unverified], i, i+1)
	i, _ = slices.BinarySearchFunc(f.lists[verified], k.n, byNumber)
	f.lists[verified] = slices.Insert(f.lists[verified], i, k)
	k.list = verified
}

// newest yields the connections, the newest first. The lock is held.
func (f *Feed) newest(yield func(*kept) bool) {
	a, b := f.lists[unverified], f.lists[verified]
	for len(a)+len(b) > 0 {
		if len(b) == 0 || len(a) > 0 && a[len(a)-1].n > b[len(b)-1].n {
			a, b = b, a
		}
		k := b[len(b)-1]
		if b = b[:len(b)-1]; !yield(k) {
			return
		}
	}
}

// changed sets the note of a connection, and makes it an event. The lock is
// held.
func (f *Feed) changed(k *kept, fronts []string, n *note.Note, now time.Time) {
	c := k.conn.Load()
	if k.event != 0 { // others have it
		c = &Connection{ID: c.ID, At: c.At, Client: c.Client, Server: c.Server}
	}
	c.Fronts, c.Note, c.Changed = fronts, *n, now
	k.conn.Store(c)
	if k.list == unverified && c.Verified() {
		f.verify(k)
	}
	f.known.put(k, c)
	f.tally.count(k, c)
	f.seq++
	k.event = f.seq
	at := int(f.seq % maxEvents)
	if at >= len(f.events) {
		f.events = append(f.events, make([]uint64, at+1-len(f.events))...)
	}
	f.events[at] = k.n
}

// ByID returns the connection with an ID, if it is kept.
func (f *Feed) ByID(id string) (Connection, bool) {
	epoch, number, _ := strings.Cut(id, "-")
	n, err := strconv.ParseUint(number, 36, 64)
	f.mu.Lock()
	defer f.mu.Unlock()
	if c := f.byN[n]; err == nil && epoch == f.epoch && c != nil {
		return c.now(), true
	}
	return Connection{}, false
}

// Recent returns the newest connections that a filter takes, the newest first:
// limit of them at most.
func (f *Feed) Recent(filter *Filter, limit int) []Connection {
	f.mu.Lock()
	defer f.mu.Unlock()
	list := []Connection{}
	for k := range f.newest {
		if len(list) >= limit {
			break
		}
		if now := k.now(); filter.Takes(&now) {
			list = append(list, now)
		}
	}
	return list
}

// Len is how many connections are kept.
func (f *Feed) Len() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.byN)
}
