// Package front has what the fronts of mail servers share: the text of a header
// field that breaks no header, and the addresses a mail server writes.
package front

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/mxprint/mxprint/note"
)

// Names of the header that a mail gets: Haraka's, and that of the form full.
const (
	DefaultHeader = "X-p0f-Result"
	FullHeader    = "X-Mxprint"
)

// maxLine is how long a line of a mail may be, without its end (RFC 5322
// §2.1.1).
const maxLine = 998

// ErrHeader says that a name cannot be that of a header, or a text its body.
var ErrHeader = errors.New("invalid header")

// Header is a header with a name and a form.
type Header struct {
	Name string
	form func(*note.Note) string
}

// NewHeader checks the name, which is DefaultHeader where it is empty. A nil
// form is (*note.Note).Header.
func NewHeader(name string, form func(*note.Note) string) (Header, error) {
	name = cmp.Or(name, DefaultHeader)
	// No program uses longer names, and they leave no room on a line.
	if len(name) > 76 {
		return Header{}, fmt.Errorf("%w: the name %q is longer than 76 bytes", ErrHeader, name)
	}
	if standardField(name) {
		return Header{}, fmt.Errorf("%w: %q is a field of mails, and would be removed from each as forged: choose another name, such as %s", ErrHeader, name, DefaultHeader)
	}
	for _, c := range []byte(name) {
		if c <= ' ' || c > '~' || c == ':' { // RFC 5322 §3.6.8
			return Header{}, fmt.Errorf("%w: %q in the name %q", ErrHeader, c, name)
		}
	}
	if form == nil {
		form = (*note.Note).Header
	}
	return Header{Name: name, form: form}, nil
}

// standardField reports whether the standards give a name to something else.
func standardField(name string) bool {
	name = strings.ToLower(name)
	for _, prefix := range []string{"resent-", "content-", "list-", "arc-", "received", "dkim-signature", "authentication-results"} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	// RFC 5322 §3.6, RFC 2045, RFC 5321 §4.4, RFC 8601; Delivered-To ends loops (RFC 9228)
	return slices.Contains([]string{
		"return-path", "date", "from", "sender", "reply-to", "to", "cc", "bcc", "message-id", "in-reply-to", "references",
		"subject", "comments", "keywords", "mime-version", "delivered-to",
	}, name)
}

// Text returns the body of the header about a client; it is empty where nothing
// is known of it. A form may come from anywhere: a text that would break the
// header is refused.
func (h Header) Text(n *note.Note) (string, error) {
	text := strings.TrimSpace(h.form(n))
	if len(h.Name)+len(": ")+len(text) > maxLine {
		return "", fmt.Errorf("%w: a text of %d bytes is too long", ErrHeader, len(text))
	}
	for i := range len(text) {
		if c := text[i]; c < ' ' || c > '~' {
			return "", fmt.Errorf("%w: byte %#02x in %q", ErrHeader, c, text)
		}
	}
	return text, nil
}

// Addr is an address in the words of a mail server, and whether it is one that
// can be asked about. Sendmail's prefix "IPv6:" is taken off.
func Addr(s string) (netip.Addr, bool) {
	if len(s) >= 5 && strings.EqualFold(s[:5], "IPv6:") {
		s = s[5:]
	}
	a, err := netip.ParseAddr(s)
	a = a.Unmap().WithZone("") // before the next question: [::%0] and ::ffff:0.0.0.0 are not it
	if err != nil || a.IsUnspecified() {
		return netip.Addr{}, false
	}
	return a, true
}

// AddrPort is an end of a connection in the words of a mail server, with the
// port in decimal: 0 where it is not known. It is invalid where the address is.
func AddrPort(addr, port string) netip.AddrPort {
	a, ok := Addr(addr)
	if !ok {
		return netip.AddrPort{}
	}
	p, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		p = 0
	}
	return netip.AddrPortFrom(a, uint16(p))
}
