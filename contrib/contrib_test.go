// Package contrib holds what starts the sensor on a machine: units, scripts and
// an example configuration. Its tests hold their command lines against the real
// option parser, and their configuration against the real program.
package contrib

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"github.com/mxprint/mxprint/filter"
	"github.com/mxprint/mxprint/internal/daemon"
	"github.com/mxprint/mxprint/internal/test/lab"
	"github.com/mxprint/mxprint/internal/test/parts"
	"github.com/mxprint/mxprint/packet"
)

// unit is a systemd unit: sections of keys, a key with one value a line.
type unit map[string]map[string][]string

var (
	unitSection = regexp.MustCompile(`^\[(Unit|Service|Install)\]$`)
	unitLine    = regexp.MustCompile(`^([A-Z][A-Za-z]*)=(\S.*)$`)
)

func parseUnit(t *testing.T, path string) unit {
	t.Helper()
	u, section := unit{}, ""
	for i, line := range strings.Split(read(t, path), "\n") {
		if line == "" || line[0] == '#' {
			continue
		}
		if m := unitSection.FindStringSubmatch(line); m != nil {
			section = m[1]
			u[section] = map[string][]string{}
			continue
		}
		m := unitLine.FindStringSubmatch(line)
		if m == nil || section == "" {
			t.Fatalf("%s:%d: %q is no section and no key=value in one", path, i+1, line)
		}
		u[section][m[1]] = append(u[section][m[1]], m[2])
	}
	return u
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestUnits checks what a unit of ours must say: a socket in a directory that
// systemd makes, one capability, and a sensor that comes back.
func TestUnits(t *testing.T) {
	for _, path := range []string{"systemd/mxprint.service", "systemd/p0f.service"} {
		t.Run(path, func(t *testing.T) {
			service := parseUnit(t, path)["Service"]
			for key, want := range map[string]string{
				"AmbientCapabilities":    "CAP_NET_RAW",
				"CapabilityBoundingSet":  "CAP_NET_RAW",
				"NoNewPrivileges":        "yes",
				"Restart":                "on-failure",
				"Type":                   "notify",
				"FileDescriptorStoreMax": "10002", // the clients, the listener and the state
				"RuntimeDirectory":       strings.TrimSuffix(filepath.Base(path), ".service"),
			} {
				if got := service[key]; len(got) != 1 || got[0] != want {
					t.Errorf("%s = %q, want %q alone", key, got, want)
				}
			}
			// F1: the folder stays, for with a socket unit the socket in it is systemd's.
			// With DynamicUser= only root could look into it then.
			stays := service["RuntimeDirectoryPreserve"] != nil
			if dynamic := service["DynamicUser"] != nil; stays == dynamic || stays != (path == "systemd/mxprint.service") {
				t.Errorf("RuntimeDirectoryPreserve: %v, DynamicUser: %v, want the one in mxprint.service and the other in p0f.service", stays, dynamic)
			}
			families := " " + strings.Join(service["RestrictAddressFamilies"], " ") + " "
			for _, want := range []string{"AF_PACKET", "AF_UNIX", "AF_NETLINK"} {
				if !strings.Contains(families, " "+want+" ") {
					t.Errorf("RestrictAddressFamilies = %q, without %s", families, want)
				}
			}
			if len(service["ExecStart"]) != 1 {
				t.Errorf("ExecStart = %q, want one", service["ExecStart"])
			}
		})
	}
}

// TestDropIns: systemd adds what a drop-in says to what the unit says (F10). These
// take the power to sniff away first.
func TestDropIns(t *testing.T) {
	for name, powers := range map[string]string{
		"sockops": "CAP_BPF CAP_NET_ADMIN CAP_PERFMON", "proxy": "CAP_NET_BIND_SERVICE", "ask": "",
	} {
		text := read(t, "systemd/mxprint-"+name+".conf")
		for _, key := range []string{"AmbientCapabilities", "CapabilityBoundingSet"} {
			want := "\n" + key + "=\n"
			if powers != "" {
				want += key + "=" + powers + "\n"
			}
			if !strings.Contains(text, want) {
				t.Errorf("the drop-in %s has no %q", name, want)
			}
		}
	}
	if !strings.Contains(read(t, "systemd/mxprint-sockops.conf"), "\nSystemCallFilter=bpf\n") { // @privileged has taken it
		t.Error("the drop-in sockops may not call bpf")
	}
}

// TestCommandLines gives each command line to the parser that will read it, and
// its rule to the compiler.
func TestCommandLines(t *testing.T) {
	systemd := parseUnit(t, "systemd/p0f.service")["Service"]["ExecStart"][0]
	for _, tt := range []struct {
		name, script string
		runs         string // the user that -u must name, empty for none
	}{
		{"systemd", systemd, ""},
		{"upstart", upstartScript(t), "smtpd"},
		{"rc.d", rcScript(t, ""), "smtpd"},
		{"rc.d with an interface", rcScript(t, "p0f_interface=vtnet0"), "smtpd"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			args := arguments(t, tt.script)
			opt, err := daemon.ParseArgs(args)
			if err != nil {
				t.Fatalf("ParseArgs(%q) = %v, want no error", args, err)
			}
			if opt.User != tt.runs || opt.Daemon || opt.File != "" {
				t.Errorf("ParseArgs(%q) = user %q, daemon %v, file %q; want user %q, in the foreground, live",
					args, opt.User, opt.Daemon, opt.File, tt.runs)
			}
			checkSocket(t, opt.Socket)
			if !strings.Contains(opt.Rule, "port 25") {
				t.Errorf("rule = %q, want one with port 25", opt.Rule)
			}
			for _, link := range []packet.LinkType{packet.LinkEthernet, packet.LinkRaw} {
				if _, err := filter.Compile(opt.Rule, filter.Config{Link: int(link)}); err != nil {
					t.Errorf("Compile(%q) for link type %d = %v, want no error", opt.Rule, link, err)
				}
			}
		})
	}
}

