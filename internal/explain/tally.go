package explain

import (
	"fmt"
	"io"
	"net/netip"
	"strings"

	"github.com/mxprint/mxprint/event"
	"github.com/mxprint/mxprint/internal/signature"
	"github.com/mxprint/mxprint/internal/view"
	"github.com/mxprint/mxprint/packet"
)

// Tally prints a line about each SYN, SYN+ACK and session of SMTP, and counts how well they
// match. Not safe for concurrent use.
type Tally struct {
	Out io.Writer
	DB  *signature.DB

	quality [signature.Exact + 1]int

	sessions, named, strange int // of SMTP
}

// Take prints what a packet or a session of SMTP matches, by which line, or its
// raw signature.
func (t *Tally) Take(o *event.Observation) {
	if !o.Module.Fingerprint() {
		t.session(o)
		return
	}
	dir, kind := signature.Request, "SYN"
	if o.Segment.Type == packet.SYNACK {
		dir, kind = signature.Response, "SYN+ACK"
	}
	m := t.DB.Match(dir, &o.Segment, o.PeerMSS)
	t.quality[m.Quality()]++
	verdict := "nothing: " + string(o.RawSig)
	if m.Sig != nil {
		verdict = Title(&m) + "; " + place(m.Sig)
	}
	fmt.Fprintf(t.Out, "%-7s %s  %s\n", kind, ends(o), verdict)
}

// Sum prints the counts, if there was a packet, and returns how many matched
// and how many did not.
func (t *Tally) Sum() (matched, not int) {
	q := &t.quality
	matched, not = q[signature.Exact]+q[signature.Generic]+q[signature.Fuzzy], q[signature.None]
	if matched+not > 0 {
		fmt.Fprintf(t.Out, "%s: %d matched (%d exact, %d generic, %d fuzzy), %d not\n", view.Count(matched+not, "packet"),
			matched, q[signature.Exact], q[signature.Generic], q[signature.Fuzzy], not)
	}
	if t.sessions > 0 {
		fmt.Fprintf(t.Out, "%s of SMTP: %d named, %d match nothing\n", view.Count(t.sessions, "session"), t.named, t.strange)
	}
	return matched + t.sessions - t.strange, not + t.strange
}

// ends are sender and receiver.
func ends(o *event.Observation) string {
	from, to := o.Segment.Src, o.Segment.Dst
	unmapped := func(a netip.AddrPort) netip.AddrPort { return netip.AddrPortFrom(a.Addr().Unmap(), a.Port()) }
	return unmapped(from).String() + " > " + unmapped(to).String()
}

// Title is the system that a match names, and how well it fits.
func Title(m *signature.Match) string {
	about := []string{m.Quality().String()}
	for _, f := range []struct {
		flag signature.Flags
		text string
	}{
		{signature.TTLReset, "TTL reset"}, {signature.Erased, "options erased"}, {signature.Clamped, "MSS clamped"},
	} {
		if m.Flags&f.flag != 0 {
			about = append(about, f.text)
		}
	}
	text := m.Sig.Label.Title()
	for _, o := range m.Sig.Label.Or {
		text += " or " + strings.TrimSpace(o.Name+" "+o.Flavor)
	}
	return text + " (" + strings.Join(about, ", ") + ")"
}

func place(t *signature.TCP) string { return fmt.Sprintf("%s:%d", t.File, t.Line) }
