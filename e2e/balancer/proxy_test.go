//go:build linux

package balancer

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/mxprint/mxprint/internal/test/lab"
	"github.com/mxprint/mxprint/internal/test/mailtest"
	"github.com/mxprint/mxprint/note"
	"github.com/mxprint/mxprint/query"
)

// startProxy starts mxprint proxy's [proxy] in the balancer's place, as a user
// without any privilege, and the sensor with it.
func (n *balanced) startProxy(t *testing.T, dir, config string) *mailtest.Process {
	t.Helper()
	setpriv := lab.NeedProgram(t, "setpriv")
	path := filepath.Join(mailtest.TempDir(t), "proxy.toml")
	run := mailtest.TempDir(t)
	if err := os.Chmod(run, 0o777); err != nil {
		t.Fatal(err)
	}
	mailtest.WriteFiles(t, filepath.Dir(path), map[string]string{"proxy.toml": fmt.Sprintf(
		"[signatures]\nfile = %q\n[p0f]\nsocket = %q\n[query]\n%s%s",
		filepath.Join(dir, "nat.fp"), filepath.Join(run, "p0f.sock"), n.answers(t, dir), config)})
	p := mailtest.Start(t, "proxy", n.balancer.Command(context.Background(), setpriv, "--reuid=65534", "--regid=65534", "--clear-groups",
		"--inh-caps=-all", "--bounding-set=-all", "--no-new-privs", filepath.Join(mailtest.BinDir, "mxprint"), "serve", "-config", path))
	p.WaitFor("SMTP", func() bool { return mailtest.Greets(n.balancer, n.vip4) && mailtest.Greets(n.balancer, n.vip6) })
	return p
}

// TestProxy: in front of Postfix, without any privilege, every mail has the
// note of its client, and Postfix sees the client itself, whichever way it is
// given the client.
func TestProxy(t *testing.T) {
	n := newBalanced(t)
	dir := n.startAsking(t)
	for _, name := range []string{"token", "sensor.key"} { // who runs the proxy may read them
		if err := os.Chown(filepath.Join(dir, name), 65534, 65534); err != nil {
			t.Fatal(err)
		}
	}
	if out, err := n.balancer.Command(context.Background(), "sysctl", "-qw", "net.ipv4.ip_unprivileged_port_start=25").CombinedOutput(); err != nil {
		t.Fatalf("sysctl: %v: %s", err, out)
	}
	p := mailtest.StartPostfixServices(t, n.mx, mailtest.PostfixMaster+mailtest.Patient(n.page(t, "", "smtpd_upstream_proxy_protocol")+
		strings.ReplaceAll(n.proxyPage(t, "smtpd_authorized_xclient_hosts"), "hosts=127.0.0.1", "hosts="+n.near.String())))
	for _, tt := range []struct{ name, lines string }{
		{"v2", ""},
		{"v2 with note", "send_note = true\n"},
		{"v1", "send = \"v1\"\n"},
		{"xclient", "send = \"xclient\"\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			backend := "10025"
			if tt.name == "xclient" {
				backend = "10026"
			}
			config := strings.ReplaceAll(n.proxyPage(t, "source = ", "[proxy]"), "127.0.0.1:10025", n.far.String()+":"+backend)
			proxy := n.startProxy(t, dir, config+tt.lines)
			id := strings.ReplaceAll(tt.name, " ", "-")
			n.warm(t, p.Mails, id)
			sent := n.send(t, id, 40)
			right := n.check(t, p.Mails, sent)
			t.Logf("%d of %d mails have the note of their client", right, len(sent))
			for mail := range sent {
				h := mailtest.Delivered(t, p.Mails, mail)
				want := regexp.MustCompile(`\[(IPv6:2001:db8:[12]::2|198\.18\.[12]\.2)\]`)
				if got := h.Get("Received"); !want.MatchString(got) {
					t.Errorf("Received: %s, want %s", got, want)
				}
			}
			proxy.Stop()
		})
	}
}

// proxyPage is a recipe of docs/proxy.md.
func (n *balanced) proxyPage(t *testing.T, words ...string) string {
	t.Helper()
	return mailtest.Recipe(t, "proxy.md", words...)
}

// idleConns are the connections of TestProxyIdle, as far as the machine gives a
// process two descriptors for each.
const idleConns = 10_000

