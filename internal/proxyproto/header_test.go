package proxyproto

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
)

// v2 is a header of version 2 by hand (PROXY protocol §2.2).
func v2(command, family byte, block ...byte) string {
	b := []byte("\r\n\r\n\x00\r\nQUIT\n")
	b = append(b, command, family)
	b = binary.BigEndian.AppendUint16(b, uint16(len(block)))
	return string(append(b, block...))
}

var (
	ends4 = []byte{198, 18, 0, 7, 198, 18, 0, 2, 0xa2, 0xd8, 0, 25}
	ends6 = slices.Concat(
		netip.MustParseAddr("2001:db8::7").AsSlice(), netip.MustParseAddr("2001:db8::2").AsSlice(), []byte{0xa2, 0xd8, 0, 25})
	mapped = slices.Concat(
		netip.MustParseAddr("::ffff:198.18.0.7").AsSlice(), netip.MustParseAddr("::ffff:198.18.0.2").AsSlice(), []byte{0xa2, 0xd8, 0, 25})
	client4, server4 = netip.MustParseAddrPort("198.18.0.7:41688"), netip.MustParseAddrPort("198.18.0.2:25")
	client6, server6 = netip.MustParseAddrPort("[2001:db8::7]:41688"), netip.MustParseAddrPort("[2001:db8::2]:25")
)

func TestRead(t *testing.T) {
	const follows = "EHLO client\r\n"
	for _, tt := range []struct {
		name, in string
		want     Header
	}{
		{"v1 IPv4", "PROXY TCP4 198.18.0.7 198.18.0.2 41688 25\r\n", Header{Client: client4, Server: server4}},
		{"v1 IPv6", "PROXY TCP6 2001:db8::7 2001:db8::2 41688 25\r\n", Header{Client: client6, Server: server6}},
		{"v1 mapped", "PROXY TCP6 ::ffff:198.18.0.7 ::ffff:198.18.0.2 41688 25\r\n", Header{Client: client4, Server: server4}},
		{"v1 unknown", "PROXY UNKNOWN\r\n", Header{}},
		{"v1 unknown with the rest", "PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n", Header{}},
		{"v2 IPv4", v2(0x21, 0x11, ends4...), Header{Client: client4, Server: server4}},
		{"v2 IPv6", v2(0x21, 0x21, ends6...), Header{Client: client6, Server: server6}},
		{"v2 mapped", v2(0x21, 0x21, mapped...), Header{Client: client4, Server: server4}},
		{"v2 local", v2(0x20, 0), Header{}},
		{"v2 local with addresses", v2(0x20, 0x11, ends4...), Header{}},
		// A receiver falls back to UNSPEC, the real ends (PROXY protocol §2.2).
		{"v2 LOCAL with bytes", v2(0x20, 0x21, 0xff, 0xff, 0xff), Header{}},
		{"v2 UNSPEC", v2(0x21, 0x00), Header{}},
		{"v2 UNSPEC with bytes", v2(0x21, 0x00, slices.Concat(ends4, []byte{TypeNote, 0, 2, '{', '}'})...), Header{}},
		{"v2 UDP", v2(0x21, 0x12, ends4...), Header{}},
		{"v2 UDP, IPv6", v2(0x21, 0x22, ends6...), Header{}},
		{"v2 unix", v2(0x21, 0x31, make([]byte, 216)...), Header{}},
		{"v2 unix datagrams", v2(0x21, 0x32, make([]byte, 216)...), Header{}},
		{"v2 with a note", v2(0x21, 0x11, slices.Concat(ends4, []byte{4, 0, 2, 0, 0, TypeNote, 0, 2, '{', '}'})...),
			Header{Client: client4, Server: server4, Note: []byte("{}")}},
		{"v2 as long as can be", v2(0x21, 0x11, slices.Concat(ends4, []byte{4, 15, 0xe1}, make([]byte, maxV2-prefixV2-15))...),
			Header{Client: client4, Server: server4}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, r := range []io.Reader{strings.NewReader(tt.in + follows), iotest.OneByteReader(strings.NewReader(tt.in + follows))} {
				got, err := Read(r)
				if err != nil || got.Client != tt.want.Client || got.Server != tt.want.Server || !bytes.Equal(got.Note, tt.want.Note) {
					t.Fatalf("Read = %+v, %v, want %+v", got, err, tt.want)
				}
				if rest, _ := io.ReadAll(r); string(rest) != follows {
					t.Fatalf("%q is left, want %q", rest, follows)
				}
			}
		})
	}
}

