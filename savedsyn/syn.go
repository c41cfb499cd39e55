package savedsyn

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"strings"

	"github.com/mxprint/mxprint/internal/answer"
	core "github.com/mxprint/mxprint/internal/signature"
	"github.com/mxprint/mxprint/note"
	"github.com/mxprint/mxprint/packet"
	"github.com/mxprint/mxprint/signature"
)

var (
	// ErrText says that a text is neither hex nor base64.
	ErrText = errors.New("savedsyn: neither hex nor base64")
	// ErrNotSYN says that bytes are a TCP segment, but none that opens a
	// connection.
	ErrNotSYN = errors.New("savedsyn: not a SYN")
)

// maxText is how much text Parse reads, in bytes: that of a SYN with link
// header and much room.
const maxText = 4096

// Parse reads a saved SYN from text, hex or base64 (either alphabet, padded or
// not), as HAProxy 3.4 writes its sample fc_saved_syn. White space and colons
// between the digits of hex do not count. Where HAProxy has no SYN it writes
// "-": for that, and for an empty text, the error is ErrUnavailable.
func Parse(text string) ([]byte, error) {
	if len(text) > maxText {
		return nil, fmt.Errorf("%w: %d bytes of text, want at most %d", ErrText, len(text), maxText)
	}
	text = strings.Join(strings.Fields(text), "")
	if text == "" || text == "-" {
		return nil, ErrUnavailable
	}
	switch syn, err := hex.DecodeString(strings.TrimPrefix(strings.ReplaceAll(text, ":", ""), "0x")); {
	case err == nil:
		return syn, nil
	case err == hex.ErrLength: // it would pass for base64
		return nil, fmt.Errorf("%w: an odd number of hex digits", ErrText)
	}
	standard := strings.NewReplacer("-", "+", "_", "/").Replace(strings.TrimRight(text, "="))
	syn, err := base64.RawStdEncoding.DecodeString(standard)
	if err != nil {
		return nil, fmt.Errorf("%w: %.40q", ErrText, text)
	}
	return syn, nil
}

// Decode reads a saved SYN: the IP and TCP header as Conn.SYN returns them, or
// an Ethernet header with or without VLAN tags before them, as HAProxy's
// "tcp-ss 2" saves them. Errors are ErrNotSYN and those of packet.Decoder. It
// does not allocate.
func Decode(syn []byte) (packet.Segment, error) {
	if !isHeaders(syn) {
		if n := linkLen(syn); n > 0 {
			syn = syn[n:]
		}
	}
	// The data of a Fast Open SYN counts, but is not there.
	decoder := packet.Decoder{Link: packet.LinkRaw, HeadersOnly: true}
	var s packet.Segment
	if err := decoder.Decode(syn, math.MaxUint16, &s); err != nil {
		return packet.Segment{}, err
	}
	if s.Type != packet.SYN {
		return packet.Segment{}, ErrNotSYN
	}
	return s, nil
}

// isHeaders reports whether b is an IP and a TCP header, as long as they say.
// It distinguishes them from an Ethernet header: by the first byte alone, one in eight
// could be either.
func isHeaders(b []byte) bool {
	ip, proto := 0, 0
	switch {
	case len(b) < 40:
		return false
	case b[0]>>4 == 4:
		ip, proto = int(b[0]&15)*4, int(b[9])
	case b[0]>>4 == 6:
		ip, proto = 40, int(b[6])
	}
	const tcp = 6
	return proto == tcp && len(b) > ip+12 && len(b) == ip+int(b[ip+12]>>4)*4
}

// linkLen returns the length of the Ethernet header that b begins with, and 0
// where none is there.
func linkLen(b []byte) int {
	for off := 12; off+2 <= len(b); off += 4 {
		switch binary.BigEndian.Uint16(b[off:]) {
		case 0x0800, 0x86dd: // IPv4, IPv6
			return off + 2
		case 0x8100, 0x88a8: // a VLAN tag; IEEE 802.1Q
		default:
			return 0
		}
	}
	return 0
}

// Name returns the note about the sender of a SYN, in the names of db, or of
// signature.Builtin where that is nil. FirstSeen and LastSeen are the caller's
// to set.
func Name(db *signature.DB, s *packet.Segment) note.Note {
	if db == nil {
		db = signature.Builtin()
	}
	d := (*core.DB)(db)
	m := d.Match(core.Request, s, 0)
	var raw [128]byte
	n := note.Note{
		State: note.Unknown, ByConnection: true, TotalConn: 1,
		Distance: note.Hops(m.Distance),
		RawSig:   string(core.AppendRaw(raw[:0], s, m.Multiple)),
	}
	if m.Sig != nil {
		answer.SetOS(&n, m.Sig.Label, m.Fuzzy, m.Generic(), m.Flags)
	}
	if s.MSS != 0 {
		n.MTU = s.MTU()
		n.LinkType = d.LinkName(d.LinkID(n.MTU))
	}
	return n
}
