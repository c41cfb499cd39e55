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
	all     map[stream.Key]*entry
	newest  map[netip.AddrPort]*entry // by client
	over    *list.List                // of *entry: those not read any more, the oldest first
	sources map[uint64]int            // of over
}

// entry is one connection.
type entry struct {
	key       stream.Key
	handshake time.Duration
	fed       bool      // bytes from a program, not packets
	tls       *note.TLS // of its hello
	done      *note.Note
	heard     *heard // what a mail server reports; nil: nothing
	at        int64  // of its begin, and then of its end
	place     *list.Element
}

// shareOf is the part of over that one source may have: connections of one
// network do not make those of others unknown.
const shareOf = 16

func newKept(most int, age time.Duration) kept {
	return kept{most: most, age: age.Microseconds(), all: make(map[stream.Key]*entry), newest: make(map[netip.AddrPort]*entry),
		over: list.New(), sources: make(map[uint64]int)}
}

func (k *kept) add(key stream.Key, at int64) {
	e := &entry{key: key, at: at}
	k.all[key], k.newest[key.Client] = e, e
}

// ended notes that the reading of a connection is over, with what it brought.
func (k *kept) ended(e *entry, n *note.Note, at int64) {
	e.done, e.at = n, at
	source := stream.SourceOf(e.key.Client.Addr())
	if k.sources[source] >= max(k.most/shareOf, 1) {
		k.drop(e.key)
		return
	}
	for k.over.Len() >= k.most {
		k.drop(k.over.Front().Value.(*entry).key)
	}
	e.place = k.over.PushBack(e)
	k.sources[source]++
}

// expire forgets what ended too long ago.
func (k *kept) expire(at int64) {
	for first := k.over.Front(); first != nil && at-first.Value.(*entry).at > k.age; first = k.over.Front() {
		k.drop(first.Value.(*entry).key)
	}
}

func (k *kept) drop(key stream.Key) {
	e := k.all[key]
	if e == nil {
		return
	}
	delete(k.all, key)
	if k.newest[key.Client] == e {
		delete(k.newest, key.Client)
	}
	if e.place == nil {
		return
	}
	k.over.Remove(e.place)
	source := stream.SourceOf(key.Client.Addr())
	if k.sources[source]--; k.sources[source] == 0 {
		delete(k.sources, source)
	}
}
