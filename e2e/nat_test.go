//go:build linux

package e2e

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/mxprint/mxprint/internal/test/lab"
)

// A natHost is a machine behind the router.
type natHost struct {
	*lab.NetNS
	name       string
	ipv4, ipv6 netip.Addr
	layout     string // of the options of its SYNs
	system     string // its name in natDB
}

// newNATHosts makes the client of the pair a router that hides two machines
// behind its own addresses: one as this kernel is, and one without timestamps.
func newNATHosts(t *testing.T, pair *lab.Pair) []*natHost {
	t.Helper()
	router := pair.Client
	nft := lab.NeedProgram(t, "nft")
	run := func(ns *lab.NetNS, stdin, program string, args ...string) {
		t.Helper()
		cmd := ns.Command(context.Background(), program, args...)
		cmd.Stdin = strings.NewReader(stdin)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s %s: %v\n%s", program, strings.Join(args, " "), err, out)
		}
	}
	run(router, "", "sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1")
	run(router, fmt.Sprintf(`table inet nat {
	chain out {
		type nat hook postrouting priority 100
		oifname %q masquerade
	}
}
`, router.If), nft, "-f", "-")
	hosts := []*natHost{
		{name: "stamped", layout: stampedLayout, system: "Stamped"},
		{name: "plain", layout: plainLayout, system: "Plain"},
	}
	for i, h := range hosts {
		h.NetNS = lab.NewNetNS(t)
		h.ipv4 = netip.AddrFrom4([4]byte{10, 0, byte(i), 2})
		h.ipv6 = netip.MustParseAddr(fmt.Sprintf("fd00:%d::2", i))
		near := fmt.Sprintf("in%d", i)
		h.IP("link", "add", "eth0", "type", "veth", "peer", "name", near, "netns", router.Name)
		router.IP("addr", "add", h.ipv4.Prev().String()+"/24", "dev", near)
		router.IP("addr", "add", h.ipv6.Prev().String()+"/64", "dev", near, "nodad")
		router.IP("link", "set", near, "up")
		h.IP("addr", "add", h.ipv4.String()+"/24", "dev", "eth0")
		h.IP("addr", "add", h.ipv6.String()+"/64", "dev", "eth0", "nodad")
		h.IP("link", "set", "eth0", "up")
		h.IP("route", "add", "default", "via", h.ipv4.Prev().String())
		h.IP("-6", "route", "add", "default", "via", h.ipv6.Prev().String())
		if h.layout == plainLayout {
			run(h.NetNS, "", "sysctl", "-qw", "net.ipv4.tcp_timestamps=0")
		}
	}
	for _, h := range hosts {
		for _, f := range h.families(pair) {
			deadline := time.Now().Add(startTimeout)
			for !reaches(h.NetNS, f.to) {
				if time.Now().After(deadline) {
					t.Fatalf("%s does not reach %s through the router", h.name, f.to)
				}
				time.Sleep(10 * time.Millisecond)
			}
		}
	}
	return hosts
}

func (h *natHost) families(pair *lab.Pair) []family {
	return []family{{"ipv4", h.ipv4, pair.Server.IPv4}, {"ipv6", h.ipv6, pair.Server.IPv6}}
}

// reaches says if packets go to and fro: nobody listens on the port, so that
// the other machine refuses. The sensor does not look at it.
func reaches(ns *lab.NetNS, to netip.Addr) bool {
	return errors.Is(ns.Do(func() error {
		c, err := net.DialTimeout("tcp", netip.AddrPortFrom(to, 9).String(), time.Second)
		if err == nil {
			c.Close()
		}
		return err
	}), syscall.ECONNREFUSED)
}

// Between the two machines nothing but the layout of the options differs. The
// built-in database gives both the same name.
const (
	stampedLayout = "mss,sok,ts,nop,ws"
	plainLayout   = "mss,nop,nop,sok,nop,ws"
)

// natDB has a name for each of the two, and none for others.
var natDB = "classes = unix\n[tcp:request]\n" + natLabel("Stamped", stampedLayout) + natLabel("Plain", plainLayout)

func natLabel(name, layout string) string {
	return fmt.Sprintf(`label = s:unix:%s:own
sig   = 4:64:0:*:*,*:%[2]s:df,id+:0
sig   = 6:64:0:*:*,*:%[2]s::0
sig   = 6:64:0:*:*,*:%[2]s:flow:0
`, name, layout)
}

// natMails is how many mails each of the two machines sends.
const natMails = 100

