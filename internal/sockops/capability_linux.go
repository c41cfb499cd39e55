package sockops

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"golang.org/x/sys/unix"
)

var capabilityNames = map[uint]string{
	unix.CAP_BPF: "CAP_BPF", unix.CAP_NET_ADMIN: "CAP_NET_ADMIN", unix.CAP_PERFMON: "CAP_PERFMON",
}

// privilege explains an error of something that needs capabilities. The
// kernel's own words, and the library's guesses about them, lead elsewhere.
func privilege(what string, err error, needed ...uint) error {
	lacking := lackingCapabilities(needed)
	if len(lacking) == 0 && !errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("sockops: %s: %w", what, err)
	}
	if len(lacking) == 0 {
		// A container that has them in a user namespace of its own, or a
		// kernel that is locked down.
		return fmt.Errorf("sockops: %s: %w, though the process has the capabilities it should take", what, fs.ErrPermission)
	}
	return fmt.Errorf("sockops: %s needs %s (run as root, or once: setcap cap_bpf,cap_net_admin,cap_perfmon+ep /usr/local/bin/mxprint): %w",
		what, strings.Join(lacking, " and "), fs.ErrPermission)
}

// lackingCapabilities are those that the thread has not, by name. For these,
// CAP_SYS_ADMIN stands for each.
func lackingCapabilities(needed []uint) (names []string) {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if unix.Capget(&header, &data[0]) != nil {
		return nil
	}
	has := func(c uint) bool { return data[c/32].Effective&(1<<(c%32)) != 0 }
	for _, c := range needed {
		if !has(c) && !has(unix.CAP_SYS_ADMIN) {
			names = append(names, capabilityNames[c])
		}
	}
	return names
}
