//go:build linux

package packages

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/mxprint/mxprint/internal/test/lab"
	"github.com/mxprint/mxprint/internal/test/mailtest"
)

// A machine is a Debian system that systemd has booted, in namespaces of its own:
// its files lie over those of the shared system, and go with the test. Its network is
// loopback and what a test adds.
type machine struct {
	root   string // its files, from outside
	leader string // the process number of its systemd
}

// boot boots one, with the folder of packages at /mnt.
func boot(t *testing.T, debs string) *machine {
	t.Helper()
	nspawn := lab.NeedProgram(t, "systemd-nspawn")
	lab.NeedProgram(t, "nsenter")
	system := mailtest.CopyOf(t, mailtest.NewChroot(t, "systemd"))
	m := &machine{root: system.Root}
	cmd := exec.Command(nspawn, "--quiet", "--register=no", "--keep-unit", "-D", m.root, "-b", "--private-network",
		"--capability=all", "--link-journal=no", "--console=pipe", "--bind-ro="+debs+":/mnt",
		// What a sandbox in it and the sockops sensor need; systemd-nspawn takes them away.
		"--system-call-filter=bpf landlock_create_ruleset landlock_add_rule landlock_restrict_self")
	p := mailtest.Start(t, "systemd-nspawn", cmd)
	p.WaitFor("systemd", func() bool {
		// nspawn's own child becomes systemd; it has another child in between at first.
		pid := fmt.Sprint(p.Cmd.Process.Pid)
		text, err := os.ReadFile(filepath.Join("/proc", pid, "task", pid, "children"))
		for _, child := range strings.Fields(string(text)) {
			name, _ := os.ReadFile(filepath.Join("/proc", child, "comm"))
			if err == nil && string(name) == "systemd\n" {
				m.leader = child
			}
		}
		return m.leader != ""
	})
	p.WaitFor("the end of the boot", func() bool {
		out, _ := m.try(t, "systemctl is-system-running --wait")
		return out == "running\n" || out == "degraded\n"
	})
	return m
}

// try runs a line of the shell in the machine, and returns what it printed.
func (m *machine) try(t *testing.T, line string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "nsenter", "--target", m.leader, "--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup",
		"/bin/sh", "-c", line)
	cmd.Env = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C", "HOME=/root", "DEBIAN_FRONTEND=noninteractive"}
	cmd.WaitDelay = time.Second
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// do is try with lines that must succeed, as a reader would type them.
func (m *machine) do(t *testing.T, lines string) string {
	t.Helper()
	out, err := m.try(t, "set -e\n"+lines)
	if err != nil {
		log, _ := m.try(t, "journalctl -u 'mxprint*' -n 40 --no-pager -o cat")
		t.Fatalf("%s: %v\n%s\njournal:\n%s", strings.TrimSpace(lines), err, out, log)
	}
	return out
}

// fails is try with lines that must not, and returns what they printed.
func (m *machine) fails(t *testing.T, lines string) string {
	t.Helper()
	out, err := m.try(t, lines)
	if err == nil {
		t.Errorf("%s: it succeeds, want a failure\n%s", lines, out)
	}
	return out
}

// write writes a file of the machine; its folder is made.
func (m *machine) write(t *testing.T, path, text string) {
	t.Helper()
	m.do(t, fmt.Sprintf("mkdir -p '%s'\ncat >'%s' <<'END-OF-FILE'\n%s\nEND-OF-FILE", filepath.Dir(path), path, strings.TrimSuffix(text, "\n")))
}

// pid is the process number that systemd has of a service; "0" without one.
func (m *machine) pid(t *testing.T, unit string) string {
	t.Helper()
	return strings.TrimSpace(m.do(t, "systemctl show -p MainPID --value "+unit))
}

// active waits until a unit is in that state.
func (m *machine) active(t *testing.T, unit, want string) {
	t.Helper()
	lab.Eventually(t, func() error {
		if out, _ := m.try(t, "systemctl is-active "+unit); out != want+"\n" {
			return fmt.Errorf("%s is %swant %s", unit, out, want)
		}
		return nil
	})
}

// capabilities are the effective ones of a service, as docs/privileges.md has
// the reader look at them.
func (m *machine) capabilities(t *testing.T, unit string) string {
	t.Helper()
	status := m.do(t, "cat /proc/"+m.pid(t, unit)+"/status")
	found := regexp.MustCompile(`(?m)^CapEff:\t0*([0-9a-f]+)$`).FindStringSubmatch(status)
	if found == nil {
		t.Fatalf("no CapEff in %s", status)
	}
	return found[1]
}

// journal is what a service has written since its last start. The journal gets it
// a moment later.
func (m *machine) journal(t *testing.T, unit string) string {
	t.Helper()
	id := strings.TrimSpace(m.do(t, "systemctl show -p InvocationID --value "+unit))
	return m.do(t, "journalctl --sync\njournalctl --no-pager -o cat _SYSTEMD_INVOCATION_ID="+id)
}

// complaints are what a service has written as warning or error since its last
// start.
func (m *machine) complaints(t *testing.T, unit string) string {
	t.Helper()
	var wrong bytes.Buffer
	for line := range strings.Lines(m.journal(t, unit)) {
		// Where this machine has fewer descriptors than the unit wants, systemd cannot give them.
		few := strings.Contains(line, "raise LimitNOFILE of the unit") && hardLimit(t) < 65536
		if regexp.MustCompile(`level=(WARN|ERROR)`).MatchString(line) && !few {
			wrong.WriteString(line)
		}
	}
	return wrong.String()
}

// connect has a machine of another network namespace connect to a port where
// nothing listens: its SYN is what counts.
func (m *machine) connect(t *testing.T, from, to string) {
	t.Helper()
	_, _ = m.try(t, "ip netns exec "+from+" timeout 5 bash -c 'exec 3<>/dev/tcp/"+to+"/25'") // refused
}

// known wants the sensor to have a name for the client that connects.
func (m *machine) known(t *testing.T, netns, client, server string) {
	t.Helper()
	lab.Eventually(t, func() error {
		m.connect(t, netns, server)
		if out, _ := m.try(t, "runuser -u nobody -- mxprint query "+client); !strings.Contains(out, ": matched\n") {
			return fmt.Errorf("the sensor does not know its client %s: %s", client, out)
		}
		return nil
	})
}

// wire makes a veth whose far end is in a network namespace of that name.
func (m *machine) wire(t *testing.T, netns, name, client, server string) {
	t.Helper()
	m.do(t, fmt.Sprintf(`ip netns add %[1]s
ip link add %[2]s type veth peer name eth0 netns %[1]s
ip addr add %[4]s/24 dev %[2]s
ip link set %[2]s up
ip -n %[1]s addr add %[3]s/24 dev eth0
ip -n %[1]s link set eth0 up`, netns, name, client, server))
}

// hardLimit is how many descriptors a process may have here.
func hardLimit(t *testing.T) uint64 {
	t.Helper()
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	return limit.Max
}
