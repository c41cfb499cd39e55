//go:build linux

package mailtest

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/netip"
	"net/textproto"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/mxprint/mxprint/internal/test/lab"
)

// CheckHeaderRules has SpamAssassin judge mails of a server that adds X-Mxprint, by
// contrib/spamassassin/mxprint.cf: the rule for words that SMTP does not have
// fires on the client that says one, the one for contradictions on the mail that claims Outlook, and
// neither on the usual mail, nor on one that brings a forged header.
func CheckHeaderRules(t *testing.T, pair *lab.Pair, mails string) {
	t.Helper()
	judge := assassin(t, mails)
	send := func(id string, headers ...string) {
		c := DialSMTP(t, pair.Client, pair.Client.IPv4, pair.Server.IPv4)
		if err := c.Send(id, headers...); err != nil {
			t.Fatal(err)
		}
		c.Quit()
	}
	send("rule-usual", `X-Mxprint: os="Linux" conduct="unknown_command" contradictions="mailer_system"`)
	send("rule-claims", "X-Mailer: Microsoft Outlook 16.0")
	if err := sendWord(pair.Client, pair.Client.IPv4, pair.Server.IPv4, "rule-word"); err != nil {
		t.Fatal(err)
	}
	for id, want := range map[string]string{"rule-usual": "", "rule-claims": "MXPRINT_MAILER_SYSTEM", "rule-word": "MXPRINT_UNKNOWN_COMMAND"} {
		report := judge(id)
		for _, symbol := range []string{"MXPRINT_LINUX", "MXPRINT_MAILER_SYSTEM", "MXPRINT_UNKNOWN_COMMAND"} {
			if fires := symbol == "MXPRINT_LINUX" || symbol == want; strings.Contains(report, symbol) != fires {
				t.Errorf("%s: %s fires: %v, want %v:\n%s", id, symbol, !fires, fires, report)
			}
		}
	}
}

// CheckHeaderRulesAway: the rule that fires on a client with the sensor does not while
// the sensor is stalled or stopped, nor does another; its mails are there within bound
// and what a mail takes.
func CheckHeaderRulesAway(t *testing.T, pair *lab.Pair, mails string, sensor *Process, bound time.Duration) {
	t.Helper()
	judge := assassin(t, mails)
	send := func(id string) string {
		begin := time.Now()
		if err := sendWord(pair.Client, pair.Client.IPv4, pair.Server.IPv4, id); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(begin); took > bound+hang {
			t.Errorf("%s: the mail took %v, want %v at most", id, took, bound+hang)
		} else {
			t.Logf("%s: the mail took %v", id, took.Round(time.Millisecond))
		}
		return judge(id)
	}
	fired := false
	for try := 0; try < 5 && !fired; try++ { // the machine may be busy, and a mail goes on without
		fired = strings.Contains(send(fmt.Sprint("away-seen-", try)), "MXPRINT_UNKNOWN_COMMAND")
	}
	if !fired {
		t.Error("with the sensor the rule does not fire")
	}
	sensor.Signal(syscall.SIGSTOP)
	stalled := send("away-stalled")
	sensor.Signal(syscall.SIGCONT)
	sensor.Stop()
	for id, report := range map[string]string{"stalled": stalled, "stopped": send("away-stopped")} {
		if strings.Contains(report, "MXPRINT_") {
			t.Errorf("with the sensor %s a rule fires:\n%s", id, report)
		}
	}
}

// assassin has SpamAssassin judge mails with our rules, and returns its report.
func assassin(t *testing.T, mails string) func(id string) string {
	t.Helper()
	program := lab.NeedProgram(t, "spamassassin")
	dir := TempDir(t)
	if err := os.CopyFS(dir, os.DirFS("/etc/spamassassin")); err != nil {
		t.Fatal(err)
	}
	rules, err := os.ReadFile(RepoPath(t, "contrib", "spamassassin", "mxprint.cf"))
	if err != nil {
		t.Fatal(err)
	}
	WriteFiles(t, dir, map[string]string{"mxprint.cf": string(rules)})
	return func(id string) string {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
		defer cancel()
		cmd := exec.CommandContext(ctx, program, "--test-mode", "--siteconfigpath="+dir, "--prefspath="+filepath.Join(dir, "none"), "--local")
		cmd.Stdin = strings.NewReader(strings.Join(HeaderLines(t, mails, id), "\n") + "\n\nHello.\n")
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%v: %v\n%s", cmd, err, stderr.Bytes())
		}
		return string(out)
	}
}

// sendWord sends a mail as a client that says a word that SMTP does not have.
func sendWord(ns *lab.NetNS, from, to netip.Addr, id string) error {
	var conn net.Conn
	d := net.Dialer{Timeout: MailTimeout, LocalAddr: &net.TCPAddr{IP: from.AsSlice()}}
	if err := ns.Do(func() (err error) {
		conn, err = d.Dial("tcp", netip.AddrPortFrom(to, 25).String())
		return err
	}); err != nil {
		return err
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(MailTimeout))
	c := textproto.NewConn(conn)
	for _, step := range []struct {
		say  string
		code int
	}{{"", 220}, {"EHLO client.source.example", 250}, {"XYZZY", 500}, {"MAIL FROM:<" + Sender + ">", 250}, {"RCPT TO:<" + Recipient + ">", 250},
		{"DATA", 354}, {MailText(id) + ".", 250}, {"QUIT", 221}} {
		if step.say != "" {
			if _, err := conn.Write([]byte(step.say + "\r\n")); err != nil {
				return err
			}
		}
		if _, _, err := c.ReadResponse(step.code); err != nil {
			return fmt.Errorf("mail %s: after %.30q: %w", id, step.say, err)
		}
	}
	return nil
}
