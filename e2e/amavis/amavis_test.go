//go:build linux

package amavis

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
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/mxprint/mxprint/capture"
	"github.com/mxprint/mxprint/engine"
	"github.com/mxprint/mxprint/filter"
	"github.com/mxprint/mxprint/internal/front/amavis"
	"github.com/mxprint/mxprint/internal/test/lab"
	"github.com/mxprint/mxprint/internal/test/mailtest"
)

// amavisAddr is where amavis asks; docs/amavis.md uses the same port.
const amavisAddr = "127.0.0.1:2345"

// amavisConfig is amavisd.conf, with amavis's own directory, the mail's domain and
// more lines to fill in.
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
@bypass_banned_checks_maps = (1);
@bypass_header_checks_maps = (1);
@decoders = ();
%[3]s
1;
`

// amavisUnscanned has nothing scanned: what counts is the header.
const amavisUnscanned = "@bypass_spam_checks_maps = (1);\n" + amavisRecipe

// What docs/amavis.md says to configure. Postfix passes the client to amavis, and
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
func startAmavis(t testing.TB, ns *lab.NetNS) *mailtest.Postfix {
	t.Helper()
	return startAmavisWith(t, ns, amavisUnscanned, "")
}

// startAmavisWith is startAmavis with lines of amavisd.conf, an option of the service
// that takes mails back, and lines of Postfix's main.cf.
func startAmavisWith(t testing.TB, ns *lab.NetNS, lines, back string, main ...string) *mailtest.Postfix {
	t.Helper()
	program := lab.NeedProgram(t, "amavisd")
	owner, err := user.Lookup("amavis")
	if err != nil {
		t.Fatal(err)
	}
	p := mailtest.StartPostfix(t, ns, append(main, amavisMain)...)
	config := filepath.Join(filepath.Dir(p.Mails), "config")
	master := filepath.Join(config, "master.cf")
	if err := os.WriteFile(master, []byte(mailtest.PostfixMaster+amavisMaster+"  "+back+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if out, err := ns.Command(context.Background(), lab.NeedProgram(t, "postfix"), "-c", config, "reload").CombinedOutput(); err != nil {
		t.Fatalf("postfix reload: %v\n%s", err, out)
	}

	// amavis takes no configuration from a directory that it may write to.
	dir := mailtest.TempDir(t)
	home := filepath.Join(dir, "home")
	mailtest.MakeDir(t, home, owner)
	mailtest.MakeDir(t, filepath.Join(home, "tmp"), owner)
	mailtest.WriteFiles(t, dir, map[string]string{"amavisd.conf": fmt.Sprintf(amavisConfig, home, mailtest.Domain, lines)})
	a := mailtest.Start(t, "amavis", ns.Command(context.Background(), program, "-c", filepath.Join(dir, "amavisd.conf"), "foreground"))
	a.WaitFor("SMTP", func() bool {
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
	rule := filter.Rule{Expr: "tcp port 25"}
	e, err := engine.New(engine.Config{Rule: rule, Hosts: engine.Hosts{Recent: 1000}})
	if err != nil {
		t.Fatal(err)
	}
	var ring *capture.Ring
	var pc net.PacketConn
	if err := ns.Do(func() error {
		link, err := capture.RingLink(ns.If)
		if err != nil {
			return err
		}
		program, err := rule.Kernel(int(link))
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

// TestAmavis: amavis asks about the connection that Postfix names, and writes
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
			for _, f := range mailtest.Families(pair) {
				t.Run(f.Name, func(t *testing.T) {
					got, from := sendForged(t, pair, p, f)
					want := regexp.MustCompile(`^X-Amavis-OS-Fingerprint: ` + tt.want + `, \[(` + amavisForms(from.Addr()) + fmt.Sprintf(`)\]:%d$`, from.Port()))
					if len(got) != 1 || !want.MatchString(got[0]) {
						t.Errorf("headers %q, want one: %s", got, want)
					}
				})
			}
			if got := s.Stats(); got.Requests < 2 || got.Bad+got.Refused+got.Dropped > 0 {
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
func sendForged(t *testing.T, pair *lab.Pair, p *mailtest.Postfix, f mailtest.Family) (headers []string, from netip.AddrPort) {
	t.Helper()
	for try := range 10 {
		c := mailtest.DialSMTP(t, pair.Client, f.From, f.To)
		id := fmt.Sprintf("%s-%d", f.Name, try)
		if err := c.Send(id, "X-Amavis-OS-Fingerprint: forged", "x-amavis-os-fingerprint:\r\n forged"); err != nil {
			t.Fatal(err)
		}
		from = c.Conn.LocalAddr().(*net.TCPAddr).AddrPort()
		if headers = amavisHeaders(mailtest.HeaderLines(t, p.Mails, id)); len(headers) > 0 {
			break
		}
	}
	return headers, from
}

// mailWithoutSensor sends a mail when no server answers amavis, which waits for
// 50 ms then: the mail arrives, and without a header.
func mailWithoutSensor(t *testing.T, pair *lab.Pair, p *mailtest.Postfix) {
	c := mailtest.DialSMTP(t, pair.Client, pair.Client.IPv4, pair.Server.IPv4)
	if err := c.Send("stopped", "X-Amavis-OS-Fingerprint: forged"); err != nil {
		t.Fatal(err)
	}
	if got := amavisHeaders(mailtest.HeaderLines(t, p.Mails, "stopped")); len(got) != 0 {
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

// TestAmavisSensorStalled: amavis waits 50 ms for an answer, whichever
// program does not give it.
func TestAmavisSensorStalled(t *testing.T) {
	pair := lab.NewPair(t)
	sensor := mailtest.StartServe(t, pair.Server, mailtest.TempDir(t), `[amavis]`, `listen = ["`+amavisAddr+`"]`)
	p := startAmavis(t, pair.Server)
	// The time counts until the mail has come through amavis.
	through := func(prefix string) (r *mailtest.Round, headers int) {
		r = &mailtest.Round{}
		for i := range 10 {
			id := prefix + strconv.Itoa(i)
			begin := time.Now()
			if err := mailtest.SendMail(pair.Client, pair.Client.IPv4, pair.Server.IPv4, id); err != nil {
				t.Fatal(err)
			}
			headers += len(amavisHeaders(mailtest.HeaderLines(t, p.Mails, id)))
			took := time.Since(begin)
			r.Longest, r.Sum, r.Ids = max(r.Longest, took), r.Sum+took, append(r.Ids, id)
		}
		return r, headers
	}
	usual, headers := through("usual")
	if headers == 0 {
		t.Errorf("no mail has a header while nothing happens")
	}
	sensor.Signal(syscall.SIGSTOP)
	stalled, headers := through("stalled")
	sensor.Signal(syscall.SIGCONT)
	if headers != 0 {
		t.Errorf("%d headers while the sensor is stopped", headers)
	}
	mailtest.CheckHang(t, usual, stalled, 50*time.Millisecond)
}

// TestAmavisNAT: no answer counts after 50 ms, and none can make amavis wait for
// longer, so that one mail of each machine is enough.
func TestAmavisNAT(t *testing.T) {
	mailtest.CheckNAT(t, func(ns *lab.NetNS, config string) string {
		mailtest.StartServe(t, ns, mailtest.TempDir(t), fmt.Sprintf("[amavis]\nlisten = [%q]", amavisAddr), config)
		return startAmavis(t, ns).Mails
	}, func(system string) string {
		return `^X-Amavis-OS-Fingerprint: ` + system + ` own(?: \(up: \d+ hrs\))?, \(distance 1, link: [^)]*\), \[[0-9a-f.:]+\]:\d+$`
	}, 1)
}
