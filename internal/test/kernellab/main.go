package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/mxprint/mxprint/internal/test/synlab"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "kernellab:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, log io.Writer) error {
	flags := flag.NewFlagSet("kernellab", flag.ContinueOnError)
	flags.SetOutput(log)
	kernel := flags.String("kernel", "", "the kernel's `file`")
	program := flags.String("init", "", "the guest's `file`, static")
	module := flags.String("module", "", "the veth module's `file`, not compressed; without one the loopback is used")
	origin := flags.String("package", "", "distributor, package and version of the kernel")
	ram := flags.String("ram", "8192,256,512,1024,2048,4096", "`MiB` of the machines; the first records all settings")
	out := flags.String("out", "testdata/lab", "`folder` for the captures and labels.json")
	root := flags.String("root", "", "`folder` whose files the machine has; it runs what the file \"command\" in it says, and records nothing")
	limit := flags.Duration("limit", 3*time.Minute, "for one machine")
	if err := flags.Parse(args); err != nil {
		return err
	}
	distributor, _, _ := strings.Cut(*origin, " ")
	if *kernel == "" || *program == "" || distributor == "" && *root == "" || flags.NArg() > 0 {
		return errors.New("-kernel, -init and -package are needed, and nothing else but flags")
	}
	dir, err := os.MkdirTemp("", "kernellab-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	modules, link := []string{*module}, ""
	if *module == "" {
		modules, link = nil, synlab.Loopback
	}
	initrd := filepath.Join(dir, "initrd")
	if err := writeInitrd(initrd, *program, modules, *root); err != nil {
		return err
	}
	if *root != "" {
		mib, err := strconv.Atoi(*ram)
		if err != nil {
			return fmt.Errorf("-ram: %w", err)
		}
		return runCommand(ctx, machine{kernel: *kernel, initrd: initrd, ram: mib, cpus: 2, lab: "run"}, *limit, os.Stdout)
	}
	var captures []capture
	for i, size := range strings.Split(*ram, ",") {
		mib, err := strconv.Atoi(size)
		if err != nil {
			return fmt.Errorf("-ram: %w", err)
		}
		m := machine{kernel: *kernel, initrd: initrd, ram: mib, cpus: 1, lab: "default", link: link}
		if i == 0 {
			m.lab = "all"
		}
		more, err := recordMachine(ctx, m, *limit, *origin, log)
		if err != nil {
			return fmt.Errorf("%s with %d MiB: %w", *origin, mib, err)
		}
		captures = append(captures, more...)
	}
	return write(*out, distributor, captures)
}

// A capture is a file to be, with its label.
type capture struct {
	synlab.Label
	packets []byte
}

// write keeps the captures of a kernel, instead of those of its series.
func write(dir, distributor string, captures []capture) error {
	var labels []synlab.Label
	for _, c := range captures {
		if err := os.WriteFile(filepath.Join(dir, c.File), c.packets, 0o644); err != nil {
			return err
		}
		labels = append(labels, c.Label)
	}
	return synlab.ReplaceLabels(dir, distributor, labels)
}

// recordMachine boots one machine and returns its captures.
func recordMachine(ctx context.Context, m machine, limit time.Duration, origin string, log io.Writer) ([]capture, error) {
	start := time.Now()
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	out, console, err := boot(ctx, m)
	if err != nil {
		return nil, err
	}
	records, err := parse(out)
	if err != nil {
		return nil, fmt.Errorf("%w; its console: %s", err, console)
	}
	distributor, _, _ := strings.Cut(origin, " ")
	var captures []capture
	for _, r := range records {
		if r.Unknown != "" {
			fmt.Fprintf(log, "kernellab: %s has no %s: %s\n", r.Kernel, r.Setting.Name, r.Unknown)
			continue
		}
		name := r.Setting.Name
		if m.lab != "all" {
			name = fmt.Sprintf("%dm", m.ram)
		}
		l := synlab.Label{
			Setting: r.Setting,
			File:    fmt.Sprintf("%s-%s-%s.pcap", distributor, synlab.Series(r.Kernel), name),
			Family:  "Linux", Kernel: r.Kernel, Package: origin, RAM: m.ram,
		}
		captures = append(captures, capture{l, r.Packets})
	}
	fmt.Fprintf(log, "kernellab: %s with %d MiB: %d captures in %s\n", records[0].Kernel, m.ram, len(captures), time.Since(start).Round(time.Second/10))
	return captures, nil
}

// runCommand boots a machine that runs a command, and prints what that printed.
// A command that does not end well is an error.
func runCommand(ctx context.Context, m machine, limit time.Duration, out io.Writer) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	text, console, err := boot(ctx, m)
	if _, writeErr := out.Write(text); err == nil {
		err = writeErr
	}
	if err == nil && !bytes.HasSuffix(text, []byte("\nended well\n")) {
		err = fmt.Errorf("the command did not end well; the console: %s", console)
	}
	return err
}
