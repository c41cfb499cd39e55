package evidence

import (
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
)

// magic begins counts as bytes, with the version of the form. The first version
// had no mails without a sure verdict.
const (
	magic  = "mxprint counts 2\n"
	magic1 = "mxprint counts 1\n"
)

// ErrDamaged is the error of Decode.
var ErrDamaged = errors.New("evidence: damaged counts")

// Append appends the counts as bytes. The same counts are the same bytes.
func (c *Counts) Append(to []byte) []byte {
	to = append(to, magic...)
	for _, token := range slices.Sorted(maps.Keys(c.tokens)) {
		t := c.tokens[token]
		to = binary.AppendUvarint(to, uint64(len(token)))
		to = append(to, token...)
		to = binary.AppendUvarint(to, uint64(t.shift))
		to = binary.AppendUvarint(to, uint64(len(t.days)))
		for _, e := range t.sorted() {
			to = binary.LittleEndian.AppendUint64(to, e.sender)
			to = binary.AppendUvarint(to, uint64(e.day))
			to = binary.AppendUvarint(to, uint64(e.spam))
			to = binary.AppendUvarint(to, uint64(e.ham))
			to = binary.AppendUvarint(to, uint64(e.unsure))
		}
	}
	return to
}

// Decode reads what Append wrote. Nothing in it is trusted: it takes no more
// memory than the bytes do, a few times over.
func Decode(text []byte) (*Counts, error) {
	begin := string(text[:min(len(text), len(magic))])
	if begin != magic && begin != magic1 {
		return nil, fmt.Errorf("%w: they do not begin with %q", ErrDamaged, magic[:len(magic)-1])
	}
	r := &reader{rest: text[len(magic):], first: begin == magic1}
	c := NewCounts()
	for len(r.rest) > 0 && !r.bad {
		token := string(r.bytes(r.number(maxText)))
		t := newTally()
		t.shift = uint(r.number(63))
		var last senderDay
		for i := range r.number(maxDays) {
			key, m := r.entry()
			r.check(key.sender <= t.bound() && m != mails{})
			r.check(i == 0 || key.sender > last.sender || key.sender == last.sender && key.day > last.day)
			if r.bad {
				break
			}
			t.days[key], last = m, key
		}
		r.check(token != "" && c.tokens[token] == nil && len(t.days) > 0 && len(c.tokens) < maxTokens)
		c.tokens[token] = t
		if c.total += len(t.days); c.total > maxTotal {
			return nil, fmt.Errorf("%w: too many", ErrDamaged)
		}
	}
	if r.bad {
		return nil, ErrDamaged
	}
	return c, nil
}

// reader reads numbers until something is wrong.
type reader struct {
	rest  []byte
	bad   bool
	first bool // the first version
}

func (r *reader) check(ok bool) { r.bad = r.bad || !ok }

// number reads a number up to a bound; 0 after a fault.
func (r *reader) number(most uint64) uint64 {
	n, size := binary.Uvarint(r.rest)
	if r.check(size > 0 && n <= most); r.bad {
		return 0
	}
	r.rest = r.rest[size:]
	return n
}

func (r *reader) bytes(n uint64) []byte {
	if r.check(n <= uint64(len(r.rest))); r.bad {
		return nil
	}
	b := r.rest[:n]
	r.rest = r.rest[n:]
	return b
}

func (r *reader) entry() (key senderDay, m mails) {
	if b := r.bytes(8); b != nil {
		key.sender = binary.LittleEndian.Uint64(b)
	}
	key.day = int32(r.number(1 << 24))
	m.spam, m.ham = uint16(r.number(math.MaxUint16)), uint16(r.number(math.MaxUint16))
	if !r.first {
		m.unsure = uint16(r.number(math.MaxUint16))
	}
	return key, m
}
