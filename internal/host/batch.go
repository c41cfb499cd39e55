package host

import (
	"github.com/mxprint/mxprint/packet"
)

// An Input is one frame that passed the capture filter.
type Input struct {
	At      int64 // time of capture, microseconds since 1970
	Decoded bool  // the frame holds Segment
	Segment packet.Segment
	Payload []byte // what was captured of the segment's data

	ahead matched // of a SYN that Ahead has matched
}

// manyHosts is from how many hosts on prefetch pays: not all are in the cache then.
const manyHosts = 4096

// together is how many frames UpdateAll looks at together.
const together = 64

// UpdateAll is Frame and Update for frames that came one after the other. It
// first looks at what each of them will need, all at once: among millions of
// hosts each look waits for main memory, and these waits then overlap.
func (t *Table) UpdateAll(batch []Input) {
	for len(batch) > 0 {
		n := min(len(batch), together)
		t.updateAll(batch[:n])
		batch = batch[n:]
	}
}

func (t *Table) updateAll(batch []Input) {
	var hashes [together]uint32
	for i := range batch {
		if batch[i].Decoded {
			hashes[i] = t.hosts.hashOf(batch[i].Segment.Src.Addr())
		}
	}
	if t.hosts.count() >= manyHosts {
		t.prefetch(batch, &hashes)
	}
	for i := range batch {
		in := &batch[i]
		t.Frame(in.At)
		if in.Decoded {
			t.ahead = &in.ahead
			t.update(&in.Segment, in.Payload, hashes[i])
		}
	}
	t.ahead = nil
}

// prefetch loads index slots, then host records, then their neighbours in age,
// so that the cache misses of a batch overlap; also the records that unknown
// addresses will evict. It changes nothing.
func (t *Table) prefetch(batch []Input, hashes *[together]uint32) {
	var records [together]uint32
	var sum uint32
	unknown := 0
	for i := range batch {
		records[i] = none
		if in := &batch[i]; in.Decoded && in.Segment.Type == packet.SYN {
			if s := t.hosts.place(hashes[i]); s.hash == hashes[i] {
				records[i] = s.n
			} else {
				unknown++
			}
		}
	}
	if unknown > 0 && t.full() {
		sum += t.hosts.prefetchOldest(unknown)
	}
	for _, n := range records[:len(batch)] {
		if n == none {
			continue
		}
		r, l := t.hosts.at(n), t.hosts.age.at(n)
		sum += r.flows + r.client.last.ts1 // both its cache lines
		sum += t.hosts.age.at(l.older).newer + t.hosts.age.at(l.newer).older
	}
	t.prefetched = sum
}

// prefetchOldest looks at what forgetting that many of the oldest hosts will need,
// and who gets their records.
func (h *hosts) prefetchOldest(count int) (sum uint32) {
	for n := h.age.oldest(unverified); n != none && count > 0; count-- {
		r := h.at(n)
		sum += h.place(r.hash).n + r.client.last.ts1
		n = h.age.newer(n)
	}
	return sum
}

// prefetchClients is prefetch for the clients of the oldest flows, which are to go: their
// records were last looked at when the flows began.
func (t *Table) prefetchClients(count int) {
	var sum uint32
	for n := t.flows.oldest(); n != none && count > 0; count-- {
		sum += t.hosts.at(t.flows.at(n).client).flows
		n = t.flows.age.newer(n)
	}
	t.prefetched = sum
}
