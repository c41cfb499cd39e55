package main

import (
	"context"
	"io"

	"github.com/mxprint/mxprint/event"
	"github.com/mxprint/mxprint/internal/view"
)

var summaryCommand = command{
	name:    "summary",
	summary: "show capture files in one screen",
	usage: `Usage: mxprint summary [-f FP] [-with FP] [-filter RULE | -F PROGRAM] FILE…

Reads pcap and pcapng files, - for the standard input, and prints in one screen
what they hold: systems, links and distances of the senders with bars, the share
that no signature names, addresses with more than one system, the busiest
senders, and the raw signatures that nothing matches.

` + databaseUsage + `  -filter R   take only what this pcap-filter expression takes
  -F PROGRAM  the same, from a file with the output of tcpdump -ddd
  -color WHEN auto (on a terminal, without NO_COLOR), always or never
  -q          no progress on the standard error
  -smtp=false read no payload: neither SMTP nor the hellos of TLS

Examples:
  mxprint summary mail.pcap
  tcpdump -c 100000 -w - 'tcp dst port 25' | mxprint summary -
`,
	run: runSummary,
}

func runSummary(ctx context.Context, args []string, std *stdio) error {
	fs := newFlags("summary")
	r := readingFlags(fs)
	colorize := fs.String("color", "auto", "")
	if err := parse(fs, args); err != nil {
		return err
	}
	color, err := view.Colored(*colorize, std.out)
	if err != nil {
		return usagef("summary: %v, not %q", err, *colorize)
	}
	s := view.NewSummary()
	return r.run(ctx, fs, std, func(out io.Writer) (event.Observer, func() error) {
		return s, func() error { return s.Print(out, color) }
	})
}
