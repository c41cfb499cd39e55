package web

import (
	"fmt"

	"github.com/mxprint/mxprint/dialect"
	"github.com/mxprint/mxprint/internal/signature"
	"github.com/mxprint/mxprint/packet"
)

// Explanation is why a SYN is called what it is called, and the program of a
// connection.
type Explanation struct {
	Raw     string  `json:"raw_sig"`
	Fields  []Field `json:"fields"`            // of the SYN, in words
	Match   *Near   `json:"match,omitempty"`   // absent: nothing matches
	Quality string  `json:"quality,omitempty"` // of the match
	Nearest []Near  `json:"nearest"`           // other signatures, the nearest first
	Dialect string  `json:"dialect,omitempty"` // of the program
	Spoken  []Near  `json:"programs"`          // signatures that the dialect matches
}

// Field is a part of a raw signature.
type Field struct {
	Name  string `json:"name"`
	Value string `json:"value"`
	Words string `json:"words"`
}

// Near is a signature and what differs from it.
type Near struct {
	Title       string       `json:"title"`
	Generic     bool         `json:"generic"`
	Signature   string       `json:"signature"`
	File        string       `json:"file"`
	Line        int          `json:"line"`
	Source      string       `json:"source,omitempty"`
	Date        string       `json:"date,omitempty"`
	Differences []Difference `json:"differences"`
}

// Difference is a field in which a SYN is not what a signature wants.
type Difference struct {
	Field string `json:"field"`
	Want  string `json:"want"`
	Has   string `json:"has"`
	Hint  string `json:"hint,omitempty"`
}

// nearest is how many signatures an Explanation names beside the match.
const nearest = 3

// explain explains a raw signature.
func (s *Server) explain(raw string, response bool) (*Explanation, error) {
	if s.DB == nil {
		return nil, off("explain", "this sensor asks another one (sensor.ask)")
	}
	syn, err := signature.ParseRaw(raw)
	if err != nil {
		return nil, badRequest(fmt.Errorf("signature: %w", err))
	}
	db, dir := s.DB(), signature.Request
	if syn.Type = packet.SYN; response {
		syn.Type, dir = packet.SYNACK, signature.Response
	}
	x := &Explanation{Raw: raw, Fields: fields(raw, &syn), Nearest: []Near{}, Spoken: []Near{}}
	m := db.Match(dir, &syn, 0)
	if m.Sig != nil {
		n := m.Sig.Explain(&syn, 0)
		n.Sig = m.Sig
		match := near(&n)
		x.Match, x.Quality = &match, m.Quality().String()
	}
	for _, n := range db.Explain(dir, &syn, 0, nearest+1) {
		if (m.Sig == nil || n.Sig.ID != m.Sig.ID) && len(x.Nearest) < nearest {
			x.Nearest = append(x.Nearest, near(&n))
		}
	}
	return x, nil
}

// spoken adds the signatures that a dialect matches.
func (s *Server) spoken(x *Explanation, text string) {
	f, err := dialect.Parse(text)
	if err != nil {
		return // of a newer sensor, whose note says what it is
	}
	x.Dialect = text
	m := s.DB().MatchSMTP(&f)
	for _, sig := range m.Sigs[:m.N] {
		x.Spoken = append(x.Spoken, Near{
			Title: sig.Label.Title(), Generic: sig.Label.Generic, Signature: sig.Text, File: sig.File, Line: sig.Line,
			Source: sig.Source, Date: sig.Date, Differences: []Difference{},
		})
	}
}

func near(n *signature.Near) Near {
	v := Near{
		Title: n.Sig.Label.Title(), Generic: n.Sig.Label.Generic, Signature: n.Sig.Text, File: n.Sig.File, Line: n.Sig.Line,
		Source: n.Sig.Source, Date: n.Sig.Date, Differences: []Difference{},
	}
	for _, d := range n.Differences {
		v.Differences = append(v.Differences, Difference{d.Field, d.Want, d.Has, d.Hint})
	}
	return v
}
