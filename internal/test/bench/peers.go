//go:build linux

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/mxprint/mxprint/capture"
	"github.com/mxprint/mxprint/engine"
	"github.com/mxprint/mxprint/event"
	"github.com/mxprint/mxprint/internal/report"
	"github.com/mxprint/mxprint/internal/signature"
	testparts "github.com/mxprint/mxprint/internal/test/parts"
	"github.com/mxprint/mxprint/packet"
)

const (
	peersDir = "internal/test/bench/peers" // our programs that call the other libraries
	fewSYNs  = 10_000                      // the first ones of the capture, for what is slow
)

// peers compares the engine with other libraries: what each takes to decode
// SYNs of many kinds, to name them by its own database, and to report them.
// The frames are in memory. Time is that of all the threads of the process on
// a CPU, so that each has at most one core and other load counts little.
func (b *bench) peers(ctx context.Context) error {
	b.table = peersTable
	syns, err := b.variedFile()
	if err != nil {
		return err
	}
	frames, err := readRecording(syns)
	if err != nil {
		return err
	}
	return errors.Join(b.huginn(ctx, syns, frames), b.pyp0f(ctx, syns, frames))
}

// variedFile writes the capture.
func (b *bench) variedFile() (string, error) {
	k, err := newKinds()
	if err != nil {
		return "", err
	}
	path := filepath.Join(b.dir, "varied.pcap")
	fmt.Fprintf(os.Stderr, "%d SYNs of %d recorded kinds and %d of signatures, from %d clients\n",
		variedSYNs, len(k.recorded), len(k.described), variedClients)
	return path, writeFile(path, func(w *pcapWriter) { w.varied(k, variedSYNs) })
}

// huginn compares with the Rust crate huginn-net-tcp.
func (b *bench) huginn(ctx context.Context, syns string, frames *recording) error {
	few, err := b.cargo(ctx, "syn")
	if err != nil {
		return err
	}
	full, err := b.cargo(ctx, "full", "--features", "full")
	if err != nil {
		return err
	}
	p0fDB, err := signature.Load(stockDB)
	if err != nil {
		return err
	}
	const name = "huginn-net-tcp 2.2.1"
	for _, d := range []duel{
		{work: "a file of the SYNs counted by name, one worker, by the clock on the wall; " + name + " as documented", bar: 5,
			theirs: []string{full, "documented", syns}, ours: engineRun{file: syns}.run},
		{work: "the same, and the report of each to /dev/null", bar: 4,
			theirs: []string{full, "documented", syns, os.DevNull}, ours: engineRun{file: syns, log: true}.run},
		{work: "from memory, CPU time: decode, match, remember, count by name; " + name + " called directly, all features",
			theirs: []string{full, "direct", syns}, ours: engineRun{}.run},
		{work: "the same, and the report of each to /dev/null",
			theirs: []string{full, "direct", syns, os.DevNull}, ours: engineRun{log: true}.run},
		{work: "from memory, CPU time: decode, match, count by name alone; " + name + " called directly, SYNs alone",
			theirs: []string{few, "direct", syns}, ours: matcherRun{}.run},
		{work: "the same, both with p0f's database", theirs: []string{few, "direct", syns}, ours: matcherRun{p0fDB}.run},
	} {
		if err := b.duel(ctx, d, frames); err != nil {
			return err
		}
	}
	return nil
}

// pyp0f compares with the Python package pyp0f.
func (b *bench) pyp0f(ctx context.Context, syns string, frames *recording) error {
	python, err := b.venv(ctx)
	if err != nil {
		return err
	}
	program := filepath.Join(peersDir, "pyp0f", "peer.py")
	return b.duel(ctx, duel{
		work:   fmt.Sprintf("decode, match, count by name alone; pyp0f 0.3.0, the first %d", fewSYNs),
		theirs: []string{python, program, syns, fmt.Sprint(fewSYNs)}, ours: matcherRun{}.run,
	}, frames)
}

