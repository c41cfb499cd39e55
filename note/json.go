package note

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"
)

// wire is a Note in JSON, in the words of p0f's query protocol. What is not
// known is left out.
type wire struct {
	State        string     `json:"state"`
	ByConnection bool       `json:"by_connection,omitempty"`
	Ambiguous    bool       `json:"ambiguous,omitempty"`
	OSName       string     `json:"os_name,omitempty"`
	OSFlavor     string     `json:"os_flavor,omitempty"`
	Quality      string     `json:"quality,omitempty"`
	OSMatchQ     Quality    `json:"os_match_q"`
	OSOr         []string   `json:"os_or,omitempty"`
	Rewritten    []string   `json:"rewritten,omitempty"`
	Distance     *int       `json:"distance,omitempty"`
	LinkType     string     `json:"link_type,omitempty"`
	MTU          int        `json:"mtu,omitempty"`
	RawSig       string     `json:"raw_sig,omitempty"`
	FirstSeen    *time.Time `json:"first_seen,omitempty"`
	LastSeen     *time.Time `json:"last_seen,omitempty"`
	TotalConn    uint32     `json:"total_conn"`
	SYNs         *uint32    `json:"syns,omitempty"`
	Handshakes   *uint32    `json:"handshakes,omitempty"`
	UptimeMin    *uint32    `json:"uptime_min,omitempty"`
	UpModDays    uint32     `json:"up_mod_days,omitempty"`
	UpReliable   *bool      `json:"uptime_reliable,omitempty"`
	LastNAT      *time.Time `json:"last_nat,omitempty"`
	LastChg      *time.Time `json:"last_chg,omitempty"`
	BadSW        Honesty    `json:"bad_sw"`
	HTTPName     string     `json:"http_name,omitempty"`
	HTTPFlavor   string     `json:"http_flavor,omitempty"`
	Language     string     `json:"language,omitempty"`

	TLS            *TLS      `json:"tls,omitempty"`
	Software       *Software `json:"software,omitempty"`
	Conduct        *Findings `json:"conduct,omitempty"`
	Contradictions *Findings `json:"contradictions,omitempty"`
	Flow           *Flow     `json:"flow,omitempty"`
	Memory         *Memory   `json:"memory,omitempty"`
}

// MarshalJSON writes the note as docs/json.md describes it.
func (n Note) MarshalJSON() ([]byte, error) {
	w := wire{
		State: n.State.String(), ByConnection: n.ByConnection, Ambiguous: n.Ambiguous,
		OSName: n.OSName, OSFlavor: n.OSFlavor, OSMatchQ: n.Quality,
		LinkType: n.LinkType, MTU: n.MTU, RawSig: n.RawSig, TotalConn: n.TotalConn,
		FirstSeen: utc(n.FirstSeen), LastSeen: utc(n.LastSeen),
		LastNAT: utc(n.LastNAT), LastChg: utc(n.LastChange),
		UpModDays: n.UpModDays, BadSW: n.BadSW,
		HTTPName: n.HTTPName, HTTPFlavor: n.HTTPFlavor, Language: n.Language,
		TLS: n.TLS, Software: n.Software, Conduct: n.Conduct, Contradictions: n.Contradictions, Flow: n.Flow, Memory: n.Memory,
	}
	if n.State == Matched {
		w.Quality = n.Quality.String()
		w.OSOr, w.Rewritten = n.Others, n.Rewrite.names()
	}
	if hops, ok := n.Distance.Hops(); ok {
		w.Distance = &hops
	}
	if n.SYNs != 0 {
		w.SYNs, w.Handshakes = &n.SYNs, &n.Handshakes
	}
	if n.UpModDays != 0 {
		w.UptimeMin, w.UpReliable = &n.UptimeMin, n.Clock.Reliable()
	}
	return json.Marshal(w)
}

// UnmarshalJSON reads what MarshalJSON writes. Unknown members are ignored, so
// that a sensor may be newer than who asks it.
func (n *Note) UnmarshalJSON(text []byte) error {
	var w wire
	if err := json.Unmarshal(text, &w); err != nil {
		return fmt.Errorf("note: %w", err)
	}
	state := slices.Index(stateNames[:], w.State)
	if state < 0 {
		return fmt.Errorf("note: unknown state %q", w.State)
	}
	*n = Note{
		State: State(state), ByConnection: w.ByConnection, Ambiguous: w.Ambiguous,
		OSName: w.OSName, OSFlavor: w.OSFlavor, Quality: w.OSMatchQ,
		LinkType: w.LinkType, MTU: w.MTU, RawSig: w.RawSig, TotalConn: w.TotalConn,
		FirstSeen: orZero(w.FirstSeen), LastSeen: orZero(w.LastSeen),
		LastNAT: orZero(w.LastNAT), LastChange: orZero(w.LastChg),
		SYNs: orZero(w.SYNs), Handshakes: orZero(w.Handshakes),
		UptimeMin: orZero(w.UptimeMin), UpModDays: w.UpModDays, BadSW: w.BadSW,
		HTTPName: w.HTTPName, HTTPFlavor: w.HTTPFlavor, Language: w.Language,
		Others: w.OSOr,
		TLS:    w.TLS, Software: w.Software, Conduct: w.Conduct, Contradictions: w.Contradictions, Flow: w.Flow, Memory: w.Memory,
	}
	if w.Distance != nil {
		n.Distance = Hops(*w.Distance)
	}
	for i, name := range rewriteNames {
		if slices.Contains(w.Rewritten, name) {
			n.Rewrite |= 1 << i
		}
	}
	if w.UpReliable != nil {
		n.Clock = ClockRandom
		if *w.UpReliable {
			n.Clock = ClockBoot
		}
	}
	return nil
}

// String returns the quality in words: exact, fuzzy, generic or generic fuzzy.
func (q Quality) String() string {
	switch {
	case q&Fuzzy != 0 && q&Generic != 0:
		return "generic fuzzy"
	case q&Fuzzy != 0:
		return "fuzzy"
	case q&Generic != 0:
		return "generic"
	}
	return "exact"
}

func utc(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

func orZero[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}
