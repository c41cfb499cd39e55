package signature

import "github.com/mxprint/mxprint/dialect"

// heardBits are the bits of what a mail server heard that are enough for a name,
// more than without TLS: there the end of the session and its pace count, too.
const heardBits = 8.0

// JoinSMTP is MatchSMTP of a session of which two have seen parts: f is what its
// packets show, and g what the mail server heard, inside TLS too. The programs
// are those of f that also agree with g; one that no signature describes without
// TLS agrees with any g. Where none is left, or the packets show no more than the
// mail server does, the answer is that of f alone. If f has nothing to compare,
// it is that of g.
func (db *DB) JoinSMTP(f, g *dialect.Fingerprint) SMTPMatch {
	if !f.Has(dialect.Records) {
		if f.Has(dialect.Mail) {
			return db.MatchSMTP(f)
		}
		joined := *f
		joined.Join(g)
		return db.MatchSMTP(&joined)
	}
	if !g.Has(dialect.Mail) && !g.Has(dialect.Flow) {
		return db.MatchSMTP(f)
	}
	agrees, described := make(map[string]bool), make(map[string]bool)
	for _, s := range db.smtp.sigs {
		if s.rules[dialect.Mail] == nil && s.rules[dialect.Flow] == nil {
			continue
		}
		described[s.Label.Name] = true
		if s.heard(g) {
			agrees[s.Label.Name] = true
		}
	}
	specific, generic := smtpFound{}, smtpFound{}
	carried := db.smtp.weights.carried(f)
	for _, s := range db.smtp.sigs {
		cost, fits := s.fits(f, carried)
		if !fits || described[s.Label.Name] && !agrees[s.Label.Name] {
			continue
		}
		if s.Label.Generic {
			generic.add(s, cost)
		} else {
			specific.add(s, cost)
		}
	}
	found := &specific
	if specific.n == 0 {
		found = &generic
	}
	if found.n == 0 {
		return db.MatchSMTP(f)
	}
	return found.answer(db.smtp.weights.enough(f, found.hits[0].sig) || db.smtp.weights.sum(g) >= heardBits)
}

// heard reports whether a signature agrees with what a mail server heard, whether
// or not it describes sessions with TLS.
func (s *SMTP) heard(g *dialect.Fingerprint) bool {
	for _, field := range [...]dialect.Field{dialect.Mail, dialect.Rcpt, dialect.Data, dialect.Flow, dialect.Next} {
		if value := g.Get(field); value != nil && s.rules[field] != nil && s.takes(g, field, value) == nil {
			return false
		}
	}
	return true
}
