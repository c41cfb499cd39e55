package policy

import (
	"context"
	"slices"
	"time"

	"github.com/mxprint/mxprint/internal/evidence"
)

// Past tries the rules with the mails of a store that have a verdict, since a
// time: what each would have hit, as if it only observed until one acts. The
// address (of IPv6 that of the /64), the name in HELO and the note without times
// are known; the rest of what a mail server says is empty.
func (s *Set) Past(ctx context.Context, src evidence.Source, since time.Time) ([]*evidence.Would, error) {
	var hits []Hit // of the mail that is tried
	var list []*evidence.Would
	for i := range s.rules {
		name := s.rules[i].Name
		list = append(list, evidence.NewWould(name, func(*evidence.Mail) bool {
			return slices.ContainsFunc(hits, func(h Hit) bool { return h.Rule == name })
		}))
	}
	err := src.Mails(ctx, since, func(m *evidence.Mail) error {
		about := NewMail(m.Note)
		about.Client, about.HELO, about.Stage = m.Network.Addr().String(), m.Name, "RCPT"
		v := s.Judge(about)
		hits = v.Hits
		for _, w := range list {
			w.Add(m)
		}
		return v.Err
	})
	for _, w := range list {
		w.Finish()
	}
	return list, err
}
