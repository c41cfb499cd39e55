//go:build linux

package site

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"net/textproto"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mxprint/mxprint/internal/evidence"
	"github.com/mxprint/mxprint/internal/test/lab"
	"github.com/mxprint/mxprint/internal/test/mailtest"
)

// site is the mail server's end.
type site struct {
	pair          *lab.Pair
	store, socket string
	mails         string
	ask           string // the query socket
}

// run runs mxprint in the mail server's namespace.
func (s *site) run(t *testing.T, args ...string) []byte {
	t.Helper()
	cmd := s.pair.Server.Command(t.Context(), filepath.Join(mailtest.BinDir, "mxprint"), args...)
	var out, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &stderr
	if err := cmd.Run(); err != nil && stderr.Len() > 0 {
		t.Fatalf("mxprint %s: %v: %s", strings.Join(args, " "), err, stderr.Bytes())
	}
	return out.Bytes()
}

// past is what mxprint history says of an address.
type past struct {
	Connections []struct {
		Note struct {
			Software struct{ Dialect string }
		}
		Verdicts []struct {
			Source string
			Spam   bool
		}
	}
}

func (s *site) past(t *testing.T, a netip.Addr) (p past) {
	t.Helper()
	if err := json.Unmarshal(s.run(t, "history", "-store", s.store, "-json", a.String()), &p); err != nil {
		t.Fatal(err)
	}
	return p
}

