package capture

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"testing"
)

// TestFanoutPacket: a packet that is not decoded goes where its ends go, in both
// directions, or is said to be none that shows it.
func TestFanoutPacket(t *testing.T) {
	const workers = 3
	f := NewFanout()
	var seen [workers]int
	for i := range 200 {
		four := [2]netip.AddrPort{netip.AddrPortFrom(netip.AddrFrom4([4]byte{203, 0, byte(i), 7}), uint16(2000+i)), netip.MustParseAddrPort("198.18.0.2:25")}
		a := netip.MustParseAddr("2001:db8::1").As16()
		a[i%16] ^= byte(i)
		six := [2]netip.AddrPort{netip.AddrPortFrom(netip.AddrFrom16(a), uint16(2000+i)), netip.MustParseAddrPort("[2001:db8::2]:25")}
		for _, ends := range [][2]netip.AddrPort{four, {four[1], four[0]}, six, {six[1], six[0]}} {
			ip := between(ends[0], ends[1])[14:]
			want := f.Worker(ends[0], ends[1], workers)
			if got, ok := f.Packet(ip, workers); got != want || !ok {
				t.Fatalf("%v: Packet = %d %t, Worker %d", ends, got, ok, want)
			}
			seen[want]++
		}
	}
	if min(seen[0], seen[1], seen[2]) == 0 {
		t.Errorf("workers got %v packets", seen)
	}
	ends := netip.MustParseAddrPort("192.0.2.1:2000")
	options := between(ends, netip.MustParseAddrPort("198.18.0.2:25"))[14:]
	options = append(append(options[:20:20], make([]byte, 40)...), options[20:]...)
	options[0] = 0x4f
	if got, ok := f.Packet(options, workers); !ok || got != f.Worker(ends, netip.MustParseAddrPort("198.18.0.2:25"), workers) {
		t.Errorf("behind IP options: Packet = %d %t", got, ok)
	}
	extended := between(netip.MustParseAddrPort("[2001:db8::1]:1"), netip.MustParseAddrPort("[2001:db8::2]:2"))[14:]
	extended[6] = 0
	arp := make([]byte, 28)
	binary.BigEndian.PutUint16(arp, 1)
	for name, ip := range map[string][]byte{
		"nothing": nil, "another version": arp, "IPv6 with another header": extended,
		"IPv4 without ports": options[:60+3], "IPv4, cut": options[:19], "IPv6, cut": extended[:40],
	} {
		if w, ok := f.Packet(ip, workers); ok {
			t.Errorf("%s: Packet = %d, want none", name, w)
		}
	}
}

// TestFanoutSpreads: whatever the factor, the addresses of a network go to all
// workers, to each at most twice its share, and to none less than a third of
// it.
func TestFanoutSpreads(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for i := range uint32(20_000) {
		f := Fanout{2*i + 1} // small ones, and any
		if i%2 == 0 {
			f.factor = rnd.Uint32() | 1
		}
		for n := 2; n <= 4; n++ {
			var got [4]int
			for host := range uint32(256) {
				got[f.of(198<<24|18<<16|host, n)]++
			}
			for w, count := range got[:n] {
				if share := 256 / n; count < share/3 || count > 2*share {
					t.Fatalf("factor %#x: %v of 256 addresses go to %d workers, worker %d", f.factor, got[:n], n, w)
				}
			}
		}
	}
}
