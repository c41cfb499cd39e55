package view

import (
	"cmp"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/text"

	"github.com/mxprint/mxprint/event"
)

const (
	// maxSenders bounds the senders that a Summary counts by address; those
	// that come later are counted together.
	maxSenders = 200_000
	// maxNames bounds the different systems and links, and raw signatures.
	maxNames = 10_000
	// topRows is how many lines a part of the summary has.
	topRows = 10
	barCols = 30
)

// Summary is an event.Observer that counts what a capture holds and prints it
// in one screen. Its memory is bounded, whatever the capture holds. Not safe for
// concurrent use.
type Summary struct {
	syns, synacks, unknown, weak int
	first, last                  int64
	systems, links, unmatched    counts
	hops                         [9]int // 0, 1-4, 5-9, ... see hopNames
	senders                      map[netip.Addr]*sender
	uncounted                    int // SYNs of senders beyond maxSenders
	http, changes, sharing       int
	sessions, hellos             int    // of SMTP, of TLS
	programs, libraries          counts // of them
}

// sender is what one address did.
type sender struct {
	syns    int
	system  string // the last one
	systems int    // changes of it, and one
	signs   int    // of a change, or of sharing
}

type counts map[string]int

// add counts a name; beyond maxNames as "others".
func (c counts) add(name string) {
	if _, known := c[name]; !known && len(c) >= maxNames {
		name = "others"
	}
	c[name]++
}

// NewSummary returns an empty Summary.
func NewSummary() *Summary {
	return &Summary{systems: counts{}, links: counts{}, unmatched: counts{}, programs: counts{}, libraries: counts{}, senders: map[netip.Addr]*sender{}}
}

// Observe counts an observation.
func (s *Summary) Observe(o *event.Observation) {
	if s.first == 0 || o.At < s.first {
		s.first = o.At
	}
	s.last = max(s.last, o.At)
	switch {
	case o.Module == event.SYN:
		s.syn(o)
	case o.Module == event.SYNACK:
		s.synacks++
	case o.Module == event.MTU && o.Role == event.Client:
		s.links.add(linkName(o))
	case o.Module == event.HTTPRequest, o.Module == event.HTTPResponse:
		s.http++
	case o.Module == event.TLS, o.Module == event.SMTP:
		s.program(o)
	case o.Module == event.HostChange:
		s.changes++
		s.sign(o)
	case o.Module == event.IPSharing:
		s.sharing++
		s.sign(o)
	}
}

// sign counts a sign of a change or of sharing for its sender.
func (s *Summary) sign(o *event.Observation) {
	if who := s.senders[o.Client.Addr()]; who != nil && o.Role == event.Client {
		who.signs++
	}
}

func (s *Summary) syn(o *event.Observation) {
	s.syns++
	name := systemName(&o.System)
	s.systems.add(name)
	if !o.System.Matched {
		s.unknown++
		s.unmatched.add(Clean(string(o.RawSig)))
	} else if o.System.Quality != 0 {
		s.weak++
	}
	s.hops[hopClass(o.Distance)]++
	addr := o.Client.Addr()
	who := s.senders[addr]
	if who == nil {
		if len(s.senders) >= maxSenders {
			s.uncounted++
			return
		}
		who = &sender{}
		s.senders[addr] = who
	}
	who.syns++
	if who.system != name {
		who.system = name
		who.systems++
	}
}

// program counts a session or a hello.
func (s *Summary) program(o *event.Observation) {
	name, flavor, _, _, _ := program(o)
	name = Clean(strings.TrimSpace(cmp.Or(name, "unknown") + " " + flavor))
	if o.Module == event.TLS {
		s.hellos++
		s.libraries.add(name)
		return
	}
	s.sessions++
	s.programs.add(name)
}

// Flush does nothing.
func (s *Summary) Flush() (lost int, err error) { return 0, nil }

// SYNs returns how many SYNs were counted.
func (s *Summary) SYNs() int { return s.syns }

var hopNames = [...]string{"0 (same network)", "1-4", "5-9", "10-14", "15-19", "20-24", "25-29", "30-39", "40 and more"}

func hopClass(n int) int {
	switch {
	case n <= 0:
		return 0
	case n < 30:
		return n/5 + 1
	case n < 40:
		return 7
	}
	return 8
}

