//go:build linux

package postfix

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mxprint/mxprint/internal/test/lab"
	"github.com/mxprint/mxprint/internal/test/mailtest"
)

func TestPostfixReceives(t *testing.T) {
	pair := lab.NewPair(t)
	p := mailtest.StartPostfix(t, pair.Server)
	for _, f := range mailtest.Families(pair) {
		t.Run(f.Name, func(t *testing.T) {
			if err := mailtest.SendMail(pair.Client, f.From, f.To, f.Name); err != nil {
				t.Fatal(err)
			}
			h := mailtest.Delivered(t, p.Mails, f.Name)
			// Postfix names the client it has seen: [IPv6:…] for IPv6.
			if got := h.Get("Received"); !strings.Contains(got, f.From.String()+"]") {
				t.Errorf("Received = %q, want the client %s in it", got, f.From)
			}
		})
	}
}

func TestSockopsPostfix(t *testing.T) {
	c := mailtest.NewCell(t)
	var p *mailtest.Postfix
	patient := strings.ReplaceAll(mailtest.Recipe(t, "postfix.md", "smtpd_milters"), "timeout=1s", "timeout=30s")
	serve := func() { p = mailtest.StartPostfix(t, c.Server, patient) }
	c.Inside(serve)
	sensor := c.StartSensor(t, mailtest.Recipe(t, "postfix.md", "[milter]")+"deadline = \"10s\"\n")
	known := c.Fresh[0]
	named := c.Send(t, p.Mails, "older-", mailtest.CellLookups/2)
	p.Stop()
	mailtest.EndPostfix(t, filepath.Join(filepath.Dir(p.Mails), "queue")) // else its smtpds go on listening
	c.Inside(serve)
	named += c.Send(t, p.Mails, "younger-", mailtest.CellLookups/2)
	t.Logf("%d of %d first look-ups of the milter", named, mailtest.CellLookups)
	if named != mailtest.CellLookups {
		t.Errorf("%d of %d first look-ups of the milter were answered", named, mailtest.CellLookups)
	}
	c.CheckCookies(t, p.Mails, known)
	sensor.Stop()
	for _, wrong := range []string{"not watched", "faster than"} {
		if bytes.Contains(sensor.Out.Bytes(), []byte(wrong)) {
			t.Errorf("the sensor warns:\n%s", sensor.Out.Bytes())
		}
	}
}
