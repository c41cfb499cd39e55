package milter

import (
	"net/netip"
	"strings"

	library "github.com/d--j/go-milter"

	"github.com/mxprint/mxprint/dialect"
	"github.com/mxprint/mxprint/internal/claim"
	"github.com/mxprint/mxprint/internal/front"
	"github.com/mxprint/mxprint/note"
)

// This file and what packet.go checks are all that has to do with the library.

// maxForged is how many forged headers of one mail are removed. Postfix looks
// for each from the start of the mail: a thousand take it 0.1 s, ten thousand
// 3.6 s. No valid mail has that many; one that does is refused.
const maxForged = 1000

// unwanted are the events that are of no use to us, and unheard those of which
// the same holds where what the client says is not looked at.
const (
	unwanted = library.OptNoBody | library.OptNoEOH | library.OptNoData
	unheard  = library.OptNoRcptTo | library.OptNoUnknown
)

// silent are the events that a mail server need not wait for, and so are those of
// answered where they come.
const (
	silent   = library.OptNoConnReply | library.OptNoHeloReply | library.OptNoMailReply | library.OptNoHeaderReply
	answered = library.OptNoRcptReply | library.OptNoUnknownReply
)

// needed are the changes that we make to a mail. An offer without them has been
// refused when the library sees it.
const needed = library.OptAddHeader | library.OptChangeHeader

// run has the library serve connections until none is accepted any more.
func (v *serving) run() error {
	return library.NewServer(
		library.WithMilter(func() library.Milter { return &session{v: v} }),
		library.WithActions(needed),
		library.WithNegotiationCallback(v.negotiate),
	).Serve(v.Handoff)
}

// negotiate takes what is offered of what we want. Without silent events we
// answer all.
func (v *serving) negotiate(mtaVersion, version uint32, _, _ library.OptAction, protocol, _ library.OptProtocol, _ library.DataSize) (uint32, library.OptAction, library.OptProtocol, library.DataSize, error) {
	want := unwanted | unheard | silent
	if v.Again {
		want = unwanted | silent | answered
	}
	return min(mtaVersion, version), needed, protocol & want, library.DataSize64K, nil
}

// session is one connection of a mail server, which may bring the sessions of
// several clients, and of each several mails.
type session struct {
	library.NoOpMilter
	v        *serving
	client   netip.AddrPort
	ask      *lookup // nil: no client that could be asked about
	hello    string  // what the client called itself last
	forged   int     // headers of our name in the mail so far
	claims   claim.Mail
	fields   dialect.Fields // of the mail's header
	heard    note.Heard
	reported int               // lines of heard that have been reported
	read     map[string]string // headers of Reading
}

// NewConnection forgets the client before.
func (s *session) NewConnection(library.Modifier) error {
	s.Cleanup(nil)
	return nil
}

// Connect asks who the client is.
func (s *session) Connect(name, family string, port uint16, addr string, m library.Modifier) (*library.Response, error) {
	s.Cleanup(nil)
	if s.v.Read != nil {
		return library.RespContinue, nil
	}
	ip, err := netip.ParseAddr(addr)
	if err != nil || family != "tcp4" && family != "tcp6" {
		return library.RespContinue, nil // a local submission, or an unknown client
	}
	s.client = netip.AddrPortFrom(ip.Unmap(), port)
	s.named(name, m)
	s.ask = s.v.ask(s.client, serverOf(m))
	return library.RespContinue, nil
}

// serverOf is the mail server's own end of the connection, which it names where
// it is configured to send {daemon_port}: Postfix with the address in
// {daemon_addr}, Sendmail in {if_addr} where it listens on all addresses. Half
// an answer is malformed. The client's end alone is enough but for a client that
// uses one port for connections to two addresses of ours.
func serverOf(m library.Macros) netip.AddrPort {
	port := m.Get(library.MacroDaemonPort)
	for _, name := range []library.MacroName{library.MacroDaemonAddr, library.MacroIfAddr} {
		if server := front.AddrPort(m.Get(name), port); server.IsValid() && server.Port() != 0 {
			return server
		}
	}
	return netip.AddrPort{}
}

