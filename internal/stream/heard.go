package stream

import (
	"strings"

	"github.com/mxprint/mxprint/dialect"
)

// Lines reads what a mail server reports that its client said, in the language of
// dialect.Redact. The Session has commands alone: At is the number of the line,
// and what each had acknowledged is not known.
func Lines(lines []string) *Session {
	s := new(Session)
	s.open(false, nil)
	for i, line := range lines {
		text := spelled(dialect.Redact(line))
		if text == "" || s.State != Reading {
			continue
		}
		s.pending, s.mode, s.left = verbs{}, 0, [2]uint32{}
		p := piece{side: Client, at: uint32(i + 1), ack: 1<<32 - 1, data: []byte(text + "\r\n")}
		for len(p.data) > 0 && s.State == Reading {
			p.data = p.data[s.command(&p):]
		}
	}
	s.stop(TimedOut)
	return s
}

// spelled makes a line of one that stands for less; empty where there is nothing
// to look at.
func spelled(line string) string {
	if name, ok := strings.CutPrefix(line, "* "); ok {
		return "EHLO " + name
	}
	verb, ok := strings.CutSuffix(line, " *")
	switch {
	case line == ".":
		return ""
	case !ok:
		return line
	}
	switch strings.ToUpper(verb) {
	case "RSET", "NOOP", "QUIT", "DATA", "STARTTLS":
		return verb
	}
	return ""
}

// OfferFrom is an offer as a mail server reports it. What a dialect does not name
// may have been offered.
func OfferFrom(o dialect.Offer) Offer {
	all := EnhancedCodes | OfferVrfy | OfferEtrn | OfferHelp | Limits | OtherOffer
	for _, x := range offered {
		if o&x.there != 0 {
			all |= x.here
		}
	}
	return all
}
