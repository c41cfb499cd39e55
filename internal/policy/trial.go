package policy

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"net/netip"

	"github.com/mxprint/mxprint/event"
	"github.com/mxprint/mxprint/note"
)

// maxTrial is how many connections a Trial keeps.
const maxTrial = 200_000

// Trial is an event.Observer that asks rules about each connection of a capture:
// what would have happened? Of the mail it knows the client's address alone; the
// conditions find what only a mail server knows empty. It is not safe for
// concurrent use.
type Trial struct {
	Rules *Set

	conns map[ends]*note.Note
	order []ends
	left  int // connections that were not kept
}

type ends struct{ client, server netip.AddrPort }

// Observe takes what was seen of a connection.
func (t *Trial) Observe(o *event.Observation) {
	key := ends{o.Client, o.Server}
	n := t.conns[key]
	switch {
	case o.Module == event.SYN:
		if n = t.open(key); n != nil {
			ofSYN(n, o)
		}
	case n == nil || o.Role != event.Client:
	case o.Module == event.MTU:
		n.MTU, n.LinkType = o.MTU, o.Link
	case (o.Module == event.TLS || o.Module == event.SMTP) && o.Sender != nil:
		s := o.Sender
		n.TLS, n.Software, n.Conduct, n.Flow = cmp.Or(s.TLS, n.TLS), cmp.Or(s.Software, n.Software), cmp.Or(s.Conduct, n.Conduct), cmp.Or(s.Flow, n.Flow)
		n.Contradictions = cmp.Or(s.Contradictions, n.Contradictions)
	}
}

// open begins a connection.
func (t *Trial) open(key ends) *note.Note {
	if t.conns == nil {
		t.conns = make(map[ends]*note.Note)
	}
	if t.conns[key] == nil {
		if len(t.order) == maxTrial {
			t.left++
			return nil
		}
		t.order = append(t.order, key)
	}
	n := new(note.Note)
	t.conns[key] = n
	return n
}

// ofSYN takes what a SYN says.
func ofSYN(n *note.Note, o *event.Observation) {
	n.State, n.ByConnection, n.TotalConn, n.RawSig = note.Unknown, true, 1, string(o.RawSig)
	if s := &o.System; s.Matched {
		n.State, n.OSName, n.OSFlavor, n.Others, n.Quality, n.Rewrite = note.Matched, s.Name, s.Flavor, s.Others, s.Quality, s.Rewrite
		n.Distance = note.Hops(o.Distance)
	}
}

// Flush is for event.Observer; nothing waits.
func (t *Trial) Flush() (int, error) { return 0, nil }

// Print writes a line for each connection that a rule fires on, and what the
// rules would have done in all.
func (t *Trial) Print(to io.Writer) error {
	w := bufio.NewWriter(to)
	fired, allowed := make(map[string]int), 0
	any := 0
	for _, key := range t.order {
		n := t.conns[key]
		m := NewMail(n)
		m.Client, m.Stage = key.client.Addr().String(), "RCPT"
		v := t.Rules.Judge(m)
		if v.Allowed != "" {
			allowed++
		}
		if v.Err != nil {
			fmt.Fprintf(w, "%v  %v\n", key.client, v.Err)
		}
		if len(v.Hits) > 0 {
			any++
		}
		for _, h := range v.Hits {
			fired[h.Rule]++
			what := h.Action.String()
			if h.Observe {
				what += " (only observes)"
			}
			fmt.Fprintf(w, "%v  %s  %s: %s\n", key.client, note.Clean(n.Title()), h.Rule, what)
		}
	}
	fmt.Fprintf(w, "%d connections, %d on an allow list, %d with a rule that fires\n", len(t.order), allowed, any)
	for i := range t.Rules.rules {
		r := &t.Rules.rules[i]
		fmt.Fprintf(w, "  %-20s %d\n", r.Name, fired[r.Name])
	}
	if t.left > 0 {
		fmt.Fprintf(w, "%d connections more were not looked at: the limit is %d\n", t.left, maxTrial)
	}
	return w.Flush()
}