// duel is a comparison with the program of a peer.
type duel struct {
	work   string
	bar    float64 // 0 for none
	theirs []string
	ours   func(context.Context, *recording) (tally, error)
}

// duel adds a row. The runs take turns.
func (b *bench) duel(ctx context.Context, d duel, frames *recording) error {
	var ours, theirs []float64 // SYNs a second
	var we, they tally
	for range rounds {
		var err error
		if they, err = undisturbed(b, mostStolen, func() (tally, error) { return peerRun(ctx, d.theirs) }); err != nil {
			return err
		}
		theirs = append(theirs, they.rate())
		if we, err = undisturbed(b, mostStolen, func() (tally, error) { return d.ours(ctx, frames) }); err != nil {
			return err
		}
		ours = append(ours, we.rate())
	}
	a, c := median(theirs), median(ours)
	r := row{work: d.work, p0f: they.describe(a), ours: we.describe(c), ratio: times(c / a)}
	if d.bar > 0 {
		r.bar, r.met = fmt.Sprintf("%.0f×", d.bar), c/a >= d.bar
	}
	b.add(r)
	return nil
}

// tally is what came of a run.
type tally struct {
	syns, named int
	took        time.Duration // of CPU, or of the clock
}

func (t tally) rate() float64 { return float64(t.syns) / t.took.Seconds() }

func (t tally) describe(rate float64) string {
	return fmt.Sprintf("%.0f SYNs/s, %.1f %% named", rate, 100*float64(t.named)/float64(t.syns))
}

// peerRun runs a program that prints the SYNs, those that it named, and the
// nanoseconds that it took, before anything else.
func peerRun(ctx context.Context, command []string) (tally, error) {
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return tally{}, fmt.Errorf("%s: %w: %s", command, err, stderr.String())
	}
	var t tally
	if _, err := fmt.Sscan(string(out), &t.syns, &t.named, &t.took); err != nil || t.syns == 0 || t.took <= 0 {
		return tally{}, fmt.Errorf("%s: prints no figures: %.200q", command, out)
	}
	return t, nil
}

// engineRun has our engine take the SYNs, with one worker and the default
// limits: from memory, for its CPU time, or from a file, for the time of all.
type engineRun struct {
	file string // "" for memory
	log  bool   // write p0f's log to the null device, too
}

func (r engineRun) run(ctx context.Context, frames *recording) (tally, error) {
	counts := make(names)
	cfg := engine.Config{Observers: []event.Observer{counts}, Wants: counts.count}
	if r.log {
		null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
		if err != nil {
			return tally{}, err
		}
		defer null.Close()
		cfg = engine.Config{Observers: []event.Observer{&counted{report.NewLog(null), counts}}}
	}
	e, err := engine.New(cfg)
	if err != nil {
		return tally{}, err
	}
	if r.file == "" {
		begin := cpuTime()
		if err := e.Run(ctx, &replay{recording: frames, live: !r.log}); err != nil {
			return tally{}, err
		}
		return counts.tally(cpuTime()-begin, frames)
	}
	begin := time.Now()
	src, err := capture.OpenFile(r.file)
	if err != nil {
		return tally{}, err
	}
	defer src.Close()
	if err := e.Run(ctx, src); err != nil {
		return tally{}, err
	}
	return counts.tally(time.Since(begin), frames)
}

// matcherRun has our decoder and matcher alone take them: nothing is remembered
// of a sender.
type matcherRun struct{ db *signature.DB }

func (r matcherRun) run(_ context.Context, frames *recording) (tally, error) {
	if r.db == nil {
		r.db = signature.Builtin()
	}
	decoder := packet.Decoder{Link: packet.LinkEthernet}
	matcher := signature.NewMatcher(r.db)
	counts := newCounter(r.db)
	var s packet.Segment
	begin := cpuTime()
	for i := range frames.frames {
		if f := frames.frame(i); decoder.Decode(f.Data, f.WireLen, &s) == nil && s.Type == packet.SYN {
			var m signature.Match
			matcher.Match(signature.Request, &s, 0, &m)
			counts.add(&m)
		}
	}
	return counts.tally(cpuTime()-begin, frames)
}

