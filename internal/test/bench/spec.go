//go:build linux

package main

import (
	"encoding/binary"
	"math/rand/v2"

	"github.com/mxprint/mxprint/internal/signature"
	"github.com/mxprint/mxprint/packet"
)

// spec is a SYN that a signature may take, before it is bytes.
type spec struct {
	version, ttl, ipOptions, mss, window, scale int
	layout                                      packet.Layout
	quirks                                      packet.Quirks
	payload                                     bool
}

// What senders on the Internet have, where a signature says nothing.
var (
	someMSS     = []int{1460, 1452, 1440, 1420, 1412, 1400, 1380, 1360, 1300}
	someScales  = []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 14}
	someWindows = []int{1024, 4096, 5840, 8192, 14600, 16384, 29200, 32768, 42340, 64240, 64800, 65535}
)

func newSpec(t *signature.TCP, version int, random *rand.Rand) *spec {
	one := func(of []int) int { return of[random.IntN(len(of))] }
	or := func(value int, of []int) int {
		if value == signature.Any {
			return one(of)
		}
		return value
	}
	s := &spec{
		version: version, ttl: t.TTL, ipOptions: t.IPOptLen, mss: or(t.MSS, someMSS), scale: or(t.Scale, someScales),
		layout: t.Layout, quirks: t.Quirks, payload: t.Payload == 1,
	}
	headers := 40
	if version == 6 {
		headers = 60
		s.quirks &^= packet.QuirkDF | packet.QuirkIDNonZero | packet.QuirkIDZero
		if t.MSS == signature.Any {
			s.mss -= 20
		}
	} else {
		s.quirks &^= packet.QuirkFlow
	}
	switch t.Kind {
	case signature.WindowEqual:
		s.window = t.Window
	case signature.WindowModulo:
		s.window = t.Window * (1 + random.IntN(65535/t.Window))
	case signature.WindowMSS:
		s.window = t.Window * s.mss
	case signature.WindowMTU:
		s.window = t.Window * (s.mss + headers)
	default:
		// A number of segments is what terms beyond p0f's are mostly about.
		s.window = or(signature.Any, append(someWindows, s.mss*(1+random.IntN(65535/s.mss))))
	}
	return s
}

func (s *spec) has(q packet.Quirks) bool { return s.quirks&q != 0 }

// packet is the SYN from its IP header on.
func (s *spec) packet() []byte {
	be := binary.BigEndian
	tcp := make([]byte, 20, 64)
	tcp[13] = flagSYN
	be.PutUint16(tcp[14:], uint16(s.window))
	if !s.has(packet.QuirkSeqZero) {
		be.PutUint32(tcp[4:], 1)
	}
	if s.has(packet.QuirkAckNonZero) {
		be.PutUint32(tcp[8:], 1)
	}
	if s.has(packet.QuirkECN) {
		tcp[13] |= packet.FlagECE | packet.FlagCWR
	}
	if s.has(packet.QuirkPSH) {
		tcp[13] |= flagPSH
	}
	if s.has(packet.QuirkURG) {
		tcp[13] |= packet.FlagURG
	}
	if s.has(packet.QuirkUrgPtr) {
		be.PutUint16(tcp[18:], 1)
	}
	tcp = s.options(tcp)
	tcp[12] = byte(len(tcp)/4) << 4
	if s.payload {
		tcp = append(tcp, "hello"...)
	}
	if s.version == 4 {
		return append(s.ip4(len(tcp)), tcp...)
	}
	return append(s.ip6(len(tcp)), tcp...)
}

// options appends the TCP options. Those with no name are as short as can be.
func (s *spec) options(b []byte) []byte {
	be := binary.BigEndian
	scale := byte(s.scale)
	for _, option := range s.layout.Kinds[:s.layout.Len] {
		switch option {
		case packet.OptEOL:
			b = append(b, make([]byte, 1+int(s.layout.EOLPad))...)
			if s.has(packet.QuirkOptNonZero) && s.layout.EOLPad > 0 {
				b[len(b)-int(s.layout.EOLPad)] = 1
			}
		case packet.OptNOP:
			b = append(b, option)
		case packet.OptMSS:
			b = be.AppendUint16(append(b, option, 4), uint16(s.mss))
		case packet.OptWS:
			b = append(b, option, 3, scale)
		case packet.OptTS:
			var own, peer uint32
			if !s.has(packet.QuirkTS1Zero) {
				own = 1
			}
			if s.has(packet.QuirkTS2NonZero) {
				peer = 1
			}
			b = be.AppendUint32(be.AppendUint32(append(b, option, 10), own), peer)
		case packet.OptSACK:
			b = append(append(b, option, 10), make([]byte, 8)...)
		default:
			b = append(b, option, 2)
		}
	}
	for len(b)%4 != 0 {
		b = append(b, packet.OptNOP) // no signature's layout: the packet is not used
	}
	return b
}

func (s *spec) ip4(size int) []byte {
	h := make([]byte, 20+s.ipOptions, 128)
	h[0] = 0x40 | byte(len(h)/4)
	binary.BigEndian.PutUint16(h[2:], uint16(len(h)+size))
	df := s.has(packet.QuirkDF)
	if df {
		h[6] |= 0x40
	}
	if s.has(packet.QuirkMustBeZero) {
		h[6] |= 0x80
	}
	if s.has(packet.QuirkIDNonZero) || !df && !s.has(packet.QuirkIDZero) {
		h[5] = 1
	}
	h[8], h[9] = byte(s.ttl), 6
	return h
}

func (s *spec) ip6(size int) []byte {
	h := make([]byte, 40, 128)
	h[0] = 0x60
	if s.has(packet.QuirkFlow) {
		h[3] = 1
	}
	binary.BigEndian.PutUint16(h[4:], uint16(size))
	h[6], h[7] = 6, byte(s.ttl)
	return h
}
