package evidence

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/mxprint/mxprint/note"
)

// Day is the day of a time, counted from 1970.
func Day(t time.Time) int32 { return int32(t.Unix() / 86400) }

// Tokens returns the signals of a note: KIND=VALUE, each once. name is what the
// client called itself, or "". What was not looked at has no token.
func Tokens(n *note.Note, name string, client netip.Addr) []string {
	var t tokens
	t.system(n)
	t.sender(n)
	t.findings("conduct", n.Conduct)
	t.findings("contradiction", n.Contradictions)
	t.flow(n.Flow)
	t.memory(n.Memory)
	if name != "" {
		t.add("hello", HelloForm(name, client))
	}
	return t
}

type tokens []string

func (t *tokens) add(kind, value string) {
	if value != "" {
		*t = append(*t, kind+"="+value)
	}
}

func (t *tokens) system(n *note.Note) {
	switch n.State {
	case note.Matched:
		t.add("system", n.OSName)
		t.add("system version", strings.TrimSpace(n.OSName+" "+n.OSFlavor))
		if n.Quality != 0 {
			t.add("system quality", n.Quality.String())
		}
	case note.Unknown:
		t.add("system", "unknown")
	}
	t.add("link", n.LinkType)
	t.add("rewritten", n.Rewrite.String())
	if hops, ok := n.Distance.Hops(); ok {
		t.add("distance", distance(hops))
	}
}

// distance is a range of hops.
func distance(hops int) string {
	switch {
	case hops == 0:
		return "0"
	case hops <= 5:
		return "1 to 5"
	case hops <= 10:
		return "6 to 10"
	case hops <= 15:
		return "11 to 15"
	case hops <= 20:
		return "16 to 20"
	}
	return "over 20"
}

func (t *tokens) sender(n *note.Note) {
	if s := n.Software; s != nil {
		switch s.State {
		case note.Matched:
			t.add("software", s.Name)
			t.add("software version", strings.TrimSpace(s.Name+" "+s.Flavor))
		case note.Unknown:
			t.add("software", "unknown")
		}
		t.add("dialect", s.Dialect)
	}
	if s := n.TLS; s != nil {
		switch s.State {
		case note.Complete:
			t.add("tls", strings.TrimSpace(s.Library+" "+s.Release))
			t.add("tls version", s.Version)
			t.add("ja4", s.JA4)
		case note.None, note.Refused:
			t.add("tls", s.State.String())
		}
	}
}

func (t *tokens) findings(kind string, f *note.Findings) {
	if f == nil {
		return
	}
	if len(f.List) == 0 && f.State == note.Complete {
		t.add(kind, "none")
	}
	for _, one := range f.List {
		t.add(kind, one.ID)
	}
}

// flow makes buckets: each four times as long as the one before.
func (t *tokens) flow(f *note.Flow) {
	if f == nil {
		return
	}
	for _, d := range []struct {
		kind string
		time time.Duration
	}{{"handshake time", f.HandshakeRTT}, {"tcp time", f.TCPRTT}, {"smtp time", f.SMTPRTT}} {
		if d.time > 0 {
			t.add(d.kind, rough(d.time))
		}
	}
	if f.TCPRTT > 0 && f.SMTPRTT > 8*f.TCPRTT {
		t.add("smtp time", "over 8 times that of tcp")
	}
	if f.Counted && f.Retransmits > 0 {
		t.add("flow", "sent again")
	}
	if f.Counted && f.ZeroWindows > 0 {
		t.add("flow", "window closed")
	}
	if f.Reset {
		t.add("flow", "reset")
	}
}

func rough(d time.Duration) string {
	bound := 4 * time.Millisecond
	for ; d > bound && bound < time.Second; bound *= 4 {
	}
	if d > bound {
		return fmt.Sprintf("over %v", bound)
	}
	return fmt.Sprintf("up to %v", bound)
}

func (t *tokens) memory(m *note.Memory) {
	if m == nil {
		return
	}
	switch {
	case m.New:
		t.add("memory", "new address")
	case m.Visits == 0: // not known
	case m.Visits >= 16:
		t.add("memory", "16 visits and more")
	default:
		t.add("memory", "fewer than 16 visits")
	}
	for _, part := range m.Changed {
		t.add("changed", part)
	}
	for _, part := range m.NewHere {
		t.add("new here", part)
	}
	if m.Names >= 4 {
		t.add("memory", "4 names and more")
	}
	if m.Addresses >= 4 {
		t.add("memory", "name of 4 addresses and more")
	}
}

// HelloForm says how a client names itself in HELO or EHLO (RFC 5321 §4.1.1.1).
func HelloForm(name string, client netip.Addr) string {
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	if literal, ok := strings.CutPrefix(name, "["); ok {
		a, err := netip.ParseAddr(strings.TrimPrefix(strings.TrimSuffix(literal, "]"), "ipv6:"))
		switch {
		case err != nil:
			return "malformed literal"
		case a.IsLoopback():
			return "literal of loopback"
		case a.IsPrivate():
			return "literal of a private address"
		case same(a, client):
			return "literal of its own"
		}
		return "literal of another address"
	}
	if _, err := netip.ParseAddr(name); err == nil {
		return "bare address"
	}
	switch {
	case name == "localhost" || strings.HasPrefix(name, "localhost."):
		return "localhost"
	case !strings.Contains(name, "."):
		return "one word"
	case strings.HasSuffix(name, ".local") || strings.HasSuffix(name, ".lan") || strings.HasSuffix(name, ".internal"):
		return "local name"
	case strings.Contains(name, "_"):
		return "name with underscore"
	}
	return "full name"
}

// same compares networks as they are remembered.
func same(a, b netip.Addr) bool {
	if a.Is4() || b.Is4() {
		return a == b
	}
	p, err := a.Prefix(64)
	return err == nil && p.Contains(b)
}
