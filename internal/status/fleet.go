package status

import (
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
	Name    string        `json:"sensor"`
	Version string        `json:"version"`
	Started time.Time     `json:"started"`
	Seen    time.Duration `json:"-"` // how long ago it spoke
	Lag     time.Duration `json:"-"` // how long its notes wait until others have them
	Queued  int           `json:"waiting"`
	Dropped uint64        `json:"dropped"` // notes that others never got
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

// PrintFleet writes a table of sensors, those that are not well first, and reports
// whether all are well. The texts come from other machines: nothing in them reaches
// a terminal as a control.
func PrintFleet(w io.Writer, list []Peer, now time.Time) (well bool, err error) {
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
	_, err = io.WriteString(w, b.String())
	return sick == 0, err
}
