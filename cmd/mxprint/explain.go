package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/mxprint/mxprint/internal/daemon"
	"github.com/mxprint/mxprint/internal/explain"
	"github.com/mxprint/mxprint/internal/offline"
	"github.com/mxprint/mxprint/internal/signature"
	"github.com/mxprint/mxprint/internal/view"
)

var explainCommand = command{
	name:    "explain",
	summary: "say why a SYN matches no signature, field by field",
	usage: `Usage: mxprint explain [-f FP] [-with FP] [-n N] [-response] RAW_SIG…
       mxprint explain [-f FP] [-with FP] [-n N] [-filter RULE] CAPTURE…

Takes raw signatures, as in raw_sig of a log of p0f or mxprint, files of lines
with them, or capture files, - for the standard input, and compares each with
the signatures. For what matches it prints the line
that matches; for what does not, the nearest signatures and the fields in which
it differs from them: what the signature wants, and what the packet has. Of a
capture each kind of packet is printed once.

` + databaseUsage + `  -n N        how many of the nearest signatures, 1 to 100 (default 3)
  -response   RAW_SIG is that of a SYN+ACK
  -filter R   take only what this pcap-filter expression takes

Examples:
  mxprint explain 4:57+7:0:1460:mss*40,7:mss,sok,ts,nop,ws:df,id+:0
  mxprint explain -n 1 -with local.fp mail.pcap
  grep -F 'os=???' p0f.log | mxprint explain -
`,
	run: runExplain,
}

func runExplain(ctx context.Context, args []string, std *stdio) error {
	fs := newFlags("explain")
	c := comparingFlags(fs)
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
	out := offline.NewOutput(std.out)
	p := &explain.Printer{Out: view.Cleaner(out), DB: db, N: *n}
	var files []string
	for _, arg := range fs.Args() {
		isFile, err := p.Pasted(arg, *response)
		if err != nil {
			return notRaw(err)
		}
		if isFile {
			files = append(files, arg)
		}
	}
	if len(files) == 0 {
		return out.Err()
	}
	err = c.each(ctx, db, files, out, std, p.Gather)
	if left := p.Gathered(); left != nil && err == nil {
		return fmt.Errorf("explain: %w", left)
	}
	if err == nil {
		err = out.Err()
	}
	return err
}

// notRaw is a wrong command line: neither a raw signature nor a file.
func notRaw(err error) error {
	if fault := (*signature.SyntaxError)(nil); errors.As(err, &fault) {
		if not := (*explain.NotRaw)(nil); errors.As(err, &not) {
			return usagef("explain: %q is not a raw signature, and there is no such file: %s", not.Text, daemon.Finding(fault, ""))
		}
	}
	return usagef("explain: %v", err)
}
