package report

import (
	"bytes"
	"encoding/json"
	"io"
	"strings"
	"time"

	"github.com/mxprint/mxprint/internal/answer"
	"github.com/mxprint/mxprint/internal/host"
	"github.com/mxprint/mxprint/signature"
)

// JSON writes one JSON object an observation; docs/json.md describes them. A
// JSON is not safe for concurrent use.
type JSON struct {
	w   io.Writer
	buf bytes.Buffer
	enc *json.Encoder

	lost int // lines since the last Flush, because of
	err  error
}

// NewJSON returns a JSON that writes to w.
func NewJSON(w io.Writer) *JSON {
	l := &JSON{w: w}
	l.enc = json.NewEncoder(&l.buf)
	l.enc.SetEscapeHTML(false)
	return l
}

type jsonObservation struct {
	Time    string `json:"time"`
	Module  string `json:"module"`
	Client  string `json:"client"`
	Server  string `json:"server"`
	Subject string `json:"subject"`

	OS      *jsonSystem `json:"os,omitempty"`
	App     *jsonSystem `json:"app,omitempty"`
	Matched *bool       `json:"matched,omitempty"`
	Quality string      `json:"quality,omitempty"`
	Dist    *int        `json:"distance,omitempty"`
	DistMax bool        `json:"distance_at_most,omitempty"`
	DSCP    int         `json:"dscp,omitempty"`
	RawSig  string      `json:"raw_sig,omitempty"`
	Or      []string    `json:"os_or,omitempty"`
	Rewrite []string    `json:"rewritten,omitempty"`

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
}

type jsonSystem struct {
	Name   string `json:"name"`
	Flavor string `json:"flavor,omitempty"`
}

// Observe adds one line.
func (l *JSON) Observe(o *host.Observation) {
	j := jsonObservation{
		Time:   time.UnixMicro(o.At).UTC().Format("2006-01-02T15:04:05.000000Z"),
		Module: o.Module.String(),
		Client: o.Client.String(), Server: o.Server.String(),
		Subject: "client",
	}
	if o.Role == host.Server {
		j.Subject = "server"
	}
	switch o.Module {
	case host.MTU:
		j.Link, j.MTU = o.Link, o.MTU
	case host.Uptime:
		j.Uptime, j.ModDays, j.Frequency = &o.UptimeMin, o.ModDays, o.Frequency
		j.Reliable = answer.Clock(o.Clock).Reliable()
	case host.HostChange, host.IPSharing:
		hits := o.Hits
		j.Hits = &hits
		for i, name := range host.ReasonNames {
			if o.Reasons&(1<<i) != 0 {
				j.Reasons = append(j.Reasons, name)
			}
		}
	case host.HTTPRequest, host.HTTPResponse:
		j.http(o)
	default:
		j.fingerprint(o)
	}
	if err := l.enc.Encode(&j); err != nil && l.err == nil {
		l.err = err
	}
	if l.buf.Len() > 64<<10 {
		l.write()
	}
}

func (j *jsonObservation) fingerprint(o *host.Observation) {
	m := &o.Match
	matched := m.Sig != nil
	dist := m.Distance
	j.Matched, j.Dist, j.DSCP = &matched, &dist, int(o.Segment.DSCP)
	j.RawSig = string(signature.AppendRaw(nil, o.Segment, m.Multiple))
	if !matched {
		return
	}
	j.name(m.Sig.Label, o.Module == host.Probe || o.Module == host.ProbeResponse)
	j.Quality = answer.Quality(m.Fuzzy, m.Generic()).String()
	j.DistMax = m.Sig.RandomTTL
	j.Or = m.Sig.Label.Others
	if m.Flags != 0 {
		j.Rewrite = strings.Split(answer.Rewrite(m.Flags).String(), ",")
	}
}

// name says what the label of a match names.
func (j *jsonObservation) name(l *signature.Label, app bool) {
	system := &jsonSystem{l.Name, l.Flavor}
	if app || l.Userland() {
		j.App = system
	} else {
		j.OS = system
	}
}

func (j *jsonObservation) http(o *host.Observation) {
	matched := o.HTTP.Label != nil
	j.Matched = &matched
	if matched {
		j.name(o.HTTP.Label, false)
		j.Quality = answer.Quality(false, o.HTTP.Label.Generic).String()
	}
	if o.HTTP.Language.Named() {
		j.Language = o.HTTP.Language.String()
	}
	j.Dishonest, j.Anonymous, j.RawSig = o.HTTP.Dishonest, o.HTTP.Anonymous, string(o.HTTP.RawSig)
}

func (l *JSON) write() {
	if l.buf.Len() == 0 {
		return
	}
	if n, err := l.w.Write(l.buf.Bytes()); err != nil {
		l.lost += bytes.Count(l.buf.Bytes()[n:], []byte("\n"))
		if l.err == nil {
			l.err = err
		}
	}
	l.buf.Reset()
}

// Flush writes what was gathered. It returns how many lines could not be
// written since the last Flush, and the first reason.
func (l *JSON) Flush() (lost int, err error) {
	l.write()
	lost, err = l.lost, l.err
	l.lost, l.err = 0, nil
	return lost, err
}
