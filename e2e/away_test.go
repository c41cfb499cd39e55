//go:build linux

package e2e

import (
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/mxprint/mxprint/internal/lab"
)

// TestRspamdSensorAway: rspamd waits for a stalled sensor as long as its recipe
// says, and not at all for one that has ended.
func TestRspamdSensorAway(t *testing.T) {
	pair := lab.NewPair(t)
	dir := tempDir(t)
	sensor := startServe(t, pair.Server, dir)
	startRspamd(t, pair.Server, filepath.Join(dir, "p0f.sock"))
	startPostfix(t, pair.Server, "smtpd_milters = "+rspamdMilter, "milter_default_action = tempfail")
	const bound = time.Second // timeout in docs/rspamd.md
	usual := sendMany(t, pair, "usual", 50, func(int) {})
	sensor.signal(syscall.SIGSTOP)
	stalled := sendMany(t, pair, "stalled", 50, func(int) {})
	sensor.signal(syscall.SIGCONT)
	sensor.stop()
	ended := sendMany(t, pair, "ended", 50, func(int) {})
	t.Logf("longest: usual %v, stalled %v, ended %v", usual.longest, stalled.longest, ended.longest)
	for name, r := range map[string]*round{"stalled": stalled, "ended": ended} {
		if limit := usual.longest + bound + slack; r.longest > limit {
			t.Errorf("%s: a mail took %v, want %v at most", name, r.longest, limit)
		}
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
	through := func(prefix string) (longest time.Duration) {
		for _, id := range []string{"1", "2", "3", "4", "5", "6", "7", "8", "9", "10"} {
			begin := time.Now()
			if err := sendMail(pair.Client, pair.Client.IPv4, pair.Server.IPv4, prefix+id); err != nil {
				t.Fatal(err)
			}
			delivered(t, p.mails, prefix+id)
			longest = max(longest, time.Since(begin))
		}
		return longest
	}
	usual := through("usual")
	sensor.signal(syscall.SIGSTOP)
	stalled := through("stalled")
	sensor.signal(syscall.SIGCONT)
	t.Logf("longest: usual %v, stalled %v", usual, stalled)
	if limit := usual + 50*time.Millisecond + slack; stalled > limit {
		t.Errorf("a mail took %v, want %v at most", stalled, limit)
	}
}
