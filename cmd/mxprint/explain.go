package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/mxprint/mxprint/event"
	"github.com/mxprint/mxprint/internal/daemon"
	"github.com/mxprint/mxprint/internal/report"
	"github.com/mxprint/mxprint/internal/signature"
	"github.com/mxprint/mxprint/packet"
)

var explainCommand = command{
	name:    "explain",
	summary: "say why a SYN matches no signature, field by field",
	usage: `Usage: mxprint explain [-f FP] [-with FP] [-n N] [-response] RAW_SIG…
       mxprint explain [-f FP] [-with FP] [-n N] [-filter RULE] CAPTURE…

Takes raw signatures, as in raw_sig of a log of p0f or mxprint, or capture
files, and compares each with the signatures. For what matches it prints the line
that matches; for what does not, the nearest signatures and the fields in which
it differs from them: what the signature wants, and what the packet has. Of a
capture each kind of packet is printed once.

` + databaseUsage + `  -n N        how many of the nearest signatures, 1 to 100 (default 3)
  -response   RAW_SIG is that of a SYN+ACK
  -filter R   take only what this pcap-filter expression takes

Examples:
  mxprint explain 4:57+7:0:1460:mss*40,7:mss,sok,ts,nop,ws:df,id+:0
  mxprint explain -n 1 -with local.fp mail.pcap
`,
	run: runExplain,
}

// explainer tells about packets.
type explainer struct {
	out   io.Writer
	db    *signature.DB
	n     int
	first bool // nothing was printed yet
}

func runExplain(ctx context.Context, args []string, std *stdio) error {
	fs := newFlags("explain")
	c := captureFlags(fs)
	n := fs.Int("n", 3, "")
	response := fs.Bool("response", false, "")
	if err := parse(fs, args); err != nil {
		return err
	}
	switch {
	case fs.NArg() == 0:
		return usagef("explain: give a raw signature or a capture file; mxprint explain -h shows examples")
	case *n < 1 || *n > 100:
		return usagef("explain: -n is %d, want 1 to 100", *n)
	}
	db, err := c.Load()
	if err != nil {
		return err
	}
	x := &explainer{out: std.forPeople(), db: db, n: *n, first: true}
	var files []string
	for _, arg := range fs.Args() {
		found := report.FindPasted(strings.NewReader(arg))
		if isFile(arg) {
			if found = report.PastedFile(arg); len(found) == 0 {
				files = append(files, arg)
				continue
			}
		} else if len(found) == 0 {
			found = []report.Pasted{{Raw: strings.TrimSpace(arg), Response: *response}}
		}
		for _, p := range found {
			if err := x.raw(p.Raw, p.Response || *response); err != nil {
				return err
			}
		}
	}
	if len(files) == 0 {
		return nil
	}
	return x.captures(ctx, &c, files, std)
}

// raw explains a raw signature.
func (x *explainer) raw(text string, response bool) error {
	s, err := signature.ParseRaw(text)
	var fault *signature.SyntaxError
	if errors.As(err, &fault) {
		return usagef("explain: %q is not a raw signature, and there is no such file: %s", text, daemon.Finding(fault, ""))
	} else if err != nil {
		return usagef("explain: %q is not a raw signature, and there is no such file: %v", text, err)
	}
	if s.Type = packet.SYN; response {
		s.Type = packet.SYNACK
	}
	x.explain(text, &s, 0, "")
	return nil
}

// isFile reports whether an argument names a capture, and is not a raw
// signature.
func isFile(arg string) bool {
	if arg == "-" || !strings.Contains(arg, ":") {
		return true // if not, this is the error
	}
	_, err := os.Stat(arg)
	return err == nil
}

// maxKinds bounds the different packets of a capture that are printed.
const maxKinds = 1000

// kind is a packet of a capture with those that look the same.
type kind struct {
	raw     string
	segment packet.Segment
	peerMSS uint16
	times   int
	ends    string
}

