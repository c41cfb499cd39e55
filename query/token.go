package query

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"time"
)

const (
	tokenPrefix = "token "
	tokenAnswer = "ok"

	minToken = 16 // characters: fewer could be guessed
	maxToken = 128
)

var (
	// ErrToken means that a text cannot be a token.
	ErrToken = fmt.Errorf("query: a token is %d to %d letters, digits or signs of ASCII, without spaces", minToken, maxToken)

	errWrongToken = errors.New("wrong token")
	errNoToken    = errors.New("no token: the first line is to be \"token \" and the token")
)

// CheckToken returns an error that wraps ErrToken for what cannot be a token.
// It does not show the text.
func CheckToken(token string) error {
	ok := len(token) >= minToken && len(token) <= maxToken
	for _, c := range []byte(token) {
		ok = ok && c > ' ' && c <= '~'
	}
	if !ok {
		return fmt.Errorf("%w; this one has %d bytes", ErrToken, len(token))
	}
	return nil
}

// sameToken takes as long for every wrong token.
func sameToken(a, b string) bool {
	x, y := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
	return subtle.ConstantTimeCompare(x[:], y[:]) == 1
}

// admit reads the line with the token into in, and returns what came behind it.
func (c *conn) admit(in []byte) (rest []byte, err error) {
	limit := c.s.TokenTimeout
	if limit <= 0 {
		limit = serverTokenTimeout
	}
	c.nc.SetDeadline(time.Now().Add(limit))
	stop := context.AfterFunc(c.ctx, func() { c.nc.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	have, end := 0, -1
	for end < 0 {
		if have == len(tokenPrefix)+maxToken+len("\r\n") {
			return nil, errNoToken
		}
		n, err := c.nc.Read(in[have : len(tokenPrefix)+maxToken+len("\r\n")])
		have += n
		if end = bytes.IndexByte(in[:have], '\n'); end < 0 && err != nil {
			if errors.Is(err, os.ErrDeadlineExceeded) {
				err = fmt.Errorf("no token within %v", limit)
			}
			return nil, err
		}
	}
	token, ok := strings.CutPrefix(string(bytes.TrimSuffix(in[:end], []byte{'\r'})), tokenPrefix)
	switch {
	case !ok:
		return nil, errNoToken
	case !sameToken(token, c.s.Token):
		return nil, errWrongToken
	}
	if _, err := io.WriteString(c.nc, tokenAnswer+"\n"); err != nil {
		return nil, err
	}
	if !stop() { // the server ends
		return nil, net.ErrClosed
	}
	return in[end+1 : have], c.nc.SetDeadline(time.Time{})
}

// deny says why a connection is not served, in the log and to the client where
// it could read it.
func (c *conn) deny(err error) {
	if c.ctx.Err() != nil {
		return
	}
	if errors.Is(err, errWrongToken) || errors.Is(err, errNoToken) {
		c.nc.Write(appendError(nil, err))
	}
	c.s.refused.Add(1)
	if ok, more := c.s.denied.Allow(time.Now()); ok {
		c.log.Warn("closed a connection to the query socket", "client", c.nc.RemoteAddr().String(), "reason", err, "suppressed", more)
	}
}
