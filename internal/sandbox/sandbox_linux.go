package sandbox

import (
	"debug/elf"
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/landlock-lsm/go-landlock/landlock"
	ll "github.com/landlock-lsm/go-landlock/landlock/syscall"
	"golang.org/x/sys/unix"
	"kernel.org/pub/linux/libs/security/libcap/psx"
)

// Enter sandboxes the process. Each part is done as far as the kernel allows,
// even if others fail; the error joins the failures of all parts.
//
// A process that a sandboxed one executes cannot get out. Each Enter narrows
// further; Linux takes up to 16.
func Enter(r Rules) error {
	if err := canReachThreads(); err != nil {
		return err
	}
	var problems []error
	if err := prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0); err != nil {
		problems = append(problems, fmt.Errorf("sandbox: no new privileges: %w", err))
	}
	if err := r.restrictFiles(); err != nil {
		problems = append(problems, fmt.Errorf("sandbox: landlock: %w", err))
	}
	if err := r.keepCapabilities(); err != nil {
		problems = append(problems, fmt.Errorf("sandbox: capabilities: %w", err))
	}
	if err := r.denyCalls(); err != nil {
		problems = append(problems, fmt.Errorf("sandbox: seccomp: %w", err))
	}
	// Other processes of the same user cannot read its memory, environment and
	// descriptors then, and no core is written. An exec ends it: the next program
	// enters the sandbox, too.
	if err := prctl(unix.PR_SET_DUMPABLE, 0, 0); err != nil {
		problems = append(problems, fmt.Errorf("sandbox: memory closed to others: %w", err))
	}
	return errors.Join(problems...)
}

// runtimeFiles are what Go reads in a program that is re-executed: the time
// zone, the backlog of listeners, how much of the machine is its.
var (
	runtimeFiles = []string{
		"/etc/localtime", "/proc/sys/net/core/somaxconn", "/proc/self/cgroup", "/proc/self/mountinfo",
		"/sys/kernel/mm/transparent_hugepage/hpage_pmd_size",
	}
	runtimeTrees = []string{"/usr/share/zoneinfo", "/sys/fs/cgroup"}
	// A program that is linked with libraries needs them to be executed.
	libraries = []string{"/lib", "/lib64", "/usr/lib", "/usr/lib64"}
)

const (
	readFile  = landlock.AccessFSSet(ll.AccessFSReadFile)
	readTree  = readFile | ll.AccessFSReadDir
	execute   = readFile | ll.AccessFSExecute
	appendTo  = ll.AccessFSWriteFile | ll.AccessFSMakeReg
	replace   = readFile | appendTo | ll.AccessFSTruncate | ll.AccessFSRemoveFile
	listenAt  = ll.AccessFSReadDir | ll.AccessFSMakeSock | ll.AccessFSRemoveFile
	readWrite = readFile | ll.AccessFSWriteFile
)

// restrictFiles lets the process open no file but those of the rules, and
// reach neither other processes by signals nor their abstract sockets.
func (r *Rules) restrictFiles() error {
	if v, err := ll.LandlockGetABIVersion(); err != nil || v < 1 {
		return errors.New("the kernel has none (CONFIG_SECURITY_LANDLOCK, and landlock in the parameter lsm)")
	}
	var rules []landlock.Rule
	allow := func(rights landlock.AccessFSSet, paths ...string) {
		if len(paths) > 0 {
			rules = append(rules, landlock.PathAccess(rights, paths...).IgnoreIfMissing())
		}
	}
	allow(readFile, folders(r.Read)...)
	allow(readFile, runtimeFiles...)
	allow(readTree, append(r.Tree, runtimeTrees...)...)
	allow(execute, folders(r.Execute)...)
	for _, path := range r.Execute {
		if isDynamic(path) {
			allow(execute, libraries...)
		}
	}
	allow(landlock.AccessFSSet(appendTo), folders(r.Append)...)
	allow(replace, folders(r.Replace)...)
	allow(ll.AccessFSReadDir, folders(r.List)...)
	allow(landlock.AccessFSSet(listenAt), folders(r.Listen)...)
	allow(readWrite, os.DevNull) // the standard input of a program that is executed
	err := landlock.Config{HandledAccessFS: landlock.V5.HandledAccessFS, Scoped: scopes()}.BestEffort().Restrict(rules...)
	if errors.Is(err, unix.E2BIG) {
		return nil // re-executed 16 times: the earlier ones hold
	}
	return err
}

// scopes are what is to stay within the process and its children. Without the
// correction of Linux 6.15 the threads of a process count as strangers, and Go
// signals its own.
func scopes() landlock.ScopedSet {
	const threadsAreOne = 1 << (2 - 1) // LANDLOCK_ERRATUM(2), security/landlock/errata/abi-6.h
	if errata, err := ll.LandlockGetErrata(); err != nil || errata&threadsAreOne == 0 {
		return ll.ScopeAbstractUnixSocket
	}
	return ll.ScopeAbstractUnixSocket | ll.ScopeSignal
}

// isDynamic reports whether a program needs a loader.
func isDynamic(path string) bool {
	f, err := elf.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	return slices.ContainsFunc(f.Progs, func(p *elf.Prog) bool { return p.Type == elf.PT_INTERP })
}

// prctl is done by all threads.
func prctl(option, a, b uintptr) error {
	if _, _, errno := psx.Syscall6(unix.SYS_PRCTL, option, a, b, 0, 0, 0); errno != 0 {
		return errno
	}
	return nil
}
