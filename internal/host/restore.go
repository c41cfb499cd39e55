package host

import (
	"encoding/binary"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/mxprint/mxprint/internal/signature"
)

// Restored is what Restore took from a snapshot.
type Restored struct {
	Hosts, Conns int           // that the tables hold now
	Age          time.Duration // of the snapshot
	SetBack      time.Duration // how far the clock was set back since: ages go on from the snapshot
}

// gapTime is how long the sensor may have seen nothing before a connection can
// have ended meanwhile, and its ports be used for the next one.
const gapTime = handshakeTime * time.Millisecond

// Restore takes what an earlier process knew into empty tables of one Share. at
// is the time now, and of returns the table of a client. What does not fit into
// the bounds of the tables is left out, the oldest first, as is what they would
// have forgotten by now. After an error the tables are empty.
func Restore(r io.Reader, at time.Time, tables []*Table, of func(netip.Addr) *Table) (Restored, error) {
	s := &restorer{tables: tables, of: of, now: at.UnixMicro(), blocks: blockReader{r: r}}
	if err := s.run(); err != nil {
		for _, t := range tables {
			t.forget()
			t.ShareSeed(tables[0]) // and not that of the snapshot
		}
		return Restored{}, err
	}
	for _, t := range tables {
		t.at, t.now = s.now, uint32(s.now/1e6)
		s.result.Hosts += t.hosts.count()
		s.result.Conns += t.conns.count()
	}
	return s.result, nil
}

// forget empties the table.
func (t *Table) forget() {
	t.hosts, t.extras, t.conns = newHosts(t.cfg.mostHosts()), slab[extraRec]{}, newConns(t.cfg.Recent)
	t.hosts.shares = newShares(t.cfg.MaxHosts - t.cfg.Unverified)
}

// restorer reads one snapshot.
type restorer struct {
	tables []*Table
	of     func(netip.Addr) *Table
	blocks blockReader
	now    int64 // microseconds since 1970
	back   int64 // the clock was set back so far
	gap    bool  // connections can have ended meanwhile
	labels []uint16
	links  []uint16
	result Restored
	ahead  []column[hostRec] // of each table, for touch
	sent   int               // hosts, or more, for which the lane has blocks

	batch  [together]restored // of hosts
	warm   uint32
	some   [together]restoredConn
	warmed uint32
}

// restored is a host with what is found for it.
type restored struct {
	rec   hostRec
	extra extraRec
	has   bool // extra
	table *Table
}

// restoredConn is a connection with what is found for it.
type restoredConn struct {
	rec   connRec
	rival synRec
	has   bool // rival
	hash  uint32
	table *Table
}

func (s *restorer) run() error {
	line := make([]byte, len(snapshotLine))
	if _, err := io.ReadFull(s.blocks.r, line); err != nil {
		return cut(err)
	}
	switch text := string(line); {
	case text == snapshotLine:
	case strings.HasPrefix(text, snapshotName):
		return fmt.Errorf("%w, but %q", errForeign, text[len(snapshotName):])
	default:
		return errForeign
	}
	s.labels, s.links = []uint16{0}, []uint16{0}
	spare := make(chan []byte, 2*(laneBlocks+2)) // never full: each lane has one in hand, and one comes
	for range cap(spare) {
		spare <- make([]byte, maxBlock)
	}
	hosts, conns := newLane(spare, s.hosts), newLane(spare, s.conns)
	err := s.read(hosts, conns, spare)
	for _, l := range []*lane{hosts, conns} {
		close(l.full)
		if failed := <-l.ended; err == nil {
			err = failed
		}
	}
	return err
}

// lane takes records beside the reading, on a goroutine of its own: hosts and
// connections know nothing of each other.
type lane struct {
	full  chan []byte // blocks: the list, and records
	ended chan error
}

const laneBlocks = 4 // that may wait for a lane

// newLane makes a lane that gives blocks back as spare.
func newLane(spare chan<- []byte, take func(list uint8, records []byte) error) *lane {
	l := &lane{make(chan []byte, laneBlocks), make(chan error, 1)}
	go func() {
		var err error
		for b := range l.full {
			if err == nil {
				err = take(b[0], b[1:])
			}
			spare <- b[:maxBlock]
		}
		l.ended <- err
	}()
	return l
}

// read reads all blocks, in their order: what names labels comes before what has
// them.
func (s *restorer) read(hosts, conns *lane, spare <-chan []byte) error {
	s.blocks.buf = <-spare
	for records, first := false, true; ; first = false {
		kind, b, err := s.blocks.next()
		switch {
		case err != nil:
			return err
		case first != (kind == blockBegin):
			return errDamaged
		case kind == blockEnd:
			return nil
		case kind != blockHosts && kind != blockConns:
			if records {
				return errDamaged
			}
			if err := s.block(kind, b); err != nil {
				return err
			}
			continue
		case len(b) == 0 || b[0] > verified:
			return errDamaged
		}
		if records = true; kind == blockHosts {
			s.touch(len(b) / hostBytes)
			hosts.full <- b
		} else {
			conns.full <- b
		}
		s.blocks.buf = <-spare
	}
}

