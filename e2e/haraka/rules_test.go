//go:build linux

package haraka

import (
	"errors"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/mxprint/mxprint/internal/test/lab"
	"github.com/mxprint/mxprint/internal/test/mailtest"
)

// TestPolicyFindings runs karma's awards of docs/policy.md for findings, and the
// plugin's rules: the client that sends blind has the award and is denied, the
// other is not. Karma turns the denials of other plugins into points, so that a
// denial is tested without it.
func TestPolicyFindings(t *testing.T) {
	awards := mailtest.Recipe(t, "policy.md", "[result_awards]", "mxprint | conduct")
	for _, tt := range []struct {
		name, rules string
		denied      bool
	}{{"observe", "", false}, {"deny", "[rules]\npipelining=denysoft\nearly_talker=denysoft\n", true}} {
		t.Run(tt.name, func(t *testing.T) {
			pair := lab.NewPair(t)
			dir := mailtest.TempDir(t)
			sensor := mailtest.StartServe(t, pair.Server, dir, mailtest.SMTP)
			h := startHarakaRules(t, pair.Server, "mxprint", filepath.Join(dir, "query.sock"), !tt.denied, pluginPatience+tt.rules,
				"[redis]\nhost=127.0.0.1\nport=6379\n[tarpit]\ndelay=0.01\n[thresholds]\nnegative=-50\n"+awards)
			h.ends(pair.Client.IPv4, func() {
				if err := mailtest.SendMail(pair.Client, pair.Client.IPv4, pair.Server.IPv4, "usual"); err != nil {
					t.Fatal(err)
				}
			})
			if log := string(h.Out.Bytes()); strings.Contains(log, "awards: 05") {
				t.Errorf("the usual client has an award for a finding:\n%s", log)
			}
			var err error
			h.ends(pair.Client.IPv4, func() { err = mailtest.SendBlind(pair.Client, pair.Client.IPv4, pair.Server.IPv4, "blind") })
			if tt.denied {
				if err == nil || !strings.Contains(err.Error(), "(pipelining)") {
					t.Errorf("the client that sends blind: %v, want it denied", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			lab.Eventually(t, func() error {
				// At the end of the connection; after the mail too, if Redis has brought it to karma by then.
				if !strings.Contains(string(h.Out.Bytes()), "awards: 052") {
					return errors.New("the client that sends blind has no award 052")
				}
				return nil
			})
			for _, away := range []string{"stalled", "stopped"} {
				if away == "stopped" {
					sensor.Signal(syscall.SIGCONT)
					sensor.Stop()
				} else {
					sensor.Signal(syscall.SIGSTOP)
				}
				before := strings.Count(string(h.Out.Bytes()), "awards: 05")
				h.ends(pair.Client.IPv4, func() {
					if err := mailtest.SendBlind(pair.Client, pair.Client.IPv4, pair.Server.IPv4, away); err != nil {
						t.Errorf("%s: %v", away, err)
					}
				})
				mailtest.HeaderLines(t, h.mails, away)
				if strings.Count(string(h.Out.Bytes()), "awards: 05") != before {
					t.Errorf("with the sensor %s karma gives an award for a finding", away)
				}
			}
		})
	}
}

// TestRulesSensorAway: the plugin's rules deny no mail while the sensor is stalled
// or stopped.
func TestRulesSensorAway(t *testing.T) {
	pair := lab.NewPair(t)
	dir := mailtest.TempDir(t)
	sensor := mailtest.StartServeWait(t, pair.Server, dir, "50ms", mailtest.SMTP)
	h := startHarakaPlugin(t, pair.Server, "mxprint", filepath.Join(dir, "query.sock"), false, "deadline=1000\n[rules]\npipelining=denysoft\n")
	mailtest.CheckRulesAway(t, pair, h.mails, sensor, "(pipelining)", 2*time.Second)
}
