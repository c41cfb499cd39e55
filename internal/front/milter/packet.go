package milter

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/netip"

	library "github.com/d--j/go-milter"

	"github.com/mxprint/mxprint/dialect"
	"github.com/mxprint/mxprint/internal/front"
)

// errPacket says that a packet is not one of the milter protocol.
var errPacket = errors.New("not a milter packet")

// Limits of packets, in bytes. Mail servers send at most 1 MiB at a time.
const (
	maxPacket = 16 << 20 // no mail server sends more; what we do not need is not kept
	maxKept   = 1024     // of macros, and of a client's name and address
	maxName   = 100      // of a header; a longer name is not ours
)

// Commands of a mail server.
const (
	cmdAbort   = 'A'
	cmdBody    = 'B'
	cmdConnect = 'C'
	cmdMacros  = 'D'
	cmdEnd     = 'E'
	cmdHelo    = 'H'
	cmdQuitNew = 'K'
	cmdHeader  = 'L'
	cmdMail    = 'M'
	cmdEOH     = 'N'
	cmdOptions = 'O'
	cmdQuit    = 'Q'
	cmdRcpt    = 'R'
	cmdData    = 'T'
	cmdUnknown = 'U'
)

// packet reads a packet, and puts into c.out as much of it as the library
// needs; nothing of a packet that is of no use.
func (c *conn) packet() error {
	var head [5]byte // length of the rest, big endian, and the command
	if _, err := io.ReadFull(c.in, head[:]); err != nil {
		return cut(err)
	}
	size, cmd := binary.BigEndian.Uint32(head[:]), head[4]
	if size == 0 || size > maxPacket {
		return fmt.Errorf("%w: length %d", errPacket, size)
	}
	if (c.packets == 0) != (cmd == cmdOptions) {
		return fmt.Errorf("%w: command %q at the wrong time", errPacket, cmd)
	}
	return c.take(cmd, int(size-1))
}

// take reads the n bytes of data after a command.
func (c *conn) take(cmd byte, n int) error {
	switch cmd {
	case cmdOptions:
		return c.options(n)
	case cmdConnect:
		return c.connect(n)
	case cmdMacros:
		return c.macros(n)
	case cmdHeader:
		return c.header(n)
	case cmdQuit, cmdQuitNew:
		c.session = false
		fallthrough
	case cmdAbort, cmdEnd, cmdEOH, cmdData, cmdBody:
		c.emit(cmd)
	case cmdHelo:
		return c.helo(n)
	case cmdMail, cmdRcpt, cmdUnknown:
		return c.said(cmd, n)
	default:
		return fmt.Errorf("%w: command %q", errPacket, cmd)
	}
	return c.skip(n)
}

// emit gives the library a packet whose data are parts in a row.
func (c *conn) emit(cmd byte, parts ...[]byte) {
	c.buf = append(c.buf[:0], 0, 0, 0, 0, cmd)
	for _, p := range parts {
		c.buf = append(c.buf, p...)
	}
	binary.BigEndian.PutUint32(c.buf, uint32(len(c.buf)-4))
	c.out = c.buf
}

// keep reads n bytes; they stay valid until the next read.
func (c *conn) keep(n int) ([]byte, error) {
	b, err := c.in.Peek(n)
	if err != nil {
		return nil, cut(err)
	}
	c.in.Discard(n)
	return b, nil
}

func (c *conn) skip(n int) error {
	_, err := c.in.Discard(n)
	return cut(err)
}

// cut turns the end of the stream inside a packet into what it is.
func cut(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("%w: it is cut", errPacket)
	}
	return err
}

// options: three numbers, version, actions and protocol.
func (c *conn) options(n int) error {
	if n < 12 || n > maxKept {
		return fmt.Errorf("%w: options of %d bytes", errPacket, n)
	}
	b, err := c.keep(n)
	if err != nil {
		return err
	}
	if v := binary.BigEndian.Uint32(b); v < 2 || v > 1000 {
		return fmt.Errorf("%w: version %d of the protocol", errPacket, v)
	}
	if offered := library.OptAction(binary.BigEndian.Uint32(b[4:])); offered&needed != needed {
		return fmt.Errorf("%w: the mail server does not let headers be changed, but %v", errPacket, offered)
	}
	c.emit(cmdOptions, b[:12])
	return nil
}

