//go:build linux

package observe

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/mxprint/mxprint/internal/test/lab"
	"github.com/mxprint/mxprint/internal/test/mailtest"
)

// clinic is a sensor with mails, and what doctor finds there.
type clinic struct {
	t    *testing.T
	pair *lab.Pair
	dir  string
}

// configure writes a configuration and returns its path.
func (c *clinic) configure(sensor, more string) string {
	c.t.Helper()
	mailtest.WriteFiles(c.t, c.dir, map[string]string{"mxprint.toml": fmt.Sprintf("[sensor]\n%s\n[p0f]\nsocket = %q\n%s\n", sensor, filepath.Join(c.dir, "p0f.sock"), more)})
	return filepath.Join(c.dir, "mxprint.toml")
}

// serve starts the sensor of a configuration.
func (c *clinic) serve(config string) *mailtest.Process {
	c.t.Helper()
	p := mailtest.Start(c.t, "serve", c.pair.Server.Command(context.Background(), filepath.Join(mailtest.BinDir, "mxprint"), "serve", "-config", config))
	p.WaitFor("ready", func() bool { return strings.Contains(string(p.Out.Bytes()), "msg=ready") })
	return p
}

// wants runs doctor, which finds one thing with these words; without words,
// nothing.
func (c *clinic) wants(config string, as *syscall.Credential, words ...string) {
	c.t.Helper()
	cmd := c.pair.Server.Command(c.t.Context(), filepath.Join(mailtest.BinDir, "mxprint"), "doctor", "-config", config, "-time", "3", "-postfix", filepath.Join(c.dir, "postfix"))
	if as != nil { // ip netns exec wants root
		cmd = c.pair.Server.Command(c.t.Context(), "setpriv", append([]string{"--reuid", "65534", "--clear-groups", "--inh-caps=-all", "--bounding-set=-all"}, cmd.Args[4:]...)...)
	}
	out, err := cmd.CombinedOutput()
	text := string(out)
	if len(words) == 0 {
		if err != nil || !strings.HasPrefix(text, "nothing is wrong") {
			c.t.Errorf("doctor: %v\n%s\nwant nothing", err, text)
		}
		return
	}
	exit, ok := err.(*exec.ExitError)
	if !ok || exit.ExitCode() != 1 || strings.Contains(text, "\n2. ") {
		c.t.Errorf("doctor: %v\n%s\nwant one finding", err, text)
	}
	for _, word := range words {
		if !strings.Contains(text, word) {
			c.t.Errorf("doctor: %q is not in\n%s", word, text)
		}
	}
}

