package proxyproto

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"github.com/pires/go-proxyproto"

	"github.com/mxprint/mxprint/internal/serve"
)

// ErrHeader says that what a connection begins with is not a header of the PROXY
// protocol.
var ErrHeader = errors.New("not a PROXY header")

// TypeNote is the type of the TLV in which mxprint proxy hands the note of a
// client on, as the JSON of package note. It is among those that the
// specification leaves to applications (PROXY protocol §2.2.8).
const TypeNote = 0xE5

const (
	// maxV1 is how long a header of version 1 may be (PROXY protocol §2.1), and maxV2 how long
	// we let one of version 2 be, of the 64 KiB that it could have.
	maxV1 = 107
	maxV2 = 4096

	prefixV2 = 16 // signature, version, family, length
)

// Header is what a load balancer says of a connection that it hands on.
type Header struct {
	// Client and Server are the two ends of the connection that the balancer
	// accepted. They are invalid where the real ends of the connection count: it
	// is the balancer's own, as for a health check (LOCAL), or about something
	// else than TCP (UNKNOWN in version 1; UNSPEC, unix and UDP in version 2,
	// for a receiver "falls back to the UNSPEC mode" for what it does not
	// implement, PROXY protocol §2.2).
	Client, Server netip.AddrPort

	// Note is the value of the TLV of TypeNote; nil without one.
	Note []byte
}

// Local reports whether the real ends of the connection count.
func (h *Header) Local() bool { return !h.Client.IsValid() }

// Read reads a header of version 1 or 2, and not a byte behind it: what follows
// is the client's. An error wraps ErrHeader, or is the reader's.
func Read(r io.Reader) (Header, error) {
	raw, err := readRaw(r)
	if err != nil {
		return Header{}, err
	}
	if unspec(raw) {
		return Header{}, nil
	}
	// The library refuses a line that does not come in one read.
	p, err := proxyproto.Read(bufio.NewReaderSize(bytes.NewReader(raw), len(raw)))
	if err != nil {
		return Header{}, fmt.Errorf("%w: %s of %s", ErrHeader, strings.TrimPrefix(err.Error(), "proxyproto: "), show(raw))
	}
	h := Header{}
	tlvs, err := p.TLVs()
	if err != nil {
		return h, fmt.Errorf("%w: %s", ErrHeader, strings.TrimPrefix(err.Error(), "proxyproto: "))
	}
	for _, tlv := range tlvs {
		if tlv.Type == TypeNote {
			h.Note = tlv.Value
		}
	}
	client, server, ok := p.TCPAddrs()
	if !ok {
		return Header{}, nil
	}
	h.Client, h.Server = serve.EndOf(client), serve.EndOf(server)
	if h.Client.Addr().IsUnspecified() || h.Client.Addr().IsMulticast() {
		return Header{}, fmt.Errorf("%w: no client connects from %s", ErrHeader, h.Client)
	}
	return h, nil
}

// unspec reports whether a header of version 2 is of the command LOCAL, or of PROXY
// and the family UNSPEC. What it has is skipped: of LOCAL the receiver "must
// discard the protocol block", of UNSPEC it "should ignore address information"
// (PROXY protocol §2.2). The library refuses what it cannot parse.
func unspec(raw []byte) bool {
	const local, proxy, family = 0x20, 0x21, 0x00
	return raw[0] == proxyproto.SIGV2[0] && (raw[12] == local || raw[12] == proxy && raw[13] == family)
}

// readRaw reads as many bytes as the header says it has.
func readRaw(r io.Reader) ([]byte, error) {
	buf := make([]byte, len(proxyproto.SIGV2), 64)
	for n := 0; n < len(buf); {
		m, err := r.Read(buf[n:])
		n += m
		if !begins(buf[:n]) {
			return nil, fmt.Errorf("%w: it begins with %s", ErrHeader, show(buf[:n]))
		}
		if err != nil && n < len(buf) {
			return nil, cut(err, n)
		}
	}
	if buf[0] == proxyproto.SIGV1[0] {
		return readV1(r, buf)
	}
	buf = buf[:prefixV2]
	if _, err := io.ReadFull(r, buf[len(proxyproto.SIGV2):]); err != nil {
		return nil, cut(err, len(proxyproto.SIGV2))
	}
	rest := int(binary.BigEndian.Uint16(buf[prefixV2-2:]))
	if prefixV2+rest > maxV2 {
		return nil, fmt.Errorf("%w: %d bytes are more than the %d that one may have", ErrHeader, prefixV2+rest, maxV2)
	}
	raw := append(make([]byte, 0, prefixV2+rest), buf...)[:prefixV2+rest]
	if _, err := io.ReadFull(r, raw[prefixV2:]); err != nil {
		return nil, cut(err, prefixV2)
	}
	return raw, nil
}

// readV1 reads the rest of the line byte by byte: nothing says where it ends.
func readV1(r io.Reader, line []byte) ([]byte, error) {
	for line[len(line)-1] != '\n' {
		if len(line) == maxV1 {
			return nil, fmt.Errorf("%w: a line of more than %d bytes: %s", ErrHeader, maxV1, show(line))
		}
		line = append(line, 0)
		if _, err := io.ReadFull(r, line[len(line)-1:]); err != nil {
			return nil, cut(err, len(line)-1)
		}
	}
	return line, nil
}

// begins reports whether a header can begin so.
func begins(b []byte) bool {
	for _, sig := range [][]byte{proxyproto.SIGV2, []byte("PROXY ")} {
		n := min(len(b), len(sig))
		if bytes.Equal(b[:n], sig[:n]) {
			return true
		}
	}
	return false
}

// cut says of the end of the stream where it was met.
func cut(err error, n int) error {
	switch {
	case !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF):
		return err
	case n == 0:
		return fmt.Errorf("%w: closed without a byte", ErrHeader)
	}
	return fmt.Errorf("%w: it ends too soon", ErrHeader)
}

// show shows the begin of what came instead of a header.
func show(b []byte) string {
	const most = 60
	if len(b) > most {
		return strconv.QuoteToASCII(string(b[:most])) + "..."
	}
	return strconv.QuoteToASCII(string(b))
}

// Append appends the header in version 1 or 2; version 1 has no room for the
// Note.
func (h *Header) Append(dst []byte, version int) ([]byte, error) {
	p := &proxyproto.Header{Version: byte(version), Command: proxyproto.LOCAL, TransportProtocol: proxyproto.UNSPEC}
	if !h.Local() {
		p = proxyproto.HeaderProxyFromAddrs(p.Version, net.TCPAddrFromAddrPort(h.Client), net.TCPAddrFromAddrPort(h.Server))
	}
	if h.Note != nil && version == 2 {
		if err := p.SetTLVs([]proxyproto.TLV{{Type: TypeNote, Value: h.Note}}); err != nil {
			return dst, fmt.Errorf("proxied: a note of %d bytes: %w", len(h.Note), err)
		}
	}
	p.Version = byte(version) // the library takes 2 for what it does not know
	raw, err := p.Format()
	if err != nil {
		return dst, fmt.Errorf("proxied: header from %s to %s: %w", h.Client, h.Server, err)
	}
	return append(dst, raw...), nil
}
