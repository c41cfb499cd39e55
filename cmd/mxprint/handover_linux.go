package main

import (
	"encoding/json"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/mxprint/mxprint/p0f"
)

const (
	stateVersion = 1
	maxState     = 128 << 20 // bytes
	maxInherited = 1 << 20   // sockets
)

// state is what one process writes and the next reads.
type state struct {
	Version int             `json:"version"`
	Sockets []p0f.Inherited `json:"sockets"`
}

const stateSeals = unix.F_SEAL_SEAL | unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_WRITE

// writeState writes it into a file in memory, which nobody can change any more.
func writeState(sockets []p0f.Inherited) (*os.File, error) {
	text, err := json.Marshal(state{stateVersion, sockets})
	if err != nil {
		return nil, err
	}
	fd, err := unix.MemfdCreate("mxprint", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return nil, fmt.Errorf("a file in memory: %w", err)
	}
	f := os.NewFile(uintptr(fd), "state")
	if _, err = f.Write(text); err == nil {
		_, err = unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, stateSeals)
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("a file in memory: %w", err)
	}
	return f, nil
}

// readState reads what writeState wrote, and closes the descriptor.
func readState(fd int) ([]p0f.Inherited, error) {
	seals, err := unix.FcntlInt(uintptr(fd), unix.F_GET_SEALS, 0)
	if err != nil || seals&stateSeals != stateSeals {
		return nil, fmt.Errorf("%w: descriptor %d is no sealed file in memory", errInherit, fd)
	}
	f := os.NewFile(uintptr(fd), "state")
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errInherit, err)
	}
	if st.Size() > maxState {
		return nil, fmt.Errorf("%w: a state of %d bytes", errInherit, st.Size())
	}
	text := make([]byte, st.Size())
	if _, err := f.ReadAt(text, 0); err != nil {
		return nil, fmt.Errorf("%w: %w", errInherit, err)
	}
	var s state
	if err := json.Unmarshal(text, &s); err != nil {
		return nil, fmt.Errorf("%w: %w", errInherit, err)
	}
	if s.Version != stateVersion || len(s.Sockets) > maxInherited {
		return nil, fmt.Errorf("%w: a state of version %d with %d sockets, want version %d", errInherit, s.Version, len(s.Sockets), stateVersion)
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
