package status

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// Health is how a sensor is.
type Health string

// The values of Health.
const (
	Well     Health = "well"
	Degraded Health = "degraded" // answers come, and some are worse than they could be
	Down     Health = "down"     // no useful answer comes
)

// The bounds of Judge. Few questions show nothing: a share counts from fewAsked.
const (
	fewAsked     = 20
	notSeenShare = 0.9  // of the questions: a mail server asks about clients that are connected
	lateShare    = 0.01 // of the questions
	dropShare    = 0.01 // of the frames
	fewUnread    = 10   // frames, fewer show nothing
	unreadShare  = 0.1  // of the frames
	certificate  = 7 * 24 * time.Hour
	awayTime     = 30 * time.Second // of ClickHouse: it restarts at times
)

// Judge sets Health and Reasons.
func (s *Status) Judge() {
	var v verdict
	s.judgeSources(&v)
	s.judgeAnswers(&v)
	s.judgeFrames(&v)
	s.judgeFiles(&v)
	s.Reasons = slices.Concat(v.down, v.degraded)
	switch {
	case len(v.down) > 0:
		s.Health = Down
	case len(v.degraded) > 0:
		s.Health = Degraded
	default:
		s.Health = Well
	}
}

// verdict is the reasons why a sensor is not well.
type verdict struct{ down, degraded []string }

func (v *verdict) isDown(format string, args ...any) {
	v.down = append(v.down, fmt.Sprintf(format, args...))
}

func (v *verdict) isDegraded(format string, args ...any) {
	v.degraded = append(v.degraded, fmt.Sprintf(format, args...))
}

// judgeSources looks at what runs: sources and fronts.
func (s *Status) judgeSources(v *verdict) {
	running := 0
	for _, src := range s.Sources {
		switch src.State {
		case Running:
			running++
		case Waiting:
			v.isDegraded("interface %s: %s; frames are taken again when it is up", src.Name, cmp.Or(src.Reason, "it does not exist"))
		default:
			v.isDegraded("source %s has failed: %s", src.Name, src.Reason)
		}
	}
	if len(s.Sources) > 0 && running == 0 {
		v.isDown("no source of SYNs runs")
		v.degraded = nil
		for _, src := range s.Sources {
			v.isDown("%s: %s", src.Name, cmp.Or(src.Reason, src.State))
		}
	}
	for _, f := range s.Fronts {
		for _, fault := range f.Failed {
			v.isDegraded("front %s at %s has failed: %s", f.Name, fault.At, fault.Reason)
		}
	}
}

// judgeAnswers looks at what mail servers got of late.
func (s *Status) judgeAnswers(v *verdict) {
	asked, span := s.Recent.Answers.Sum(), s.span()
	switch a := s.Recent.Answers; {
	case asked < fewAsked && asked > 0 && s.Asks != "" && a.Unavailable == asked:
		v.isDegraded("none of %d questions of the last %v reached the sensor at %s (mxprint doctor)", asked, span, s.Asks)
	case asked < fewAsked:
	case a.Unavailable == asked:
		v.isDown("none of %d questions of the last %v could be answered", asked, span)
	case part(a.NotSeen, asked, notSeenShare) && s.Recent.SYNs == 0 && s.Asks == "":
		v.isDegraded("no SYN came in the last %v, while %d questions did: the filter or the interface is wrong (mxprint doctor)", span, asked)
	case part(a.NotSeen, asked, notSeenShare):
		v.isDegraded("%d of %d clients asked about in the last %v were not seen (mxprint doctor)", a.NotSeen, asked, span)
	case a.Unavailable > 0 && part(a.Unavailable, asked, lateShare):
		v.isDegraded("%d of %d questions of the last %v had no sensor to answer", a.Unavailable, asked, span)
	}
	if asked >= fewAsked && s.Recent.Late > s.Recent.Answers.Unavailable && part(s.Recent.Late, asked, lateShare) {
		v.isDegraded("%d of %d questions of the last %v had no answer in time", s.Recent.Late, asked, span)
	}
}

// judgeFrames looks at the frames and observations of late.
func (s *Status) judgeFrames(v *verdict) {
	if s.Recent.Drops > 0 && part(s.Recent.Drops, s.Recent.Frames+s.Recent.Drops, dropShare) {
		v.isDegraded("%d of %d frames of the last %v were lost: the machine is too slow for what the filter takes", s.Recent.Drops, s.Recent.Frames+s.Recent.Drops, s.span())
	}
	if s.Recent.NotRead >= fewUnread && part(s.Recent.NotRead, s.Recent.Frames, unreadShare) {
		v.isDegraded("%d of %d frames of the last %v could not be read: malformed, of a link that is not understood, or in tunnels that sensor.decapsulate does not name", s.Recent.NotRead, s.Recent.Frames, s.span())
	}
	if s.Recent.Lost > 0 {
		v.isDegraded("%d observations of the last %v were not logged: a disk of [log] is full or too slow (the log of the sensor has the reason)", s.Recent.Lost, s.span())
	}
	if s.Lost.Fault != "" {
		v.isDegraded("a log goes on in the file that was rotated: %s (mend it, then kill -USR1 %d)", s.Lost.Fault, s.PID)
	}
}

// judgeFiles looks at what lies in files and in the shared store.
func (s *Status) judgeFiles(v *verdict) {
	if st := s.Store; st != nil {
		if st.Fault != "" {
			v.isDegraded("nothing is remembered: store %s: %s", st.Path, st.Fault)
		}
		if st.Aside != "" {
			v.isDegraded("the store was damaged and is begun again; kept as %s (remove it, and restart)", st.Aside)
		}
		if st.Gone {
			v.isDegraded("the file of store %s was removed or replaced while it was open: it is begun again, and what it had is lost (a restart removes this line)", st.Path)
		}
	}
	if st := s.Shared; st != nil {
		if st.Fault != "" {
			v.isDegraded("look-ups go on without the shared store: %s", st.Fault)
		}
		if st.WriteFault != "" && st.WriteFault != st.Fault {
			v.isDegraded("nothing is published in the shared store: %s", st.WriteFault)
		}
	}
	if e := s.Export; e != nil {
		if e.Fault != "" && (e.Since.IsZero() || s.Now.Sub(e.Since) >= awayTime) {
			v.isDegraded("history does not arrive; %s rows wait: %s", number(uint64(e.Waiting)), e.Fault)
		}
		if s.Recent.Rows > 0 {
			v.isDegraded("%d rows of history of the last %v were dropped", s.Recent.Rows, s.span())
		}
	}
	if fault := s.Database.Fault; fault != "" {
		v.isDegraded("the signatures could not be reloaded, the old ones stay, and a restart would fail: %s", fault)
	}
	if fault := s.Configuration.Fault; fault != "" {
		v.isDegraded("the configuration would not start again: %s", fault)
	}
	if at := s.Certificate; at != nil && s.Now.Add(certificate).After(*at) {
		v.isDegraded("the certificate of [query] expires at %s", at.UTC().Format(time.RFC3339))
	}
}

// span is how long of late was, in whole seconds.
func (s *Status) span() time.Duration {
	return time.Duration(s.Recent.Seconds * float64(time.Second)).Round(time.Second)
}

// part reports whether n is at least a share of something.
func part(n, of uint64, share float64) bool { return of > 0 && float64(n) >= share*float64(of) }
