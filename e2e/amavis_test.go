//go:build linux

package e2e

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/user"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mxprint/mxprint/capture"
	"github.com/mxprint/mxprint/engine"
	"github.com/mxprint/mxprint/internal/front/amavis"
	"github.com/mxprint/mxprint/internal/host"
	"github.com/mxprint/mxprint/internal/test/lab"
)

// amavisAddr is where amavis asks; docs/amavis.md uses the same port.
const amavisAddr = "127.0.0.1:2345"

// amavisConfig is amavisd.conf, with amavis's own directory and the mail's
// domain to fill in. Nothing is scanned: what counts is the header.
const amavisConfig = `
use strict;
$daemon_user = 'amavis';
$daemon_group = 'amavis';
$max_servers = 2;
$MYHOME = '%[1]s';
$TEMPBASE = "$MYHOME/tmp";
$pid_file = "$MYHOME/amavisd.pid";
$lock_file = "$MYHOME/amavisd.lock";
$QUARANTINEDIR = undef;
$enable_db = 0;
$enable_zmq = 0;
$do_syslog = 0;
$log_level = 2;
$myhostname = 'mx.%[2]s';
$mydomain = '%[2]s';
@local_domains_maps = ( ["$mydomain"] );
@mynetworks = qw( 127.0.0.0/8 [::1] );
$inet_socket_bind = '127.0.0.1';
$inet_socket_port = 10024;
@inet_acl = qw( 127.0.0.1 );
$forward_method = 'smtp:[127.0.0.1]:10025';
$notify_method = $forward_method;
@bypass_virus_checks_maps = (1);
@bypass_spam_checks_maps = (1);
@bypass_banned_checks_maps = (1);
@bypass_header_checks_maps = (1);
@decoders = ();
` + amavisRecipe + `
1;
`

// What docs/amavis.md says to configure. Postfix tells amavis the client, and
// takes mail back without filtering it again; a fingerprint that a client has
// forged is taken out before amavis adds its own.
const (
	amavisRecipe = `$os_fingerprint_method = 'p0f:` + amavisAddr + `';`

	amavisMain = `content_filter = smtp-amavis:[127.0.0.1]:10024
header_checks = regexp:{{/^X-Amavis-OS-Fingerprint[ \t]*:/ IGNORE}}`

	amavisMaster = `
smtp-amavis unix - - n - 2 smtp
  -o smtp_send_xforward_command=yes
127.0.0.1:10025 inet n - n - - smtpd
  -o content_filter=
  -o mynetworks=127.0.0.0/8
  -o receive_override_options=no_header_body_checks,no_unknown_recipient_checks
`
)

// startAmavis starts amavis in ns, between two rounds through Postfix.
func startAmavis(t testing.TB, ns *lab.NetNS) *postfix {
	t.Helper()
	program := lab.NeedProgram(t, "amavisd")
	owner, err := user.Lookup("amavis")
	if err != nil {
		t.Fatal(err)
	}
	p := startPostfix(t, ns, amavisMain)
	config := filepath.Join(filepath.Dir(p.mails), "config")
	master := filepath.Join(config, "master.cf")
	if err := os.WriteFile(master, []byte(postfixMaster+amavisMaster), 0o644); err != nil {
		t.Fatal(err)
	}
	if out, err := ns.Command(context.Background(), lab.NeedProgram(t, "postfix"), "-c", config, "reload").CombinedOutput(); err != nil {
		t.Fatalf("postfix reload: %v\n%s", err, out)
	}

	// amavis takes no configuration from a directory that it may write to.
	dir := tempDir(t)
	home := filepath.Join(dir, "home")
	makeDir(t, home, owner)
	makeDir(t, filepath.Join(home, "tmp"), owner)
	writeFiles(t, dir, map[string]string{"amavisd.conf": fmt.Sprintf(amavisConfig, home, domain)})
	a := start(t, "amavis", ns.Command(context.Background(), program, "-c", filepath.Join(dir, "amavisd.conf"), "foreground"))
	a.waitFor("SMTP", func() bool {
		return greetsAt(ns, netip.MustParseAddrPort("127.0.0.1:10024")) && greetsAt(ns, netip.MustParseAddrPort("127.0.0.1:10025"))
	})
	return p
}

// greetsAt is greets on another port than 25.
func greetsAt(ns *lab.NetNS, addr netip.AddrPort) bool {
	var c net.Conn
	if err := ns.Do(func() (err error) {
		c, err = net.DialTimeout("tcp", addr.String(), time.Second)
		return err
	}); err != nil {
		return false
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(5 * time.Second))
	var line [64]byte
	n, _ := c.Read(line[:])
	c.Write([]byte("QUIT\r\n"))
	return bytes.HasPrefix(line[:n], []byte("220 "))
}

