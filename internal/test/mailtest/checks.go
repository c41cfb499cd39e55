//go:build linux

package mailtest

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/mxprint/mxprint/internal/test/lab"
)

// CheckTwoMachines makes two connections from one address, the second as a
// machine four hops further away would. The mails come in the other order,
// when both connections have been seen.
func CheckTwoMachines(t *testing.T, pair *lab.Pair, mails string) {
	dial := func(ttl string) *client {
		out, err := pair.Client.Command(context.Background(), "sysctl", "-qw", "net.ipv4.ip_default_ttl="+ttl).CombinedOutput()
		if err != nil {
			t.Fatalf("sysctl: %v: %s", err, out)
		}
		return DialSMTP(t, pair.Client, pair.Client.IPv4, pair.Server.IPv4)
	}
	check := func(c *client, id, want string) {
		if err := c.Send(id); err != nil {
			t.Fatal(err)
		}
		got, _ := Results(HeaderLines(t, mails, id))
		if len(got) != 1 || !strings.Contains(got[0], want) {
			t.Errorf("mail %s: %q, want %s", id, got, want)
		}
	}
	near, far := dial("64"), dial("60")
	check(far, "far", " distance=4 ")
	check(near, "near", " distance=0 ")
	check(far, "far-again", " distance=4 ")
}

// CheckSensorAway sends 500 mails while the sensor is restarted, stopped and
// ended. None may hang, and all must arrive: with the header unless the sensor
// was away, or the machine too busy to answer in time.
func CheckSensorAway(t *testing.T, pair *lab.Pair, mails string, sensor *Process, restart func() *Process, bound time.Duration) {
	t.Helper()
	usual := SendNoted(t, pair, mails, "usual", 100)
	restarted := make(chan *Process, 1)
	away := SendMany(t, pair, "away", 500, func(i int) {
		switch i {
		case 100:
			go func() {
				sensor.Stop()
				restarted <- restart()
			}()
		case 250:
			sensor = <-restarted
			sensor.Signal(syscall.SIGSTOP)
		case 270:
			sensor.Signal(syscall.SIGCONT)
		case 400:
			go sensor.Stop()
		}
	})
	got := WithHeader(t, mails, away.Ids)
	t.Logf("with a sensor restarted, stopped and ended %d of 500 mails have a header", got)
	if len(away.Ids) != 500 {
		t.Errorf("%d of 500 mails were taken", len(away.Ids))
	}
	CheckHang(t, usual, away, bound)
	if got == 0 {
		t.Error("no mail has a header")
	}
}

// forgeries are headers that a client may send to be taken for another.
var forgeries = []struct {
	name   string
	header []string
}{
	{"same name", []string{`X-p0f-Result: os="Forged"`}},
	{"other case", []string{`x-P0F-rEsUlT: os="Forged"`}},
	{"three", []string{`X-p0f-Result: os="Forged 1"`, `X-Other: 1`, `X-P0F-RESULT: os="Forged 2"`, `x-p0f-result: os="Forged 3"`}},
	{"space before the colon", []string{`X-p0f-Result : os="Forged"`}},
	{"tab before the colon", []string{"X-p0f-Result\t: os=\"Forged\""}},
	{"folded", []string{"X-p0f-Result:\r\n os=\"Forged\"\r\n distance=1"}},
	{"empty", []string{"X-p0f-Result:"}},
	{"200 blanks before the colon", []string{"X-p0f-Result" + strings.Repeat(" ", 200) + `: os="Forged"`}},
	{"after a long line", []string{"X-Other: " + strings.Repeat("z", 900) + "\r\n " + strings.Repeat("z", 900), `X-p0f-Result: os="Forged"`}},
	{"after a bare LF", []string{"X-Other: 1\nX-p0f-Result: os=\"Forged\""}},
	{"after a bare CR", []string{"X-Other: 1\rX-p0f-Result: os=\"Fake\"", "X-Other: 2\r\n 3\rX-p0f-Result: os=\"Fake\"\r\n 4"}},
	{"folded by a bare CR", []string{"X-p0f-Result: 1\r os=\"Forged\""}},
	{"long", []string{"X-p0f-Result: " + strings.Repeat(`os="Forged" `, 70), "X-Other: 2"}},
	{"many", slices.Repeat([]string{`X-p0f-Result: os="Forged"`}, 150)},
}

