package capture

import (
	"encoding/binary"
	"net/netip"
)

// synFrame is an Ethernet frame with a TCP SYN of 60 bytes from 198.18.0.1,
// port and sequence number as given. It is for a machine that does not exist,
// so that no stack answers.
func synFrame(port uint16, seq uint32) []byte {
	f := make([]byte, 14+60)
	copy(f, []byte{2, 0, 0, 0, 0, 9, 2, 0, 0, 0, 0, 8, 8, 0})
	copy(f[14:], []byte{0x45, 0, 0, 60, 0, 1, 0x40, 0, 64, 6, 0, 0, 198, 18, 0, 1, 198, 18, 0, 2})
	tcp := f[34:]
	binary.BigEndian.PutUint16(tcp, 40000)
	binary.BigEndian.PutUint16(tcp[2:], port)
	binary.BigEndian.PutUint32(tcp[4:], seq)
	tcp[12], tcp[13] = 10<<4, 2
	binary.BigEndian.PutUint16(tcp[14:], 64240)
	copy(tcp[20:], []byte{2, 4, 5, 180, 4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0, 1, 3, 3, 7})
	return f
}

// between is a TCP segment from one end to another.
func between(src, dst netip.AddrPort) []byte {
	f := synFrame(25, 1)
	if src.Addr().Is6() {
		ip := make([]byte, 40, 40+len(f)-34)
		ip[0], ip[5], ip[6], ip[7] = 0x60, 40, 6, 64
		copy(ip[8:], src.Addr().AsSlice())
		copy(ip[24:], dst.Addr().AsSlice())
		f = append(append(f[:12:12], 0x86, 0xdd), append(ip, f[34:]...)...)
	} else {
		copy(f[26:], src.Addr().AsSlice())
		copy(f[30:], dst.Addr().AsSlice())
	}
	tcp := f[len(f)-40:]
	binary.BigEndian.PutUint16(tcp, src.Port())
	binary.BigEndian.PutUint16(tcp[2:], dst.Port())
	return f
}
