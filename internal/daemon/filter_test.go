package daemon

import (
	"encoding/binary"
	"testing"

	"github.com/mxprint/mxprint/filter"
	"github.com/mxprint/mxprint/internal/config"
)

// frame is an Ethernet frame with a TCP header of these ports and flags, and data.
func frame(v6 bool, src, dst uint16, flags byte, data int) []byte {
	f := make([]byte, 14, 200)
	var ip []byte
	if v6 {
		binary.BigEndian.PutUint16(f[12:], 0x86dd)
		ip = make([]byte, 40)
		ip[0], ip[6] = 0x60, 6
		binary.BigEndian.PutUint16(ip[4:], uint16(20+data))
	} else {
		binary.BigEndian.PutUint16(f[12:], 0x0800)
		ip = make([]byte, 20)
		ip[0], ip[9] = 0x45, 6
		binary.BigEndian.PutUint16(ip[2:], uint16(40+data))
	}
	tcp := make([]byte, 20+data)
	binary.BigEndian.PutUint16(tcp, src)
	binary.BigEndian.PutUint16(tcp[2:], dst)
	tcp[12], tcp[13] = 0x50, flags
	return append(append(f, ip...), tcp...)
}

// TestDefaultFilter: it takes what verifies a connection and shows its end, of
// both directions and IP versions, and no data of the server.
func TestDefaultFilter(t *testing.T) {
	const fin, syn, rst, ack = 1, 2, 4, 16
	r := filter.Rule{Expr: config.Default().Sensor.Filter}
	raw, err := r.Kernel(1)
	if err != nil {
		t.Fatal(err)
	}
	p, err := filter.New(raw)
	if err != nil {
		t.Fatal(err)
	}
	for _, v6 := range []bool{false, true} {
		for _, port := range []uint16{25, 465, 587} {
			for _, tt := range []struct {
				name   string
				server bool // sends it
				flags  byte
				data   int
				want   bool
			}{
				{"SYN", false, syn, 0, true}, {"SYN+ACK", true, syn | ack, 0, true}, {"ACK", false, ack, 0, true},
				{"FIN", false, fin | ack, 0, true}, {"FIN of the server", true, fin | ack, 0, true},
				{"RST", false, rst, 0, true}, {"RST of the server", true, rst | ack, 0, true},
				{"data of the server", true, ack, 50, false}, {"ACK of the server", true, ack, 0, false},
			} {
				src, dst := uint16(40000), port
				if tt.server {
					src, dst = dst, src
				}
				f := frame(v6, src, dst, tt.flags, tt.data)
				if got := p.Match(f, len(f)); got != tt.want {
					t.Errorf("%s, port %d, IPv6 %v: taken %v, want %v", tt.name, port, v6, got, tt.want)
				}
			}
		}
		if f := frame(v6, 40000, 80, syn, 0); p.Match(f, len(f)) {
			t.Error("a SYN to port 80 is taken")
		}
	}
}
