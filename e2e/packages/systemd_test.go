//go:build linux

package packages

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mxprint/mxprint/internal/test/lab"
	"github.com/mxprint/mxprint/internal/test/mailtest"
)

// The wire of the machine: a client, and the port that it connects to.
const (
	wireClient = "198.18.1.1"
	wireServer = "198.18.1.2"
)

// TestSystemd installs the .deb into a system that systemd runs, and does there
// what the pages say. The checks go on from where the one before has left the
// machine.
func TestSystemd(t *testing.T) {
	if os.Getenv("MXPRINT_E2E_P0F") != "" {
		t.Skip("is about the packages of mxprint")
	}
	lab.NeedRoot(t)
	debs := mailtest.TempDir(t)
	for _, version := range []string{"0.1.0", "0.1.1", "0.1.2"} {
		buildPackages(t, debs, version)
	}
	m := boot(t, debs)
	m.wire(t, "client", "srv0", wireClient, wireServer)
	for _, check := range []struct {
		name string
		run  func(*testing.T, *machine)
	}{
		{"installed", installed},
		{"F12 reload fails when it fails", reloadFails},
		{"F01 sensor over restart, stop and kill", restarts},
		{"F01 socket unit over restarts", socketActivation},
		{"F03 check beside the sensor", checkBeside},
		{"F03 check as the user of the unit", checkAsUser},
		{"F05 upgrade", upgrade},
		{"F05 upgrade with a wrong configuration", upgradeWrong},
		{"F07 an interface that comes late", lateInterface},
		{"F10 proxy", dropInProxy},
		{"F10 ask", dropInAsk},
		{"F10 and F11 ask by TLS", dropInAskTLS},
		{"F10 sockops", dropInSockops},
		{"F11 certificate by LoadCredential", credentials},
		{"F17 logrotate", logrotate},
		{"the p0f-named command", namedP0f},
		{"F18 pages of mail servers", pages},
		{"removed", removed},
		{"F18 from a checkout", fromCheckout},
	} {
		if !t.Run(check.name, func(t *testing.T) { check.run(t, m) }) {
			log, _ := m.try(t, "journalctl -u 'mxprint*' -n 60 --no-pager -o short-monotonic")
			t.Fatalf("the machine is not as the next checks want it; journal:\n%s", log)
		}
	}
}

func installed(t *testing.T, m *machine) {
	m.do(t, "dpkg -i /mnt/mxprint_0.1.0_*.deb")
	m.active(t, "mxprint", "active")
	if out := m.do(t, "systemctl is-enabled mxprint"); out != "enabled\n" {
		t.Errorf("the unit is %s", out)
	}
	if out := m.do(t, "systemd-analyze verify --man=no mxprint.service mxprint.socket mxprint-p0f.service 2>&1"); strings.Contains(out, "mxprint") {
		t.Errorf("systemd-analyze verify:\n%s", out)
	}
	if got := m.capabilities(t, "mxprint"); got != "2000" {
		t.Errorf("CapEff = %s, want 2000, CAP_NET_RAW", got)
	}
	if user := m.do(t, "stat -c %U /proc/"+m.pid(t, "mxprint")); user != "mxprint\n" {
		t.Errorf("it runs as %q", user)
	}
	m.known(t, "client", wireClient, wireServer)
	quiet(t, m)
}

// quiet wants no warning of the unit.
func quiet(t *testing.T, m *machine) {
	t.Helper()
	if out := m.complaints(t, "mxprint"); out != "" {
		t.Errorf("it complains:\n%s", out)
	}
}

// configure writes a configuration and restarts the sensor.
func configure(t *testing.T, m *machine, text string) {
	t.Helper()
	m.write(t, "/etc/mxprint.toml", text)
	m.do(t, "systemctl restart mxprint")
	m.active(t, "mxprint", "active")
}

const queryOn = "[query]\nlisten = [\"/run/mxprint/query.sock\"]\nmode = \"0660\"\n"