// block takes a block that comes before the records.
func (s *restorer) block(kind byte, b []byte) error {
	db := s.tables[0].db
	switch kind {
	case blockBegin:
		return s.begin(b)
	case blockLabel:
		texts, ok := texts(b, 4)
		if !ok || len(s.labels) > maxNames {
			return errDamaged
		}
		label := &signature.Label{Generic: texts[0] == "g", Class: texts[1], Name: texts[2], Flavor: texts[3]}
		s.labels = append(s.labels, uint16(db.FindLabel(label)))
	case blockLink:
		texts, ok := texts(b, 1)
		if !ok || len(s.links) > maxNames {
			return errDamaged
		}
		s.links = append(s.links, uint16(db.FindLink(texts[0])))
	default:
		return errDamaged
	}
	return nil
}

// maxNames bounds labels and links: records name them with 16 bits.
const maxNames = 1<<16 - 1

// texts reads that many texts.
func texts(b []byte, count int) (list []string, ok bool) {
	for range count {
		if len(b) < 2 {
			return nil, false
		}
		size := int(binary.LittleEndian.Uint16(b))
		if b = b[2:]; len(b) < size {
			return nil, false
		}
		list, b = append(list, string(b[:size])), b[size:]
	}
	return list, len(b) == 0
}

func (s *restorer) begin(b []byte) error {
	if len(b) != beginning {
		return errDamaged
	}
	le := binary.LittleEndian
	then := int64(le.Uint64(b))
	if s.back = then - s.now; s.back < 0 {
		s.back = 0
	}
	if then <= 0 || s.back > s.now {
		return errDamaged
	}
	s.result.SetBack = time.Duration(s.back) * time.Microsecond
	s.result.Age = time.Duration(max(s.now-then, 0)) * time.Microsecond
	s.gap = s.back > 0 || s.result.Age > gapTime
	if s.result.Age > s.tables[0].cfg.HostAge {
		return fmt.Errorf("%w: it is of %s", errOld, time.UnixMicro(then).UTC().Format(time.DateTime))
	}
	hosts, conns := int(le.Uint32(b[24:]))/len(s.tables), int(le.Uint32(b[28:]))/len(s.tables)
	var reserved sync.WaitGroup
	for _, t := range s.tables {
		t.conns.seed = [2]uint64{le.Uint64(b[8:]), le.Uint64(b[16:])}
		reserved.Go(func() {
			t.conns.reserve(min(conns, t.conns.size))
			// Of each connection another source, and no growing while they come.
			t.conns.shares.count = make(map[uint64]uint32, min(conns, t.conns.size/2))
		})
		t.hosts.reserve(min(hosts, t.cfg.MaxHosts))
		s.ahead = append(s.ahead, t.hosts.upTo(min(hosts, t.cfg.MaxHosts)))
	}
	reserved.Wait()
	return nil
}

// touch has the kernel give the memory for the records of a block's hosts while
// the lane enters those before them: it takes as long as to enter them. Where they
// go is not decided yet, but the lane has used no more records of a table than
// hosts it got.
func (s *restorer) touch(hosts int) {
	for _, c := range s.ahead {
		c.touch(s.sent+firstRecord, s.sent+firstRecord+hosts)
	}
	s.sent += hosts
}

// reserve makes room for that many records in an empty index.
func (x *index) reserve(records int) {
	size := len(x.slots)
	for 2*size/3 <= records {
		size *= 2
	}
	x.slots = make([]slot, size)
	x.touchPages()
}

// hosts takes a block of hosts. It first looks at what each of them will need, as
// UpdateAll does.
func (s *restorer) hosts(list uint8, b []byte) error {
	for len(b) > 0 {
		n := 0
		for ; n < len(s.batch) && len(b) > 0; n++ {
			h := &s.batch[n]
			if len(b) < hostBytes {
				return errDamaged
			}
			h.has = h.rec.get(b)
			b = b[hostBytes:]
			if h.has {
				if len(b) < extraBytes {
					return errDamaged
				}
				h.extra.get(b)
				b = b[extraBytes:]
			}
			a := h.rec.address()
			h.table = s.of(a)
			h.rec.hash = h.table.hosts.hashOf(a)
		}
		for i := range s.batch[:n] { // a loop of its own, so that more of them wait at a time
			s.warm += s.batch[i].table.hosts.place(s.batch[i].rec.hash).n
		}
		for i := range s.batch[:n] {
			if err := s.host(list, &s.batch[i]); err != nil {
				return err
			}
		}
	}
	return nil
}

// address is the address of the record.
func (r *hostRec) address() netip.Addr {
	if r.v6 {
		return netip.AddrFrom16(r.addr)
	}
	return netip.AddrFrom4([4]byte(r.addr[12:]))
}

