// Package dialect describes how the client of an SMTP session speaks: a short
// printable fingerprint of spelling, order, waiting and ends, from which a
// database of signatures names the program that sends.
//
//	var b dialect.Builder
//	b.Reply(220, 0)
//	b.Command(dialect.Command{Line: "EHLO mail.example.org", Heard: dialect.All})
//	b.Reply(250, dialect.OfferOf("PIPELINING")|dialect.OfferOf("SIZE"))
//	b.Command(dialect.Command{Line: "MAIL FROM:<a@example.org> SIZE=1000", Heard: dialect.All})
//	…
//	f := b.Fingerprint()
//	fmt.Println(f.String()) // offer=pipelining,size;hello=EHLO fqdn;mail=MAIL FROM:<> SIZE=
//
// Use it where a session is seen line by line: in a mail server's plugin, a
// proxy, a reader of captures. Inside TLS, which hides the lines, it reads the
// lengths of records. What was not seen is absent from a fingerprint, and is
// never a "no". Addresses, values and the names of hosts are not kept, and of a
// message no more than which common fields its header has.
//
// The language is docs/dialect.md. The commands are those of RFC 5321 and the
// extensions that a server offers.
//
// # Compatibility
//
// Until 1.0 this package only gains names; fields may be added to a fingerprint.
package dialect

import (
	"errors"
	"fmt"
	"strings"
)

// Field is one field of a Fingerprint, by its place.
type Field uint8

// The fields, in the order in which they are printed.
const (
	Greet    Field = iota // what the client did before the greeting was complete
	Hello                 // the first greeting verb and the form of its argument
	NoHello               // the next command after a refused EHLO
	StartTLS              // how STARTTLS is spelled, or "no" where it was offered and not used
	TLS                   // the TLS library, as the ClientHello has it
	Settings              // whose choice of ciphers that is
	Hints                 // what the program chose in its ClientHello
	Padding               // "yes" or "no", where the hello has a length that OpenSSL pads
	SNI                   // "yes" or "no": whether the hello has the server's name
	Records               // lengths of the records up to the message
	Mail                  // MAIL with its parameters
	Rcpt                  // RCPT likewise
	Data                  // DATA or BDAT
	Flow                  // order of the commands up to the message, and which did not wait
	Header                // the fields of the message's header, in their order
	Write                 // how the message is written: "one", "parts", "lines", "date" or "bulk"
	Dot                   // the final dot: "alone", "crlf" or "with"
	Next                  // the command after the message
	Refused               // what follows when no recipient was accepted
	Quit                  // how QUIT is spelled
	EndBy                 // how the connection ends; inside TLS "alert" or "noalert"
	LineEnd               // "lf" or "cr" where a line does not end with CRLF
	Think                 // longest silence before a command
	Pace                  // "slow" where each command came long after the reply
	NumFields
)

var names = [NumFields]string{"greet", "hello", "nohello", "starttls", "tls", "settings", "hints", "pad", "sni", "rec", "mail", "rcpt", "data", "flow",
	"header", "write", "dot", "next", "refused", "quit", "end", "eol", "think", "pace"}

// String returns the name of a field: "hello".
func (f Field) String() string {
	if f < NumFields {
		return names[f]
	}
	return fmt.Sprintf("Field(%d)", uint8(f))
}

// FieldOf returns the field with a name.
func FieldOf(name string) (Field, bool) {
	for f, n := range names {
		if n == name {
			return Field(f), true
		}
	}
	return NumFields, false
}

// MaxText bounds the values of all fields together, and so what a fingerprint
// takes in memory.
const MaxText = 400

// Fingerprint is the dialect of one session. It is a plain value; one that is
// not changed is safe for concurrent use.
type Fingerprint struct {
	Offer      Offer // of the last reply to EHLO
	OfferKnown bool  // Offer was seen; after HELO it is known to be none
	TLSUsed    bool  // records were seen, so that the lines after STARTTLS were not

	begin, end [NumFields]uint16
	n          uint16
	text       [MaxText]byte
}

// Get returns the value of a field, or nil where it was not seen. It belongs to
// the Fingerprint.
func (f *Fingerprint) Get(field Field) []byte {
	if f.end[field] == 0 {
		return nil
	}
	return f.text[f.begin[field]:f.end[field]]
}

// Has reports whether a field was seen.
func (f *Fingerprint) Has(field Field) bool { return f.end[field] > 0 }

// set gives a field its value. What is too long for the whole is cut with a ?, and
// does not match any signature; a header is left out.
func (f *Fingerprint) set(field Field, value []byte) {
	cut := int(f.n)+len(value) > len(f.text)
	if len(value) == 0 || cut && field == Header {
		return
	}
	at := f.n
	for _, c := range value {
		if int(f.n) == len(f.text) {
			break
		}
		if c < ' ' || c > '~' || c == ';' || c == '|' {
			c = '?'
		}
		f.text[f.n] = c
		f.n++
	}
	if f.n > at {
		if cut {
			f.text[f.n-1] = '?'
		}
		f.begin[field], f.end[field] = at, f.n
	}
}

// AppendText appends the fingerprint in the language of docs/dialect.md. Its
// error is always nil.
func (f *Fingerprint) AppendText(b []byte) ([]byte, error) {
	first := len(b)
	if f.OfferKnown {
		b = f.Offer.appendTo(append(b, "offer="...))
	}
	for field := Field(0); field < NumFields; field++ {
		value := f.Get(field)
		if value == nil {
			continue
		}
		if len(b) > first {
			b = append(b, ';')
		}
		b = append(append(append(b, names[field]...), '='), value...)
	}
	return b, nil
}

// String returns the fingerprint as text.
func (f *Fingerprint) String() string {
	b, _ := f.AppendText(nil)
	return string(b)
}

// ErrSyntax is the error for a text that is not a fingerprint.
var ErrSyntax = errors.New("dialect: not a fingerprint")

// Parse reads a fingerprint as String prints it.
func Parse(text string) (Fingerprint, error) {
	var f Fingerprint
	if len(text) > 2*MaxText {
		return f, fmt.Errorf("%w: longer than %d bytes", ErrSyntax, 2*MaxText)
	}
	for _, part := range strings.Split(text, ";") {
		name, value, ok := strings.Cut(part, "=")
		if name == "offer" && ok && !f.OfferKnown {
			f.OfferKnown = true
			if f.Offer, ok = ParseOffer(value); !ok {
				return f, fmt.Errorf("%w: %q is not a list of extensions", ErrSyntax, value)
			}
			continue
		}
		field, known := FieldOf(name)
		if !ok || !known || value == "" || f.Has(field) {
			return f, fmt.Errorf("%w: want NAME=VALUE with a field's name, each once, at %q", ErrSyntax, part)
		}
		if int(f.n)+len(value) > MaxText {
			return f, fmt.Errorf("%w: its values are longer than %d bytes", ErrSyntax, MaxText)
		}
		f.set(field, []byte(value))
	}
	f.TLSUsed = f.Has(TLS) || f.Has(Records)
	return f, nil
}
