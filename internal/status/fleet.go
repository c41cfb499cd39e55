package status

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/mxprint/mxprint/internal/view"
)

// Peer is a sensor of a fleet, as it last said of itself in the store that the
// fleet shares.
type Peer struct {
	Name    string
	Version string
	Started time.Time     // by its own clock
	Seen    time.Duration // how long ago it spoke, by the store's clock
	Lag     time.Duration // the longest that a note had waited before others had it, since it spoke before
	Queued  int           // notes that waited
	Dropped uint64        // notes that others never got, since its start
}

// MarshalJSON writes the peer as docs/observe.md describes it.
func (p Peer) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Name    string    `json:"sensor"`
		State   string    `json:"state"`
		Version string    `json:"version"`
		Started time.Time `json:"started"`
		Seen    float64   `json:"seen_seconds"`
		Lag     float64   `json:"lag_seconds"`
		Queued  int       `json:"waiting"`
		Dropped uint64    `json:"dropped"`
	}{p.Name, p.State(), p.Version, p.Started.UTC(), p.Seen.Seconds(), p.Lag.Seconds(), p.Queued, p.Dropped})
}

// FleetWell reports whether all sensors are well.
func FleetWell(list []Peer) bool {
	return !slices.ContainsFunc(list, func(p Peer) bool { return p.State() != string(Well) })
}

// The bounds from which a Peer is not well.
const (
	peerSilent = time.Minute // it speaks every ten seconds
	peerLate   = time.Second
)

// State is how a peer is, in a word.
func (p *Peer) State() string {
	switch {
	case p.Seen >= peerSilent:
		return "silent"
	case p.Lag >= peerLate:
		return "late"
	}
	return string(Well)
}

// PrintFleet writes a table of sensors, those that are not well first. The texts come
// from other machines: nothing in them reaches a terminal as a control.
func PrintFleet(w io.Writer, list []Peer, now time.Time) error {
	list = slices.Clone(list)
	bad := func(p *Peer) bool { return p.State() != string(Well) }
	slices.SortFunc(list, func(a, b Peer) int {
		if bad(&a) != bad(&b) {
			return map[bool]int{true: -1, false: 1}[bad(&a)]
		}
		return strings.Compare(a.Name, b.Name)
	})
	versions := map[string]int{}
	rows, sick := [][]string{{"SENSOR", "STATE", "VERSION", "UP", "SEEN", "LAG", "WAITING", "DROPPED"}}, 0
	for i := range list {
		p := &list[i]
		versions[p.Version]++
		if bad(p) {
			sick++
		}
		rows = append(rows, []string{p.Name, p.State(), p.Version, rough(now.Sub(p.Started)), rough(p.Seen) + " ago", shortTime(p.Lag.Seconds()),
			number(uint64(max(p.Queued, 0))), number(p.Dropped)})
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s, %s, %d not well\n", view.Count(len(list), "sensor"), view.Count(len(versions), "version"), sick)
	if len(list) > 0 {
		table(&b, rows)
	}
	_, err := io.WriteString(w, b.String())
	return err
}