// sources are those that said what they should of an address's mails.
func (s *site) sources(t *testing.T, a netip.Addr, spam bool) (list []string) {
	t.Helper()
	for _, c := range s.past(t, a).Connections {
		for _, v := range c.Verdicts {
			if v.Spam != spam {
				t.Errorf("%s says spam=%t of a mail of %v", v.Source, v.Spam, a)
			}
			list = append(list, v.Source)
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

const (
	senders = 20 // of each kind
	each    = 3  // mails
)

// TestSite has bots and honest programs send, rspamd and SpamAssassin judge, and a
// person; all that they say is found again, and the report names how the bots
// speak.
func TestSite(t *testing.T) {
	needClients(t)
	s := &site{pair: lab.NewPair(t)}
	dir := mailtest.TempDir(t)
	s.store, s.socket, s.ask = filepath.Join(dir, "store.db"), "unix:"+filepath.Join(dir, "verdict.sock"), filepath.Join(dir, "query.sock")
	mailtest.StartServe(t, s.pair.Server, dir, mailtest.SMTP, mailtest.Recipe(t, "postfix.md", "[milter]"), mailtest.LongDeadline, `form = "full"`,
		"[store]", `path = "`+s.store+`"`, `listen = ["`+s.socket+`"]`, `milter = ["127.0.0.1:7826"]`, `mode = "0666"`)
	startRspamd(t, s.pair.Server, withLua(t, filepath.Join(dir, "verdict.sock")))
	startAmavis(t, s.pair.Server)
	p := mailtest.StartPostfixServices(t, s.pair.Server, mailtest.PostfixMaster+amavisMaster(t), "smtpd_milters = inet:127.0.0.1:7825, inet:127.0.0.1:11332",
		"milter_default_action = tempfail", "milter_content_timeout = 60s", "milter_command_timeout = 30s",
		"header_checks = regexp:{{/^X-Through: amavis/ FILTER smtp-amavis:[127.0.0.1]:10024}}")
	s.mails = p.Mails
	s.startDovecot(t)
	addrs := s.pair.Client.AddIPv4(2 * senders)
	bots, honest := addrs[:senders], addrs[senders:]
	var wg sync.WaitGroup
	for i := range senders { // at the same time, since rspamd waits for a DNS that there is not
		wg.Go(func() {
			for n := range each {
				through := i < 2 && n == 0 // SpamAssassin takes long
				if err := bot(s.pair, bots[i], fmt.Sprintf("bot-%d-%d", i, n), through); err != nil {
					t.Error(err)
				}
				if err := s.honest(t.Context(), honest[i], fmt.Sprintf("honest-%d-%d", i, n), i, through); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	for _, tt := range []struct {
		id   string
		from netip.Addr
		spam bool
		word string
	}{{"bot-0-0", bots[0], true, "spam"}, {"honest-0-0", honest[0], false, "ham"}} {
		h := mailtest.HeaderLines(t, s.mails, tt.id)
		s.move(t, tt.id, tt.word)
		lab.Eventually(t, func() error {
			if got := s.sources(t, tt.from, tt.spam); !slices.Equal(got, []string{"learn", "rspamd", "spamassassin"}) {
				return fmt.Errorf("of %v there are verdicts of %q\n%s\n%s", tt.from, got, strings.Join(h, "\n"), s.run(t, "status", "-s", s.ask))
			}
			return nil
		})
	}
	dialects := make(map[string]int) // of one that was kept waiting for the processor, think is another
	lab.Eventually(t, func() error {
		clear(dialects)
		for _, addr := range bots {
			known := false
			for _, c := range s.past(t, addr).Connections {
				if dialect := c.Note.Software.Dialect; dialect != "" {
					known = true
					dialects[dialect]++
				}
			}
			if !known {
				return fmt.Errorf("a bot has no dialect: %s", s.run(t, "history", "-store", s.store, "-json", addr.String()))
			}
		}
		return nil
	})
	t.Logf("dialects of the bots: %v", dialects)
	dialect := slices.MaxFunc(slices.Collect(maps.Keys(dialects)), func(a, b string) int { return cmp.Compare(dialects[a], dialects[b]) })
	lab.Eventually(t, func() error { return s.names(t, "dialect="+dialect) })
	t.Logf("%s", s.run(t, "report", "-store", s.store))
}

// TestExporter has rspamd's own metadata_exporter send the verdicts, without a file
// of ours.
func TestExporter(t *testing.T) {
	needClients(t)
	s := &site{pair: lab.NewPair(t)}
	dir := mailtest.TempDir(t)
	s.store, s.ask = filepath.Join(dir, "store.db"), filepath.Join(dir, "query.sock")
	mailtest.StartServe(t, s.pair.Server, dir, mailtest.SMTP, mailtest.Recipe(t, "postfix.md", "[milter]"), mailtest.LongDeadline, `form = "full"`,
		"[store]", `path = "`+s.store+`"`, `listen = ["127.0.0.1:7827"]`)
	startRspamd(t, s.pair.Server, map[string]string{"local.d/metadata_exporter.conf": mailtest.Recipe(t, "evidence.md", "MXPRINT {", "7827")})
	s.mails = mailtest.StartPostfix(t, s.pair.Server, "smtpd_milters = inet:127.0.0.1:7825, inet:127.0.0.1:11332",
		"milter_default_action = tempfail", "milter_content_timeout = 60s", "milter_command_timeout = 30s").Mails
	addrs := s.pair.Client.AddIPv4(2)
	if err := bot(s.pair, addrs[0], "bot", false); err != nil {
		t.Fatal(err)
	}
	if err := s.honest(t.Context(), addrs[1], "honest", 1, false); err != nil {
		t.Fatal(err)
	}
	for i, spam := range []bool{true, false} {
		lab.Eventually(t, func() error {
			if got := s.sources(t, addrs[i], spam); !slices.Equal(got, []string{"rspamd"}) {
				return fmt.Errorf("of %v there are verdicts of %q\n%s", addrs[i], got, s.run(t, "status", "-s", s.ask))
			}
			return nil
		})
	}
}

// names wants the report to name a signal, for spam.
func (s *site) names(t *testing.T, token string) error {
	t.Helper()
	var r evidence.Report
	if err := json.Unmarshal(s.run(t, "report", "-store", s.store, "-json"), &r); err != nil {
		t.Fatal(err)
	}
	for _, signal := range r.Signals {
		if signal.Token == token {
			if signal.Share < 0.99 || signal.Senders != senders || signal.Weight <= 0 {
				return fmt.Errorf("the bots' dialect is %+v", signal.Estimate) // some verdicts may be under way
			}
			return nil
		}
	}
	return fmt.Errorf("the report does not name %s; %d connections with a verdict", token, r.Judged)
}

// bot sends a mail as a bot does: HELO, commands without a look at the replies, and
// no QUIT.
func bot(pair *lab.Pair, from netip.Addr, id string, through bool) error {
	var conn net.Conn
	d := net.Dialer{Timeout: mailtest.MailTimeout, LocalAddr: &net.TCPAddr{IP: from.AsSlice()}}
	if err := pair.Client.Do(func() (err error) {
		conn, err = d.Dial("tcp", netip.AddrPortFrom(pair.Server.IPv4, 25).String())
		return err
	}); err != nil {
		return err
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(mailtest.MailTimeout))
	c := textproto.NewConn(conn)
	text := mailtest.MailText(id, headers(through)...)
	text = strings.Replace(text, "Subject: test", "Subject: "+spamSubject, 1)
	for _, step := range []struct {
		say     string
		replies []int
	}{
		{"", []int{220}},
		{fmt.Sprintf("HELO localhost\r\nmail from: <%s>\r\nrcpt to: <%s>\r\n", mailtest.Sender, mailtest.Recipient), []int{250, 250, 250}},
		{"data\r\n", []int{354}},
		{text + ".\r\n", []int{250}},
	} {
		if _, err := conn.Write([]byte(step.say)); err != nil {
			return err
		}
		for _, code := range step.replies {
			if _, _, err := c.ReadResponse(code); err != nil {
				return fmt.Errorf("mail %s: after %q: %w", id, step.say, err)
			}
		}
	}
	return nil
}

func headers(through bool) []string {
	if through {
		return []string{"X-Through: amavis"}
	}
	return nil
}

// needClients skips a test without what honest senders use.
func needClients(t *testing.T) {
	t.Helper()
	for _, program := range []string{"swaks", "curl", "python3"} {
		lab.NeedProgram(t, program)
	}
}

// honest sends a mail by one of three programs.
func (s *site) honest(ctx context.Context, from netip.Addr, id string, kind int, through bool) error {
	to := s.pair.Server.IPv4.String()
	text := strings.Replace(mailtest.MailText(id, headers(through)...), "Subject: test", "Subject: "+hamSubject, 1)
	var cmd *exec.Cmd
	switch kind % 3 {
	case 0:
		cmd = s.pair.Client.Command(ctx, "swaks", "--server", to, "--local-interface", from.String(), "--helo", "mail.source.example",
			"--from", mailtest.Sender, "--to", mailtest.Recipient, "--data", "-")
	case 1:
		cmd = s.pair.Client.Command(ctx, "curl", "-sS", "--interface", from.String(), "--mail-from", mailtest.Sender, "--mail-rcpt", mailtest.Recipient,
			"-T", "-", "smtp://"+to+"/mail.source.example")
	default:
		cmd = s.pair.Client.Command(ctx, "python3", "-c", `import smtplib, sys
with smtplib.SMTP(sys.argv[1], local_hostname="mail.source.example", source_address=(sys.argv[2], 0)) as s:
    s.sendmail(sys.argv[3], [sys.argv[4]], sys.stdin.buffer.read())`, to, from.String(), mailtest.Sender, mailtest.Recipient)
	}
	cmd.Stdin = strings.NewReader(text)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%v: %w\n%s", cmd.Args, err, out)
	}
	return nil
}
