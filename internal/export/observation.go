package export

import (
	"slices"
	"time"

	"github.com/mxprint/mxprint/event"
)

// Observe adds the row of an observation, and has the note of a session that has
// ended added (event.Observer).
func (e *Exporter) Observe(o *event.Observation) {
	if e.wants[Notes] && o.Module == event.SMTP {
		e.ended(o.Client, o.Server)
	}
	if !e.wants[Observations] {
		return
	}
	client := e.hide(o.Client.Addr())
	e.add(Observations, func(r *row) {
		r.time("time", time.UnixMicro(o.At))
		r.text("module", o.Module.String())
		r.text("subject", [...]string{"client", "server"}[o.Role&1])
		r.ends("client", client, o.Client.Port())
		r.ends("server", o.Server.Addr(), o.Server.Port())
		observed(r, o)
	})
}

// Flush does nothing: Run writes (event.Observer).
func (e *Exporter) Flush() (lost int, err error) { return 0, nil }

// observed writes what a module has.
func observed(r *row, o *event.Observation) {
	switch o.Module {
	case event.MTU:
		r.text("link", o.Link)
		r.number("mtu", uint64(max(o.MTU, 0)))
	case event.Uptime:
		r.number("uptime_min", uint64(o.UptimeMin))
		r.fraction("frequency_hz", o.Frequency)
		if reliable := o.Clock.Reliable(); reliable != nil {
			r.truth("uptime_reliable", *reliable)
		}
	case event.HostChange, event.IPSharing:
		r.list("reasons", slices.Collect(o.Reasons.All))
	case event.HTTPRequest, event.HTTPResponse:
		system(r, o)
		if o.HTTP.Language != "???" {
			r.text("language", o.HTTP.Language)
		}
	case event.TLS, event.SMTP:
		if o.Sender != nil {
			r.sender(o.Sender)
		}
	default:
		system(r, o)
		r.key("distance")
		r.b = appendInt(r.b, o.Distance)
	}
}

// system writes what a signature says.
func system(r *row, o *event.Observation) {
	s := &o.System
	r.text("raw_sig", string(o.RawSig))
	if !s.Matched {
		r.text("matched", "no")
		return
	}
	r.text("matched", "yes")
	if s.App {
		r.text("app", s.Name)
		r.text("app_flavor", s.Flavor)
	} else {
		r.text("os", s.Name)
		r.text("os_flavor", s.Flavor)
	}
	r.text("quality", s.Quality.String())
	r.list("os_or", s.Others)
	r.text("rewritten", s.Rewrite.String())
}
