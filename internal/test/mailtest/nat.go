//go:build linux

package mailtest

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
	system     string // its name in NatDB
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
			lab.Eventually(t, func() error {
				if !Reaches(h.NetNS, f.To) {
					return fmt.Errorf("%s does not reach %s through the router", h.name, f.To)
				}
				return nil
			})
		}
	}
	return hosts
}

func (h *natHost) families(pair *lab.Pair) []Family {
	return []Family{{"ipv4", h.ipv4, pair.Server.IPv4}, {"ipv6", h.ipv6, pair.Server.IPv6}}
}

// Reaches says if packets go to and fro: no server listens on the port, so that
// the other machine refuses. The sensor does not look at it.
func Reaches(ns *lab.NetNS, to netip.Addr) bool {
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

// NatDB has a name for each of the two, and none for others.
var NatDB = "classes = unix\n[tcp:request]\n" + natLabel("Stamped", stampedLayout) + natLabel("Plain", plainLayout)

func natLabel(name, layout string) string {
	return fmt.Sprintf(`label = s:unix:%s:own
sig   = 4:64:0:*:*,*:%[2]s:df,id+:0
sig   = 6:64:0:*:*,*:%[2]s::0
sig   = 6:64:0:*:*,*:%[2]s:flow:0
`, name, layout)
}

// NatMails is how many mails each of the two machines sends.
const NatMails = 100

// CheckNAT: two machines behind one address send at the same time. Every mail
// carries the fingerprint of its own machine. start starts a sensor, with the
// lines of configuration, and a mail server that asks it; mails is where its
// mails are. want is the header about a machine, and least the number of its mails that
// must have one.
func CheckNAT(t *testing.T, start func(ns *lab.NetNS, config string) (mails string), want func(system string) string, least int) {
	t.Helper()
	pair := lab.NewPair(t)
	hosts := newNATHosts(t, pair)
	db := filepath.Join(TempDir(t), "nat.fp")
	WriteFiles(t, filepath.Dir(db), map[string]string{filepath.Base(db): NatDB})
	mails := start(pair.Server, fmt.Sprintf("[signatures]\nfile = %q", db))
	begin := time.Now()
	sendFromNAT(t, pair, hosts)
	t.Logf("%d mails in %v", len(hosts)*NatMails, time.Since(begin).Round(time.Millisecond))
	for _, h := range hosts {
		checkNATHost(t, h, mails, regexp.MustCompile(want(h.system)), least)
	}
}

// NatHeader is the header about one of the two machines.
func NatHeader(system string) string {
	return `^X-p0f-Result: os="` + system + ` own" link_type="[^"]*" distance=1 total_conn=\d+ shared_ip=[YN]$`
}

// checkNATHost checks that the mails of the host have one header each, and the
// host's own; that many must have one.
func checkNATHost(t *testing.T, h *natHost, mails string, want *regexp.Regexp, least int) {
	t.Helper()
	right := 0
	for i := range NatMails {
		id := fmt.Sprintf("%s-%d", h.name, i)
		var got []string
		for _, l := range HeaderLines(t, mails, id) {
			if l = strings.Join(strings.Fields(l), " "); strings.HasPrefix(l, "X-p0f-") || strings.HasPrefix(l, "X-Amavis-") {
				got = append(got, l)
			}
		}
		if len(got) == 0 && least < NatMails {
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
	t.Logf("%s: %d of %d mails have their own machine's fingerprint", h.name, right, NatMails)
}

// sendFromNAT sends the mails of all hosts, a few at a time, half of them by
// each family.
func sendFromNAT(t *testing.T, pair *lab.Pair, hosts []*natHost) {
	const atOnce = 4 // for each host
	var wg sync.WaitGroup
	for _, h := range hosts {
		for first := range atOnce {
			wg.Go(func() {
				for i := first; i < NatMails; i += atOnce {
					f := h.families(pair)[i/atOnce%2]
					if err := SendMail(h.NetNS, f.From, f.To, fmt.Sprintf("%s-%d", h.name, i)); err != nil {
						t.Error(err)
					}
				}
			})
		}
	}
	wg.Wait()
}
