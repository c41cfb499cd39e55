//go:build linux

package fleet

import (
	"context"
	"fmt"
	"net"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mxprint/mxprint/internal/test/lab"
	"github.com/mxprint/mxprint/internal/test/valkeylab"
)

// command runs a program on the machine of the store.
func (f *fleet) command(name string, args ...string) *exec.Cmd {
	return f.store.Command(context.Background(), name, args...)
}

// server starts one server there.
func (f *fleet) server(t *testing.T, args ...string) *valkeylab.Server {
	return valkeylab.Start(t, valkeylab.Options{Host: f.store.addr.String(), Command: f.command, Args: append([]string{"--protected-mode", "no"}, args...)})
}

// slow is a proxy before a server that holds answers back.
type slow struct {
	addr  string
	delay atomic.Int64
}

func (f *fleet) slow(t *testing.T, to string) *slow {
	t.Helper()
	s := &slow{addr: net.JoinHostPort(f.store.addr.String(), "7000")}
	var ln net.Listener
	if err := f.store.Do(func() (err error) { ln, err = net.Listen("tcp", s.addr); return err }); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	go func() {
		for {
			near, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer near.Close()
				var far net.Conn
				if f.store.Do(func() (err error) { far, err = net.Dial("tcp", to); return err }) != nil {
					return
				}
				defer far.Close()
				go func() {
					s.copy(far, near, false)
					far.Close()
				}()
				s.copy(near, far, true)
			}()
		}
	}()
	return s
}

// copy copies, and holds each piece back for the delay.
func (s *slow) copy(to, from net.Conn, answers bool) {
	type piece struct {
		at time.Time
		b  []byte
	}
	pieces := make(chan piece, 10_000)
	go func() {
		defer close(pieces)
		for {
			b := make([]byte, 64<<10)
			n, err := from.Read(b)
			if n > 0 {
				at := time.Now()
				if answers {
					at = at.Add(time.Duration(s.delay.Load()))
				}
				pieces <- piece{at, b[:n]}
			}
			if err != nil {
				return
			}
		}
	}()
	for p := range pieces {
		time.Sleep(time.Until(p.at))
		if _, err := to.Write(p.b); err != nil {
			from.Close()
			return
		}
	}
}

// fault is what befalls the store in the middle of the mails.
type fault struct {
	name       string
	begin, end func()
	visible    func(seen string) bool // in the states and metrics that were seen meanwhile; nil: every loss is counted, and nothing dropped
}

// during sends 1,000 mails, the fault from the 300th to the 600th, and longer where
// the mails are through before it shows.
func (f *fleet) during(t *testing.T, x fault) {
	t.Helper()
	const count = 1000
	missing := 0
	ctx, stop := context.WithCancel(context.Background())
	var seen strings.Builder
	var mu sync.Mutex
	var watching sync.WaitGroup
	watching.Go(func() {
		for ctx.Err() == nil {
			for _, m := range f.mx {
				st, err := m.status()
				mu.Lock()
				if err == nil && st.Shared != nil {
					fmt.Fprintf(&seen, "%s fault=%q write_fault=%q emptied=%d %q\n", m.name, st.Shared.Fault, st.Shared.WriteFault, st.Shared.Emptied, st.Reasons)
				}
				mu.Unlock()
				for line := range strings.SplitSeq(m.metrics(), "\n") {
					if strings.HasPrefix(line, "mxprint_shared_store_up") || strings.HasPrefix(line, "mxprint_shared_store_emptied") {
						mu.Lock()
						seen.WriteString(line + "\n")
						mu.Unlock()
					}
				}
			}
			select {
			case <-ctx.Done():
			case <-time.After(200 * time.Millisecond):
			}
		}
	})
	if x.visible == nil {
		late, dropped := f.counted(t)
		defer func() {
			nowLate, nowDropped := f.counted(t)
			t.Logf("%s: %d notes missing, %d look-ups late, %d dropped", x.name, missing, nowLate-late, nowDropped-dropped)
			if missing > 0 && nowLate == late || nowDropped > dropped {
				t.Errorf("%s: a loss that is not counted, or more than the answer to a look-up", x.name)
			}
		}()
		x.visible = func(string) bool { return true }
	}
	seenNow := func() string {
		mu.Lock()
		defer mu.Unlock()
		return seen.String()
	}
	var begin, end sync.Once
	f.send(t, x.name, count, func(sent int) {
		if sent >= 300 {
			begin.Do(func() {
				mu.Lock()
				seen.Reset()
				mu.Unlock()
				x.begin()
			})
		}
		if sent >= 600 {
			end.Do(func() {
				for wait := time.Now().Add(20 * time.Second); !x.visible(seenNow()) && time.Now().Before(wait); {
					time.Sleep(50 * time.Millisecond)
				}
				x.end()
			})
		}
	})
	stop()
	watching.Wait()
	missing = f.check(t, x.name, count)
	if !x.visible(seenNow()) {
		lines := strings.Split(seenNow(), "\n")
		t.Errorf("%s: neither status nor metrics show it:\n%s", x.name, strings.Join(lines[:min(len(lines), 30)], "\n"))
	}
	begun := time.Now()
	f.allShare(t)
	for i := 0; ; i++ { // without a restart, all is as before
		id := fmt.Sprintf("%s-after-%d", x.name, i)
		f.send(t, id, 30, func(int) {})
		f.mu.Lock()
		good := 0
		for j := range 30 {
			if got := f.mails[fmt.Sprintf("%s-%d", id, j)]; got != nil && got.last.ByConnection {
				good++
			}
		}
		f.mu.Unlock()
		if good == 30 {
			break
		}
		if time.Since(begun) > time.Minute {
			t.Fatalf("%s: a minute later %d of 30 mails have the note of their connection", x.name, good)
		}
	}
	t.Logf("%s: all as before %v after the mails", x.name, time.Since(begun).Round(100*time.Millisecond))
}

