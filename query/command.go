package query

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"time"

	"github.com/mxprint/mxprint/internal/serve"
)

// Commands are the lines that are not about a client (docs/query.md): reload
// has the sensor read its signatures again, unknown lists the SYNs that none
// matches, status is the sensor's own state as a line of JSON (docs/observe.md).
var commands = map[string]bool{"reload": true, "unknown": true, "status": true}

// An answer to a command is any lines, and then one that begins with one of
// these.
const (
	donePrefix    = "ok: "
	refusedPrefix = "refused: "
)

// maxCommand bounds the answer to a command, in bytes.
const maxCommand = 4 << 20

var errPeer = errors.New("only root and the user of the sensor may, on the unix socket")

// command answers a command.
func (c *conn) command(out []byte, name string) []byte {
	if err := c.trusted(name); err != nil {
		c.s.group.Bad.Add(1)
		if c.bad++; c.bad >= maxBad {
			c.closing = true
		}
		c.log.Warn("refused on the query socket", "command", name, "reason", err)
		return append(append(append(out, refusedPrefix...), err.Error()...), '\n')
	}
	body, done, err := c.s.Command(c.ctx, name)
	if body = bytes.TrimRight(body, "\n"); len(body) > 0 {
		body = append(body, '\n')
	}
	prefix := donePrefix
	if err != nil {
		prefix, done = refusedPrefix, err.Error()
	}
	for _, part := range [][]byte{body, []byte(prefix + strings.ReplaceAll(done, "\n", " ") + "\n")} {
		out = append(out, part...)
	}
	return out
}

// trusted reports whether the client may give a command: root and our own user
// any, and a client that has shown the token the one that changes nothing.
func (c *conn) trusted(name string) error {
	if name == "status" && c.s.Token != "" {
		return nil
	}
	uid, err := serve.PeerUID(c.nc)
	if errors.Is(err, serve.ErrNotUnix) {
		return errPeer
	} else if err != nil {
		return fmt.Errorf("%w: %w", errPeer, err)
	}
	if uid != 0 && uid != os.Geteuid() {
		return errPeer
	}
	return nil
}

// Command gives a command, "reload", "unknown" or "status", to the server behind the unix
// socket at addr, and returns the lines of its answer. Where the server refuses,
// the error wraps ErrRefused. ctx bounds the call.
func Command(ctx context.Context, addr, name string) ([]byte, error) {
	var d net.Dialer
	nc, err := d.DialContext(ctx, "unix", addr)
	return command(ctx, nc, err, name)
}

// Command is the function of that name over a connection of its own, which may
// be by TLS. The server then wants the Token, and takes "status" alone.
func (c *Client) Command(ctx context.Context, name string) ([]byte, error) {
	nc, err := c.connect(ctx)
	return command(ctx, nc, err, name)
}

// command gives a command through a connection, if there is one.
func command(ctx context.Context, nc net.Conn, err error, name string) ([]byte, error) {
	if err != nil {
		return nil, fmt.Errorf("query: %w", err)
	}
	defer nc.Close()
	defer context.AfterFunc(ctx, func() { nc.SetDeadline(time.Unix(1, 0)) })()
	// A word too short for p0f's socket would be waited on there.
	if _, err := fmt.Fprintf(nc, "%-*s\n", p0fQuerySize, name); err != nil {
		return nil, fmt.Errorf("query: %w", err)
	}
	return readCommand(nc)
}

func readCommand(r io.Reader) ([]byte, error) {
	var body []byte
	in := bufio.NewReader(io.LimitReader(r, maxCommand))
	if err := notP0f(in); err != nil {
		return nil, err
	}
	for {
		line, err := in.ReadBytes('\n')
		if err != nil {
			return body, fmt.Errorf("query: the answer to a command ends too early: %w", err)
		}
		text := strings.TrimSuffix(string(line), "\n")
		if _, ok := strings.CutPrefix(text, donePrefix); ok {
			return body, nil
		}
		for _, prefix := range []string{refusedPrefix, errorPrefix} { // an older server takes it for a request
			if reason, ok := strings.CutPrefix(text, prefix); ok {
				return body, fmt.Errorf("%w: %s", ErrRefused, reason)
			}
		}
		body = append(body, line...)
	}
}
