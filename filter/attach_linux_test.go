package filter

import (
	"testing"

	"golang.org/x/sys/unix"
)

// TestKernelTakes attaches what Compile makes to a socket.
func TestKernelTakes(t *testing.T) {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	for _, l := range testLinks {
		for _, e := range expressions {
			p, err := Compile(e.text, Config{Link: l.number, KernelVLAN: true})
			if err != nil {
				continue
			}
			var code []unix.SockFilter
			for _, r := range p.Instructions() {
				code = append(code, unix.SockFilter{Code: r.Op, Jt: r.Jt, Jf: r.Jf, K: r.K})
			}
			prog := unix.SockFprog{Len: uint16(len(code)), Filter: &code[0]}
			if err := unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &prog); err != nil {
				t.Errorf("link type %d, %q: the kernel says %v to\n%s", l.number, e.text, err, p)
			}
		}
	}
}
