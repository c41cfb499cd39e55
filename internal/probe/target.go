package probe

import (
	"fmt"
	"net/netip"
	"strconv"
)

// ParseTarget reads where the probes go: one host, and beyond loopback and
// private addresses only with force.
func ParseTarget(address, port string, force bool) (netip.AddrPort, error) {
	addr, err := netip.ParseAddr(address)
	if err != nil || addr.Zone() != "" {
		return netip.AddrPort{}, fmt.Errorf("%q is not an IP address", address)
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || n == 0 {
		return netip.AddrPort{}, fmt.Errorf("%q is not a port", port)
	}
	addr = addr.Unmap()
	switch near := addr.IsLoopback() || addr.IsPrivate() || addr.IsLinkLocalUnicast(); {
	case addr.IsMulticast() || addr.IsUnspecified() || addr == netip.AddrFrom4([4]byte{255, 255, 255, 255}):
		return netip.AddrPort{}, fmt.Errorf("%s is not the address of one host", addr)
	case !near && !force:
		return netip.AddrPort{}, fmt.Errorf("%s is neither a loopback nor a private address; with -force the probes go there, too", addr)
	}
	return netip.AddrPortFrom(addr, uint16(n)), nil
}
