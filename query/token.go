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

	errLate       = errors.New("no token in time")
	errWrongToken = errors.New("wrong token")
	errNoToken    = errors.New("missing token: the first line must be \"token TOKEN\"")
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

// greet reads the line with the token, answers it, and returns what came after
// it.
func (s *Server) greet(_ context.Context, nc net.Conn) (rest []byte, err error) {
	in := make([]byte, len(tokenPrefix)+maxToken+len("\r\n"))
	have, end := 0, -1
	for end < 0 {
		if have == len(in) {
			return nil, refuse(nc, errNoToken)
		}
		n, err := nc.Read(in[have:])
		have += n
		if end = bytes.IndexByte(in[:have], '\n'); end < 0 && err != nil {
			if errors.Is(err, os.ErrDeadlineExceeded) {
				err = errLate
			}
			return nil, err
		}
	}
	token, ok := strings.CutPrefix(string(bytes.TrimSuffix(in[:end], []byte{'\r'})), tokenPrefix)
	switch {
	case !ok:
		return nil, refuse(nc, errNoToken)
	case !sameToken(token, s.Token):
		return nil, refuse(nc, errWrongToken)
	}
	if _, err := io.WriteString(nc, tokenAnswer+"\n"); err != nil {
		return nil, err
	}
	return in[end+1 : have], nil
}

// refuse writes to the client why it is not served.
func refuse(nc net.Conn, err error) error {
	nc.Write(appendError(nil, err))
	return err
}
