package host

import (
	"sync/atomic"

	"github.com/mxprint/mxprint/internal/signature"
	"github.com/mxprint/mxprint/packet"
)

// Ahead matches the SYNs of a file where they are read, before a Table takes them on
// another core: reading takes less time than entering. It is for one goroutine.
type Ahead struct {
	DB  *atomic.Pointer[signature.DB] // the database to match with, which may change
	Raw bool                          // raw signatures are wanted of all, too

	matcher *signature.Matcher
}

// matched is what Ahead found. The zero value is of what it did not match.
type matched struct {
	signature.Match
	db  *signature.DB // that it was matched with
	raw []byte        // its raw signature, if wanted
}

// Match matches a SYN. What it needs until a Table has taken the input it appends to
// data, which it returns. A nil Ahead matches nothing.
func (a *Ahead) Match(in *Input, data []byte) []byte {
	if a == nil {
		return data
	}
	in.ahead.db, in.ahead.raw = nil, nil
	if !in.Decoded || in.Segment.Type != packet.SYN {
		return data
	}
	db := a.DB.Load()
	if a.matcher == nil || a.matcher.DB() != db {
		a.matcher = signature.NewMatcher(db)
	}
	a.matcher.Match(signature.Request, &in.Segment, 0, &in.ahead.Match)
	in.ahead.db = db
	if a.Raw {
		from := len(data)
		data = a.matcher.AppendRaw(data, &in.Segment)
		in.ahead.raw = data[from:len(data):len(data)]
	}
	return data
}

// matchSYN matches a SYN, unless that was done with the same database.
func (t *Table) matchSYN(s *packet.Segment) *signature.Match {
	if t.ahead != nil && t.ahead.db == t.db {
		return &t.ahead.Match
	}
	t.matcher.Match(signature.Request, s, 0, &t.match)
	return &t.match
}

// rawSig returns the raw signature of the segment that was matched last, which gave m.
func (t *Table) rawSig(s *packet.Segment, m *signature.Match) []byte {
	switch {
	case m == &t.match:
		t.raw = t.matcher.AppendRaw(t.raw[:0], s)
	case len(t.ahead.raw) > 0:
		return t.ahead.raw
	default:
		t.raw = signature.AppendRaw(t.raw[:0], s, m.Multiple)
	}
	return t.raw
}
