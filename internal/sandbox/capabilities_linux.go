package sandbox

import (
	"fmt"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
	"kernel.org/pub/linux/libs/security/libcap/psx"
)

// set is of capabilities, by their numbers.
type set uint64

func (s set) has(c int) bool { return s&(1<<c) != 0 }

// halves is how the kernel has it: capabilities 0 to 31, and the rest.
func (s set) halves() (low, high uint32) { return uint32(s), uint32(s >> 32) }

// wanted are the capabilities that the rules keep.
func (r *Rules) wanted() (s set) {
	for _, k := range []struct {
		keep bool
		caps []int
	}{
		{r.Capture, []int{unix.CAP_NET_RAW}},
		{r.SockOps, []int{unix.CAP_BPF, unix.CAP_NET_ADMIN, unix.CAP_PERFMON}},
		{r.LowPorts, []int{unix.CAP_NET_BIND_SERVICE}},
	} {
		for _, c := range k.caps {
			if k.keep {
				s |= 1 << c
			}
		}
	}
	return s
}

// FromFile reports whether the privileges of the process came from the program's
// file, by capabilities or the setuid bit, and not from who started it
// (AT_SECURE, getauxval(3)).
func FromFile() bool {
	const atSecure = 23
	all, err := unix.Auxv()
	if err != nil {
		return false
	}
	for _, pair := range all {
		if pair[0] == atSecure {
			return pair[1] != 0
		}
	}
	return false
}

// Become makes a process of root's a user, with the capabilities of the rules
// and no others. After an error it may have fewer groups, and is still root's.
func (r *Rules) Become(u User) error {
	if err := r.bound(); err != nil {
		return err
	}
	if err := prctl(unix.PR_SET_KEEPCAPS, 1, 0); err != nil {
		return fmt.Errorf("keeping capabilities: %w", err)
	}
	if err := syscall.Setgroups(u.Groups); err != nil {
		return fmt.Errorf("setting the groups: %w", err)
	}
	if err := syscall.Setgid(u.GID); err != nil {
		return fmt.Errorf("setting the group: %w", err)
	}
	if err := syscall.Setuid(u.UID); err != nil {
		return fmt.Errorf("setting the user: %w", err)
	}
	if err := r.keepCapabilities(); err != nil {
		return fmt.Errorf("capabilities: %w", err)
	}
	return nil
}

// keepCapabilities gives up all but those of the rules: effective, permitted,
// inheritable, ambient and, where the process may, of the bounding set. Those
// that are kept are made ambient, so that the re-executed program has them, but
// not those that came from the program's file: they are that file's alone.
func (r *Rules) keepCapabilities() error {
	if err := r.bound(); err != nil {
		return err
	}
	header, have, err := capabilities()
	if err != nil {
		return err
	}
	keep := r.wanted() & permitted(have)
	if err := prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0); err != nil {
		return fmt.Errorf("ambient: %w", err)
	}
	pass := keep
	if FromFile() {
		pass = 0
	}
	low, high := keep.halves()
	passLow, passHigh := pass.halves()
	data := [2]unix.CapUserData{
		{Effective: low, Permitted: low, Inheritable: passLow},
		{Effective: high, Permitted: high, Inheritable: passHigh},
	}
	if data != have { // a unit may forbid the call, and have done its work
		if _, _, errno := psx.Syscall3(unix.SYS_CAPSET, uintptr(unsafe.Pointer(&header)), uintptr(unsafe.Pointer(&data[0])), 0); errno != 0 {
			return errno
		}
	}
	for c := range 64 {
		if !pass.has(c) {
			continue
		}
		if err := prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_RAISE, uintptr(c)); err != nil {
			return fmt.Errorf("ambient: %w", err)
		}
	}
	return nil
}

// capabilities are those of this thread.
func capabilities() (header unix.CapUserHeader, have [2]unix.CapUserData, err error) {
	header.Version = unix.LINUX_CAPABILITY_VERSION_3
	err = unix.Capget(&header, &have[0])
	return header, have, err
}

func permitted(have [2]unix.CapUserData) set {
	return set(uint64(have[1].Permitted)<<32 | uint64(have[0].Permitted))
}

// bound takes all but those of the rules out of the bounding set, where the
// process may.
func (r *Rules) bound() error {
	_, have, err := capabilities()
	if err != nil {
		return err
	}
	if have[0].Effective&(1<<unix.CAP_SETPCAP) == 0 {
		return nil
	}
	keep := r.wanted() & permitted(have)
	for c := range unix.CAP_LAST_CAP + 1 {
		if keep.has(c) {
			continue
		}
		if err := prctl(unix.PR_CAPBSET_DROP, uintptr(c), 0); err == unix.EINVAL {
			break // an older kernel has no more
		} else if err != nil {
			return fmt.Errorf("bounding set: %w", err)
		}
	}
	return nil
}
