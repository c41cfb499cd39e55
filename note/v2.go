package note

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// Genre, Detail and UptimeHours are what p0f 2 called OSName, OSFlavor and the
// uptime; Haraka's and qpsmtpd's notes still use the words.
func (n *Note) Genre() string { return n.OSName }

// Detail is OSFlavor; see Genre.
func (n *Note) Detail() string { return n.OSFlavor }

// UptimeHours is the uptime in hours, and whether it is known; see Genre. One
// from a clock that begins at random is not.
func (n *Note) UptimeHours() (int, bool) {
	return int(n.UptimeMin / 60), n.UpModDays != 0 && n.Clock != ClockRandom
}

// V2Text is the note in the words of p0f 2, as amavis shows them:
//
//	FreeBSD 8.x (1) (up: 1390 hrs), (distance 17, link: ethernet/modem)
//
// A client whose system no signature names is UNKNOWN; one that was not seen
// is the empty string.
func (n *Note) V2Text() string {
	if !n.Known() {
		return ""
	}
	return n.v2System() + ", " + n.v2Way()
}

// V2Line is the note as p0f 2 printed it, for both ends of a connection:
//
//	192.0.2.1:39435 - FreeBSD 8.x (1) (up: 1390 hrs) -> 192.0.2.9:25 (distance 17, link: ethernet/modem)
func (n *Note) V2Line(client, server netip.AddrPort) string {
	return client.String() + " - " + n.v2System() + " -> " + server.String() + " " + n.v2Way()
}

func (n *Note) v2System() string {
	s := "UNKNOWN"
	if n.OSName != "" {
		s = Clean(n.Title())
	} else if n.RawSig != "" {
		s += " [" + n.RawSig + "]"
	}
	if hours, ok := n.UptimeHours(); ok {
		s += " (up: " + strconv.Itoa(hours) + " hrs)"
	}
	return s
}

func (n *Note) v2Way() string {
	distance, link := max(n.Distance, 0), "unknown"
	if n.LinkType != "" {
		link = Clean(n.LinkType)
	}
	return "(distance " + strconv.Itoa(distance) + ", link: " + link + ")"
}

// ErrV2 says that a line is not one of p0f 2.
var ErrV2 = errors.New("note: not a line of p0f 2")

// ParseV2 reads a line of p0f 2, also one broken in two before the arrow. The
// first word of the system is its name; of the uptime the hours are known.
func ParseV2(line string) (n Note, client, server netip.AddrPort, err error) {
	fail := func(what string) (Note, netip.AddrPort, netip.AddrPort, error) {
		return Note{}, netip.AddrPort{}, netip.AddrPort{}, fmt.Errorf("%w: %s", ErrV2, what)
	}
	const longest = 1024
	if len(line) > longest {
		return fail("too long")
	}
	from, rest, ok := strings.Cut(strings.TrimSpace(line), " - ")
	system, way, ok2 := strings.Cut(rest, "->")
	if !ok || !ok2 {
		return fail(`want "client - system -> server (…)"`)
	}
	if client, err = netip.ParseAddrPort(strings.TrimSpace(from)); err != nil {
		return fail("client: " + err.Error())
	}
	to, facts, _ := strings.Cut(strings.TrimSpace(way), " ")
	if server, err = netip.ParseAddrPort(to); err != nil {
		return fail("server: " + err.Error())
	}
	n = Note{State: Matched, Distance: DistanceUnknown}
	n.parseV2System(strings.TrimSpace(system))
	if err := n.parseV2Way(strings.TrimSpace(facts)); err != nil {
		return fail(err.Error())
	}
	return n, client, server, nil
}

func (n *Note) parseV2System(s string) {
	if i := strings.LastIndex(s, "(up: "); i >= 0 {
		hours, unit, _ := strings.Cut(strings.TrimSuffix(s[i+len("(up: "):], ")"), " ")
		if h, err := strconv.ParseUint(hours, 10, 25); err == nil && unit == "hrs" {
			n.UptimeMin, n.UpModDays = uint32(h)*60, v2ModDays
			s = strings.TrimSpace(s[:i])
		}
	}
	if strings.HasPrefix(s, "UNKNOWN") {
		n.State = Unknown
		n.RawSig = strings.Trim(strings.TrimPrefix(s, "UNKNOWN"), " []")
		return
	}
	n.OSName, n.OSFlavor, _ = strings.Cut(s, " ")
}

// v2ModDays stands for the clock that p0f 2 did not tell: 100 ticks a second.
const v2ModDays = 497

func (n *Note) parseV2Way(s string) error {
	s, ok := strings.CutPrefix(s, "(distance ")
	distance, link, ok2 := strings.Cut(strings.TrimSuffix(s, ")"), ", link: ")
	d, err := strconv.Atoi(distance)
	if !ok || !ok2 || err != nil || d < 0 || d > 255 {
		return errors.New(`want "(distance N, link: …)" at the end`)
	}
	n.Distance = d
	if link != "unknown" {
		n.LinkType = link
	}
	return nil
}
