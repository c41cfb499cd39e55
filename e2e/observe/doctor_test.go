//go:build linux

package observe

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/mxprint/mxprint/internal/test/lab"
	"github.com/mxprint/mxprint/internal/test/mailtest"
)

// clinic is a sensor with mails, and what doctor finds there.
type clinic struct {
	t    *testing.T
	pair *lab.Pair
	dir  string

	haraka string // the folder that doctor is given
	time   string // how many seconds it listens
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
	p.Printed("msg=ready")
	return p
}

// wants runs doctor, which finds one thing with these words; without words,
// nothing.
func (c *clinic) wants(config string, as *syscall.Credential, words ...string) {
	c.t.Helper()
	cmd := c.pair.Server.Command(c.t.Context(), filepath.Join(mailtest.BinDir, "mxprint"), "doctor", "-config", config, "-time", c.time, "-postfix", filepath.Join(c.dir, "postfix"),
		"-rspamd", filepath.Join(c.dir, "rspamd"), "-haraka", c.haraka, "-exim", filepath.Join(c.dir, "exim"), "-smtpd", filepath.Join(c.dir, "smtpd", "smtpd.conf"))
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
	c := &clinic{t: t, pair: lab.NewPair(t), dir: mailtest.TempDir(t)}
	mailtest.SensorProgram(t)
	socket := filepath.Join(c.dir, "p0f.sock")
	many := c.pair.Client.AddIPv4(10)
	on := fmt.Sprintf("interfaces = [%q]", c.pair.Server.If)
	chroot := "n"
	postfix := func(main string) {
		mailtest.WriteFiles(t, filepath.Join(c.dir, "postfix"), map[string]string{"main.cf": main, "master.cf": "smtp inet n - " + chroot + " - - smtpd\n"})
	}
	step := func(name string, f func(c *clinic)) {
		t.Run(name, func(t *testing.T) { f(&clinic{t: t, pair: c.pair, dir: c.dir, time: "1"}) })
	}
	step("down", func(c *clinic) {
		c.wants(c.configure(on, ""), nil, "1. the sensor: no process listens on "+socket, "systemctl start mxprint")
	})
	step("traffic", func(c *clinic) {
		c.time = "3" // for what it is to see
		mails(c.t, c.pair, socket, many...)
		c.serve(c.configure(on, ""))
		c.wants(c.configure(on, ""), nil)
		c.wants(c.configure(on+"\nfilter = \"dst port 26\"", ""), nil, `and the filter "dst port 26" took none`, "set sensor.filter")
		c.wants(c.configure(`interfaces = ["lo"]`, ""), nil, "and none by [lo]", "set sensor.interfaces")
		c.wants(c.configure(on, ""), &syscall.Credential{Uid: 65534}, "1. privileges: this user may not capture", "CAP_NET_RAW")
	})
	step("balancer", func(c *clinic) {
		c.time = "3" // for what it is to see
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
		server := mailtest.Start(c.t, "a mail server", c.pair.Server.Command(context.Background(), filepath.Join(mailtest.BinDir, "mxprint"), "proxy",
			"-backend", "127.0.0.1:1", "-listen", ":25", "-s", filepath.Join(c.dir, "younger.sock")))
		server.Printed("msg=ready")
		c.wants(c.configure(`source = "sockops"`, ""), nil, "tcp_syncookies: every connection is answered with a SYN cookie", "sysctl -w")
		c.pair.Server.Command(c.t.Context(), "sysctl", "-qw", "net.ipv4.tcp_syncookies=1").Run()
		c.wants(c.configure(`source = "sockops"`, ""), nil)
	})
	step("two p0f", func(c *clinic) {
		p0f := lab.NeedProgram(c.t, "p0f")
		c.serve(c.configure(on, ""))
		p := mailtest.Start(c.t, "p0f", c.pair.Server.Command(context.Background(), p0f, "-i", "lo", "-s", socket, "tcp port 25")) // it removes what is in its way
		p.WaitFor("p0f", func() bool { return strings.Contains(string(p.Out.Bytes()), "Entered main event loop") })
		c.wants(c.configure(on, ""), nil, "listeners on "+socket+": 2 processes", "systemctl stop p0f")
	})
	step("socket removed", func(c *clinic) {
		milter := filepath.Join(c.dir, "milter.sock")
		config := c.configure(on, fmt.Sprintf("[milter]\nlisten = [%q]\n", milter))
		c.serve(config)
		c.wants(config, nil)
		if err := os.Remove(milter); err != nil {
			c.t.Fatal(err)
		}
		c.wants(config, nil, "listeners on "+milter+": the file of the socket was removed", "systemctl restart mxprint")
	})
	step("one direction", func(c *clinic) {
		c.time = "3" // for what it is to see
		c.serve(c.configure(on, ""))
		for _, addr := range many { // the answers go another way, and are lost there
			c.pair.Server.IP("route", "add", "blackhole", addr.String()+"/32")
			defer c.pair.Server.IP("route", "del", "blackhole", addr.String()+"/32")
		}
		ctx, stop := context.WithCancel(c.t.Context())
		defer stop()
		go func() {
			for ctx.Err() == nil {
				for _, addr := range many {
					c.pair.Client.Do(func() error {
						d := net.Dialer{LocalAddr: &net.TCPAddr{IP: addr.AsSlice()}, Timeout: 100 * time.Millisecond}
						_, err := d.DialContext(ctx, "tcp", netip.AddrPortFrom(c.pair.Server.IPv4, 25).String())
						return err
					})
				}
			}
		}()
		c.wants(c.configure(on, ""), nil, "no SYN+ACK of the server: only one direction is seen", "both directions")
	})
	step("a listener older than the sensor", func(c *clinic) {
		var ln net.Listener
		if err := c.pair.Server.Do(func() (err error) { ln, err = net.Listen("tcp", ":25"); return err }); err != nil {
			c.t.Fatal(err)
		}
		config := c.configure(fmt.Sprintf("source = \"sockops\"\ncgroup = %q", lab.NewCgroup(c.t).Path), "")
		time.Sleep(20 * time.Millisecond) // a tick of the clock that processes are dated by
		cmd := c.pair.Server.Command(context.Background(), filepath.Join(mailtest.BinDir, "mxprint"), "serve", "-config", config)
		cmd = exec.Command("nsenter", append([]string{"--net=/run/netns/" + cmd.Args[3], "setpriv", "--inh-caps=-perfmon,-sys_admin", "--bounding-set=-perfmon,-sys_admin"}, cmd.Args[4:]...)...) // ip netns exec hides cgroups
		p := mailtest.Start(c.t, "serve", cmd)
		p.Printed("msg=ready")
		c.wants(config, nil, "port 25: process ", "listens there since before the sensor", "CAP_PERFMON")
		ln.Close()
		c.wants(config, nil, "none is in this network namespace", "ss -ltn")
	})
	step("ask", func(c *clinic) {
		other := filepath.Join(c.dir, "other.sock")
		config := c.configure(fmt.Sprintf("ask = %q", other), "")
		c.serve(config)
		c.wants(config, nil, "sensor.ask: no sensor listens at "+other, "systemctl start mxprint")
		asked := filepath.Join(c.dir, "asked.toml")
		mailtest.WriteFiles(c.t, c.dir, map[string]string{"asked.toml": fmt.Sprintf("[sensor]\n%s\n[p0f]\nsocket = %q\n[query]\nlisten = [%q]\n", on, other+".p0f", other)})
		c.serve(asked)
		c.wants(config, nil)
	})
	step("rspamd", func(c *clinic) {
		rspamd := func(text string) {
			mailtest.WriteFiles(c.t, filepath.Join(c.dir, "rspamd", "local.d"), map[string]string{"p0f.conf": text})
		}
		defer os.RemoveAll(filepath.Join(c.dir, "rspamd"))
		c.serve(c.configure(on, ""))
		recipe := mailtest.Recipe(c.t, "rspamd.md", "patterns {", "timeout")
		rspamd(recipe)
		c.wants(c.configure(on, ""), nil, `rspamd asks "/run/p0f/p0f.sock", and the sensor answers at `+socket, "systemctl reload rspamd")
		recipe = strings.ReplaceAll(recipe, "/run/p0f/p0f.sock", socket)
		rspamd(strings.Replace(recipe, "timeout = 1s", "timeout = 20s", 1))
		c.wants(c.configure(on, ""), nil, "its timeout is 20s", "set timeout = 1s")
		rspamd(recipe)
		c.wants(c.configure(on, ""), nil)
	})
	step("rspamd's user may not open the socket", func(c *clinic) {
		if err := exec.Command("id", "_rspamd").Run(); err != nil {
			lab.Skip(c.t, "needs rspamd, whose user opens the socket")
		}
		mailtest.WriteFiles(c.t, filepath.Join(c.dir, "rspamd", "local.d"), map[string]string{
			"p0f.conf": strings.ReplaceAll(mailtest.Recipe(c.t, "rspamd.md", "patterns {", "timeout"), "/run/p0f/p0f.sock", socket)})
		defer os.RemoveAll(filepath.Join(c.dir, "rspamd"))
		mode := func(bits string) string {
			path := c.configure(on, "")
			text, err := os.ReadFile(path)
			if err != nil {
				c.t.Fatal(err)
			}
			mailtest.WriteFiles(c.t, c.dir, map[string]string{"mxprint.toml": strings.Replace(string(text), "[p0f]\n", "[p0f]\nmode = \""+bits+"\"\n", 1)})
			return path
		}
		tight := c.serve(mode("0600"))
		c.wants(mode("0600"), nil, "the user _rspamd", "may not open it (-rw-------)", `set mode = "0666" below [p0f]`)
		tight.Stop()
		c.serve(mode("0666"))
		c.wants(mode("0666"), nil)
	})
	step("haraka", func(c *clinic) {
		c.haraka = filepath.Join(c.dir, "haraka")
		haraka := func(plugins, ini string) {
			mailtest.WriteFiles(c.t, filepath.Join(c.haraka, "config"), map[string]string{"plugins": plugins, "p0f.ini": ini})
		}
		stop := c.serve(c.configure(on, ""))
		ini := mailtest.Recipe(c.t, "haraka.md", "socket_path=/run/p0f/p0f.sock")
		haraka("# p0f\nkarma\n", ini)
		c.wants(c.configure(on, ""), nil, "neither p0f nor mxprint is loaded", "echo p0f >>")
		haraka("p0f\nkarma\n", ini)
		c.wants(c.configure(on, ""), nil, `Haraka asks "/run/p0f/p0f.sock"`, "set socket_path")
		ini = strings.ReplaceAll(ini, "/run/p0f/p0f.sock", socket)
		haraka("p0f\nkarma\n", ini)
		timeout := func(name, text string) {
			mailtest.WriteFiles(c.t, filepath.Join(c.haraka, "config"), map[string]string{name: text})
		}
		c.wants(c.configure(on, ""), nil, "the time-out of the plugin p0f is 30 s", "refuses it for the time being", "echo 2 >")
		timeout("plugin_timeout", "7\n")
		c.wants(c.configure(on, ""), nil, "the time-out of the plugin p0f is 7 s")
		timeout("p0f.timeout", "0\n")
		c.wants(c.configure(on, ""), nil, "the plugin p0f has no time-out")
		timeout("p0f.timeout", "2\n") // as docs/haraka.md has it
		c.wants(c.configure(on, ""), nil)
		own := c.configure(on, fmt.Sprintf("[query]\nlisten = [%q]\n", socket+".q"))
		stop.Stop()
		c.serve(own)
		haraka("mxprint\n", "[main]\nsocket_path="+socket+".q\ndeadline=5000\n")
		c.wants(own, nil, "its deadline is 5000 ms", "set deadline=100")
		haraka("mxprint\n", "[main]\nsocket_path="+socket+".q\ndeadline=200\n")
		c.wants(own, nil)
	})
	step("postfix", func(c *clinic) {
		milter := "[milter]\nlisten = [\"127.0.0.1:7825\"]"
		c.serve(c.configure(on, milter))
		postfix("# smtpd_milters = inet:127.0.0.1:7825\nmyhostname = mx.example.org\n")
		c.wants(c.configure(on, milter), nil, "main.cf: nothing in it names 127.0.0.1:7825", "postconf -e 'smtpd_milters = { inet:127.0.0.1:7825, connect_timeout=1s")
		recipe := mailtest.Recipe(c.t, "postfix.md", "smtpd_milters")
		postfix(recipe)
		c.wants(c.configure(on, milter), nil)
		postfix("smtpd_milters = inet:127.0.0.1:7825\nmilter_default_action = accept\n")
		c.wants(c.configure(on, milter), nil, "connect_timeout of the milter is 30s", "connect_timeout=1s")
		postfix(strings.Replace(recipe, ", default_action=accept", "", 1))
		c.wants(c.configure(on, milter), nil, "default_action of the milter is tempfail", "default_action=accept")
		postfix(recipe)
		c.wants(c.configure(on, ""), nil, "neither [milter] nor [policy] listens", "below [milter]")
	})
	step("rspamd asks behind Postfix", func(c *clinic) {
		c.serve(c.configure(on, ""))
		mailtest.WriteFiles(c.t, filepath.Join(c.dir, "rspamd", "local.d"), map[string]string{
			"p0f.conf": strings.ReplaceAll(mailtest.Recipe(c.t, "rspamd.md", "patterns {", "timeout"), "/run/p0f/p0f.sock", socket)})
		defer os.RemoveAll(filepath.Join(c.dir, "rspamd"))
		postfix("smtpd_milters = inet:127.0.0.1:11332\n")
		c.wants(c.configure(on, ""), nil)
	})
	step("a chroot hides the socket", func(c *clinic) {
		chroot = "y" // as Debian has it
		defer func() { chroot = "n" }()
		queue := filepath.Join(c.dir, "queue")
		mailtest.MakeDir(c.t, filepath.Join(queue, "mxprint"), nil)
		line := func(path string) string {
			return "queue_directory = " + queue + "\nsmtpd_milters = { unix:" + path + ", connect_timeout=1s, command_timeout=1s, content_timeout=1s, default_action=accept }\n"
		}
		outside := filepath.Join(c.dir, "milter.sock")
		config := c.configure(on, fmt.Sprintf("[milter]\nlisten = [%q]\n", outside))
		stop := c.serve(config)
		postfix("queue_directory = " + queue + "\n")
		c.wants(config, nil, "Postfix does not ask", `listen = ["127.0.0.1:7825"]`)
		postfix(line(outside))
		c.wants(config, nil, "main.cf: its smtpd runs in the chroot "+queue, `listen = ["127.0.0.1:7825"]`)
		stop.Stop()
		config = c.configure(on, fmt.Sprintf("[milter]\nlisten = [%q]\n", filepath.Join(queue, "mxprint", "milter.sock")))
		c.serve(config)
		postfix(line("/mxprint/milter.sock"))
		c.wants(config, nil)
		os.RemoveAll(filepath.Join(c.dir, "postfix"))
	})
	step("a sensor that hangs", func(c *clinic) {
		p := c.serve(c.configure(on, ""))
		if err := p.Cmd.Process.Signal(syscall.SIGSTOP); err != nil {
			c.t.Fatal(err)
		}
		c.wants(c.configure(on, ""), nil, socket+" accepts connections, and no answer comes", "mxprint check")
		p.Cmd.Process.Signal(syscall.SIGCONT)
		c.wants(c.configure(on, ""), nil)
	})
	step("the sensor's own report", func(c *clinic) {
		own := filepath.Join(c.dir, "own.fp")
		mailtest.WriteFiles(c.t, c.dir, map[string]string{"own.fp": "classes = unix\n"})
		config := c.configure(on, fmt.Sprintf("[query]\nlisten = [%q]\n[signatures]\nextend = [%q]\n", socket+".q", own))
		c.serve(config)
		c.wants(config, nil)
		mailtest.WriteFiles(c.t, c.dir, map[string]string{"own.fp": "classes = unix\nnonsense\n"})
		c.pair.Server.Command(c.t.Context(), filepath.Join(mailtest.BinDir, "mxprint"), "reload", "-s", socket+".q").Run() // it fails
		c.wants(config, nil, "the signatures could not be reloaded", "own.fp:2", "mxprint status")
	})
	for _, server := range []struct{ name, user, file, text string }{
		{"Exim", "Debian-exim", "exim/mxprint_data", "set acl_c_mxprint = ${readsocket{%s}{...}}\n"},
		{"OpenSMTPD", "opensmtpd", "smtpd/smtpd.conf", "filter mxprint proc-exec \"/usr/bin/mxprint filter-opensmtpd -s %s\"\n"},
	} {
		step(server.name+"'s user may not open the socket", func(c *clinic) {
			etc := filepath.Join("/etc/netns", c.pair.Server.Command(c.t.Context(), "true").Args[3]) // ip-netns(8) lays it over /etc
			users, err := os.ReadFile("/etc/passwd")
			if err != nil {
				c.t.Fatal(err)
			}
			mailtest.MakeDir(c.t, etc, nil)
			defer os.RemoveAll(etc)
			mailtest.WriteFiles(c.t, etc, map[string]string{"passwd": string(users) + server.user + ":x:64999:64999::/nonexistent:/usr/sbin/nologin\n"})
			query := func(mode string) string {
				return c.configure(on, fmt.Sprintf("[query]\nlisten = [%q]\nmode = %q\n", socket+".q", mode))
			}
			file := filepath.Join(c.dir, server.file)
			defer os.RemoveAll(filepath.Dir(file))
			mailtest.WriteFiles(c.t, filepath.Dir(file), map[string]string{filepath.Base(file): fmt.Sprintf(server.text, socket+".q")})
			tight := c.serve(query("0660"))
			c.wants(query("0660"), nil, "the user "+server.user+" may not open it (-rw-rw----)", file, `set mode = "0666" below [query]`)
			tight.Stop()
			c.serve(query("0666"))
			c.wants(query("0666"), nil)
		})
	}
	step("socket rights", func(c *clinic) {
		if err := exec.Command("id", "postfix").Run(); err != nil {
			lab.Skip(c.t, "needs Postfix, whose user opens the socket")
		}
		path := filepath.Join(c.dir, "milter.sock")
		milter := func(mode string) string { return fmt.Sprintf("[milter]\nlisten = [%q]\nmode = %q", path, mode) }
		postfix("smtpd_milters = { unix:" + path + ", connect_timeout=1s, command_timeout=1s, content_timeout=1s, default_action=accept }\n")
		tight := c.serve(c.configure(on, milter("0600")))
		c.wants(c.configure(on, milter("0600")), nil, "the user postfix may not open it (-rw-------)", `mode = "0666"`)
		tight.Stop()
		c.serve(c.configure(on, milter("0666")))
		c.wants(c.configure(on, milter("0666")), nil)
	})
}
