package event

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/mxprint/mxprint/note"
)

// wire is the JSON form of an Observation. Fields that its module does not have
// are left out; docs/json.md describes them.
type wire struct {
	Time    string `json:"time"`
	Module  string `json:"module"`
	Client  string `json:"client"`
	Server  string `json:"server"`
	Subject string `json:"subject"`

	OS      *system  `json:"os,omitempty"`
	App     *system  `json:"app,omitempty"`
	Matched *bool    `json:"matched,omitempty"`
	Quality string   `json:"quality,omitempty"`
	Dist    *int     `json:"distance,omitempty"`
	DistMax bool     `json:"distance_at_most,omitempty"`
	DSCP    int      `json:"dscp,omitempty"`
	RawSig  string   `json:"raw_sig,omitempty"`
	Tunnels []string `json:"tunnels,omitempty"`
	Or      []string `json:"os_or,omitempty"`
	Rewrite []string `json:"rewritten,omitempty"`

	Language  string `json:"language,omitempty"`
	Dishonest bool   `json:"dishonest,omitempty"`
	Anonymous bool   `json:"anonymous,omitempty"`

	Link string `json:"link,omitempty"`
	MTU  int    `json:"mtu,omitempty"`

	Uptime    *uint32 `json:"uptime_min,omitempty"`
	ModDays   uint32  `json:"up_mod_days,omitempty"`
	Reliable  *bool   `json:"uptime_reliable,omitempty"`
	Frequency float64 `json:"frequency_hz,omitempty"`

	Reasons []string `json:"reasons,omitempty"`
	Hits    *[4]int  `json:"hits,omitempty"`

	TLS            *tls           `json:"tls,omitempty"`
	JA4            string         `json:"ja4,omitempty"`
	JA4Raw         string         `json:"ja4_r,omitempty"`
	Software       *system        `json:"software,omitempty"`
	SoftwareOr     []string       `json:"software_or,omitempty"`
	Dialect        string         `json:"dialect,omitempty"`
	Reading        *note.Progress `json:"reading,omitempty"`
	Conduct        *note.Findings `json:"conduct,omitempty"`
	Contradictions *note.Findings `json:"contradictions,omitempty"`
	Flow           *note.Flow     `json:"flow,omitempty"`
}

// tls is a note.TLS without JA4.
type tls struct {
	State      note.Progress `json:"state"`
	Library    string        `json:"library,omitempty"`
	Release    string        `json:"release,omitempty"`
	Settings   string        `json:"settings,omitempty"`
	Version    string        `json:"version,omitempty"`
	ServerName bool          `json:"server_name,omitempty"`
}

type system struct {
	Name   string `json:"name"`
	Flavor string `json:"flavor,omitempty"`
}

// AppendJSON appends the observation as one JSON object in one line, the
// newline included. Times are UTC with microseconds.
func (o *Observation) AppendJSON(dst []byte) ([]byte, error) {
	w := wire{
		Time:   time.UnixMicro(o.At).UTC().Format("2006-01-02T15:04:05.000000Z"),
		Module: o.Module.String(),
		Client: o.Client.String(), Server: o.Server.String(),
		Subject: "client",
	}
	if o.Role == Server {
		w.Subject = "server"
	}
	switch o.Module {
	case MTU:
		w.Link, w.MTU = o.Link, o.MTU
	case Uptime:
		w.Uptime, w.ModDays, w.Frequency = &o.UptimeMin, o.ModDays, o.Frequency
		w.Reliable = o.Clock.Reliable()
	case HostChange, IPSharing:
		w.Hits, w.Reasons = &o.Hits, slices.Collect(o.Reasons.All)
	case HTTPRequest, HTTPResponse:
		w.system(o)
		if o.HTTP.Language != "???" {
			w.Language = o.HTTP.Language
		}
		w.Dishonest, w.Anonymous = o.HTTP.Dishonest, o.HTTP.Anonymous
	case TLS, SMTP:
		if o.Sender != nil {
			w.sender(o.Sender, o.Module)
		}
	default:
		w.Dist, w.DSCP = &o.Distance, int(o.Segment.DSCP)
		w.Tunnels = slices.Collect(o.Segment.Tunnels.All)
		w.system(o)
	}
	line := bytes.NewBuffer(dst)
	enc := json.NewEncoder(line)
	enc.SetEscapeHTML(false)
	err := enc.Encode(&w)
	return line.Bytes(), err
}

// system sets the fields that name the sender.
func (w *wire) system(o *Observation) {
	s := &o.System
	w.Matched, w.RawSig = &s.Matched, string(o.RawSig)
	if !s.Matched {
		return
	}
	named := &system{s.Name, s.Flavor}
	if s.App {
		w.App = named
	} else {
		w.OS = named
	}
	w.Quality, w.DistMax = s.Quality.String(), s.RandomTTL
	w.Or = s.Others
	if s.Rewrite != 0 {
		w.Rewrite = strings.Split(s.Rewrite.String(), ",")
	}
}

// sender sets the fields that name the program.
func (w *wire) sender(n *note.Note, module Module) {
	if t := n.TLS; t != nil {
		w.TLS = &tls{t.State, t.Library, t.Release, t.Settings, t.Version, t.ServerName}
		w.JA4 = t.JA4
		if module == TLS {
			w.JA4Raw = t.JA4Raw
		}
	}
	if module == TLS {
		return
	}
	if s := n.Software; s != nil {
		matched := s.State == note.Matched
		w.Matched, w.Dialect, w.Reading = &matched, s.Dialect, &s.Reading
		if matched {
			w.Software, w.SoftwareOr, w.Quality = &system{s.Name, s.Flavor}, s.Others, s.Quality.String()
		}
	}
	w.Conduct, w.Contradictions, w.Flow = n.Conduct, n.Contradictions, n.Flow
}
