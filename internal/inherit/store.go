package inherit

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// take takes what an earlier process or the service manager left.
func (p *Process) take() (err error) {
	text := os.Getenv(stateEnv)
	os.Unsetenv(stateEnv)
	if text != "" {
		fd, err := strconv.Atoi(text)
		if err != nil || fd <= 2 {
			return fmt.Errorf("%w: %s is %q, want a descriptor", ErrInherited, stateEnv, text)
		}
		p.resumed = true
		p.left, p.memory, p.files, err = readState(fd)
		return err
	}
	p.left, err = stored()
	if len(p.left) > 0 || err != nil {
		// What is in the store does not end when this process closes it.
		if p.manager != nil {
			err = errors.Join(err, p.manager.send("FDSTOREREMOVE=1\nFDNAME="+storeName))
		}
	}
	return err
}

// stored returns the sockets that the service manager kept, and those it made
// for us (socket activation).
func stored() ([]Socket, error) {
	pid, count, names := os.Getenv("LISTEN_PID"), os.Getenv("LISTEN_FDS"), os.Getenv("LISTEN_FDNAMES")
	for _, name := range []string{"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"} {
		os.Unsetenv(name)
	}
	if pid != strconv.Itoa(os.Getpid()) {
		return nil, nil
	}
	n, err := strconv.Atoi(count)
	if err != nil || n < 0 || n > maxInherited {
		return nil, fmt.Errorf("%w: LISTEN_FDS is %q", ErrInherited, count)
	}
	name := strings.Split(names, ":")
	if names == "" {
		name = make([]string, n) // systemd-socket-activate gives no names
	}
	if len(name) != n {
		return nil, fmt.Errorf("%w: LISTEN_FDS is %d, and LISTEN_FDNAMES has %d names", ErrInherited, n, len(name))
	}
	const firstFD = 3
	byInode := make(map[uint64]int, n)
	var given []Socket
	state := -1
	for i := range n {
		fd := firstFD + i
		syscall.CloseOnExec(fd)
		var st syscall.Stat_t
		if name[i] != storeName {
			in, err := activated(fd)
			if err != nil {
				return nil, fmt.Errorf("%w (a socket unit wants ListenStream= with the path of the p0f socket)", err)
			}
			given = append(given, in)
			continue
		}
		if syscall.Fstat(fd, &st) != nil {
			continue
		}
		switch st.Mode & syscall.S_IFMT {
		case syscall.S_IFSOCK:
			byInode[uint64(st.Ino)] = fd
		case syscall.S_IFREG:
			state = fd
		}
	}
	if state < 0 {
		for _, fd := range byInode {
			syscall.Close(fd) // what was read from it is lost
		}
		return given, nil
	}
	kept, err := matchStored(state, byInode)
	return append(kept, given...), err
}

// matchStored finds the descriptors of the sockets in the state. Those the
// manager did not keep, because their client has gone or there were too many,
// are left out; one that the state does not know is closed.
func matchStored(state int, byInode map[uint64]int) ([]Socket, error) {
	all, memory, _, err := readState(state)
	if memory != nil {
		memory.Close() // the store has none
	}
	if err != nil {
		return nil, err
	}
	var kept []Socket
	for _, in := range all {
		if fd, ok := byInode[in.Inode]; ok {
			in.FD = fd
			kept = append(kept, in)
			delete(byInode, in.Inode)
		}
	}
	for _, fd := range byInode {
		syscall.Close(fd)
	}
	return kept, nil
}
