//go:build linux

package lab

import "net/netip"

// Addrs are the addresses of a namespace by its side, 1 or 2, as NewPair gives
// them.
func Addrs(side int) (v4, v6 netip.Addr) {
	return netip.AddrFrom4([4]byte{198, 18, 0, byte(side)}),
		netip.AddrFrom16([16]byte{0: 0x20, 1: 0x01, 2: 0x0d, 3: 0xb8, 15: byte(side)})
}
