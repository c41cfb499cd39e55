//go:build linux

package rspamd

import (
	"bytes"
	"context"
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mxprint/mxprint/internal/test/lab"
	"github.com/mxprint/mxprint/internal/test/mailtest"
)

// TestVerdicts has the verdict on a real mail come back in two ways: the header
// that rspamd wrote has it, and a person says it of the delivered message. Each
// finds the connection.
func TestVerdicts(t *testing.T) {
	pair := lab.NewPair(t)
	dir := mailtest.TempDir(t)
	store, socket := filepath.Join(dir, "store.db"), "unix:"+filepath.Join(dir, "verdict.sock")
	mailtest.StartServe(t, pair.Server, dir, mailtest.Recipe(t, "postfix.md", "[milter]"), mailtest.LongDeadline, `form = "full"`,
		"[store]", `path = "`+store+`"`, `listen = ["`+socket+`"]`)
	startRspamdWith(t, pair.Server, "/nonexistent/p0f.sock", "1s", map[string]string{"actions.conf": "reject = 15;\nadd_header = 6;\ngreylist = null;\n"})
	p := mailtest.StartPostfix(t, pair.Server, mailtest.Patient(mailtest.Recipe(t, "policy.md", "smtpd_milters", "11332")), "milter_default_action = tempfail")
	run := func(input string, args ...string) []byte {
		t.Helper()
		cmd := pair.Server.Command(context.Background(), filepath.Join(mailtest.BinDir, "mxprint"), args...)
		cmd.Stdin = strings.NewReader(input)
		var out, stderr bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &stderr
		if err := cmd.Run(); err != nil {
			t.Fatalf("mxprint %s: %v: %s", strings.Join(args, " "), err, stderr.Bytes())
		}
		return out.Bytes()
	}
	for _, f := range mailtest.Families(pair) {
		t.Run(f.Name, func(t *testing.T) {
			if err := mailtest.SendMail(pair.Client, f.From, f.To, f.Name); err != nil {
				t.Fatal(err)
			}
			h := mailtest.Delivered(t, p.Mails, f.Name)
			message := "X-Spamd-Result: " + h.Get("X-Spamd-Result") + "\r\nX-Mxprint: " + h.Get("X-Mxprint") + "\r\n\r\n"
			if !strings.HasPrefix(h.Get("X-Mxprint"), "id=") {
				t.Fatalf("the mail has the header %q", h.Get("X-Mxprint"))
			}
			run(message, "verdicts", "-s", socket, "-mail")
			run(message, "learn", "-s", socket, "spam")
			var sources []string
			var past struct {
				Connections []struct {
					Name     string
					Verdicts []struct {
						Source string
						Spam   bool
					}
				}
			}
			for end := time.Now().Add(lab.Patience); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
				if err := json.Unmarshal(run("", "history", "-store", store, "-json", f.From.String()), &past); err != nil {
					t.Fatal(err)
				}
				sources = nil
				for _, c := range past.Connections {
					for _, v := range c.Verdicts {
						sources = append(sources, v.Source)
						if v.Spam != (v.Source == "learn") {
							t.Errorf("%s says spam: %t", v.Source, v.Spam)
						}
					}
				}
				if len(sources) >= 2 {
					break
				}
			}
			slices.Sort(sources)
			if len(past.Connections) != 1 || !slices.Equal(sources, []string{"learn", "rspamd"}) {
				t.Errorf("after the mail there are verdicts of %q; %+v; %s", sources, past, run("", "status", "-s", filepath.Join(dir, "query.sock"), "-json"))
			}
		})
	}
	// After forget the connections are gone, and a verdict finds nothing.
	run("", "forget", "-s", socket, pair.Client.IPv4.String())
	if got := run("", "history", "-store", store, pair.Client.IPv4.String()); string(got) != "nothing is remembered\n" {
		t.Errorf("after forget there is\n%s", got)
	}
}
