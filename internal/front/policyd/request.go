package policyd

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"time"

	"github.com/mxprint/mxprint/internal/claim"
	"github.com/mxprint/mxprint/internal/front"
	"github.com/mxprint/mxprint/internal/policy"
	"github.com/mxprint/mxprint/note"
)

// Limits of a request. Postfix sends about thirty attributes in a thousand
// bytes; those that come from the client are as long as an SMTP command.
const (
	maxRequest    = 64 << 10 // bytes
	maxAttributes = 500
	maxValue      = 256 // bytes of an attribute that counts
	lineBuffer    = 2048
)

var (
	// errRequest says that a request is malformed. The next one may be valid.
	errRequest = errors.New("not a policy request")
	// errLost says that the start of the next request cannot be found.
	errLost = fmt.Errorf("%w, closing the connection", errRequest)
)

// request is what counts of one.
type request struct {
	kind     string // request=
	state    string // protocol_state=
	instance string // the mail; the same for all of its recipients
	client   netip.AddrPort
	server   netip.AddrPort
	more     attributes // for rules
}

// mail is what rules are asked about.
func (r *request) mail(n *note.Note) *policy.Mail {
	m := policy.NewMail(n)
	m.Client, m.Stage = r.client.Addr().String(), r.state
	m.ClientName, m.ReverseName = known(r.more["client_name"]), known(r.more["reverse_client_name"])
	m.HELO, m.Sender, m.Recipient = r.more["helo_name"], r.more["sender"], r.more["recipient"]
	m.Login, m.Encryption = r.more["sasl_username"], r.more["encryption_protocol"]
	return m
}

// claims are what the sender says of itself, as far as Postfix passes it on.
func (r *request) claims() *claim.Mail {
	name, looked := r.more["client_name"]
	return &claim.Mail{Client: r.client.Addr().String(), HELO: r.more["helo_name"], Claims: note.Claims{Name: known(name), NameKnown: looked && name != ""}}
}

// known is a name, which is "unknown" where Postfix has none: client_name is
// there where its address was found by name and by address.
func known(name string) string {
	if name == "unknown" {
		return ""
	}
	return name
}

// inTime reports whether Postfix can prepend a header in this state: not after
// the message, and not for a mail before it has begun, whose reset forgets the
// header.
func (r *request) inTime() bool {
	return r.state == "MAIL" || r.state == "RCPT" || r.state == "DATA"
}

// reader takes requests from a connection.
type reader struct {
	nc net.Conn
	in *bufio.Reader
}

func newReader(nc net.Conn) *reader {
	return &reader{nc: nc, in: bufio.NewReaderSize(nc, lineBuffer)}
}

// next reads a request to the empty line that ends it. The error is errRequest
// where it is malformed, errLost where it has no end; every other error is the
// connection's.
func (r *reader) next() (*request, error) {
	r.nc.SetReadDeadline(time.Now().Add(idleTime))
	if _, err := r.in.Peek(1); err != nil {
		return nil, err
	}
	r.nc.SetReadDeadline(time.Now().Add(requestTime))
	attrs, err := r.attributes()
	if err != nil {
		if errors.Is(err, os.ErrDeadlineExceeded) {
			err = fmt.Errorf("%w: no end after %v", errLost, requestTime)
		}
		return nil, err
	}
	return attrs.request()
}

// attributes that count, by name.
type attributes map[string]string

// counts says which attributes are kept.
func counts(name []byte) bool {
	switch string(name) {
	case "request", "protocol_state", "instance",
		"client_address", "client_port", "server_address", "server_port":
		return true
	}
	return forRules(name)
}

// forRules says which attributes rules can ask about. They come from the client:
// one that is too long counts as empty.
func forRules(name []byte) bool {
	switch string(name) {
	case "client_name", "reverse_client_name", "helo_name", "sender", "recipient", "sasl_username", "encryption_protocol":
		return true
	}
	return false
}

// attributes reads lines of name=value. After a line that is wrong it goes on
// to the end of the request, so that the next one can be read.
func (r *reader) attributes() (attributes, error) {
	attrs := make(attributes, 16)
	var wrong error
	for size, lines := 0, 0; ; lines++ {
		line, n, err := r.line(maxRequest - size)
		size += n
		switch {
		case err != nil:
			return nil, err
		case len(line) == 0:
			return attrs, wrong
		case lines == maxAttributes:
			return nil, fmt.Errorf("%w: more than %d attributes", errLost, maxAttributes)
		}
		if err := attrs.add(line); err != nil && wrong == nil {
			wrong = err
		}
	}
}

// line reads one, of at most n bytes, and returns its beginning, without the
// line feed, and its length with it.
func (r *reader) line(most int) (line []byte, n int, err error) {
	for {
		part, err := r.in.ReadSlice('\n')
		n += len(part)
		if line == nil {
			line = bytes.Clone(part[:min(len(part), maxValue+64)])
		}
		switch {
		case n > most:
			return nil, n, fmt.Errorf("%w: more than %d bytes", errLost, maxRequest)
		case err == nil:
			return bytes.TrimSuffix(line, []byte("\n")), n, nil
		case errors.Is(err, bufio.ErrBufferFull):
		case errors.Is(err, io.EOF):
			return nil, n, fmt.Errorf("%w: it is cut", errLost)
		default:
			return nil, n, err
		}
	}
}

// add takes a line.
func (a attributes) add(line []byte) error {
	name, value, ok := bytes.Cut(line, []byte("="))
	if !ok || len(name) == 0 {
		return fmt.Errorf("%w: want name=value: %.60q", errRequest, line)
	}
	if !counts(name) {
		return nil
	}
	if _, twice := a[string(name)]; twice {
		return fmt.Errorf("%w: %s twice", errRequest, name)
	}
	if len(value) > maxValue && forRules(name) {
		value = nil
	}
	if len(value) > maxValue {
		return fmt.Errorf("%w: %s is longer than %d bytes", errRequest, name, maxValue)
	}
	a[string(name)] = string(value)
	return nil
}

// request makes sense of the attributes. A client whose address Postfix does
// not know is "unknown"; so is the port.
func (a attributes) request() (*request, error) {
	r := &request{
		kind: a["request"], state: a["protocol_state"], instance: a["instance"],
		client: front.AddrPort(a["client_address"], a["client_port"]),
		server: front.AddrPort(a["server_address"], a["server_port"]),
		more:   a,
	}
	if r.kind != "smtpd_access_policy" {
		return nil, fmt.Errorf("%w: request=%q", errRequest, r.kind)
	}
	if r.server.Port() == 0 {
		r.server = netip.AddrPort{}
	}
	return r, nil
}
