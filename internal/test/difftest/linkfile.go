package difftest

import (
	"encoding/binary"
	"net/netip"
)

// LinkFile is a small fixed capture in one of the forms of p0f-v3.md §12.2 class
// 13, with what p0f 3.09b says to it.
type LinkFile struct {
	Name    string
	Data    []byte
	Packets int  // "Processed N packets"
	Lines   int  // of the log
	Strange bool // warns of an unknown packet type, or that there is no IP header
	Refused bool // p0f exits with status 1 at once
}

// LinkFiles returns the captures of every link type and file form that p0f's
// decoder knows apart, the forms on which it goes wrong included (p0f-v3.md §1.3).
func LinkFiles() []LinkFile {
	be := binary.BigEndian
	all := linkSession()
	var v4, v6 []record
	for _, rec := range all {
		if rec.data[0]>>4 == 4 {
			v4 = append(v4, rec)
		} else {
			v6 = append(v6, rec)
		}
	}
	classic := func(link uint32, header func(v6 bool) []byte, l []record) []byte {
		return encodePcap(pcapFormat{link: link}, wrap(header, l))
	}
	ether := func(v6 bool) []byte {
		return append([]byte{2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1}, ethertype(v6)...)
	}
	ng := encodePcapng(wrap(ether, all))
	good := encodePcap(pcapFormat{link: linkEthernet}, wrap(ether, all))
	sll2Odd := sll2With(0x81, 0, 16, 17) // the source address ends in 81:00
	fragment := all[len(all)-1]
	fragment.data = append([]byte(nil), fragment.data...)
	fragment.data[6], fragment.data[40] = 44, 6
	late := append([]record{{micros: all[0].micros, data: fragment.data, wire: len(fragment.data)}}, all...)
	return []LinkFile{
		{"ethernet", good, 10, 20, false, false},
		{"ethernet-big-endian", encodePcap(pcapFormat{order: be, link: linkEthernet}, wrap(ether, all)), 10, 20, false, false},
		{"ethernet-nanoseconds", encodePcap(pcapFormat{nanos: true, link: linkEthernet}, wrap(ether, all)), 10, 20, false, false},
		{"ethernet-big-endian-nanoseconds", encodePcap(pcapFormat{order: be, nanos: true, link: linkEthernet}, wrap(ether, all)), 10, 20, false, false},
		{"pcapng", ng, 10, 20, false, false},
		{"pcapng-cut", ng[:len(ng)-70], 9, 17, false, false},
		{"ethernet-cut", good[:len(good)-10], 9, 17, false, false},
		{"ethernet-empty", good[:24], 0, 0, false, false},
		{"raw", classic(linkRaw, nothing, all), 10, 20, false, false},
		{"raw-12", classic(12, nothing, all), 10, 20, false, false},
		// libpcap knows three numbers of IPv6, those of the BSDs and macOS.
		{"null", classic(linkNull, null(binary.LittleEndian, 30), all), 10, 20, false, false},
		{"null-24", classic(linkNull, null(binary.LittleEndian, 24), all), 10, 20, false, false},
		{"null-28", classic(linkNull, null(binary.LittleEndian, 28), all), 10, 20, false, false},
		{"null-linux", classic(linkNull, null(binary.LittleEndian, 10), all), 6, 10, false, false},
		{"null-big-endian", encodePcap(pcapFormat{order: be, link: linkNull}, wrap(null(be, 30), all)), 10, 20, false, false},
		{"loop", classic(linkLoop, null(be, 24), all), 10, 0, true, false},
		{"ppp", classic(linkPPP, func(v6 bool) []byte { return append([]byte{0xff, 3}, pppType(v6)...) }, all), 10, 20, false, false},
		{"ppp-serial", classic(linkPPPSerial, func(v6 bool) []byte { return append([]byte{0xff, 3}, pppType(v6)...) }, all), 10, 0, true, false},
		{"pppoe", classic(linkPPPoE, func(v6 bool) []byte { return append([]byte{0x11, 0, 0, 9, 0, 62}, pppType(v6)...) }, all), 10, 20, false, false},
		{"sll", classic(linkSLL, sll, all), 10, 20, false, false},
		{"sll2", classic(linkSLL2, sll2, all), 10, 20, false, false},
		{"sll2-odd-address", classic(linkSLL2, sll2Odd, all), 10, 0, true, false},
		{"sll2-late-detection", classic(linkSLL2, sll2, late), 11, 20, true, false},
		{"sll2-almost-odd-address", classic(linkSLL2, sll2With(0x81, 1, 16, 17), all), 10, 20, false, false},
		{"sll2-looks-like-ipv6", classic(linkSLL2, sll2With(0x60, 6, 12, 18), all), 10, 0, false, false},
		{"sll2-looks-like-ipv4", classic(linkSLL2, sll2With(0x45, 6, 10, 19), all), 10, 0, false, false},
		{"sll2-looks-like-neither", classic(linkSLL2, sll2With(0x50, 6, 12, 18), all), 10, 20, false, false},
		{"sll2-short-first", classic(linkSLL2, sll2, append(bare(false), all...)), 11, 21, false, false},
		{"sll2-short-first-ipv6", classic(linkSLL2, sll2, append(bare(true), all...)), 11, 21, false, false},
		{"sll2-too-short-for-ipv6", classic(linkSLL2, sll2With(0x60, 6, 12, 18), append(bare(false), all...)), 11, 21, false, false},
		{"ipv4", classic(linkIPv4, nothing, v4), 6, 10, false, false},
		{"ipv6", classic(linkIPv6, nothing, v6), 4, 10, false, false},
		{"802.11", classic(link80211, func(v6 bool) []byte { return wifi(v6, 0x08, 24) }, all), 10, 20, false, false},
		{"802.11-qos", classic(link80211, func(v6 bool) []byte { return wifi(v6, 0x88, 26) }, all), 10, 0, true, false},
		{"pflog", classic(linkPFLog, pflog, all), 6, 0, true, false},
		{"user0", classic(147, nothing, all), -1, 0, false, true},
		{"not-a-capture", []byte("this is no capture, whatever its name says"), -1, 0, false, true},
		{"nothing", nil, -1, 0, false, true},
	}
}

