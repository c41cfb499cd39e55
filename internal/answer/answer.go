// Package answer puts what a signature says of a sender into the words of a
// note, for all that answer from a SYN.
package answer

import (
	"github.com/mxprint/mxprint/note"
	"github.com/mxprint/mxprint/signature"
)

// SetOS makes n a note about a sender whose SYN bore that label. How it fitted
// is said by fuzzy, generic and flags, as in a signature.Match.
func SetOS(n *note.Note, os *signature.Label, fuzzy, generic bool, flags signature.Flags) {
	n.State = note.Matched
	n.OSName, n.OSFlavor = os.Name, os.Flavor
	n.Others, n.Rewrite = os.Others, Rewrite(flags)
	n.Quality = Quality(fuzzy, generic)
}

// Rewrite is what a box on the way seems to have changed, in the bits of a note.
func Rewrite(flags signature.Flags) note.Rewrite {
	var r note.Rewrite
	if flags&signature.TTLReset != 0 {
		r |= note.RewriteTTL
	}
	if flags&signature.Erased != 0 {
		r |= note.RewriteOptions
	}
	if flags&signature.Clamped != 0 {
		r |= note.RewriteMSS
	}
	return r
}

// Clock is what a system's timestamps count from, in the words of a note.
func Clock(c signature.Clock) note.Clock {
	switch c {
	case signature.ClockBoot:
		return note.ClockBoot
	case signature.ClockRandom:
		return note.ClockRandom
	}
	return note.ClockUnknown
}

// Quality is how a signature fitted, in the bits of a note.
func Quality(fuzzy, generic bool) note.Quality {
	var q note.Quality
	if fuzzy {
		q |= note.Fuzzy
	}
	if generic {
		q |= note.Generic
	}
	return q
}
