//go:build linux

package haraka

import (
	"context"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/mxprint/mxprint/internal/test/lab"
	"github.com/mxprint/mxprint/internal/test/mailtest"
)

// pluginDeadline is how long our plugin waits for an answer unless p0f.ini says
// otherwise.
const pluginDeadline = 100 * time.Millisecond

// restartTime is how long a query may wait for a sensor that is re-executed.
const restartTime = time.Second

// The published plugin would hang on a connection that is closed: a clean
// restart closes none.
func TestHarakaReexec(t *testing.T) {
	for _, tt := range []struct {
		name, ready string
		start       func(ns *lab.NetNS, dir string) *mailtest.Process // with the socket p0f.sock
	}{
		{"serve", "msg=ready", func(ns *lab.NetNS, dir string) *mailtest.Process { return mailtest.StartServe(t, ns, dir) }},
		{"p0f", "Entered main event loop", func(ns *lab.NetNS, dir string) *mailtest.Process {
			if mailtest.SensorProgram(t) != filepath.Join(mailtest.BinDir, "p0f") {
				t.Skip("p0f itself cannot be restarted so")
			}
			socket := filepath.Join(dir, "p0f.sock")
			p := mailtest.Start(t, "sensor", ns.Command(context.Background(), mailtest.SensorProgram(t), "-i", ns.If, "-s", socket, "tcp port 25"))
			p.WaitFor("answer on "+socket, func() bool { return mailtest.SocketAnswers(socket) })
			return p
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			pair := lab.NewPair(t)
			dir := mailtest.TempDir(t)
			sensor := tt.start(pair.Server, dir)
			h := startHaraka(t, pair.Server, filepath.Join(dir, "p0f.sock"), false)
			mailtest.CheckReexec(t, pair, h.mails, sensor, tt.ready, restartTime)
		})
	}
}

func TestHarakaPluginReexec(t *testing.T) {
	pair := lab.NewPair(t)
	h, sensor, _ := startOurHaraka(t, pair.Server, false, "")
	mailtest.CheckReexec(t, pair, h.mails, sensor, "msg=ready", pluginDeadline)
}

func TestHarakaPluginSensorAway(t *testing.T) {
	pair := lab.NewPair(t)
	h, sensor, serve := startOurHaraka(t, pair.Server, false, "")
	mailtest.CheckSensorAway(t, pair, h.mails, sensor, serve, pluginDeadline)
}

// A sensor that is killed says nothing to anybody.
func TestHarakaPluginSensorKilled(t *testing.T) {
	pair := lab.NewPair(t)
	h, sensor, serve := startOurHaraka(t, pair.Server, false, "")
	usual := mailtest.SendNoted(t, pair, h.mails, "usual", 50)
	killed := mailtest.SendMany(t, pair, "killed", 200, func(i int) {
		switch i {
		case 50:
			sensor.Signal(syscall.SIGKILL)
			<-sensor.Done
		case 100:
			sensor = serve()
		case 150:
			sensor.Signal(syscall.SIGKILL)
			<-sensor.Done
			sensor = serve()
		}
	})
	got := mailtest.WithHeader(t, h.mails, killed.Ids)
	t.Logf("with a sensor killed twice %d of 200 mails have a header", got)
	if len(killed.Ids) != 200 {
		t.Errorf("%d of 200 mails were taken", len(killed.Ids))
	}
	mailtest.CheckHang(t, usual, killed, pluginDeadline)
	// 150 are sent while there is a sensor, which may be too busy to answer.
	if got == 0 || got > 160 {
		t.Errorf("%d of 200 mails have a header, want 1 to 160: those with a sensor", got)
	}
}
