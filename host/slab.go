package host

import (
	"math/bits"
	"math/rand/v2"
)

// none is the record number of no record.
const none = 0

// slab holds records by number, from 1 up. Records hold no pointers, so that
// the collector has nothing to scan however many there are, and they come in
// chunks, so that growing copies nothing.
type slab[R any] struct {
	chunks []*[chunkSize]R
	free   []uint32 // numbers given back
	next   uint32   // numbers below were handed out
}

const (
	chunkBits = 10
	chunkSize = 1 << chunkBits // records
)

func (s *slab[R]) at(n uint32) *R {
	n--
	return &s.chunks[n>>chunkBits][n%chunkSize]
}

// take returns the number of a zeroed record.
func (s *slab[R]) take() uint32 {
	if k := len(s.free); k > 0 {
		n := s.free[k-1]
		s.free = s.free[:k-1]
		var zero R
		*s.at(n) = zero
		return n
	}
	if int(s.next)>>chunkBits == len(s.chunks) {
		s.chunks = append(s.chunks, new([chunkSize]R))
	}
	s.next++
	return s.next
}

func (s *slab[R]) give(n uint32) { s.free = append(s.free, n) }

// index finds record numbers by hash: open addressing, linear probing, at
// most two thirds full. The hash stands in the slot, so that only a record
// that is most likely the right one is touched: with a million hosts each
// touch waits for main memory. The hash is seeded, so that nobody can choose
// addresses that collide.
type index struct {
	slots []slot
	used  int
	seed  [2]uint64
}

// slot is a place of an index; n is none where it is free.
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
	if 3*x.used >= 2*len(x.slots) {
		old := x.slots
		x.slots = make([]slot, 2*len(old))
		for _, s := range old {
			if s.n != none {
				x.put(s)
			}
		}
	}
	x.used++
	x.put(slot{hash, n})
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

// ageList orders records from the oldest to the newest. The links stand in
// the records.
type ageList struct{ oldest, newest uint32 }

// links are a record's neighbours in an ageList.
type links struct{ older, newer uint32 }

func (l *ageList) push(n uint32, at func(uint32) *links) {
	*at(n) = links{older: l.newest}
	if l.newest != none {
		at(l.newest).newer = n
	} else {
		l.oldest = n
	}
	l.newest = n
}

func (l *ageList) drop(n uint32, at func(uint32) *links) {
	k := *at(n)
	if k.older != none {
		at(k.older).newer = k.newer
	} else {
		l.oldest = k.newer
	}
	if k.newer != none {
		at(k.newer).older = k.older
	} else {
		l.newest = k.older
	}
}