func (s *restorer) host(list uint8, h *restored) error {
	t, r := h.table, &h.rec
	if int(r.label) >= len(s.labels) || int(r.link) >= len(s.links) || int(h.extra.http.app) >= len(s.labels) && h.has {
		return errDamaged
	}
	r.label, r.link = s.labels[r.label], s.links[r.link]
	for _, at := range []*uint32{&r.firstSeen, &r.lastSeen, &r.lastNAT, &r.lastChg} {
		*at = s.seconds(*at)
	}
	if s.now/1e6-int64(r.lastSeen) > int64(t.cfg.HostAge/time.Second) {
		return nil
	}
	if n := t.hosts.find(r.address(), r.hash); n != none {
		t.hosts.at(n).join(r) // the mail server itself: each table had it
		return nil
	}
	if t.full() {
		t.pruneHosts()
	}
	n := t.hosts.take()
	if h.has {
		r.extra = t.extras.take()
		h.extra.http.relabel(s.labels)
		*t.extras.at(r.extra) = h.extra
	}
	*t.hosts.at(n) = *r
	t.hosts.insert(n, r.hash)
	t.hosts.push(n, unverified)
	if list == verified {
		t.verifyHost(n)
	}
	return nil
}

// seconds is a time of the snapshot by the clock of now; 0 stays "never".
func (s *restorer) seconds(at uint32) uint32 {
	if at == 0 {
		return 0
	}
	return uint32(min(max(int64(at)-s.back/1e6, 1), s.now/1e6))
}

// join adds what another table knew of the host, which is older.
func (r *hostRec) join(o *hostRec) {
	r.totalConn += o.totalConn
	r.syns += o.syns
	r.handshakes += o.handshakes
	r.firstSeen, r.lastSeen = min(r.firstSeen, o.firstSeen), max(r.lastSeen, o.lastSeen)
}

// conns takes a block of connections, as hosts does.
func (s *restorer) conns(list uint8, b []byte) error {
	for len(b) > 0 {
		n := 0
		for ; n < len(s.some) && len(b) > 0; n++ {
			c := &s.some[n]
			if len(b) < connBytes {
				return errDamaged
			}
			has, ok := c.rec.get(b)
			c.rival = synRec{}
			if b = b[connBytes:]; has {
				if len(b) < synBytes {
					return errDamaged
				}
				ok = c.rival.get(b) && ok
				b = b[synBytes:]
			}
			if c.has = has; !ok || int(c.rec.syn.label) >= len(s.labels) || int(c.rival.label) >= len(s.labels) {
				return errDamaged
			}
			c.table = s.of(address(&c.rec.client, c.rec.syn.is&isV6 != 0))
			c.hash = c.table.conns.keyOf(c.rec.client, c.rec.clientPort)
		}
		for i := range s.some[:n] {
			s.warmed += s.some[i].table.conns.place(s.some[i].hash).n
		}
		if list == verified {
			for i := range s.some[:n] {
				c := &s.some[i]
				s.warmed += c.table.conns.shares.count[sourceOf(&c.rec.client, c.rec.syn.is&isV6 != 0)]
			}
		}
		for i := range s.some[:n] {
			if err := s.conn(list, &s.some[i]); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *restorer) conn(list uint8, r *restoredConn) error {
	r.rec.syn.label, r.rival.label = s.labels[r.rec.syn.label], s.labels[r.rival.label]
	r.rec.at -= uint32(s.back / 1000)
	if s.gap {
		r.rec.is |= isOver
	}
	c := &r.table.conns
	if c.size == 0 || s.gap && r.table.cfg.Trusted {
		return nil // nothing says which connections are there still
	}
	n, ok := c.restore(&r.rec, r.hash)
	if !ok {
		return errDamaged
	}
	if r.has {
		k := c.rivals.take()
		*c.rivals.at(k) = r.rival
		c.at(n).rival = k
	}
	if list == verified {
		c.verify(n)
	}
	return nil
}

// mostTogether is how many records may lie together in an index that was written
// by add, which is at most two thirds full.
const mostTogether = 4096

// restore enters a record, and returns false where add would not have: more of
// one client's end than connServers, or a row of used slots too long for a seed
// that is random.
func (c *conns) restore(r *connRec, hash uint32) (n uint32, ok bool) {
	mask, among := uint32(len(c.slots)-1), 0
	for k := range uint32(len(c.slots)) {
		s := c.slots[(hash+k)&mask]
		if s.n == none {
			break
		}
		if s.hash == hash {
			among++
		}
		if among > connServers || k > mostTogether {
			return none, false
		}
	}
	if c.count() >= c.size {
		n := c.age.oldest(unverified)
		if n == none {
			n = c.age.oldest(verified)
		}
		c.drop(n)
	}
	n = c.take()
	*c.at(n) = *r
	c.insert(n, hash)
	c.push(n, unverified)
	return n, true
}
