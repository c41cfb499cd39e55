// Command attack measures what attacks cost a sensor, by kind, and fails where
// one costs too much or is believed: make attack.
package main

import (
	"context"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"os/signal"
	"slices"
	"time"

	"github.com/mxprint/mxprint/internal/host"
	"github.com/mxprint/mxprint/internal/signature"
	"github.com/mxprint/mxprint/internal/test/flood"
	"github.com/mxprint/mxprint/packet"
)

const (
	floodSYNs = 300_000 // of each flood
	senders   = 60      // genuine ones, verified before it
	mostCost  = 2.0     // of the cost of random SYNs
	rounds    = 5
)

// limits are those of the default configuration.
var limits = host.Config{MaxHosts: 100_000, Unverified: 50_000, Recent: 50_000}

// kind makes the n-th SYN of a kind of flood.
type kind struct {
	name string
	syn  func(s *packet.Segment, n uint32)
}

var (
	server4 = netip.MustParseAddrPort("198.51.100.25:25")
	server6 = netip.MustParseAddrPort("[2001:db8::25]:25")
)

func mix(n uint32) uint32 { return flood.Mix(n) }

func four(a uint32, port uint16) netip.AddrPort {
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], a)
	return netip.AddrPortFrom(netip.AddrFrom4(b), port)
}

func six(network uint64, host uint64, port uint16) netip.AddrPort {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:], network)
	binary.BigEndian.PutUint64(b[8:], host)
	return netip.AddrPortFrom(netip.AddrFrom16(b), port)
}

// floods are the kinds; the first of each IP version is what others are compared
// with.
func floods(v6 bool) []kind {
	const network = 0x20010db800010000
	if v6 {
		return []kind{
			{"IPv6, random addresses", func(s *packet.Segment, n uint32) {
				s.Src = six(uint64(mix(n))<<32|uint64(mix(n+1)), uint64(n), uint16(n))
			}},
			{"IPv6, one address", func(s *packet.Segment, n uint32) { s.Src = six(network, 1, uint16(n)) }},
			{"IPv6, one address and port", func(s *packet.Segment, n uint32) { s.Src = six(network, 1, 4711) }},
			{"IPv6, one /64", func(s *packet.Segment, n uint32) { s.Src = six(network, uint64(mix(n)), 4711) }},
		}
	}
	return []kind{
		{"IPv4, random addresses", func(s *packet.Segment, n uint32) { s.Src = four(mix(n), uint16(n)) }},
		{"IPv4, one address", func(s *packet.Segment, n uint32) { s.Src = four(0xcb007107, uint16(n)) }},
		{"IPv4, one address and port", func(s *packet.Segment, n uint32) { s.Src = four(0xcb007107, 4711) }},
		{"IPv4, one address and port, one sequence number in two", func(s *packet.Segment, n uint32) { s.Src, s.Seq = four(0xcb007107, 4711), n/2 }},
		{"IPv4, one address and port, to any address of a /16", func(s *packet.Segment, n uint32) {
			s.Src, s.Dst = four(0xcb007107, 4711), four(0xc6330000|mix(n)&0xffff, 25)
		}},
		{"IPv4, one /24", func(s *packet.Segment, n uint32) { s.Src = four(0xcb007100|n&255, uint16(mix(n))) }},
		{"IPv4, the ends of a genuine connection", func(s *packet.Segment, n uint32) { s.Src = sender(int(n % senders)) }},
	}
}

// sender is the end of a genuine one.
func sender(i int) netip.AddrPort { return four(0xc0000201+uint32(i), 40000) }

// syn is a SYN as Linux sends it.
func syn(v6 bool) packet.Segment {
	if v6 {
		return flood.SYN(server6)
	}
	return flood.SYN(server4)
}

// seqd gives each SYN a sequence number before it is made one of a kind.
func seqd(next func(*packet.Segment, uint32)) func(*packet.Segment, uint32) {
	return func(s *packet.Segment, n uint32) {
		s.Seq = mix(n ^ 0x5bd1e995)
		next(s, n)
	}
}

