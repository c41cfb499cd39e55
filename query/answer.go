package query

import (
	"bufio"
	"bytes"
	"encoding/binary"
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

	errP0f       = errors.New("this is the query socket, which takes lines; a client of p0f wants p0f's socket")
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
	case f == formFull && n.Full() != "":
		dst = append(dst, n.Full()...)
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

// appendJSON appends the note as an object of ASCII. Of a client whose SYN was
// not seen the sender may be known all the same, as to a proxy.
func appendJSON(dst []byte, n *note.Note) []byte {
	if !n.Known() {
		n = sender(n)
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

// sender returns a note with the parts about the sender alone.
func sender(n *note.Note) *note.Note {
	return &note.Note{State: n.State, TLS: n.TLS, Software: n.Software,
		Conduct: n.Conduct, Contradictions: n.Contradictions, Flow: n.Flow, Memory: n.Memory}
}

func appendError(dst []byte, err error) []byte {
	return append(append(append(dst, errorPrefix...), err.Error()...), '\n')
}

// maxAnswer is more than an answer ever has: labels of any database, findings,
// times and numbers.
const maxAnswer = 16 << 10

// p0f's socket takes the first 21 bytes, whatever they are, for a query, and its
// answers begin with a magic number in the order of the machine (p0f-v3.md §9.1,
// §9.2). So the wrong socket is noticed at once, and no client waits for a line.
const (
	p0fQuerySize   = 21
	p0fQueryMagic  = 0x50304601
	p0fAnswerMagic = 0x50304602
)

// notP0f reports what p0f's socket answers as what it is.
func notP0f(r *bufio.Reader) error {
	if b, _ := r.Peek(4); len(b) == 4 && binary.NativeEndian.Uint32(b) == p0fAnswerMagic {
		return fmt.Errorf("%w: this is p0f's socket; give the query socket", ErrBadAnswer)
	}
	return nil
}

// readAnswer reads one line of JSON.
func readAnswer(r *bufio.Reader) (ask.Answer, error) {
	if err := notP0f(r); err != nil {
		return ask.Answer{}, err
	}
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
		n = *sender(&n)
	}
	return ask.Answer{Note: n}, nil
}
