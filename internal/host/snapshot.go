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
// that its seed is in the snapshot.
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
	for _, list := range []uint8{verified, unverified} { // what may evict comes last
		b.hosts(list, tables)
		b.conns(list, tables)
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

// hosts writes one list of all tables, the oldest first.
func (b *blockWriter) hosts(list uint8, tables []*Table) {
	b.flush()
	var cursors []cursor
	for _, t := range tables {
		cursors = append(cursors, cursor{&t.hosts.age, t.hosts.age.oldest(uint32(list)), func(n uint32) uint32 { return t.hosts.at(n).lastSeen }})
	}
	inOrder(cursors, func(i int, n uint32) bool {
		if b.size+hostBytes+extraBytes > maxBlock {
			b.flush()
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
		return b.err == nil
	})
}

// conns writes one list of all tables, the oldest first.
func (b *blockWriter) conns(list uint8, tables []*Table) {
	b.flush()
	var cursors []cursor
	for _, t := range tables {
		cursors = append(cursors, cursor{&t.conns.age, t.conns.age.oldest(uint32(list)), func(n uint32) uint32 { return t.conns.at(n).at }})
	}
	inOrder(cursors, func(i int, n uint32) bool {
		if b.size+connBytes+synBytes > maxBlock {
			b.flush()
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
		return b.err == nil
	})
}

// cursor is a place in a list of a table; when is the time of a record there.
type cursor struct {
	age  *ages
	n    uint32
	when func(n uint32) uint32
}

// inOrder calls f with the records of all cursors, the oldest first, until it
// returns false.
func inOrder(all []cursor, f func(i int, n uint32) bool) {
	for {
		next := -1
		for i := range all {
			if all[i].n == none {
				continue
			}
			if next < 0 || int32(all[i].when(all[i].n)-all[next].when(all[next].n)) < 0 {
				next = i
			}
		}
		if next < 0 || !f(next, all[next].n) {
			return
		}
		all[next].n = all[next].age.newer(all[next].n)
	}
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
	buf [maxBlock]byte
}

// next returns the kind and the records of the next block, valid until the next
// call.
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