// connect: the client's name, its family, and where that is one of the
// Internet's its port and address.
func (c *conn) connect(n int) error {
	if n > maxKept {
		return fmt.Errorf("%w: connect of %d bytes", errPacket, n)
	}
	b, err := c.keep(n)
	if err != nil {
		return err
	}
	c.session = true
	client := clientOf(b)
	if !client.IsValid() {
		c.emit(cmdConnect, []byte{0, 'U'}) // unknown
		return nil
	}
	family := byte('4')
	if client.Addr().Is6() {
		family = '6'
	}
	port := client.Port()
	c.emit(cmdConnect, c.claim(b), []byte{0, family, byte(port >> 8), byte(port)}, []byte(client.Addr().String()), []byte{0})
	return nil
}

// clientOf is the client of a connect packet; invalid where it is not on the
// Internet, or the packet is not in order.
func clientOf(b []byte) netip.AddrPort {
	_, b, _ = bytes.Cut(b, []byte{0})
	if len(b) < 3 || b[0] != '4' && b[0] != '6' {
		return netip.AddrPort{}
	}
	text, _, _ := bytes.Cut(b[3:], []byte{0})
	addr, ok := front.Addr(string(text))
	if !ok {
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(addr, binary.BigEndian.Uint16(b[1:]))
}

// macros: a command, and names and values that come before it. Those of connect
// name the server's end.
func (c *conn) macros(n int) error {
	if n < 1 || n > maxKept {
		return c.skip(n)
	}
	b, err := c.keep(n)
	if err != nil {
		return err
	}
	if b[0] == cmdConnect || b[0] == cmdHelo && c.v.Again {
		c.emit(cmdMacros, b)
	}
	return nil
}

// maxSaid is how much of a command is looked at, in bytes.
const maxSaid = 1024

// said: a command of the client, or the arguments of MAIL or RCPT, each up to a
// NUL. What belongs to persons stays here.
func (c *conn) said(cmd byte, n int) error {
	if !c.v.Again {
		c.emit(cmd, []byte{0}) // an empty text
		return c.skip(n)
	}
	b, err := c.in.Peek(min(n, maxSaid))
	if err != nil {
		return cut(err)
	}
	c.emit(cmd, []byte(lineOf(cmd, b)), []byte{0})
	return c.skip(n)
}

// lineOf is a command in the language of dialect.Redact. How the client spelled
// MAIL and RCPT does not come.
func lineOf(cmd byte, b []byte) string {
	text := string(bytes.ReplaceAll(bytes.TrimRight(b, "\x00"), []byte{0}, []byte{' '}))
	switch cmd {
	case cmdMail:
		text = "MAIL *" + text
	case cmdRcpt:
		text = "RCPT *" + text
	}
	return dialect.Redact(text)
}

// header: a name and a value, of which only the name matters, and with claims the
// beginning of some values.
func (c *conn) header(n int) error {
	most := maxName + 1
	if c.v.Claims != nil || c.v.Read != nil {
		most += maxClaim
	}
	b, err := c.in.Peek(min(n, most))
	if err != nil {
		return cut(err)
	}
	name, value, ok := bytes.Cut(b, []byte{0})
	if !ok || len(name) > maxName {
		name = nil
	}
	if !isClaim(string(name)) && !c.v.Read.wants(string(name)) {
		value = nil
	}
	c.emit(cmdHeader, name, []byte{0}, c.claim(value), []byte{0})
	return c.skip(n)
}

// helo: a name.
func (c *conn) helo(n int) error {
	b, err := c.in.Peek(min(n, maxClaim))
	if err != nil {
		return cut(err)
	}
	name, _, _ := bytes.Cut(b, []byte{0})
	c.emit(cmdHelo, name, []byte{0})
	return c.skip(n)
}

// claim is a text up to its end, at most maxClaim bytes of it; nil where no header
// is read.
func (c *conn) claim(b []byte) []byte {
	if c.v.Claims == nil && c.v.Read == nil {
		return nil
	}
	b, _, _ = bytes.Cut(b, []byte{0})
	return b[:min(len(b), maxClaim)]
}