// Print writes the summary, with colour or without.
func (s *Summary) Print(w io.Writer, color bool) error {
	var b strings.Builder
	title := func(t string) {
		if color {
			t = text.Bold.Sprint(t)
		}
		b.WriteString("\n" + t + "\n")
	}
	s.head(&b)
	if s.syns > 0 {
		title("Systems of the senders (SYNs)")
		bars(&b, top(s.systems), s.syns, color)
		title("Links (by MTU)")
		bars(&b, top(s.links), total(s.links), color)
		title("Distance in hops")
		var rows []entry
		for i, n := range s.hops {
			if n > 0 {
				rows = append(rows, entry{hopNames[i], n})
			}
		}
		bars(&b, rows, s.syns, color)
		if s.sessions > 0 {
			title("Programs (SMTP sessions)")
			bars(&b, top(s.programs), s.sessions, color)
		}
		if s.hellos > 0 {
			title("TLS libraries (ClientHellos)")
			bars(&b, top(s.libraries), s.hellos, color)
		}
		title("Busiest senders")
		s.busiest(&b)
		if odd := s.odd(); len(odd) > 0 {
			title("Addresses with signs of several systems (mxprint read -filter 'host ADDRESS' FILE shows the connections)")
			for _, l := range odd[:min(topRows, len(odd))] {
				fmt.Fprintf(&b, "  %7d  %-39s %d changes of system, %d signs\n", l.syns, l.addr, l.systems-1, l.signs)
			}
			if more := len(odd) - topRows; more > 0 {
				fmt.Fprintf(&b, "  and %d others\n", more)
			}
		}
	}
	if len(s.unmatched) > 0 {
		title("SYNs that no signature matches (mxprint explain 'RAW SIGNATURE' says why)")
		for _, e := range top(s.unmatched) {
			fmt.Fprintf(&b, "  %7d  %s\n", e.n, e.name)
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (s *Summary) head(b *strings.Builder) {
	if s.syns == 0 && s.synacks == 0 {
		b.WriteString("There is no SYN in the capture: nothing to name.\n")
		return
	}
	from, to := time.UnixMicro(s.first).UTC(), time.UnixMicro(s.last).UTC()
	fmt.Fprintf(b, "From        %s to %s UTC (%s)\n", from.Format("2006-01-02 15:04:05"), to.Format("2006-01-02 15:04:05"), span(to.Sub(from)))
	fmt.Fprintf(b, "Connections %d SYNs of %d senders; %d answers of servers (SYN+ACK)\n", s.syns, len(s.senders), s.synacks)
	if s.syns > 0 {
		fmt.Fprintf(b, "Named       %s of the SYNs; %s by a weak match (generic or fuzzy); %s unknown\n",
			percent(s.syns-s.unknown, s.syns), percent(s.weak, s.syns), percent(s.unknown, s.syns))
	}
	shared := 0
	for _, who := range s.senders {
		if who.systems > 1 {
			shared++
		}
	}
	fmt.Fprintf(b, "Sessions    %d of SMTP read, %d ClientHellos of TLS\n", s.sessions, s.hellos)
	fmt.Fprintf(b, "Addresses   %d with more than one system; %d signs of a change, %d of sharing\n", shared, s.changes, s.sharing)
	if s.http > 0 {
		fmt.Fprintf(b, "HTTP        %d headers\n", s.http)
	}
	if s.uncounted > 0 {
		fmt.Fprintf(b, "Not counted by address: %d SYNs of senders beyond the first %d\n", s.uncounted, maxSenders)
	}
}

// span is how long a capture lasts: in days and hours where it is long.
func span(d time.Duration) string {
	if d < 48*time.Hour {
		return d.Round(time.Second).String()
	}
	hours := int(d.Round(time.Hour) / time.Hour)
	return fmt.Sprintf("%d days %d hours", hours/24, hours%24)
}

// line is a sender with its address.
type line struct {
	addr netip.Addr
	*sender
}

// sorted are the senders that match, the busiest first.
func (s *Summary) sorted(match func(*sender) bool) (all []line) {
	for addr, who := range s.senders {
		if match(who) {
			all = append(all, line{addr, who})
		}
	}
	slices.SortFunc(all, func(x, y line) int {
		return cmp.Or(cmp.Compare(y.syns, x.syns), x.addr.Compare(y.addr))
	})
	return all
}

// odd are the senders that may be several systems.
func (s *Summary) odd() []line {
	return s.sorted(func(who *sender) bool { return who.systems > 1 || who.signs > 0 })
}

func (s *Summary) busiest(b *strings.Builder) {
	all := s.sorted(func(*sender) bool { return true })
	for _, l := range all[:min(topRows, len(all))] {
		more := ""
		if l.systems > 1 {
			more = fmt.Sprintf(" (%d changes of system)", l.systems-1)
		}
		fmt.Fprintf(b, "  %7d  %-39s %s%s\n", l.syns, l.addr, l.system, more)
	}
}

type entry struct {
	name string
	n    int
}

// top returns the most frequent names, the rest as one.
func top(c counts) []entry {
	var all []entry
	for name, n := range c {
		all = append(all, entry{name, n})
	}
	slices.SortFunc(all, func(x, y entry) int { return cmp.Or(cmp.Compare(y.n, x.n), cmp.Compare(x.name, y.name)) })
	if len(all) <= topRows {
		return all
	}
	rest := 0
	for _, e := range all[topRows-1:] {
		rest += e.n
	}
	return append(all[:topRows-1], entry{fmt.Sprintf("%d others", len(all)-topRows+1), rest})
}

func total(c counts) (n int) {
	for _, k := range c {
		n += k
	}
	return n
}

// bars prints rows with their share and a bar.
func bars(b *strings.Builder, rows []entry, all int, color bool) {
	for _, e := range rows {
		n := (e.n*barCols + all/2) / max(all, 1)
		bar := strings.Repeat("█", n)
		if n == 0 && e.n > 0 {
			bar = "▏"
		}
		if color {
			bar = text.FgCyan.Sprint(bar)
		}
		fmt.Fprintf(b, "  %7d  %7s  %-44s %s\n", e.n, percent(e.n, all), Short(e.name, 44), bar)
	}
}

func percent(n, all int) string {
	if all == 0 {
		return "0 %"
	}
	return fmt.Sprintf("%.1f %%", 100*float64(n)/float64(all))
}
