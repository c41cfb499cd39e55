//go:build linux

package e2e

import (
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/mxprint/mxprint/internal/test/lab"
)

// TestRspamdSensorAway: rspamd waits for a stalled sensor as long as its recipe
// says, and not at all for one that has ended.
func TestRspamdSensorAway(t *testing.T) {
	pair := lab.NewPair(t)
	dir := tempDir(t)
	sensor := startServe(t, pair.Server, dir)
	startRspamd(t, pair.Server, filepath.Join(dir, "p0f.sock"), "1s")
	startPostfix(t, pair.Server, "smtpd_milters = "+rspamdMilter, "milter_default_action = tempfail")
	const bound = time.Second // timeout in docs/rspamd.md
	usual := sendMany(t, pair, "usual", 50, func(int) {})
	sensor.signal(syscall.SIGSTOP)
	stalled := sendMany(t, pair, "stalled", 50, func(int) {})
	sensor.signal(syscall.SIGCONT)
	sensor.stop()
	ended := sendMany(t, pair, "ended", 50, func(int) {})
	for name, r := range map[string]*round{"stalled": stalled, "ended": ended} {
		checkHang(t, usual, r, bound)
		if len(r.ids) != 50 {
			t.Errorf("%s: %d of 50 mails were taken", name, len(r.ids))
		}
	}
}

// TestAmavisSensorStalled: amavis waits 50 ms for an answer, whoever does not
// give it.
func TestAmavisSensorStalled(t *testing.T) {
	pair := lab.NewPair(t)
	sensor := startServe(t, pair.Server, tempDir(t), `[amavis]`, `listen = ["`+amavisAddr+`"]`)
	p := startAmavis(t, pair.Server)
	// The time counts until the mail has come through amavis.
	through := func(prefix string) (r *round, headers int) {
		r = &round{}
		for i := range 10 {
			id := prefix + strconv.Itoa(i)
			begin := time.Now()
			if err := sendMail(pair.Client, pair.Client.IPv4, pair.Server.IPv4, id); err != nil {
				t.Fatal(err)
			}
			headers += len(amavisHeaders(headerLines(t, p.mails, id)))
			took := time.Since(begin)
			r.longest, r.sum, r.ids = max(r.longest, took), r.sum+took, append(r.ids, id)
		}
		return r, headers
	}
	usual, headers := through("usual")
	if headers == 0 {
		t.Errorf("no mail has a header while nothing happens")
	}
	sensor.signal(syscall.SIGSTOP)
	stalled, headers := through("stalled")
	sensor.signal(syscall.SIGCONT)
	if headers != 0 {
		t.Errorf("%d headers while the sensor is stopped", headers)
	}
	checkHang(t, usual, stalled, 50*time.Millisecond)
}
