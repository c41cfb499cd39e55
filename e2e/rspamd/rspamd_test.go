//go:build linux

package rspamd

import (
	"context"
	"net/netip"
	"os/user"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/mxprint/mxprint/internal/test/lab"
	"github.com/mxprint/mxprint/internal/test/mailtest"
)

// rspamdMilter is where rspamd's proxy worker takes milter connections.
const rspamdMilter = "inet:127.0.0.1:11332"

// startRspamd starts rspamd in ns with Debian's configuration, its p0f module
// asking at socket with that timeout, and a milter on the namespace's loopback. It adds two
// headers to each mail: X-OS-Fingerprint, and X-Spamd-Result with all symbols.
func startRspamd(t testing.TB, ns *lab.NetNS, socket, timeout string) {
	t.Helper()
	startRspamdWith(t, ns, socket, timeout, nil)
}

// startRspamdWith is startRspamd with more files of local.d; in their text
// LOCAL_D stands for that folder.
func startRspamdWith(t testing.TB, ns *lab.NetNS, socket, timeout string, more map[string]string) {
	t.Helper()
	program := lab.NeedProgram(t, "rspamd")
	owner, err := user.Lookup("_rspamd")
	if err != nil {
		t.Fatal(err)
	}
	dir := mailtest.TempDir(t)
	state := filepath.Join(dir, "state")
	mailtest.MakeDir(t, state, owner)
	local := map[string]string{
		"p0f.conf": "enabled = true;\nsocket = \"" + socket + "\";\ntimeout = " + timeout + ";\n" +
			"patterns { LINUX_HOST = '^Linux.*'; WINDOWS_HOST = '^Windows.*'; }\n",
		"milter_headers.conf": "use = [\"x-os-fingerprint\", \"x-spamd-result\"];\n",
		// The proxy worker scans by itself; the others only cost memory.
		"worker-proxy.inc":      "upstream \"local\" { self_scan = yes; }\n",
		"worker-normal.inc":     "enabled = false;\n",
		"worker-controller.inc": "enabled = false;\n",
		"logging.inc":           "type = \"console\";\n",
		// No resolver answers, and no mail is to be refused for
		// what the missing answers suggest. Compiling the whole list of public
		// suffixes takes eight seconds; one is enough here.
		"options.inc":  "url_tld = \"" + filepath.Join(dir, "local.d", "suffixes") + "\";\ndns { nameserver = \"127.0.0.1\"; timeout = 100ms; retransmits = 1; }\n",
		"suffixes":     "example\n",
		"actions.conf": "reject = null;\nadd_header = null;\ngreylist = null;\n",
	}
	for name, text := range more {
		local[name] = strings.ReplaceAll(text, "LOCAL_D", filepath.Join(dir, "local.d"))
	}
	mailtest.WriteFiles(t, filepath.Join(dir, "local.d"), local)
	p := mailtest.Start(t, "rspamd", ns.Command(context.Background(), program,
		"-f", "-c", "/etc/rspamd/rspamd.conf", "-u", owner.Username, "-g", owner.Username,
		"--var=LOCAL_CONFDIR="+dir, "--var=DBDIR="+state, "--var=RUNDIR="+state, "--var=LOGDIR="+state))
	p.WaitFor("milter port", func() bool {
		return mailtest.Listens(ns, netip.MustParseAddr("127.0.0.1"), 11332)
	})
}

func TestRspamd(t *testing.T) {
	pair := lab.NewPair(t)
	socket := mailtest.StartSensor(t, pair.Server)
	startRspamd(t, pair.Server, socket, "60s")
	// Without an answer from the milter the mail is not taken: a fault of the
	// milter cannot pass for a mail without headers.
	p := mailtest.StartPostfix(t, pair.Server, "smtpd_milters = "+rspamdMilter, "milter_default_action = tempfail")
	mailtest.KnowClients(t, pair, socket)
	fingerprint := regexp.MustCompile(`^Linux [^,]*, \(up: \d+ min\), \(distance \d+, link: [^)]+\)$`)
	// The module gives the OS to the symbol of the pattern that it matches.
	pattern := regexp.MustCompile(`\bLINUX_HOST\(0\.00\)\[Linux [^,\]]*\]`)
	symbol := regexp.MustCompile(`\bP0F\(0\.00\)\[link=[^,\]]+, *distance=\d+\]`)
	windows := regexp.MustCompile(`\bWINDOWS_HOST\(|\bP0F_FAIL\(`)
	for _, f := range mailtest.Families(pair) {
		t.Run(f.Name, func(t *testing.T) {
			if err := mailtest.SendMail(pair.Client, f.From, f.To, f.Name); err != nil {
				t.Fatal(err)
			}
			h := mailtest.Delivered(t, p.Mails, f.Name)
			t.Logf("X-OS-Fingerprint: %s", h.Get("X-OS-Fingerprint"))
			t.Logf("X-Spamd-Result: %s", h.Get("X-Spamd-Result"))
			if got := h.Get("X-OS-Fingerprint"); !fingerprint.MatchString(got) {
				t.Errorf("X-OS-Fingerprint = %q, want %s", got, fingerprint)
			}
			got := h.Get("X-Spamd-Result")
			for _, want := range []*regexp.Regexp{symbol, pattern} {
				if !want.MatchString(got) {
					t.Errorf("X-Spamd-Result = %q, want %s in it", got, want)
				}
			}
			if windows.MatchString(got) {
				t.Errorf("X-Spamd-Result = %q, want no %s in it", got, windows)
			}
		})
	}
}

// TestRspamdSensorAway: rspamd waits for a stalled sensor as long as its recipe
// says, and not at all for one that has ended.
func TestRspamdSensorAway(t *testing.T) {
	pair := lab.NewPair(t)
	dir := mailtest.TempDir(t)
	sensor := mailtest.StartServe(t, pair.Server, dir)
	startRspamd(t, pair.Server, filepath.Join(dir, "p0f.sock"), "1s")
	mailtest.StartPostfix(t, pair.Server, "smtpd_milters = "+rspamdMilter, "milter_default_action = tempfail")
	const bound = time.Second // timeout in docs/rspamd.md
	usual := mailtest.SendMany(t, pair, "usual", 50, func(int) {})
	sensor.Signal(syscall.SIGSTOP)
	stalled := mailtest.SendMany(t, pair, "stalled", 50, func(int) {})
	sensor.Signal(syscall.SIGCONT)
	sensor.Stop()
	ended := mailtest.SendMany(t, pair, "ended", 50, func(int) {})
	for name, r := range map[string]*mailtest.Round{"stalled": stalled, "ended": ended} {
		mailtest.CheckHang(t, usual, r, bound)
		if len(r.Ids) != 50 {
			t.Errorf("%s: %d of 50 mails were taken", name, len(r.Ids))
		}
	}
}
