// Package probe sends p0f's eight probes to a server and gathers what it
// answers: SYNs that differ in the options they offer, as a server answers with
// no option that was not offered. No connection is made.
//
// Sending takes a raw socket, and seeing the answers a packet socket: root or
// CAP_NET_RAW, on Linux. Ask the owner of a server first.
package probe

import (
	"context"
	"encoding/binary"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"time"

	"github.com/mxprint/mxprint/capture"
	"github.com/mxprint/mxprint/filter"
	"github.com/mxprint/mxprint/packet"
)

// MSS is what the probes offer, in bytes.
const MSS = 1331

// MaxWait is how long Send may wait for answers.
const MaxWait = time.Minute

// What else a probe is known by (p0f-v3.md §5.5), and the ports that probes come from.
const (
	window    = 1337
	ttl       = 192
	seq       = 0x12345678
	count     = 8
	firstPort = 65535 // and downwards
)

// Options that a probe may offer, by the bits of its number.
const (
	offerWS = 1 << iota
	offerSOK
	offerTS
)

// Answer is what came back of one probe.
type Answer struct {
	Offered string         // the options, such as "mss,ws,sok"
	Segment packet.Segment // a SYN+ACK or RST+ACK; Type is 0 where none came
}

// Send sends the probes and returns their answers, in the order of the probes,
// when all are there, and what there is after wait.
func Send(ctx context.Context, to netip.AddrPort, wait time.Duration, log *slog.Logger) ([]Answer, error) {
	socket, err := openSocket(to)
	if err != nil {
		return nil, err
	}
	defer socket.close()
	p := &prober{from: socket.from, to: to, decoder: packet.Decoder{Link: packet.LinkRaw}}
	ring, err := p.capture(log) // before the first answer
	if err == nil {
		defer ring.Close()
	}
	for i := range count {
		if err := socket.send(p.header(i)); err != nil {
			return nil, fmt.Errorf("sending to %s: %w", to, err)
		}
	}
	if ring == nil {
		return nil, fmt.Errorf("%d probes were sent, but their answers cannot be seen from here (%w); run the sensor, or p0f, where they pass", count, err)
	}
	ctx, stop := context.WithTimeout(ctx, wait)
	defer stop()
	if err := p.listen(ctx, ring); err != nil {
		return nil, err
	}
	answers := make([]Answer, count)
	for i := range answers {
		answers[i] = Answer{offered(i), p.answers[i]}
	}
	return answers, nil
}

// offered names the options of a probe.
func offered(i int) string {
	names := []string{"mss"}
	for bit, name := range []string{"ws", "sok", "ts"} {
		if i&(1<<bit) != 0 {
			names = append(names, name)
		}
	}
	return strings.Join(names, ",")
}

// prober sends probes and gathers the answers.
type prober struct {
	from    netip.Addr
	to      netip.AddrPort
	decoder packet.Decoder
	answers [count]packet.Segment // Type 0: none yet
}

// capture opens a small capture of the answers alone.
func (p *prober) capture(log *slog.Logger) (*capture.Ring, error) {
	rule := filter.Rule{Expr: fmt.Sprintf("src host %s and src port %d and dst portrange %d-%d",
		p.to.Addr(), p.to.Port(), firstPort-count+1, firstPort)}
	link, err := capture.RingLink(capture.Any)
	if err != nil {
		return nil, err
	}
	program, err := rule.Kernel(int(link))
	if err != nil {
		return nil, err
	}
	return capture.OpenRing(capture.Config{Interface: capture.Any, Filter: program, RingBytes: 1 << 20, Log: log})
}

// header is the TCP header of a probe. The checksum is that of the packet.
func (p *prober) header(i int) []byte {
	b := make([]byte, 20, 44)
	binary.BigEndian.PutUint16(b, uint16(firstPort-i))
	binary.BigEndian.PutUint16(b[2:], p.to.Port())
	binary.BigEndian.PutUint32(b[4:], seq)
	b[12], b[13] = 44/4<<4, packet.FlagSYN
	binary.BigEndian.PutUint16(b[14:], window)
	b = append(b, packet.OptMSS, 4, MSS>>8, MSS&0xff)
	if i&offerWS != 0 {
		b = append(b, packet.OptWS, 3, 5)
	}
	if i&offerSOK != 0 {
		b = append(b, packet.OptSOK, 2)
	}
	if i&offerTS != 0 {
		b = append(b, packet.OptTS, 10, 0, 0, window>>8, window&0xff, 0, 0, 0, 0)
	}
	b = append(b, packet.OptNOP)[:44] // and end of list to the end
	binary.BigEndian.PutUint16(b[16:], tcpChecksum(p.from, p.to.Addr(), b))
	return b
}

// tcpChecksum is the checksum of a segment whose own is 0 (RFC 9293 §3.1).
func tcpChecksum(src, dst netip.Addr, segment []byte) uint16 {
	const protocol = 6
	sum := uint32(protocol + len(segment))
	for _, b := range [][]byte{src.AsSlice(), dst.AsSlice(), segment} {
		for i := 0; i < len(b); i += 2 { // all are even
			sum += uint32(binary.BigEndian.Uint16(b[i:]))
		}
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}

// listen takes the answers, until all are there or ctx ends.
func (p *prober) listen(ctx context.Context, ring *capture.Ring) error {
	left := count
	for left > 0 {
		err := ring.Read(ctx, func(f *capture.Frame) {
			if p.take(f) {
				left--
			}
		})
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// take reports whether a frame is the first answer to a probe.
func (p *prober) take(f *capture.Frame) bool {
	var s packet.Segment
	p.decoder.Link = f.Link
	if p.decoder.Decode(f.Data, f.WireLen, &s) != nil {
		return false
	}
	i := firstPort - int(s.Dst.Port())
	answers := s.Type == packet.SYNACK || s.Type == packet.RSTACK
	if s.Src != p.to || s.Dst.Addr() != p.from || i >= count || !answers || s.Ack != seq+1 || p.answers[i].Type != 0 {
		return false
	}
	p.answers[i] = s
	return true
}
