//go:build linux

package haraka

import (
	"strings"
	"testing"

	"github.com/mxprint/mxprint/internal/test/lab"
	"github.com/mxprint/mxprint/internal/test/mailtest"
)

// TestPolicyKarma runs karma's rules as docs/policy.md has them: the rule for
// this machine's system is awarded, those for Windows are not.
func TestPolicyKarma(t *testing.T) {
	rules := mailtest.Recipe(t, "policy.md", "[result_awards]", "windows")
	linux := strings.NewReplacer("[result_awards]\n", "", "031", "041", "032", "042", "windows", "linux").Replace(rules)
	pair := lab.NewPair(t)
	socket := mailtest.StartPatientSensor(t, pair.Server)
	h := startHarakaRules(t, pair.Server, "p0f", socket, true, "",
		"[redis]\nhost=127.0.0.1\nport=6379\n[tarpit]\ndelay=0.01\n"+rules+linux)
	mailtest.KnowClients(t, pair, socket)
	if err := mailtest.SendMail(pair.Client, pair.Client.IPv4, pair.Server.IPv4, "one"); err != nil {
		t.Fatal(err)
	}
	header := mailtest.Delivered(t, h.mails, "one")
	awards := karmaAwards(header)
	if !awards["041"] || awards["031"] || awards["032"] {
		t.Errorf("X-Haraka-Karma = %q, want the award 041 (Linux), and none of 031 and 032 (Windows)", header.Get("X-Haraka-Karma"))
	}
}
