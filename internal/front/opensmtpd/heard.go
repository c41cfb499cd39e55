package opensmtpd

import (
	"slices"
	"strings"

	"github.com/mxprint/mxprint/dialect"
	"github.com/mxprint/mxprint/note"
)

// said is what the client of a session said, as smtpd reports it: each line, and
// each of a reply, inside TLS too. Addresses, values and passwords are left out
// at once.
type said struct {
	lines   []string
	hello   string // the last name it gave itself
	auth    bool   // it began to log in: words that are no commands may be a password
	greeted bool   // the reply to EHLO is next
	offer   dialect.Offer
	known   bool // offer is
	version string
	cipher  string
	header  string // of the first mail
}

// client takes a line of the client.
func (s *said) client(line string) {
	line = dialect.Redact(line)
	verb, name, _ := strings.Cut(line, " ")
	switch strings.ToUpper(verb) {
	case "EHLO", "HELO", "LHLO":
		s.hello = strings.TrimSpace(name)
		s.greeted, s.offer, s.known = true, 0, true
	case "AUTH":
		s.auth = true
	case "", "X", "X:", "?":
		if s.auth || line == "" {
			return
		}
	}
	s.add(line)
}

func (s *said) add(line string) {
	if len(s.lines) < dialect.MaxLines {
		s.lines = append(s.lines, line)
	}
}

// server takes a line of a reply: of that to EHLO what it offers.
func (s *said) server(line string) {
	if !s.greeted || len(line) < 4 {
		return
	}
	if line[:3] == "250" {
		s.offer |= dialect.OfferOf(line[4:])
	}
	s.greeted = line[3] == '-'
}

// tls takes what TLS was agreed: version, cipher and more, with colons.
func (s *said) tls(text string) {
	version, rest, _ := strings.Cut(text, ":")
	s.version = strings.TrimPrefix(version, "TLSv")
	s.cipher, _, _ = strings.Cut(rest, ":")
}

// report is what the sensor gets to know; nil: nothing.
func (s *said) report() *note.Heard {
	if len(s.lines) == 0 {
		return nil
	}
	return &note.Heard{Lines: slices.Clone(s.lines), Header: s.header, Offer: s.offer.String(), OfferKnown: s.known, TLS: s.version, Cipher: s.cipher}
}

// maxClaim is how much of a claim counts, in bytes.
const maxClaim = 300

// claims are what the sender and its mail say of themselves.
type claims struct {
	c      note.Claims
	fields dialect.Fields
	own    bool    // smtpd's own Received field, the first of all, was there
	field  *string // that a folded line belongs to; nil: none of these
}

// named takes the client's name, and whether smtpd found the address by it.
func (c *claims) named(name, confirmed string) {
	switch confirmed {
	case "pass":
		c.c.Name, c.c.NameKnown = name, true
	case "fail":
		c.c.NameKnown = true
	}
}

// begin forgets the mail before.
func (c *claims) begin() {
	*c = claims{c: note.Claims{Name: c.c.Name, NameKnown: c.c.NameKnown}}
}

// take takes a line of a mail's header.
func (c *claims) take(line []byte) {
	text := string(line[:min(len(line), maxClaim)])
	if line[0] == ' ' || line[0] == '\t' {
		if c.field != nil {
			*c.field = short(*c.field + " " + strings.TrimSpace(text))
		}
		return
	}
	c.field = nil
	name, value, ok := strings.Cut(text, ":")
	if !ok {
		return
	}
	ours := !c.own && strings.EqualFold(name, "Received")
	if !ours {
		c.fields.Add(name)
	}
	switch strings.ToLower(strings.TrimRight(name, " \t")) {
	case "x-mailer", "user-agent":
		c.set(&c.c.Mailer, value)
	case "message-id":
		c.set(&c.c.MessageID, value)
	case "received":
		c.c.Received = "" // the first that the sender put in is the last
		if c.own {
			c.set(&c.c.Received, value)
		}
		c.own = true
	}
}

// set takes the value of a field that has none yet.
func (c *claims) set(field *string, value string) {
	if *field == "" {
		*field, c.field = short(strings.TrimSpace(value)), field
	}
}

func short(s string) string { return s[:min(len(s), maxClaim)] }
