//go:build linux

package haraka

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/mxprint/mxprint/internal/test/flood"
	"github.com/mxprint/mxprint/internal/test/lab"
	"github.com/mxprint/mxprint/internal/test/mailtest"
	"github.com/mxprint/mxprint/note"
	"github.com/mxprint/mxprint/p0f"
)

// floods are what the sensor has to bear while it is restarted: in an ordinary
// run, and in make attack.
type floods struct{ syns, lookups, senders, mails int }

var (
	usualFlood  = floods{20_000, 200, 100, 100}
	attackFlood = floods{200_000, 2000, 500, 400}
)

// TestHarakaFloodedRestart re-executes the sensor twice, and stops and starts it
// as a service manager does, under a flood of spoofed SYNs and of questions: each
// sender that was verified before is known afterwards, and the published plugin,
// which would hang on a connection that is closed, never does.
func TestHarakaFloodedRestart(t *testing.T) {
	f := usualFlood
	if os.Getenv("MXPRINT_ATTACK") != "" {
		f = attackFlood
	}
	pair := lab.NewPair(t)
	dir := mailtest.TempDir(t)
	socket := filepath.Join(dir, "p0f.sock")
	mailtest.WriteFiles(t, dir, map[string]string{"m.toml": fmt.Sprintf(
		"[sensor]\ninterfaces = [%q]\n[p0f]\nsocket = %q\nwait = \"50ms\"\n[limits]\nstate = %q\n", pair.Server.If, socket, filepath.Join(dir, "memory"))})
	manager := lab.NewServiceManager(t, filepath.Join(dir, "notify"), 1000)
	mailtest.SensorProgram(t)
	start := func() *mailtest.Process {
		cmd := pair.Server.Command(context.Background(), filepath.Join(mailtest.BinDir, "mxprint"), "serve", "-config", filepath.Join(dir, "m.toml"))
		release := manager.Service(cmd)
		defer release()
		p := mailtest.Start(t, "serve", cmd)
		p.Printed("msg=ready")
		return p
	}
	sensor := start()
	h := startHaraka(t, pair.Server, socket, false)
	senders := pair.Client.AddIPv4(f.senders)
	connect(t, pair, senders)
	lab.Eventually(t, func() error {
		if n := unknown(t, socket, senders); n > 0 {
			return fmt.Errorf("%d of %d senders are not known before", n, len(senders))
		}
		return nil
	})
	usual := mailtest.SendNoted(t, pair, h.mails, "usual", 50)

	flooded := startFlood(t, pair, f.syns)
	asked := startAsking(t, socket, senders, f.lookups)
	var done chan struct{}
	during := mailtest.SendMany(t, pair, "flooded", f.mails, func(i int) {
		switch i {
		case f.mails / 4, f.mails / 2:
			if done != nil {
				<-done
			}
			done = sensor.Reexec("msg=ready")
		case 3 * f.mails / 4:
			<-done
			sensor.Signal(syscall.SIGTERM)
			<-sensor.Done
			sensor = start()
		}
	})
	rate, lookups := flooded(), asked()
	lost := unknown(t, socket, senders)
	t.Logf("%d SYNs a second, %d look-ups a second, of which %d failed, 99 of 100 within %v, the slowest %v; afterwards %d of %d verified senders unknown",
		rate, lookups.rate, lookups.failed, lookups.at(0.99), lookups.at(1), lost, len(senders))
	if lost > 0 || lookups.failed > 0 {
		t.Error("want none unknown, and none failed")
	}
	if len(during.Ids) != f.mails {
		t.Errorf("%d of %d mails were taken", len(during.Ids), f.mails)
	}
	mailtest.CheckHang(t, usual, during, 2*restartTime) // one that is stopped also has to start
	mailtest.SendNoted(t, pair, h.mails, "after", 20)
}

// connect has each sender complete a handshake with the mail server.
func connect(t *testing.T, pair *lab.Pair, senders []netip.Addr) {
	t.Helper()
	to := netip.AddrPortFrom(pair.Server.IPv4, 25).String()
	for _, from := range senders {
		if err := pair.Client.Do(func() error {
			d := net.Dialer{LocalAddr: &net.TCPAddr{IP: from.AsSlice()}, Timeout: 10 * time.Second}
			nc, err := d.Dial("tcp", to)
			if err == nil {
				nc.Close()
			}
			return err
		}); err != nil {
			t.Fatal(err)
		}
	}
}

// unknown counts the senders of which the sensor knows nothing.
func unknown(t *testing.T, socket string, senders []netip.Addr) (count int) {
	t.Helper()
	c := p0f.NewClient(socket)
	defer c.Close()
	for _, a := range senders {
		n, err := c.Lookup(t.Context(), note.Query{Client: netip.AddrPortFrom(a, 0)})
		if err != nil {
			t.Fatal(err)
		}
		if !n.Known() {
			count++
		}
	}
	return count
}

// startFlood floods the sensor's interface. What it returns ends the flood, and
// says how many SYNs a second were sent.
func startFlood(t *testing.T, pair *lab.Pair, rate int) (stop func() int) {
	t.Helper()
	var link *flood.Link
	if err := pair.Client.Do(func() (err error) {
		link, err = flood.Open(pair.Client.If)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	sent, begin := make(chan int, 1), time.Now()
	go func() {
		defer link.Close()
		sent <- link.Flood(ctx, rate, flood.SYN(netip.AddrPortFrom(pair.Server.IPv4, 25)), flood.Random)
	}()
	return func() int {
		cancel()
		return int(float64(<-sent) / time.Since(begin).Seconds())
	}
}

// lookups are the questions that were asked meanwhile.
type lookups struct {
	rate, failed int
	took         []time.Duration // sorted
}

// at is how long a part of them took.
func (l *lookups) at(part float64) time.Duration {
	if len(l.took) == 0 {
		return 0
	}
	return l.took[int(part*float64(len(l.took)-1))].Round(10 * time.Microsecond)
}

// askers is how many connections ask.
const askers = 8

// startAsking asks about the senders, a number of times a second.
func startAsking(t *testing.T, socket string, senders []netip.Addr, rate int) (stop func() *lookups) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	var (
		wg  sync.WaitGroup
		mu  sync.Mutex
		all lookups
	)
	begin := time.Now()
	for w := range askers {
		wg.Go(func() {
			c := &p0f.Client{Path: socket, Timeout: 10 * time.Second}
			defer c.Close()
			var took []time.Duration
			failed := 0
			for i := w; ctx.Err() == nil; i += askers {
				due := begin.Add(time.Duration(i) * time.Second / time.Duration(rate))
				if wait := time.Until(due); wait > 0 {
					time.Sleep(wait)
				}
				asked := time.Now()
				n, err := c.Lookup(context.Background(), note.Query{Client: netip.AddrPortFrom(senders[i%len(senders)], 0)})
				if err != nil || !n.Known() {
					failed++
				}
				took = append(took, time.Since(asked))
			}
			mu.Lock()
			defer mu.Unlock()
			all.failed += failed
			all.took = append(all.took, took...)
		})
	}
	return func() *lookups {
		cancel()
		wg.Wait()
		all.rate = int(float64(len(all.took)) / time.Since(begin).Seconds())
		slices.Sort(all.took)
		return &all
	}
}
