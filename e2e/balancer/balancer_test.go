//go:build linux

package balancer

import (
	"context"
	"fmt"
	"net/netip"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/mxprint/mxprint/internal/test/lab"
	"github.com/mxprint/mxprint/internal/test/mailtest"
)

// A balanced is a network with a load balancer in it: two kinds of clients
// reach it through an address of its own, and it alone reaches the mail server.
type balanced struct {
	clients      []*lab.NetNS // named by their systems in NatDB
	systems      []string
	balancer, mx *lab.NetNS
	vip4, vip6   netip.Addr
	near, far    netip.Addr // of the balancer and the mail server, between them
}

func newBalanced(t *testing.T) *balanced {
	t.Helper()
	n := &balanced{
		balancer: lab.NewNetNS(t), mx: lab.NewNetNS(t), systems: []string{"Stamped", "Plain"},
		vip4: netip.MustParseAddr("198.18.9.9"), vip6: netip.MustParseAddr("2001:db8:9::9"),
		near: netip.MustParseAddr("198.18.3.1"), far: netip.MustParseAddr("198.18.3.2"),
	}
	n.balancer.If = "any"
	n.balancer.IP("addr", "add", n.vip4.String()+"/32", "dev", "lo")
	n.balancer.IP("addr", "add", n.vip6.String()+"/128", "dev", "lo", "nodad")
	join := func(far *lab.NetNS, i int) {
		far.IPv4, far.IPv6 = netip.AddrFrom4([4]byte{198, 18, byte(i), 2}), netip.MustParseAddr(fmt.Sprintf("2001:db8:%d::2", i))
		far.If = "eth0"
		name := "to" + strconv.Itoa(i)
		far.IP("link", "add", "eth0", "type", "veth", "peer", "name", name, "netns", n.balancer.Name)
		n.balancer.IP("addr", "add", far.IPv4.Prev().String()+"/24", "dev", name)
		n.balancer.IP("addr", "add", far.IPv6.Prev().String()+"/64", "dev", name, "nodad")
		n.balancer.IP("link", "set", name, "up")
		far.IP("addr", "add", far.IPv4.String()+"/24", "dev", "eth0")
		far.IP("addr", "add", far.IPv6.String()+"/64", "dev", "eth0", "nodad")
		far.IP("link", "set", "eth0", "up")
		far.IP("route", "add", "default", "via", far.IPv4.Prev().String())
		far.IP("-6", "route", "add", "default", "via", far.IPv6.Prev().String())
	}
	for i, system := range n.systems {
		c := lab.NewNetNS(t)
		join(c, i+1)
		if system == "Plain" {
			if out, err := c.Command(context.Background(), "sysctl", "-qw", "net.ipv4.tcp_timestamps=0").CombinedOutput(); err != nil {
				t.Fatalf("sysctl: %v: %s", err, out)
			}
		}
		n.clients = append(n.clients, c)
	}
	join(n.mx, 3)
	for _, c := range n.clients {
		for _, vip := range []netip.Addr{n.vip4, n.vip6} {
			lab.Eventually(t, func() error {
				if !mailtest.Reaches(c, vip) {
					return fmt.Errorf("%s does not reach %s", c.Name, vip)
				}
				return nil
			})
		}
	}
	return n
}

// page is a recipe of docs/balancer.md for this network, with its files in dir.
func (n *balanced) page(t *testing.T, dir string, words ...string) string {
	t.Helper()
	return strings.NewReplacer("192.0.2.1:", n.near.String()+":", "192.0.2.25:", n.far.String()+":", "/etc/mxprint", dir, "/run/credentials/mxprint.service/", dir+"/").
		Replace(mailtest.Recipe(t, "balancer.md", words...))
}

// startSensors starts the sensor on the balancer and the milter that asks it.
func (n *balanced) startSensors(t *testing.T) {
	t.Helper()
	dir := n.startAsking(t)
	mailtest.StartServe(t, n.balancer, dir, n.answers(t, dir), fmt.Sprintf("[signatures]\nfile = %q\n", filepath.Join(dir, "nat.fp")))
}

// answers are the lines of [query] for the sensor that is asked.
func (n *balanced) answers(t *testing.T, dir string) string {
	t.Helper()
	return strings.TrimPrefix(n.page(t, dir, "[query]", "tls_listen"), "[query]\n")
}

// startAsking makes certificate and token with the commands of the page, and
// starts the milter; what a sensor needs is in the folder.
func (n *balanced) startAsking(t *testing.T) (dir string) {
	t.Helper()
	lab.NeedProgram(t, "openssl")
	mailtest.SensorProgram(t) // builds it
	dir = mailtest.TempDir(t)
	if out, err := exec.Command("sh", "-euc", n.page(t, dir, "openssl req", "chmod")).CombinedOutput(); err != nil {
		t.Fatalf("making the certificate: %v\n%s", err, out)
	}
	mailtest.WriteFiles(t, dir, map[string]string{
		"nat.fp": mailtest.NatDB,
		"asks.toml": n.page(t, dir, "[sensor]", "ask_cert", "[milter]") + mailtest.LongDeadline +
			fmt.Sprintf("\n[p0f]\nsocket = %q\n", filepath.Join(dir, "mx.sock")),
	})
	p := mailtest.Start(t, "milter", n.mx.Command(context.Background(), filepath.Join(mailtest.BinDir, "mxprint"), "serve", "-config", filepath.Join(dir, "asks.toml")))
	p.Printed("msg=ready")
	return dir
}

