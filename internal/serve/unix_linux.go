package serve

import (
	"io/fs"
	"os"
	"strconv"
	"syscall"
)

// chmod changes the permission bits of the very file own.
func chmod(path string, own fs.FileInfo, mode fs.FileMode) error {
	return onFile(path, own, func(by string) error { return syscall.Chmod(by, uint32(mode)) })
}

// chown changes the user and the group of the very file own.
func chown(path string, own fs.FileInfo, uid, gid int) error {
	return onFile(path, own, func(by string) error { return syscall.Chown(by, uid, gid) })
}

// onFile calls do with a path that leads to the very file own. It opens what has
// the name now, without following a link, and goes on only with the same file.
func onFile(path string, own fs.FileInfo, do func(path string) error) error {
	const oPath = 0x200000 // O_PATH, which package syscall has not
	fd, err := syscall.Open(path, oPath|syscall.O_NOFOLLOW|syscall.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	f := os.NewFile(uintptr(fd), path)
	defer f.Close()
	now, err := f.Stat()
	if err != nil {
		return err
	}
	st, ok := now.Sys().(*syscall.Stat_t)
	if !ok || !os.SameFile(now, own) || now.Mode().Type() != fs.ModeSocket || st.Nlink != 1 {
		return errReplaced
	}
	return do("/proc/self/fd/" + strconv.Itoa(fd))
}
