package milter

import (
	"net"
	"syscall"
)

// acker acknowledges what has been read over TCP at once. Postfix writes an
// event that needs no answer, and waits with the next one for its
// acknowledgement (Nagle), which Linux holds back for 40 ms in the hope of an
// answer: every mail would take so much longer.
type acker struct{ raw syscall.RawConn } // nil: not TCP

func newAcker(nc net.Conn) acker {
	sc, ok := nc.(syscall.Conn)
	if !ok || nc.LocalAddr().Network() != "tcp" {
		return acker{}
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return acker{}
	}
	return acker{raw}
}

// now follows each read: the setting does not last.
func (a acker) now() {
	if a.raw == nil {
		return
	}
	a.raw.Control(func(fd uintptr) {
		// Without it the mail is late, not wrong.
		_ = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, syscall.TCP_QUICKACK, 1)
	})
}