// warm sends mails until one has a note: the milter has found its sensor then.
func (n *balanced) warm(t *testing.T, mails, prefix string) {
	t.Helper()
	for i := range 20 {
		id := fmt.Sprintf("%s-warm-%d", prefix, i)
		if err := mailtest.SendMail(n.clients[0], n.clients[0].IPv4, n.vip4, id); err != nil {
			t.Fatal(err)
		}
		if slices.ContainsFunc(mailtest.HeaderLines(t, mails, id), mailtest.OurHeader.MatchString) {
			return
		}
	}
	t.Fatal("no mail gets a note")
}

// StartPostfix starts Postfix with the service of the page.
func (n *balanced) startPostfix(t *testing.T) *mailtest.Postfix {
	t.Helper()
	return mailtest.StartPostfixServices(t, n.mx, mailtest.PostfixMaster+mailtest.Patient(n.page(t, "", "smtpd_upstream_proxy_protocol")))
}

// Send sends count mails to the balancer, by all clients and both families, and
// returns the systems that sent them by the ids of the mails.
func (n *balanced) send(t *testing.T, prefix string, count int) map[string]string {
	t.Helper()
	sent := map[string]string{}
	var mu sync.Mutex
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			c, system := n.clients[w%2], n.systems[w%2]
			from, to := c.IPv4, n.vip4
			if w >= 2 {
				from, to = c.IPv6, n.vip6
			}
			for i := range count / 4 {
				id := fmt.Sprintf("%s-%d-%d", prefix, w, i)
				if err := mailtest.SendMail(c, from, to, id); err != nil {
					t.Errorf("mail %s: %v", id, err)
					return
				}
				mu.Lock()
				sent[id] = system
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return sent
}

// check wants in every mail the note of the system that sent it, and returns
// how many have it.
func (n *balanced) check(t *testing.T, mails string, sent map[string]string) (right int) {
	t.Helper()
	for id, system := range sent {
		want := regexp.MustCompile(`^X-p0f-Result: os="` + system + ` own" link_type="[^"]*" distance=0 total_conn=\d+ shared_ip=[YN]$`)
		var got []string
		for _, l := range mailtest.HeaderLines(t, mails, id) {
			if mailtest.OurHeader.MatchString(l) {
				got = append(got, l)
			}
		}
		if len(got) == 1 && want.MatchString(got[0]) {
			right++
		} else {
			t.Errorf("mail %s: %q, want %s", id, got, want)
		}
	}
	return right
}

const balancerMails = 200

// TestBalancer: through HAProxy and through nginx, as docs/balancer.md says it,
// every mail has the note of its real client.
func TestBalancer(t *testing.T) {
	n := newBalanced(t)
	n.startSensors(t)
	p := n.startPostfix(t)
	for _, tt := range []struct {
		name  string
		start func(t *testing.T) *mailtest.Process
	}{{"haproxy", n.startHAProxy}, {"nginx", n.startNginx}} {
		t.Run(tt.name, func(t *testing.T) {
			b := tt.start(t)
			b.WaitFor("SMTP", func() bool { return mailtest.Greets(n.balancer, n.vip4) && mailtest.Greets(n.balancer, n.vip6) })
			n.warm(t, p.Mails, tt.name)
			sent := n.send(t, tt.name, balancerMails)
			right := n.check(t, p.Mails, sent)
			t.Logf("%d of %d mails have the note of their client", right, len(sent))
			if len(sent) != balancerMails {
				t.Errorf("%d mails sent, want %d", len(sent), balancerMails)
			}
		})
	}
}

func (n *balanced) startHAProxy(t *testing.T) *mailtest.Process {
	t.Helper()
	program := lab.NeedProgram(t, "haproxy")
	dir := mailtest.TempDir(t)
	mailtest.WriteFiles(t, dir, map[string]string{"haproxy.cfg": n.page(t, dir, "listen smtp", "send-proxy-v2")})
	return mailtest.Start(t, "haproxy", n.balancer.Command(context.Background(), program, "-db", "-f", filepath.Join(dir, "haproxy.cfg")))
}

func (n *balanced) startNginx(t *testing.T) *mailtest.Process {
	t.Helper()
	program := lab.NeedProgram(t, "nginx")
	dir := mailtest.TempDir(t)
	mailtest.WriteFiles(t, dir, map[string]string{"nginx.conf": "load_module /usr/lib/nginx/modules/ngx_stream_module.so;\n" +
		"daemon off;\nmaster_process off;\nerror_log stderr;\nevents {}\npid " + dir + "/nginx.pid;\n" +
		n.page(t, dir, "stream {", "proxy_protocol on")})
	return mailtest.Start(t, "nginx", n.balancer.Command(context.Background(), program, "-p", dir, "-c", filepath.Join(dir, "nginx.conf"), "-e", "stderr"))
}