// Two machines behind one address send at the same time. Every mail carries
// the fingerprint of its own machine.
func TestNAT(t *testing.T) {
	named := func(h *natHost) *regexp.Regexp {
		return regexp.MustCompile(`^X-p0f-Result: os="` + h.system + ` own" link_type="[^"]*" distance=1 total_conn=\d+ shared_ip=[YN]$`)
	}
	for _, tt := range []struct {
		name string
		// start starts a sensor, with the lines of configuration, and a mail
		// server that asks it; mails is where its mails are.
		start func(t *testing.T, ns *lab.NetNS, config string) (mails string)
		want  func(*natHost) *regexp.Regexp
		least int // of the mails of a machine that must have a header
	}{
		{"haraka", func(t *testing.T, ns *lab.NetNS, config string) string {
			dir := tempDir(t)
			startServe(t, ns, dir, config)
			return startHarakaPlugin(t, ns, "mxprint", filepath.Join(dir, "query.sock"), false, pluginPatience).mails
		}, named, natMails},
		{"milter", func(t *testing.T, ns *lab.NetNS, config string) string {
			startMilter(t, ns, "postfix.md", config)
			return startMilterPostfix(t, ns, patient).mails
		}, named, natMails},
		{"exim", func(t *testing.T, ns *lab.NetNS, config string) string {
			dir := tempDir(t)
			startServe(t, ns, dir, config)
			return startExim(t, ns, dir, patient).mails
		}, named, natMails},
		{"opensmtpd", func(t *testing.T, ns *lab.NetNS, config string) string {
			dir := tempDir(t)
			startServe(t, ns, dir, config)
			return startOpenSMTPD(t, ns, dir, filterPatience).mails
		}, named, natMails},
		{"amavis", func(t *testing.T, ns *lab.NetNS, config string) string {
			startServe(t, ns, tempDir(t), fmt.Sprintf("[amavis]\nlisten = [%q]", amavisAddr), config)
			return startAmavis(t, ns).mails
		}, func(h *natHost) *regexp.Regexp {
			return regexp.MustCompile(`^X-Amavis-OS-Fingerprint: ` + h.system + ` own, \(distance 1, link: [^)]*\), \[[0-9a-f.:]+\]:\d+$`)
		}, 1}, // no answer counts after 50 ms, and none can make amavis wait for longer
	} {
		t.Run(tt.name, func(t *testing.T) {
			pair := lab.NewPair(t)
			hosts := newNATHosts(t, pair)
			db := filepath.Join(tempDir(t), "nat.fp")
			writeFiles(t, filepath.Dir(db), map[string]string{filepath.Base(db): natDB})
			mails := tt.start(t, pair.Server, fmt.Sprintf("[signatures]\nfile = %q", db))
			begin := time.Now()
			sendFromNAT(t, pair, hosts)
			t.Logf("%d mails in %v", len(hosts)*natMails, time.Since(begin).Round(time.Millisecond))
			for _, h := range hosts {
				checkNAT(t, h, mails, tt.want(h), tt.least)
			}
		})
	}
}

// checkNAT checks that the mails of the host have one header each, and the
// host's own; so many must have one.
func checkNAT(t *testing.T, h *natHost, mails string, want *regexp.Regexp, least int) {
	t.Helper()
	right := 0
	for i := range natMails {
		id := fmt.Sprintf("%s-%d", h.name, i)
		var got []string
		for _, l := range headerLines(t, mails, id) {
			if l = strings.Join(strings.Fields(l), " "); strings.HasPrefix(l, "X-p0f-") || strings.HasPrefix(l, "X-Amavis-") {
				got = append(got, l)
			}
		}
		if len(got) == 0 && least < natMails {
			continue
		}
		if len(got) != 1 || !want.MatchString(got[0]) {
			t.Errorf("mail %s: headers %q, want one: %s", id, got, want)
			continue
		}
		right++
	}
	if right < least {
		t.Errorf("%s: %d mails have their own machine's fingerprint, want %d", h.name, right, least)
	}
	t.Logf("%s: %d of %d mails have their own machine's fingerprint", h.name, right, natMails)
}

// sendFromNAT sends the mails of all hosts, a few at a time, half of them by
// each family.
func sendFromNAT(t *testing.T, pair *lab.Pair, hosts []*natHost) {
	const atOnce = 4 // for each host
	var wg sync.WaitGroup
	for _, h := range hosts {
		for first := range atOnce {
			wg.Go(func() {
				for i := first; i < natMails; i += atOnce {
					f := h.families(pair)[i/atOnce%2]
					if err := sendMail(h.NetNS, f.from, f.to, fmt.Sprintf("%s-%d", h.name, i)); err != nil {
						t.Error(err)
					}
				}
			})
		}
	}
	wg.Wait()
}
