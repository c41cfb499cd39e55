package p0f

import (
	"context"
	"encoding/binary"
	"fmt"
	"log/slog"
	"math"
	"net"
	"net/netip"
	"time"

	"github.com/mxprint/mxprint/internal/serve"
	"github.com/mxprint/mxprint/note"
)

// Sizes of p0f 2's two messages, in bytes. The query is a C structure with its
// padding: magic (4 bytes), type (1, and 3 of padding), id (4), the client's and
// the server's address (4 each, as in the packet), their ports (2 each). The
// reply is packed. Integers, the ports too, have the byte order of the machine.
const (
	v2QuerySize = 24
	v2ReplySize = 141
)

const (
	v2Magic = 0x0defaced // of both messages

	v2Fingerprint = 1 // type of query

	v2OK       = 0 // types of reply
	v2BadQuery = 1
	v2NoMatch  = 2

	v2NoScore = -100
)

// Offsets of the reply.
const (
	v2OffMagic    = 0
	v2OffID       = 4 // the query's
	v2OffType     = 8
	v2OffGenre    = 9   // 20 bytes; the texts end in a NUL
	v2OffDetail   = 29  // 40 bytes
	v2OffDistance = 69  // signed byte, -1 unknown
	v2OffLink     = 70  // 30 bytes
	v2OffTOS      = 100 // 30 bytes, a text; always empty with us
	v2OffFirewall = 130 // 1 byte, and so are the next two; always 0 with us
	v2OffNAT      = 131
	v2OffReal     = 132 // a system, and not a program with a TCP of its own
	v2OffScore    = 133 // signed, 2 bytes
	v2OffFlags    = 135 // why masquerading is suspected, 2 bytes; always 0 with us
	v2OffUptime   = 137 // hours, signed, 4 bytes, -1 unknown
)

// V2Server answers the query socket of p0f 2 from a note.Lookuper, for qpsmtpd
// and other clients that never learnt p0f 3's. Set the fields before Serve. Its
// methods are safe for concurrent use; it may serve several listeners at once,
// and must not be copied.
//
// A query names a connection of IPv4 by both of its ends. As with Server, a
// connection may ask any number of queries, in any portions, and may idle for
// ever; answers come in the order of the queries, each in one write, and a query
// that is malformed is answered so. The query of p0f 2's own counters (type 2) counts
// as none.
//
// Deviation: where the connection is not known the answer is what is known of
// the address; p0f 2 has no match then.
type V2Server struct {
	// Lookuper has the answers. A note of state NotSeen or Unavailable is "no
	// match".
	Lookuper note.Lookuper

	// MaxConns is how many connections are served at once; 0 means 10,000. One
	// more is closed at once.
	MaxConns int

	// Wait is how long the queries of one read together may wait for the SYN of
	// a client not seen yet; 0 means what it does in Server, and less than 0
	// not at all. See note.Query.
	Wait time.Duration

	// WriteTimeout is how long the answers to one read may wait for a client to
	// make room for them, before the client is dropped; 0 means 5 s.
	WriteTimeout time.Duration

	// Logger gets a line a second at most of each kind; nil means none.
	Logger *slog.Logger

	group serve.Group
}

// Stats returns the counters; they are not read at one instant.
func (s *V2Server) Stats() Stats { return s.group.Stats() }

// Serve answers the connections of ln, as Server.Serve does.
func (s *V2Server) Serve(ctx context.Context, ln net.Listener) error {
	v := &v2Serving{s.Lookuper, newTerms(&s.group, s.Logger, s.Wait, s.WriteTimeout)}
	if err := s.group.Serve(ctx, ln, v.config(s.MaxConns), v.serve); err != nil {
		return fmt.Errorf("p0f: %w", err)
	}
	return nil
}

// v2Serving is one call of Serve, with the defaults filled in.
type v2Serving struct {
	note.Lookuper
	terms
}

// serve answers one connection until it ends.
func (v *v2Serving) serve(ctx context.Context, nc net.Conn) {
	defer nc.Close()
	var (
		in   = make([]byte, batchSize*v2QuerySize)
		have int  // bytes of in that are not answered yet
		bad  bool // a bad query of this connection is in the log
	)
	for {
		n, err := nc.Read(in[have:])
		have += n
		if full := have - have%v2QuerySize; full > 0 {
			if !v.answer(ctx, nc, in[:full], &bad) {
				return
			}
			have = copy(in, in[full:have])
		}
		if err != nil {
			return // with at most part of a query, which cannot be answered
		}
	}
}

