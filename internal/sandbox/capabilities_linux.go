package sandbox

import (
	"fmt"
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

// keepCapabilities gives up all but those of the rules: effective, permitted,
// inheritable, ambient and, where the process may, of the bounding set. Those
// that are kept are made ambient, so that the re-executed program has them.
func (r *Rules) keepCapabilities() error {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var have [2]unix.CapUserData
	if err := unix.Capget(&header, &have[0]); err != nil {
		return err
	}
	keep := r.wanted() & set(uint64(have[1].Permitted)<<32|uint64(have[0].Permitted))
	if have[0].Effective&(1<<unix.CAP_SETPCAP) != 0 {
		if err := bound(keep); err != nil {
			return err
		}
	}
	if err := prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0); err != nil {
		return fmt.Errorf("ambient: %w", err)
	}
	low, high := keep.halves()
	data := [2]unix.CapUserData{
		{Effective: low, Permitted: low, Inheritable: low},
		{Effective: high, Permitted: high, Inheritable: high},
	}
	if data != have { // a unit may forbid the call, and have done its work
		if _, _, errno := psx.Syscall3(unix.SYS_CAPSET, uintptr(unsafe.Pointer(&header)), uintptr(unsafe.Pointer(&data[0])), 0); errno != 0 {
			return errno
		}
	}
	for c := range 64 {
		if !keep.has(c) {
			continue
		}
		if err := prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_RAISE, uintptr(c)); err != nil {
			return fmt.Errorf("ambient: %w", err)
		}
	}
	return nil
}

// bound takes all but keep out of the bounding set.
func bound(keep set) error {
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
