package answer

import (
	"github.com/mxprint/mxprint/dialect"
	"github.com/mxprint/mxprint/internal/signature"
	"github.com/mxprint/mxprint/note"
)

// Software names the program that speaks a dialect. reading is how far the
// session was read.
func Software(db *signature.DB, f *dialect.Fingerprint, reading note.Progress) *note.Software {
	s := &note.Software{State: note.Unknown, Dialect: f.String(), Reading: reading}
	if s.Dialect == "" {
		s.State = note.Unavailable
		return s
	}
	m := db.MatchSMTP(f)
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
