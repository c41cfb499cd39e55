package capture

import (
	"testing"

	"golang.org/x/sys/unix"

	"github.com/mxprint/mxprint/internal/test/lab"
)

// A sender puts frames on the client's end of a pair, as they are.
type sender struct {
	fd   int
	addr unix.SockaddrLinklayer
}

func newSender(t testing.TB, ns *lab.NetNS, ifname string) *sender {
	t.Helper()
	s := &sender{}
	err := ns.Do(func() (err error) {
		s.fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		s.addr.Ifindex, _, err = askDevice(s.fd, ifname)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(s.fd) })
	return s
}

func (s *sender) send(frame []byte) error { return unix.Sendto(s.fd, frame, 0, &s.addr) }

// openIn opens a ring inside a namespace.
func openIn(t testing.TB, ns *lab.NetNS, cfg Config) *Ring {
	t.Helper()
	var r *Ring
	if err := ns.Do(func() (err error) { r, err = OpenRing(cfg); return err }); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}
