package signature

import "github.com/mxprint/mxprint/dialect"

// heardBits are the bits of what a mail server heard that are enough for a name,
// more than without TLS: there the end of the session and its pace count, too. So are
// as many of the header and the records together.
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
	said := db.smtp.said(g)
	specific, generic := smtpFound{}, smtpFound{}
	carried, given := db.smtp.weights.carried(f), db.smtp.weights.carried(g)
	for _, s := range db.smtp.sigs {
		cost, fits := s.fits(f, carried)
		p := said[s.Label.Name]
		if !fits || p.described && !p.agrees {
			continue
		}
		if header := g.Get(dialect.Header); header != nil && !p.wrote {
			cost += s.carries(header, given)
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
	return found.answer(db.smtp.weights.enoughJoined(f, g, found.hits[0].sig, said[found.hits[0].sig.Label.Name].wrote))
}

// saidOf is what the signatures of a program without TLS are to what a mail server
// heard.
type saidOf struct {
	described bool // there are some
	agrees    bool // one of them agrees with it
	wrote     bool // and has the header of the message
}

func (t *smtpTable) said(g *dialect.Fingerprint) map[string]saidOf {
	all := make(map[string]saidOf)
	for _, s := range t.sigs {
		if s.rules[dialect.Mail] == nil && s.rules[dialect.Flow] == nil {
			continue
		}
		p := all[s.Label.Name]
		p.described = true
		if s.heard(g) {
			p.agrees = true
			p.wrote = p.wrote || g.Has(dialect.Header) && s.rules[dialect.Header] != nil
		}
		all[s.Label.Name] = p
	}
	return all
}

// enoughJoined is enough with what a mail server heard, g. A header that the
// program writes counts with the records, which it does not depend on; another one
// does not count.
func (w *smtpWeights) enoughJoined(f, g *dialect.Fingerprint, sig *SMTP, wrote bool) bool {
	header := w.bits(g, dialect.Header)
	switch {
	case w.enough(f, sig):
		return true
	case wrote:
		return w.sum(g) >= heardBits || w.inside(f)+header >= heardBits
	}
	return !(sig.writes && !sig.given && g.Has(dialect.Header)) && w.sum(g)-header >= heardBits
}

// heard reports whether a signature agrees with what a mail server heard, whether
// or not it describes sessions with TLS.
func (s *SMTP) heard(g *dialect.Fingerprint) bool {
	for _, field := range [...]dialect.Field{dialect.Mail, dialect.Rcpt, dialect.Data, dialect.Flow, dialect.Header, dialect.Next} {
		if value := g.Get(field); value != nil && s.rules[field] != nil && s.takes(g, field, value) == nil {
			return false
		}
	}
	return s.rules[dialect.Header] != nil || !s.writes || string(g.Get(dialect.Header)) != dialect.Relayed
}