func TestReadRefuses(t *testing.T) {
	for _, tt := range []struct{ name, in, want string }{
		{"nothing", "", "closed without a byte"},
		{"SMTP", "EHLO x\r\n", `it begins with "EHLO x\r\n"`},
		{"TLS", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "it begins with"},
		{"begin of v1", "PROX", "it ends too soon"},
		{"begin of v2", "\r\n\r\n\x00\r\nQ", "it ends too soon"},
		{"v1 without an end", "PROXY TCP4 198.18.0.7 198.18.0.2 41688 25", "it ends too soon"},
		{"v1 too long", "PROXY UNKNOWN " + strings.Repeat("x", 200) + "\r\n", "a line of more than 107 bytes"},
		{"v1 without CR", "PROXY TCP4 198.18.0.7 198.18.0.2 41688 25\n", "must end with"},
		{"v1 port", "PROXY TCP4 198.18.0.7 198.18.0.2 65536 25\r\n", "invalid port number"},
		{"v1 name", "PROXY TCP4 client.example 198.18.0.2 41688 25\r\n", "invalid address"},
		{"v1 family", "PROXY TCP4 2001:db8::7 2001:db8::2 41688 25\r\n", "invalid address"},
		{"v1 UDP", "PROXY UDP4 198.18.0.7 198.18.0.2 41688 25\r\n", "address family"},
		{"v1 zone", "PROXY TCP6 fe80::1%eth0 2001:db8::2 41688 25\r\n", "invalid address"},
		{"v1 without a client", "PROXY TCP4 0.0.0.0 198.18.0.2 41688 25\r\n", "no client connects from 0.0.0.0:41688"},
		{"v1 everybody", "PROXY TCP4 224.0.0.1 198.18.0.2 41688 25\r\n", "no client connects from 224.0.0.1:41688"},
		{"v2 cut", v2(0x21, 0x11, ends4...)[:20], "it ends too soon"},
		{"v2 too long", v2(0x21, 0x11, make([]byte, 4081)...), "4097 bytes are more than the 4096"},
		{"v2 too short", v2(0x21, 0x11, ends4[:11]...), "invalid length"},
		{"v2 version 3", v2(0x31, 0x11, ends4...), "version and command"},
		{"v2 unix too short", v2(0x21, 0x31, make([]byte, 215)...), "invalid length"},
		{"v2 undefined family", v2(0x21, 0x41, ends4...), "address family"},
		{"v2 undefined transport", v2(0x21, 0x13, ends4...), "address family"},
		{"v2 broken TLV", v2(0x21, 0x11, slices.Concat(ends4, []byte{4, 0, 9, 0})...), "truncated TLV"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h, err := Read(strings.NewReader(tt.in))
			if !errors.Is(err, ErrHeader) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Read = %v, want %q", err, tt.want)
			}
			if h.Client.IsValid() || h.Note != nil {
				t.Errorf("Read learns %+v", h)
			}
		})
	}
}

func TestAppend(t *testing.T) {
	for _, tt := range []struct {
		name    string
		version int
		h       Header
		want    string
	}{
		{"v1 IPv4", 1, Header{Client: client4, Server: server4}, "PROXY TCP4 198.18.0.7 198.18.0.2 41688 25\r\n"},
		{"v1 IPv6", 1, Header{Client: client6, Server: server6}, "PROXY TCP6 2001:db8::7 2001:db8::2 41688 25\r\n"},
		{"v1 without the note", 1, Header{Client: client4, Server: server4, Note: []byte("{}")}, "PROXY TCP4 198.18.0.7 198.18.0.2 41688 25\r\n"},
		{"v1 local", 1, Header{}, "PROXY UNKNOWN\r\n"},
		{"v2 IPv4", 2, Header{Client: client4, Server: server4}, v2(0x21, 0x11, ends4...)},
		{"v2 IPv6", 2, Header{Client: client6, Server: server6}, v2(0x21, 0x21, ends6...)},
		{"v2 note", 2, Header{Client: client4, Server: server4, Note: []byte("{}")},
			v2(0x21, 0x11, slices.Concat(ends4, []byte{TypeNote, 0, 2, '{', '}'})...)},
		{"v2 local", 2, Header{}, v2(0x20, 0)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := tt.h.Append(nil, tt.version)
			if err != nil || string(got) != tt.want {
				t.Errorf("Append = %q, %v, want %q", got, err, tt.want)
			}
		})
	}
	if _, err := (&Header{Client: client4, Server: server4}).Append(nil, 3); err == nil {
		t.Error("a header of version 3 was made")
	}
	if _, err := (&Header{Client: client4, Server: server4, Note: make([]byte, 1<<16)}).Append(nil, 2); err == nil {
		t.Error("a header with a note of 64 KiB was made")
	}
}

// FuzzRead wants that no input is read beyond its header, that a refusal says
// nothing of a client, and that what is read can be written and read again.
func FuzzRead(f *testing.F) {
	for _, in := range []string{
		"PROXY TCP4 198.18.0.7 198.18.0.2 41688 25\r\nEHLO", "PROXY UNKNOWN\r\n", "EHLO x\r\n",
		v2(0x21, 0x11, ends4...), v2(0x21, 0x21, ends6...), v2(0x20, 0), v2(0x21, 0x11, slices.Concat(ends4, []byte{TypeNote, 0, 2, '{', '}'})...),
	} {
		f.Add([]byte(in))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		r := bytes.NewReader(in)
		h, err := Read(r)
		if read := len(in) - r.Len(); read > maxV2 {
			t.Fatalf("%d bytes read", read)
		}
		if err != nil {
			if h.Client.IsValid() || h.Note != nil {
				t.Fatalf("%+v with error %v", h, err)
			}
			return
		}
		out, err := h.Append(nil, 2)
		if err != nil {
			t.Fatalf("%+v cannot be written: %v", h, err)
		}
		again, err := Read(bytes.NewReader(out))
		if err != nil || again.Client != h.Client || again.Server != h.Server || !bytes.Equal(again.Note, h.Note) {
			t.Fatalf("%+v is read again as %+v, %v", h, again, err)
		}
	})
}
