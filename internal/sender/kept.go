package sender

import (
	"container/list"
	"net/netip"
	"time"

	"github.com/mxprint/mxprint/internal/stream"
	"github.com/mxprint/mxprint/note"
)

// kept is what is known of connections, those that are read included. An entry
// lives as long as its connection is read and for a time after, or until too
// many have ended since. Not safe for concurrent use.
type kept struct {
	most    int
	age     int64 // microseconds
	count   int
	newest  map[netip.AddrPort]*entry // by client; the others of a client's end follow by older
	over    *list.List                // of *entry: those not read any more, the oldest first
	sources map[uint64]int            // of over
}

// entry is one connection.
type entry struct {
	conn      *stream.Conn // while it is read
	over      *over        // from then on
	handshake time.Duration
	tls       *note.TLS // of its hello
	heard     *heard    // what a mail server reports; nil: nothing
	older     *entry    // of the same client's end, with another server
	fed       bool      // bytes from a program, not packets
}

// over is what is known of a connection that is not read any more.
type over struct {
	key   stream.Key
	note  *note.Note
	at    int64 // of its end
	place *list.Element
}

func (e *entry) key() stream.Key {
	if e.over != nil {
		return e.over.key
	}
	return e.conn.Key()
}

// mostServers is how many connections of one end of a client are known: more are
// those of a program that tries to make searches long.
const mostServers = 16

// shareOf is the part of over that one source may have: connections of one
// network do not make those of others unknown.
const shareOf = 16

func newKept(most int, age time.Duration) kept {
	return kept{most: most, age: age.Microseconds(), newest: make(map[netip.AddrPort]*entry),
		over: list.New(), sources: make(map[uint64]int)}
}

// find returns a connection, or nil.
func (k *kept) find(key stream.Key) *entry {
	e := k.newest[key.Client]
	for e != nil && e.key() != key {
		e = e.older
	}
	return e
}

// add adds a connection that is not there and is read from now on. It returns
// the one that gives way to it, or nil.
func (k *kept) add(conn *stream.Conn) *entry {
	client := conn.Key().Client
	e := &entry{conn: conn, older: k.newest[client]}
	k.newest[client] = e
	k.count++
	oldest, n := e, 1
	for ; oldest.older != nil; n++ {
		oldest = oldest.older
	}
	if n > mostServers {
		return oldest
	}
	return nil
}

// ended notes that the reading of a connection is over, with what it brought.
func (k *kept) ended(e *entry, n *note.Note, at int64) {
	key := e.key()
	e.conn, e.over = nil, &over{key: key, note: n, at: at}
	source := stream.SourceOf(key.Client.Addr())
	if k.sources[source] >= max(k.most/shareOf, 1) {
		k.drop(key)
		return
	}
	for k.over.Len() >= k.most {
		k.drop(k.over.Front().Value.(*entry).over.key)
	}
	e.over.place = k.over.PushBack(e)
	k.sources[source]++
}

// expire forgets what ended too long ago.
func (k *kept) expire(at int64) {
	for first := k.over.Front(); first != nil && at-first.Value.(*entry).over.at > k.age; first = k.over.Front() {
		k.drop(first.Value.(*entry).over.key)
	}
}

func (k *kept) drop(key stream.Key) {
	e := k.find(key)
	if e == nil {
		return
	}
	k.count--
	switch first := k.newest[key.Client]; {
	case first != e:
		for first.older != e {
			first = first.older
		}
		first.older = e.older
	case e.older != nil:
		k.newest[key.Client] = e.older
	default:
		delete(k.newest, key.Client)
	}
	if e.over == nil || e.over.place == nil {
		return
	}
	k.over.Remove(e.over.place)
	source := stream.SourceOf(key.Client.Addr())
	if k.sources[source]--; k.sources[source] == 0 {
		delete(k.sources, source)
	}
}
