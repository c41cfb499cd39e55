//go:build linux

package e2e

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/mxprint/mxprint/internal/test/lab"
)

// startServe starts `mxprint serve` on the interface of ns, with a query socket
// in dir. More lines of configuration follow.
func startServe(t testing.TB, ns *lab.NetNS, dir string, config ...string) *process {
	t.Helper()
	socket := filepath.Join(dir, "query.sock")
	path := filepath.Join(tempDir(t), "mxprint.toml")
	// A busy machine may take longer than the 10 ms that a question waits for
	// its SYN by itself.
	text := fmt.Sprintf("[sensor]\ninterfaces = [%q]\n[p0f]\nsocket = %q\nwait = \"1s\"\n[query]\nlisten = [%q]\n%s",
		ns.If, filepath.Join(dir, "p0f.sock"), socket, strings.Join(config, "\n"))
	writeFiles(t, filepath.Dir(path), map[string]string{filepath.Base(path): text})
	sensorProgram(t) // builds it
	cmd := ns.Command(context.Background(), filepath.Join(binDir, "mxprint"), "serve", "-config", path)
	p := start(t, "serve", cmd)
	p.waitFor("ready", func() bool { return bytes.Contains(p.out.bytes(), []byte("ready")) })
	return p
}

// recipe is the indented lines of a page of docs which contain all of words,
// and those around them that belong to it.
func recipe(t testing.TB, page string, words ...string) string {
	t.Helper()
	text, err := os.ReadFile(repoPath(t, "docs", page))
	if err != nil {
		t.Fatal(err)
	}
	block := regexp.MustCompile(`(?m)(^(    .*)?\n)+`)
	for _, b := range block.FindAllString(string(text), -1) {
		if slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(b, w) }) {
			continue
		}
		lines := strings.Split(strings.Trim(b, "\n"), "\n")
		indent := lines[0][:len(lines[0])-len(strings.TrimLeft(lines[0], " "))]
		for i, l := range lines {
			lines[i] = strings.TrimPrefix(l, indent)
		}
		return strings.Join(lines, "\n") + "\n"
	}
	t.Fatalf("docs/%s has no block with %q", page, words)
	return ""
}

// An exim is a running Exim of a system of its own.
type exim struct {
	*process
	mails string // maildir of the recipient
}

// eximConfig takes the two parts of the recipe. All mail for the domain goes
// into one maildir; nothing is sent on.
const eximConfig = `
primary_hostname = mx.%[1]s
domainlist local_domains = %[1]s
local_interfaces = <; 0.0.0.0 ; ::0
acl_smtp_rcpt = acl_rcpt
host_lookup =
rfc1413_query_timeout = 0s
smtp_accept_max = 0
tls_advertise_hosts =
log_file_path = /mnt/log/%%slog
%[2]s
begin acl
acl_rcpt:
  accept domains = +local_domains
%[3]s
begin routers
all:
  driver = accept
  domains = +local_domains
  transport = maildir
begin transports
maildir:
  driver = appendfile
  directory = /mnt/mails
  maildir_format
  user = Debian-exim
  group = Debian-exim
`

// startExim starts it in ns on port 25 of all its addresses, with the ACLs of
// docs/exim.md asking at query.sock in dir.
func startExim(t testing.TB, ns *lab.NetNS, dir string, times patience) *exim {
	t.Helper()
	c := newChroot(t, "exim")
	owner := c.owner("Debian-exim")
	e := &exim{mails: filepath.Join(dir, "mails")}
	for _, d := range []string{"mails", "log", "spool"} {
		makeDir(t, filepath.Join(dir, d), owner)
	}
	options := recipe(t, "exim.md", "acl_smtp_connect =", "acl_smtp_data")
	acls := strings.ReplaceAll(recipe(t, "exim.md", "acl_mxprint_connect:", "acl_mxprint_data:"), "/run/mxprint/", "/mnt/")
	writeFiles(t, filepath.Join(dir, "exim4"), map[string]string{
		"exim4.conf": fmt.Sprintf(eximConfig, domain, options, times(acls)),
	})
	binds := map[string]string{
		"/mnt": dir, "/etc/exim4": filepath.Join(dir, "exim4"), "/var/spool/exim4": filepath.Join(dir, "spool"),
	}
	e.process = start(t, "exim", c.command(ns, binds, "exim4", "-bdf", "-q1m", "-oP", "/mnt/spool/pid"))
	e.waitFor("SMTP", func() bool { return greets(ns, ns.IPv4) && greets(ns, ns.IPv6) })
	t.Cleanup(func() { showLog(t, filepath.Join(dir, "log")) })
	return e
}

