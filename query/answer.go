package query

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"unicode/utf16"

	"github.com/mxprint/mxprint/internal/ask"
	"github.com/mxprint/mxprint/internal/front"
	"github.com/mxprint/mxprint/note"
)

var (
	// ErrBadAnswer means that the other end does not speak the protocol.
	ErrBadAnswer = errors.New("query: bad answer")

	// ErrRefused means that the server could not read the request.
	ErrRefused = errors.New("query: the server refuses the request")

	// ErrUnavailable means that the server has no sensor to ask.
	ErrUnavailable = errors.New("query: the server has no sensor")

	errTooLong   = fmt.Errorf("a request has %d bytes at most", maxRequest)
	errNoAddress = errors.New("no address")
)

const errorPrefix = "error: "

// appendAnswer appends the note in a form, as one line.
func appendAnswer(dst []byte, f form, n *note.Note) []byte {
	start := len(dst)
	switch {
	case f == formJSON:
		dst = appendJSON(dst, n)
	case !n.Known():
		dst = append(dst, n.State.String()...)
	case f == formV2:
		dst = append(dst, front.V2Text(n)...)
	default:
		dst = append(dst, n.Header()...)
	}
	// A label may come from anybody's database; nothing of it ends the line.
	for i, c := range dst[start:] {
		if c < ' ' || c > '~' {
			dst[start+i] = '?'
		}
	}
	return append(dst, '\n')
}

// appendJSON appends the note as an object of ASCII.
func appendJSON(dst []byte, n *note.Note) []byte {
	if !n.Known() {
		n = &note.Note{State: n.State}
	}
	b, err := json.Marshal(n)
	if err != nil {
		// A time outside the years of RFC 3339 is all that cannot be written.
		return append(dst, `{"state":"unavailable"}`...)
	}
	for _, r := range string(b) {
		if r <= '~' {
			dst = append(dst, byte(r))
			continue
		}
		for _, u := range utf16.AppendRune(nil, r) {
			dst = fmt.Appendf(dst, `\u%04x`, u)
		}
	}
	return dst
}

func appendError(dst []byte, err error) []byte {
	return append(append(append(dst, errorPrefix...), err.Error()...), '\n')
}

// maxAnswer is more than an answer ever has: six labels of any database, times
// and numbers.
const maxAnswer = 16 << 10

// readAnswer reads one line of JSON.
func readAnswer(r *bufio.Reader) (ask.Answer, error) {
	line, err := r.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		return ask.Answer{}, fmt.Errorf("%w: more than %d bytes", ErrBadAnswer, maxAnswer)
	}
	if err != nil {
		return ask.Answer{}, err
	}
	line = bytes.TrimRight(line, "\r\n")
	if reason, ok := bytes.CutPrefix(line, []byte(errorPrefix)); ok {
		return ask.Answer{Err: fmt.Errorf("%w: %s", ErrRefused, quote(string(reason)))}, nil
	}
	var n note.Note
	if err := json.Unmarshal(line, &n); err != nil {
		return ask.Answer{}, fmt.Errorf("%w: %s", ErrBadAnswer, quote(string(line)))
	}
	switch n.State {
	case note.Unavailable:
		return ask.Answer{Err: ErrUnavailable}, nil
	case note.NotSeen:
		n = note.Note{State: note.NotSeen}
	}
	return ask.Answer{Note: n}, nil
}