// lookupsDown and writingDown are what status and metrics show.
func lookupsDown(words ...string) func(string) bool {
	return func(seen string) bool {
		if !strings.Contains(seen, "look-ups go on without the shared store") || !strings.Contains(seen, `mxprint_shared_store_up{for="lookups"} 0`) {
			return false
		}
		for _, word := range words {
			if !strings.Contains(seen, word) {
				return false
			}
		}
		return true
	}
}

func writingDown(words ...string) func(string) bool {
	return func(seen string) bool {
		if !strings.Contains(seen, "nothing is published in the shared store") || !strings.Contains(seen, `mxprint_shared_store_up{for="publishing"} 0`) {
			return false
		}
		for _, word := range words {
			if !strings.Contains(seen, word) {
				return false
			}
		}
		return true
	}
}

// TestFaults: what can befall one server, each in the middle of 1,000 mails: no mail
// waits, no note is wrong, and all is as before without a restart.
func TestFaults(t *testing.T) {
	needFleet(t)
	f := newFleet(t)
	srv := f.server(t)
	proxy := f.slow(t, srv.Addr)
	f.start(t, fmt.Sprintf("valkey = [%q]", proxy.addr))
	nft := lab.NeedProgram(t, "nft")
	run := func(name string, args ...string) {
		if out, err := f.command(name, args...).CombinedOutput(); err != nil {
			t.Errorf("%s %q: %v: %s", name, args, err, out)
		}
	}
	kick := func() { srv.Try("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes") }
	for _, x := range []fault{
		{"killed", srv.Kill, func() { srv.Restart(); srv.WaitReady() }, lookupsDown()},
		{"stalled", srv.Pause, srv.Resume, lookupsDown("no answer within 5 ms")},
		{"late", func() { proxy.delay.Store(int64(200 * time.Millisecond)) }, func() { proxy.delay.Store(0) }, lookupsDown("no answer within 5 ms")},
		{"partition", func() {
			run(nft, "add table inet cut; add chain inet cut in { type filter hook input priority 0 ; }; add rule inet cut in iifname eth0 drop")
		}, func() { run(nft, "delete table inet cut") }, lookupsDown()},
		{"full", func() {
			srv.CLI("CONFIG", "SET", "maxmemory-policy", "noeviction")
			srv.CLI("CONFIG", "SET", "maxmemory", "1")
		},
			func() { srv.CLI("CONFIG", "SET", "maxmemory", "0") }, writingDown("OOM")},
		{"password", func() { srv.CLI("CONFIG", "SET", "requirepass", "another"); srv.SetPassword("another"); kick() },
			func() { srv.CLI("CONFIG", "SET", "requirepass", ""); srv.SetPassword(""); kick() }, lookupsDown("NOAUTH")},
		{"flushed", func() { srv.CLI("FLUSHALL") }, func() {}, func(seen string) bool {
			return strings.Contains(seen, "emptied=1") && strings.Contains(seen, "mxprint_shared_store_emptied_total 1")
		}},
	} {
		t.Run(x.name, func(t *testing.T) { f.during(t, x) })
	}
}

// TestSentinel: the primary fails in the middle of 1,000 mails, and its replica
// takes over.
func TestSentinel(t *testing.T) {
	needFleet(t)
	f := newFleet(t)
	w := valkeylab.StartSentinel(t, valkeylab.Options{Host: f.store.addr.String(), Command: f.command, Args: []string{"--protected-mode", "no"}})
	f.start(t, fmt.Sprintf("valkey = [%q, %q, %q]\nvalkey_primary = %q", w.Addrs()[0], w.Addrs()[1], w.Addrs()[2], w.Name))
	f.during(t, fault{"failover", w.Servers[0].Kill, func() {}, lookupsDown()})
}

// TestCluster: a Cluster of six nodes. Slots move with their keys, and a primary
// fails, each in the middle of 1,000 mails.
func TestCluster(t *testing.T) {
	needFleet(t)
	f := newFleet(t)
	c := valkeylab.StartCluster(t, valkeylab.Options{Host: f.store.addr.String(), Command: f.command, Args: []string{"--protected-mode", "no"}})
	f.start(t, fmt.Sprintf("valkey = [%q, %q]\nvalkey_cluster = true", c.Addrs()[0], c.Addrs()[1]))
	// The client follows the slots: nothing is lost. What is late meanwhile is counted.
	f.during(t, fault{"slots", func() { c.Move(2000) }, func() {}, nil})
	f.during(t, fault{"node", func() { n, _ := c.Primary(); n.Kill() }, c.WaitOK, func(seen string) bool {
		return strings.Contains(seen, "the shared store: ") && strings.Contains(seen, "} 0")
	}})
}
