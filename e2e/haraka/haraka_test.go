//go:build linux

package haraka

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/mail"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/mxprint/mxprint/internal/test/lab"
	"github.com/mxprint/mxprint/internal/test/mailtest"
	"github.com/mxprint/mxprint/internal/test/parts"
)

// A haraka is a running Haraka with the published p0f plugin, or ours.
type haraka struct {
	*mailtest.Process
	mails string // directory with one file a delivered mail
	cert  string // its certificate, where it has one
}

// karmaIni has the rules on p0f's results that the plugin ships, and one of the
// same form that matches the test's own client. A negative score slows the
// client down (tarpit); one that matters here would only make the test slow.
const karmaIni = `
[redis]
host=127.0.0.1
port=6379
[tarpit]
delay=0.01
[result_awards]
031 = p0f | os_name   | match  | windows | -1 | Windows OS
032 = p0f | os_flavor | equals | XP      | -2 | Windows XP
033 = p0f | os_name   | match  | linux   | -1 | the rule of this test
`

// Haraka takes connections before its plugins have been initialised, and the
// p0f plugin then has no client to ask with. This one stands last and says
// when they are.
const readyPlugin = `exports.hook_init_child = function (next) {
  this.lognotice('all plugins are ready')
  next()
}
`

// startHaraka starts Haraka in ns on port 25 of both its addresses, with the
// p0f plugin asking at socket. With karma, the plugins redis and karma stand
// before it as their documentation says, and a Redis of their own runs in ns.
func startHaraka(t testing.TB, ns *lab.NetNS, socket string, karma bool) *haraka {
	t.Helper()
	return startHarakaPlugin(t, ns, "p0f", socket, karma, "")
}

// startHarakaPlugin is startHaraka with the plugin p0f, or mxprint, which is
// ours, and with more lines of p0f.ini.
func startHarakaPlugin(t testing.TB, ns *lab.NetNS, plugin, socket string, karma bool, ini string) *haraka {
	t.Helper()
	return startHarakaRules(t, ns, plugin, socket, karma, ini, karmaIni)
}

// startHarakaRules is startHarakaPlugin with another karma.ini.
func startHarakaRules(t testing.TB, ns *lab.NetNS, plugin, socket string, karma bool, ini, rules string) *haraka {
	t.Helper()
	node := lab.NeedProgram(t, "node")
	program := harakaProgram(t)
	h := &haraka{mails: mailtest.TempDir(t)}
	dir := mailtest.TempDir(t)
	if out, err := exec.Command(node, program, "-i", dir).CombinedOutput(); err != nil {
		t.Fatalf("haraka -i: %v\n%s", err, out)
	}
	if strings.HasSuffix(plugin, "mxprint") {
		installPlugin(t, dir)
	}
	if strings.HasPrefix(plugin, "tls\n") {
		h.cert = filepath.Join(dir, "config", "tls_cert.pem")
		mailtest.NewCert(t, filepath.Dir(h.cert))
		for _, name := range []string{"cert.pem", "key.pem"} {
			if err := os.Rename(filepath.Join(dir, "config", name), filepath.Join(dir, "config", "tls_"+name)); err != nil {
				t.Fatal(err)
			}
		}
	}
	plugins := []string{plugin, "rcpt_to.in_host_list", "queue/test", "ready"}
	if karma {
		startRedis(t, ns)
		plugins = append([]string{"redis", "karma"}, plugins...)
	}
	listen := fmt.Sprintf("%s,%s", netip.AddrPortFrom(ns.IPv4, 25), netip.AddrPortFrom(ns.IPv6, 25))
	mailtest.WriteFiles(t, filepath.Join(dir, "config"), map[string]string{
		"me":        "mx." + mailtest.Domain + "\n",
		"host_list": mailtest.Domain + "\n",
		"plugins":   strings.Join(plugins, "\n") + "\n",
		"smtp.ini":  "listen=" + listen + "\n",
		"p0f.ini":   "[main]\nsocket_path=" + socket + "\nadd_header=X-p0f-Result\n" + ini,
		"redis.ini": "[server]\nhost=127.0.0.1\nport=6379\n[pubsub]\nhost=127.0.0.1\nport=6379\n",
		"karma.ini": rules,
	})
	mailtest.WriteFiles(t, filepath.Join(dir, "plugins"), map[string]string{"ready.js": readyPlugin})
	cmd := ns.Command(context.Background(), node, program, "-c", dir)
	// queue/test writes each mail into the system's temporary directory.
	cmd.Env = append(os.Environ(), "TMPDIR="+h.mails)
	h.Process = mailtest.Start(t, "haraka", cmd)
	h.Printed("[ready] all plugins are ready")
	return h
}

// ends has a client make a connection, and waits until Haraka has logged its end:
// what it logs about the connection stands before that.
func (h *haraka) ends(from netip.Addr, connect func()) {
	count := func() int { return bytes.Count(h.Out.Bytes(), []byte("disconnect ip="+from.String()+" ")) }
	before := count()
	connect()
	h.WaitFor("end of a connection from "+from.String(), func() bool { return count() > before })
}

// harakaProgram is the Haraka of the tests, at the versions of a lock file.
func harakaProgram(t testing.TB) string {
	t.Helper()
	dir, err := parts.Haraka(context.Background(), t.Logf)
	if err != nil {
		lab.Skip(t, "needs Haraka from npm: "+err.Error())
	}
	return filepath.Join(dir, "node_modules", "Haraka", "bin", "haraka")
}

