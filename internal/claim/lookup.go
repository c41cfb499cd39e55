package claim

import (
	"context"

	"github.com/mxprint/mxprint/note"
)

// Lookuper returns one that adds contradictions to the answers of next, where the
// question has claims.
func (t *Table) Lookuper(next note.Lookuper) note.Lookuper { return lookuper{next, t} }

type lookuper struct {
	note.Lookuper
	table *Table
}

// Lookup implements note.Lookuper.
func (l lookuper) Lookup(ctx context.Context, q note.Query) (note.Note, error) {
	n, err := l.Lookuper.Lookup(ctx, q)
	if err != nil || q.Claims == nil || !n.Known() {
		return n, err
	}
	c := q.Claims
	found := l.table.Check(&n, &Mail{
		Client: q.Unmapped().Client.Addr().String(), HELO: q.Hello, Name: c.Name, NameKnown: c.NameKnown,
		HeadersKnown: c.HeadersKnown, Mailer: c.Mailer, MessageID: c.MessageID, Received: c.Received,
	})
	n.Contradictions = &found
	return n, nil
}
