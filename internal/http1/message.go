package http1

import "bytes"

// Message is the header of a request or a response. Its slices point into the
// data it was read from.
type Message struct {
	Response bool
	Version  int // 0 for HTTP/1.0, 1 for HTTP/1.1
	Fields   []Field

	// Values of some fields, the last one where a field occurs twice; nil if
	// absent.
	Software []byte // User-Agent, or a response's Server
	Language []byte // Accept-Language
	Date     []byte
	Via      bool // a proxy named itself, or its client

	fields [MaxFields]Field
}

// Field is one field of a header. A value ends at its first NUL, as C has it.
type Field struct {
	Name  []byte // case counts
	Value []byte // nil if absent
}

// Message gives the message that a Read has completed. data is what that Read
// got.
func (r *Reader) Message(data []byte, m *Message) {
	*m = Message{Response: r.Response, Version: int(r.version)}
	for i, s := range r.fields[:r.count] {
		f := &m.fields[i]
		f.Name = data[s.name:][:s.nameLen]
		if s.valueLen == 0 {
			continue
		}
		f.Value = data[s.value:][:s.valueLen]
		if end := bytes.IndexByte(f.Value, 0); end >= 0 {
			f.Value = f.Value[:end]
		}
		m.notice(f)
	}
	m.Fields = m.fields[:r.count]
}

// notice keeps the values that are looked at by themselves (p0f-v3.md §8.2).
func (m *Message) notice(f *Field) {
	switch string(f.Name) {
	case "User-Agent":
		if !m.Response {
			m.Software = f.Value
		}
	case "Accept-Language":
		if !m.Response {
			m.Language = f.Value
		}
	case "Server":
		if m.Response {
			m.Software = f.Value
		}
	case "Date":
		if m.Response {
			m.Date = f.Value
		}
	case "Via", "X-Forwarded-For":
		m.Via = true
	}
}
