package shared

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync/atomic"
)

// guard is a connection whose answers are checked before the client reads them.
// valkey-go believes every length, and ends the process over an answer to nothing
// ("protocol bug"): one wrong byte of a server, or of a false one, would end the
// sensor. A fault found here ends the connection alone.
type guard struct {
	net.Conn
	sentinel bool // subscriptions are answered

	in, out  frames
	commands atomic.Uint64
}

// The bounds of an answer.
const (
	maxReply    = 2 * maxCounts // bytes
	maxElements = 100_000       // of all lists in it
	maxNested   = 8             // lists in lists
	maxLine     = 64 << 10
)

var errProtocol = errors.New("shared: the server does not speak the protocol")

// Write implements net.Conn.
func (g *guard) Write(b []byte) (int, error) {
	if err := g.out.take(b); err != nil {
		return 0, err
	}
	g.commands.Store(g.out.whole)
	return g.Conn.Write(b)
}

// Read implements net.Conn.
func (g *guard) Read(b []byte) (int, error) {
	n, err := g.Conn.Read(b)
	bad := g.in.take(b[:n])
	switch {
	case bad == nil && g.in.whole > g.commands.Load():
		bad = fmt.Errorf("%w: an answer to nothing", errProtocol)
	case bad == nil && g.in.confirmed && !g.sentinel:
		bad = fmt.Errorf("%w: a subscription that was not asked for", errProtocol)
	}
	if bad != nil {
		return 0, bad
	}
	return n, err
}

// frames follows one direction of the protocol (RESP3) and counts its messages,
// without keeping them.
type frames struct {
	whole     uint64 // messages, but for pushed ones
	confirmed bool   // a subscription was confirmed or ended

	line     []byte // the first bytes of the line under way, as many as are needed
	length   int    // of it
	text     int    // bytes of a text that are still to come, its end included
	left     []int  // of each open list, the elements that are still to come
	size     int    // bytes of the message
	elements int    // of it
	pushed   bool   // it was not asked for
	naming   bool   // its first element is under way
	kind     []byte // which says what it is
}

const keptOfLine = 32

// take follows some bytes.
func (f *frames) take(b []byte) error {
	for len(b) > 0 {
		n := min(f.text, len(b))
		if f.text == 0 {
			n = bytes.IndexByte(b, '\n') + 1
			if n == 0 {
				n = len(b)
			}
		}
		part := b[:n]
		b = b[n:]
		if f.size += n; f.size > maxReply {
			return fmt.Errorf("%w: an answer of more than %d bytes", errProtocol, maxReply)
		}
		if f.text > 0 {
			if f.naming {
				f.keep(&f.kind, part)
			}
			if f.text -= n; f.text == 0 {
				f.end()
			}
			continue
		}
		f.keep(&f.line, part)
		if f.length += n; f.length > maxLine {
			return fmt.Errorf("%w: a line of more than %d bytes", errProtocol, maxLine)
		}
		if part[n-1] == '\n' {
			if err := f.header(part); err != nil {
				return err
			}
			f.line, f.length = f.line[:0], 0
		}
	}
	return nil
}

func (f *frames) keep(to *[]byte, part []byte) {
	*to = append(*to, part[:min(len(part), keptOfLine-len(*to))]...)
}

// header takes a line, of which part is the end.
func (f *frames) header(part []byte) error {
	if f.length < 3 || len(part) > 1 && part[len(part)-2] != '\r' {
		return f.bad()
	}
	switch kind := f.line[0]; kind {
	case '+', '-', ':', ',', '(':
		if f.naming {
			f.keep(&f.kind, f.line[1:])
		}
		f.end()
		return nil
	case '_', '#': // the client reads no line, but that many bytes
		if string(f.line) != "_\r\n" && string(f.line) != "#t\r\n" && string(f.line) != "#f\r\n" {
			return f.bad()
		}
		f.end()
		return nil
	case '$', '!', '=', '*', '~', '>', '%':
		return f.sized(kind)
	}
	return f.bad() // also what only servers of other kinds send: attributes, texts in pieces
}

func (f *frames) bad() error { return fmt.Errorf("%w: %q", errProtocol, f.line) }

// sized takes the header of a text or list.
func (f *frames) sized(kind byte) error {
	digits, ok := strings.CutSuffix(string(f.line[1:]), "\r\n")
	n, err := strconv.Atoi(digits)
	switch {
	case !ok || err != nil || n < -1 || n > maxReply || n < 0 && (kind == '%' || kind == '>'):
		return f.bad()
	case kind == '>' && len(f.left) > 0: // Redis 6 may: the client then loses count
		return f.bad()
	case n < 0:
		f.end()
		return nil
	case kind == '$' || kind == '!' || kind == '=':
		f.text = n + 2
		return nil
	case kind == '%':
		n *= 2
	case kind == '>':
		f.pushed = true
	}
	if f.elements += n; f.elements > maxElements || len(f.left) == maxNested {
		return fmt.Errorf("%w: an answer of more than %d elements, or more than %d lists in each other", errProtocol, maxElements, maxNested)
	}
	if n == 0 {
		f.end()
		return nil
	}
	f.naming = kind == '>'
	f.left = append(f.left, n)
	return nil
}

// end ends an element, and with it the lists of which it is the last.
func (f *frames) end() {
	f.naming = false
	for i := len(f.left) - 1; i >= 0; i-- {
		if f.left[i]--; f.left[i] > 0 {
			return
		}
		f.left = f.left[:i]
	}
	if f.pushed {
		f.confirmed = f.confirmed || bytes.Contains(f.kind, []byte("subscribe"))
	} else {
		f.whole++
	}
	f.size, f.elements, f.pushed, f.kind = 0, 0, false, f.kind[:0]
}
