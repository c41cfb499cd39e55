package milter

import (
	"cmp"
	"slices"
	"strings"

	library "github.com/d--j/go-milter"

	"github.com/mxprint/mxprint/dialect"
	"github.com/mxprint/mxprint/internal/claim"
	"github.com/mxprint/mxprint/note"
)

// maxClaim is how much of a name or header counts, in bytes.
const maxClaim = 300

func short(s string) string { return strings.TrimSpace(s[:min(len(s), maxClaim)]) }

// named takes the client's name. Postfix gives one that it has verified, or
// "unknown"; of Sendmail's it is not known whether it is.
func (s *session) named(name string, m library.Modifier) {
	s.claims = claim.Mail{Client: s.client.Addr().String()}
	if s.claims.NameKnown = strings.HasPrefix(m.Get("v"), "Postfix"); s.claims.NameKnown && name != "unknown" {
		s.claims.Name = short(name)
	}
}

// isClaim reports whether a header's value is one that claimed looks at.
func isClaim(name string) bool {
	return slices.ContainsFunc([]string{"X-Mailer", "User-Agent", "Message-ID", "Received"}, func(n string) bool { return strings.EqualFold(name, n) })
}

// claimed takes a header of the mail. That of the mail server's own Received
// field does not come.
func (s *session) claimed(name, value string) {
	s.fields.Add(name)
	c := &s.claims
	switch {
	case strings.EqualFold(name, "X-Mailer"), strings.EqualFold(name, "User-Agent"):
		c.Mailer = cmp.Or(c.Mailer, short(value))
	case strings.EqualFold(name, "Message-ID"):
		c.MessageID = cmp.Or(c.MessageID, short(value))
	case strings.EqualFold(name, "Received"):
		c.Received = short(value)
	}
}

// beginClaims forgets the headers of the mail before.
func (s *session) beginClaims() {
	s.fields = dialect.Fields{}
	s.claims.Claims = note.Claims{Name: s.claims.Name, NameKnown: s.claims.NameKnown}
}

// claiming is what the sensor gets to know at the end of the message; nil: nothing.
func (s *session) claiming() *note.Claims {
	if s.v.Claims == nil {
		return nil
	}
	s.claims.HeadersKnown = true
	c := s.claims.Claims
	return &c
}

// contradict adds to a note what the mail claims and the connection does not
// show, at the end of the message, where the answer does not have it already.
func (s *session) contradict(n *note.Note) {
	if s.v.Claims == nil || !n.Known() || n.Contradictions != nil {
		return
	}
	s.claims.HeadersKnown = true
	found := s.v.Claims.Check(n, &s.claims)
	n.Contradictions = &found
}

// wants reports whether a header is one that is read; r may be nil.
func (r *Reading) wants(name string) bool {
	return r != nil && slices.ContainsFunc(r.Names, func(n string) bool { return strings.EqualFold(n, name) })
}

// note keeps the first of each name.
func (r *Reading) note(s *session, name, value string) {
	for _, n := range r.Names {
		if _, have := s.read[n]; !have && strings.EqualFold(n, name) {
			if s.read == nil {
				s.read = make(map[string]string)
			}
			s.read[n] = short(value)
		}
	}
}
