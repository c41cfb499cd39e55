// Package event is what a sensor saw: an Observation for each fingerprint,
// link, uptime, HTTP header, ClientHello, SMTP session and sign of a change, and
// the Observer that takes them. Use it to log, count or forward what a sensor sees; to ask about one
// client, use note.Lookuper.
//
// An Observation is a plain value. Its JSON form (AppendJSON) is described in
// docs/json.md; its modules and reasons have the names that p0f prints (p0f-v3.md
// §7.1, §10.5).
//
// # Compatibility
//
// Until 1.0 this package only gains names; none is removed or changes its
// meaning. The JSON form only gains members.
package event

import (
	"net/netip"

	"github.com/mxprint/mxprint/note"
	"github.com/mxprint/mxprint/packet"
)

// Follower reads on where an engine stops (engine.Config.Follow): it gets the
// connections whose handshake the engine saw completed, and then their segments. Its
// methods run on the goroutine that enters frames; they must not block, and must
// keep neither the segment nor the payload.
type Follower interface {
	// Open takes a connection. s is the client's segment that completes the
	// handshake, and Segment takes it too; client and server are the numbers that
	// the two ends chose, at is microseconds since 1970.
	Open(s *packet.Segment, client, server uint32, at int64)
	// Segment takes each segment but SYNs, whether or not its connection was
	// opened: where it was not, the segment may be forged. payload may be less
	// than the segment has.
	Segment(s *packet.Segment, payload []byte, at int64)
	// Close ends all connections: nothing more will come.
	Close()
}

// Observer takes observations, one call at a time; those of one connection come
// in the order of its packets. An engine calls it beside the capture: a slow
// Observer delays the reading of a file, and loses observations of an interface.
type Observer interface {
	// Observe must neither change the Observation nor keep it, or its RawSig, after it returns.
	Observe(*Observation)
	// Flush is called when no observation has come for a moment, and at least
	// every 100 ms while some come: write now what was gathered. It returns how
	// many observations could not be written since the last call, and why.
	Flush() (lost int, err error)
}

// Observation is one fact about one end of a connection.
type Observation struct {
	Module         Module
	Role           Role           // the end that it describes
	Client, Server netip.AddrPort // the ends of the connection
	At             int64          // time of the packet, microseconds since 1970

	// Of a fingerprint (Module.Fingerprint).
	Segment  packet.Segment // the SYN or SYN+ACK
	PeerMSS  uint16         // the MSS of the SYN that a SYN+ACK answers, 0 of a SYN
	Distance int            // hops; a guess where System.Matched is false
	// Of a fingerprint, HTTPRequest and HTTPResponse.
	System System
	RawSig []byte // in p0f's notation: printable ASCII and DEL; see Observer.Observe

	// Of MTU.
	MTU  int    // bytes; MSS and the usual headers
	Link string // name of the link, empty if unknown

	// Of Uptime.
	UptimeMin uint32     // minutes since the sender's clock was zero
	ModDays   uint32     // days after which that clock wraps
	Frequency float64    // ticks a second, as measured
	Clock     note.Clock // whether UptimeMin means anything

	// Of HTTPRequest and HTTPResponse.
	HTTP HTTP

	// Of HostChange and IPSharing.
	Reasons Reasons
	Hits    [4]int // scores of the last 32 that were at least 6, 3, 2, 1

	// Of TLS and SMTP: a note with the parts about the sender alone, as they were
	// then. It may be kept, and is not to be changed.
	Sender *note.Note
}

// System is what a signature says of the sender. The zero value is that of a
// sender that no signature matches.
type System struct {
	Matched      bool
	App          bool     // it names a program, not an operating system
	Name, Flavor string   // "Linux", "3.11 and newer"; the flavor may be empty
	Others       []string // names of other systems that send the same; shared, not to be changed
	Quality      note.Quality
	RandomTTL    bool         // the initial TTL varies: the distance is the most it can be
	Rewrite      note.Rewrite // what boxes on the way seem to have changed
}

// HTTP is what the header of a request or response says of its sender.
type HTTP struct {
	Dishonest bool   // the software is not what it says
	Anonymous bool   // it does not say what it is
	Language  string // that a request asks for; empty if none, "???" if p0f has no name for it
}

// Module is the kind of an observation.
type Module uint8

const (
	SYN Module = iota
	SYNACK
	Probe         // a SYN of p0f's own probing tool
	ProbeResponse // the answer to one
	MTU
	Uptime
	HostChange // the system at the address seems to have changed
	IPSharing  // several systems seem to share the address
	HTTPRequest
	HTTPResponse
	TLS  // a ClientHello was read
	SMTP // a session ended, or its reading stopped

	Modules = int(iota) // how many there are
)

var moduleNames = [Modules]string{
	"syn", "syn+ack", "sendsyn probe", "sendsyn response", "mtu", "uptime", "host change", "ip sharing",
	"http request", "http response", "tls", "smtp",
}

// String returns p0f's name of the module.
func (m Module) String() string {
	if int(m) < len(moduleNames) {
		return moduleNames[m]
	}
	return "unknown"
}

// Fingerprint reports whether the module is that of a SYN or SYN+ACK.
func (m Module) Fingerprint() bool { return m <= ProbeResponse }

// Role is one of the two ends of a connection.
type Role uint8

const (
	Client Role = iota
	Server
)

// Reasons is a set of reasons to suspect a change, in the order in which p0f
// prints them (p0f-v3.md §7.1).
type Reasons uint16

const (
	ReasonAppVsOS  Reasons = 1 << iota // a program that cannot run on the system
	ReasonOSDiff                       // another system, label or signature
	ReasonSigDiff                      // other quirks or options
	ReasonXKnown                       // known before and unknown now, or the reverse
	ReasonTstamp                       // the timestamp clock jumped
	ReasonTTL                          // another TTL
	ReasonPort                         // source ports went back
	ReasonMTU                          // another MSS
	ReasonFuzzy                        // exact before and fuzzy now, or the reverse
	ReasonVia                          // a proxy named itself
	ReasonDate                         // the server's clock jumped
	ReasonSrvSigLB                     // another server software: a load balancer
	ReasonUAVsOS                       // the User-Agent names another system
)

var reasonNames = [...]string{
	"app_vs_os", "os_diff", "sig_diff", "x_known", "tstamp", "ttl", "port", "mtu",
	"fuzzy", "via", "date", "srv_sig_lb", "ua_vs_os",
}

// All yields p0f's names of the reasons in the set, in p0f's order.
func (r Reasons) All(yield func(string) bool) {
	for i, name := range reasonNames {
		if r&(1<<i) != 0 && !yield(name) {
			return
		}
	}
}
