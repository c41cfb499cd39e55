package answer

import (
	"github.com/mxprint/mxprint/dialect"
	"github.com/mxprint/mxprint/internal/signature"
	"github.com/mxprint/mxprint/note"
)

// Software names the program that speaks a dialect. reading is how far the
// session was read.
func Software(db *signature.DB, f *dialect.Fingerprint, reading note.Progress) *note.Software {
	s := blank(f, reading)
	if s.Dialect == "" {
		return s
	}
	return named(s, db.MatchSMTP(f))
}

// Joined is Software where a mail server reports more of the session, g, than its
// packets show, f.
func Joined(db *signature.DB, f, g *dialect.Fingerprint, reading note.Progress) *note.Software {
	both := *f
	both.Join(g)
	s := blank(&both, reading)
	if s.Dialect == "" {
		return s
	}
	return named(s, db.JoinSMTP(f, g))
}

func blank(f *dialect.Fingerprint, reading note.Progress) *note.Software {
	s := &note.Software{State: note.Unknown, Dialect: f.String(), Reading: reading}
	if s.Dialect == "" {
		s.State = note.Unavailable
	}
	return s
}

// named adds what a match says.
func named(s *note.Software, m signature.SMTPMatch) *note.Software {
	if m.N == 0 {
		return s
	}
	s.State, s.Name, s.Flavor = note.Matched, m.Sigs[0].Label.Name, m.Flavor()
	if m.Quality() == signature.Generic {
		s.Quality = note.Generic
	}
	s.Others = m.Others()
	return s
}