// answer answers the queries of one read in one write, and reports whether the
// connection is good for more.
func (v *v2Serving) answer(ctx context.Context, nc net.Conn, queries []byte, logged *bool) bool {
	out := make([]byte, 0, len(queries)/v2QuerySize*v2ReplySize)
	end := time.Now().Add(v.wait)
	for q := queries; len(q) > 0; q = q[v2QuerySize:] {
		id, query, ok := decodeV2Query(q[:v2QuerySize])
		if !ok {
			v.bad(nc, "socket of p0f 2", logged)
			out = appendV2Status(out, id, v2BadQuery)
			continue
		}
		query.Wait = max(min(time.Until(end), v.wait), 0)
		n, err := v.Lookup(ctx, query)
		if err != nil {
			v.count.Missed.Add(1)
			n = note.Note{}
		}
		out = appendV2Reply(out, id, &n)
	}
	v.count.Requests.Add(uint64(len(queries) / v2QuerySize))
	nc.SetWriteDeadline(time.Now().Add(v.writeTimeout))
	if _, err := nc.Write(out); err != nil {
		v.unwritten(err)
		return false
	}
	return true
}

// decodeV2Query reads the 24 bytes of q. The padding is whatever was in the
// client's memory. A server whose address or port is zero is any.
func decodeV2Query(q []byte) (id uint32, query note.Query, ok bool) {
	order := binary.NativeEndian
	id = order.Uint32(q[8:])
	if order.Uint32(q) != v2Magic || q[4] != v2Fingerprint {
		return id, query, false
	}
	query.Client = netip.AddrPortFrom(netip.AddrFrom4([4]byte(q[12:16])), order.Uint16(q[20:]))
	server := netip.AddrPortFrom(netip.AddrFrom4([4]byte(q[16:20])), order.Uint16(q[22:]))
	if !server.Addr().IsUnspecified() && server.Port() != 0 {
		query.Server = server
	}
	return id, query, true
}

// appendV2Reply appends the 141 bytes that say n. A client that was seen and
// whose system no signature names has an empty genre.
//
// The uptime has the machine's byte order, as p0f 2 sent it; qpsmtpd reads it in
// network order, and so has never had it right on a little-endian machine.
func appendV2Reply(dst []byte, id uint32, n *note.Note) []byte {
	if !n.Known() {
		return appendV2Status(dst, id, v2NoMatch)
	}
	dst = appendV2Status(dst, id, v2OK)
	r := dst[len(dst)-v2ReplySize:]
	putV2Text(r[v2OffGenre:v2OffDetail], n.OSName)
	putV2Text(r[v2OffDetail:v2OffDistance], n.OSFlavor)
	putV2Text(r[v2OffLink:v2OffTOS], n.LinkType)
	distance := -1
	if hops, ok := n.Distance.Hops(); ok {
		distance = min(hops, math.MaxInt8)
	}
	r[v2OffDistance] = byte(int8(distance))
	if n.Shared() {
		r[v2OffNAT] = 1
	}
	if n.State == note.Matched {
		r[v2OffReal] = 1
	}
	uptime := -1
	if n.UpModDays != 0 { // as p0f counts it, from whatever clock
		uptime = int(n.UptimeMin / 60)
	}
	score := int16(v2NoScore)
	binary.NativeEndian.PutUint16(r[v2OffScore:], uint16(score))
	binary.NativeEndian.PutUint32(r[v2OffUptime:], uint32(int32(uptime)))
	return dst
}

// appendV2Status appends a reply that is zero but for magic, id and type.
func appendV2Status(dst []byte, id uint32, status byte) []byte {
	dst = append(dst, make([]byte, v2ReplySize)...)
	r := dst[len(dst)-v2ReplySize:]
	binary.NativeEndian.PutUint32(r[v2OffMagic:], v2Magic)
	binary.NativeEndian.PutUint32(r[v2OffID:], id)
	r[v2OffType] = status
	return dst
}

// putV2Text writes text that ends in a NUL into a field of zeroes. qpsmtpd puts
// it into headers as it is.
func putV2Text(field []byte, text string) {
	copy(field[:len(field)-1], note.Clean(text))
}
