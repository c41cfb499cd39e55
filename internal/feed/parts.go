package feed

// Program is the client's program, or "" where it is not known.
func (c *Connection) Program() string {
	if s := c.Note.Software; s != nil {
		return s.Name
	}
	return ""
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
	if f := c.Note.Conduct; f != nil {
		for i := range f.List {
			ids = append(ids, f.List[i].ID)
		}
	}
	if f := c.Note.Contradictions; f != nil {
		for i := range f.List {
			ids = append(ids, f.List[i].ID)
		}
	}
	return ids
}
