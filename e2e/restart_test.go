//go:build linux

package e2e

import (
	"bytes"
	"context"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/mxprint/mxprint/internal/test/lab"
)

// pluginDeadline is how long our plugin waits for an answer unless p0f.ini says
// otherwise.
const pluginDeadline = 100 * time.Millisecond

// restartTime is how long a query may wait for a sensor that is executed anew.
const restartTime = time.Second

// reexec sends SIGUSR2, and waits in the background until the program has said
// once more that it is ready.
func (p *process) reexec(ready string) (done chan struct{}) {
	n := bytes.Count(p.out.bytes(), []byte(ready))
	p.signal(syscall.SIGUSR2)
	done = make(chan struct{})
	go func() {
		defer close(done)
		for end := time.Now().Add(startTimeout); bytes.Count(p.out.bytes(), []byte(ready)) <= n; {
			if time.Now().After(end) {
				p.t.Errorf("%s is not ready %v after SIGUSR2", p.name, startTimeout)
				return
			}
			time.Sleep(5 * time.Millisecond)
		}
	}()
	return done
}

// checkReexec sends mails while the sensor is executed anew three times. None
// may be lost or hang; those before and after have a header, unless the
// machine was too busy to answer in time.
func checkReexec(t *testing.T, pair *lab.Pair, mails string, sensor *process, ready string, bound time.Duration) {
	t.Helper()
	usual := sendNoted(t, pair, mails, "usual", 100)
	var restarts []chan struct{}
	const count = 300
	during := sendMany(t, pair, "during", count, func(i int) {
		if i == 50 || i == 150 || i == 250 {
			if n := len(restarts); n > 0 {
				<-restarts[n-1] // two signals at once are one restart
			}
			restarts = append(restarts, sensor.reexec(ready))
		}
	})
	for _, done := range restarts {
		<-done
	}
	sendNoted(t, pair, mails, "after", 20)
	got := withHeader(t, mails, during.ids)
	t.Logf("with three restarts %d of %d mails have a header", got, count)
	if len(during.ids) != count {
		t.Errorf("%d of %d mails were taken", len(during.ids), count)
	}
	checkHang(t, usual, during, bound)
	if got == 0 {
		t.Errorf("no mail has a header")
	}
}

// The published plugin would hang on a connection that is closed: a clean
// restart closes none.
func TestHarakaReexec(t *testing.T) {
	for _, tt := range []struct {
		name, ready string
		start       func(ns *lab.NetNS, dir string) *process // with the socket p0f.sock
	}{
		{"serve", "msg=ready", func(ns *lab.NetNS, dir string) *process { return startServe(t, ns, dir) }},
		{"p0f", "Entered main event loop", func(ns *lab.NetNS, dir string) *process {
			if sensorProgram(t) != filepath.Join(binDir, "p0f") {
				t.Skip("p0f itself cannot be restarted so")
			}
			socket := filepath.Join(dir, "p0f.sock")
			p := start(t, "sensor", ns.Command(context.Background(), sensorProgram(t), "-i", ns.If, "-s", socket, "tcp port 25"))
			p.waitFor("answer on "+socket, func() bool { return socketAnswers(socket) })
			return p
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			pair := lab.NewPair(t)
			dir := tempDir(t)
			sensor := tt.start(pair.Server, dir)
			h := startHaraka(t, pair.Server, filepath.Join(dir, "p0f.sock"), false)
			checkReexec(t, pair, h.mails, sensor, tt.ready, restartTime)
		})
	}
}

func TestHarakaPluginReexec(t *testing.T) {
	pair := lab.NewPair(t)
	h, sensor, _ := startOurHaraka(t, pair.Server, false, "")
	checkReexec(t, pair, h.mails, sensor, "msg=ready", pluginDeadline)
}

func TestHarakaPluginSensorAway(t *testing.T) {
	pair := lab.NewPair(t)
	h, sensor, serve := startOurHaraka(t, pair.Server, false, "")
	checkSensorAway(t, pair, h.mails, sensor, serve, pluginDeadline)
}

// A sensor that is killed says nothing to anybody.
func TestHarakaPluginSensorKilled(t *testing.T) {
	pair := lab.NewPair(t)
	h, sensor, serve := startOurHaraka(t, pair.Server, false, "")
	usual := sendNoted(t, pair, h.mails, "usual", 50)
	killed := sendMany(t, pair, "killed", 200, func(i int) {
		switch i {
		case 50:
			sensor.signal(syscall.SIGKILL)
			<-sensor.done
		case 100:
			sensor = serve()
		case 150:
			sensor.signal(syscall.SIGKILL)
			<-sensor.done
			sensor = serve()
		}
	})
	got := withHeader(t, h.mails, killed.ids)
	t.Logf("with a sensor killed twice %d of 200 mails have a header", got)
	if len(killed.ids) != 200 {
		t.Errorf("%d of 200 mails were taken", len(killed.ids))
	}
	checkHang(t, usual, killed, pluginDeadline)
	// 150 are sent while there is a sensor, which may be too busy to answer.
	if got == 0 || got > 160 {
		t.Errorf("%d of 200 mails have a header, want 1 to 160: those with a sensor", got)
	}
}
