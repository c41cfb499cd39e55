//go:build linux

package mailtest

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mxprint/mxprint/internal/test/lab"
)

// Observed is the configuration of a sensor that writes its observations into a
// folder, for Senders.Ask.
func Observed(dir string) string {
	return fmt.Sprintf("[log]\njson = %q\n", filepath.Join(dir, observations))
}

const observations = "observations.json"

// Ask has CheckPrograms look at which fields each program's header has in the
// dialect that the sensor in dir reports. The configuration of that has Observed.
func (s *Senders) Ask(dir string) { s.sensor = dir }

// seen is how long the file of observations is; 0 without Ask.
func (s *Senders) seen(t testing.TB) int {
	t.Helper()
	if s.sensor == "" {
		return 0
	}
	b, err := os.ReadFile(filepath.Join(s.sensor, observations))
	if err != nil {
		t.Fatal(err)
	}
	return len(b)
}

// header is the header in the dialect of the one session that a client has ended since
// the file of observations had a length, empty without Ask. `mxprint query` has the
// same.
func (s *Senders) header(t testing.TB, since int, from, to netip.Addr) string {
	t.Helper()
	if s.sensor == "" {
		return ""
	}
	var o struct{ Module, Client, Dialect string }
	lab.Eventually(t, func() error {
		b, err := os.ReadFile(filepath.Join(s.sensor, observations))
		if err != nil {
			return err
		}
		for line := range bytes.Lines(b[since:]) {
			if err := json.Unmarshal(line, &o); err == nil && o.Module == "smtp" && strings.HasPrefix(o.Client, from.String()+":") {
				return nil
			}
		}
		return fmt.Errorf("no session of %s in %s", from, b[since:])
	})
	header, asked := headerIn(o.Dialect), headerIn(dialectOf(t, s.sensor, o.Client, netip.AddrPortFrom(to, 25).String()))
	if asked != header {
		return fmt.Sprintf("%s, but %s if asked", header, asked)
	}
	return header
}

// dialectOf is the dialect of a connection, as `mxprint query` prints it.
func dialectOf(t testing.TB, dir, client, server string) string {
	t.Helper()
	out, err := exec.Command(filepath.Join(BinDir, "mxprint"), "query", "-s", filepath.Join(dir, "query.sock"), "-json", client, server).Output()
	var n struct{ Software struct{ Dialect string } }
	if err := json.Unmarshal(out, &n); err != nil {
		t.Fatalf("mxprint query: %v: %s", err, out)
	}
	if err != nil {
		t.Fatalf("mxprint query: %v: %s", err, out)
	}
	return n.Software.Dialect
}

// headerIn is the field header of a dialect.
func headerIn(dialect string) string {
	_, rest, _ := strings.Cut(";"+dialect, ";header=")
	value, _, _ := strings.Cut(rest, ";")
	return value
}

// headerOfMSG are the fields of MailText.
const headerOfMSG = "FTSDI"

// CheckHeaders sends mails inside TLS, whose headers a client makes as it likes: the
// sensor in dir gets to know of each which common fields it has, in their order. long
// is what the server reports of a header of 30 kB, of which X-Mailer comes last before
// those of MailText.
func CheckHeaders(t *testing.T, pair *lab.Pair, dir, long string) {
	t.Helper()
	const own = headerOfMSG
	for _, tt := range []struct {
		id, want string
		header   []string
	}{
		{"plain", own, nil},
		{"spelled", "M'C_X^U~L." + own, []string{"Mime-Version: 1.0", "X-Secret: secret", "content-type: text/plain;", "\tcharset=us-ascii", "X-MAILER: x", "uSER-aGENT: x", "Content-language: en"}},
		{"relayed", "relayed", []string{"Received: from pc.example by relay.example; Sat, 1 Jan 2022 00:00:00 +0000"}},
		{"behind", "relayed", []string{"X-Mailer: x", "Received: from pc.example by relay.example; Sat, 1 Jan 2022 00:00:00 +0000"}},
		{"verified", own, []string{"Authentication-Results: mx." + Domain + "; spf=pass"}}, // filters of the server add such
		{"bare", "none", nil},
		{"many", "", strings.Split(strings.Repeat("X-Mailer: x\n", 50), "\n")[:50]},
		{"long", long, append(strings.Split(strings.Repeat("X-Long: "+strings.Repeat("x", 500)+"\n", 60), "\n")[:60], "X-Mailer: x")},
	} {
		t.Run(tt.id, func(t *testing.T) {
			var got string
			for try := range 3 { // on a busy machine the sensor may be behind the mail
				c := DialSMTP(t, pair.Client, pair.Client.IPv4, pair.Server.IPv4)
				if err := c.StartTLS(&tls.Config{InsecureSkipVerify: true}); err != nil {
					t.Fatal(err)
				}
				text := MailText(fmt.Sprintf("%s-%d", tt.id, try), tt.header...)
				if tt.want == "none" {
					text = "X-Test: x\r\n\r\nHello.\r\n"
				}
				mails := []string{text, MailText(tt.id+"-second", "Content-Type: text/plain")} // the first that is known counts
				if tt.want == "" {
					mails = mails[:1]
				}
				for _, text := range mails {
					if err := c.SendText([]string{Recipient}, text); err != nil {
						t.Fatal(err)
					}
				}
				client := c.Conn.LocalAddr().String()
				c.Quit()
				dialect := dialectOf(t, dir, client, netip.AddrPortFrom(pair.Server.IPv4, 25).String())
				if strings.Contains(strings.ToLower(dialect), "secret") {
					t.Errorf("kept: %s", dialect)
				}
				if got = headerIn(dialect); got == tt.want && (strings.Contains(dialect, ";mail=") || strings.Contains(dialect, ";flow=")) { // it was reported
					return
				}
			}
			t.Errorf("the dialect has header=%s, want %s", got, tt.want)
		})
	}
}
