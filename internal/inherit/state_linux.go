package inherit

import (
	"encoding/json"
	"fmt"
	"io"
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
	Memory  int      `json:"memory,omitempty"` // a descriptor; 0: none

	Files []keptFile `json:"files,omitempty"`
}

const stateSeals = unix.F_SEAL_SEAL | unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_WRITE

// writeState writes it into a file in memory. memory may be nil.
func writeState(sockets []Socket, memory *os.File, files []*os.File) (*os.File, error) {
	st := state{Version: stateVersion, Sockets: sockets}
	for _, f := range files {
		st.Files = append(st.Files, keptFile{int(f.Fd()), f.Name()})
	}
	if memory != nil {
		st.Memory = int(memory.Fd())
	}
	text, err := json.Marshal(st)
	if err != nil {
		return nil, err
	}
	f, err := memoryFile("state")
	if err != nil {
		return nil, err
	}
	if _, err = f.Write(text); err == nil {
		err = seal(f)
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("creating a file in memory: %w", err)
	}
	return f, nil
}

// memoryFile makes a file in memory.
func memoryFile(name string) (*os.File, error) {
	fd, err := unix.MemfdCreate("mxprint", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return nil, fmt.Errorf("creating a file in memory: %w", err)
	}
	return os.NewFile(uintptr(fd), name), nil
}

// seal has no process change the file any more.
func seal(f *os.File) error {
	_, err := unix.FcntlInt(f.Fd(), unix.F_ADD_SEALS, stateSeals)
	return err
}

// sealed returns the file of a descriptor, if it is one in memory that no process
// can change.
func sealed(fd int, name string) (*os.File, error) {
	seals, err := unix.FcntlInt(uintptr(fd), unix.F_GET_SEALS, 0)
	if err != nil || seals&stateSeals != stateSeals {
		return nil, fmt.Errorf("%w: descriptor %d is no sealed file in memory", ErrInherited, fd)
	}
	return os.NewFile(uintptr(fd), name), nil
}

// readState reads what writeState wrote, and closes the descriptor. memory may be
// nil.
func readState(fd int) (sockets []Socket, memory *os.File, files []keptFile, err error) {
	f, err := sealed(fd, "state")
	if err != nil {
		return nil, nil, nil, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return nil, nil, nil, fmt.Errorf("%w: %w", ErrInherited, err)
	}
	if st.Size() > maxState {
		return nil, nil, nil, fmt.Errorf("%w: a state of %d bytes", ErrInherited, st.Size())
	}
	text := make([]byte, st.Size())
	if _, err := f.ReadAt(text, 0); err != nil {
		return nil, nil, nil, fmt.Errorf("%w: %w", ErrInherited, err)
	}
	var s state
	if err := json.Unmarshal(text, &s); err != nil {
		return nil, nil, nil, fmt.Errorf("%w: %w", ErrInherited, err)
	}
	if s.Version != stateVersion || len(s.Sockets) > maxInherited {
		return nil, nil, nil, fmt.Errorf("%w: a state of version %d with %d sockets, want version %d", ErrInherited, s.Version, len(s.Sockets), stateVersion)
	}
	for _, k := range s.Files {
		unix.CloseOnExec(k.FD)
	}
	if s.Memory == 0 {
		return s.Sockets, nil, s.Files, nil
	}
	unix.CloseOnExec(s.Memory)
	if memory, err = sealed(s.Memory, "memory"); err == nil {
		_, err = memory.Seek(0, io.SeekStart)
	}
	return s.Sockets, memory, s.Files, err
}

func setCloseOnExec(fd int, on bool) error {
	flag := 0
	if on {
		flag = unix.FD_CLOEXEC
	}
	_, err := unix.FcntlInt(uintptr(fd), unix.F_SETFD, flag)
	return err
}