func reloadFails(t *testing.T, m *machine) {
	m.do(t, "systemctl reload mxprint")
	m.write(t, "/etc/mxprint/own.fp", "classes = unix\n[tcp:request]\nlabel = s:unix:Mine:\nsig   = *:64:0:*:1,0:mss:df:0\n")
	configure(t, m, queryOn+"[signatures]\nextend = [\"/etc/mxprint/own.fp\"]\n")
	m.do(t, "systemctl reload mxprint")
	m.write(t, "/etc/mxprint/own.fp", "classes = unix\n[tcp:request]\nlabel = broken\n")
	m.fails(t, "systemctl reload mxprint")
	lab.Eventually(t, func() error {
		if out := m.journal(t, "mxprint"); !strings.Contains(out, "own.fp:3") {
			return fmt.Errorf("the journal does not say what is wrong, and where:\n%s", out)
		}
		return nil
	})
	m.active(t, "mxprint", "active")
	m.known(t, "client", wireClient, wireServer)
	configure(t, m, queryOn)
}

// A client is one of p0f's socket that keeps its connection, as Haraka's plugin
// does, and asks ten times a second.
type client struct {
	t       *testing.T
	conn    net.Conn
	stop    chan struct{}
	wait    sync.WaitGroup
	answers int
	err     error
	longest time.Duration
}

func (m *machine) newClient(t *testing.T, socket string) *client {
	t.Helper()
	c := &client{t: t, stop: make(chan struct{})}
	lab.Eventually(t, func() (err error) {
		c.conn, err = net.Dial("unix", filepath.Join("/proc", m.leader, "root", socket))
		return err
	})
	c.wait.Go(c.run)
	return c
}

