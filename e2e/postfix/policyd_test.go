//go:build linux

package postfix

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/mxprint/mxprint/internal/test/lab"
	"github.com/mxprint/mxprint/internal/test/mailtest"
)

// policyBound is the longest that the recipe lets a mail wait for a policy
// service that is stopped.
const policyBound = 1 * time.Second

// startPolicy starts the sensor with the policy service of docs/postfix.md.
func startPolicy(t testing.TB, ns *lab.NetNS) *mailtest.Process {
	t.Helper()
	return mailtest.StartServe(t, ns, mailtest.TempDir(t), mailtest.Recipe(t, "postfix.md", "[policy]"), mailtest.LongDeadline)
}

// startPolicyPostfix starts Postfix with the lines of docs/postfix.md, where
// asked says, instead of smtpd_data_restrictions, when it asks.
func startPolicyPostfix(t testing.TB, ns *lab.NetNS, asked string, times mailtest.Patience) *mailtest.Postfix {
	t.Helper()
	dir := mailtest.TempDir(t)
	mailtest.WriteFiles(t, dir, map[string]string{"mxprint_header_checks": mailtest.Recipe(t, "postfix.md", "IGNORE", "REPLACE")})
	main := mailtest.Recipe(t, "postfix.md", "smtpd_data_restrictions", "header_checks")
	main = strings.ReplaceAll(main, "/etc/postfix", dir)
	if asked != "" {
		main = strings.Replace(main, "smtpd_data_restrictions", asked, 1)
	}
	return mailtest.StartPostfix(t, ns, times(main))
}

func TestPostfixPolicy(t *testing.T) {
	pair := lab.NewPair(t)
	startPolicy(t, pair.Server)
	p := startPolicyPostfix(t, pair.Server, "", mailtest.Patient)
	for _, f := range mailtest.Families(pair) {
		t.Run(f.Name, func(t *testing.T) {
			mailtest.Swaks(t, pair.Client, f.From, f.To, f.Name)
			got, wrong := mailtest.Results(mailtest.HeaderLines(t, p.Mails, f.Name))
			if wrong != "" {
				t.Fatal(wrong)
			}
			t.Log(got[0])
		})
	}
	t.Run("forged", func(t *testing.T) { mailtest.CheckForgeries(t, pair, p.Mails) })
	t.Run("one connection", func(t *testing.T) { mailtest.CheckOneConnection(t, pair, p.Mails) })
	t.Run("BDAT", func(t *testing.T) { checkBDAT(t, pair, p.Mails) })
	t.Run("two machines behind one address", func(t *testing.T) { mailtest.CheckTwoMachines(t, pair, p.Mails) })
}

// checkBDAT sends a mail by BDAT (RFC 3030), which has no DATA command.
func checkBDAT(t *testing.T, pair *lab.Pair, mails string) {
	c := mailtest.DialSMTP(t, pair.Client, pair.Client.IPv4, pair.Server.IPv4)
	if ok, _ := c.Extension("CHUNKING"); !ok {
		t.Fatal("Postfix does not offer CHUNKING")
	}
	if err := c.Mail(mailtest.Sender); err != nil {
		t.Fatal(err)
	}
	if err := c.Rcpt(mailtest.Recipient); err != nil {
		t.Fatal(err)
	}
	text := mailtest.MailText("bdat")
	fmt.Fprintf(c.Text.W, "BDAT %d\r\n%s", len(text)/2, text[:len(text)/2])
	fmt.Fprintf(c.Text.W, "BDAT %d LAST\r\n%s", len(text)-len(text)/2, text[len(text)/2:])
	c.Text.W.Flush()
	for range 2 {
		if _, _, err := c.Text.ReadResponse(250); err != nil {
			t.Fatal(err)
		}
	}
	if _, wrong := mailtest.Results(mailtest.HeaderLines(t, mails, "bdat")); wrong != "" {
		t.Error(wrong)
	}
}

// TestPostfixPolicyRecipients: among the restrictions of recipients the service
// is asked for each; a mail gets one header all the same.
func TestPostfixPolicyRecipients(t *testing.T) {
	pair := lab.NewPair(t)
	startPolicy(t, pair.Server)
	p := startPolicyPostfix(t, pair.Server, "smtpd_recipient_restrictions", mailtest.Patient)
	c := mailtest.DialSMTP(t, pair.Client, pair.Client.IPv4, pair.Server.IPv4)
	for i := range 3 {
		id := "recipients-" + strconv.Itoa(i)
		if err := c.SendTo(id, []string{"one@" + mailtest.Domain, "two@" + mailtest.Domain, "three@" + mailtest.Domain}); err != nil {
			t.Fatal(err)
		}
		if _, wrong := mailtest.Results(mailtest.HeaderLines(t, p.Mails, id)); wrong != "" {
			t.Error(wrong)
		}
	}
}

// TestPostfixPolicyTooLate: Postfix cannot add a header after the message. It
// takes the mail, and mxprint says what is wrong.
func TestPostfixPolicyTooLate(t *testing.T) {
	pair := lab.NewPair(t)
	daemon := startPolicy(t, pair.Server)
	p := startPolicyPostfix(t, pair.Server, "smtpd_end_of_data_restrictions", mailtest.Patient)
	if err := mailtest.SendMail(pair.Client, pair.Client.IPv4, pair.Server.IPv4, "late"); err != nil {
		t.Fatal(err)
	}
	if got, _ := mailtest.Results(mailtest.HeaderLines(t, p.Mails, "late")); len(got) > 0 {
		t.Errorf("headers %q, want none", got)
	}
	daemon.Printed("use smtpd_data_restrictions")
}

// TestPostfixPolicyForgedSecret: who does not know the secret cannot have a
// header renamed; without the rules of the recipe a forged header stays.
func TestPostfixPolicyForgedSecret(t *testing.T) {
	pair := lab.NewPair(t)
	startPolicy(t, pair.Server)
	p := startPolicyPostfix(t, pair.Server, "", mailtest.Patient)
	c := mailtest.DialSMTP(t, pair.Client, pair.Client.IPv4, pair.Server.IPv4)
	if err := c.Send("guessed", "X-mxprint-GUESS: forged", "X-mxprint-: forged"); err != nil {
		t.Fatal(err)
	}
	lines := mailtest.HeaderLines(t, p.Mails, "guessed")
	if _, wrong := mailtest.Results(lines); wrong != "" {
		t.Error(wrong)
	}
	if strings.Contains(strings.Join(lines, "\n"), "SECRET") {
		t.Errorf("the secret is left in %q", lines)
	}
}

// TestPostfixPolicyAway: 500 mails while the daemon is restarted, stopped and
// ended.
func TestPostfixPolicyAway(t *testing.T) {
	pair := lab.NewPair(t)
	serve := func() *mailtest.Process { return startPolicy(t, pair.Server) }
	daemon := serve()
	p := startPolicyPostfix(t, pair.Server, "", mailtest.AsWritten)
	mailtest.CheckSensorAway(t, pair, p.Mails, daemon, serve, policyBound)
}
