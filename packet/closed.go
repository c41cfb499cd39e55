package packet

import (
	"encoding/binary"
	"errors"
)

// closed is the name of an encapsulation that Inner recognizes and does not open:
// what is inside is encrypted, or has no use on the way to a mail server. As an
// error it says so, for a SYN in it must not be lost without a word.
type closed string

func (c closed) Error() string {
	return "packet: " + string(c) + ": an encapsulation that cannot be opened"
}

// Is makes it one of what is not supported.
func (c closed) Is(err error) bool { return err == errors.ErrUnsupported }

// closedEther are the encapsulations with an EtherType, by IEEE's registry.
var closedEther = map[uint16]error{
	0x22f3: closed("TRILL"),
	0x4305: closed("B.A.T.M.A.N."),
	0x8870: closed("jumbo LLC"),
	0x88e5: closed("MACsec"),
	0x88e7: closed("802.1ah"),
	0x8903: closed("FabricPath"),
	0x8909: closed("Cisco MetaData"),
	0x8926: closed("VN-Tag"),
	0x892f: closed("HSR"),
	0x893f: closed("802.1BR"),
	0x894f: closed("NSH"),
	0x9200: closed("tag 0x9200"),
	0x9300: closed("tag 0x9300"),
}

// closedPPP are those of PPP, by IANA's registry.
var closedPPP = map[uint16]error{
	0x3d: closed("multilink PPP"),
	0xfd: closed("compressed PPP"),
}

// closedIP are those with a protocol number, by IANA's registry.
var closedIP = map[byte]error{
	50:  closed("ESP"),
	51:  closed("AH"),
	55:  closed("minimal IP encapsulation"),
	97:  closed("EtherIP"),
	108: closed("IPComp"),
	115: closed("L2TP"),
	137: closed("MPLS in IP"),
	143: closed("Ethernet in IP"),
}

// closedUDP are those in UDP, by their port and a test of the first eight bytes
// behind the header, so that other packets to that port are not taken for them.
var closedUDP = map[uint16]struct {
	err error
	is  func(b []byte) bool
}{
	1701:  {closed("L2TP"), isL2TP},                                                                 // RFC 2661, RFC 3931
	2152:  {closed("GTP-U"), func(b []byte) bool { return b[0]>>5 == 1 && b[1] == 0xff }},           // 3GPP TS 29.281
	3544:  {closed("Teredo"), func(b []byte) bool { return b[0]>>4 == 6 || b[0] == 0 && b[1] < 2 }}, // RFC 4380
	4341:  {closed("LISP"), func([]byte) bool { return true }},                                      // RFC 9300
	4500:  {closed("ESP in UDP"), func(b []byte) bool { return binary.BigEndian.Uint32(b) != 0 }},   // RFC 3948
	4754:  {closed("GRE in UDP"), func(b []byte) bool { return b[0]&0x4f == 0 && b[1] == 0 }},       // RFC 8086
	5247:  {closed("CAPWAP"), func(b []byte) bool { return b[0] < 2 }},                              // RFC 5415
	6080:  {closed("GUE"), func(b []byte) bool { return b[0]>>5 <= 2 }},                             // Linux
	6635:  {closed("MPLS in UDP"), func([]byte) bool { return true }},                               // RFC 7510
	37008: {closed("TZSP"), func(b []byte) bool { return b[0] == 1 }},
	51820: {closed("WireGuard"), func(b []byte) bool { return b[0] > 0 && b[0] < 5 && b[1]|b[2]|b[3] == 0 }},
}

// isL2TP reports whether b begins as a message with data.
func isL2TP(b []byte) bool {
	const control = 0x80
	version := b[1] & 0xf
	return b[0]&control == 0 && (version == 2 || version == 3)
}

func isClosed(err error) bool {
	_, is := err.(closed)
	return is
}

// unopened returns the error for what an IP packet, or a part of one, holds if it
// is an encapsulation that is not opened. Answers come from the port that questions
// go to. DNS and others ask from any port, which says nothing then.
func unopened(proto byte, part bool, b []byte) error {
	if proto != protoUDP {
		return closedIP[proto]
	}
	if part || len(b) < headerUDP+8 {
		return nil
	}
	const reserved = 1024 // ports below are of services, none of which is in closedUDP
	from, to := binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:])
	if from < reserved || to < reserved {
		return nil
	}
	for _, port := range [...]uint16{to, from} {
		if c, known := closedUDP[port]; known && c.is(b[headerUDP:]) {
			return c.err
		}
	}
	return nil
}
