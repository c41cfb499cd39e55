package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"sync"

	"github.com/mxprint/mxprint/capture"
	"github.com/mxprint/mxprint/filter"
	"github.com/mxprint/mxprint/packet"
)

// mailSYNs are the first packets of connections to mail ports, and the answers.
const mailSYNs = "(tcp[13] & 2 != 0 or (ip6 and ip6[6] = 6 and ip6[53] & 2 != 0)) and (port 25 or port 465 or port 587)"

// A balancer or NAT is taken for one if fewSenders addresses sent manySYNs.
const (
	fewSenders = 2
	manySYNs   = 20
	maxSenders = 1000 // that are counted apart
	oneWaySYNs = 5    // without a SYN+ACK
)

// counted is what came by one ring.
type counted struct {
	syns    int
	answers int // SYN+ACKs
	senders map[netip.Addr]int
}

// count compares what arrives with what the filter and the interfaces take.
func (e *examination) count(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, e.Time)
	defer cancel()
	all, err := open("any", mailSYNs)
	if errors.Is(err, fs.ErrPermission) {
		e.find("privileges", "run this as root; for the sensor: AmbientCapabilities=CAP_NET_RAW in its unit", "this user may not capture packets")
		return nil
	}
	if err != nil {
		return fmt.Errorf("counting SYNs: %w", err)
	}
	rings := []*capture.Ring{all}
	for _, name := range e.Config.Sensor.Interfaces {
		if ring, err := open(name, mailSYNs); err == nil {
			rings = append(rings, ring)
		}
	}
	own := len(rings)
	if s := &e.Config.Sensor; s.FilterProgram == "" {
		for _, name := range s.Interfaces {
			if ring, err := open(name, s.Filter); err == nil {
				rings = append(rings, ring)
			}
		}
	}
	counts := make([]counted, len(rings))
	var wg sync.WaitGroup
	for i, ring := range rings {
		wg.Go(func() { counts[i].read(ctx, ring) })
	}
	wg.Wait()
	taken, passed, answers := 0, 0, 0
	for _, c := range counts[1:own] {
		taken += c.syns
		answers += c.answers
	}
	for _, c := range counts[own:] {
		passed += c.syns
	}
	e.judge(&counts[0], taken, passed, len(rings) > own)
	if taken >= oneWaySYNs && answers == 0 {
		e.find(fmt.Sprintf("directions for %v", e.Time), "have the mirror or route bring both directions; ss -ltn 'sport = :25' shows whether a mail server listens",
			"%d SYNs came by %v, and no SYN+ACK of the server: only one direction is seen, so no handshake can be verified", taken, e.Config.Sensor.Interfaces)
	}
	return nil
}

// judge says what the counts mean: SYNs of the machine, those of the interfaces
// of the sensor, and those that passed its filter.
func (e *examination) judge(all *counted, taken, passed int, filtered bool) {
	s := &e.Config.Sensor
	switch {
	case all.syns == 0: // a quiet moment shows nothing
	case taken == 0:
		e.find(fmt.Sprintf("SYNs to mail ports for %v", e.Time), `ip -brief link; set sensor.interfaces = ["any"]; systemctl restart mxprint`,
			"%d came, and none by %v", all.syns, s.Interfaces)
	case filtered && passed == 0:
		e.find(fmt.Sprintf("SYNs to mail ports for %v", e.Time), "set sensor.filter to the port of the mail server, or remove it; systemctl restart mxprint",
			"%d came by %v, and the filter %q took none", taken, s.Interfaces, s.Filter)
	}
	if all.syns >= manySYNs && len(all.senders) <= fewSenders {
		e.find(fmt.Sprintf("senders of SYNs for %v", e.Time), "put the sensor on the balancer (docs/balancer.md); in front of a container, switch masquerade off or use the host's network",
			"%d SYNs came from %d addresses: a load balancer or NAT stands in front", all.syns, len(all.senders))
	}
}

func open(name, expr string) (*capture.Ring, error) {
	link, err := capture.RingLink(name)
	if err != nil {
		return nil, err
	}
	rule := filter.Rule{Expr: expr}
	program, err := rule.Kernel(int(link))
	if err != nil {
		return nil, err
	}
	return capture.OpenRing(capture.Config{Interface: name, Filter: program})
}

func mailPort(port uint16) bool { return port == 25 || port == 465 || port == 587 }

// read counts until ctx ends.
func (c *counted) read(ctx context.Context, ring *capture.Ring) {
	defer ring.Close()
	c.senders = make(map[netip.Addr]int)
	var decoder packet.Decoder
	for ctx.Err() == nil {
		err := ring.Read(ctx, func(f *capture.Frame) {
			decoder.Link, decoder.HeadersOnly = f.Link, true
			var s packet.Segment
			if decoder.Decode(f.Data, f.WireLen, &s) != nil {
				return
			}
			if s.Type == packet.SYNACK && mailPort(s.Src.Port()) {
				c.answers++
			}
			if s.Type != packet.SYN || !mailPort(s.Dst.Port()) {
				return
			}
			c.syns++
			if from := s.Src.Addr(); len(c.senders) < maxSenders {
				c.senders[from]++
			}
		})
		if err != nil {
			return
		}
	}
}
