// Package sandbox sandboxes a daemon after start-up: it is no longer root, keeps
// only the capabilities it names, gets no new privileges by exec, opens no file
// outside its own directories, signals no other process, makes no system call
// that serves to leave, and keeps its memory from other processes of its user.
//
// It is for the process as a whole and for good: all threads, and every program
// that is executed later. It is not for what a mail server imports.
package sandbox

import (
	"path/filepath"
	"slices"
)

// Rules are what the process may still do. Files are given by their paths, which
// may be relative and need not exist. Files are usually replaced by rename, so
// access is granted to the folder of a file, and to that of the file a link
// leads to. Of a file in the root folder access is granted to the file alone.
type Rules struct {
	Read    []string // files that are read
	Tree    []string // folders below which everything may be read
	Execute []string // programs that are executed
	Append  []string // logs: made and written, neither read nor removed
	Replace []string // files that are written beside the old one and renamed
	List    []string // files whose folders are opened
	Listen  []string // unix sockets

	Capture  bool // keep CAP_NET_RAW: to open packet sockets
	SockOps  bool // keep CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON: to load what package sockops loads
	LowPorts bool // keep CAP_NET_BIND_SERVICE: to listen below port 1024
}

// User is the user that a process becomes.
type User struct {
	UID, GID int
	Groups   []int // others than GID
}

// folders returns what is opened up for files.
func folders(paths []string) []string {
	var list []string
	add := func(path string) {
		if dir := filepath.Dir(path); dir != "/" {
			path = dir
		}
		if !slices.Contains(list, path) {
			list = append(list, path)
		}
	}
	for _, path := range paths {
		if path == "" {
			continue
		}
		add(path)
		if target, err := filepath.EvalSymlinks(path); err == nil {
			add(target)
		}
	}
	return list
}
