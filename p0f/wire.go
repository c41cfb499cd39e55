// Package p0f speaks the wire of p0f 3.09b, so that whatever asks p0f today
// goes on working when mxprint stands in its place.
//
//	client := p0f.NewClient("/run/p0f/p0f.sock") // mxprint's socket, or the real p0f's
//	n, err := client.Lookup(ctx, note.Query{Client: netip.MustParseAddrPort("192.0.2.1:0")})
//
// Client asks the query socket, and is a note.Lookuper; Server answers it for
// any note.Lookuper, and V2Server that of p0f 2. A program that has the sensor
// in its own process asks the engine, which also keeps connections apart, where
// this protocol has hosts alone; package query asks another process for them.
//
// It implements p0f-v3.md §9; a deliberate difference from p0f carries a comment
// that starts with "Deviation:". It imports the standard library alone, beside
// packages of mxprint that do the same.
//
// # Compatibility
//
// Until 1.0 this package only gains names; none is removed or changes its
// meaning. The bytes on the wire are p0f's and stay.
package p0f

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"time"

	"github.com/mxprint/mxprint/note"
)

// Sizes of the two messages, in bytes. Both are packed, without any padding.
const (
	QuerySize    = 21
	ResponseSize = 232
)

// ErrBadQuery is the status of a query whose magic or address type is wrong.
// DecodeQuery returns it on the server's side; DecodeResponse on the client's.
var ErrBadQuery = errors.New("p0f: bad query")

// ErrBadResponse means that the other end does not speak p0f's protocol.
var ErrBadResponse = errors.New("p0f: bad response")

// p0f-v3.md §9.1 and §9.2. Integers have the byte order of the machine.
const (
	queryMagic    = 0x50304601
	responseMagic = 0x50304602

	addrIPv4 = 4
	addrIPv6 = 6

	statusBadQuery = 0x00
	statusOK       = 0x10
	statusNoMatch  = 0x20
)

// Offsets of the response, p0f-v3.md §9.2.
const (
	offMagic      = 0
	offStatus     = 4
	offFirstSeen  = 8
	offLastSeen   = 12
	offTotalConn  = 16
	offUptimeMin  = 20
	offUpModDays  = 24
	offLastNAT    = 28
	offLastChg    = 32
	offDistance   = 36
	offBadSW      = 38
	offMatchQ     = 39
	offOSName     = 40
	offOSFlavor   = 72
	offHTTPName   = 104
	offHTTPFlavor = 136
	offLinkType   = 168
	offLanguage   = 200

	textSize = 32
)

// wireDistanceUnknown is what p0f writes for a distance it does not know; its
// documentation says -1, which never occurs (p0f-v3.md §9.2).
const wireDistanceUnknown = 255

// AppendQuery appends the 21 bytes that ask about addr. An IPv4-mapped IPv6
// address is asked for as IPv6, which p0f holds for a different host. A zone is
// left out. The zero Addr becomes a query that is answered as bad.
func AppendQuery(dst []byte, addr netip.Addr) []byte {
	dst = append(dst, make([]byte, QuerySize)...)
	q := dst[len(dst)-QuerySize:]
	binary.NativeEndian.PutUint32(q, queryMagic)
	switch {
	case addr.Is4():
		q[4] = addrIPv4
		a := addr.As4()
		copy(q[5:], a[:])
	case addr.Is6():
		q[4] = addrIPv6
		a := addr.As16()
		copy(q[5:], a[:])
	}
	return dst
}

// DecodeQuery returns the address that the 21 bytes of q ask about. The error
// is ErrBadQuery when the length, the magic or the address type is wrong; a
// magic in the other byte order is wrong (p0f-v3.md §9.3). The 12 bytes after an
// IPv4 address are ignored. DecodeQuery does not allocate.
func DecodeQuery(q []byte) (netip.Addr, error) {
	if len(q) != QuerySize || binary.NativeEndian.Uint32(q) != queryMagic {
		return netip.Addr{}, ErrBadQuery
	}
	switch q[4] {
	case addrIPv4:
		return netip.AddrFrom4([4]byte(q[5:9])), nil
	case addrIPv6:
		return netip.AddrFrom16([16]byte(q[5:21])), nil
	}
	return netip.Addr{}, ErrBadQuery
}

// AppendResponse appends the 232 bytes that say n. The state decides the
// status: OK for Matched and Unknown, "no match" for every other, and then the
// rest is zero (p0f-v3.md §9.2). Times are kept to the second, from 1970 to 2106.
// It allocates nothing when dst has the room.
//
// Deviation: p0f cuts a text at 32 bytes and then leaves out the NUL, over
// which readers in C stumble; ours is cut at 31 bytes and always ends in a NUL.
func AppendResponse(dst []byte, n note.Note) []byte {
	if n.State != note.Matched && n.State != note.Unknown {
		return appendStatus(dst, statusNoMatch)
	}
	dst = appendStatus(dst, statusOK)
	r := dst[len(dst)-ResponseSize:]
	order := binary.NativeEndian
	order.PutUint32(r[offFirstSeen:], wireTime(n.FirstSeen))
	order.PutUint32(r[offLastSeen:], wireTime(n.LastSeen))
	order.PutUint32(r[offTotalConn:], n.TotalConn)
	order.PutUint32(r[offUptimeMin:], n.UptimeMin)
	order.PutUint32(r[offUpModDays:], n.UpModDays)
	order.PutUint32(r[offLastNAT:], wireTime(n.LastNAT))
	order.PutUint32(r[offLastChg:], wireTime(n.LastChange))
	order.PutUint16(r[offDistance:], wireDistance(n.Distance))
	r[offBadSW] = wireHonesty(n.BadSW)
	r[offMatchQ] = byte(n.Quality)
	putText(r[offOSName:], n.OSName)
	putText(r[offOSFlavor:], n.OSFlavor)
	putText(r[offHTTPName:], n.HTTPName)
	putText(r[offHTTPFlavor:], n.HTTPFlavor)
	putText(r[offLinkType:], n.LinkType)
	putText(r[offLanguage:], n.Language)
	return dst
}