// counter counts SYNs by the number of their label in the database; those with
// none have 0. It does so while they are entered, and has no copy made of them:
// the peers hand theirs back to their caller too.
type counter []int

func newCounter(db *signature.DB) counter {
	n := 1
	for db.Label(n) != nil {
		n++
	}
	return make(counter, n)
}

func (c counter) add(m *signature.Match) {
	if m.Sig == nil {
		c[0]++
	} else {
		c[m.Sig.Label.ID]++
	}
}

func (c counter) tally(took time.Duration, frames *recording) (tally, error) {
	t := tally{took: took}
	for id, n := range c {
		t.syns += n
		if id != 0 {
			t.named += n
		}
	}
	return t, t.fault(frames)
}

func (t tally) fault(frames *recording) error {
	if t.syns != len(frames.frames) {
		return fmt.Errorf("%d SYNs of %d were found", t.syns, len(frames.frames))
	}
	return nil
}

// names counts SYNs by the system's name and flavor. It does so while they are
// entered, and has no copy made of them: the peers hand theirs back to their
// caller too. It is an event.Observer that gets nothing.
type names map[name]int

type name struct{ name, flavor string }

// count counts, and wants no observation.
func (n names) count(o *event.Observation) bool {
	if o.Module.Fingerprint() {
		n[name{o.System.Name, o.System.Flavor}]++
	}
	return false
}

// Observe implements event.Observer.
func (names) Observe(*event.Observation) {}

// Flush implements event.Observer.
func (names) Flush() (int, error) { return 0, nil }

// counted is a log that counts too.
type counted struct {
	*report.Log
	counts names
}

// Observe implements event.Observer.
func (r *counted) Observe(o *event.Observation) {
	r.counts.count(o)
	r.Log.Observe(o)
}

func (n names) tally(took time.Duration, frames *recording) (tally, error) {
	t := tally{took: took}
	for of, count := range n {
		t.syns += count
		if of.name != "" {
			t.named += count
		}
	}
	return t, t.fault(frames)
}

// cpuTime is how long the threads of this process have been on a CPU.
func cpuTime() time.Duration {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_PROCESS_CPUTIME_ID, &t); err != nil {
		return 0
	}
	return time.Duration(t.Nano())
}

// cargo builds our program that calls huginn-net-tcp, and returns its path.
func (b *bench) cargo(ctx context.Context, name string, args ...string) (string, error) {
	if _, err := exec.LookPath("cargo"); err != nil {
		return "", errors.New("huginn-net-tcp was not measured: cargo is not installed (package cargo or rustup.rs, 1.85 or newer)")
	}
	cache, err := testparts.Dir()
	if err != nil {
		return "", err
	}
	target := filepath.Join(cache, "peers", "huginn") // cargo locks it
	args = append([]string{"build", "--quiet", "--locked", "--release", "--target-dir", target}, args...)
	cmd := exec.CommandContext(ctx, "cargo", args...)
	cmd.Dir = filepath.Join(peersDir, "huginn")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("huginn-net-tcp was not measured: cargo: %w\n%s", err, out)
	}
	path := filepath.Join(b.dir, "huginn-"+name) // the next build may have the same name
	return path, os.Rename(filepath.Join(target, "release", "huginn-peer"), path)
}

// venv installs pyp0f apart from everything, and returns the Python that has it.
func (b *bench) venv(ctx context.Context) (string, error) {
	cache, err := testparts.Dir()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(cache, "peers", "pyp0f")
	python := filepath.Join(dir, "bin", "python3")
	for _, args := range [][]string{
		{"python3", "-m", "venv", dir},
		{python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes", "-r", filepath.Join(peersDir, "pyp0f", "requirements.txt")},
	} {
		if out, err := exec.CommandContext(ctx, args[0], args[1:]...).CombinedOutput(); err != nil {
			return "", fmt.Errorf("pyp0f was not measured: %v: %w (it wants the packages python3-venv and the network)\n%s", args, err, out)
		}
	}
	return python, nil
}
