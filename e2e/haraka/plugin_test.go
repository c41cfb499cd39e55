//go:build linux

package haraka

import (
	"bytes"
	"context"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mxprint/mxprint/internal/test/lab"
	"github.com/mxprint/mxprint/internal/test/mailtest"
)

// pluginDir is the plugin of ours in the checkout.
func pluginDir(t testing.TB) string {
	return mailtest.RepoPath(t, "contrib", "haraka-plugin-mxprint")
}

// installPlugin packs the plugin as it would be published, and installs the
// package into Haraka's folder.
func installPlugin(t testing.TB, haraka string) {
	t.Helper()
	npm := lab.NeedProgram(t, "npm")
	packed := mailtest.TempDir(t)
	cmd := exec.Command(npm, "pack", "--offline", "--silent", "--pack-destination", packed)
	cmd.Dir = pluginDir(t)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("npm pack: %v\n%s", err, out)
	}
	to := filepath.Join(haraka, "node_modules", "haraka-plugin-mxprint")
	if err := os.MkdirAll(to, 0o755); err != nil {
		t.Fatal(err)
	}
	archive := filepath.Join(packed, strings.TrimSpace(string(out)))
	if out, err := exec.Command("tar", "-xzf", archive, "-C", to, "--strip-components=1").CombinedOutput(); err != nil {
		t.Fatalf("unpacking %s: %v\n%s", archive, err, out)
	}
}

// pluginPatience is the line of p0f.ini that makes our plugin patient.
const pluginPatience = "deadline=10000\n"

// startOurHaraka starts the sensor and a Haraka with our plugin, and with more
// lines of p0f.ini.
func startOurHaraka(t testing.TB, ns *lab.NetNS, karma bool, ini string) (*haraka, *mailtest.Process, func() *mailtest.Process) {
	t.Helper()
	dir, wait := mailtest.TempDir(t), "50ms"
	if ini == pluginPatience { // the sensor may be late
		wait = "1s"
	}
	serve := func() *mailtest.Process { return mailtest.StartServeWait(t, ns, dir, wait) }
	sensor := serve()
	return startHarakaPlugin(t, ns, "mxprint", filepath.Join(dir, "query.sock"), karma, ini), sensor, serve
}

func TestHarakaPlugin(t *testing.T) {
	pair := lab.NewPair(t)
	h, _, _ := startOurHaraka(t, pair.Server, true, pluginPatience)
	for _, f := range mailtest.Families(pair) {
		t.Run(f.Name, func(t *testing.T) {
			mailtest.Swaks(t, pair.Client, f.From, f.To, f.Name)
			got, wrong := mailtest.Results(mailtest.HeaderLines(t, h.mails, f.Name))
			if wrong != "" {
				t.Error(wrong)
			}
			header := mailtest.Delivered(t, h.mails, f.Name)
			t.Logf("%s; X-Haraka-Karma: %s", got, header.Get("X-Haraka-Karma"))
			awards := karmaAwards(header)
			if !awards["033"] || awards["031"] || awards["032"] {
				t.Errorf("X-Haraka-Karma = %q, want the award 033 of Linux and none of Windows", header.Get("X-Haraka-Karma"))
			}
		})
	}
	t.Run("forged", func(t *testing.T) { mailtest.CheckForgeries(t, pair, h.mails) })
	t.Run("one connection", func(t *testing.T) { mailtest.CheckOneConnection(t, pair, h.mails) })
	t.Run("two machines behind one address", func(t *testing.T) { mailtest.CheckTwoMachines(t, pair, h.mails) })
	t.Run("private", func(t *testing.T) {
		before := len(h.Out.Bytes())
		if err := mailtest.SendMail(pair.Server, pair.Server.IPv4, pair.Server.IPv4, "self"); err != nil {
			t.Fatal(err)
		}
		pair.Server.IP("addr", "add", "10.9.9.9/32", "dev", "lo")
		private := netip.MustParseAddr("10.9.9.9")
		h.ends(private, func() {
			if err := mailtest.SendMail(pair.Server, private, pair.Server.IPv4, "private"); err != nil {
				t.Fatal(err)
			}
		})
		if got := mailtest.Delivered(t, h.mails, "private").Get("X-p0f-Result"); got != "" {
			t.Errorf("a mail from a private address has the header %q", got)
		}
		for _, line := range bytes.Split(h.Out.Bytes()[before:], []byte("\n")) {
			if bytes.Contains(line, []byte("[mxprint]")) && bytes.Contains(line, []byte("10.9.9.9")) || bytes.Contains(line, []byte("[ERROR]")) {
				t.Errorf("it is not silent about a private address: %s", line)
			}
		}
	})
}

// The first look-up of an address comes before the sensor has read the SYN.
func TestHarakaPluginFirstLookups(t *testing.T) {
	pair := lab.NewPair(t)
	h, _, _ := startOurHaraka(t, pair.Server, false, pluginPatience)
	answered := 0
	clients := append(pair.Client.AddIPv4(firstLookups), pair.Client.AddIPv6(firstLookups)...)
	for i, from := range clients {
		to, id := pair.Server.IPv4, fmt.Sprintf("first-%d", i)
		if from.Is6() {
			to = pair.Server.IPv6
		}
		if err := mailtest.SendMail(pair.Client, from, to, id); err != nil {
			t.Fatal(err)
		}
		if _, wrong := mailtest.Results(mailtest.HeaderLines(t, h.mails, id)); wrong != "" {
			t.Errorf("first mail from %s: %s", from, wrong)
			continue
		}
		answered++
	}
	t.Logf("first look-ups answered with a match: %d of %d", answered, len(clients))
}

// TestHarakaPluginNode runs the plugin's own tests, with Node's test runner.
func TestHarakaPluginNode(t *testing.T) {
	lab.NeedRoot(t)
	node := lab.NeedProgram(t, "node")
	mailtest.SensorProgram(t) // builds it
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, node, "--test")
	cmd.Dir = pluginDir(t)
	cmd.Env = append(os.Environ(), "MXPRINT="+filepath.Join(mailtest.BinDir, "mxprint"))
	cmd.WaitDelay = mailtest.StartTimeout
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, line := range strings.Split(string(out), "\n") {
		if strings.HasPrefix(line, "# ") || strings.HasPrefix(line, "ℹ ") {
			t.Log(line)
		}
	}
}

func TestHarakaPluginNAT(t *testing.T) {
	mailtest.CheckNAT(t, func(ns *lab.NetNS, config string) string {
		dir := mailtest.TempDir(t)
		mailtest.StartServe(t, ns, dir, config)
		return startHarakaPlugin(t, ns, "mxprint", filepath.Join(dir, "query.sock"), false, pluginPatience).mails
	}, mailtest.NatHeader, mailtest.NatMails)
}