// sensor is a table with genuine senders in it.
type sensor struct {
	*host.Table
	at int64
}

func newSensor() *sensor {
	t := &sensor{host.New(signature.Builtin(), limits, nil), 1e15}
	for i := range senders {
		s := syn(false)
		s.Src, s.Seq = sender(i), uint32(i)*1000
		t.take(s)
		t.take(packet.Segment{Src: s.Dst, Dst: s.Src, Version: 4, Type: packet.SYNACK, Flags: packet.FlagSYN | packet.FlagACK, Seq: 7, Ack: s.Seq + 1})
		t.take(packet.Segment{Src: s.Src, Dst: s.Dst, Version: 4, Type: packet.ACK, Flags: packet.FlagACK, Seq: s.Seq + 1, Ack: 8})
	}
	return t
}

func (t *sensor) take(s packet.Segment) {
	t.at += 10 // 100,000 a second
	t.Frame(t.at)
	t.Update(&s, nil)
}

// known counts the genuine senders whose address and connection are known, and
// whose connection is theirs.
func (t *sensor) known() (n int) {
	for i := range senders {
		_, ok := t.Host(sender(i).Addr())
		if c, found := t.Conn(sender(i), server4); ok && found && c.Open {
			n++
		}
	}
	return n
}

// cost is what a SYN of a flood takes, and how many genuine senders are known
// after it.
func (f kind) cost(v6 bool) (perSYN time.Duration, known int) {
	var all []time.Duration
	for range rounds {
		t := newSensor()
		s, next := syn(v6), seqd(f.syn)
		begin := time.Now()
		for n := range uint32(floodSYNs) {
			next(&s, n)
			t.take(s)
		}
		all = append(all, time.Since(begin)/floodSYNs)
		known = t.known()
	}
	slices.Sort(all)
	return all[0], known // the least disturbed
}

// cookies is cost for connections that came by SYN cookie.
func cookies() (per time.Duration, known int) {
	t := newSensor()
	begin := time.Now()
	for n := range uint32(floodSYNs) {
		t.Missed(four(0xcb007107, uint16(mix(n))), server4)
	}
	return time.Since(begin) / floodSYNs, t.known()
}

var errSkipped = errors.New("it was skipped")

func yes(met bool) string {
	if met {
		return "yes"
	}
	return "no"
}

func main() {
	if len(os.Args) == 5 && os.Args[1] == liveCommand {
		if err := liveFlood(os.Args[2:]); err != nil {
			fmt.Fprintln(os.Stderr, "attack:", err)
			os.Exit(1)
		}
		return
	}
	only := flag.String("only", "", "costs, payload, live or tests; all without")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	t := newTable()
	for _, part := range []struct {
		name string
		run  func(context.Context)
	}{
		{"costs", func(context.Context) { t.costs() }}, {"payload", func(context.Context) { t.payload() }}, {"live", t.live}, {"tests", t.tests},
	} {
		if *only == "" || *only == part.name {
			part.run(ctx)
		}
	}
	if !t.end() {
		os.Exit(1)
	}
}

// costs measures what a SYN of each kind of flood costs.
func (t *table) costs() {
	bar := fmt.Sprintf("%.2f× at most, %d of %d", mostCost, senders, senders)
	row := func(name string, per, random time.Duration, known int) {
		ratio := float64(per) / float64(random)
		t.row("a SYN: "+name, fmt.Sprintf("%d ns, %.2f× a random one; %d of %d senders known", per.Nanoseconds(), ratio, known, senders),
			bar, ratio <= mostCost && known == senders)
	}
	for _, v6 := range []bool{false, true} {
		var random time.Duration
		for i, f := range floods(v6) {
			per, known := f.cost(v6)
			if i == 0 {
				random = per
			}
			row(f.name, per, random, known)
		}
		if !v6 {
			per, known := cookies()
			row("IPv4, connections of one address by SYN cookie", per, random, known)
		}
	}
}
