package http1

import (
	"bytes"
	"strings"
	"time"
)

// Seconds returns the time of a Date field in seconds since 1970, modulo 2^32,
// or 0 where it cannot be read. It reads what glibc's strptime reads with
// "%a, %d %b %Y %H:%M:%S %Z" (p0f-v3.md §8.9).
//
// Deviation: p0f has the C library take the time for local time, with a flag
// for daylight saving that it has not set, so that it is now and then an hour
// off. Here it is UTC.
func Seconds(date []byte) uint32 {
	d := dateText{rest: date}
	d.name("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")
	d.literal(',')
	d.blanks()
	day := d.number(1, 31, 2)
	d.blanks()
	month := 1 + d.name("January", "February", "March", "April", "May", "June", "July",
		"August", "September", "October", "November", "December")
	d.blanks()
	year := d.number(0, 9999, 4)
	d.blanks()
	hour := d.number(0, 23, 2)
	d.literal(':')
	minute := d.number(0, 59, 2)
	d.literal(':')
	second := d.number(0, 61, 2)
	if d.bad {
		return 0
	}
	return uint32(time.Date(year, time.Month(month), day, hour, minute, second, 0, time.UTC).Unix())
}

// dateText is what is left of a date; once something is wrong, it stays wrong.
type dateText struct {
	rest []byte
	bad  bool
}

func (d *dateText) literal(c byte) {
	if len(d.rest) == 0 || d.rest[0] != c {
		d.bad = true
		return
	}
	d.rest = d.rest[1:]
}

// blanks skips what C calls space.
func (d *dateText) blanks() { d.rest = bytes.TrimLeft(d.rest, " \t\n\v\f\r") }

// name reads one of the names, in full or its first three letters, and returns
// which.
func (d *dateText) name(names ...string) int {
	for i, name := range names {
		for _, n := range [...]int{len(name), 3} {
			if len(d.rest) >= n && strings.EqualFold(string(d.rest[:n]), name[:n]) {
				d.rest = d.rest[n:]
				return i
			}
		}
	}
	d.bad = true
	return 0
}

// number reads a number of at most that many digits. A digit that could only
// make it too large is left, as by glibc.
func (d *dateText) number(from, to, digits int) int {
	d.blanks()
	n, i := 0, 0
	for ; i < digits && i < len(d.rest) && d.rest[i] >= '0' && d.rest[i] <= '9'; i++ {
		if i > 0 && n*10 > to {
			break
		}
		n = n*10 + int(d.rest[i]-'0')
	}
	d.bad = d.bad || i == 0 || n < from || n > to
	d.rest = d.rest[i:]
	return n
}
