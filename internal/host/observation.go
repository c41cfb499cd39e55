package host

import (
	"net/netip"

	"github.com/mxprint/mxprint/internal/http1"
	"github.com/mxprint/mxprint/packet"
	"github.com/mxprint/mxprint/signature"
)

// Observer takes what a Table finds out, in the order in which p0f prints it.
// Observe runs on the goroutine that calls Table.Update: it must not block, and
// may not keep the Observation, or what it refers to, after it returns.
type Observer interface {
	Observe(*Observation)
}

// Observation is one thing found out about one end of a connection.
type Observation struct {
	Module         Module
	Role           Role           // whom it describes
	Client, Server netip.AddrPort // the two ends of the connection
	At             int64          // time of the packet, microseconds since 1970

	// Of SYN, SYNACK, Probe and ProbeResponse.
	Segment *packet.Segment
	Match   signature.Match

	// Of MTU.
	MTU  int    // bytes; MSS and the usual headers
	Link string // name of the link, empty if unknown

	// Of Uptime.
	UptimeMin uint32  // minutes since the sender's clock was zero
	ModDays   uint32  // days after which that clock wraps
	Frequency float64 // ticks a second, as measured
	Clock     signature.Clock

	// Of HTTPRequest and HTTPResponse.
	HTTP HTTP

	// Of HostChange and IPSharing.
	Reasons Reasons
	Hits    [4]int // scores of the last 32 that were at least 6, 3, 2, 1
}

// HTTP is what the header of a request or response says of its sender.
type HTTP struct {
	Label     *signature.Label // nil: no signature matched
	Dishonest bool             // the software is not what it says
	Anonymous bool             // it does not say what it is
	Language  http1.Language   // of requests
	RawSig    []byte           // in p0f's notation; printable ASCII and DEL
}

// Module says what kind of observation it is.
type Module uint8

const (
	SYN Module = iota
	SYNACK
	Probe         // a SYN of p0f's own probing tool
	ProbeResponse // the answer to one
	MTU
	Uptime
	HostChange // the system behind the address seems to have changed
	IPSharing  // several systems seem to be behind the address
	HTTPRequest
	HTTPResponse

	modules // how many there are
)

var moduleNames = [...]string{
	"syn", "syn+ack", "sendsyn probe", "sendsyn response", "mtu", "uptime", "host change", "ip sharing",
	"http request", "http response",
}

// String returns p0f's name of the module.
func (m Module) String() string { return moduleNames[m] }

// Role is one of the two ends of a connection.
type Role uint8

const (
	Client Role = iota
	Server
)

// Reasons is a set of reasons to suspect a change, in the order in which p0f
// prints them (p0f v3 §7.1).
type Reasons uint16

const (
	AppVsOS  Reasons = 1 << iota // a program that cannot run on the system
	OSDiff                       // another system, label or signature
	SigDiff                      // other quirks or options
	XKnown                       // known before and unknown now, or the reverse
	Tstamp                       // the timestamp clock jumped
	TTL                          // another TTL
	Port                         // source ports went back
	MTUDiff                      // another MSS
	FuzzyFit                     // exact before and fuzzy now, or the reverse
	Via                          // a proxy named itself
	Date                         // the server's clock jumped
	SrvSigLB                     // another server software: a load balancer
	UAVsOS                       // the User-Agent names another system
)

// ReasonNames are p0f's names of the reasons, indexed by bit number.
var ReasonNames = [...]string{
	"app_vs_os", "os_diff", "sig_diff", "x_known", "tstamp", "ttl", "port", "mtu",
	"fuzzy", "via", "date", "srv_sig_lb", "ua_vs_os",
}
