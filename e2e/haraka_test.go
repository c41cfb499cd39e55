//go:build linux

package e2e

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/mail"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/mxprint/mxprint/internal/test/lab"
	"github.com/mxprint/mxprint/internal/test/parts"
)

// A haraka is a running Haraka with the published p0f plugin, or ours.
type haraka struct {
	*process
	mails string // directory with one file a delivered mail
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
	node := lab.NeedProgram(t, "node")
	program := harakaProgram(t)
	h := &haraka{mails: tempDir(t)}
	dir := tempDir(t)
	if out, err := exec.Command(node, program, "-i", dir).CombinedOutput(); err != nil {
		t.Fatalf("haraka -i: %v\n%s", err, out)
	}
	if plugin == "mxprint" {
		installPlugin(t, dir)
	}
	plugins := []string{plugin, "rcpt_to.in_host_list", "queue/test", "ready"}
	if karma {
		startRedis(t, ns)
		plugins = append([]string{"redis", "karma"}, plugins...)
	}
	listen := fmt.Sprintf("%s,%s", netip.AddrPortFrom(ns.IPv4, 25), netip.AddrPortFrom(ns.IPv6, 25))
	writeFiles(t, filepath.Join(dir, "config"), map[string]string{
		"me":        "mx." + domain + "\n",
		"host_list": domain + "\n",
		"plugins":   strings.Join(plugins, "\n") + "\n",
		"smtp.ini":  "listen=" + listen + "\n",
		"p0f.ini":   "[main]\nsocket_path=" + socket + "\nadd_header=X-p0f-Result\n" + ini,
		"redis.ini": "[server]\nhost=127.0.0.1\nport=6379\n[pubsub]\nhost=127.0.0.1\nport=6379\n",
		"karma.ini": karmaIni,
	})
	writeFiles(t, filepath.Join(dir, "plugins"), map[string]string{"ready.js": readyPlugin})
	cmd := ns.Command(context.Background(), node, program, "-c", dir)
	// queue/test writes each mail into the system's temporary directory.
	cmd.Env = append(os.Environ(), "TMPDIR="+h.mails)
	h.process = start(t, "haraka", cmd)
	h.waitFor("SMTP on "+listen, func() bool {
		return bytes.Contains(h.out.bytes(), []byte("[ready] all plugins are ready"))
	})
	return h
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
	cmd.Dir = tempDir(t)
	p := start(t, "redis", cmd)
	p.waitFor("port 6379", func() bool { return listens(ns, netip.MustParseAddr("127.0.0.1"), 6379) })
}

// listens says if connections to the port are accepted inside ns. It connects
// from ns itself, which the sensor on the interface does not see.
func listens(ns *lab.NetNS, addr netip.Addr, port uint16) bool {
	err := ns.Do(func() error {
		c, err := net.DialTimeout("tcp", netip.AddrPortFrom(addr, port).String(), time.Second)
		if err == nil {
			c.Close()
		}
		return err
	})
	return err == nil
}

// writeFiles makes dir and the files in it, by name.
func writeFiles(t testing.TB, dir string, files map[string]string) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
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
	socket := startSensor(t, pair.Server)
	h := startHaraka(t, pair.Server, socket, true)
	knowClients(t, pair, socket)
	for _, tt := range families(pair) {
		t.Run(tt.name, func(t *testing.T) {
			swaks(t, pair.Client, tt.from, tt.to, tt.name)
			header := delivered(t, h.mails, tt.name)
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
	h := startHaraka(t, pair.Server, startPatientSensor(t, pair.Server), false)
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
			if err := sendMail(pair.Client, from, f.to, id); err != nil {
				t.Fatal(err)
			}
			if err := checkLinux(delivered(t, h.mails, id)); err != nil {
				t.Errorf("first mail from %s: %v", from, err)
				continue
			}
			answered[f.name]++
		}
	}
	t.Logf("first look-ups answered with a match: %d of %d by IPv4, %d of %d by IPv6; %d of all with \"no match\"",
		answered["ipv4"], firstLookups, answered["ipv6"], firstLookups,
		bytes.Count(h.out.bytes(), []byte("[p0f] no p0f results")))
}
