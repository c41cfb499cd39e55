//go:build linux

package mailtest

import (
	"strings"
	"testing"

	"github.com/mxprint/mxprint/internal/test/lab"
)

// full is the header X-Mxprint of a mail, of which there must be one.
func full(t testing.TB, mails, id string) string {
	t.Helper()
	var got []string
	for _, line := range HeaderLines(t, mails, id) {
		if strings.HasPrefix(strings.ToLower(line), "x-mxprint:") {
			got = append(got, strings.Join(strings.Fields(line), " "))
		}
	}
	if len(got) != 1 {
		t.Errorf("%s: headers %q, want one", id, got)
		return ""
	}
	return got[0]
}

// CheckContradictions sends mails to a server that adds X-Mxprint: the one that
// claims Outlook has its contradiction, for this machine is a Linux; the honest
// one, and the one that was received before, have none. Whatever a mail claims,
// its header has no words of it.
func CheckContradictions(t *testing.T, pair *lab.Pair, mails string) {
	t.Helper()
	const outlook = "X-Mailer: Microsoft Outlook 16.0"
	evil := "X-Mailer: a\" contradictions=\"evil\\n json 192.0.2.9 1\\r\\n os=evil }{ ${evil} " + strings.Repeat("\xff\x01", 50)
	for _, tt := range []struct {
		id, want string
		headers  []string
	}{
		{"outlook", `contradictions="mailer_system`, []string{outlook}},
		{"outlook-again", `contradictions="mailer_system`, []string{outlook, "X-Mxprint: contradictions=forged"}},
		{"honest", "", []string{"X-Mailer: Evolution 3.46"}},
		{"relayed", "", []string{"Received: from pc.example by relay.example; Sat, 1 Jan 2022 00:00:00 +0000", outlook}},
		{"evil", "", []string{evil, "User-Agent: " + evil}},
	} {
		c := DialSMTP(t, pair.Client, pair.Client.IPv4, pair.Server.IPv4)
		if err := c.Send(tt.id, tt.headers...); err != nil {
			t.Fatalf("%s: %v", tt.id, err)
		}
		c.Quit()
		got := full(t, mails, tt.id)
		if !strings.Contains(got, `os="Linux`) || strings.Contains(got, "evil") || strings.Contains(got, "forged") {
			t.Errorf("%s: %s", tt.id, got)
		}
		if found := strings.Contains(got, "contradictions="); found != (tt.want != "") || !strings.Contains(got, tt.want) {
			t.Errorf("%s: %s, want %q", tt.id, got, tt.want)
		}
		t.Logf("%s: %s", tt.id, got)
	}
}
