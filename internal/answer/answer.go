// Package answer says in the words of a note, and of an observation, what a
// signature says of a sender.
package answer

import (
	"github.com/mxprint/mxprint/event"
	"github.com/mxprint/mxprint/internal/signature"
	"github.com/mxprint/mxprint/note"
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

// SetSystem makes s the system or program that a match names: in place, for a copy
// is most of what it takes.
func SetSystem(s *event.System, m *signature.Match) {
	if m.Sig == nil {
		*s = event.System{}
		return
	}
	l := m.Sig.Label
	s.Matched, s.App, s.Name, s.Flavor, s.Others = true, l.Userland(), l.Name, l.Flavor, l.Others
	s.Quality, s.RandomTTL, s.Rewrite = Quality(m.Fuzzy, l.Generic), m.Sig.RandomTTL, Rewrite(m.Flags)
}

// Labeled is the system or program that a label names; nil names none.
func Labeled(l *signature.Label) event.System {
	if l == nil {
		return event.System{}
	}
	return event.System{
		Matched: true, App: l.Userland(), Name: l.Name, Flavor: l.Flavor, Others: l.Others,
		Quality: Quality(false, l.Generic),
	}
}
