package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"net/netip"
	"strings"

	"github.com/mxprint/mxprint/engine"
	"github.com/mxprint/mxprint/event"
	"github.com/mxprint/mxprint/internal/daemon"
	"github.com/mxprint/mxprint/internal/host"
	"github.com/mxprint/mxprint/internal/signature"
	"github.com/mxprint/mxprint/packet"
)

// observer is a function that gets the SYNs and SYN+ACKs.
type observer func(*event.Observation)

func (f observer) Observe(o *event.Observation) {
	if o.Module.Fingerprint() {
		f(o)
	}
}

func (observer) Flush() (int, error) { return 0, nil }

// captures is what the commands about signatures have in common: a database,
// and captures to compare with it.
type captures struct {
	*daemon.Database
	rule *string
	name string // of the command
}

func captureFlags(fs *flag.FlagSet) captures {
	return captures{databaseFlags(fs), fs.String("filter", "", ""), fs.Name()}
}

// each tells of the SYNs and SYN+ACKs of files. It returns an error when there
// is nothing, or a file could not be read to its end: print what was gathered all
// the same.
func (c *captures) each(ctx context.Context, db *signature.DB, paths []string, std *stdio, take func(io.Writer, *event.Observation)) error {
	rule, err := daemon.Rule(*c.rule, "")
	if err != nil {
		return err
	}
	ctx, stop := daemon.UntilSignal(ctx, false)
	defer stop()
	out := &output{w: std.out, stop: stop}
	n := 0
	counting := observer(func(o *event.Observation) { n++; take(out, o) })
	unread, err := readFiles(ctx, std, out, paths, engine.Config{
		DB: daemon.Public(db), Rule: rule, Observers: []event.Observer{counting}, Hosts: host.Config{LoneSYNACK: true},
	})
	switch {
	case n > 0 || err != nil:
		return err
	case unread:
		return fmt.Errorf("%s: no SYN and no SYN+ACK could be read from %s", c.name, strings.Join(paths, ", "))
	}
	return fmt.Errorf("%s: there is no SYN and no SYN+ACK in %s", c.name, strings.Join(paths, ", "))
}

func testSignatures(ctx context.Context, args []string, std *stdio) error {
	fs := newFlags("signatures test")
	c := captureFlags(fs)
	if err := parse(fs, args); err != nil {
		return err
	}
	if fs.NArg() == 0 {
		return usagef("signatures test: name a capture file; mxprint signatures -h shows examples")
	}
	db, err := c.Load()
	if err != nil {
		return err
	}
	var quality [signature.Exact + 1]int
	err = c.each(ctx, db, fs.Args(), std, func(out io.Writer, o *event.Observation) {
		m := match(db, o)
		quality[m.Quality()]++
		fmt.Fprintf(out, "%-7s %s  %s\n", kindOf(o), ends(o), verdict(o, &m))
	})
	matched := quality[signature.Exact] + quality[signature.Generic] + quality[signature.Fuzzy]
	if matched+quality[signature.None] == 0 {
		return err
	}
	fmt.Fprintf(std.out, "%s: %d matched (%d exact, %d generic, %d fuzzy), %d not\n", count(matched+quality[signature.None], "packet"),
		matched, quality[signature.Exact], quality[signature.Generic], quality[signature.Fuzzy], quality[signature.None])
	if err == nil && quality[signature.None] > 0 {
		return errSilent
	}
	return err
}

func kindOf(o *event.Observation) string {
	if o.Segment.Type == packet.SYNACK {
		return "SYN+ACK"
	}
	return "SYN"
}

// ends are sender and receiver.
func ends(o *event.Observation) string {
	from, to := o.Segment.Src, o.Segment.Dst
	unmapped := func(a netip.AddrPort) netip.AddrPort { return netip.AddrPortFrom(a.Addr().Unmap(), a.Port()) }
	return unmapped(from).String() + " > " + unmapped(to).String()
}

// match is what matches the packet of an observation, with the line.
func match(db *signature.DB, o *event.Observation) signature.Match {
	dir := signature.Request
	if o.Segment.Type == packet.SYNACK {
		dir = signature.Response
	}
	return db.Match(dir, &o.Segment, o.PeerMSS)
}

// verdict is what a packet matches, or its raw signature.
func verdict(o *event.Observation, m *signature.Match) string {
	if m.Sig == nil {
		return "nothing: " + string(o.RawSig)
	}
	return title(m) + "; " + place(m.Sig)
}

// title is the system that a match names, and how well it fits.
func title(m *signature.Match) string {
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
