package shared

import (
	"encoding/binary"
	"time"
	"unicode"
	"unicode/utf8"
)

// codec writes fields, or reads them: one list of fields serves both ways. What is
// read any program may have written that can write to the store: after a malformed
// field nothing more is taken.
type codec struct {
	b     []byte // what was written, or is still to be read
	reads bool
	bad   bool
}

func (c *codec) check(ok bool) { c.bad = c.bad || !ok }

// end is where all must have been read: fields have one order, so what anyone wrote is
// gone through once.
func (c *codec) end() { c.check(len(c.b) == 0) }

// next reports whether a field is the next to be read, and goes on to its value.
func (c *codec) next(tag byte) bool {
	if !c.at(tag) {
		return false
	}
	c.b = c.b[1:]
	return true
}

func (c *codec) at(tag byte) bool { return c.reads && !c.bad && len(c.b) > 0 && c.b[0] == tag }

func (c *codec) uvarint() uint64 {
	n, size := binary.Uvarint(c.b)
	if c.check(size > 0); c.bad {
		return 0
	}
	c.b = c.b[size:]
	return n
}

// number is a field with a number from 0 to most; 0 is left out. It reports whether it
// was read, as all fields do.
func number[N ~int | ~int64 | ~uint8 | ~uint16 | ~uint32](c *codec, tag byte, v *N, most N) bool {
	if !c.reads && *v > 0 {
		c.b = binary.AppendUvarint(append(c.b, tag), uint64(*v))
	}
	if !c.next(tag) {
		return false
	}
	n := c.uvarint()
	c.check(n <= uint64(most))
	*v = N(n)
	return !c.bad
}

// known is a number whose 0 is not left out.
func known[N ~uint8](c *codec, tag byte, v *N, most N) {
	n := int(*v) + 1
	if number(c, tag, &n, int(most)+1) {
		c.check(n > 0)
		*v = N(n - 1)
	}
}

// part returns a part of the note, nil if it is absent: its first field makes it.
func part[T any](c *codec, first byte, p **T) *T {
	if c.at(first) {
		*p = new(T)
	}
	return *p
}

func (c *codec) yes(tag byte, is *bool) {
	n := 0
	if *is {
		n = 1
	}
	if number(c, tag, &n, 1) {
		*is = n == 1
	}
}

func (c *codec) time(tag byte, t *time.Time) {
	seconds := t.Unix()
	if number(c, tag, &seconds, maxTime) {
		*t = time.Unix(seconds, 0)
	}
}

// duration is a time up to most, in units.
func (c *codec) duration(tag byte, d *time.Duration, unit, most time.Duration) {
	n := int64(min(*d, most) / unit)
	if number(c, tag, &n, int64(most/unit)) {
		*d = time.Duration(n) * unit
	}
}

// text is a field with a text, of which maxField bytes are written; an empty one is
// left out. No control character but the DEL of a raw signature comes through.
func (c *codec) text(tag byte, s *string) bool {
	if n := min(len(*s), maxField); !c.reads && n > 0 {
		c.b = append(binary.AppendUvarint(append(c.b, tag), uint64(n)), (*s)[:n]...)
	}
	if !c.next(tag) {
		return false
	}
	n := c.uvarint()
	if c.check(n > 0 && n <= maxField && n <= uint64(len(c.b))); c.bad {
		return false
	}
	b := c.b[:n]
	c.b = c.b[n:]
	ascii := true
	for _, char := range b {
		c.check(char >= ' ')
		ascii = ascii && char < utf8.RuneSelf
	}
	if !ascii {
		c.check(utf8.Valid(b))
		for _, char := range string(b) {
			c.check(unicode.IsPrint(char) || char < utf8.RuneSelf)
		}
	}
	if !c.bad {
		*s = string(b)
	}
	return !c.bad
}

// texts is a field for each text of a list.
func (c *codec) texts(tag byte, list *[]string) {
	if !c.reads {
		for _, s := range (*list)[:min(len(*list), maxList)] {
			c.text(tag, &s)
		}
	}
	for s := ""; c.text(tag, &s); {
		c.check(len(*list) < maxList)
		*list = append(*list, s)
	}
}