// Helo notes what the client calls itself, for what is remembered of it and for
// claims.
func (s *session) Helo(name string, m library.Modifier) (*library.Response, error) {
	s.hello, s.claims.HELO = name, name
	s.greeted(name, m)
	return library.RespContinue, nil
}

// MailFrom begins a mail. line is what packet.go makes of the command.
func (s *session) MailFrom(line, _ string, _ library.Modifier) (*library.Response, error) {
	s.forged, s.read = 0, nil
	s.beginClaims()
	s.said(line)
	return library.RespContinue, nil
}

// RcptTo and Unknown note what the client says.
func (s *session) RcptTo(line, _ string, _ library.Modifier) (*library.Response, error) {
	s.said(line)
	return library.RespContinue, nil
}

func (s *session) Unknown(line string, _ library.Modifier) (*library.Response, error) {
	s.said(line)
	return library.RespContinue, nil
}

// Header counts the headers that only we may add.
func (s *session) Header(name, value string, _ library.Modifier) (*library.Response, error) {
	if r := s.v.Read; r != nil {
		r.note(s, name, value)
		return library.RespContinue, nil
	}
	if strings.EqualFold(name, s.v.header.Name) {
		s.forged++
	}
	s.claimed(name, value)
	return library.RespContinue, nil
}

// EndOfMessage changes the mail.
func (s *session) EndOfMessage(m library.Modifier) (*library.Response, error) {
	forged := s.forged
	s.forged = 0
	s.v.group.Requests.Add(1)
	if s.v.Read != nil {
		s.v.Read.Mail(s.read)
		return library.RespAccept, nil
	}
	if forged > maxForged {
		return library.RejectWithCodeAndReason(550, "5.6.0 Too many headers "+s.v.header.Name)
	}
	s.v.forged.Add(uint64(forged))
	// From the last to the first: after a removal Postfix counts again,
	// Sendmail does not.
	for i := forged; i > 0; i-- {
		if err := m.ChangeHeader(i, s.v.header.Name, ""); err != nil {
			return nil, err
		}
	}
	if text := s.text(); text != "" {
		if err := m.InsertHeader(0, s.v.header.Name, text); err != nil {
			return nil, err
		}
		s.v.noted.Add(1)
	}
	return library.RespAccept, nil
}

// text is the header's, or empty where the mail gets none.
func (s *session) text() string {
	if s.ask == nil {
		return ""
	}
	n, ok := s.ask.note()
	if !ok {
		s.v.group.Missed.Add(1)
		s.v.log.Warn("mail without a note", "client", s.client, "deadline", s.v.deadline)
		return ""
	}
	if s.v.Again {
		if s.heard.Header == "" {
			s.heard.Header = s.fields.String()
		}
		q := s.reporting()
		q.Claims = s.claiming()
		n = s.v.again(q, n)
	}
	s.contradict(&n)
	text, err := s.v.header.Text(&n)
	if err != nil {
		s.v.log.Warn("mail without a header", "client", s.client, "reason", err)
	}
	return text
}

// Abort ends a mail that is not to be.
func (s *session) Abort(library.Modifier) error {
	s.forged = 0
	return nil
}

// Cleanup ends what is under way for the client, and reports what it said since
// the last report: a client that is refused, or leaves, brings no mail.
func (s *session) Cleanup(library.Modifier) {
	if s.ask != nil {
		s.ask.cancel()
		if s.v.Again && len(s.heard.Lines) > s.reported {
			s.v.start(s.reporting()) // nothing waits for the answer
		}
		s.ask = nil
	}
	s.hello = ""
	s.forged, s.reported = 0, 0
	s.heard = note.Heard{}
}
