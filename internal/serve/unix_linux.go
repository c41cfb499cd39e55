package serve

import (
	"io/fs"
	"os"
	"strconv"
	"syscall"
)

// chmod changes the permission bits of the very file own. It opens what has the
// name now, without following a link, and goes on only with the same file.
func chmod(path string, own fs.FileInfo, mode fs.FileMode) error {
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
	return syscall.Chmod("/proc/self/fd/"+strconv.Itoa(fd), uint32(mode))
}
