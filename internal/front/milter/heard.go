package milter

import (
	"slices"
	"strings"

	library "github.com/d--j/go-milter"

	"github.com/mxprint/mxprint/dialect"
	"github.com/mxprint/mxprint/note"
)

// A mail server tells a milter what its client says inside TLS, too, and not all
// of it: neither RSET, NOOP and QUIT nor how a command is spelled.

// greeted notes a greeting, and the TLS around it.
func (s *session) greeted(name string, m library.Modifier) {
	if !s.v.Again {
		return
	}
	s.said(dialect.Redact("* " + name))
	if version := m.Get(library.MacroTlsVersion); version != "" {
		s.heard.TLS = strings.TrimPrefix(version, "TLSv")
		s.heard.Cipher = m.Get(library.MacroCipher)
	}
}

// said notes a line, up to a number.
func (s *session) said(line string) {
	if line != "" && len(s.heard.Lines) < dialect.MaxLines {
		s.heard.Lines = append(s.heard.Lines, line)
	}
}

// reporting is a question with what the client said.
func (s *session) reporting() note.Query {
	q := s.ask.q
	q.Wait, q.Hello, q.Heard = 0, s.hello, s.report()
	s.reported = len(s.heard.Lines)
	return q
}

// report is what the sensor gets to know; nil: nothing.
func (s *session) report() *note.Heard {
	if len(s.heard.Lines) == 0 {
		return nil
	}
	h := s.heard
	h.Lines, h.Gaps = slices.Clone(h.Lines), true
	return &h
}