// TestDoctor makes each fault for real; on a sound system nothing is found.
func TestDoctor(t *testing.T) {
	c := &clinic{t, lab.NewPair(t), mailtest.TempDir(t)}
	mailtest.SensorProgram(t)
	socket := filepath.Join(c.dir, "p0f.sock")
	many := c.pair.Client.AddIPv4(10)
	on := fmt.Sprintf("interfaces = [%q]", c.pair.Server.If)
	postfix := func(main string) {
		mailtest.WriteFiles(t, filepath.Join(c.dir, "postfix"), map[string]string{"main.cf": main, "master.cf": "smtp inet n - y - - smtpd\n"})
	}
	step := func(name string, f func(c *clinic)) {
		t.Run(name, func(t *testing.T) { f(&clinic{t, c.pair, c.dir}) })
	}
	step("down", func(c *clinic) {
		c.wants(c.configure(on, ""), nil, "1. the sensor: no process listens on "+socket, "systemctl start mxprint")
	})
	step("traffic", func(c *clinic) {
		mails(c.t, c.pair, socket, many...)
		c.serve(c.configure(on, ""))
		c.wants(c.configure(on, ""), nil)
		c.wants(c.configure(on+"\nfilter = \"dst port 26\"", ""), nil, `and the filter "dst port 26" took none`, "set sensor.filter")
		c.wants(c.configure(`interfaces = ["lo"]`, ""), nil, "and none by [lo]", "set sensor.interfaces")
		c.wants(c.configure(on, ""), &syscall.Credential{Uid: 65534}, "1. privileges: this user may not capture", "CAP_NET_RAW")
	})
	step("balancer", func(c *clinic) {
		stop := c.serve(c.configure(on, ""))
		mails(c.t, c.pair, socket, c.pair.Client.IPv4)
		c.wants(c.configure(on, ""), nil, "SYNs came from 1 addresses: a load balancer or NAT", "docs/balancer.md")
		stop.Stop()
	})
	step("interfaces", func(c *clinic) {
		c.serve(c.configure(on, ""))
		c.wants(c.configure(`interfaces = ["eth9"]`, ""), nil, "there is no interface eth9", "ip -brief link")
		c.pair.Server.IP("link", "add", "dull0", "type", "veth", "peer", "name", "dull1")
		c.wants(c.configure(`interfaces = ["dull0"]`, ""), nil, "dull0 is down", "ip link set dull0 up")
		c.pair.Server.IP("link", "del", "dull0")
	})
	step("cookies", func(c *clinic) {
		c.serve(c.configure(on, ""))
		if out, err := c.pair.Server.Command(c.t.Context(), "sysctl", "-qw", "net.ipv4.tcp_syncookies=2").CombinedOutput(); err != nil {
			c.t.Fatalf("%v: %s", err, out)
		}
		c.wants(c.configure(`source = "sockops"`, ""), nil, "tcp_syncookies: every connection is answered with a SYN cookie", "sysctl -w")
		c.pair.Server.Command(c.t.Context(), "sysctl", "-qw", "net.ipv4.tcp_syncookies=1").Run()
		c.wants(c.configure(`source = "sockops"`, ""), nil)
	})
	step("two p0f", func(c *clinic) {
		c.serve(c.configure(on, ""))
		if err := os.Rename(socket, socket+".old"); err != nil { // as one that removes what is in its way
			c.t.Fatal(err)
		}
		var ln net.Listener
		if err := c.pair.Server.Do(func() (err error) { ln, err = net.Listen("unix", socket); return err }); err != nil {
			c.t.Fatal(err)
		}
		defer ln.Close()
		c.wants(c.configure(on, ""), nil, "listeners on "+socket+": 2 processes", "systemctl stop p0f")
	})
	step("postfix", func(c *clinic) {
		milter := "[milter]\nlisten = [\"127.0.0.1:7825\"]"
		c.serve(c.configure(on, milter))
		postfix("# smtpd_milters = inet:127.0.0.1:7825\nmyhostname = mx.example.org\n")
		c.wants(c.configure(on, milter), nil, "main.cf: nothing in it names 127.0.0.1:7825", "postconf -e 'smtpd_milters = inet:127.0.0.1:7825'")
		postfix("smtpd_milters = inet:127.0.0.1:7825\n")
		c.wants(c.configure(on, milter), nil)
		c.wants(c.configure(on, ""), nil, "neither [milter] nor [policy] listens", "below [milter]")
	})
	step("socket rights", func(c *clinic) {
		if err := exec.Command("id", "postfix").Run(); err != nil {
			lab.Skip(c.t, "needs Postfix, whose user opens the socket")
		}
		path := filepath.Join(c.dir, "milter.sock")
		milter := func(mode string) string { return fmt.Sprintf("[milter]\nlisten = [%q]\nmode = %q", path, mode) }
		postfix("smtpd_milters = unix:" + path + "\n")
		tight := c.serve(c.configure(on, milter("0600")))
		c.wants(c.configure(on, milter("0600")), nil, "the user postfix may not open it (-rw-------)", `mode = "0666"`)
		tight.Stop()
		c.serve(c.configure(on, milter("0666")))
		c.wants(c.configure(on, milter("0666")), nil)
	})
}
