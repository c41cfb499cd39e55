package main

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/mxprint/mxprint/internal/test/lab"
)

// dialIn connects from a namespace and hangs up.
func dialIn(t *testing.T, ns *lab.NetNS, to string) {
	t.Helper()
	if err := ns.Do(func() error {
		c, err := net.Dial("tcp", to)
		if err != nil {
			return err
		}
		return c.Close()
	}); err != nil {
		t.Fatal(err)
	}
}

// portsIn accepts connections on two ports of a namespace's address.
func portsIn(t *testing.T, ns *lab.NetNS, addr netip.Addr, ports ...string) {
	t.Helper()
	for _, port := range ports {
		if err := ns.Do(func() error {
			l, err := net.Listen("tcp", net.JoinHostPort(addr.String(), port))
			if err == nil {
				t.Cleanup(func() { l.Close() })
			}
			return err
		}); err != nil {
			t.Fatal(err)
		}
	}
}

// synLines are the lines of a log about SYNs, without their times.
func synLines(log string) (lines []string) {
	for line := range strings.Lines(text(log)) {
		if line = logTime.ReplaceAllString(line, ""); strings.HasPrefix(line, "mod=syn|") && strings.HasSuffix(line, "\n") {
			lines = append(lines, line)
		}
	}
	return lines
}

// TestRulesLive: rules that p0f takes, by p0f and the command that stands in for it,
// on a packet socket: both log the same SYNs.
func TestRulesLive(t *testing.T) {
	real := lab.NeedProgram(t, "p0f")
	const database = "/etc/p0f/p0f.fp"
	for i, rule := range []string{
		"inbound and dst port 25",
		"dst port 25 and not ether src 02:00:00:00:00:01",
		"ether proto 0x0800 and dst port 25",
		"dst port 25 and not broadcast and not multicast",
		"ifindex 1 and dst port 25",
		// These take nothing but the last connection.
		"(ifindex 2 and dst port 25) or dst port 26",
		"(ether src 02:00:00:00:00:01 and dst port 25) or dst port 26",
		"(ether proto 0x86dd and dst port 25) or dst port 26",
		"(broadcast and dst port 25) or dst port 26",
	} {
		t.Run(rule, func(t *testing.T) {
			ns, dir := lab.NewNetNS(t), t.TempDir()
			addr := netip.MustParseAddr("127.0.0.1")
			portsIn(t, ns, addr, "25", "26")
			logs := []string{filepath.Join(dir, "p0f.log"), filepath.Join(dir, "own.log")}
			for i, program := range []string{real, commandNamed(t, dir, "p0f")} {
				watch(t, ns.Command(context.Background(), program, "-i", "lo", "-f", database, "-o", logs[i], rule))
			}
			dialIn(t, ns, "127.0.0.1:25")
			dialIn(t, ns, "127.0.0.1:26")
			last := "/25|"
			if i >= 5 {
				last = "/26|"
			}
			if !eventually(func() bool { return strings.Contains(text(logs[0]), last) && strings.Contains(text(logs[1]), last) }) {
				t.Fatalf("no SYN to port %s by\np0f:\n%sours:\n%s", last, text(logs[0]), text(logs[1]))
			}
			got, want := synLines(logs[1]), synLines(logs[0])
			if len(want) != 1 || !slices.Equal(got, want) {
				t.Errorf("logged\n%q\np0f's is\n%q", got, want)
			}
		})
	}
}

// TestDirectionLive: inbound and outbound of a veth, by the number of the interface, too.
func TestDirectionLive(t *testing.T) {
	pair, dir := lab.NewPair(t), t.TempDir()
	portsIn(t, pair.Server, pair.Server.IPv4, "25", "26")
	program := commandNamed(t, dir, "p0f")
	index := func(ns *lab.NetNS) string {
		number, _, _ := strings.Cut(ns.IP("-o", "link", "show", ns.If), ":")
		return number
	}
	type sensor struct {
		ns   *lab.NetNS
		rule string
		want bool
		log  string
	}
	sensors := []*sensor{
		{ns: pair.Server, rule: "inbound and dst port 25", want: true},
		{ns: pair.Server, rule: "outbound and dst port 25"},
		{ns: pair.Client, rule: "outbound and dst port 25", want: true},
		{ns: pair.Client, rule: "inbound and dst port 25"},
		{ns: pair.Server, rule: "ifindex " + index(pair.Server) + " and dst port 25", want: true},
		{ns: pair.Server, rule: "ifindex 9999 and dst port 25"},
	}
	for i, s := range sensors {
		s.log = filepath.Join(dir, fmt.Sprintf("%d.log", i))
		watch(t, s.ns.Command(context.Background(), program, "-i", s.ns.If, "-o", s.log, "("+s.rule+") or dst port 26"))
	}
	to := pair.Server.IPv4.String()
	dialIn(t, pair.Client, net.JoinHostPort(to, "25"))
	dialIn(t, pair.Client, net.JoinHostPort(to, "26"))
	for _, s := range sensors {
		if !eventually(func() bool { return strings.Contains(text(s.log), "/26|") }) {
			t.Fatalf("%s in %s: no SYN to port 26:\n%s", s.rule, s.ns.If, text(s.log))
		}
		if got := strings.Contains(text(s.log), "/25|"); got != s.want {
			t.Errorf("%s in %s: the SYN to port 25 is logged: %v, want %v", s.rule, s.ns.If, got, s.want)
		}
	}
}
