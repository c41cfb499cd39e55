package sender

import (
	"slices"
	"strings"

	"github.com/mxprint/mxprint/dialect"
	"github.com/mxprint/mxprint/internal/answer"
	"github.com/mxprint/mxprint/internal/conduct"
	"github.com/mxprint/mxprint/internal/signature"
	"github.com/mxprint/mxprint/note"
)

// heard is what a mail server reports of a connection, read.
type heard struct {
	print       dialect.Fingerprint // without the header
	header      string              // which fields that of the first mail has; empty: not known
	found       []note.Finding
	tls, cipher string
}

// readHeard reads a report. Its text is hostile: of it remain forms, names of
// findings, and short words.
func readHeard(h *note.Heard) *heard {
	limited := *h
	limited.Lines = nil
	for _, line := range h.Lines[:min(len(h.Lines), dialect.MaxLines)] {
		limited.Lines = append(limited.Lines, dialect.Redact(line))
	}
	r := &heard{print: dialect.OfLines(limited.Lines, h.Gaps), found: conduct.Heard(&limited)}
	if h.Header != "" {
		r.header = string(headerOf(h.Header).Get(dialect.Header))
	}
	if offer, ok := dialect.ParseOffer(h.Offer); ok && h.OfferKnown {
		r.print.Offer, r.print.OfferKnown = offer, true
	}
	r.tls, r.cipher = token(h.TLS), token(h.Cipher)
	return r
}

// headerOf is the fields of a mail's header, or nothing where they are not in the
// language of a dialect.
func headerOf(fields string) *dialect.Fingerprint {
	if fields == "none" {
		fields = ""
	}
	var b dialect.Builder
	b.Message(dialect.Message{Bytes: 1, Header: fields, HeaderSeen: true})
	f := b.Fingerprint()
	return &f
}

// token is a version or the name of a cipher, or empty where a word is neither.
func token(s string) string {
	const most = 40
	if len(s) > most || strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") != "" {
		return ""
	}
	return s
}

// hear keeps what a mail server reports of a connection, beside what its packets
// show, and reports whether these are known.
func (r *Reader) hear(q note.Query, h *heard) bool {
	return q.Client.Port() != 0 && slices.ContainsFunc(r.all(), func(p *part) bool { return p.hear(q, h) })
}

func (p *part) hear(q note.Query, h *heard) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	e := p.entry(q)
	if e != nil {
		if e.heard != nil && e.heard.header != "" { // that was of an earlier mail
			h.header = e.heard.header
		}
		e.heard = h
	}
	return e != nil
}

// join adds to a note what a mail server reports. What the packets show counts
// where both have it.
func (h *heard) join(db func() *signature.DB, n *note.Note) {
	var f dialect.Fingerprint
	if n.Software != nil {
		f, _ = dialect.Parse(n.Software.Dialect)
	}
	inside := f.TLSUsed || h.tls != ""
	if db != nil {
		n.Software = h.software(db(), n.Software, &f)
	}
	if h.tls != "" || h.cipher != "" {
		t := note.TLS{}
		if n.TLS != nil {
			t = *n.TLS
		}
		t.Agreed, t.Cipher = h.tls, h.cipher
		n.TLS = &t
	}
	if len(h.found) == 0 || !inside && n.Conduct != nil && n.Conduct.State != note.NotKnown {
		return // the packets show each line
	}
	all := note.Findings{}
	if n.Conduct != nil {
		all.State = n.Conduct.State
		all.List = append(all.List, n.Conduct.List...)
	}
	for _, found := range h.found {
		if !all.Has(found.ID) {
			all.List = append(all.List, found)
		}
	}
	n.Conduct = &all
}

// software names the program by both.
func (h *heard) software(db *signature.DB, was *note.Software, f *dialect.Fingerprint) *note.Software {
	reading := note.NotKnown
	if was != nil {
		reading = was.Reading
	}
	g := h.print
	if h.header != "" {
		g.Join(headerOf(h.header))
	}
	return answer.Joined(db, f, &g, reading)
}
