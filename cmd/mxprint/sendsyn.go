package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/mxprint/mxprint/capture"
	"github.com/mxprint/mxprint/engine"
	"github.com/mxprint/mxprint/packet"
	"github.com/mxprint/mxprint/signature"
)

var sendsynCommand = command{
	name:    "sendsyn",
	summary: "send p0f's eight probes, to collect what a server answers",
	usage: `Usage: mxprint sendsyn [-f FP] [-with FP] [-wait TIME] [-force] ADDRESS PORT

Sends eight SYNs that differ in the options they offer, as p0f-sendsyn does, and
prints for each the signature of the SYN+ACK and the system it names. A server
answers with no option that was not offered, so it takes all eight to see how a
system answers. Sensors on the way, p0f among them, log them as "sendsyn probe"
and "sendsyn response". No connection is made; the system resets what is
answered.

It needs root or CAP_NET_RAW. It sends to loopback and private addresses alone,
unless told otherwise: ask the owner of a server first. The exit status is 1
when there was no SYN+ACK.

` + databaseUsage + `  -wait TIME  how long to wait for the answers, a minute at most (default 2s)
  -force      send to any address

Examples:
  mxprint sendsyn 127.0.0.1 25
  mxprint sendsyn 10.0.0.7 587
  mxprint explain -response "$(mxprint sendsyn ::1 25 | awk '/^mss,ws,sok,ts /{print $2}')"
`,
	run: runSendsyn,
}

// What a probe is known by (p0f v3 §5.5), and the ports that probes come from.
const (
	probeWindow    = 1337
	probeMSS       = 1331
	probeTTL       = 192
	probeSeq       = 0x12345678
	probeCount     = 8
	probeFirstPort = 65535 // and downwards
	maxProbeWait   = time.Minute
)

// Options that a probe may offer, by the bits of its number.
const (
	offerWS = 1 << iota
	offerSOK
	offerTS
)

func runSendsyn(ctx context.Context, args []string, std *stdio) error {
	fs := newFlags("sendsyn")
	database := databaseFlags(fs)
	wait := fs.Duration("wait", 2*time.Second, "")
	force := fs.Bool("force", false, "")
	if err := fs.Parse(args); err != nil {
		return fmt.Errorf("sendsyn: %w", err)
	}
	if fs.NArg() != 2 {
		return errors.New("sendsyn: name an address and a port; mxprint sendsyn -h shows examples")
	}
	if *wait <= 0 || *wait > maxProbeWait {
		return fmt.Errorf("sendsyn: -wait %v: want more than 0, and %v at most", *wait, maxProbeWait)
	}
	to, err := probeTarget(fs.Arg(0), fs.Arg(1), *force)
	if err != nil {
		return err
	}
	db, err := database.load()
	if err != nil {
		return err
	}
	socket, err := openProbes(to)
	if err != nil {
		return fmt.Errorf("sendsyn: %w", err)
	}
	defer socket.close()
	p := &prober{from: socket.from, to: to, db: db, decoder: packet.Decoder{Link: packet.LinkRaw}}
	ring, err := p.capture(newLogger(std.err))
	if err == nil {
		defer ring.Close()
	}
	for i := range probeCount {
		if err := socket.send(p.probe(i)); err != nil {
			return fmt.Errorf("sendsyn: sending to %s: %w", to, err)
		}
	}
	if ring == nil {
		return fmt.Errorf("sendsyn: %d probes were sent, but their answers cannot be seen from here (%w); run the sensor, or p0f, where they pass", probeCount, err)
	}
	ctx, stop := context.WithTimeout(ctx, *wait)
	defer stop()
	if err := p.listen(ctx, ring); err != nil {
		return err
	}
	if p.print(std.out); !p.answered() {
		return fmt.Errorf("sendsyn: no SYN+ACK from %s", to)
	}
	return nil
}

