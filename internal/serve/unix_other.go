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
	if err := same(path, own); err != nil {
		return err
	}
	return os.Chmod(path, mode)
}

// chown changes its user and group likewise.
func chown(path string, own fs.FileInfo, uid, gid int) error {
	if err := same(path, own); err != nil {
		return err
	}
	return os.Lchown(path, uid, gid)
}

func same(path string, own fs.FileInfo) error {
	now, err := os.Lstat(path)
	if err != nil {
		return err
	}
	if !os.SameFile(now, own) {
		return errReplaced
	}
	return nil
}