// startAmavisFront starts a sensor on the interface of ns with the front, and
// returns what ends the two.
func startAmavisFront(t testing.TB, ns *lab.NetNS, s *amavis.Server) (stop func()) {
	t.Helper()
	rule := engine.Rule{Expr: "tcp port 25"}
	e := engine.New(engine.Config{Rule: rule, Hosts: host.Config{Recent: 1000}})
	var ring *capture.Ring
	var pc net.PacketConn
	if err := ns.Do(func() error {
		link, err := capture.RingLink(ns.If)
		if err != nil {
			return err
		}
		program, err := rule.Kernel(link)
		if err != nil {
			return err
		}
		if ring, err = capture.OpenRing(capture.Config{Interface: ns.If, Filter: program}); err != nil {
			return err
		}
		pc, err = net.ListenPacket("udp", amavisAddr)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	s.Lookuper = e
	ctx, cancel := context.WithCancel(context.Background())
	var tasks sync.WaitGroup
	tasks.Go(func() { e.Run(ctx, ring) })
	tasks.Go(func() {
		if err := s.Serve(ctx, pc); err != nil {
			t.Error(err)
		}
	})
	stop = sync.OnceFunc(func() {
		cancel()
		tasks.Wait()
		ring.Close()
	})
	t.Cleanup(stop)
	return stop
}

// TestAmavis: amavis asks about the connection that Postfix tells it, and writes
// our text into the mail.
func TestAmavis(t *testing.T) {
	for _, tt := range []struct {
		name string
		v3   bool
		want string // and ", [address]:port", which amavis adds
	}{
		{"v2", false, `Linux( [^\n,]*)?( \(up: \d+ hrs\))?, \(distance 0, link: [^\n]+\)`},
		{"v3", true, `Linux[^\n;]*; dist: 0; link: [^\n;]+; params: [a-z_: ]+; raw_sig: [46]:64\+0:[^\n;]+(; uptime: [^\n;]+)?`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			pair := lab.NewPair(t)
			s := &amavis.Server{V3: tt.v3}
			stop := startAmavisFront(t, pair.Server, s)
			p := startAmavis(t, pair.Server)
			for _, f := range families(pair) {
				t.Run(f.name, func(t *testing.T) {
					got, from := sendForged(t, pair, p, f)
					want := regexp.MustCompile(`^X-Amavis-OS-Fingerprint: ` + tt.want + `, \[(` + amavisForms(from.Addr()) + fmt.Sprintf(`)\]:%d$`, from.Port()))
					if len(got) != 1 || !want.MatchString(got[0]) {
						t.Errorf("headers %q, want one: %s", got, want)
					}
				})
			}
			if got := s.Stats(); got.Queries < 2 || got.Bad+got.Refused+got.Dropped > 0 {
				t.Errorf("Stats = %+v, want two questions", got)
			}
			stop()
			t.Run("stopped", func(t *testing.T) { mailWithoutSensor(t, pair, p) })
		})
	}
}

// sendForged sends a mail, and returns amavis's headers in it and where it came
// from. amavis takes no answer after 50 ms: on a busy machine a mail may have
// no header, and is followed by another.
func sendForged(t *testing.T, pair *lab.Pair, p *postfix, f family) (headers []string, from netip.AddrPort) {
	t.Helper()
	for try := range 10 {
		c := dialSMTP(t, pair.Client, f.from, f.to)
		id := fmt.Sprintf("%s-%d", f.name, try)
		if err := c.send(id, "X-Amavis-OS-Fingerprint: forged", "x-amavis-os-fingerprint:\r\n forged"); err != nil {
			t.Fatal(err)
		}
		from = c.conn.LocalAddr().(*net.TCPAddr).AddrPort()
		if headers = amavisHeaders(headerLines(t, p.mails, id)); len(headers) > 0 {
			break
		}
	}
	return headers, from
}

// mailWithoutSensor sends a mail when nobody answers amavis, which waits for
// 50 ms then: the mail arrives, and without a header.
func mailWithoutSensor(t *testing.T, pair *lab.Pair, p *postfix) {
	c := dialSMTP(t, pair.Client, pair.Client.IPv4, pair.Server.IPv4)
	if err := c.send("stopped", "X-Amavis-OS-Fingerprint: forged"); err != nil {
		t.Fatal(err)
	}
	if got := amavisHeaders(headerLines(t, p.mails, "stopped")); len(got) != 0 {
		t.Errorf("headers %q, want none", got)
	}
}

// amavisForms are the ways to write an address that amavis may choose.
func amavisForms(a netip.Addr) string {
	return regexp.QuoteMeta(a.String()) + "|" + regexp.QuoteMeta(strings.ReplaceAll(a.StringExpanded(), "0000", "0"))
}

// amavisHeaders are the fields that a reader takes for amavis's, each on one
// line.
func amavisHeaders(lines []string) (got []string) {
	for _, l := range lines {
		if strings.HasPrefix(strings.ToLower(l), "x-amavis-os-fingerprint") {
			got = append(got, strings.Join(strings.Fields(l), " "))
		}
	}
	return got
}
