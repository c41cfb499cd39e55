package host

// flows is the table of connections under way, ordered by creation. A flow
// names its ends by host record: a flow keeps both hosts in the table.
//
// Flows come and go with each connection, and most searches find none: chains
// make that cheaper than an index. Heads are two to four times as many as flows.
type flows struct {
	slab[flowRec]
	heads []uint32 // by hash, the newest flow of a chain
	age   ages
	count int
}

// flowRec is one connection, from its SYN until it can show nothing more.
type flowRec struct {
	client, server         uint32 // host records
	hash                   uint32
	chain                  uint32    // the next flow whose hash begins the same
	created                uint32    // seconds of packet time
	next                   [2]uint32 // sequence number expected of each role
	partial                uint32    // record of an unfinished HTTP header, or none
	clientPort, serverPort uint16
	mss                    uint16    // of the SYN
	data                   [2]uint16 // payload bytes seen of each role, up to http1.MaxData
	uptime                 [2]int16  // 0 undecided, -1 given up, else ticks a second
	http                   httpState
	answered               bool // a SYN+ACK was seen
	probe                  bool // the SYN was p0f's own probe
	verified               bool // the handshake is complete

	_ [12]byte // a cache line
}

func newFlows(most int) flows {
	return flows{slab: newSlab[flowRec](most), heads: make([]uint32, 1024), age: newAges(most)}
}

// find returns the flow between two ends, in whichever direction, or none.
func (f *flows) find(hash, a uint32, aPort uint16, b uint32, bPort uint16) uint32 {
	n := *f.head(hash)
	for n != none {
		r := f.at(n)
		if r.hash == hash && (r.isFrom(a, aPort, b, bPort) || r.isFrom(b, bPort, a, aPort)) {
			break
		}
		n = r.chain
	}
	return n
}

func (f *flows) head(hash uint32) *uint32 { return &f.heads[hash&uint32(len(f.heads)-1)] }

// isFrom reports whether a packet from one end to the other is from the
// client.
func (r *flowRec) isFrom(src uint32, srcPort uint16, dst uint32, dstPort uint16) bool {
	return r.client == src && r.clientPort == srcPort && r.server == dst && r.serverPort == dstPort
}

// add makes a flow, the newest.
func (f *flows) add(hash uint32) uint32 {
	if f.count++; 2*f.count > len(f.heads) {
		f.spread()
	}
	n := f.take()
	r, head := f.at(n), f.head(hash)
	r.hash, r.chain = hash, *head
	*head = n
	f.age.push(0, n)
	return n
}

// spread doubles the chains.
func (f *flows) spread() {
	old := f.heads
	f.heads = make([]uint32, 2*len(old))
	for _, n := range old {
		for n != none {
			r := f.at(n)
			next, head := r.chain, f.head(r.hash)
			r.chain, *head = *head, n
			n = next
		}
	}
}

func (f *flows) delete(n uint32) {
	r := f.at(n)
	at := f.head(r.hash)
	for *at != n {
		at = &f.at(*at).chain
	}
	*at = r.chain
	f.age.drop(n)
	f.give(n)
	f.count--
}

// oldest returns the flow created first, or none.
func (f *flows) oldest() uint32 { return f.age.oldest(0) }
