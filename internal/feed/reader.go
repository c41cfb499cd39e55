package feed

import (
	"strconv"
	"strings"
)

// Event is a connection that is new or has changed.
type Event struct {
	ID string // where a reader goes on
	Connection
}

// Reader follows a Feed. It has no queue of its own: it reads the events that
// the feed keeps, and a slow one finds that some have gone. Not safe for
// concurrent use.
type Reader struct {
	feed   *Feed
	filter *Filter
	next   uint64 // event to read
}

// Follow returns a Reader of what comes from now on; after the event with an
// ID, where that is of this process. lostAll says that it is of another one: what
// came in between is not known.
func (f *Feed) Follow(filter *Filter, after string) (r *Reader, lostAll bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	r = &Reader{feed: f, filter: filter, next: f.seq + 1}
	epoch, number, _ := strings.Cut(after, "-")
	n, err := strconv.ParseUint(number, 36, 64)
	switch {
	case after == "":
	case err != nil || epoch != f.epoch || n > f.seq:
		return r, true
	default:
		r.next = n + 1
	}
	return r, false
}

// Position is the ID of the last event that was read.
func (r *Reader) Position() string { return r.feed.epoch + "-" + strconv.FormatUint(r.next-1, 36) }

// Read returns up to limit events that have come, without waiting, and how many
// were lost before them because the reader was slow. Of a connection that has
// changed several times the last event alone is there.
func (r *Reader) Read(limit int) (list []Event, lost uint64) {
	f := r.feed
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.seq >= maxEvents && r.next <= f.seq-maxEvents {
		lost = f.seq - maxEvents + 1 - r.next
		r.next += lost
	}
	for ; r.next <= f.seq && len(list) < limit; r.next++ {
		c := f.byN[f.events[r.next%maxEvents]]
		if c == nil || c.event != r.next {
			continue
		}
		if now := c.now(); r.filter.Takes(&now) {
			list = append(list, Event{f.epoch + "-" + strconv.FormatUint(r.next, 36), now})
		}
	}
	return list, lost
}