// showLog shows what Exim wrote into its log of a test that has failed.
func showLog(t testing.TB, dir string) {
	if t.Failed() {
		log, _ := os.ReadFile(filepath.Join(dir, "mainlog"))
		t.Logf("exim logged:\n%s", log[max(0, len(log)-16<<10):])
	}
}

func TestExim(t *testing.T) {
	pair := lab.NewPair(t)
	dir := tempDir(t)
	startServe(t, pair.Server, dir)
	e := startExim(t, pair.Server, dir, patient)
	for _, f := range families(pair) {
		t.Run(f.name, func(t *testing.T) {
			swaks(t, pair.Client, f.from, f.to, f.name)
			got, wrong := results(headerLines(t, e.mails, f.name))
			if wrong != "" {
				t.Error(wrong)
			}
			t.Log(got)
		})
	}
	t.Run("forged", func(t *testing.T) { checkForgeries(t, pair, e.mails) })
}

// TestEximDebian puts the recipe into Debian's own configuration. There the
// recipient has an account and a maildir.
func TestEximDebian(t *testing.T) {
	pair := lab.NewPair(t)
	dir := tempDir(t)
	startServe(t, pair.Server, dir)
	c := newChroot(t, "exim")
	owner := c.owner("Debian-exim")
	for _, d := range []string{"spool", "spool/db", "spool/input", "spool/msglog", "log", "lib"} {
		makeDir(t, filepath.Join(dir, d), owner)
	}
	mails := filepath.Join(dir, "bob")
	makeDir(t, mails, &user.User{Uid: "1000", Gid: "1000"})
	etc := filepath.Join(dir, "exim4")
	if err := os.CopyFS(etc, os.DirFS(filepath.Join(c.root, "etc/exim4"))); err != nil {
		t.Fatal(err)
	}
	passwd, err := os.ReadFile(filepath.Join(c.root, "etc/passwd"))
	if err != nil {
		t.Fatal(err)
	}
	writeFiles(t, dir, map[string]string{"passwd": string(passwd) + "bob:x:1000:1000::/mnt/bob:/bin/false\n"})
	writeFiles(t, etc, map[string]string{
		"update-exim4.conf.conf": "dc_eximconfig_configtype='internet'\ndc_other_hostnames='" + domain +
			"'\ndc_local_interfaces=''\ndc_use_split_config='false'\nCFILEMODE='644'\ndc_localdelivery='maildir_home'\n",
		"exim4.conf.localmacros": recipe(t, "exim.md", "CHECK_DATA_LOCAL_ACL_FILE"),
		"mxprint_data":           patient(strings.ReplaceAll(recipe(t, "exim.md", "\n       warn\n", "remove_header"), "/run/mxprint/", "/mnt/")),
	})
	binds := map[string]string{
		"/mnt": dir, "/etc/exim4": etc, "/etc/passwd": filepath.Join(dir, "passwd"),
		"/var/spool/exim4": filepath.Join(dir, "spool"), "/var/log/exim4": filepath.Join(dir, "log"), "/var/lib/exim4": filepath.Join(dir, "lib"),
	}
	if out, err := c.command(pair.Server, binds, "update-exim4.conf").CombinedOutput(); err != nil {
		t.Fatalf("update-exim4.conf: %v: %s", err, out)
	}
	e := start(t, "exim", c.command(pair.Server, binds, "exim4", "-bdf", "-q1m", "-oP", "/mnt/spool/pid"))
	t.Cleanup(func() { showLog(t, filepath.Join(dir, "log")) })
	e.waitFor("SMTP", func() bool { return greets(pair.Server, pair.Server.IPv4) })
	if err := dialSMTP(t, pair.Client, pair.Client.IPv4, pair.Server.IPv4).send("debian", "X-p0f-Result: forged"); err != nil {
		t.Fatal(err)
	}
	if _, wrong := results(headerLines(t, mails, "debian")); wrong != "" {
		t.Error(wrong)
	}
	t.Run("two machines behind one address", func(t *testing.T) { checkTwoMachines(t, pair, mails) })
}

