//go:build linux

package e2e

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/mxprint/mxprint/internal/test/lab"
)

// policyBound is the longest that the recipe lets a mail wait for a policy
// service that is stopped.
const policyBound = 1 * time.Second

// startPolicy starts the sensor with the policy service of docs/postfix.md.
func startPolicy(t testing.TB, ns *lab.NetNS) *process {
	t.Helper()
	return startServe(t, ns, tempDir(t), recipe(t, "postfix.md", "[policy]"), longDeadline)
}

// startPolicyPostfix starts Postfix with the lines of docs/postfix.md, where
// asked tells in place of smtpd_data_restrictions when it asks.
func startPolicyPostfix(t testing.TB, ns *lab.NetNS, asked string, times patience) *postfix {
	t.Helper()
	dir := tempDir(t)
	writeFiles(t, dir, map[string]string{"mxprint_header_checks": recipe(t, "postfix.md", "IGNORE", "REPLACE")})
	main := recipe(t, "postfix.md", "smtpd_data_restrictions", "header_checks")
	main = strings.ReplaceAll(main, "/etc/postfix", dir)
	if asked != "" {
		main = strings.Replace(main, "smtpd_data_restrictions", asked, 1)
	}
	return startPostfix(t, ns, times(main))
}

func TestPostfixPolicy(t *testing.T) {
	pair := lab.NewPair(t)
	startPolicy(t, pair.Server)
	p := startPolicyPostfix(t, pair.Server, "", patient)
	for _, f := range families(pair) {
		t.Run(f.name, func(t *testing.T) {
			swaks(t, pair.Client, f.from, f.to, f.name)
			got, wrong := results(headerLines(t, p.mails, f.name))
			if wrong != "" {
				t.Fatal(wrong)
			}
			t.Log(got[0])
		})
	}
	t.Run("forged", func(t *testing.T) { checkForgeries(t, pair, p.mails) })
	t.Run("one connection", func(t *testing.T) { checkOneConnection(t, pair, p.mails) })
	t.Run("BDAT", func(t *testing.T) { checkBDAT(t, pair, p.mails) })
	t.Run("two machines behind one address", func(t *testing.T) { checkTwoMachines(t, pair, p.mails) })
}

// checkBDAT sends a mail by BDAT (RFC 3030), which has no DATA command.
func checkBDAT(t *testing.T, pair *lab.Pair, mails string) {
	c := dialSMTP(t, pair.Client, pair.Client.IPv4, pair.Server.IPv4)
	if ok, _ := c.Extension("CHUNKING"); !ok {
		t.Fatal("Postfix does not offer CHUNKING")
	}
	if err := c.Mail(sender); err != nil {
		t.Fatal(err)
	}
	if err := c.Rcpt(recipient); err != nil {
		t.Fatal(err)
	}
	text := mailText("bdat")
	fmt.Fprintf(c.Text.W, "BDAT %d\r\n%s", len(text)/2, text[:len(text)/2])
	fmt.Fprintf(c.Text.W, "BDAT %d LAST\r\n%s", len(text)-len(text)/2, text[len(text)/2:])
	c.Text.W.Flush()
	for range 2 {
		if _, _, err := c.Text.ReadResponse(250); err != nil {
			t.Fatal(err)
		}
	}
	if _, wrong := results(headerLines(t, mails, "bdat")); wrong != "" {
		t.Error(wrong)
	}
}

// TestPostfixPolicyRecipients: among the restrictions of recipients the service
// is asked for each; a mail gets one header all the same.
func TestPostfixPolicyRecipients(t *testing.T) {
	pair := lab.NewPair(t)
	startPolicy(t, pair.Server)
	p := startPolicyPostfix(t, pair.Server, "smtpd_recipient_restrictions", patient)
	c := dialSMTP(t, pair.Client, pair.Client.IPv4, pair.Server.IPv4)
	for i := range 3 {
		id := "recipients-" + strconv.Itoa(i)
		if err := c.sendTo(id, []string{"one@" + domain, "two@" + domain, "three@" + domain}); err != nil {
			t.Fatal(err)
		}
		if _, wrong := results(headerLines(t, p.mails, id)); wrong != "" {
			t.Error(wrong)
		}
	}
}

// TestPostfixPolicyTooLate: Postfix cannot add a header after the message. It
// takes the mail, and mxprint says what is wrong.
func TestPostfixPolicyTooLate(t *testing.T) {
	pair := lab.NewPair(t)
	daemon := startPolicy(t, pair.Server)
	p := startPolicyPostfix(t, pair.Server, "smtpd_end_of_data_restrictions", patient)
	if err := sendMail(pair.Client, pair.Client.IPv4, pair.Server.IPv4, "late"); err != nil {
		t.Fatal(err)
	}
	if got, _ := results(headerLines(t, p.mails, "late")); len(got) > 0 {
		t.Errorf("headers %q, want none", got)
	}
	if want := "use smtpd_data_restrictions"; !strings.Contains(string(daemon.out.bytes()), want) {
		t.Errorf("mxprint printed %q, want %q in it", daemon.out.bytes(), want)
	}
}

// TestPostfixPolicyForgedSecret: who does not know the secret cannot have a
// header renamed; without the rules of the recipe a forged header stays.
func TestPostfixPolicyForgedSecret(t *testing.T) {
	pair := lab.NewPair(t)
	startPolicy(t, pair.Server)
	p := startPolicyPostfix(t, pair.Server, "", patient)
	c := dialSMTP(t, pair.Client, pair.Client.IPv4, pair.Server.IPv4)
	if err := c.send("guessed", "X-mxprint-GUESS: forged", "X-mxprint-: forged"); err != nil {
		t.Fatal(err)
	}
	lines := headerLines(t, p.mails, "guessed")
	if _, wrong := results(lines); wrong != "" {
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
	serve := func() *process { return startPolicy(t, pair.Server) }
	daemon := serve()
	p := startPolicyPostfix(t, pair.Server, "", asWritten)
	checkSensorAway(t, pair, p.mails, daemon, serve, policyBound)
}
