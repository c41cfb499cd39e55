//go:build linux

package postfix

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/mxprint/mxprint/internal/test/lab"
	"github.com/mxprint/mxprint/internal/test/mailtest"
)

// policyRules is [policy] with rules; act says whether they do.
func policyRules(act, rules string) string {
	return "[policy]\nlisten = [\"127.0.0.1:7826\"]\nact = " + act + "\n" + mailtest.LongDeadline + "\n" + rules
}

const blindRule = `
[[policy.rules]]
name = "blind"
when = '"pipelining" in conduct'
action = "REJECT sent commands blind"
[[policy.rules]]
name = "linux"
when = 'os_name == "Linux" && stage == "RCPT"'
action = "PREPEND X-Rule: linux"
[[policy.rules]]
name = "windows"
when = 'os_name == "Windows"'
action = "REJECT a Windows"
`

// rulesPostfix has Postfix ask at RCPT and at DATA.
func rulesPostfix(t *testing.T, ns *lab.NetNS) *mailtest.Postfix {
	t.Helper()
	const ask = "check_policy_service { inet:127.0.0.1:7826, timeout=60s, try_limit=1, default_action=DUNNO }"
	return mailtest.StartPostfix(t, ns, "smtpd_recipient_restrictions = "+ask, "smtpd_data_restrictions = "+ask, "smtpd_delay_reject = yes")
}

// TestRules: a rule that acts rejects the client that sends blind and no other;
// one that only observes rejects none, and says what it would have done.
func TestRules(t *testing.T) {
	for _, act := range []string{"true", "false"} {
		t.Run("act = "+act, func(t *testing.T) {
			pair := lab.NewPair(t)
			sensor := mailtest.StartServe(t, pair.Server, mailtest.TempDir(t), mailtest.SMTP, policyRules(act, blindRule))
			p := rulesPostfix(t, pair.Server)
			if err := mailtest.SendMail(pair.Client, pair.Client.IPv4, pair.Server.IPv4, "usual"); err != nil {
				t.Fatal(err)
			}
			h := mailtest.Delivered(t, p.Mails, "usual")
			if got := h.Get("X-Rule"); (got == "linux") != (act == "true") {
				t.Errorf("X-Rule: %q with act = %s", got, act)
			}
			if h.Get("X-p0f-Result") == "" {
				t.Error("the mail has no header of the note")
			}
			err := mailtest.SendBlind(pair.Client, pair.Client.IPv4, pair.Server.IPv4, "blind")
			if rejected := err != nil && strings.Contains(err.Error(), "sent commands blind"); rejected != (act == "true") {
				t.Errorf("the client that sends blind: %v, with act = %s", err, act)
			}
			sensor.Printed("rule=blind")
			if log := string(sensor.Out.Bytes()); strings.Contains(log, "rule=windows") {
				t.Errorf("want no rule windows in the log:\n%s", log)
			}
		})
	}
}

// TestRulesSensorAway: with the sensor stalled or stopped mails go on, soon, and
// no rule fires.
func TestRulesSensorAway(t *testing.T) {
	pair := lab.NewPair(t)
	sensor := mailtest.StartServe(t, pair.Server, mailtest.TempDir(t), mailtest.SMTP, policyRules("true", "[[policy.rules]]\nname = \"all\"\nwhen = \"true\"\naction = \"REJECT all\""))
	p := mailtest.StartPostfix(t, pair.Server, "smtpd_data_restrictions = check_policy_service { inet:127.0.0.1:7826, timeout=1s, try_limit=1, default_action=DUNNO }")
	send := func(id string) error {
		start := time.Now()
		err := mailtest.SendMail(pair.Client, pair.Client.IPv4, pair.Server.IPv4, id)
		if d := time.Since(start); d > 10*time.Second {
			t.Errorf("%s: the mail took %v", id, d)
		}
		return err
	}
	var err error
	for try := 0; try < 5 && err == nil; try++ { // the machine may be busy, and a mail goes on without the rule
		err = send(fmt.Sprint("usual-", try))
	}
	if err == nil || !strings.Contains(err.Error(), "all") {
		t.Errorf("the rule that fires on everything: %v", err)
	}
	sensor.Signal(syscall.SIGSTOP)
	if err := send("stalled"); err != nil {
		t.Error(err)
	}
	sensor.Signal(syscall.SIGCONT)
	sensor.Stop()
	if err := send("stopped"); err != nil {
		t.Error(err)
	}
	for _, id := range []string{"stalled", "stopped"} {
		mailtest.Delivered(t, p.Mails, id)
	}
}
