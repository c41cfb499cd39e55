package host

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"time"

	"github.com/mxprint/mxprint/internal/signature"
)

// A snapshot is a line that names the format, and blocks: a byte that says what
// is in it, its length, a checksum, its records. Numbers are little-endian.
// Labels and links stand in it by name, so that the next process may have another
// database, and hosts by address, so that it may have other hash seeds and
// another number of workers. Only connections name their server by a hash, so
// that its seed is in the snapshot. Blocks of hosts and of connections come in any
// order; the records of each begin with the verified ones.
//
// What is not in it: the flows under way, and the last SYN of each host, so that
// scoring restarts as after a new database.
const (
	snapshotName = "mxprint memory "
	snapshotLine = snapshotName + "1\n" // another number for each change of the format

	maxBlock  = 1 << 16         // bytes of records in a block
	blockHead = 1 + 4 + 4       // of bytes before them
	beginning = 8 + 2*8 + 4 + 4 // bytes of the block with which it begins
)

// The kinds of blocks, in their order.
const (
	blockBegin byte = 'B' // when, the seed, how many hosts and connections
	blockLabel byte = 'L' // one label
	blockLink  byte = 'M' // one link
	blockHosts byte = 'H' // preceded by the list, as are connections
	blockConns byte = 'C'
	blockEnd   byte = 'E'
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Snapshot writes what tables of one Share know of hosts and connections, for
// Restore in a later process. at is the time now. The tables have the same
// database, and must not change meanwhile.
func Snapshot(w io.Writer, at time.Time, tables []*Table) error {
	if _, err := io.WriteString(w, snapshotLine); err != nil {
		return err
	}
	b := &blockWriter{w: w}
	b.begin(at, tables)
	hosts, conns := hostPart(tables), connPart(tables)
	for (hosts.left > 0 || conns.left > 0) && b.err == nil {
		if hosts.rest() >= conns.rest() { // mixed, because Restore takes them side by side
			b.hosts(tables, hosts)
		} else {
			b.conns(tables, conns)
		}
	}
	b.room(blockEnd, 0)
	b.flush()
	return b.err
}

// blockWriter gathers records. Each checksum goes on from that of the block
// before it, so that none can be missing.
type blockWriter struct {
	w    io.Writer
	kind byte // 0: nothing is gathered
	size int
	sum  uint32
	buf  [blockHead + maxBlock]byte
	err  error
}

// room returns where to write a record, of at most maxBlock bytes.
func (b *blockWriter) room(kind byte, size int) []byte {
	if b.kind != kind || b.size+size > maxBlock {
		b.flush()
		b.kind = kind
	}
	b.size += size
	return b.buf[blockHead+b.size-size : blockHead+b.size]
}

func (b *blockWriter) flush() {
	if b.kind == 0 || b.err != nil {
		return
	}
	records := b.buf[blockHead : blockHead+b.size]
	b.buf[0] = b.kind
	binary.LittleEndian.PutUint32(b.buf[1:], uint32(b.size))
	b.sum = crc32.Update(b.sum, castagnoli, b.buf[:5])
	b.sum = crc32.Update(b.sum, castagnoli, records)
	binary.LittleEndian.PutUint32(b.buf[5:], b.sum)
	_, b.err = b.w.Write(b.buf[:blockHead+b.size])
	b.kind, b.size = 0, 0
}

func (b *blockWriter) begin(at time.Time, tables []*Table) {
	le := binary.LittleEndian
	var hosts, conns int
	for _, t := range tables {
		hosts, conns = hosts+t.hosts.count(), conns+t.conns.count()
	}
	p := b.room(blockBegin, beginning)
	le.PutUint64(p, uint64(at.UnixMicro()))
	le.PutUint64(p[8:], tables[0].conns.seed[0])
	le.PutUint64(p[16:], tables[0].conns.seed[1])
	le.PutUint32(p[24:], uint32(hosts))
	le.PutUint32(p[28:], uint32(conns))
	db := tables[0].db
	for id := 1; db.Label(id) != nil; id++ {
		b.texts(blockLabel, labelTexts(db.Label(id)))
	}
	for id := 1; db.LinkName(id) != ""; id++ {
		b.texts(blockLink, []string{db.LinkName(id)})
	}
}

// labelTexts is what makes two labels the same.
func labelTexts(l *signature.Label) []string {
	kind := "s"
	if l.Generic {
		kind = "g"
	}
	return []string{kind, l.Class, l.Name, l.Flavor}
}

// texts writes a block of one record of texts. One that does not fit will be
// found in no database.
func (b *blockWriter) texts(kind byte, texts []string) {
	b.flush()
	for _, text := range texts {
		if len(text) > maxText {
			text = ""
		}
		p := b.room(kind, 2+len(text))
		binary.LittleEndian.PutUint16(p, uint16(len(text)))
		copy(p[2:], text)
	}
	b.flush()
}

const maxText = 4096

// hosts writes a block of hosts: the verified ones first, because the others may
// evict hosts, and the oldest of a list first.
func (b *blockWriter) hosts(tables []*Table, p *part) {
	for b.size+hostBytes+extraBytes <= maxBlock {
		list, i, n := p.next()
		if n == none {
			break
		}
		if b.size == 0 {
			b.room(blockHosts, 1)[0] = list
		}
		t := tables[i]
		r := t.hosts.at(n)
		r.put(b.room(blockHosts, hostBytes))
		if r.extra != none {
			t.extras.at(r.extra).put(b.room(blockHosts, extraBytes))
		}
	}
	b.flush()
}

// conns writes a block of connections, as hosts does.
func (b *blockWriter) conns(tables []*Table, p *part) {
	for b.size+connBytes+synBytes <= maxBlock {
		list, i, n := p.next()
		if n == none {
			break
		}
		if b.size == 0 {
			b.room(blockConns, 1)[0] = list
		}
		c := &tables[i].conns
		r := c.at(n)
		r.put(b.room(blockConns, connBytes))
		if r.rival != none {
			c.rivals.at(r.rival).put(b.room(blockConns, synBytes))
		}
	}
	b.flush()
}

// part is what is still to be written of hosts, or of connections.
type part struct {
	lists     [2][]cursor // by list, and by table
	list      uint8       // of a block
	all, left int         // records
}

// cursor is a place in a list of a table; when is the time of a record there.
type cursor struct {
	age  *ages
	n    uint32
	when func(n uint32) uint32
}

func hostPart(tables []*Table) *part {
	p := &part{list: verified}
	for _, t := range tables {
		h := &t.hosts
		p.add(&h.age, h.count(), func(n uint32) uint32 { return h.at(n).lastSeen })
	}
	return p
}

func connPart(tables []*Table) *part {
	p := &part{list: verified}
	for _, t := range tables {
		c := &t.conns
		p.add(&c.age, c.count(), func(n uint32) uint32 { return c.at(n).at })
	}
	return p
}

// add adds the lists of a table.
func (p *part) add(age *ages, records int, when func(n uint32) uint32) {
	for list := range p.lists {
		p.lists[list] = append(p.lists[list], cursor{age, age.oldest(uint32(list)), when})
	}
	p.all, p.left = p.all+records, p.left+records
}

// rest is the share that is still to be written.
func (p *part) rest() float64 { return float64(p.left) / float64(max(p.all, 1)) }

// next returns the oldest record of the list that was not returned yet, and the
// number of its table. After the last one it returns none once, and goes on with
// the other list.
func (p *part) next() (list uint8, table int, n uint32) {
	all := p.lists[p.list]
	table = -1
	for i := range all {
		if all[i].n == none {
			continue
		}
		if table < 0 || int32(all[i].when(all[i].n)-all[table].when(all[table].n)) < 0 {
			table = i
		}
	}
	if table < 0 {
		if p.list == unverified {
			p.left = 0
		}
		p.list = unverified
		return 0, 0, none
	}
	n = all[table].n
	all[table].n = all[table].age.newer(n)
	p.left--
	return p.list, table, n
}

// count is how many connections are remembered.
func (c *conns) count() int { return c.counts[unverified] + c.counts[verified] }

// Why a snapshot is refused.
var (
	errForeign = errors.New("host: not a snapshot of this version's format")
	errDamaged = errors.New("host: the snapshot is damaged")
	errOld     = errors.New("host: the snapshot is older than a host may be")
)

// blockReader checks what blockWriter wrote, a block at a time.
type blockReader struct {
	r   io.Reader
	sum uint32
	buf []byte // of maxBlock bytes, for the next block
}

// next returns the kind and the records of the next block, which lie in buf.
func (b *blockReader) next() (kind byte, records []byte, err error) {
	var head [blockHead]byte
	if _, err := io.ReadFull(b.r, head[:]); err != nil {
		return 0, nil, cut(err)
	}
	size := binary.LittleEndian.Uint32(head[1:])
	if size > maxBlock {
		return 0, nil, errDamaged
	}
	records = b.buf[:size]
	if _, err := io.ReadFull(b.r, records); err != nil {
		return 0, nil, cut(err)
	}
	b.sum = crc32.Update(b.sum, castagnoli, head[:5])
	b.sum = crc32.Update(b.sum, castagnoli, records)
	if b.sum != binary.LittleEndian.Uint32(head[5:]) {
		return 0, nil, errDamaged
	}
	return head[0], records, nil
}

// cut is the error of a snapshot that ends too early.
func cut(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errDamaged
	}
	return err
}