// checkTwoMachines makes two connections from one address, the second as a
// machine four hops further away would. The mails come in the other order,
// when both connections have been seen.
func checkTwoMachines(t *testing.T, pair *lab.Pair, mails string) {
	dial := func(ttl string) *client {
		out, err := pair.Client.Command(context.Background(), "sysctl", "-qw", "net.ipv4.ip_default_ttl="+ttl).CombinedOutput()
		if err != nil {
			t.Fatalf("sysctl: %v: %s", err, out)
		}
		return dialSMTP(t, pair.Client, pair.Client.IPv4, pair.Server.IPv4)
	}
	check := func(c *client, id, want string) {
		if err := c.send(id); err != nil {
			t.Fatal(err)
		}
		got, _ := results(headerLines(t, mails, id))
		if len(got) != 1 || !strings.Contains(got[0], want) {
			t.Errorf("mail %s: %q, want %s", id, got, want)
		}
	}
	near, far := dial("64"), dial("60")
	check(far, "far", " distance=4 ")
	check(near, "near", " distance=0 ")
	check(far, "far-again", " distance=4 ")
}

// TestEximSensorAway: Exim's own smallest time-out is a second.
func TestEximSensorAway(t *testing.T) {
	pair := lab.NewPair(t)
	dir := tempDir(t)
	serve := func() *process { return startServe(t, pair.Server, dir) }
	sensor := serve()
	e := startExim(t, pair.Server, dir, asWritten)
	checkSensorAway(t, pair, e.mails, sensor, serve, time.Second)
}

// checkSensorAway sends 500 mails while the sensor is restarted, stopped and
// ended. None may hang, and all must arrive: with the header unless the sensor
// was away, or the machine too busy to answer in time.
func checkSensorAway(t *testing.T, pair *lab.Pair, mails string, sensor *process, restart func() *process, bound time.Duration) {
	t.Helper()
	usual := sendNoted(t, pair, mails, "usual", 100)
	restarted := make(chan *process, 1)
	away := sendMany(t, pair, "away", 500, func(i int) {
		switch i {
		case 100:
			go func() {
				sensor.stop()
				restarted <- restart()
			}()
		case 250:
			sensor = <-restarted
			sensor.signal(syscall.SIGSTOP)
		case 270:
			sensor.signal(syscall.SIGCONT)
		case 400:
			go sensor.stop()
		}
	})
	got := withHeader(t, mails, away.ids)
	t.Logf("with a sensor restarted, stopped and ended %d of 500 mails have a header", got)
	if len(away.ids) != 500 {
		t.Errorf("%d of 500 mails were taken", len(away.ids))
	}
	checkHang(t, usual, away, bound)
	if got == 0 {
		t.Error("no mail has a header")
	}
}

// sendNoted sends mails until half of a round of count has a header, and returns
// that round. Time limits of milliseconds are above what a sensor needs, but
// not on every machine at every moment.
func sendNoted(t *testing.T, pair *lab.Pair, mails, prefix string, count int) *round {
	t.Helper()
	var r *round
	for try := range 10 {
		r = sendMany(t, pair, fmt.Sprintf("%s-%d", prefix, try), count, func(int) {})
		got := withHeader(t, mails, r.ids)
		if got >= count/2 {
			return r
		}
		t.Logf("%s: %d of %d mails have a header", prefix, got, count)
	}
	t.Errorf("%s: of ten rounds none has a header in half of its mails", prefix)
	return r
}

// withHeader waits for the mails and counts those with a header of ours; none
// may have two. Whether the address is shared is p0f's guess from ports, which
// are random here.
func withHeader(t *testing.T, mails string, ids []string) (count int) {
	t.Helper()
	all := headersOf(t, mails, ids)
	for _, id := range ids {
		n := 0
		for _, l := range all[id] {
			if strings.HasPrefix(l, `X-p0f-Result: os="Linux`) {
				n++
			} else if ourHeader.MatchString(l) {
				t.Errorf("mail %s has the header %q", id, l)
			}
		}
		if n > 1 {
			t.Errorf("mail %s has %d headers, want one", id, n)
		}
		count += min(n, 1)
	}
	return count
}
