package shared

import (
	"hash/maphash"
	"net/netip"
	"sync"
	"time"

	"github.com/mxprint/mxprint/note"
)

// How writing goes.
const (
	writers  = 2
	maxBatch = 256    // items
	maxQueue = 20_000 // items that wait to be written
	maxWait  = time.Minute
	maxTries = 3
)

// item is something to be written.
type item struct {
	what           kind
	client, server netip.AddrPort
	at             time.Time  // when it was queued
	opened         time.Time  // the handshake; zero: not known
	note           *note.Note // of session: its parts; of visit: what the address is known by
	visit          *counted   // of visit
	tries          int8
}

// kind is what an item is about.
type kind uint8

const (
	opened  kind = iota // a handshake is complete: its note is published
	closed              // a connection ended
	session             // what a session said
	visited             // a mail server asked about a connection
)

// counted is what is counted of a connection.
type counted struct {
	name, ja4, dialect string
	past               *past // what to write; nil: it is not known what was
	visit              bool  // it is a new one
}

// queue is what waits to be written. Safe for concurrent use.
type queue struct {
	wake chan struct{}

	mu    sync.Mutex
	all   []item        // those that wait are all[head:]
	head  int           // taken already: the room is used again
	taken int           // being written
	lag   time.Duration // of the last that was written
	most  time.Duration // lag since the last heartbeat
}

// push queues an item, and reports whether there was room.
func (q *queue) push(i item) bool {
	i.at = time.Now()
	q.mu.Lock()
	n := len(q.all) - q.head
	if n >= maxQueue {
		q.mu.Unlock()
		return false
	}
	if len(q.all) == cap(q.all) && q.head > n { // more room than is used: no new array
		copy(q.all, q.all[q.head:])
		clear(q.all[n:])
		q.all, q.head = q.all[:n], 0
	}
	q.all = append(q.all, i)
	first := n == 0 || (n+1)%maxBatch == 0
	q.mu.Unlock()
	if first {
		q.nudge()
	}
	return true
}

func (q *queue) nudge() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// take takes a batch, the oldest first. Call done when it is written or given up.
func (q *queue) take(into []item) []item {
	q.mu.Lock()
	defer q.mu.Unlock()
	waiting := q.all[q.head:]
	batch := waiting[:min(len(waiting), maxBatch)]
	into = append(into[:0], batch...)
	clear(batch) // notes
	q.taken += len(batch)
	if q.head += len(batch); q.head < len(q.all) {
		q.nudge()
		return into
	}
	if q.all, q.head = q.all[:0], 0; cap(q.all) > 4*maxBatch { // of a peak
		q.all = nil
	}
	return into
}

func (q *queue) done(n int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.taken -= n
}

// back queues again what could not be written, first, as far as there is room. It
// returns how many had none.
func (q *queue) back(batch []item) (dropped int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	waiting := q.all[q.head:]
	if dropped = min(max(len(batch)+len(waiting)-maxQueue, 0), len(batch)); dropped > 0 {
		batch = batch[dropped:]
	}
	if len(batch) > 0 {
		q.all, q.head = append(append(make([]item, 0, len(batch)+len(waiting)), batch...), waiting...), 0
	}
	return dropped
}

// wrote notes how long an item had waited.
func (q *queue) wrote(lag time.Duration) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.lag, q.most = lag, max(q.most, lag)
}

// state returns how many items are not written yet, and how long the oldest of those
// that wait has, or the last had.
func (q *queue) state() (n int, lag time.Duration) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if lag = q.lag; q.head < len(q.all) {
		lag = max(lag, time.Since(q.all[q.head].at))
	}
	return len(q.all) - q.head + q.taken, lag
}

// worst returns the longest wait since it was called last.
func (q *queue) worst() time.Duration {
	q.mu.Lock()
	defer q.mu.Unlock()
	most := q.most
	q.most = 0
	if q.head < len(q.all) {
		most = max(most, time.Since(q.all[q.head].at))
	}
	return most
}

// recent remembers connections for a time: what was published and counted of
// them. It forgets what was not used for long. Safe for concurrent use.
type recent struct {
	since time.Time // what times of connections are counted from

	mu         sync.Mutex
	young, old map[ends]conn
	asked      map[ends]*asked          // those of young that mail servers asked about
	askedOld   map[ends]*asked          // those of old
	hosts      map[netip.Prefix]written // by-address notes that were published lately
	elements   map[uint64]int64         // by hash, when each was added to its sketch
	added      map[netip.Prefix]added   // to sketches, of each network
}

