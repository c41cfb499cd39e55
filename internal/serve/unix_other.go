//go:build !linux

package serve

import (
	"io/fs"
	"os"
)

// chmod changes the permission bits of the file own, if it is still what has the
// name. Between the two another file can take its place: here nothing opens a
// socket's file without connecting to it.
func chmod(path string, own fs.FileInfo, mode fs.FileMode) error {
	now, err := os.Lstat(path)
	if err != nil {
		return err
	}
	if !os.SameFile(now, own) {
		return errReplaced
	}
	return os.Chmod(path, mode)
}