// checkSocket wants a socket that no private /tmp hides, and whose name no one
// else can take first.
func checkSocket(t *testing.T, path string) {
	t.Helper()
	if !regexp.MustCompile(`^(/var)?/run/[a-z0-9]+/[a-z0-9.]+$`).MatchString(path) {
		t.Errorf("socket %q, want one in a directory of its own under /run or /var/run", path)
	}
}

// arguments has a shell split a command line: the program p0f prints its
// arguments.
func arguments(t *testing.T, script string) []string {
	t.Helper()
	const print = `p0f() { printf '%s\n' "$@"; }
`
	script = strings.ReplaceAll(script, "/usr/local/bin/p0f", "p0f")
	out, err := exec.Command("sh", "-euc", print+script).Output()
	if err != nil {
		t.Fatalf("sh: %v, of\n%s", err, script)
	}
	return strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
}

// upstartScript is the main script of the Upstart job with its variables. Its
// output is wanted here, and exec takes no function.
func upstartScript(t *testing.T) string {
	job := read(t, "ubuntu-upstart/p0f.conf")
	var b strings.Builder
	for _, m := range regexp.MustCompile(`(?m)^env (\w+=\S+)$`).FindAllStringSubmatch(job, -1) {
		b.WriteString(m[1] + "\n")
	}
	b.WriteString(stanza(t, job, "script"))
	return strings.NewReplacer("exec ", "", ">/dev/null", "").Replace(b.String())
}

// stanza returns the shell lines of "NAME … end script".
func stanza(t *testing.T, job, name string) string {
	t.Helper()
	m := regexp.MustCompile(`(?ms)^` + name + `$(.*?)^end script$`).FindStringSubmatch(job)
	if m == nil {
		t.Fatalf("no stanza %q", name)
	}
	return m[1]
}

// rcScript is the FreeBSD script up to the command that daemon(8) would start.
// FreeBSD's rc.subr is not there to be read: as it does, the last line has the
// shell evaluate command_args once.
func rcScript(t *testing.T, settings string) string {
	text := read(t, "bsd-rc.d/p0f")
	for old, new := range map[string]string{
		". /etc/rc.subr\n":             "load_rc_config() { :; }\n",
		"load_rc_config \"$name\"\n":   settings + "\n",
		"run_rc_command \"$1\"\n":      "eval \"${command_args#-f -p $pidfile}\"\n",
		"command=\"/usr/sbin/daemon\"": "",
	} {
		if strings.Count(text, old) != 1 {
			t.Fatalf("the script has not one line %q", old)
		}
		text = strings.Replace(text, old, new, 1)
	}
	return text
}

