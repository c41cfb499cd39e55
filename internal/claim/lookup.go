package claim

import (
	"context"

	"github.com/mxprint/mxprint/note"
)

// Lookuper returns one that adds contradictions to the answers of next, where the
// question has claims.
func (t *Table) Lookuper(next note.Lookuper) note.Lookuper { return &lookuper{next, t} }

type lookuper struct {
	note.Lookuper
	table *Table
}

// Lookup implements note.Lookuper.
func (l *lookuper) Lookup(ctx context.Context, q note.Query) (note.Note, error) {
	if q.Claims == nil {
		return l.Lookuper.Lookup(ctx, q)
	}
	n, err := l.Lookuper.Lookup(ctx, q)
	if err == nil && n.Known() {
		n.Contradictions = l.check(n, &q)
	}
	return n, err
}

// check has a note of its own, so that the one of Lookup need not be allocated.
func (l *lookuper) check(n note.Note, q *note.Query) *note.Findings {
	found := l.table.Check(&n, &Mail{q.Unmapped().Client.Addr().String(), q.Hello, *q.Claims})
	return &found
}
