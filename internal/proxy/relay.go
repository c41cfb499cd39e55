package proxy

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"time"

	"github.com/mxprint/mxprint/internal/proxyproto"
)

// ErrRelay says that a stranger may do through the proxy what only the mail
// server's own users should.
var ErrRelay = errors.New("open relay")

const (
	askTimeout  = 30 * time.Second
	foreignRcpt = "postmaster@example.com" // a domain without a mail server (RFC 2606)
)

// stranger is an address of no machine (RFC 5737).
var stranger = netip.MustParseAddrPort("192.0.2.1:10025")

// AskRelay asks the mail server, as the proxy would for a client with an address
// of no machine, whether it takes a mail to another's domain, and whether it
// takes a PROXY header from the client itself. No mail is sent. It returns why
// the mail server refuses the recipient, or an error: ErrRelay where it does
// not, or where it takes the client's header; any other where it cannot be
// asked, does not greet, or says neither yes nor no.
func (s *Server) AskRelay(ctx context.Context) (refusal string, err error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	v := &serving{Server: s, name: "mxprint.invalid", cutting: ctx}
	nc, err := v.dial()
	if err != nil {
		return "", fmt.Errorf("the mail server cannot be reached: %w", err)
	}
	defer nc.Close()
	nc.SetDeadline(time.Now().Add(askTimeout / 3))
	h := proxyproto.Header{Client: stranger, Server: netip.AddrPortFrom(netip.MustParseAddr("192.0.2.2"), 25)}
	in := bufio.NewReaderSize(nc, maxReplyLine)
	if err := s.greeted(nc, in, &h); err != nil {
		return "", err
	}
	// A server that takes it answers with a greeting, or with nothing.
	if texts, err := command(in, nc, "PROXY TCP4 127.0.0.1 127.0.0.1 10025 25", "220"); err == nil {
		return "", fmt.Errorf("%w: the mail server lets the client itself name its address by a PROXY line, as Haraka does (it answers %q): "+
			"put no proxy in front of it, and use sockops or a capture (docs/proxy.md)", ErrRelay, strings.Join(texts, " "))
	} else if errors.Is(err, os.ErrDeadlineExceeded) {
		return "", fmt.Errorf("%w: the mail server does not refuse a PROXY line of the client", ErrRelay)
	}
	for _, line := range []string{"EHLO " + v.name, "MAIL FROM:<>"} {
		if _, err := command(in, nc, line, "250"); err != nil {
			return "", fmt.Errorf("%w: %w", errUnasked, err)
		}
	}
	_, err = command(in, nc, "RCPT TO:<"+foreignRcpt+">", "250")
	command(in, nc, "QUIT", "221")
	switch {
	case err == nil || begins(err, "2"): // 251 too: it forwards
		return "", fmt.Errorf("%w: the mail server takes a mail of a stranger to %s: have it not trust the proxy's address", ErrRelay, foreignRcpt)
	case begins(err, "5"):
		return err.Error(), nil
	}
	return "", fmt.Errorf("%w: %w", errUnasked, err) // it may take the mail the next time, as with greylisting
}

// errUnasked is the error of a mail server that neither takes nor refuses the mail.
var errUnasked = errors.New("the mail server does not say whether it relays: ask again, or look into its log")

// greeted names a client to the mail server, and reads its greeting.
func (s *Server) greeted(nc net.Conn, in *bufio.Reader, h *proxyproto.Header) error {
	if s.Send == XClient {
		_, err := xclient(nc, "mxprint.invalid", h)
		return err
	}
	version := map[Send]int{V1: 1, V2: 2}[s.Send]
	if version > 0 {
		raw, err := h.Append(nil, version)
		if err != nil {
			return err
		}
		if _, err := nc.Write(raw); err != nil {
			return err
		}
	}
	_, err := reply(in, "220")
	switch {
	case err != nil && version > 0:
		return fmt.Errorf("the mail server does not greet after a PROXY header of version %d: it does not read one from this address (of Haraka: it reads version 1 only): %w", version, err)
	case err != nil:
		return fmt.Errorf("the mail server does not greet: %w", err)
	}
	return nil
}
