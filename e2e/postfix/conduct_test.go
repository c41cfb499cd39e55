//go:build linux

package postfix

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mxprint/mxprint/capture"
	"github.com/mxprint/mxprint/engine"
	"github.com/mxprint/mxprint/internal/sender"
	"github.com/mxprint/mxprint/internal/stream"
	"github.com/mxprint/mxprint/internal/test/lab"
	"github.com/mxprint/mxprint/internal/test/mailtest"
	"github.com/mxprint/mxprint/internal/test/mimic"
	"github.com/mxprint/mxprint/note"
)

// reading captures at a namespace and returns who answers with what was read.
func reading(t *testing.T, ns *lab.NetNS) note.Lookuper {
	t.Helper()
	var ring *capture.Ring
	if err := ns.Do(func() (err error) {
		ring, err = capture.OpenRing(capture.Config{Interface: ns.If, SlotBytes: 4096, RingBytes: 64 << 20})
		return err
	}); err != nil {
		t.Fatal(err)
	}
	r := sender.New(sender.Config{Stream: stream.Config{MaxSource: 1000}})
	e, err := engine.New(engine.Config{Hosts: engine.Hosts{Recent: 1000}, Follow: r.Follow})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- e.Run(ctx, ring) }()
	t.Cleanup(func() {
		cancel()
		<-done
		ring.Close()
	})
	return r.Lookuper(e)
}

// speak has a client speak, and returns its end of the connection.
func speak(ns *lab.NetNS, c *mimic.Client, from, to netip.Addr) (netip.AddrPort, error) {
	var conn net.Conn
	if err := ns.Do(func() (err error) {
		d := net.Dialer{LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(from, 0)), Timeout: 30 * time.Second}
		conn, err = d.Dial("tcp", netip.AddrPortFrom(to, 25).String())
		return err
	}); err != nil {
		return netip.AddrPort{}, err
	}
	end := conn.LocalAddr().(*net.TCPAddr).AddrPort()
	c.Run(conn)
	return end, nil
}

// conductOf asks until the connection has been read to its end.
func conductOf(t *testing.T, who note.Lookuper, client netip.AddrPort) *note.Findings {
	t.Helper()
	var f *note.Findings
	for end := time.Now().Add(lab.Patience); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		n, err := who.Lookup(context.Background(), note.Query{Client: client})
		if err != nil {
			t.Fatal(err)
		}
		if f = n.Conduct; f != nil && f.State != note.Reading {
			return f
		}
	}
	if f == nil {
		t.Fatalf("%v: nothing is known of its conduct", client)
	}
	return f
}

// checkConduct compares what was found with what a client did; soon says that
// the greeting takes a while.
func checkConduct(t *testing.T, c *mimic.Client, soon bool, f *note.Findings) {
	t.Helper()
	want := strings.Fields(c.Find)
	if soon {
		want = append(want, strings.Fields(c.Soon)...)
	}
	for _, id := range want {
		// postscreen has a first line to hear; after it, a greeting that TLS cuts off is not judged.
		// A reset may be overtaken by the answer of the socket that is gone: then how it ended is not known.
		overtaken := soon && id == "no_quit" && f.State == note.NotKnown
		if !f.Has(id) && !overtaken && (id != "early_talker" || !f.Has("greeting_talker") && !f.Has("sudden_tls")) {
			t.Errorf("%s: %+v, want %s", c.Name, f, id)
		}
	}
	if c.Honest && (len(f.List) > 0 || f.State != note.Complete) {
		t.Errorf("%s: %+v, want nothing found, and all known", c.Name, f)
	}
}

// TestConduct runs every client against Postfix, over a plain wire and over one
// that delays, reorders and duplicates.
func TestConduct(t *testing.T) {
	for _, wire := range []struct {
		name string
		pair func(testing.TB) *lab.Pair
		soon bool
	}{{"plain", lab.NewPair, false}, {"delayed, reordered, duplicated", mimic.Bridged, true}} {
		t.Run(wire.name, func(t *testing.T) {
			pair := wire.pair(t)
			mailtest.StartPostfix(t, pair.Server, "smtpd_forbid_bare_newline = no", "smtpd_client_connection_rate_limit = 0", "smtpd_hard_error_limit = 100",
				"smtpd_error_sleep_time = 0", "smtpd_forbidden_commands =", "smtpd_timeout = 30s")
			who := reading(t, pair.Server)
			for _, c := range append(mimic.Clients(), mimic.Mailing()...) {
				end, err := speak(pair.Client, &c, pair.Client.IPv4, pair.Server.IPv4)
				if err != nil {
					t.Fatal(err)
				}
				checkConduct(t, &c, wire.soon, conductOf(t, who, end))
			}
		})
	}
}