// TestProxyIdle holds many idle SMTP connections through mxprint proxy to
// Postfix's smtp-sink, and looks at its memory. scripts/lab-idle runs it where
// all of them can be had.
func TestProxyIdle(t *testing.T) {
	sink := lab.NeedProgram(t, "smtp-sink")
	lab.NeedRoot(t) // smtp-sink wants to become another user
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	count := int(min(idleConns, (limit.Max-400)/2))
	if count < 1000 {
		lab.Skip(t, fmt.Sprintf("needs more descriptors: ulimit -n is %d", limit.Max))
	}
	mailtest.SensorProgram(t) // builds it
	backend, front, socket := lab.FreeAddr(t), lab.FreeAddr(t), filepath.Join(mailtest.TempDir(t), "query.sock")
	s := mailtest.Start(t, "smtp-sink", exec.Command(sink, "-u", "nobody", "-t", "3600", "-m", strconv.Itoa(count+100), backend, "4096"))
	s.WaitFor("SMTP", func() bool { return connects(backend) })
	p := mailtest.Start(t, "proxy", exec.Command(filepath.Join(mailtest.BinDir, "mxprint"), "proxy", "-listen", front, "-backend", backend, "-send", "none", "-relay-checked",
		"-query", socket, "-s", socket+".p0f"))
	p.WaitFor("SMTP", func() bool { return connects(front) })
	before, slab := memory(t, p.Cmd.Process.Pid, "VmRSS"), slabs(t)
	conns := openIdle(t, front, count)
	if t.Failed() {
		return
	}
	share := (memory(t, p.Cmd.Process.Pid, "VmRSS") - before) / count
	t.Logf("%d idle connections: %d bytes each beside %d MiB without any; the kernel's of all three programs: %d bytes each",
		count, share, before>>20, (slabs(t)-slab)/count)
	// They are alive, and known.
	each(t, count, func(i int) error {
		fmt.Fprint(conns[i], "NOOP\r\n")
		return answered(conns[i], "250 ")
	})
	if t.Failed() {
		return
	}
	most := memory(t, p.Cmd.Process.Pid, "VmHWM")
	t.Logf("all of them answer; at most %.1f MiB", float64(most)/(1<<20))
	if most > 256<<20 || share > 20<<10 {
		t.Error("want 256 MiB and 20 KiB a connection at most")
	}
	who := query.NewClient(socket)
	defer who.Close()
	for _, nc := range []net.Conn{conns[0], conns[count/2], conns[count-1]} {
		n, err := who.Lookup(t.Context(), note.Query{Client: nc.LocalAddr().(*net.TCPAddr).AddrPort()})
		if err != nil || n.State != note.Matched || !n.ByConnection {
			t.Errorf("Lookup = %+v, %v, want one matched by connection", n, err)
		}
	}
}

// openIdle opens connections, each of which has been greeted, and closes them
// at the end of the test.
func openIdle(t *testing.T, addr string, count int) []net.Conn {
	t.Helper()
	conns := make([]net.Conn, count)
	t.Cleanup(func() {
		for _, nc := range conns {
			if nc != nil {
				nc.Close()
			}
		}
	})
	each(t, count, func(i int) (err error) {
		if conns[i], err = net.DialTimeout("tcp", addr, mailtest.MailTimeout); err != nil {
			return err
		}
		return answered(conns[i], "220 ")
	})
	return conns
}

// each does something for each of many connections, for some at a time.
func each(t *testing.T, count int, do func(i int) error) {
	t.Helper()
	const workers = 20
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for i := w; i < count; i += workers {
				if err := do(i); err != nil {
					t.Errorf("connection %d: %v", i, err)
					return
				}
			}
		})
	}
	wg.Wait()
}

// answered reads the line of a server.
func answered(nc net.Conn, want string) error {
	nc.SetDeadline(time.Now().Add(6 * mailtest.MailTimeout))
	line, err := bufio.NewReaderSize(nc, 128).ReadString('\n')
	if err == nil && !strings.HasPrefix(line, want) {
		err = fmt.Errorf("%q, want %s", line, want)
	}
	return err
}

func connects(addr string) bool {
	nc, err := net.DialTimeout("tcp", addr, time.Second)
	if err != nil {
		return false
	}
	nc.Close()
	return true
}

// memory is a figure of the memory of a process, in bytes.
func memory(t *testing.T, pid int, name string) int {
	t.Helper()
	return figure(t, fmt.Sprintf("/proc/%d/status", pid), name)
}

// slabs is what the kernel has allocated for its own objects, sockets among
// them, in bytes.
func slabs(t *testing.T) int {
	t.Helper()
	return figure(t, "/proc/meminfo", "Slab")
}

// figure is a figure in kB in a file of /proc, in bytes.
func figure(t *testing.T, file, name string) int {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for line := range bytes.Lines(text) {
		if rest, ok := bytes.CutPrefix(line, []byte(name+":")); ok {
			kb, err := strconv.Atoi(string(bytes.TrimSpace(bytes.TrimSuffix(bytes.TrimSpace(rest), []byte("kB")))))
			if err != nil {
				t.Fatal(err)
			}
			return kb << 10
		}
	}
	t.Fatalf("no %s in %s", name, text)
	return 0
}
