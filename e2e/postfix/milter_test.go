//go:build linux

package postfix

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/mxprint/mxprint/internal/test/lab"
	"github.com/mxprint/mxprint/internal/test/mailtest"
)

// milterBound is the longest that the recipe of docs/postfix.md lets a mail wait
// for a milter that is stopped: Postfix asks no more after the first time limit.
const milterBound = 1 * time.Second

// startMilterPostfix starts Postfix with the lines of docs/postfix.md.
func startMilterPostfix(t testing.TB, ns *lab.NetNS, times mailtest.Patience) *mailtest.Postfix {
	t.Helper()
	return mailtest.StartPostfix(t, ns, times(mailtest.Recipe(t, "postfix.md", "smtpd_milters")))
}

func TestPostfixMilter(t *testing.T) {
	pair := lab.NewPair(t)
	mailtest.StartMilter(t, pair.Server, "postfix.md")
	p := startMilterPostfix(t, pair.Server, mailtest.Patient)
	for _, f := range mailtest.Families(pair) {
		t.Run(f.Name, func(t *testing.T) {
			mailtest.Swaks(t, pair.Client, f.From, f.To, f.Name)
			lines := mailtest.HeaderLines(t, p.Mails, f.Name)
			got, wrong := mailtest.Results(lines)
			if wrong != "" {
				t.Fatal(wrong)
			}
			t.Log(got[0])
			// Our header stands before all that came with the mail.
			received := slices.IndexFunc(lines, func(l string) bool { return strings.HasPrefix(l, "Received:") })
			if at := slices.Index(lines, got[0]); at > received {
				t.Errorf("the header is number %d, after Received, number %d", at, received)
			}
		})
	}
	t.Run("forged", func(t *testing.T) { mailtest.CheckForgeries(t, pair, p.Mails) })
	t.Run("one connection", func(t *testing.T) { mailtest.CheckOneConnection(t, pair, p.Mails) })
	t.Run("two machines behind one address", func(t *testing.T) { mailtest.CheckTwoMachines(t, pair, p.Mails) })
}

// BenchmarkPostfixMail: the milter costs a mail next to nothing. Without our
// acknowledging at once it would be 40 ms; TestAcknowledgesAtOnce in package
// milter sees to that.
func BenchmarkPostfixMail(b *testing.B) {
	for _, bb := range []struct {
		name  string
		start func(b *testing.B, ns *lab.NetNS)
	}{
		{"milter=no", func(b *testing.B, ns *lab.NetNS) { mailtest.StartPostfix(b, ns) }},
		{"milter=yes", func(b *testing.B, ns *lab.NetNS) {
			mailtest.StartMilter(b, ns, "postfix.md")
			startMilterPostfix(b, ns, mailtest.AsWritten)
		}},
	} {
		b.Run(bb.name, func(b *testing.B) {
			pair := lab.NewPair(b)
			bb.start(b, pair.Server)
			for i := 0; b.Loop(); i++ {
				if err := mailtest.SendMail(pair.Client, pair.Client.IPv4, pair.Server.IPv4, strconv.Itoa(i)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// TestPostfixMilterRefuses: Postfix takes a second to remove ten thousand
// headers, so that a mail with more than a thousand is refused.
func TestPostfixMilterRefuses(t *testing.T) {
	pair := lab.NewPair(t)
	mailtest.StartMilter(t, pair.Server, "postfix.md")
	p := startMilterPostfix(t, pair.Server, mailtest.Patient)
	c := mailtest.DialSMTP(t, pair.Client, pair.Client.IPv4, pair.Server.IPv4)
	if err := c.Send("thousand", slices.Repeat([]string{"X-p0f-Result: forged"}, 1000)...); err != nil {
		t.Fatal(err)
	}
	if _, wrong := mailtest.Results(mailtest.HeaderLines(t, p.Mails, "thousand")); wrong != "" {
		t.Error(wrong)
	}
	err := c.Send("more", slices.Repeat([]string{"X-p0f-Result: forged"}, 1001)...)
	if err == nil || !strings.HasPrefix(err.Error(), "550 ") {
		t.Errorf("a mail with 1001 forged headers: %v, want 550", err)
	}
}

// TestPostfixMilterAway: 500 mails while the daemon is restarted, stopped and
// ended.
func TestPostfixMilterAway(t *testing.T) {
	pair := lab.NewPair(t)
	serve := func() *mailtest.Process { return mailtest.StartMilter(t, pair.Server, "postfix.md") }
	daemon := serve()
	p := startMilterPostfix(t, pair.Server, mailtest.AsWritten)
	mailtest.CheckSensorAway(t, pair, p.Mails, daemon, serve, milterBound)
}

// TestPostfixMilterStopped: the daemon is stopped in the middle of a mail.
func TestPostfixMilterStopped(t *testing.T) {
	pair := lab.NewPair(t)
	daemon := mailtest.StartMilter(t, pair.Server, "postfix.md")
	p := startMilterPostfix(t, pair.Server, mailtest.AsWritten)
	mailtest.CheckStoppedInside(t, pair, p.Mails, daemon, milterBound)
}

// TestPostfixMilterFarSensor: the milter asks a sensor in another process,
// which stalls. No mail waits for it, and then gets a header.
func TestPostfixMilterFarSensor(t *testing.T) {
	pair := lab.NewPair(t)
	dir := mailtest.TempDir(t)
	sensor := mailtest.StartServe(t, pair.Server, dir)
	startFarMilter(t, pair.Server, filepath.Join(dir, "query.sock"))
	p := startMilterPostfix(t, pair.Server, mailtest.Patient)
	usual := mailtest.SendNoted(t, pair, p.Mails, "usual", 100)
	sensor.Signal(syscall.SIGSTOP)
	stalled := mailtest.SendMany(t, pair, "stalled", 100, func(int) {})
	sensor.Signal(syscall.SIGCONT)
	if got := mailtest.WithHeader(t, p.Mails, stalled.Ids); len(stalled.Ids) != 100 || got != 0 {
		t.Errorf("%d of 100 mails were taken, %d with a header; want all and none", len(stalled.Ids), got)
	}
	mailtest.CheckHang(t, usual, stalled, 50*time.Millisecond)
}

// startFarMilter starts a daemon that asks another.
func startFarMilter(t testing.TB, ns *lab.NetNS, socket string) {
	t.Helper()
	dir := mailtest.TempDir(t)
	mailtest.WriteFiles(t, dir, map[string]string{"far.toml": fmt.Sprintf("[sensor]\nask = %q\n[p0f]\nsocket = %q\n%s",
		socket, filepath.Join(dir, "p0f.sock"), mailtest.Recipe(t, "postfix.md", "[milter]"))})
	mailtest.SensorProgram(t) // builds it
	p := mailtest.Start(t, "milter", ns.Command(context.Background(), filepath.Join(mailtest.BinDir, "mxprint"), "serve", "-config", filepath.Join(dir, "far.toml")))
	p.Printed("msg=ready")
}

func TestPostfixMilterNAT(t *testing.T) {
	mailtest.CheckNAT(t, func(ns *lab.NetNS, config string) string {
		mailtest.StartMilter(t, ns, "postfix.md", config)
		return startMilterPostfix(t, ns, mailtest.Patient).Mails
	}, mailtest.NatHeader, mailtest.NatMails)
}
