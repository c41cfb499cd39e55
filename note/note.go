// Package note is the answer a mail server gets about the machine at the other
// end of a connection, and Lookuper, the one interface that everything which
// answers implements.
//
// A front (milter, policy service, query socket, a Go SMTP server) needs a
// Lookuper and nothing else of mxprint. The package imports the standard
// library alone.
//
// # Compatibility
//
// Until 1.0 this package only gains names; none is removed or changes its
// meaning. The JSON form only gains members, and the text of Header only gains
// words at its end.
package note

import (
	"context"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// Lookuper answers who a client is. Implementations are safe for concurrent
// use.
type Lookuper interface {
	// Lookup returns what is known about q.Client. It blocks for at most
	// q.Wait, and not beyond the end of ctx. The error is not nil exactly when
	// the state of the note is Unavailable; a mail server then goes on as if
	// it had not asked.
	Lookup(ctx context.Context, q Query) (Note, error)
}

// Query names the connection that is asked about.
type Query struct {
	// Client is the peer of the mail server. Without a port the answer is the
	// one kept for the address. An IPv4-mapped IPv6 address, as a socket for
	// both protocols has it, is taken for the IPv4 address.
	Client netip.AddrPort
	// Hello is the name with which the client greeted (HELO, EHLO), where who asks
	// knows it: it is remembered with the address.
	Hello string
	// Server is the mail server's own end, if known.
	Server netip.AddrPort
	// Wait is how long an address not seen yet may wait for its first SYN: a
	// mail server asks within microseconds of the handshake, and may be ahead
	// of the capture. Zero answers at once.
	Wait time.Duration
	// Heard is what the mail server itself saw of the client, and Claims what the
	// mail says of its sender. Nil means that who asks does not know. They become
	// part of the answer where the sensor reads SMTP. The caller must not change
	// what they point to.
	Heard  *Heard
	Claims *Claims
}

// State is one of the four answers. The zero value is Unavailable: the zero
// Note claims nothing.
type State uint8

const (
	Unavailable State = iota // no sensor could be asked
	NotSeen                  // the sensor has seen no SYN of this client
	Unknown                  // seen, but no signature ever matched
	Matched                  // OSName and OSFlavor name the system
)

var stateNames = [...]string{"unavailable", "not seen", "unknown", "matched"}

// String returns the state in words.
func (s State) String() string {
	if int(s) < len(stateNames) {
		return stateNames[s]
	}
	return "invalid"
}

// Quality says how a signature matched; the bits are those of p0f's
// os_match_q.
type Quality uint8

const (
	Fuzzy   Quality = 1 << iota // a quirk or the TTL differed within bounds
	Generic                     // only a catch-all signature matched
)

// Rewrite is what boxes on the way seem to have changed in a SYN: proxies,
// carriers' gateways and firewalls do.
type Rewrite uint8

const (
	RewriteTTL     Rewrite = 1 << iota // the TTL is not the stack's own: 255 on a phone
	RewriteOptions                     // options are overwritten with NOPs
	RewriteMSS                         // the MSS was lowered; links with PPPoE do so too
)

var rewriteNames = [...]string{"ttl", "options", "mss"}

// String returns the names of what was changed, joined by commas:
// "ttl,options"; it is empty if nothing was.
func (r Rewrite) String() string { return strings.Join(r.names(), ",") }

func (r Rewrite) names() []string {
	var names []string
	for i, name := range rewriteNames {
		if r&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return names
}

// Clock says what the timestamps count from which UptimeMin is computed.
type Clock uint8

const (
	ClockUnknown Clock = iota // not stated: take the uptime as p0f does
	ClockBoot                 // the time since the system started
	ClockRandom               // from anywhere, or it may be: the uptime means nothing
)

// Reliable reports whether the uptime is one, and nil where it is not stated.
func (c Clock) Reliable() *bool {
	if c == ClockUnknown {
		return nil
	}
	boot := c == ClockBoot
	return &boot
}

// Unmapped returns the query with IPv4-mapped IPv6 addresses as the IPv4
// addresses they stand for. A Lookuper calls it first.
func (q Query) Unmapped() Query {
	q.Client, q.Server = unmapped(q.Client), unmapped(q.Server)
	return q
}

func unmapped(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
}

// Honesty is p0f's bad_sw: whether the HTTP software tells the truth.
type Honesty uint8

const (
	Honest     Honesty = iota // or nothing known
	OSMismatch                // User-Agent and TCP stack name different systems
	Dishonest                 // the software is not what it says
)

// Distance is how many hops away a client is. The zero value is not known.
type Distance uint16

// maxHops is the largest distance that a TTL can show.
const maxHops = 255

// Hops returns the distance of n hops. It is not known where n is negative or
// above 255.
func Hops(n int) Distance {
	if n < 0 || n > maxHops {
		return 0
	}
	return Distance(n + 1)
}

// Hops returns the number of hops, 0 to 255, and whether it is known.
func (d Distance) Hops() (n int, known bool) {
	if d == 0 || d > maxHops+1 {
		return 0, false
	}
	return int(d) - 1, true
}

// String returns the number of hops, or "unknown".
func (d Distance) String() string {
	if hops, known := d.Hops(); known {
		return strconv.Itoa(hops)
	}
	return "unknown"
}

// Note is what is known about one client. The field comments give the word of
// p0f's query protocol.
type Note struct {
	State State

	OSName   string  // os_name: "Linux"; empty unless State is Matched
	OSFlavor string  // os_flavor: "3.11 and newer"; may be empty
	Quality  Quality // os_match_q

	// Others are the other systems that send the same SYN: "Android",
	// "ChromeOS". Nothing in the packet distinguishes them from OSName. Do not
	// change the list: notes of one database share it.
	Others  []string
	Rewrite Rewrite // what boxes on the way seem to have changed in the SYN

	HTTPName   string // http_name: last application seen by HTTP
	HTTPFlavor string // http_flavor
	Language   string // language: "English"
	LinkType   string // link_type: "Ethernet or modem"; the name of the MTU
	MTU        int    // largest packet that the client can take, in bytes, from its MSS; 0 = unknown

	FirstSeen time.Time // first_seen, one second resolution
	LastSeen  time.Time // last_seen: the client's most recent new connection
	TotalConn uint32    // total_conn: connections seen, in either role

	// SYNs is how many connections the client opened, and Handshakes how many of
	// these are known to have come about: what the address is known for rests on
	// them, and a SYN without a handshake may be forged. Both are 0 where they are
	// not counted, as by p0f.
	SYNs       uint32
	Handshakes uint32

	UptimeMin  uint32    // uptime_min: minutes; see UpModDays and Clock
	UpModDays  uint32    // up_mod_days: the clock wraps after this many days; 0 = uptime unknown
	Clock      Clock     // whether UptimeMin means anything
	LastNAT    time.Time // last_nat: last sign of address sharing; zero = never
	LastChange time.Time // last_chg: last sign of another system; zero = never

	Distance Distance // distance: hops
	BadSW    Honesty  // bad_sw

	// ByConnection says that State, OSName, OSFlavor, Quality, Others,
	// Rewrite, LinkType, MTU and Distance come from the SYN of the very connection
	// that was asked about, and not from whatever the address sent last.
	ByConnection bool
	// Ambiguous says that a SYN with the client's port is known, and that it may be
	// another connection's: one that has ended, one to another address of the
	// server, or one of two whose SYNs came between the same ends.
	Ambiguous bool
	RawSig    string // of the SYN of ByConnection, in p0f's notation; empty otherwise

	// What follows is of the connection asked about, and nil where it was not
	// looked at: nil is never "no". Several notes may share them: do not change
	// what they point to.
	TLS            *TLS
	Software       *Software
	Conduct        *Findings // what the client did
	Contradictions *Findings // what it claims and is not
	Flow           *Flow
	Memory         *Memory
}
