package sender

import (
	"errors"
	"sync"

	"github.com/mxprint/mxprint/clienthello"
	"github.com/mxprint/mxprint/dialect"
	"github.com/mxprint/mxprint/internal/answer"
	"github.com/mxprint/mxprint/internal/conduct"
	"github.com/mxprint/mxprint/internal/signature"
	"github.com/mxprint/mxprint/internal/stream"
	"github.com/mxprint/mxprint/note"
)

// fill sets in a note what a session says so far.
func (p *part) fill(n *note.Note, e *entry, s *stream.Session) {
	n.TLS = e.tlsSoFar(s)
	n.Flow = e.flow(s)
	n.Software = p.software(e, s)
	findings := conduct.Read(s)
	if e.fed && findings.State == note.Complete {
		findings.State = note.NotKnown // what was spoken too early shows in packets alone
	}
	n.Conduct = &findings
}

// software names the program by how it spoke so far.
func (p *part) software(e *entry, s *stream.Session) *note.Software {
	if p.reader.cfg.DB == nil {
		return nil
	}
	var library clienthello.Library
	if e.tls != nil {
		library = clienthello.Library{Name: e.tls.Library, Settings: e.tls.Settings}
	}
	reading := note.NotKnown
	switch s.State {
	case stream.Reading:
		reading = note.Reading
	case stream.Closed, stream.Reset:
		reading = note.Complete
	}
	f := s.Dialect(library)
	return p.reader.programs.of(p.reader.cfg.DB(), &f, reading)
}

// programs keeps one note.Software for all connections of the same dialect, which
// nothing may change: most connections of a server speak one of a few.
type programs struct {
	mu  sync.Mutex
	db  *signature.DB // that all was named by
	all map[spoken]*note.Software
}

type spoken struct {
	dialect string
	tls     bool
	reading note.Progress
}

// mostPrograms is how many different ones are kept: 4 MiB at most.
const mostPrograms = 4096

// of names the program that speaks a dialect.
func (ps *programs) of(db *signature.DB, f *dialect.Fingerprint, reading note.Progress) *note.Software {
	var buf [2 * dialect.MaxText]byte
	text, _ := f.AppendText(buf[:0])
	ps.mu.Lock()
	defer ps.mu.Unlock()
	if known := ps.all[spoken{string(text), f.TLSUsed, reading}]; known != nil && ps.db == db {
		return known
	}
	if ps.all == nil || ps.db != db || len(ps.all) >= mostPrograms { // they come again, if they are in use
		ps.db, ps.all = db, make(map[spoken]*note.Software)
	}
	s := answer.Software(db, f, reading)
	ps.all[spoken{s.Dialect, f.TLSUsed, reading}] = s
	return s
}

// maxJA4Raw is the longest JA4Raw that is kept, in bytes: the longest of a real
// library has 730. A hello may have 6 KiB of it.
const maxJA4Raw = 1024

// tlsOf is what a complete hello says.
func tlsOf(h *clienthello.Hello) *note.TLS {
	l := h.Library()
	t := &note.TLS{
		State: note.Complete, Library: l.Name, Release: l.Releases(), Settings: l.Settings,
		Version: versionOf(h), JA4: h.JA4(), JA4Raw: h.JA4Raw(), ServerName: h.ServerName != "",
	}
	if len(t.JA4Raw) > maxJA4Raw {
		t.JA4Raw = ""
	}
	return t
}

// versionOf is the highest version that a hello offers, in words.
func versionOf(h *clienthello.Hello) string {
	switch h.Highest() {
	case 0x0304:
		return "1.3"
	case 0x0303:
		return "1.2"
	case 0x0302:
		return "1.1"
	case 0x0301:
		return "1.0"
	case 0x0300:
		return "SSL 3.0"
	}
	return ""
}

// What is known without a hello; shared by all connections.
var (
	tlsReading  = &note.TLS{State: note.Reading}
	tlsNone     = &note.TLS{State: note.None}
	tlsRefused  = &note.TLS{State: note.Refused}
	tlsNotKnown = &note.TLS{State: note.NotKnown}
	tlsSSLv2    = &note.TLS{State: note.Complete, Version: "SSL 2.0"}
)

// tlsSoFar is the state of TLS at this point of a session.
func (e *entry) tlsSoFar(s *stream.Session) *note.TLS {
	switch {
	case e.tls != nil:
		return e.tls
	case errors.Is(s.HelloErr, clienthello.ErrSSLv2):
		return tlsSSLv2
	case s.HelloErr != nil:
		return tlsNotKnown
	case s.TLS != stream.NoTLS && s.State == stream.Reading:
		return tlsReading
	case s.TLS != stream.NoTLS:
		return tlsNotKnown
	}
	mail, refused := false, false
	for i := range s.Events {
		switch ev := &s.Events[i]; {
		case ev.Kind == stream.Reply && ev.Verb == stream.STARTTLS && ev.Whole():
			refused = true // with 220 TLS would have begun
		case ev.Kind == stream.Command && ev.Verb == stream.MAIL:
			mail = true
		}
	}
	switch {
	case refused:
		return tlsRefused
	case mail, s.State == stream.Closed, s.State == stream.Reset:
		return tlsNone
	case s.State == stream.Reading:
		return tlsReading
	}
	return tlsNotKnown
}

// flow is the numbers of a connection's packets.
func (e *entry) flow(s *stream.Session) *note.Flow {
	f := &s.Flow
	n := &note.Flow{
		HandshakeRTT: e.handshake, TCPRTT: f.TCPRTT, SMTPRTT: f.SMTPRTT,
		Counted: !e.fed, Retransmits: uint32(f.Resent[stream.Client]), ZeroWindows: uint32(f.ZeroWindows), Resent: uint32(f.Resent[stream.Server]),
		Reset: f.Reset,
	}
	if f.Ended {
		n.ClosedBy = [...]string{"client", "server"}[f.By]
	}
	return n
}
