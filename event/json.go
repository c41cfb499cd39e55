package event

import (
	"bytes"
	"encoding/json"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/mxprint/mxprint/note"
)

// The JSON form of an Observation is the members that all have (appendHead), and
// one of these by its module. docs/json.md describes them.
type (
	systemWire struct { // fingerprints and HTTP
		OS      *system  `json:"os,omitempty"`
		App     *system  `json:"app,omitempty"`
		Matched bool     `json:"matched"`
		Quality string   `json:"quality,omitempty"`
		Dist    *int     `json:"distance,omitempty"`
		DistMax bool     `json:"distance_at_most,omitempty"`
		DSCP    int      `json:"dscp,omitempty"`
		RawSig  string   `json:"raw_sig,omitempty"`
		Tunnels []string `json:"tunnels,omitempty"`
		Or      []string `json:"os_or,omitempty"`
		Rewrite []string `json:"rewritten,omitempty"`

		Language  string `json:"language,omitempty"` // from here on of HTTP
		Dishonest bool   `json:"dishonest,omitempty"`
		Anonymous bool   `json:"anonymous,omitempty"`
	}
	linkWire struct {
		Link string `json:"link,omitempty"`
		MTU  int    `json:"mtu,omitempty"`
	}
	uptimeWire struct {
		Uptime    uint32  `json:"uptime_min"`
		ModDays   uint32  `json:"up_mod_days,omitempty"`
		Reliable  *bool   `json:"uptime_reliable,omitempty"`
		Frequency float64 `json:"frequency_hz,omitempty"`
	}
	changeWire struct {
		Reasons []string `json:"reasons,omitempty"`
		Hits    [4]int   `json:"hits"`
	}
	senderWire struct { // TLS and SMTP
		Matched        *bool          `json:"matched,omitempty"`
		Quality        string         `json:"quality,omitempty"`
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
)

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
	head := o.appendHead(dst)
	line := bytes.NewBuffer(head)
	enc := json.NewEncoder(line)
	enc.SetEscapeHTML(false)
	err := enc.Encode(o.members())
	if err != nil {
		return dst, err
	}
	all, at := line.Bytes(), len(head)
	if all[at+1] == '}' { // no members
		return append(all[:at], "}\n"...), nil
	}
	all[at] = ',' // the object of the module goes on in that of the head
	return all, nil
}

// appendHead appends the members that all observations have, without the end of
// the object.
func (o *Observation) appendHead(b []byte) []byte {
	b = time.UnixMicro(o.At).UTC().AppendFormat(append(b, `{"time":"`...), "2006-01-02T15:04:05.000000Z")
	b = append(append(b, `","module":"`...), o.Module.String()...)
	b = appendEnd(append(b, `","client":`...), o.Client)
	b = appendEnd(append(b, `,"server":`...), o.Server)
	if o.Role == Server {
		return append(b, `,"subject":"server"`...)
	}
	return append(b, `,"subject":"client"`...)
}

// appendEnd appends an address with its port. A zone, which no packet has, may need
// escapes.
func appendEnd(b []byte, end netip.AddrPort) []byte {
	if end.Addr().Zone() != "" {
		quoted, _ := json.Marshal(end.String()) // of a string there is no error
		return append(b, quoted...)
	}
	return append(end.AppendTo(append(b, '"')), '"')
}

// members are those of the module.
func (o *Observation) members() any {
	switch o.Module {
	case MTU:
		return &linkWire{o.Link, o.MTU}
	case Uptime:
		return &uptimeWire{o.UptimeMin, o.ModDays, o.Clock.Reliable(), o.Frequency}
	case HostChange, IPSharing:
		return &changeWire{slices.Collect(o.Reasons.All), o.Hits}
	case HTTPRequest, HTTPResponse:
		w := systemOf(o)
		if o.HTTP.Language != "???" {
			w.Language = o.HTTP.Language
		}
		w.Dishonest, w.Anonymous = o.HTTP.Dishonest, o.HTTP.Anonymous
		return w
	case TLS, SMTP:
		if o.Sender != nil {
			return senderOf(o.Sender, o.Module)
		}
		return &senderWire{}
	}
	w := systemOf(o)
	w.Dist, w.DSCP = &o.Distance, int(o.Segment.DSCP)
	w.Tunnels = slices.Collect(o.Segment.Tunnels.All)
	return w
}

// systemOf sets the members that name the sender.
func systemOf(o *Observation) *systemWire {
	s := &o.System
	w := &systemWire{Matched: s.Matched, RawSig: string(o.RawSig)}
	if !s.Matched {
		return w
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
	return w
}

// senderOf sets the members that name the program.
func senderOf(n *note.Note, module Module) *senderWire {
	w := new(senderWire)
	if t := n.TLS; t != nil {
		w.TLS = &tls{t.State, t.Library, t.Release, t.Settings, t.Version, t.ServerName}
		w.JA4 = t.JA4
		if module == TLS {
			w.JA4Raw = t.JA4Raw
		}
	}
	if module == TLS {
		return w
	}
	if s := n.Software; s != nil {
		matched := s.State == note.Matched
		w.Matched, w.Dialect, w.Reading = &matched, s.Dialect, &s.Reading
		if matched {
			w.Software, w.SoftwareOr, w.Quality = &system{s.Name, s.Flavor}, s.Others, s.Quality.String()
		}
	}
	w.Conduct, w.Contradictions, w.Flow = n.Conduct, n.Contradictions, n.Flow
	return w
}
