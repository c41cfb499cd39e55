package filter

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/mxprint/mxprint/internal/test/lab"
)

// TestKernelVLAN compares programs for a packet socket, where the kernel took
// a tag out of the frame or not, with those libpcap makes for the loopback
// device.
func TestKernelVLAN(t *testing.T) {
	lab.NeedRoot(t)
	texts := []string{
		"vlan and host 1.2.3.4 or vlan 5 and udp", "vlan and not vlan", "ip and vlan or tcp", "vlan and icmp6[icmp6type] = 128",
		"tcp or vlan 5 and tcp[13] = 2", "vlan 5 or not vlan and tcp", "vlan and tcp[(tcp[12]&0xf0)>>2] > 127",
	}
	for _, e := range expressions {
		if strings.Contains(e.text, "vlan") || strings.HasPrefix(e.text, "tcp") && !e.part {
			texts = append(texts, e.text)
		}
	}
	f := frames{rand.New(rand.NewPCG(2, 0)), []uint32{inet6()}}
	accepted := 0
	for _, text := range texts {
		args := []string{"-i", "lo", "--", text}
		if text == "ip or vlan and ip" {
			// The optimizer moves the test for a tag the kernel took out
			// behind the change of offsets that this test is to prevent.
			args = slices.Insert(args, 0, "-O")
		}
		theirs, fault := tcpdump(t, args...)
		ours, err := Compile(text, Config{Link: 1, KernelVLAN: true})
		if err != nil || fault != "" {
			t.Errorf("Compile(%q) = %v, of libpcap %q", text, err, fault)
			continue
		}
		for range count() {
			frame, wire := f.next(1)
			tci := int32(-1)
			if f.IntN(2) == 0 {
				tci = int32(f.tci())
			}
			got := ours.run(frame, uint32(wire), noted{tci: tci}) != 0
			want := theirs != nil && theirs.run(frame, uint32(wire), noted{tci: tci}) != 0
			if got != want {
				t.Errorf("%q: run(%x of %d bytes, tag %d) = %v, want %v as of libpcap", text, frame, wire, tci, got, want)
				break
			}
			if got {
				accepted++
			}
		}
	}
	if accepted < 1000 {
		t.Errorf("only %d frames were accepted", accepted)
	}
}

// TestUserSpaceVLAN shows that a program for a packet socket can be run over
// frames with their tags in place.
func TestUserSpaceVLAN(t *testing.T) {
	f := frames{rand.New(rand.NewPCG(3, 0)), []uint32{inet6()}}
	for _, text := range []string{"vlan", "vlan 5 and tcp port 25", "tcp or (vlan and tcp)", "vlan and vlan 6", "not vlan"} {
		socket, err := Compile(text, Config{Link: 1, KernelVLAN: true})
		if err != nil {
			t.Fatal(err)
		}
		file, err := Compile(text, Config{Link: 1})
		if err != nil {
			t.Fatal(err)
		}
		for range 2000 {
			frame, wire := f.next(1)
			if got, want := socket.Match(frame, wire), file.Match(frame, wire); got != want {
				t.Fatalf("%q: Match(%x) = %v, want %v", text, frame, got, want)
			}
		}
	}
}
