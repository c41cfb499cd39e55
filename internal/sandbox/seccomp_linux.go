package sandbox

import (
	"errors"
	"unsafe"

	seccomp "github.com/elastic/go-seccomp-bpf"
	"github.com/elastic/go-seccomp-bpf/arch"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// denied are the system calls that neither the sensor nor Go's runtime makes,
// and that serve to leave a sandbox, to look into other processes, or to reach
// parts of the kernel in which faults are found often. All else stays allowed: a
// list of what is allowed would break with the next version of Go.
var denied = []string{
	"ptrace", "process_vm_readv", "process_vm_writev", "pidfd_getfd", "kcmp", // other processes
	"mount", "umount2", "move_mount", "open_tree", "fsopen", "fsconfig", "fsmount", "fspick", "mount_setattr",
	"pivot_root", "chroot", "unshare", "setns", "open_by_handle_at", // the view of the system
	"keyctl", "add_key", "request_key",
	"init_module", "finit_module", "delete_module", "kexec_load", "kexec_file_load", // the kernel's own code
	"perf_event_open", "userfaultfd", "io_uring_setup", "io_uring_enter", "io_uring_register",
	"reboot", "swapon", "swapoff", "acct", "quotactl", "syslog", "settimeofday", "clock_settime", "iopl", "ioperm",
}

// denyCalls has the kernel answer the denied calls with EPERM, in all threads and
// in every program that is executed later.
func (r *Rules) denyCalls() error {
	program, err := r.callFilter()
	if err != nil {
		return err
	}
	raw, err := bpf.Assemble(program)
	if err != nil {
		return err
	}
	filter := make([]unix.SockFilter, len(raw))
	for i, in := range raw {
		filter[i] = unix.SockFilter{Code: in.Op, Jt: in.Jt, Jf: in.Jf, K: in.K}
	}
	prog := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	// All threads at once: TSYNC.
	other, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC, uintptr(unsafe.Pointer(&prog)))
	switch {
	case errno == unix.ENOMEM:
		return nil // re-executed some hundred times: the earlier ones hold
	case errno == unix.ENOSYS, errno == unix.EINVAL:
		return errors.New("the kernel has none (CONFIG_SECCOMP_FILTER)")
	case errno != 0:
		return errno
	case other != 0:
		return errors.New("a thread has filters of its own")
	}
	return nil
}

// callFilter is the program that decides over system calls.
func (r *Rules) callFilter() ([]bpf.Instruction, error) {
	here, err := arch.GetInfo("")
	if err != nil {
		return nil, err
	}
	names := denied
	if !r.SockOps {
		names = append(names[:len(names):len(names)], "bpf")
	}
	deny := seccomp.SyscallGroup{Action: seccomp.ActionErrno | seccomp.Action(unix.EPERM)}
	for _, name := range names {
		if _, ok := here.SyscallNames[name]; ok { // iopl is amd64's alone
			deny.Names = append(deny.Names, name)
		}
	}
	// A new user namespace has all capabilities over itself, and with them a good
	// part of the kernel.
	deny.NamesWithCondtions = []seccomp.NameWithConditions{{Name: "clone", Conditions: seccomp.ArgumentConditions{
		{Argument: 0, Operation: seccomp.BitsSet, Value: unix.CLONE_NEWUSER},
	}}}
	// The flags of clone3 are out of a filter's sight; programs go on with clone.
	absent := seccomp.SyscallGroup{Names: []string{"clone3"}, Action: seccomp.ActionErrno | seccomp.Action(unix.ENOSYS)}
	policy := seccomp.Policy{DefaultAction: seccomp.ActionAllow, Syscalls: []seccomp.SyscallGroup{absent, deny}}
	program, err := policy.Assemble()
	if err != nil {
		return nil, err
	}
	// The library allows all calls of another architecture, as those of 32 bits.
	const archOffset = 4 // seccomp_data.arch
	return append([]bpf.Instruction{
		bpf.LoadAbsolute{Off: archOffset, Size: 4},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: uint32(here.ID), SkipTrue: 1},
		bpf.RetConstant{Val: uint32(seccomp.ActionErrno) | uint32(unix.EPERM)},
	}, program...), nil
}
