package host

import (
	"math/bits"
	"math/rand/v2"
	"reflect"
)

// none is the record number of no record.
const none = 0

// column holds values by record number. They hold no pointers, so that the
// collector has nothing to scan however many there are. They lie one behind the
// other: with chunks to look up first a SYN costs an eighth more among ten
// thousand hosts, and a quarter among a million. So the address space for all
// there may be is asked for at the start; it takes memory as it is used.
type column[R any] struct {
	all []R
}

// mostReserved is how much address space a column asks for, in bytes. Beyond it
// growing means copying.
const mostReserved = 1 << (20 + 10*(^uintptr(0)>>63))

// newColumn returns a column for that many records.
func newColumn[R any](records int) column[R] {
	return column[R]{make([]R, 0, min(records+firstRecord, mostReserved/sizeOf[R]()))}
}

func sizeOf[R any]() int { return int(reflect.TypeFor[R]().Size()) }

func (c *column[R]) at(n uint32) *R { return &c.all[n] }

// reach makes room for number n, which is zero at first. Pointers into the
// column may then be stale.
func (c *column[R]) reach(n uint32) {
	for int(n) >= len(c.all) {
		if len(c.all) < cap(c.all) {
			c.all = c.all[:len(c.all)+1]
		} else {
			var zero R
			c.all = append(c.all, zero)
		}
	}
}

// upTo is the column with that many records, used or not.
func (c *column[R]) upTo(records int) column[R] {
	return column[R]{c.all[:min(records+firstRecord, cap(c.all))]}
}

// touch writes to every page of records from up to to, which are not in use.
func (c *column[R]) touch(from, to int) {
	var zero R
	for i := from; i < min(to, len(c.all)); i += max(pageSize/sizeOf[R](), 1) {
		c.all[i] = zero
	}
}

// pageSize is that of most systems, in bytes: with larger pages there is more to
// write than needed.
const pageSize = 4096

// slab hands out the records of a column.
type slab[R any] struct {
	column[R]
	free []uint32 // numbers given back
	made uint32   // records that were ever handed out
}

func newSlab[R any](records int) slab[R] { return slab[R]{column: newColumn[R](records)} }

// firstRecord is the lowest number of a record: ages uses those below.
const firstRecord = 2

// take returns the number of a zeroed record.
func (s *slab[R]) take() uint32 {
	if k := len(s.free); k > 0 {
		n := s.free[k-1]
		s.free = s.free[:k-1]
		var zero R
		*s.at(n) = zero
		return n
	}
	n := s.made + firstRecord
	s.reach(n)
	s.made++
	return n
}

func (s *slab[R]) give(n uint32) { s.free = append(s.free, n) }

// index finds record numbers by hash: open addressing, linear probing, at most
// two thirds full, or one third while it is small. The hash stands in the slot,
// so that only a record that is most likely the right one is touched: with a
// million hosts each touch waits for main memory. The hash is seeded, so that
// no sender can choose addresses that collide.
type index struct {
	slots []slot
	used  int
	seed  [2]uint64
}

// manySlots is from how many slots on, 256 KiB of them, memory counts more than
// how far a search goes.
const manySlots = 1 << 15

// slot is a place of an index; n is noRecord where it is free.
type slot struct{ hash, n uint32 }

func newIndex() index {
	return index{slots: make([]slot, 1024), seed: [2]uint64{rand.Uint64(), rand.Uint64()}}
}

// hash hashes 16 bytes. It takes a third of the time that hash/maphash takes.
func (x *index) hash(a, b uint64) uint32 {
	hi, lo := bits.Mul64(a^x.seed[0], b^x.seed[1])
	sum := hi ^ lo
	hi, lo = bits.Mul64(sum^x.seed[1], 0x9e3779b97f4a7c15) // one step leaves patterns in the low bits
	sum = hi ^ lo
	return uint32(sum ^ sum>>32)
}

// place is the first slot to look at for a hash.
func (x *index) place(hash uint32) *slot { return &x.slots[hash&uint32(len(x.slots)-1)] }

// insert adds a record that is not in the index yet.
func (x *index) insert(n, hash uint32) {
	if most := len(x.slots) / 3; x.used >= 2*most || x.used >= most && len(x.slots) < manySlots {
		old := x.slots
		x.slots = make([]slot, 2*len(old))
		x.touchPages()
		for _, s := range old {
			if s.n != none {
				x.put(s)
			}
		}
	}
	x.used++
	x.put(slot{hash, n})
}

// touchPages writes to every page. One that is read first is the page of zeros
// that all share, and when it is written to it faults again, and the other cores
// are interrupted to forget it.
func (x *index) touchPages() {
	const slotsOfPage = pageSize / 8
	for i := 0; i < len(x.slots); i += slotsOfPage {
		x.slots[i] = slot{}
	}
}

func (x *index) put(s slot) {
	mask := uint32(len(x.slots) - 1)
	i := s.hash & mask
	for x.slots[i].n != none {
		i = (i + 1) & mask
	}
	x.slots[i] = s
}

// remove takes a record out and closes the gap it leaves, so that searches
// may stop at the first free slot.
func (x *index) remove(n, hash uint32) {
	mask := uint32(len(x.slots) - 1)
	i := hash & mask
	for x.slots[i].n != n {
		i = (i + 1) & mask
	}
	x.used--
	for j := (i + 1) & mask; x.slots[j].n != none; j = (j + 1) & mask {
		if (j-x.slots[j].hash)&mask >= (j-i)&mask {
			x.slots[i] = x.slots[j]
			i = j
		}
	}
	x.slots[i] = slot{}
}