// linkSession is the traffic in every LinkFile: for IPv4 and IPv6 a handshake, a
// second SYN one second later, and for IPv4 an ACK with and without data. The
// records hold IP packets.
func linkSession() []record {
	order := binary.BigEndian
	options := func(tick uint32) []byte {
		b := []byte{optMSS, 4, 5, 0xb4, optSOK, 2, optTS, 10}
		b = append(order.AppendUint32(b, tick), 0, 0, 0, 0)
		return append(b, optNOP, optWS, 3, 7)
	}
	var out []record
	at := uint64(1_700_000_000_000_000)
	for _, a := range [][2]string{{"198.18.0.1", "198.18.0.2"}, {"2001:db8::1", "2001:db8::2"}} {
		cli, srv := netip.MustParseAddr(a[0]), netip.MustParseAddr(a[1])
		c, d, s := netip.AddrPortFrom(cli, 40000), netip.AddrPortFrom(cli, 40001), netip.AddrPortFrom(srv, 25)
		l := []segment{
			{src: c, dst: s, ttl: 63, df: true, id: 7, seq: 1000, flags: flagSYN, win: 29200, opts: options(5_000_000)},
			{src: s, dst: c, ttl: 64, df: true, seq: 9000, ack: 1001, flags: flagSYN | flagACK, win: 28960, opts: options(70_000)},
			{src: d, dst: s, ttl: 63, df: true, id: 8, seq: 2000, flags: flagSYN, win: 29200, opts: options(5_001_000)},
		}
		if cli.Is4() {
			l = append(l,
				segment{src: c, dst: s, ttl: 63, df: true, id: 9, seq: 1001, ack: 9001, flags: flagACK, win: 229},
				segment{src: s, dst: c, ttl: 64, df: true, id: 9, seq: 9001, ack: 1001, flags: flagACK | flagPSH, win: 227,
					payload: []byte("220 mx.example.net ESMTP\r\n")})
		}
		l = append(l, segment{src: s, dst: d, ttl: 64, df: true, seq: 8000, ack: 2001, flags: flagSYN | flagACK, win: 28960, opts: options(71_000)})
		for i, seg := range l {
			b := seg.ip()
			when := at + uint64(i)*500
			if i >= 2 {
				when += 1_000_000
			}
			out = append(out, record{micros: when, data: b, wire: len(b)})
		}
		at += 5_000_000
	}
	return out
}

// wrap puts a link header before every packet.
func wrap(header func(v6 bool) []byte, packets []record) []record {
	out := make([]record, len(packets))
	for i, p := range packets {
		b := append(header(p.data[0]>>4 == 6), p.data...)
		out[i] = record{micros: p.micros, data: b, wire: len(b)}
	}
	return out
}

func nothing(bool) []byte { return nil }

func ethertype(v6 bool) []byte {
	if v6 {
		return []byte{0x86, 0xdd}
	}
	return []byte{0x08, 0x00}
}

func pppType(v6 bool) []byte {
	if v6 {
		return []byte{0x00, 0x57}
	}
	return []byte{0x00, 0x21}
}

// null returns the header of NULL and LOOP: the address family, IPv6 numbered
// as wanted.
func null(order binary.AppendByteOrder, inet6 uint32) func(bool) []byte {
	return func(v6 bool) []byte {
		if v6 {
			return order.AppendUint32(nil, inet6)
		}
		return order.AppendUint32(nil, 2)
	}
}

func sll(v6 bool) []byte {
	h := []byte{0, 0, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0}
	return append(h, ethertype(v6)...)
}

func sll2(v6 bool) []byte {
	h := append(ethertype(v6), 0, 0, 0, 0, 0, 2, 0, 1, 0, 6)
	return append(h, 2, 0, 0, 0, 0, 1, 0, 0)
}

// sll2With is a SLL2 header with two bytes changed: a at i and b at j.
func sll2With(a, b byte, i, j int) func(bool) []byte {
	return func(v6 bool) []byte {
		h := sll2(v6)
		h[i], h[j] = a, b
		return h
	}
}

// bare is a SYN without options, the shortest packet that p0f takes.
func bare(v6 bool) []record {
	seg := segment{src: netip.MustParseAddrPort("198.18.0.9:1"), dst: netip.MustParseAddrPort("198.18.0.2:25"), ttl: 60, seq: 5, flags: flagSYN, win: 512}
	if v6 {
		seg.src, seg.dst = netip.MustParseAddrPort("[2001:db8::9]:1"), netip.MustParseAddrPort("[2001:db8::2]:25")
	}
	b := seg.ip()
	return []record{{micros: 1_699_999_999_000_000, data: b, wire: len(b)}}
}

// wifi is a data frame (frame control given) with a LLC/SNAP header.
func wifi(v6 bool, control byte, size int) []byte {
	h := make([]byte, size)
	h[0] = control
	copy(h[4:], []byte{2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 3})
	h = append(h, 0xaa, 0xaa, 3, 0, 0, 0)
	return append(h, ethertype(v6)...)
}

// pflog is the header of today's OpenBSD: 61 bytes said, 64 used.
func pflog(v6 bool) []byte {
	h := make([]byte, 64)
	h[0], h[1] = 61, 2
	if v6 {
		h[1] = 24
	}
	copy(h[4:], "em0")
	return h
}
