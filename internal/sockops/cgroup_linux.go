package sockops

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// FindCgroup returns the folder of the cgroup that Config.Cgroup means, or an
// error that wraps ErrCgroup.
func FindCgroup(path string) (string, error) {
	if path == "" {
		f, err := os.Open("/proc/self/mountinfo")
		if err != nil {
			return "", fmt.Errorf("%w: %w", ErrCgroup, err)
		}
		defer f.Close()
		if path = mounted(f); path == "" {
			return "", fmt.Errorf("%w is mounted (mount -t cgroup2 none /sys/fs/cgroup does it where nothing else is mounted there)", ErrCgroup)
		}
	}
	_, err := cgroupID(path)
	return path, err
}

// mounted finds the first mount of cgroups of version 2 in a mountinfo file
// (proc_pid_mountinfo(5)).
func mounted(mountinfo io.Reader) string {
	lines := bufio.NewScanner(mountinfo)
	for lines.Scan() {
		mount, fs, _ := strings.Cut(lines.Text(), " - ")
		fields := strings.Fields(mount)
		if strings.HasPrefix(fs, "cgroup2 ") && len(fields) > 4 {
			return unescape(fields[4])
		}
	}
	return ""
}

// unescape undoes the escapes \ooo of a path in mountinfo.
func unescape(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+3 < len(s) {
			if n, err := strconv.ParseUint(s[i+1:i+4], 8, 8); err == nil {
				b.WriteByte(byte(n))
				i += 3
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// cgroupID is the number by which the kernel knows a cgroup.
func cgroupID(path string) (uint64, error) {
	var fs unix.Statfs_t
	if err := unix.Statfs(path, &fs); err != nil {
		return 0, fmt.Errorf("%w at %s: %w", ErrCgroup, path, err)
	}
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return 0, fmt.Errorf("%w at %s: %w", ErrCgroup, path, err)
	}
	if fs.Type != unix.CGROUP2_SUPER_MAGIC || st.Mode&unix.S_IFMT != unix.S_IFDIR {
		return 0, fmt.Errorf("%w at %s: it is another folder or file", ErrCgroup, path)
	}
	return st.Ino, nil
}
