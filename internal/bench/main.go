// Command bench runs mxprint and Debian's p0f side by side on the same
// captures, in one run on one machine, and prints the ratios. Absolute figures
// depend on the machine; the ratios are what counts.
//
//	make bench
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	dir, err := os.MkdirTemp("", "mxprint-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	b, err := newBench(ctx, dir)
	if err != nil {
		return err
	}
	syns := filepath.Join(dir, "syns.pcap")
	const hosts = 1_000_000
	fmt.Printf("writing %d SYNs of %d addresses …\n", hosts, hosts)
	if err := writeSYNs(syns, hosts); err != nil {
		return err
	}
	fmt.Print("\n| work | p0f | mxprint | times as fast | p0f MiB | mxprint MiB |\n|---|---|---|---|---|---|\n")
	for _, w := range []work{
		{"1,000,000 SYNs to the log, default limits", syns, nil},
		{"the same with -m 1000,500000", syns, []string{"-m", "1000,500000"}},
	} {
		if err := b.compare(ctx, w); err != nil {
			return err
		}
	}
	return nil
}