// startRedis starts a Redis on port 6379 of the namespace's loopback.
func startRedis(t testing.TB, ns *lab.NetNS) {
	t.Helper()
	program := lab.NeedProgram(t, "redis-server")
	cmd := ns.Command(context.Background(), program, "--port", "6379", "--bind", "127.0.0.1", "--save", "", "--appendonly", "no")
	cmd.Dir = mailtest.TempDir(t)
	p := mailtest.Start(t, "redis", cmd)
	p.WaitFor("port 6379", func() bool { return mailtest.Listens(ns, netip.MustParseAddr("127.0.0.1"), 6379) })
}

// isLinux is what the plugin makes of a matched answer for this machine's own
// kernel: the family first, whatever the version.
var isLinux = regexp.MustCompile(`^os="Linux( [^"]*)?"`)

// checkLinux checks the header that the p0f plugin adds when it had a match.
func checkLinux(h mail.Header) error {
	if got := h.Get("X-p0f-Result"); !isLinux.MatchString(got) {
		return fmt.Errorf("X-p0f-Result = %q, want os=\"Linux …\"", got)
	}
	return nil
}

func TestHarakaHeaderAndKarma(t *testing.T) {
	pair := lab.NewPair(t)
	socket := mailtest.StartSensor(t, pair.Server)
	h := startHaraka(t, pair.Server, socket, true)
	mailtest.KnowClients(t, pair, socket)
	for _, tt := range mailtest.Families(pair) {
		t.Run(tt.Name, func(t *testing.T) {
			mailtest.Swaks(t, pair.Client, tt.From, tt.To, tt.Name)
			header := mailtest.Delivered(t, h.mails, tt.Name)
			t.Logf("X-p0f-Result: %s", header.Get("X-p0f-Result"))
			t.Logf("X-Haraka-Karma: %s", header.Get("X-Haraka-Karma"))
			if err := checkLinux(header); err != nil {
				t.Error(err)
			}
			awards := karmaAwards(header)
			if !awards["033"] {
				t.Errorf("karma's rule 033 on os_name did not fire: X-Haraka-Karma = %q", header.Get("X-Haraka-Karma"))
			}
			if awards["031"] || awards["032"] {
				t.Errorf("karma took a Linux client for Windows: X-Haraka-Karma = %q", header.Get("X-Haraka-Karma"))
			}
		})
	}
}

// karmaAwards is the set of rules that fired, from the header that karma adds:
// "score: -1, awards: 033,040, fail:…".
func karmaAwards(h mail.Header) map[string]bool {
	awards := map[string]bool{}
	m := regexp.MustCompile(`awards: ([0-9,]+)`).FindStringSubmatch(h.Get("X-Haraka-Karma"))
	if m == nil {
		return awards
	}
	for _, id := range strings.Split(m[1], ",") {
		awards[id] = true
	}
	return awards
}

// firstLookups is how many clients of each family are asked about for the
// first time.
const firstLookups = 25

// A mail server asks within microseconds of the handshake, before p0f has read
// the SYN: p0f says "no match" to about half of the first look-ups. The plugin
// runs alone here; every plugin before it would give the sensor time.
func TestHarakaFirstLookups(t *testing.T) {
	pair := lab.NewPair(t)
	h := startHaraka(t, pair.Server, mailtest.StartPatientSensor(t, pair.Server), false)
	answered := map[string]int{}
	for _, f := range []struct {
		name    string
		clients []netip.Addr
		to      netip.Addr
	}{
		{"ipv4", pair.Client.AddIPv4(firstLookups), pair.Server.IPv4},
		{"ipv6", pair.Client.AddIPv6(firstLookups), pair.Server.IPv6},
	} {
		for i, from := range f.clients {
			id := f.name + "-" + strconv.Itoa(i)
			if err := mailtest.SendMail(pair.Client, from, f.to, id); err != nil {
				t.Fatal(err)
			}
			if err := checkLinux(mailtest.Delivered(t, h.mails, id)); err != nil {
				t.Errorf("first mail from %s: %v", from, err)
				continue
			}
			answered[f.name]++
		}
	}
	t.Logf("first look-ups answered with a match: %d of %d by IPv4, %d of %d by IPv6; %d of all with \"no match\"",
		answered["ipv4"], firstLookups, answered["ipv6"], firstLookups,
		bytes.Count(h.Out.Bytes(), []byte("[p0f] no p0f results")))
}

func TestSockopsHaraka(t *testing.T) {
	c := mailtest.NewCell(t)
	var h *haraka
	serve := func() { h = startHaraka(t, c.Server, filepath.Join(c.Dir, "p0f.sock"), false) }
	c.Inside(serve)
	c.StartSensor(t)
	waitForPlugin(t, c, h.mails)
	named := c.Send(t, h.mails, "older-", mailtest.CellLookups/2)
	h.Stop()
	c.Inside(serve)
	named += c.Send(t, h.mails, "younger-", mailtest.CellLookups/2)
	t.Logf("%d of %d first look-ups of the published Haraka plugin", named, mailtest.CellLookups)
	if named != mailtest.CellLookups {
		t.Errorf("%d of %d first look-ups of the published Haraka plugin were answered", named, mailtest.CellLookups)
	}
}

// waitForPlugin waits until the published plugin has found the sensor, which
// was not there when it began: it tries every 5 s.
func waitForPlugin(t *testing.T, c *mailtest.Cell, mails string) {
	t.Helper()
	probes := 0
	lab.Eventually(t, func() error {
		probes++
		id := fmt.Sprint("probe-", probes)
		if err := mailtest.SendMail(c.Client, c.Client.IPv4, c.Server.IPv4, id); err != nil {
			t.Fatal(err)
		}
		if mailtest.Delivered(t, mails, id).Get("X-p0f-Result") == "" {
			return errors.New("the plugin does not find the sensor")
		}
		return nil
	})
}
