//go:build linux

// Command bench runs mxprint and Debian's p0f side by side, in one run on one
// machine, prints one table, and writes it to docs/performance.md. Absolute
// figures depend on the machine; the ratios are what counts.
//
//	make bench                  everything; as root, for it makes network namespaces
//	go run ./internal/test/bench -only file
//	make bench-peers            other libraries instead of p0f; wants cargo, python3 and the network
//
// Every load is bounded in count and in time, stays in namespaces of its own,
// and stops by itself.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	err := run(ctx, os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// part is a number of comparisons that go together.
type part struct {
	name  string
	run   func(*bench, context.Context) error
	alone bool // only where it is named: its table is another
}

var parts = []part{
	{"file", (*bench).files, false},
	{"engine", (*bench).engines, false},
	{"match", (*bench).matches, false},
	{"socket", (*bench).sockets, false},
	{"live", (*bench).live, false},
	{"proxy", (*bench).proxies, false},
	{"smtpd", (*bench).smtpd, false},
	{"verdicts", (*bench).verdicts, false},
	{"budgets", (*bench).budgets, false},
	{"peers", (*bench).peers, true},
	{"sessions", (*bench).sessions, true},
	{"watched", (*bench).watched, true},
	{"shared", (*bench).shared, true},
}

func run(ctx context.Context, args []string) error {
	if len(args) > 0 && args[0] == floodCommand {
		return flood(ctx, args[1:])
	}
	if len(args) > 0 && args[0] == askCommand {
		return askAll(args[1:])
	}
	if len(args) == 2 && args[0] == greetCommand {
		return greet(args[1])
	}
	fs := flag.NewFlagSet("bench", flag.ContinueOnError)
	only := fs.String("only", "", "one part: "+partNames())
	write := fs.String("write", "", "put the table into this document")
	if err := fs.Parse(args); err != nil {
		return err
	}
	if err := checkPart(*only, *write != ""); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "mxprint-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	b, err := newBench(ctx, dir)
	if err != nil {
		return err
	}
	for _, p := range parts {
		if *only != p.name && (*only != "" || p.alone) {
			continue
		}
		if err := p.run(b, ctx); err != nil {
			return errors.Join(fmt.Errorf("%s: %w", p.name, err), b.print(os.Stdout))
		}
	}
	fmt.Fprintln(os.Stderr, b.conditions())
	if err := b.print(os.Stdout); err != nil || *write == "" {
		return err
	}
	return b.writeInto(*write)
}

// checkPart reports what is wrong with a part that is named, or none.
func checkPart(name string, write bool) error {
	if name == "" {
		return nil
	}
	for _, p := range parts {
		switch {
		case p.name != name:
		case write && !p.alone:
			return fmt.Errorf("-only %s -write: the document's table has all parts: leave -only or -write away", name)
		default:
			return nil
		}
	}
	return fmt.Errorf("-only %s: want one of %s", name, partNames())
}

func partNames() string {
	var names []string
	for _, p := range parts {
		names = append(names, p.name)
	}
	return strings.Join(names, ", ")
}