// CheckForgeries sends the forged mails, and checks that each arrives with our
// header alone.
func CheckForgeries(t *testing.T, pair *lab.Pair, mails string) {
	for _, f := range Families(pair) {
		t.Run(f.Name, func(t *testing.T) {
			for i, forged := range forgeries {
				c := DialSMTP(t, pair.Client, f.From, f.To) // Exim delivers ten mails of a connection at once
				id := f.Name + "-forged-" + strconv.Itoa(i)
				if err := c.sendRaw(MailText(id, forged.header...)); isRefusal(err) && strings.Contains(forged.name, "bare") {
					continue // as Sendmail does
				} else if err != nil {
					t.Errorf("%s: %v", forged.name, err)
					continue
				}
				lines := HeaderLines(t, mails, id)
				if _, wrong := Results(lines); wrong != "" {
					t.Errorf("%s: %s", forged.name, wrong)
				}
				if strings.Contains(strings.Join(lines, "\n"), "Forged") {
					t.Errorf("%s: what was forged is left in %.1000q", forged.name, strings.Join(lines, "\n"))
				}
			}
		})
	}
}

// CheckOneConnection sends mails on one connection, some of which come to no
// end.
func CheckOneConnection(t *testing.T, pair *lab.Pair, mails string) {
	c := DialSMTP(t, pair.Client, pair.Client.IPv4, pair.Server.IPv4)
	for i := range 3 {
		if err := c.Mail(Sender); err != nil {
			t.Fatal(err)
		}
		if err := c.Reset(); err != nil {
			t.Fatal(err)
		}
		id := "reused-" + strconv.Itoa(i)
		if err := c.Send(id, slices.Repeat([]string{"X-p0f-Result: forged"}, i)...); err != nil {
			t.Fatal(err)
		}
		if _, wrong := Results(HeaderLines(t, mails, id)); wrong != "" {
			t.Errorf("mail %d: %s", i, wrong)
		}
	}
}

// CheckStoppedInside stops the daemon between the commands of a mail, which
// must not wait longer than the recipe allows.
func CheckStoppedInside(t *testing.T, pair *lab.Pair, mails string, daemon *Process, bound time.Duration) {
	c := DialSMTP(t, pair.Client, pair.Client.IPv4, pair.Server.IPv4)
	daemon.Signal(syscall.SIGSTOP)
	begin := time.Now()
	err := c.Send("inside")
	took := time.Since(begin)
	daemon.Signal(syscall.SIGCONT)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("the mail took %v", took.Round(time.Millisecond))
	if took > bound+hang {
		t.Errorf("the mail took %v, want %v at most", took, bound+hang)
	}
	if took < bound/4 {
		t.Errorf("the mail took %v: nothing was stopped", took)
	}
	HeaderLines(t, mails, "inside")
}

// CheckReexec sends mails while the sensor is re-executed three times. None
// may be lost or hang; those before and after have a header, unless the
// machine was too busy to answer in time.
func CheckReexec(t *testing.T, pair *lab.Pair, mails string, sensor *Process, ready string, bound time.Duration) {
	t.Helper()
	usual := SendNoted(t, pair, mails, "usual", 100)
	var restarts []chan struct{}
	const count = 300
	during := SendMany(t, pair, "during", count, func(i int) {
		if i == 50 || i == 150 || i == 250 {
			if n := len(restarts); n > 0 {
				<-restarts[n-1] // two signals at once are one restart
			}
			restarts = append(restarts, sensor.Reexec(ready))
		}
	})
	for _, done := range restarts {
		<-done
	}
	SendNoted(t, pair, mails, "after", 20)
	got := WithHeader(t, mails, during.Ids)
	t.Logf("with three restarts %d of %d mails have a header", got, count)
	if len(during.Ids) != count {
		t.Errorf("%d of %d mails were taken", len(during.Ids), count)
	}
	CheckHang(t, usual, during, bound)
	if got == 0 {
		t.Errorf("no mail has a header")
	}
}
