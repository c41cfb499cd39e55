package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/mxprint/mxprint/internal/test/difftest"
)

const usage = `difftest runs p0f and mxprint over generated captures and shows the first
difference of each seed.

    go run ./internal/test/difftest/cmd/difftest -n 20                    seeds 1-20, all profiles
    go run ./internal/test/difftest/cmd/difftest -profile few -seed 7 -n 1 -shrink -write few7.pcap
    go run ./internal/test/difftest/cmd/difftest -profile stock -n 60 -coverage
    go run ./internal/test/difftest/cmd/difftest -file some.pcap

Without -mxprint, the program is built from ./cmd/mxprint. -write writes the
capture of the first seed (shrunk with -shrink) and, for a profile with a
database of its own, that database beside it as FILE.fp.

`

type options struct {
	seed, n              uint64
	profile, write, file string
	db, p0f, mxprint     string
	stopFirst, shrink    bool
	coverage             bool
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	var o options
	fs := flag.NewFlagSet("difftest", flag.ContinueOnError)
	fs.SetOutput(stderr)
	fs.Usage = func() { fmt.Fprint(stderr, usage); fs.PrintDefaults() }
	fs.Uint64Var(&o.seed, "seed", 1, "first `seed`")
	fs.Uint64Var(&o.n, "n", 1, "`number` of seeds")
	fs.StringVar(&o.profile, "profile", "", "`name` of one profile; all when empty")
	fs.StringVar(&o.write, "write", "", "write the capture of the first seed to `file`")
	fs.StringVar(&o.file, "file", "", "compare on this `capture` instead")
	fs.StringVar(&o.db, "db", difftest.StockDatabase, "database for -file")
	fs.StringVar(&o.p0f, "p0f", "/usr/sbin/p0f", "`path` of p0f")
	fs.StringVar(&o.mxprint, "mxprint", "", "`path` of mxprint; built when empty")
	fs.BoolVar(&o.stopFirst, "stop-first", false, "stop at the first difference")
	fs.BoolVar(&o.shrink, "shrink", false, "on a difference, look for the fewest frames that show it")
	fs.BoolVar(&o.coverage, "coverage", false, "run p0f alone and count what its logs contain")
	if err := fs.Parse(args); err != nil {
		return 2
	}
	if err := o.main(ctx, stdout); err != nil {
		if !errors.Is(err, errDifferent) {
			fmt.Fprintln(stderr, "difftest:", err)
			return 2
		}
		return 1
	}
	return 0
}

var errDifferent = errors.New("the programs differ")

func (o *options) main(ctx context.Context, w io.Writer) error {
	dir, err := os.MkdirTemp("", "difftest")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	profiles, err := o.profiles()
	if err != nil {
		return err
	}
	if o.write != "" && !o.shrink {
		if err := o.writeCapture(profiles[0]); err != nil {
			return err
		}
		fmt.Fprintf(w, "wrote %s\n", o.write)
		if o.mxprint == "" && !o.coverage {
			return nil // only the capture was wanted
		}
	}
	if o.coverage {
		return o.count(ctx, w, dir, profiles)
	}
	if o.mxprint == "" {
		o.mxprint = filepath.Join(dir, "mxprint")
		if out, err := exec.CommandContext(ctx, "go", "build", "-o", o.mxprint, "./cmd/mxprint").CombinedOutput(); err != nil {
			return fmt.Errorf("building mxprint: %w\n%s", err, out)
		}
	}
	if o.file != "" {
		d, err := difftest.CompareFile(ctx, o.file, o.db, nil, o.p0f, o.mxprint)
		if err != nil {
			return err
		}
		fmt.Fprint(w, d, "\n")
		if !d.Equal() {
			return errDifferent
		}
		return nil
	}
	return o.compare(ctx, w, dir, profiles)
}

func (o *options) profiles() ([]difftest.Profile, error) {
	all := difftest.Profiles()
	if o.profile == "" {
		return all, nil
	}
	for _, p := range all {
		if p.Name == o.profile {
			return []difftest.Profile{p}, nil
		}
	}
	return nil, fmt.Errorf("no profile is called %q", o.profile)
}

func (o *options) writeCapture(p difftest.Profile) error {
	b, err := difftest.Generate(o.seed, p)
	if err != nil {
		return err
	}
	return o.save(b, p)
}

func (o *options) save(capture []byte, p difftest.Profile) error {
	if err := os.WriteFile(o.write, capture, 0o644); err != nil {
		return err
	}
	if p.DB == "" {
		return nil
	}
	return os.WriteFile(o.write+".fp", []byte(p.DB), 0o644)
}

func (o *options) compare(ctx context.Context, w io.Writer, dir string, profiles []difftest.Profile) error {
	lines, runs, bad := 0, 0, 0
	for seed := o.seed; seed < o.seed+o.n; seed++ {
		for _, p := range profiles {
			d, err := difftest.Compare(ctx, seed, p, o.p0f, o.mxprint, dir)
			if err != nil {
				return err
			}
			lines, runs = lines+d.Lines, runs+1
			if d.Equal() {
				continue
			}
			bad++
			fmt.Fprint(w, d)
			if o.shrink {
				if err := o.shrinkTo(ctx, w, dir, seed, p); err != nil {
					return err
				}
			}
			if o.stopFirst {
				return errDifferent
			}
		}
	}
	fmt.Fprintf(w, "%d captures, %d log lines of p0f, %d captures differ\n", runs, lines, bad)
	if bad > 0 {
		return errDifferent
	}
	return nil
}

func (o *options) shrinkTo(ctx context.Context, w io.Writer, dir string, seed uint64, p difftest.Profile) error {
	capture, err := difftest.Generate(seed, p)
	if err != nil {
		return err
	}
	small, err := difftest.Shrink(ctx, capture, p, o.p0f, o.mxprint, dir)
	if err != nil {
		return err
	}
	if o.write == "" {
		o.write = fmt.Sprintf("%s-%d.pcap", p.Name, seed)
	}
	if err := o.save(small, p); err != nil {
		return err
	}
	db := difftest.StockDatabase
	if p.DB != "" {
		db = o.write + ".fp"
	}
	d, err := difftest.CompareFile(ctx, o.write, db, p.Args, o.p0f, o.mxprint)
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "shrunk to %s (run both with: -r %s -f %s %v)\n%s", o.write, o.write, db, p.Args, d)
	return nil
}

func (o *options) count(ctx context.Context, w io.Writer, dir string, profiles []difftest.Profile) error {
	c := make(difftest.Coverage)
	for seed := o.seed; seed < o.seed+o.n; seed++ {
		for _, p := range profiles {
			out, err := difftest.Observe(ctx, seed, p, difftest.Program{o.p0f}, dir)
			if err != nil {
				return err
			}
			c.Add(out.Log)
		}
	}
	fmt.Fprint(w, c)
	if missing := c.Missing(1); len(missing) > 0 {
		return fmt.Errorf("missing: %q", missing)
	}
	return nil
}
