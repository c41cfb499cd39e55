package status

import (
	"cmp"
	"context"
	"math/bits"
	"sync/atomic"
	"time"

	"github.com/mxprint/mxprint/note"
)

// other counts the systems that the built-in database does not name.
const other = "other"

// buckets are the bounds of look-up times: powers of two from 1 µs to 2.1 s.
const buckets = 22

// Meter counts the answers of a sensor, for all fronts together. Its memory is
// bounded by the names it is made with. Safe for concurrent use.
type Meter struct {
	who     note.Lookuper
	systems map[string]*atomic.Uint64
	times   [buckets + 1]atomic.Uint64 // by bound; the last one has none
	sum     atomic.Int64               // nanoseconds

	questions, notSeen, failed, row atomic.Uint64
}

// Asked counts questions: all, those about clients that were not seen, in a row
// the last of those without another between, and those that had an error.
type Asked struct{ Questions, NotSeen, Row, Failed uint64 }

// Asked is what all fronts were asked.
func (m *Meter) Asked() Asked {
	return Asked{m.questions.Load(), m.notSeen.Load(), m.row.Load(), m.failed.Load()}
}

// NewMeter counts what who answers. names are the systems that are counted each
// by itself.
func NewMeter(who note.Lookuper, names []string) *Meter {
	m := &Meter{who: who, systems: map[string]*atomic.Uint64{other: new(atomic.Uint64)}}
	for _, name := range names {
		m.systems[name] = new(atomic.Uint64)
	}
	return m
}

// Counter is a note.Lookuper that counts the answers of one front.
type Counter struct {
	// Heard, if set before the first question, is called after each: now is when the
	// answer was there, took how long that was.
	Heard func(q note.Query, n note.Note, now time.Time, took time.Duration)

	meter  *Meter
	states [4]atomic.Uint64
}

// Front returns the Lookuper for one front.
func (m *Meter) Front() *Counter { return &Counter{meter: m} }

// Lookup implements note.Lookuper.
func (c *Counter) Lookup(ctx context.Context, q note.Query) (note.Note, error) {
	began := time.Now()
	n, err := c.meter.who.Lookup(ctx, q)
	took := time.Since(began)
	c.meter.took(took)
	c.states[n.State&3].Add(1)
	c.meter.questions.Add(1)
	switch {
	case err != nil:
		c.meter.failed.Add(1)
	case n.State == note.NotSeen:
		c.meter.notSeen.Add(1)
		c.meter.row.Add(1)
	default:
		c.meter.row.Store(0)
	}
	if n.State == note.Matched {
		cmp.Or(c.meter.systems[n.OSName], c.meter.systems[other]).Add(1)
	}
	if c.Heard != nil {
		c.Heard(q, n, began.Add(took), took)
	}
	return n, err
}

// Answers is what was counted.
func (c *Counter) Answers() Answers {
	return Answers{
		Matched: c.states[note.Matched].Load(), Unknown: c.states[note.Unknown].Load(),
		NotSeen: c.states[note.NotSeen].Load(), Unavailable: c.states[note.Unavailable].Load(),
	}
}

// took counts a look-up. Bucket i holds what took at most 2^i µs.
func (m *Meter) took(d time.Duration) {
	i := bits.Len64(uint64(max(d-1, 0) / time.Microsecond))
	m.times[min(i, buckets)].Add(1)
	m.sum.Add(int64(d))
}

// Lookups returns the times so far, with the share of the questions that a bound
// stands for interpolated within its bucket.
func (m *Meter) Lookups() Lookups {
	l := Lookups{Seconds: time.Duration(m.sum.Load()).Seconds(), Systems: map[string]uint64{}}
	var count uint64
	for i := range m.times {
		count += m.times[i].Load()
		b := Bucket{Count: count}
		if i < buckets {
			b.Seconds = bound(i)
		}
		l.Buckets = append(l.Buckets, b)
	}
	l.P50, l.P99 = l.quantile(0.5), l.quantile(0.99)
	for name, n := range m.systems {
		if n := n.Load(); n > 0 {
			l.Systems[name] = n
		}
	}
	return l
}

// Since returns the look-ups that came after others of the same sensor.
func (l *Lookups) Since(before *Lookups) (d Lookups) {
	d.Seconds = l.Seconds - before.Seconds
	for i, b := range l.Buckets {
		if i < len(before.Buckets) {
			b.Count = less(b.Count, before.Buckets[i].Count)
		}
		d.Buckets = append(d.Buckets, b)
	}
	d.P50, d.P99 = d.quantile(0.5), d.quantile(0.99)
	return d
}

// bound is the longest time of bucket i, in seconds.
func bound(i int) float64 { return float64(uint64(1)<<i) / 1e6 }

// quantile is the time that a share of the look-ups took at most; 0 without any.
func (l *Lookups) quantile(share float64) float64 {
	want, low, before := share*float64(l.Count()), 0.0, uint64(0)
	if want == 0 {
		return 0
	}
	for _, b := range l.Buckets {
		if float64(b.Count) >= want {
			if b.Seconds == 0 { // beyond the last bound
				return low
			}
			return low + (b.Seconds-low)*(want-float64(before))/float64(b.Count-before)
		}
		low, before = b.Seconds, b.Count
	}
	return low
}