// postscreen is the services of Postfix with postscreen in front.
var postscreen = strings.Replace(mailtest.PostfixMaster, "smtp       inet  n - n -     - smtpd\n", `
smtp       inet  n - n -     1 postscreen
smtpd      pass  - - n -     - smtpd
dnsblog    unix  - - n -     0 dnsblog
tlsproxy   unix  - - n -     0 tlsproxy
`, 1)

// sees is which findings say what a line of postscreen says.
var sees = map[string][]string{
	"PREGREET":           {"early_talker", "greeting_talker", "sudden_tls"},
	"COMMAND PIPELINING": {"pipelining", "pipelining_order", "data_early", "starttls_early", "after_quit"},
	"NON-SMTP COMMAND":   {"non_smtp"},
	"BARE NEWLINE":       {"bare_lf"},
}

// TestConductPostscreen: each pregreet, pipelining, command that is not SMTP and
// bare newline that postscreen logs with its deep tests on is in our findings of
// the same connection.
func TestConductPostscreen(t *testing.T) {
	pair := lab.NewPair(t)
	p := mailtest.StartPostfixServices(t, pair.Server, postscreen,
		"postscreen_greet_wait = 1s", "postscreen_greet_action = ignore", "postscreen_access_list = cidr:{{198.18.0.2/32 permit}, {2001:db8::2/128 permit}}", // that the test itself may ask whether it is up
		"postscreen_pipelining_enable = yes", "postscreen_pipelining_action = ignore",
		"postscreen_non_smtp_command_enable = yes", "postscreen_non_smtp_command_action = ignore",
		"postscreen_bare_newline_enable = yes", "postscreen_bare_newline_action = ignore",
		"postscreen_client_connection_count_limit = 100", "postscreen_cache_map =")
	who := reading(t, pair.Server)
	clients := mimic.Clients()
	addrs := pair.Client.AddIPv4(len(clients) + 1) // each a stranger
	ends, errs := make([]netip.AddrPort, len(clients)), make([]error, len(clients))
	var wg sync.WaitGroup
	for i := range clients { // all at once, since each is kept waiting for a second
		wg.Go(func() { ends[i], errs[i] = speak(pair.Client, &clients[i], addrs[i], pair.Server.IPv4) })
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	found := make(map[netip.AddrPort]*note.Findings)
	for i, end := range ends {
		found[end] = conductOf(t, who, end)
		checkConduct(t, &clients[i], true, found[end])
	}
	mailtest.DialSMTP(t, pair.Client, addrs[len(clients)], pair.Server.IPv4).Quit()
	p.Printed(fmt.Sprintf("CONNECT from [%v]", addrs[len(clients)])) // what is about the others stands before it
	logged := make(map[string]int)
	for line := range strings.Lines(string(p.Out.Bytes())) {
		for what, ids := range sees {
			_, rest, ok := strings.Cut(line, ": "+what+" ")
			if !ok {
				continue
			}
			_, rest, _ = strings.Cut(rest, "from [")
			addr, port, _ := strings.Cut(rest, "]:")
			port = port[:strings.IndexFunc(port+" ", func(c rune) bool { return c < '0' || c > '9' })]
			end, err := netip.ParseAddrPort(addr + ":" + port)
			if err != nil {
				t.Fatalf("%q: %v", line, err)
			}
			logged[what]++
			if f := found[end]; f == nil || !slices.ContainsFunc(ids, f.Has) {
				t.Errorf("postscreen logs %q; found: %+v", strings.TrimSpace(line), f)
			}
		}
	}
	t.Log(logged)
	for what := range sees {
		if logged[what] == 0 {
			t.Errorf("postscreen logs no %s: its tests were not on:\n%s", what, bytes.TrimSpace(p.Out.Bytes()))
		}
	}
}
