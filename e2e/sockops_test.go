//go:build linux

package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mxprint/mxprint/internal/test/lab"
	"github.com/mxprint/mxprint/note"
	"github.com/mxprint/mxprint/query"
)

// A cell is a mail server in a namespace and a cgroup of its own, which the
// kernel watches for the sensor. The clients are many, each for its first mail.
type cell struct {
	*lab.Pair
	cgroup *lab.Cgroup
	dir    string // of the sensor's sockets
	fresh  []netip.Addr
}

// cellLookups is how many first look-ups a mail server makes: half of them in
// a process older than the sensor, half in a younger one.
const cellLookups = 1000

func newCell(t *testing.T) *cell {
	c := &cell{Pair: lab.NewPair(t), cgroup: lab.NewCgroup(t), dir: tempDir(t)}
	four, six := c.Client.AddIPv4(cellLookups/2), c.Client.AddIPv6(cellLookups/2)
	for i := range four {
		c.fresh = append(c.fresh, four[i], six[i])
	}
	return c
}

// inside runs what starts a mail server in the cgroup.
func (c *cell) inside(start func()) {
	defer c.cgroup.Enter()()
	start()
}

// startSensor starts the sensor. It is not started by `ip netns exec`, which
// hides the cgroups. Its answers have longer than usual: that a busy machine
// runs the sensor late is not what is asked here.
func (c *cell) startSensor(t *testing.T, config ...string) *process {
	t.Helper()
	sensorProgram(t) // builds it
	path := filepath.Join(c.dir, "mxprint.toml")
	text := fmt.Sprintf("[sensor]\nsource = \"sockops\"\ncgroup = %q\n[p0f]\nsocket = %q\nwait = \"1s\"\n[query]\nlisten = [%q]\n%s",
		c.cgroup.Path, filepath.Join(c.dir, "p0f.sock"), filepath.Join(c.dir, "query.sock"), strings.Join(config, "\n"))
	writeFiles(t, c.dir, map[string]string{"mxprint.toml": text})
	var p *process
	if err := c.Server.Do(func() error {
		p = start(t, "serve", exec.Command(filepath.Join(binDir, "mxprint"), "serve", "-config", path))
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	p.waitFor("ready", func() bool { return bytes.Contains(p.out.bytes(), []byte("ready")) })
	if out, err := c.Server.Command(t.Context(), "cat", "/proc/net/packet").Output(); err != nil || bytes.Count(out, []byte("\n")) != 1 {
		t.Errorf("there are packet sockets: %v\n%s", err, out)
	}
	return p
}

// send has the next clients send a mail each, and returns how many of these
// have a note of a Linux system.
func (c *cell) send(t *testing.T, mails, prefix string, count int) (named int) {
	t.Helper()
	var wg sync.WaitGroup
	var ids []string
	next := make(chan int)
	for range 8 {
		wg.Go(func() {
			for i := range next {
				to := c.Server.IPv4
				if c.fresh[i].Is6() {
					to = c.Server.IPv6
				}
				if err := sendMail(c.Client, c.fresh[i], to, fmt.Sprint(prefix, i)); err != nil {
					t.Errorf("mail %s%d: %v", prefix, i, err)
				}
			}
		})
	}
	for i := range count {
		ids = append(ids, fmt.Sprint(prefix, i))
		next <- i
	}
	close(next)
	wg.Wait()
	c.fresh = c.fresh[count:]
	return withHeader(t, mails, ids)
}

func TestSockopsPostfix(t *testing.T) {
	c := newCell(t)
	var p *postfix
	patient := strings.ReplaceAll(recipe(t, "postfix.md", "smtpd_milters"), "timeout=1s", "timeout=30s")
	serve := func() { p = startPostfix(t, c.Server, patient) }
	c.inside(serve)
	sensor := c.startSensor(t, recipe(t, "postfix.md", "[milter]")+"deadline = \"10s\"\n")
	known := c.fresh[0]
	named := c.send(t, p.mails, "older-", cellLookups/2)
	p.stop()
	endPostfix(t, filepath.Join(filepath.Dir(p.mails), "queue")) // else its smtpds go on listening
	c.inside(serve)
	named += c.send(t, p.mails, "younger-", cellLookups/2)
	t.Logf("%d of %d first look-ups of the milter", named, cellLookups)
	if named != cellLookups {
		t.Errorf("%d of %d first look-ups of the milter were answered", named, cellLookups)
	}
	c.checkCookies(t, p.mails, known)
	sensor.stop()
	for _, wrong := range []string{"not watched", "faster than"} {
		if bytes.Contains(sensor.out.bytes(), []byte(wrong)) {
			t.Errorf("the sensor warns:\n%s", sensor.out.bytes())
		}
	}
}

func TestSockopsHaraka(t *testing.T) {
	c := newCell(t)
	var h *haraka
	serve := func() { h = startHaraka(t, c.Server, filepath.Join(c.dir, "p0f.sock"), false) }
	c.inside(serve)
	c.startSensor(t)
	c.waitForPlugin(t, h.mails)
	named := c.send(t, h.mails, "older-", cellLookups/2)
	h.stop()
	c.inside(serve)
	named += c.send(t, h.mails, "younger-", cellLookups/2)
	t.Logf("%d of %d first look-ups of the published Haraka plugin", named, cellLookups)
	if named != cellLookups {
		t.Errorf("%d of %d first look-ups of the published Haraka plugin were answered", named, cellLookups)
	}
}

// waitForPlugin waits until the published plugin has found the sensor, which
// was not there when it began: it tries every 5 s.
func (c *cell) waitForPlugin(t *testing.T, mails string) {
	t.Helper()
	for i, end := 0, time.Now().Add(time.Minute); ; i++ {
		id := fmt.Sprint("probe-", i)
		if err := sendMail(c.Client, c.Client.IPv4, c.Server.IPv4, id); err != nil {
			t.Fatal(err)
		}
		if delivered(t, mails, id).Get("X-p0f-Result") != "" {
			return
		}
		if time.Now().After(end) {
			t.Fatal("the plugin does not find the sensor")
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// checkCookies: with SYN cookies the kernel has no SYN, and the sensor says so,
// of a client that it knows too.
func (c *cell) checkCookies(t *testing.T, mails string, known netip.Addr) {
	t.Helper()
	if out, err := c.Server.Command(t.Context(), "sysctl", "-qw", "net.ipv4.tcp_syncookies=2").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for i, from := range []netip.Addr{known, c.Client.AddIPv4(1)[0]} {
		id := fmt.Sprint("cookie-", i)
		if err := sendMail(c.Client, from, c.Server.IPv4, id); err != nil {
			t.Fatal(err)
		}
		if h := delivered(t, mails, id).Get("X-p0f-Result"); h != "" {
			t.Errorf("mail %s from %v has the header %q", id, from, h)
		}
		client := dialSMTP(t, c.Client, from, c.Server.IPv4)
		asked := note.Query{
			Client: netip.MustParseAddrPort(client.conn.LocalAddr().String()),
			Server: netip.MustParseAddrPort(client.conn.RemoteAddr().String()),
		}
		ask := query.NewClient(filepath.Join(c.dir, "query.sock"))
		n, err := ask.Lookup(context.Background(), asked)
		if !errors.Is(err, query.ErrUnavailable) || n.State != note.Unavailable {
			t.Errorf("the connection %v has the note %+v, %v", asked.Client, n, err)
		}
		ask.Close()
		client.Close()
	}
}
