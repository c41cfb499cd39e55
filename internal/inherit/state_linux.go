package inherit

import (
	"encoding/json"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

const (
	stateVersion = 1
	maxState     = 128 << 20 // bytes
	maxInherited = 1 << 20   // sockets
)

// state is what one process writes and the next reads.
type state struct {
	Version int      `json:"version"`
	Sockets []Socket `json:"sockets"`
}

const stateSeals = unix.F_SEAL_SEAL | unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_WRITE

// writeState writes it into a file in memory, which no process can change any more.
func writeState(sockets []Socket) (*os.File, error) {
	text, err := json.Marshal(state{stateVersion, sockets})
	if err != nil {
		return nil, err
	}
	fd, err := unix.MemfdCreate("mxprint", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return nil, fmt.Errorf("creating a file in memory: %w", err)
	}
	f := os.NewFile(uintptr(fd), "state")
	if _, err = f.Write(text); err == nil {
		_, err = unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, stateSeals)
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("creating a file in memory: %w", err)
	}
	return f, nil
}

// readState reads what writeState wrote, and closes the descriptor.
func readState(fd int) ([]Socket, error) {
	seals, err := unix.FcntlInt(uintptr(fd), unix.F_GET_SEALS, 0)
	if err != nil || seals&stateSeals != stateSeals {
		return nil, fmt.Errorf("%w: descriptor %d is no sealed file in memory", ErrInherited, fd)
	}
	f := os.NewFile(uintptr(fd), "state")
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInherited, err)
	}
	if st.Size() > maxState {
		return nil, fmt.Errorf("%w: a state of %d bytes", ErrInherited, st.Size())
	}
	text := make([]byte, st.Size())
	if _, err := f.ReadAt(text, 0); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInherited, err)
	}
	var s state
	if err := json.Unmarshal(text, &s); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInherited, err)
	}
	if s.Version != stateVersion || len(s.Sockets) > maxInherited {
		return nil, fmt.Errorf("%w: a state of version %d with %d sockets, want version %d", ErrInherited, s.Version, len(s.Sockets), stateVersion)
	}
	return s.Sockets, nil
}

func setCloseOnExec(fd int, on bool) error {
	flag := 0
	if on {
		flag = unix.FD_CLOEXEC
	}
	_, err := unix.FcntlInt(uintptr(fd), unix.F_SETFD, flag)
	return err
}