// probeTarget reads where the probes go.
func probeTarget(address, port string, force bool) (netip.AddrPort, error) {
	addr, err := netip.ParseAddr(address)
	if err != nil || addr.Zone() != "" {
		return netip.AddrPort{}, fmt.Errorf("sendsyn: %q is not an IP address", address)
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || n == 0 {
		return netip.AddrPort{}, fmt.Errorf("sendsyn: %q is not a port", port)
	}
	addr = addr.Unmap()
	switch near := addr.IsLoopback() || addr.IsPrivate() || addr.IsLinkLocalUnicast(); {
	case addr.IsMulticast() || addr.IsUnspecified() || addr == netip.AddrFrom4([4]byte{255, 255, 255, 255}):
		return netip.AddrPort{}, fmt.Errorf("sendsyn: %s is not the address of one host", addr)
	case !near && !force:
		return netip.AddrPort{}, fmt.Errorf("sendsyn: %s is neither a loopback nor a private address; with -force the probes go there, too", addr)
	}
	return netip.AddrPortFrom(addr, uint16(n)), nil
}

// prober sends probes and gathers the answers.
type prober struct {
	from    netip.Addr
	to      netip.AddrPort
	db      *signature.DB
	decoder packet.Decoder
	answers [probeCount]packet.Segment // Type 0: none yet
}

// capture opens a small capture of the answers alone.
func (p *prober) capture(log *slog.Logger) (*capture.Ring, error) {
	rule := engine.Rule{Expr: fmt.Sprintf("src host %s and src port %d and dst portrange %d-%d",
		p.to.Addr(), p.to.Port(), probeFirstPort-probeCount+1, probeFirstPort)}
	cfg, err := tap{rule: rule, log: log}.config(capture.Any)
	if err != nil {
		return nil, err
	}
	cfg.RingBytes = 1 << 20
	return capture.OpenRing(cfg)
}

// probe is the TCP header of a probe. The checksum is that of the packet.
func (p *prober) probe(i int) []byte {
	b := make([]byte, 20, 44)
	binary.BigEndian.PutUint16(b, uint16(probeFirstPort-i))
	binary.BigEndian.PutUint16(b[2:], p.to.Port())
	binary.BigEndian.PutUint32(b[4:], probeSeq)
	b[12], b[13] = 44/4<<4, packet.FlagSYN
	binary.BigEndian.PutUint16(b[14:], probeWindow)
	b = append(b, packet.OptMSS, 4, probeMSS>>8, probeMSS&0xff)
	if i&offerWS != 0 {
		b = append(b, packet.OptWS, 3, 5)
	}
	if i&offerSOK != 0 {
		b = append(b, packet.OptSOK, 2)
	}
	if i&offerTS != 0 {
		b = append(b, packet.OptTS, 10, 0, 0, probeWindow>>8, probeWindow&0xff, 0, 0, 0, 0)
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
	left := probeCount
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
	i := probeFirstPort - int(s.Dst.Port())
	answers := s.Type == packet.SYNACK || s.Type == packet.RSTACK
	if s.Src != p.to || s.Dst.Addr() != p.from || i >= probeCount || !answers || s.Ack != probeSeq+1 || p.answers[i].Type != 0 {
		return false
	}
	p.answers[i] = s
	return true
}

func (p *prober) answered() bool {
	for i := range p.answers {
		if p.answers[i].Type == packet.SYNACK {
			return true
		}
	}
	return false
}

// print tells of each probe what it offered, and what came back.
func (p *prober) print(w io.Writer) {
	for i := range p.answers {
		offered := []string{"mss"}
		for bit, name := range []string{"ws", "sok", "ts"} {
			if i&(1<<bit) != 0 {
				offered = append(offered, name)
			}
		}
		s := &p.answers[i]
		text := "no answer"
		switch s.Type {
		case packet.RSTACK:
			text = "refused"
		case packet.SYNACK:
			m := p.db.Match(signature.Response, s, probeMSS)
			text = string(signature.AppendRaw(nil, s, m.Multiple)) + "  "
			if m.Sig == nil {
				text += "matches nothing"
			} else {
				text += title(&m)
			}
		}
		fmt.Fprintf(w, "%-13s %s\n", strings.Join(offered, ","), text)
	}
}
