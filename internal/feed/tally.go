package feed

import (
	"cmp"
	"net/netip"
	"slices"
	"time"

	"github.com/mxprint/mxprint/note"
)

// What connections are counted by.
const (
	bySystem = iota
	byProgram
	byLink
	byState

	kinds = int(iota)
)

const (
	minutes  = 60 // that are counted
	maxNames = 64 // of one kind in one minute; the rest are Others
)

// Others stands for the names that a count has no room for.
const Others = "others"

// tally counts connections of the last hour by minute and name.
type tally struct {
	minutes [minutes]struct {
		at     int64 // minutes since 1970
		counts [kinds]map[string]int
	}
}

// count counts a connection where it was not, or under its new names. It stays
// in the minute in which it came.
func (t *tally) count(k *kept, c *Connection) {
	names := [kinds]string{bySystem: c.system(), byProgram: c.Program(), byLink: c.Note.LinkType, byState: c.Note.State.String()}
	at := c.At.Unix() / 60
	m := &t.minutes[at%minutes]
	switch {
	case m.at > at: // it came more than an hour ago
		return
	case m.at < at:
		m.at, m.counts = at, [kinds]map[string]int{}
	}
	for kind, name := range names {
		if k.minute == at && k.names[kind] == name {
			continue
		}
		if m.counts[kind] == nil {
			m.counts[kind] = make(map[string]int)
		}
		counts := m.counts[kind]
		if old := k.names[kind]; k.minute == at && old != "" {
			if _, known := counts[old]; !known {
				old = Others
			}
			if counts[old]--; counts[old] <= 0 {
				delete(counts, old)
			}
		}
		k.names[kind] = name
		if name == "" {
			continue
		}
		if _, known := counts[name]; !known && len(counts) >= maxNames {
			name = Others
		}
		counts[name]++
	}
	k.minute = at
}

// Count is how many connections have a name.
type Count struct {
	Name string `json:"name"`
	N    int    `json:"count"`
}

// Sender is an address with its connections.
type Sender struct {
	Client  string    `json:"client"`
	System  string    `json:"system"`
	Program string    `json:"program,omitempty"`
	N       int       `json:"count"`
	Last    time.Time `json:"last"`
}

// Line is how many connections of a name came in each minute.
type Line struct {
	Name string `json:"name"`
	N    []int  `json:"counts"`
}

// Summary is who came within the last hour.
type Summary struct {
	Minutes  []int64  `json:"minutes"` // of the lines, the oldest first; seconds since 1970
	Systems  []Line   `json:"systems"` // the most frequent first
	Programs []Line   `json:"programs"`
	Links    []Line   `json:"links"`
	States   []Line   `json:"states"`
	Senders  []Sender `json:"senders"` // of the connections that are kept
	Kept     int      `json:"connections"`
}

// topNames is how many names a Summary has of a kind, the rest as Others.
const topNames = 12

// Summary counts the last hour.
func (f *Feed) Summary() *Summary {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := f.now().Unix() / 60
	s := &Summary{Kept: len(f.byN)}
	for i := now - minutes + 1; i <= now; i++ {
		s.Minutes = append(s.Minutes, i*60)
	}
	s.Systems, s.Programs = f.tally.lines(bySystem, now), f.tally.lines(byProgram, now)
	s.Links, s.States = f.tally.lines(byLink, now), f.tally.lines(byState, now)
	s.Senders = f.senders()
	return s
}

// lines are the counts of a kind up to a minute.
func (t *tally) lines(kind int, now int64) []Line {
	totals := make(map[string]int)
	for i := range t.minutes {
		if m := &t.minutes[i]; m.at > now-minutes && m.at <= now {
			for name, n := range m.counts[kind] {
				totals[name] += n
			}
		}
	}
	lines := []Line{}
	place := make(map[string]int)
	for _, c := range sorted(totals) {
		if len(lines) == topNames {
			place[c.Name] = topNames - 1
			lines[topNames-1].Name = Others
			continue
		}
		place[c.Name] = len(lines)
		lines = append(lines, Line{c.Name, make([]int, minutes)})
	}
	for i := range t.minutes {
		if m := &t.minutes[i]; m.at > now-minutes && m.at <= now {
			for name, n := range m.counts[kind] {
				lines[place[name]].N[m.at-now+minutes-1] += n
			}
		}
	}
	return lines
}

func sorted(counts map[string]int) []Count {
	var list []Count
	for name, n := range counts {
		list = append(list, Count{name, n})
	}
	slices.SortFunc(list, func(a, b Count) int { return cmp.Or(cmp.Compare(b.N, a.N), cmp.Compare(a.Name, b.Name)) })
	return list
}

// senders are the busiest addresses of the connections that are kept. The lock
// is held.
func (f *Feed) senders() []Sender {
	all := make(map[netip.Addr]*Sender)
	for k := range f.newest {
		c := k.conn.Load()
		addr := c.Client.Addr()
		s := all[addr]
		if s == nil { // the newest one names it
			s = &Sender{Client: addr.String(), System: c.system(), Program: c.Program(), Last: c.Changed.UTC()}
			if c.Note.State == note.Matched {
				s.System = c.Note.Title()
			}
			all[addr] = s
		}
		s.N++
	}
	list := []Sender{}
	for _, s := range all {
		list = append(list, *s)
	}
	slices.SortFunc(list, func(a, b Sender) int {
		return cmp.Or(cmp.Compare(b.N, a.N), b.Last.Compare(a.Last), cmp.Compare(a.Client, b.Client))
	})
	return list[:min(len(list), topSenders)]
}

const topSenders = 50