func (c *client) run() {
	query := make([]byte, 21) // p0f-v3.md §9.1
	binary.NativeEndian.PutUint32(query, 0x50304601)
	query[4] = 4
	copy(query[5:], net.ParseIP(wireClient).To4())
	var reply [232]byte
	for {
		begin := time.Now()
		c.conn.SetDeadline(begin.Add(mailtest.StartTimeout))
		if _, err := c.conn.Write(query); err != nil {
			c.err = err
			return
		}
		if _, err := io.ReadFull(c.conn, reply[:]); err != nil {
			c.err = err
			return
		}
		c.longest = max(c.longest, time.Since(begin))
		c.answers++
		select {
		case <-c.stop:
			return
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// end ends the client, and wants its connection to have answered to the end.
func (c *client) end(what string) {
	c.t.Helper()
	close(c.stop)
	c.wait.Wait()
	c.conn.Close()
	if c.err != nil || c.answers < 1 {
		c.t.Errorf("%s: a client with a connection had %d answers, then %v", what, c.answers, c.err)
	}
	c.t.Logf("%s: %d answers, the slowest after %v", what, c.answers, c.longest.Round(time.Millisecond))
}

const socketPath = "run/mxprint/p0f.sock"

// restarts: the sensor comes back after each, and a client keeps its
// connection over a restart.
func restarts(t *testing.T, m *machine) {
	c := m.newClient(t, socketPath)
	for range 7 { // more than systemd's usual five in ten seconds
		m.do(t, "systemctl restart mxprint")
	}
	c.end("seven restarts")
	m.do(t, "systemctl stop mxprint")
	m.active(t, "mxprint", "inactive")
	m.do(t, "systemctl start mxprint")
	killed(t, m)
	m.known(t, "client", wireClient, wireServer)
	quiet(t, m)
}

// killed kills the sensor, and waits for the next.
func killed(t *testing.T, m *machine) {
	t.Helper()
	before := m.pid(t, "mxprint")
	m.do(t, "kill -9 "+before)
	lab.Eventually(t, func() error {
		if now := m.pid(t, "mxprint"); now == before || now == "0" {
			return errors.New("it does not come back after kill -9")
		}
		return nil
	})
	m.active(t, "mxprint", "active")
}

// socketActivation types the lines of docs/configuration.md.
func socketActivation(t *testing.T, m *machine) {
	m.do(t, mailtest.Recipe(t, "configuration.md", "systemctl enable --now mxprint.socket"))
	m.active(t, "mxprint.socket", "active")
	m.known(t, "client", wireClient, wireServer) // the first question starts it, if nothing else has
	m.active(t, "mxprint", "active")
	for range 7 {
		m.do(t, "systemctl restart mxprint")
	}
	m.active(t, "mxprint.socket", "active")
	m.do(t, "systemctl stop mxprint")
	m.active(t, "mxprint", "inactive")
	c := m.newClient(t, socketPath) // activates it
	m.active(t, "mxprint", "active")
	c.end("activated")
	killed(t, m)
	m.known(t, "client", wireClient, wireServer)
	m.active(t, "mxprint.socket", "active")
	quiet(t, m)
	m.do(t, "systemctl disable --now mxprint.socket\nsystemctl restart mxprint")
	m.active(t, "mxprint", "active")
}

// checkBeside: the sockets of the running sensor, and those that systemd holds for
// it, are no fault for check -write, and it leaves them as they are.
func checkBeside(t *testing.T, m *machine) {
	const check = "mxprint check -write -user mxprint"
	c := m.newClient(t, socketPath)
	m.do(t, check)
	c.end("check -write beside the sensor")
	m.do(t, "systemctl stop mxprint\n"+check+"\nsystemctl start mxprint.socket\n"+check)
	m.known(t, "client", wireClient, wireServer) // systemd's socket is whole
	m.do(t, check+"\nsystemctl stop mxprint.socket mxprint\nsystemctl start mxprint")
	m.active(t, "mxprint", "active")
	quiet(t, m)
}

// checkAsUser: root's check names the key of what the unit's user may not read or
// write.
func checkAsUser(t *testing.T, m *machine) {
	defer func() { configure(t, m, queryOn) }()
	m.do(t, mailtest.Recipe(t, "balancer.md", "openssl req", "chmod"))
	m.do(t, "chmod 644 /etc/mxprint/sensor.pem\nchmod 640 /etc/mxprint/sensor.key /etc/mxprint/token")
	for _, fault := range []struct{ config, want string }{
		{"[log]\njson = \"/var/log/mxprint.json\"\n", "mxprint.toml:2: log.json: log: open /var/log/mxprint.json: permission denied"},
		{"[query]\ntls_listen = [\"127.0.0.1:2526\"]\ntls_cert = \"/etc/mxprint/sensor.pem\"\ntls_key = \"/etc/mxprint/sensor.key\"\ntoken_file = \"/etc/mxprint/token\"\n",
			"mxprint.toml:4: query.tls_key: open /etc/mxprint/sensor.key: permission denied"},
	} {
		m.write(t, "/etc/mxprint.toml", fault.config)
		m.do(t, "mxprint check -write") // root may
		if out := m.fails(t, "mxprint check -write -user mxprint"); !strings.Contains(out, fault.want) {
			t.Errorf("check -user: %q, want %q in it", out, fault.want)
		}
	}
}

func upgrade(t *testing.T, m *machine) {
	before := m.pid(t, "mxprint")
	c := m.newClient(t, socketPath)
	t.Log(m.do(t, "dpkg -i --force-confold /mnt/mxprint_0.1.1_*.deb 2>&1"))
	m.active(t, "mxprint", "active")
	c.end("upgrade")
	if now := m.pid(t, "mxprint"); now == before {
		t.Error("the old program runs on")
	}
	if out := m.do(t, "mxprint version"); !strings.HasPrefix(out, "mxprint 0.1.1 ") {
		t.Errorf("mxprint version: %s", out)
	}
	m.known(t, "client", wireClient, wireServer)
	quiet(t, m)
}

// upgradeWrong: a configuration with a mistake neither ends the running sensor
// nor stops the package manager.
func upgradeWrong(t *testing.T, m *machine) {
	for _, fault := range []struct{ config, want string }{
		{"[p0f]\nsockte = \"/run/mxprint/p0f.sock\"\n", "mxprint.toml:5: p0f.sockte: unknown key"},
		// What the sensor's user alone may not, and what is found only by opening.
		{"[log]\njson = \"/var/log/mxprint.json\"\n", "mxprint.toml:5: log.json: log: open /var/log/mxprint.json: permission denied"},
		{"[milter]\nlisten = [\"198.18.99.99:7825\"]\n", "mxprint.toml:5: milter.listen: "},
	} {
		before := m.pid(t, "mxprint")
		m.write(t, "/etc/mxprint.toml", queryOn+fault.config)
		c := m.newClient(t, socketPath)
		out := m.do(t, "dpkg -i --force-confold /mnt/mxprint_0.1.2_*.deb 2>&1")
		c.end("upgrade with a wrong configuration")
		if now := m.pid(t, "mxprint"); now != before {
			t.Errorf("the sensor that ran was %s, now %s", before, now)
		}
		for _, want := range []string{fault.want, "the running sensor is left as it is"} {
			if !strings.Contains(out, want) {
				t.Errorf("dpkg printed %q, want %q in it", out, want)
			}
		}
		if out := m.do(t, "dpkg-query -W -f '${db:Status-Abbrev} ${Version}' mxprint"); out != "ii  0.1.2" {
			t.Errorf("dpkg has the package as %q", out)
		}
	}
	configure(t, m, queryOn)
}

// lateInterface: the sensor starts without its interface, and captures when it
// comes.
func lateInterface(t *testing.T, m *machine) {
	configure(t, m, queryOn+"[sensor]\ninterfaces = [\"late0\"]\n")
	lab.Eventually(t, func() error {
		if out := m.complaints(t, "mxprint"); !strings.Contains(out, "interface is not there, waiting for it") || !strings.Contains(out, "late0") {
			return fmt.Errorf("it does not say that it waits:\n%s", out)
		}
		return nil
	})
	m.wire(t, "late", "late0", "198.18.2.1", "198.18.2.2")
	m.known(t, "late", "198.18.2.1", "198.18.2.2")
	m.do(t, "ip link del late0\nip netns del late")
	configure(t, m, queryOn)
}

// dropIn installs a drop-in with the line of a page.
func dropIn(t *testing.T, m *machine, page, name string) (remove func()) {
	t.Helper()
	m.do(t, mailtest.Recipe(t, page, "/usr/share/mxprint/systemd/mxprint-"+name+".conf"))
	return func() { m.do(t, "rm /etc/systemd/system/mxprint.service.d/"+name+".conf\nsystemctl daemon-reload") }
}

func dropInProxy(t *testing.T, m *machine) {
	m.write(t, "/etc/mxprint.toml", mailtest.Recipe(t, "proxy.md", "[proxy]", "backend", "source")+queryOn)
	defer dropIn(t, m, "proxy.md", "proxy")()
	m.active(t, "mxprint", "active")
	if got := m.capabilities(t, "mxprint"); got != "0" {
		t.Errorf("CapEff = %s, want none once port 25 is open", got)
	}
	if slack := m.do(t, "cat /proc/"+m.pid(t, "mxprint")+"/timerslack_ns"); slack != "1000000\n" { // as the benchmark runs it
		t.Errorf("its timers may come %q ns late", slack)
	}
	quiet(t, m)
}

func dropInAsk(t *testing.T, m *machine) {
	m.write(t, "/etc/mxprint.toml", "[sensor]\nask = \"/run/mxprint/balancer.sock\"\n[milter]\nlisten = [\"127.0.0.1:7825\"]\n")
	defer dropIn(t, m, "privileges.md", "ask")()
	m.active(t, "mxprint", "active")
	if got := m.capabilities(t, "mxprint"); got != "0" {
		t.Errorf("CapEff = %s, want none", got)
	}
	quiet(t, m)
}

// dropInAskTLS: the mail server of docs/balancer.md, with the balancer's sensor on
// the same machine. Its files are systemd's copies: new ones need a restart.
func dropInAskTLS(t *testing.T, m *machine) {
	defer func() { configure(t, m, queryOn) }()
	const listen = "127.0.0.1:2526"
	files := func() { m.do(t, mailtest.Recipe(t, "balancer.md", "openssl req", "chmod")) }
	files()
	balancer := strings.NewReplacer("192.0.2.1:2526", listen, "/run/credentials/mxprint.service/", "/etc/mxprint/").
		Replace(mailtest.Recipe(t, "balancer.md", "[query]", "tls_listen"))
	m.write(t, "/root/balancer.toml", balancer+"[p0f]\nsocket = \"/run/balancer/p0f.sock\"\n")
	m.do(t, "systemd-run --unit=balancer --property=Type=notify mxprint serve -config /root/balancer.toml")
	defer func() { m.do(t, "systemctl stop balancer") }()
	m.write(t, "/etc/mxprint.toml", strings.ReplaceAll(mailtest.Recipe(t, "balancer.md", "[sensor]", "ask_cert"), "192.0.2.1:2526", listen)+queryOn)
	defer func() { m.do(t, "rm /etc/systemd/system/mxprint.service.d/ask.conf\nsystemctl daemon-reload") }()
	defer dropIn(t, m, "balancer.md", "ask-tls")()
	m.active(t, "mxprint", "active")
	if got := m.capabilities(t, "mxprint"); got != "0" {
		t.Errorf("CapEff = %s, want none", got)
	}
	m.known(t, "client", wireClient, wireServer)
	quiet(t, m)

	files() // new ones, which the balancer takes and the mail server has not yet
	m.do(t, "systemctl restart balancer")
	lab.Eventually(t, func() error {
		_, _ = m.try(t, "mxprint query "+wireClient)
		if out := m.complaints(t, "mxprint"); !strings.Contains(out, "the server's certificate is not the one that is pinned") {
			return fmt.Errorf("no line about the new certificate in %q", out)
		}
		return nil
	})
	m.do(t, "systemctl restart mxprint")
	m.known(t, "client", wireClient, wireServer)
}

func dropInSockops(t *testing.T, m *machine) {
	defer func() { configure(t, m, queryOn) }()
	m.write(t, "/etc/mxprint.toml", "[sensor]\nsource = \"sockops\"\n"+queryOn)
	defer dropIn(t, m, "sockops.md", "sockops")()
	m.active(t, "mxprint", "active")
	if got := m.capabilities(t, "mxprint"); got != "c000001000" {
		t.Errorf("CapEff = %s, want c000001000: CAP_BPF, CAP_PERFMON, CAP_NET_ADMIN", got)
	}
	quiet(t, m)
}

// credentials: the files of docs/balancer.md, which only root can read.
func credentials(t *testing.T, m *machine) {
	defer func() { configure(t, m, queryOn) }()
	m.do(t, mailtest.Recipe(t, "balancer.md", "openssl req", "chmod"))
	listen := "127.0.0.1:2526"
	m.write(t, "/etc/mxprint.toml", strings.ReplaceAll(mailtest.Recipe(t, "balancer.md", "[query]", "tls_listen"), "192.0.2.1:2526", listen))
	defer dropIn(t, m, "balancer.md", "tls")()
	m.active(t, "mxprint", "active")
	quiet(t, m)
	served := func() string {
		t.Helper()
		return m.do(t, "openssl s_client -connect "+listen+" </dev/null 2>/dev/null | openssl x509 -noout -fingerprint -sha256")
	}
	first := served()
	if first != m.do(t, "openssl x509 -noout -fingerprint -sha256 -in /etc/mxprint/sensor.pem") {
		t.Errorf("it serves %s, another certificate than that of the file", first)
	}
	// A new one needs a restart, as the page says; a reload is no error.
	m.do(t, mailtest.Recipe(t, "balancer.md", "openssl req", "chmod"))
	m.do(t, "systemctl kill -s HUP --kill-who=main mxprint")
	lab.Eventually(t, func() error {
		if out := m.journal(t, "mxprint"); !strings.Contains(out, "signatures reloaded") {
			return fmt.Errorf("no word of the reload:\n%s", out)
		}
		return nil
	})
	if served() != first {
		t.Error("a reload takes a new certificate, and the page says that it does not")
	}
	if out := m.complaints(t, "mxprint"); strings.Contains(out, "ERROR") {
		t.Errorf("it complains about the certificate:\n%s", out)
	}
	m.do(t, "systemctl restart mxprint")
	if second := served(); second == first {
		t.Error("a restart takes no new certificate")
	}
}

func logrotate(t *testing.T, m *machine) {
	log := "/var/log/mxprint/observations.json"
	defer func() { configure(t, m, queryOn) }()
	configure(t, m, queryOn+"[log]\njson = \""+log+"\"\n")
	m.known(t, "client", wireClient, wireServer)
	grows := func(what string) {
		t.Helper()
		lab.Eventually(t, func() error {
			m.connect(t, "client", wireServer)
			if _, err := m.try(t, "test -s "+log); err != nil {
				return fmt.Errorf("%s: the log stays empty", what)
			}
			return nil
		})
	}
	grows("before")
	m.do(t, "logrotate -f /etc/logrotate.d/mxprint")
	m.do(t, "test -s "+log+".1")
	grows("after")
	quiet(t, m)
	m.do(t, "systemctl stop mxprint\nlogrotate -f /etc/logrotate.d/mxprint\nsystemctl start mxprint") // no sensor is no error
}

func namedP0f(t *testing.T, m *machine) {
	m.do(t, "systemctl enable --now mxprint-p0f")
	c := m.newClient(t, "run/p0f/p0f.sock")
	m.do(t, "systemctl restart mxprint-p0f")
	m.active(t, "mxprint-p0f", "active")
	c.end("restart of mxprint-p0f")
	if got := m.capabilities(t, "mxprint-p0f"); got != "2000" {
		t.Errorf("CapEff = %s, want 2000, CAP_NET_RAW", got)
	}
}

// removed: the purge leaves the user, and nothing else.
func removed(t *testing.T, m *machine) {
	m.do(t, "dpkg -r mxprint")
	for _, unit := range []string{"mxprint", "mxprint-p0f", "mxprint.socket"} {
		if out, _ := m.try(t, "systemctl is-active "+unit); out != "inactive\n" {
			t.Errorf("%s is %s after the removal", unit, out)
		}
	}
	m.do(t, "test -e /etc/mxprint.toml")
	m.do(t, "dpkg -P mxprint")
	left := m.do(t, `find / -xdev \( -path /proc -o -path /sys -o -path /mnt -o -path /var/log/journal -o -path /usr/share/doc \) -prune -o -name '*mxprint*' -print; find /run -name '*mxprint*' -not -path '/run/systemd/*' -not -path '/run/credentials*' -print`)
	if left = regexp.MustCompile(`(?m)^/etc/mxprint$\n`).ReplaceAllString(left, ""); left != "" { // the reader's own files
		t.Errorf("the purge leaves:\n%s", left)
	}
	m.do(t, "getent passwd mxprint")
	if _, err := os.Stat(filepath.Join(m.root, "usr/bin/mxprint")); !errors.Is(err, os.ErrNotExist) {
		t.Error(fmt.Sprint("the program is left: ", err))
	}
}

// pages puts what each page of a mail server wants into the configuration of the
// package, and types the page's line to have it take effect.
func pages(t *testing.T, m *machine) {
	packaged, err := os.ReadFile(mailtest.RepoPath(t, "contrib", "systemd", "mxprint.toml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, page := range []struct{ name, table, front string }{
		{"postfix.md", "[milter]", "milter"},
		{"postfix.md", "[policy]", "policy"},
		{"sendmail.md", "[milter]", "milter"},
		{"exim.md", "[query]", "query"},
		{"opensmtpd.md", "[query]", "query"},
		{"haraka.md", "[query]", "query"},
		{"amavis.md", "[amavis]", "amavis"},
	} {
		m.write(t, "/etc/mxprint.toml", edited(t, string(packaged), mailtest.Recipe(t, page.name, page.table)))
		then := "mxprint check -config /etc/mxprint.toml && systemctl restart mxprint"
		if page.name != "haraka.md" { // that one has no lines for Haraka's restart
			then, _, _ = strings.Cut(mailtest.Recipe(t, page.name, then), "\n")
		}
		out := m.do(t, then)
		m.active(t, "mxprint", "active")
		if !regexp.MustCompile(`(?m)^` + page.front + ` `).MatchString(out) {
			t.Errorf("%s %s: mxprint check names no %s:\n%s", page.name, page.table, page.front, out)
		}
		quiet(t, m)
		if page.front == "query" { // a mail server is another user
			if out, err := m.try(t, "runuser -u nobody -- mxprint query "+wireClient+":25"); err != nil && !strings.Contains(out, "not seen") {
				t.Errorf("%s: another user cannot ask: %v\n%s", page.name, err, out)
			}
		}
	}
	configure(t, m, queryOn)
}

// edited is a configuration in which a reader has set the keys of a recipe: each
// line takes the place of the one in the same table, which may be a comment.
func edited(t *testing.T, config, recipe string) string {
	t.Helper()
	lines := strings.Split(config, "\n")
	table := ""
	for line := range strings.Lines(recipe) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "[") {
			table = line
			continue
		}
		key, _, isKey := strings.Cut(line, " = ")
		if !isKey {
			continue
		}
		in, found := "", false
		for i, have := range lines {
			if strings.HasPrefix(have, "[") {
				in = have
			}
			if in == table && strings.HasPrefix(strings.TrimPrefix(have, "# "), key+" = ") {
				lines[i], found = line, true
			}
		}
		if !found {
			t.Fatalf("the configuration of the package has no %s in %s", key, table)
		}
	}
	return strings.Join(lines, "\n")
}

// fromCheckout types the lines of docs/configuration.md for who has no package.
func fromCheckout(t *testing.T, m *machine) {
	build, lines, ok := strings.Cut(mailtest.Recipe(t, "configuration.md", "install -m 755 bin/mxprint", "systemctl enable --now mxprint"), "\n")
	if !ok || build != "make build" {
		t.Fatalf("the first line is %q, want make build", build)
	}
	mailtest.SensorProgram(t) // builds it; the machine has no compiler
	checkout := filepath.Join(m.root, "root", "checkout")
	if err := os.CopyFS(filepath.Join(checkout, "contrib"), os.DirFS(mailtest.RepoPath(t, "contrib"))); err != nil {
		t.Fatal(err)
	}
	mailtest.MakeDir(t, filepath.Join(checkout, "bin"), nil)
	mailtest.CopyProgram(t, filepath.Join(mailtest.BinDir, "mxprint"), filepath.Join(checkout, "bin", "mxprint"))
	m.do(t, "userdel mxprint\ncd /root/checkout\n"+lines)
	m.active(t, "mxprint", "active")
	m.known(t, "client", wireClient, wireServer)
	quiet(t, m)
	m.do(t, "cd /root/checkout\n"+strings.TrimPrefix(mailtest.Recipe(t, "replacing-p0f.md", "ln -s mxprint"), "make build\n")+
		mailtest.Recipe(t, "replacing-p0f.md", "cp contrib/systemd/p0f.service"))
	m.active(t, "p0f", "active")
}
