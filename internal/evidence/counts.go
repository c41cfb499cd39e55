// Package evidence counts what the signals of connections were worth at a site:
// how many of the senders that had a signal sent spam, by the site's own
// verdicts. Use it to say in figures what a signal, a rule or a threshold does
// here. It is not a filter: nothing in it acts, and below 50 sure verdicts from
// 10 senders it says nothing.
//
// A signal is a token, "system=Linux". What is counted is a sender on a day:
// its share of spam among the mails with a sure verdict, at most one however
// many mails came (LISA 2011, Kakavelakis et al., has the labels from the
// filter's own sure scores; karma counts connections, which one busy sender
// outvotes). A filter is not sure about every mail: the days on which it was not
// are counted as well, so that a sender with one mail a day, whose verdict is
// often missing, weighs as much as one with fifty.
package evidence

import (
	"hash/maphash"
	"maps"
	"math"
	"slices"
)

// Bounds of what Counts keep.
const (
	maxTokens = 2000    // distinct tokens
	maxDays   = 16_384  // days of senders for each token
	maxTotal  = 1 << 20 // and for all tokens: some 60 MB
	maxAge    = 120     // days: four half-lives
	maxText   = 200     // bytes of a token
)

// Everything is the token that every mail has.
const Everything = "*"

// Sample is a mail with a verdict.
type Sample struct {
	Sender uint64 // of the sender's network; see Sender
	Day    int32  // days since 1970
	Spam   bool
	Unsure bool     // no verdict on it is sure: it is neither spam nor ham
	Tokens []string // distinct; Everything is added
}

// Counts is what is known of each token. Of a token with many senders a sample
// is kept: those whose hash is small, so that the samples of two machines add
// up to that of both. The order in which mails come makes no difference, up to a
// million days of senders for all tokens.
// Not safe for concurrent use.
type Counts struct {
	tokens map[string]*tally
	total  int // days of all tokens
}

// tally is what one token was seen with.
type tally struct {
	days  map[senderDay]mails // of senders with a hash up to bound
	shift uint                // bound is the largest hash, shifted right by it
}

// senderDay is a sender on a day.
type senderDay struct {
	sender uint64
	day    int32
}

// mails are those of a sender on a day: by sure verdicts, and without one.
type mails struct{ spam, ham, unsure uint16 }

func (m mails) sure() int { return int(m.spam) + int(m.ham) }

func newTally() *tally { return &tally{days: make(map[senderDay]mails)} }

// NewCounts returns counts of nothing.
func NewCounts() *Counts { return &Counts{tokens: make(map[string]*tally)} }

// Sender makes a sender's number of its network in bytes, by a key: without the
// key nothing of the network can be found. Counts can be added up only when
// they were made with the same key, or of distinct senders.
func Sender(seed uint64, network []byte) uint64 {
	h := seed ^ 0x9e3779b97f4a7c15
	for _, b := range network {
		h = mix(h ^ uint64(b))
	}
	return h
}

// mix is the finalizer of SplitMix64 (Steele, Lea, Flood 2014): each bit of the
// result depends on each of x.
func mix(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// Add counts a mail.
func (c *Counts) Add(s Sample) {
	c.add(Everything, s)
	for _, token := range s.Tokens {
		if token != "" && len(token) <= maxText {
			c.add(token, s)
		}
	}
}

func (c *Counts) add(token string, s Sample) {
	m := mails{ham: 1}
	switch {
	case s.Unsure:
		m = mails{unsure: 1}
	case s.Spam:
		m = mails{spam: 1}
	}
	c.into(c.of(token), senderDay{s.Sender, s.Day}, m)
}

// of is the tally of a token, which may be a new one.
func (c *Counts) of(token string) *tally {
	t := c.tokens[token]
	if t == nil {
		if len(c.tokens) >= maxTokens {
			c.shrink()
		}
		t = newTally()
		c.tokens[token] = t
	}
	return t
}

// into adds to a tally, and lowers the bound of the largest where all are too
// large.
func (c *Counts) into(t *tally, key senderDay, m mails) {
	before := len(t.days)
	t.add(key, m)
	c.total += len(t.days) - before
	for c.total > maxTotal {
		largest := t
		for _, other := range c.tokens {
			if len(other.days) > len(largest.days) {
				largest = other
			}
		}
		before := len(largest.days)
		largest.sample(largest.shift + 1)
		c.total += len(largest.days) - before
	}
}

func (t *tally) bound() uint64 { return math.MaxUint64 >> t.shift }

func (t *tally) add(key senderDay, m mails) {
	if key.sender > t.bound() {
		return
	}
	old := t.days[key]
	t.days[key] = mails{more(old.spam, m.spam), more(old.ham, m.ham), more(old.unsure, m.unsure)}
	for len(t.days) > maxDays {
		t.sample(t.shift + 1)
	}
}

// more adds without going over.
func more(a, b uint16) uint16 { return uint16(min(uint32(a)+uint32(b), math.MaxUint16)) }

// sample drops the senders with a hash above a lower bound.
func (t *tally) sample(shift uint) {
	t.shift = shift
	maps.DeleteFunc(t.days, func(key senderDay, _ mails) bool { return key.sender > t.bound() })
}

// shrink forgets the quarter of the tokens with the fewest senders: made-up
// names come once each.
func (c *Counts) shrink() {
	names := slices.SortedFunc(maps.Keys(c.tokens), func(a, b string) int {
		ta, tb := c.tokens[a], c.tokens[b]
		if n := len(ta.days)<<min(ta.shift, 20) - len(tb.days)<<min(tb.shift, 20); n != 0 {
			return n
		}
		return int(int64(maphash.String(shrinkSeed, a)>>33) - int64(maphash.String(shrinkSeed, b)>>33))
	})
	for _, name := range names[:len(names)/4] {
		c.total -= len(c.tokens[name].days)
		delete(c.tokens, name)
	}
}

// shrinkSeed decides between tokens of equal support: no sender may choose.
var shrinkSeed = maphash.MakeSeed()

// Merge adds the counts of another machine or site.
func (c *Counts) Merge(other *Counts) {
	for token, from := range other.tokens {
		to := c.of(token)
		if from.shift > to.shift {
			before := len(to.days)
			to.sample(from.shift)
			c.total += len(to.days) - before
		}
		for key, m := range from.days {
			c.into(to, key, m)
		}
	}
}

// Forget removes a sender from all counts.
func (c *Counts) Forget(sender uint64) {
	c.remove(func(key senderDay, _ mails) bool { return key.sender == sender })
}

// ForgetAll is Forget of several senders at once.
func (c *Counts) ForgetAll(senders map[uint64]bool) {
	c.remove(func(key senderDay, _ mails) bool { return senders[key.sender] })
}

// Expire drops what is so old that it hardly counts.
func (c *Counts) Expire(today int32) {
	c.remove(func(key senderDay, _ mails) bool { return key.day < today-maxAge })
}

func (c *Counts) remove(which func(senderDay, mails) bool) {
	for token, t := range c.tokens {
		before := len(t.days)
		maps.DeleteFunc(t.days, which)
		if c.total += len(t.days) - before; len(t.days) == 0 {
			delete(c.tokens, token)
		}
	}
}

// Tokens are those that were counted, sorted, without Everything.
func (c *Counts) Tokens() []string {
	names := slices.Sorted(maps.Keys(c.tokens))
	return slices.DeleteFunc(names, func(name string) bool { return name == Everything })
}
