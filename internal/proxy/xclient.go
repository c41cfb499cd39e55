package proxy

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mxprint/mxprint/internal/proxyproto"
)

const (
	maxReplyLine  = 1024 // RFC 5321 §4.5.3.1.5: 512
	maxReplyLines = 100
)

var errXClient = errors.New("it does not offer XCLIENT to us (Postfix: smtpd_authorized_xclient_hosts)")

// xclient names the client to Postfix by XCLIENT, and sends its second greeting,
// which is for that client, on.
func (v *serving) xclient(c *conn) error {
	c.backend.SetDeadline(time.Now().Add(xclientTimeout))
	greeting, err := xclient(c.backend, v.name, &c.header)
	if err != nil {
		return err
	}
	if err := c.backend.SetDeadline(time.Time{}); err != nil {
		return err
	}
	text := lines(greeting)
	c.first.observe([]byte(text), false)
	c.client.SetWriteDeadline(time.Now().Add(xclientTimeout))
	if _, err := io.WriteString(c.client, text); err != nil {
		return fmt.Errorf("greeting the client: %w", err)
	}
	return c.client.SetWriteDeadline(time.Time{})
}

// xclient names a client to Postfix, and returns the greeting for it.
func xclient(backend io.ReadWriter, name string, h *proxyproto.Header) ([]string, error) {
	in := bufio.NewReaderSize(backend, maxReplyLine)
	if _, err := reply(in, "220"); err != nil {
		return nil, fmt.Errorf("greeting: %w", err)
	}
	offers, err := command(in, backend, "EHLO "+name, "250")
	if err != nil {
		return nil, err
	}
	line := ""
	for _, offer := range offers {
		if words := strings.Fields(strings.ToUpper(offer)); len(words) > 0 && words[0] == "XCLIENT" {
			line = xclientLine(words[1:], h.Client, h.Server)
		}
	}
	if line == "" {
		return nil, errXClient
	}
	greeting, err := command(in, backend, line, "220")
	if err == nil && in.Buffered() > 0 {
		err = errors.New("it speaks unasked")
	}
	return greeting, err
}

// lines is a reply as it came.
func lines(texts []string) string {
	var b strings.Builder
	for i, text := range texts {
		sep := "-"
		if i == len(texts)-1 {
			sep = " "
		}
		b.WriteString("220" + sep + text + "\r\n")
	}
	return b.String()
}

// xclientLine has the attributes that Postfix offers to take. The name is said
// to be unknown: without it Postfix keeps ours. The line is empty if the server
// takes no ADDR or the address is not valid.
func xclientLine(offers []string, client, server netip.AddrPort) string {
	if !slices.Contains(offers, "ADDR") || !client.IsValid() {
		return ""
	}
	line := "XCLIENT"
	for _, a := range []struct{ name, value string }{
		{"NAME", "[UNAVAILABLE]"},
		{"ADDR", xclientAddr(client.Addr())}, {"PORT", strconv.Itoa(int(client.Port()))},
		{"DESTADDR", xclientAddr(server.Addr())}, {"DESTPORT", strconv.Itoa(int(server.Port()))},
	} {
		if slices.Contains(offers, a.name) {
			line += " " + a.name + "=" + a.value
		}
	}
	return line
}

func xclientAddr(a netip.Addr) string {
	if a.Is6() {
		return "IPV6:" + a.String()
	}
	return a.String()
}

// command says a line and reads the reply.
func command(in *bufio.Reader, out io.Writer, line, want string) ([]string, error) {
	if _, err := io.WriteString(out, line+"\r\n"); err != nil {
		return nil, err
	}
	texts, err := reply(in, want)
	if err != nil {
		word, _, _ := strings.Cut(line, " ")
		err = fmt.Errorf("answer to %s: %w", word, err)
	}
	return texts, err
}

// reply reads a reply with the code (RFC 5321 §4.2.1), and returns the texts of
// its lines.
func reply(in *bufio.Reader, want string) (texts []string, err error) {
	for range maxReplyLines {
		line, err := in.ReadSlice('\n')
		if err != nil {
			return nil, err
		}
		text := strings.TrimRight(string(line), "\r\n")
		if len(text) < 3 || text[:3] != want || len(text) > 3 && text[3] != ' ' && text[3] != '-' {
			return nil, &unwanted{text, want}
		}
		if len(text) == 3 {
			return append(texts, ""), nil
		}
		texts = append(texts, text[4:])
		if text[3] == ' ' {
			return texts, nil
		}
	}
	return nil, fmt.Errorf("more than %d lines", maxReplyLines)
}

// unwanted is a reply with another code.
type unwanted struct{ text, want string }

func (u *unwanted) Error() string { return fmt.Sprintf("%.200q, not %s", u.text, u.want) }

// begins reports whether an error is a reply whose code begins with a digit.
func begins(err error, digit string) bool {
	var u *unwanted
	return errors.As(err, &u) && len(u.text) >= 3 && strings.HasPrefix(u.text, digit)
}
