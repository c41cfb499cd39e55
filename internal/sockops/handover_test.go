package sockops

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"slices"
	"testing"

	"github.com/mxprint/mxprint/packet"
)

// record is what program.c writes.
func record(client, server netip.AddrPort, length int32, syn []byte) []byte {
	c, s := client.Addr().As16(), server.Addr().As16()
	b := append(c[:], s[:]...)
	b = binary.NativeEndian.AppendUint16(b, client.Port())
	b = binary.NativeEndian.AppendUint16(b, server.Port())
	b = binary.NativeEndian.AppendUint32(b, uint32(length))
	b = append(b, syn...)
	return append(b, make([]byte, synMax-len(syn))...)
}

func TestDecodeHandover(t *testing.T) {
	client4, server4 := netip.MustParseAddrPort("198.18.0.1:40000"), netip.MustParseAddrPort("198.18.0.2:25")
	client6, server6 := netip.MustParseAddrPort("[2001:db8::1]:40000"), netip.MustParseAddrPort("[2001:db8::2]:25")
	tcp := []byte{0x9c, 0x40, 0, 25, 12: 0xa0, 13: packet.FlagSYN, 39: 0}
	syn4 := slices.Concat([]byte{0x45, 0, 0, 60, 8: 64, 9: 6, 19: 0}, tcp)
	syn6 := slices.Concat([]byte{0x60, 0, 0, 0, 0, 40, 6, 39: 0}, tcp)
	options := slices.Concat([]byte{0x60, 0, 0, 0, 0, 48, 60, 39: 0}, []byte{6, 0, 1, 4, 0, 0, 0, 0}, tcp)
	tooMany := slices.Concat([]byte{0x60, 0, 0, 0, 0, 128, 60, 39: 0}, []byte{6, 10, 1, 84, 87: 0})
	for _, tt := range []struct {
		name           string
		client, server netip.AddrPort
		length         int32
		syn            []byte
		want           []byte
	}{
		{"IPv4", client4, server4, 60, syn4, syn4},
		{"IPv6", client6, server6, 80, syn6, syn6},
		{"not kept", client4, server4, -2, nil, nil},
		{"none", client4, server4, 0, nil, nil},
		{"longer than the place", client6, server6, 129, syn6, nil},
		{"too short", client4, server4, 39, syn4, nil},
		{"IPv6 with extension headers", client6, server6, 88, options, options},
		{"IPv6 with too many", client6, server6, 128, tooMany, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h, ok := decodeHandover(record(tt.client, tt.server, tt.length, tt.syn))
			if !ok || h.client != tt.client || h.server != tt.server || !bytes.Equal(h.syn, tt.want) {
				t.Errorf("decodeHandover = %v to %v with %x, %v; want %v to %v with %x", h.client, h.server, h.syn, ok, tt.client, tt.server, tt.want)
			}
		})
	}
	if _, ok := decodeHandover(make([]byte, handoverSize-1)); ok {
		t.Error("a short record is decoded")
	}
}

func FuzzDecodeHandover(f *testing.F) {
	f.Add(record(netip.MustParseAddrPort("198.18.0.1:40000"), netip.MustParseAddrPort("198.18.0.2:25"), 60, []byte{0x45, 0, 0, 60, 9: 6, 32: 0xa0, 33: 2, 59: 0}))
	f.Fuzz(func(t *testing.T, b []byte) {
		h, ok := decodeHandover(b)
		if ok != (len(b) >= handoverSize) {
			t.Errorf("%d bytes: %v", len(b), ok)
		}
		if h.client.Addr().Is4In6() || h.server.Addr().Is4In6() {
			t.Errorf("mapped addresses: %v, %v", h.client, h.server)
		}
		if n := len(h.syn); n != 0 && (n < 40 || n > synMax || wireLen(h.syn) == 0) {
			t.Errorf("a SYN of %d bytes: %x", n, h.syn)
		}
	})
}
