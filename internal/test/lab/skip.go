// Package lab gives tests the real things they need: root, Debian's programs
// and network namespaces of their own. It is for tests alone.
package lab

import (
	"os"
	"os/exec"
	"testing"
)

// Skip skips the test with a reason. Under CI=true it fails instead: there
// everything a test needs has been installed, and a skip would hide a fault.
func Skip(t testing.TB, reason string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatalf("may not be skipped under CI=true: %s", reason)
	}
	t.Skip(reason)
}

// NeedRoot skips the test when it does not run as root.
func NeedRoot(t testing.TB) {
	t.Helper()
	if os.Geteuid() != 0 {
		Skip(t, "needs root for network namespaces and packet sockets")
	}
}

// NeedProgram returns the path of a program, and skips the test when it is not
// installed. Programs in the system directories count even where PATH lacks
// them.
func NeedProgram(t testing.TB, name string) string {
	t.Helper()
	if p := lookProgram(name); p != "" {
		return p
	}
	Skip(t, "needs the program "+name+" (make deps installs it)")
	return ""
}

// lookProgram is the path of a program, or nothing.
func lookProgram(name string) string {
	if p, err := exec.LookPath(name); err == nil {
		return p
	}
	for _, dir := range []string{"/usr/sbin/", "/sbin/", "/usr/local/sbin/"} {
		if st, err := os.Stat(dir + name); err == nil && st.Mode()&0o111 != 0 {
			return dir + name
		}
	}
	return ""
}
