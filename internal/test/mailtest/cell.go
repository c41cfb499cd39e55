//go:build linux

package mailtest

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

	"github.com/mxprint/mxprint/internal/test/lab"
	"github.com/mxprint/mxprint/note"
	"github.com/mxprint/mxprint/query"
)

// A cell is a mail server in a namespace and a cgroup of its own, which the
// kernel watches for the sensor. The clients are many, each for its first mail.
type Cell struct {
	*lab.Pair
	cgroup *lab.Cgroup
	Dir    string // of the sensor's sockets
	Fresh  []netip.Addr
}

// CellLookups is how many first look-ups a mail server makes: half of them in
// a process older than the sensor, half in a younger one.
const CellLookups = 1000

func NewCell(t *testing.T) *Cell {
	c := &Cell{Pair: lab.NewPair(t), cgroup: lab.NewCgroup(t), Dir: TempDir(t)}
	four, six := c.Client.AddIPv4(CellLookups/2), c.Client.AddIPv6(CellLookups/2)
	for i := range four {
		c.Fresh = append(c.Fresh, four[i], six[i])
	}
	return c
}

// Inside runs what starts a mail server in the cgroup.
func (c *Cell) Inside(start func()) {
	defer c.cgroup.Enter()()
	start()
}

// StartSensor starts the sensor. It is not started by `ip netns exec`, which
// hides the cgroups. Its answers have longer than usual: that a busy machine
// runs the sensor late is not what is asked here.
func (c *Cell) StartSensor(t *testing.T, config ...string) *Process {
	t.Helper()
	SensorProgram(t) // builds it
	path := filepath.Join(c.Dir, "mxprint.toml")
	text := fmt.Sprintf("[sensor]\nsource = \"sockops\"\ncgroup = %q\n[p0f]\nsocket = %q\nwait = \"1s\"\n[query]\nlisten = [%q]\n%s",
		c.cgroup.Path, filepath.Join(c.Dir, "p0f.sock"), filepath.Join(c.Dir, "query.sock"), strings.Join(config, "\n"))
	WriteFiles(t, c.Dir, map[string]string{"mxprint.toml": text})
	var p *Process
	if err := c.Server.Do(func() error {
		p = Start(t, "serve", exec.Command(filepath.Join(BinDir, "mxprint"), "serve", "-config", path))
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	p.Printed("msg=ready")
	if out, err := c.Server.Command(t.Context(), "cat", "/proc/net/packet").Output(); err != nil || bytes.Count(out, []byte("\n")) != 1 {
		t.Errorf("there are packet sockets: %v\n%s", err, out)
	}
	return p
}

// Send has the next clients send a mail each, and returns how many of these
// have a note of a Linux system.
func (c *Cell) Send(t *testing.T, mails, prefix string, count int) (named int) {
	t.Helper()
	var wg sync.WaitGroup
	var ids []string
	next := make(chan int)
	for range 8 {
		wg.Go(func() {
			for i := range next {
				to := c.Server.IPv4
				if c.Fresh[i].Is6() {
					to = c.Server.IPv6
				}
				if err := SendMail(c.Client, c.Fresh[i], to, fmt.Sprint(prefix, i)); err != nil {
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
	c.Fresh = c.Fresh[count:]
	return WithHeader(t, mails, ids)
}

// CheckCookies: with SYN cookies the kernel has no SYN, and the sensor says so,
// of a client that it knows too.
func (c *Cell) CheckCookies(t *testing.T, mails string, known netip.Addr) {
	t.Helper()
	if out, err := c.Server.Command(t.Context(), "sysctl", "-qw", "net.ipv4.tcp_syncookies=2").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for i, from := range []netip.Addr{known, c.Client.AddIPv4(1)[0]} {
		id := fmt.Sprint("cookie-", i)
		if err := SendMail(c.Client, from, c.Server.IPv4, id); err != nil {
			t.Fatal(err)
		}
		if h := Delivered(t, mails, id).Get("X-p0f-Result"); h != "" {
			t.Errorf("mail %s from %v has the header %q", id, from, h)
		}
		client := DialSMTP(t, c.Client, from, c.Server.IPv4)
		asked := note.Query{
			Client: netip.MustParseAddrPort(client.Conn.LocalAddr().String()),
			Server: netip.MustParseAddrPort(client.Conn.RemoteAddr().String()),
		}
		ask := query.NewClient(filepath.Join(c.Dir, "query.sock"))
		lab.Eventually(t, func() error { // the sensor may be behind
			n, err := ask.Lookup(context.Background(), asked)
			if !errors.Is(err, query.ErrUnavailable) || n.State != note.Unavailable {
				return fmt.Errorf("the connection %v has the note %+v, %v", asked.Client, n, err)
			}
			return nil
		})
		ask.Close()
		client.Close()
	}
}