// TestShellSyntax has sh read every script without running it.
func TestShellSyntax(t *testing.T) {
	job := read(t, "ubuntu-upstart/p0f.conf")
	for _, tt := range []struct{ name, script string }{
		{"bsd-rc.d/p0f", read(t, "bsd-rc.d/p0f")},
		{"packages/deb-postinstall.sh", read(t, "packages/deb-postinstall.sh")},
		{"packages/deb-preremove.sh", read(t, "packages/deb-preremove.sh")},
		{"packages/deb-postremove.sh", read(t, "packages/deb-postremove.sh")},
		{"packages/rpm-postinstall.sh", read(t, "packages/rpm-postinstall.sh")},
		{"packages/rpm-preremove.sh", read(t, "packages/rpm-preremove.sh")},
		{"packages/rpm-postremove.sh", read(t, "packages/rpm-postremove.sh")},
		{"pre-start script of ubuntu-upstart/p0f.conf", stanza(t, job, "pre-start script")},
		{"script of ubuntu-upstart/p0f.conf", stanza(t, job, "script")},
	} {
		cmd := exec.Command("sh", "-n")
		cmd.Stdin = strings.NewReader(tt.script)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("sh -n of %s = %v, want no error\n%s", tt.name, err, out)
		}
	}
}

// TestConfiguration has mxprint check the example as it is and with every
// default written out, which must mean the same, and looks for keys that the
// example leaves out.
func TestConfiguration(t *testing.T) {
	if runtime.GOOS != "linux" {
		lab.Skip(t, "mxprint check looks for interfaces to capture on, which needs Linux")
	}
	dir := t.TempDir()
	program, err := parts.Program(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	const on = "listen = [\"/run/mxprint/query.sock\"]\n" // of [query]: what the package adds to the defaults
	shipped := read(t, "systemd/mxprint.toml")
	example := strings.Replace(shipped, "\n"+on, "\n# listen = []\n", 1)
	example = strings.Replace(example, "\nmode = \"0660\"\n", "\n# mode = \"0666\"\n", 1)
	if strings.Count(shipped, "\n"+on) != 1 || regexp.MustCompile(`(?m)^[a-z]`).MatchString(example) {
		t.Errorf("the example sets more than [query] listen and mode:\n%s", example)
	}
	written := regexp.MustCompile(`(?m)^# ([a-z_0-9]+ = )`).ReplaceAllString(example, "$1")
	full, commented := filepath.Join(dir, "full.toml"), filepath.Join(dir, "commented.toml")
	for path, text := range map[string]string{full: written, commented: example} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	// check takes the arguments of serve, and reads all that serve does.
	service := parseUnit(t, "systemd/mxprint.service")["Service"]["ExecStart"][0]
	line, ok := strings.CutPrefix(service, "/usr/local/bin/mxprint serve ")
	if !ok {
		t.Fatalf("ExecStart = %q, want serve", service)
	}
	// But for the line that says which file it is.
	check := func(t *testing.T, program string, args ...string) string {
		_, rest, _ := strings.Cut(check(t, program, args...), "\n")
		return rest
	}
	want := check(t, program)
	if got := check(t, program, "-config", "systemd/mxprint.toml"); !strings.Contains(got, "/run/mxprint/query.sock") {
		t.Errorf("check of the example shows no query socket:\n%s", got)
	}
	for _, path := range []string{commented, full} {
		args := strings.Fields(strings.Replace(line, "/etc/mxprint.toml", path, 1))
		if got := check(t, program, args...); got != want {
			t.Errorf("check of %s =\n%swant, as without a file,\n%s", filepath.Base(path), got, want)
		}
	}
	socket := regexp.MustCompile(`(?m)^p0f socket (.*)$`).FindStringSubmatch(want)
	if socket == nil {
		t.Fatalf("check names no socket:\n%s", want)
	}
	checkSocket(t, socket[1])
	keys := regexp.MustCompile("`toml:\"([a-z_0-9]+)\"`").FindAllStringSubmatch(read(t, "../internal/config/config.go")+read(t, "../internal/config/sensor.go")+read(t, "../internal/config/fronts.go")+read(t, "../internal/config/store.go")+read(t, "../internal/config/export.go"), -1)
	if len(keys) < 10 {
		t.Fatalf("%d keys in internal/config, want more", len(keys))
	}
	for _, m := range keys {
		if !regexp.MustCompile(`(?m)^(` + m[1] + ` = |\[` + m[1] + `\])`).MatchString(written) {
			t.Errorf("mxprint.toml has no key or table %s", m[1])
		}
	}
}

func check(t *testing.T, program string, args ...string) string {
	t.Helper()
	var stderr bytes.Buffer
	cmd := exec.Command(program, append([]string{"check"}, args...)...)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("mxprint check %q = %v, want no error\n%s", args, err, stderr.String())
	}
	return string(out)
}
