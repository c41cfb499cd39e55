package feed

import "github.com/mxprint/mxprint/note"

// Program is the client's program, or "" where it is not known. Where others
// may speak so, that stands behind the name.
func (c *Connection) Program() string {
	switch s := c.Note.Software; {
	case s == nil:
		return ""
	case s.Name != "" && s.Quality&note.Generic != 0:
		return s.Name + " (generic)"
	default:
		return s.Name
	}
}

// programs are all names of programs that the note has, for a filter.
func (c *Connection) programs() string {
	text := c.Note.HTTPName + " " + c.Note.HTTPFlavor
	if s := c.Note.Software; s != nil {
		text += " " + s.Title()
	}
	if t := c.Note.TLS; t != nil {
		text += " " + t.Library + " " + t.Release
	}
	return text
}

// Findings are the IDs of what the client did and of what its claims contradict.
func (c *Connection) Findings() []string {
	var ids []string
	for _, f := range []*note.Findings{c.Note.Conduct, c.Note.Contradictions} {
		if f == nil {
			continue
		}
		for i := range f.List {
			ids = append(ids, f.List[i].ID)
		}
	}
	return ids
}