// added is how many elements a network added since a time.
type added struct{ at, n int64 }

// maxAdded is how many elements a network may add to sketches within hostEvery: a
// client that has a new name or TLS hello for each connection would make a key of
// each, for store.age. A sender has a few.
const maxAdded = 100

// ends are a connection's. They and conn have no pointers: there are many, and while
// the garbage collector looks at them it takes the time from look-ups.
type ends struct{ client, server end }

type end struct {
	addr [16]byte
	port uint16
}

func endsOf(client, server netip.AddrPort) ends {
	return ends{end{client.Addr().As16(), client.Port()}, end{server.Addr().As16(), server.Port()}}
}

// conn is one connection. Times are since recent.since.
type conn struct {
	began  time.Duration // when it was seen first
	opened time.Duration // the handshake; 0: it was not seen
	said   uint64        // sum of what was published of the session

	ended, published bool
}

// asked is what came of the questions of mail servers about a connection.
type asked struct {
	counted counted // what was counted already
	past    *past   // of its address, before it; nil: not read
	counts  counts
}

// written is a by-address note that was published.
type written struct {
	at  time.Time
	sum uint64
}

const sameConn = 2 * time.Hour

func (r *recent) make() {
	r.young, r.old, r.asked, r.askedOld = make(map[ends]conn), nil, make(map[ends]*asked), nil
	r.hosts, r.elements = make(map[netip.Prefix]written), make(map[uint64]int64)
	r.added = make(map[netip.Prefix]added)
}

// get returns a connection, which may be a new one. A handshake begins a new one.
// What is changed in it is to be put back. The lock is held.
func (r *recent) get(e ends, fresh bool, now time.Time) conn {
	c, known := r.young[e]
	if !known && !fresh {
		if c, known = r.old[e]; known {
			a := r.askedOld[e]
			if r.put(e, c); a != nil {
				r.asked[e] = a
			}
		}
	}
	if at := max(now.Sub(r.since), 1); fresh || !known || at-c.began > sameConn {
		c = conn{began: at}
		r.put(e, c)
		delete(r.asked, e)
	}
	return c
}

func (r *recent) put(e ends, c conn) {
	if _, known := r.young[e]; !known && len(r.young) >= maxRecent {
		r.young, r.old = make(map[ends]conn), r.young
		r.asked, r.askedOld = make(map[ends]*asked), r.asked
	}
	r.young[e] = c
}

// questions returns what came of the questions about a connection that get returned.
func (r *recent) questions(e ends) *asked {
	a := r.asked[e]
	if a == nil {
		a = new(asked)
		r.asked[e] = a
	}
	return a
}

// publishes reports whether a by-address note is to be published: another than the
// last, or the last is old.
func (r *recent) publishes(p netip.Prefix, sum uint64, now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if w, ok := r.hosts[p]; ok && w.sum == sum && now.Sub(w.at) < hostEvery {
		return false
	}
	if len(r.hosts) >= maxRecent {
		clear(r.hosts)
	}
	r.hosts[p] = written{now, sum}
	return true
}

// adds reports whether an element is to be added to a sketch: it was not lately.
// A server that comes daily says the same name a thousand times. p is the network
// whose client brings it.
func (r *recent) adds(p netip.Prefix, key, element string, now time.Time) bool {
	var h maphash.Hash
	h.SetSeed(sumSeed)
	h.WriteString(key)
	h.WriteByte(0)
	h.WriteString(element)
	sum := h.Sum64()
	r.mu.Lock()
	defer r.mu.Unlock()
	if at, ok := r.elements[sum]; ok && now.UnixNano() >= at && now.UnixNano()-at < int64(hostEvery) { // the clock may be set back
		return false
	}
	a := r.added[p]
	if age := now.UnixNano() - a.at; age < 0 || age >= int64(hostEvery) {
		a = added{at: now.UnixNano()}
	}
	if a.n++; a.n > maxAdded {
		return false
	}
	if len(r.added) >= maxRecent {
		clear(r.added)
	}
	r.added[p] = a
	if len(r.elements) >= maxRecent {
		clear(r.elements)
	}
	r.elements[sum] = now.UnixNano()
	return true
}

// lost forgets what the server may not have.
func (r *recent) lost() {
	r.mu.Lock()
	defer r.mu.Unlock()
	clear(r.hosts)
	clear(r.elements)
	clear(r.added)
}

// hostEvery is how often the note of an address is published that does not change, and
// an element added to a sketch that has it.
const hostEvery = 10 * time.Minute

// forget forgets all.
func (r *recent) forget() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.make()
}
