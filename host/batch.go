package host

import (
	"encoding/binary"
	"net/netip"

	"github.com/mxprint/mxprint/packet"
)

// An Input is one frame that passed the capture filter.
type Input struct {
	At      int64 // time of capture, microseconds since 1970
	Decoded bool  // the frame holds Segment
	Segment packet.Segment
	Payload []byte // what was captured of the segment's data
}

// warm pays where so many segments come together, among so many hosts that not
// all are in the cache.
const (
	fewest    = 4
	manyHosts = 16_384
)

// UpdateAll is Frame and Update for frames that came one after the other. It
// first looks at what each of them will need, all at once: among millions of
// hosts each look waits for main memory, and these waits then overlap.
func (t *Table) UpdateAll(batch []Input) {
	if len(batch) >= fewest && t.hosts.count >= manyHosts {
		t.warm(batch)
	}
	for i := range batch {
		in := &batch[i]
		t.Frame(in.At)
		if in.Decoded {
			t.Update(&in.Segment, in.Payload)
		}
	}
}

// warmed is how many frames warm looks at together.
const warmed = 64

// warm brings index slots, host records and their neighbours in age into the
// cache, in three rounds of looks of which none waits for another. It changes
// nothing.
func (t *Table) warm(batch []Input) {
	var records [warmed]uint32
	var sum uint32
	batch = batch[:min(len(batch), warmed)]
	for i := range batch {
		records[i] = none
		if in := &batch[i]; in.Decoded && in.Segment.Type == packet.SYN {
			hash := t.hosts.hashOf(in.Segment.Src.Addr())
			if s := t.hosts.place(hash); s.hash == hash {
				records[i] = s.n
			}
		}
	}
	for i, n := range records[:len(batch)] {
		if n == none {
			continue
		}
		r := t.hosts.at(n)
		sum += r.client.last.ts1 // the other cache line of a record
		records[i] = r.links.older
		if newer := r.links.newer; newer != none {
			sum += t.hosts.at(newer).links.newer
		}
	}
	for _, n := range records[:len(batch)] {
		if n != none {
			sum += t.hosts.at(n).links.older
		}
	}
	t.warmth = sum
}

// warmOldest is warm for the clients of the oldest flows, which are to go: their
// records were last looked at when the flows began.
func (t *Table) warmOldest(count int) {
	var sum uint32
	for n := t.flows.age.oldest; n != none && count > 0; count-- {
		f := t.flows.at(n)
		sum += t.hosts.at(f.client).flows
		n = f.links.newer
	}
	t.warmth = sum
}

// hashOf is the hash of an address in the index.
func (h *hosts) hashOf(a netip.Addr) uint32 {
	if a.Is4() {
		b := a.As4()
		return h.hash(uint64(binary.LittleEndian.Uint32(b[:])), 1<<63)
	}
	key := a.As16()
	return h.hashKey(&key, true)
}
