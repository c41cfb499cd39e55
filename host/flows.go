package host

// flows is the table of connections under way, ordered by creation. A flow
// names its ends by host record: a flow keeps both hosts in the table.
type flows struct {
	slab[flowRec]
	index
	age   ageList
	count int
}

// flowRec is one connection, from its SYN until it has nothing more to tell.
type flowRec struct {
	client, server         uint32 // host records
	hash                   uint32
	links                  links
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
	proved                 bool // the handshake is complete

	_ [8]byte // a cache line
}

func newFlows() flows {
	return flows{index: newIndex()}
}

// find returns the flow between two ends, in whichever direction, or none.
func (f *flows) find(hash, a uint32, aPort uint16, b uint32, bPort uint16) uint32 {
	mask := uint32(len(f.slots) - 1)
	for i := hash & mask; f.slots[i].n != none; i = (i + 1) & mask {
		if f.slots[i].hash != hash {
			continue
		}
		if r := f.at(f.slots[i].n); r.isFrom(a, aPort, b, bPort) || r.isFrom(b, bPort, a, aPort) {
			return f.slots[i].n
		}
	}
	return none
}

// isFrom reports whether a packet from one end to the other is from the
// client.
func (r *flowRec) isFrom(src uint32, srcPort uint16, dst uint32, dstPort uint16) bool {
	return r.client == src && r.clientPort == srcPort && r.server == dst && r.serverPort == dstPort
}

func (f *flows) add(hash uint32) uint32 {
	n := f.take()
	f.at(n).hash = hash
	f.insert(n, hash)
	f.age.push(n, f.linksOf)
	f.count++
	return n
}

func (f *flows) delete(n uint32) {
	f.age.drop(n, f.linksOf)
	f.remove(n, f.at(n).hash)
	f.give(n)
	f.count--
}

func (f *flows) linksOf(n uint32) *links { return &f.at(n).links }