// appendStatus appends a response that is zero but for magic and status.
func appendStatus(dst []byte, status uint32) []byte {
	dst = append(dst, make([]byte, ResponseSize)...)
	r := dst[len(dst)-ResponseSize:]
	binary.NativeEndian.PutUint32(r[offMagic:], responseMagic)
	binary.NativeEndian.PutUint32(r[offStatus:], status)
	return dst
}

// DecodeResponse returns the note that the 232 bytes of r say. Status "no
// match" is a note of state NotSeen and nothing else in it; status OK is Matched
// when it names a system, else Unknown. The error wraps ErrBadQuery when the
// server refused the query, and ErrBadResponse when the length, the magic or
// the status is not one of p0f's; the note is then the zero Note.
func DecodeResponse(r []byte) (note.Note, error) {
	if len(r) != ResponseSize {
		return note.Note{}, fmt.Errorf("%w: %d bytes, want %d", ErrBadResponse, len(r), ResponseSize)
	}
	order := binary.NativeEndian
	if m := order.Uint32(r[offMagic:]); m != responseMagic {
		return note.Note{}, fmt.Errorf("%w: magic %#08x, want %#08x", ErrBadResponse, m, responseMagic)
	}
	switch s := order.Uint32(r[offStatus:]); s {
	case statusOK:
	case statusNoMatch:
		return note.Note{State: note.NotSeen}, nil
	case statusBadQuery:
		return note.Note{}, ErrBadQuery
	default:
		return note.Note{}, fmt.Errorf("%w: status %#02x", ErrBadResponse, s)
	}
	n := note.Note{
		State:      note.Unknown,
		OSName:     text(r[offOSName:]),
		OSFlavor:   text(r[offOSFlavor:]),
		Quality:    note.Quality(r[offMatchQ]),
		HTTPName:   text(r[offHTTPName:]),
		HTTPFlavor: text(r[offHTTPFlavor:]),
		Language:   text(r[offLanguage:]),
		LinkType:   text(r[offLinkType:]),
		FirstSeen:  noteTime(order.Uint32(r[offFirstSeen:])),
		LastSeen:   noteTime(order.Uint32(r[offLastSeen:])),
		TotalConn:  order.Uint32(r[offTotalConn:]),
		UptimeMin:  order.Uint32(r[offUptimeMin:]),
		UpModDays:  order.Uint32(r[offUpModDays:]),
		LastNAT:    noteTime(order.Uint32(r[offLastNAT:])),
		LastChange: noteTime(order.Uint32(r[offLastChg:])),
		Distance:   noteDistance(order.Uint16(r[offDistance:])),
		BadSW:      noteHonesty(r[offBadSW]),
	}
	if n.OSName != "" {
		n.State = note.Matched
	}
	return n, nil
}

// wireTime is t in seconds since 1970; 0 for the zero Time and all before 1970.
func wireTime(t time.Time) uint32 {
	if t.IsZero() {
		return 0
	}
	return uint32(min(max(t.Unix(), 0), math.MaxUint32))
}

func noteTime(sec uint32) time.Time {
	if sec == 0 {
		return time.Time{}
	}
	return time.Unix(int64(sec), 0)
}

func wireDistance(d note.Distance) uint16 {
	if hops, ok := d.Hops(); ok {
		return uint16(hops)
	}
	return wireDistanceUnknown
}

// noteDistance takes the documented -1 for unknown as well, and with it every
// number that is not one of hops.
func noteDistance(d uint16) note.Distance {
	if d >= wireDistanceUnknown {
		return 0
	}
	return note.Hops(int(d))
}

// The values of bad_sw, p0f-v3.md §9.2.
const (
	wireOSMismatch = 1
	wireDishonest  = 2
)

func wireHonesty(h note.Honesty) byte {
	switch h {
	case note.OSMismatch:
		return wireOSMismatch
	case note.Dishonest:
		return wireDishonest
	}
	return 0
}

func noteHonesty(b byte) note.Honesty {
	switch b {
	case wireOSMismatch:
		return note.OSMismatch
	case wireDishonest:
		return note.Dishonest
	}
	return note.Honest
}

// putText writes s into the 32 bytes at the start of dst, which are zero.
func putText(dst []byte, s string) {
	copy(dst[:textSize-1], s)
}

// text reads up to the NUL, or the whole 32 bytes when p0f left no room for it.
func text(src []byte) string {
	src = src[:textSize]
	if i := bytes.IndexByte(src, 0); i >= 0 {
		src = src[:i]
	}
	return string(src)
}
