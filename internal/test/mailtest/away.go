//go:build linux

package mailtest

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/mxprint/mxprint/internal/test/lab"
)

// CheckRulesAway: a rule denies the client that sends blind, says denied, and is
// harmless while the sensor is stalled or stopped: the same client's mail then
// goes on, within bound and what a mail takes. On a busy machine a mail goes on
// while the sensor is behind; then another is sent.
func CheckRulesAway(t *testing.T, pair *lab.Pair, mails string, sensor *Process, denied string, bound time.Duration) {
	t.Helper()
	var err error
	for try := 0; try < 5 && err == nil; try++ {
		err = SendBlind(pair.Client, pair.Client.IPv4, pair.Server.IPv4, fmt.Sprint("seen-", try))
	}
	if err == nil || !strings.Contains(err.Error(), denied) {
		t.Errorf("with the sensor: %v, want %q", err, denied)
	}
	if err := SendMail(pair.Client, pair.Client.IPv4, pair.Server.IPv4, "usual"); err != nil {
		t.Error(err)
	}
	send := func(id string) {
		start := time.Now()
		if err := SendBlind(pair.Client, pair.Client.IPv4, pair.Server.IPv4, id); err != nil {
			t.Errorf("%s: %v", id, err)
		}
		if took := time.Since(start); took > bound+hang {
			t.Errorf("%s: the mail took %v, want %v at most", id, took, bound+hang)
		} else {
			t.Logf("%s: the mail took %v", id, took.Round(time.Millisecond))
		}
	}
	sensor.Signal(syscall.SIGSTOP)
	send("stalled")
	sensor.Signal(syscall.SIGCONT)
	sensor.Stop()
	send("stopped")
	for _, id := range []string{"usual", "stalled", "stopped"} {
		HeaderLines(t, mails, id)
	}
}
