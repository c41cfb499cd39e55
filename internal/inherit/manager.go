package inherit

import (
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
	"time"
)

// manager is the service manager that started the process, which listens where
// NOTIFY_SOCKET says (sd_notify(3)).
type manager struct{ conn *net.UnixConn }

// dialManager returns nil if absent.
func dialManager() (*manager, error) {
	path := os.Getenv("NOTIFY_SOCKET")
	if path == "" {
		return nil, nil
	}
	if path[0] != '/' && path[0] != '@' {
		return nil, fmt.Errorf("NOTIFY_SOCKET %q is no unix socket", path)
	}
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Net: "unixgram", Name: path})
	if err != nil {
		return nil, fmt.Errorf("NOTIFY_SOCKET: %w", err)
	}
	return &manager{conn}, nil
}

// send sends one message with descriptors, which the manager gets copies of.
func (m *manager) send(text string, fds ...int) error {
	var rights []byte
	if len(fds) > 0 {
		rights = syscall.UnixRights(fds...)
	}
	rc, err := m.conn.SyscallConn()
	if err == nil {
		m.conn.SetWriteDeadline(time.Now().Add(storeTime))
		// WriteMsgUnix refuses connected datagram sockets.
		var sent error
		err = rc.Write(func(fd uintptr) bool {
			sent = syscall.Sendmsg(int(fd), []byte(text), rights, nil, 0)
			return sent != syscall.EAGAIN
		})
		if err == nil {
			err = sent
		}
	}
	if err != nil {
		return fmt.Errorf("notifying the service manager: %w", err)
	}
	return nil
}

// ready says that the service is.
func (m *manager) ready() error {
	if m == nil {
		return nil
	}
	m.status("") // that of an attempt to restart
	return m.send("READY=1")
}

// status is what "systemctl status" shows. It is for people, and may be lost.
func (m *manager) status(text string) {
	if m == nil {
		return
	}
	_ = m.send("STATUS=" + firstLine([]byte(text)))
}

// barrier returns when the manager has worked on what was sent, or after
// storeTime: it closes its end of a pipe then.
func (m *manager) barrier() error {
	r, w, err := os.Pipe()
	if err != nil {
		return nil
	}
	defer r.Close()
	rc, err := w.SyscallConn()
	if err == nil {
		var sent error
		err = rc.Control(func(fd uintptr) { sent = m.send("BARRIER=1", int(fd)) })
		err = errors.Join(err, sent)
	}
	w.Close()
	if err == nil {
		r.SetReadDeadline(time.Now().Add(storeTime))
		r.Read(make([]byte, 1))
	}
	return nil
}
