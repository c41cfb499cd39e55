package status

import (
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
)

// Judge sets Health and Reasons.
func (s *Status) Judge() {
	var down, degraded []string
	bad := func(list *[]string, format string, args ...any) { *list = append(*list, fmt.Sprintf(format, args...)) }
	running := 0
	for _, src := range s.Sources {
		switch src.State {
		case Running:
			running++
		case Waiting:
			bad(&degraded, "interface %s does not exist; it is opened when it does", src.Name)
		default:
			bad(&degraded, "source %s has failed: %s", src.Name, src.Reason)
		}
	}
	if len(s.Sources) > 0 && running == 0 {
		down, degraded = append(down, "no source of SYNs runs"), nil
		for _, src := range s.Sources {
			bad(&down, "%s: %s", src.Name, orWord(src.Reason, src.State))
		}
	}
	for _, f := range s.Fronts {
		for _, fault := range f.Failed {
			bad(&degraded, "front %s at %s has failed: %s", f.Name, fault.At, fault.Reason)
		}
	}
	asked := s.Recent.Answers.Sum()
	span := time.Duration(s.Recent.Seconds * float64(time.Second)).Round(time.Second)
	part := func(n, of uint64, share float64) bool { return of > 0 && float64(n) >= share*float64(of) }
	switch a := s.Recent.Answers; {
	case asked < fewAsked:
	case a.Unavailable == asked:
		bad(&down, "none of %d questions of the last %v could be answered", asked, span)
	case part(a.NotSeen, asked, notSeenShare) && s.Recent.SYNs == 0 && s.Asks == "":
		bad(&degraded, "no SYN came in the last %v, while %d questions did: the filter or the interface is wrong (mxprint doctor)", span, asked)
	case part(a.NotSeen, asked, notSeenShare):
		bad(&degraded, "%d of %d clients asked about in the last %v were not seen (mxprint doctor)", a.NotSeen, asked, span)
	case a.Unavailable > 0 && part(a.Unavailable, asked, lateShare):
		bad(&degraded, "%d of %d questions of the last %v had no sensor to answer", a.Unavailable, asked, span)
	}
	if asked >= fewAsked && s.Recent.Late > s.Recent.Answers.Unavailable && part(s.Recent.Late, asked, lateShare) {
		bad(&degraded, "%d of %d questions of the last %v had no answer in time", s.Recent.Late, asked, span)
	}
	if s.Recent.Drops > 0 && part(s.Recent.Drops, s.Recent.Frames+s.Recent.Drops, dropShare) {
		bad(&degraded, "%d of %d frames of the last %v were lost: the machine is too slow for what the filter takes", s.Recent.Drops, s.Recent.Frames+s.Recent.Drops, span)
	}
	if st := s.Store; st != nil {
		if st.Fault != "" {
			bad(&degraded, "nothing is remembered: store %s: %s", st.Path, st.Fault)
		}
		if st.Aside != "" {
			bad(&degraded, "the store was damaged and is begun again; kept as %s (remove it, and restart)", st.Aside)
		}
	}
	if s.Recent.NotRead >= fewUnread && part(s.Recent.NotRead, s.Recent.Frames, unreadShare) {
		bad(&degraded, "%d of %d frames of the last %v could not be read: malformed, of a link that is not understood, or in tunnels that sensor.decapsulate does not name", s.Recent.NotRead, s.Recent.Frames, span)
	}
	if s.Recent.Lost > 0 {
		bad(&degraded, "%d observations of the last %v were not logged", s.Recent.Lost, span)
	}
	if fault := s.Configuration.Fault; fault != "" {
		bad(&degraded, "the configuration would not start again: %s", fault)
	}
	if at := s.Certificate; at != nil && s.Now.Add(certificate).After(*at) {
		bad(&degraded, "the certificate of [query] expires at %s", at.UTC().Format(time.RFC3339))
	}
	s.Reasons = slices.Concat(down, degraded)
	switch {
	case len(down) > 0:
		s.Health = Down
	case len(degraded) > 0:
		s.Health = Degraded
	default:
		s.Health = Well
	}
}

func orWord(a, b string) string {
	if a != "" {
		return a
	}
	return b
}
