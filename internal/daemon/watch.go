package daemon

import (
	"context"
	"log/slog"
	"strings"
	"sync/atomic"
	"time"

	"github.com/mxprint/mxprint/engine"
	"github.com/mxprint/mxprint/event"
	"github.com/mxprint/mxprint/internal/config"
)

// When the watch reports.
const (
	watchTime   = 10 * time.Second // between two looks
	blindAfter  = 10               // questions with nothing captured
	strangeRow  = 100              // questions in a row about clients that were not seen
	oneWayAfter = 100              // SYNs without a SYN+ACK
	unreadAfter = 10               // frames that cannot be read, within watchTime,
	unreadShare = 10               // if they are one of this number
)

// ways counts the directions in which packets are seen.
type ways struct{ syns, answers atomic.Uint64 }

// Observe implements event.Observer.
func (w *ways) Observe(o *event.Observation) {
	switch o.Module {
	case event.SYN:
		w.syns.Add(1)
	case event.SYNACK:
		w.answers.Add(1)
	}
}

// Flush implements event.Observer.
func (*ways) Flush() (int, error) { return 0, nil }

// watch reports, once each time it comes to that, what makes a sensor useless
// without an error anywhere.
type watch struct {
	config *config.Config
	sensor *sensor
	log    *slog.Logger

	blind, strange, oneWay, deaf, drops, unread, cut, gone bool // reported, and still so

	dropped uint64
	last    engine.Stats // at the last look
}

// run looks until ctx ends.
func (w *watch) run(ctx context.Context) error {
	tick := time.NewTicker(watchTime)
	defer tick.Stop()
	return each(tick.C, w.look)(ctx)
}

// state reports when a state begins, and when it is over.
func (w *watch) state(was *bool, is bool, begins, ends string, args ...any) {
	switch {
	case is && !*was:
		w.log.Warn(begins, args...)
	case !is && *was:
		w.log.Info(ends)
	}
	*was = is
}

func (w *watch) look() {
	in := w.sensor
	asked := in.monitor.asked()
	questions, row := asked.Questions, asked.Row
	if in.engine != nil {
		st := in.engine.Stats()
		w.unreadable(st)
		w.state(&w.blind, st.Frames == 0 && st.Unread == 0 && questions >= blindAfter,
			"questions come, and no packet: the sensor looks at another interface, or the filter takes nothing",
			"packets come now", w.config.Where(), "filter", w.config.Sensor.Filter, "questions", questions)
	}
	w.state(&w.strange, row >= strangeRow && !w.blind,
		"questions in a row about clients that were never seen: their packets come by another interface or port, or a proxy stands between",
		"clients that are asked about were seen again", w.config.Where(), "questions", row)
	w.state(&w.oneWay, in.ways != nil && in.ways.syns.Load() >= oneWayAfter && in.ways.answers.Load() == 0,
		"only packets from clients are captured, and HTTP needs both directions: write the filter as port, not dst port",
		"both directions are captured now", "filter", w.config.Sensor.Filter)
	if in.sender != nil {
		st := in.sender.Stats()
		w.state(&w.deaf, st.Read >= oneWayAfter && st.Heard == 0,
			"only packets from clients are captured, and smtp needs both directions: write the filter as port, not dst port",
			"both directions are captured now", "filter", w.config.Sensor.Filter)
	}
	dropped := in.dropped()
	w.state(&w.drops, dropped > w.dropped,
		"the kernel dropped packets, for they came faster than they were read: narrow the filter, or raise sensor.workers",
		"no more packets are dropped", "dropped", dropped-w.dropped, "since_start", dropped)
	w.dropped = dropped
	gone := in.monitor.gone()
	w.state(&w.gone, len(gone) > 0,
		"sockets were removed, or replaced by another process, and no client reaches them: mxprint doctor finds who listens there, and a restart makes them again",
		"the sockets are there again", "sockets", gone)
}

// unreadable reports frames that come and cannot be read, with the line that shows
// what they are.
func (w *watch) unreadable(st engine.Stats) {
	unread, frames, cut := st.Unread-w.last.Unread, st.Frames-w.last.Frames, st.Cut-w.last.Cut
	w.last = st
	if w.config.Sensor.Source != config.SourceCapture {
		return
	}
	look := "tcpdump -ni " + w.config.Sensor.Interfaces[0] + " -s 0 -c 1000 -w unread.pcap; mxprint read unread.pcap"
	w.state(&w.unread, unread >= unreadAfter && unread*unreadShare >= frames,
		"frames cannot be read: they are malformed, of a link that is not understood, or in tunnels that sensor.decapsulate does not name",
		"frames can be read again", "frames", unread, "kinds", strings.Join(w.sensor.engine.Unread(), "; "), "look", look)
	w.state(&w.cut, cut > 0,
		"SYNs are longer than what is kept of a frame, and their clients stay unknown: sensor.http = true keeps whole frames",
		"SYNs are whole again", "syns", cut, "since_start", st.Cut, "look", look)
}

// end is the last line of a log: what the daemon did.
func (w *watch) end() {
	asked, args := w.sensor.monitor.asked(), []any{}
	if e := w.sensor.engine; e != nil {
		st := e.Stats()
		args = append(args, "packets", st.Frames, "dropped", w.sensor.dropped(), "unread", st.Unread+st.Cut, "hosts", st.Hosts)
	}
	w.log.Info("ended", append(args, "questions", asked.Questions, "not_seen", asked.NotSeen, "failed", asked.Failed)...)
}