// captures gathers the kinds of packets, and then tells of each.
func (x *explainer) captures(ctx context.Context, c *captures, paths []string, std *stdio) error {
	kinds := make(map[string]*kind)
	var order []*kind
	more := 0
	err := c.each(ctx, x.db, paths, std, func(_ io.Writer, o *event.Observation) {
		raw := string(o.RawSig)
		key := fmt.Sprint(raw, o.Segment.Type, o.Segment.AccECN(), o.Segment.Tunnels)
		k := kinds[key]
		switch {
		case k == nil && len(order) == maxKinds:
			more++
			return
		case k == nil:
			k = &kind{raw: raw, segment: o.Segment, peerMSS: o.PeerMSS, ends: ends(o)}
			if o.Segment.Tunnels != 0 {
				k.ends += ", inside " + o.Segment.Tunnels.String()
			}
			kinds[key] = k
			order = append(order, k)
		}
		k.times++
	})
	for _, k := range order {
		about := k.ends
		if k.times > 1 {
			about = fmt.Sprintf("%d times, first %s", k.times, k.ends)
		}
		x.explain(k.raw, &k.segment, k.peerMSS, about)
	}
	if err == nil && more > 0 {
		return fmt.Errorf("explain: only the first %d kinds are printed, %s of others are left out; use -filter", maxKinds, count(more, "packet"))
	}
	return err
}

// explain prints what there is to say about one packet.
func (x *explainer) explain(raw string, s *packet.Segment, peerMSS uint16, about string) {
	if !x.first {
		fmt.Fprintln(x.out)
	}
	x.first = false
	dir, what := signature.Request, "SYN"
	if s.Type == packet.SYNACK {
		dir, what = signature.Response, "SYN+ACK"
	}
	fmt.Fprintf(x.out, "%s %s\n", what, raw)
	if about != "" {
		fmt.Fprintf(x.out, "  %s\n", about)
	}
	if s.AccECN() {
		fmt.Fprintln(x.out, "  asks for Accurate ECN (RFC 9768)")
	}
	m := x.db.Match(dir, s, peerMSS)
	if m.Sig != nil {
		fmt.Fprintf(x.out, "  matches %s\n    by %s  %s\n", title(&m), place(m.Sig), m.Sig.Text)
		near := m.Sig.Explain(s, peerMSS)
		x.differences(&near)
		if m.Quality() == signature.Generic {
			x.nearest("  no specific signature matches; the nearest:", x.db.Explain(dir, s, peerMSS, x.db.Count()), true)
		}
		return
	}
	near := x.db.Explain(dir, s, peerMSS, x.n)
	if len(near) == 0 {
		fmt.Fprintf(x.out, "  matches nothing: the database has no signature for a %s\n", what)
		return
	}
	x.nearest("  matches nothing; the nearest signatures:", near, false)
}

// nearest prints n signatures of a list under a heading.
func (x *explainer) nearest(heading string, list []signature.Near, specific bool) {
	printed := 0
	for _, near := range list {
		label := near.Sig.Label
		if printed == x.n || specific && label.Generic {
			continue
		}
		if printed++; printed == 1 {
			fmt.Fprintln(x.out, heading)
		}
		fmt.Fprintf(x.out, "  %d. %s, %s\n    by %s  %s\n", printed, label.Title(), differ(len(near.Differences)), place(near.Sig), near.Sig.Text)
		x.differences(&near)
		if label.Userland() && onlyFuzzy(&near) {
			fmt.Fprintln(x.out, "    a program has to match exactly")
		}
	}
}

func differ(fields int) string {
	if fields == 1 {
		return "1 field differs"
	}
	return fmt.Sprintf("%d fields differ", fields)
}

func onlyFuzzy(near *signature.Near) bool {
	for _, d := range near.Differences {
		if !d.Fuzzy {
			return false
		}
	}
	return true
}

func (x *explainer) differences(near *signature.Near) {
	for _, d := range near.Differences {
		hint := ""
		if d.Hint != "" {
			hint = "; " + d.Hint
		}
		fmt.Fprintf(x.out, "    %-10s wants %s, has %s%s\n", d.Field, d.Want, d.Has, hint)
	}
}
