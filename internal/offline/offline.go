// Package offline reads capture files, each with an engine of its own: the
// clock of a file may lie before that of the last one. It is what the commands
// that take captures have in common; a live sensor is internal/daemon's.
package offline

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"time"

	"github.com/mxprint/mxprint/capture"
	"github.com/mxprint/mxprint/engine"
	"github.com/mxprint/mxprint/event"
	"github.com/mxprint/mxprint/internal/sender"
	"github.com/mxprint/mxprint/internal/signature"
	"github.com/mxprint/mxprint/internal/stream"
	"github.com/mxprint/mxprint/internal/view"
	"github.com/mxprint/mxprint/packet"
)

// Reader reads capture files. Engine needs DB, Rule, Hosts and Logger; the rest
// is set. Not safe for concurrent use.
type Reader struct {
	Name   string // of the command, for messages
	Engine engine.Config
	Out    *Output   // where the observers write; a failure ends the reading
	Err    io.Writer // gets what was not read, by kind
	Quiet  bool      // no progress on Err
	SMTP   bool      // read SMTP and TLS, too

	unread bool
}

// Run has an observer see what the files hold, "-" for the standard input, and
// shows the progress. A file that cannot be read, or not to its end, does not
// keep the others from being read: the error names each, a line each.
func (r *Reader) Run(ctx context.Context, paths []string, to event.Observer) error {
	seen := &counting{Observer: to}
	begun := time.Now()
	progress := view.NewProgress(r.Err, r.Quiet, func() string {
		return fmt.Sprintf("%s: %d observations in %s", r.Name, seen.n.Load(), time.Since(begun).Round(time.Second))
	})
	defer progress.Stop()
	return r.files(ctx, paths, seen)
}

// SYNs calls take for each SYN and SYN+ACK of the files, those without the
// other, too. Without one, the error says so.
func (r *Reader) SYNs(ctx context.Context, paths []string, take func(*event.Observation)) error {
	r.Engine.Hosts = engine.Hosts{LoneSYNACK: true}
	n := 0
	err := r.files(ctx, paths, observer(func(o *event.Observation) { n++; take(o) }))
	switch {
	case n > 0 || err != nil:
		return err
	case r.unread:
		return fmt.Errorf("%s: no SYN and no SYN+ACK could be read from %s", r.Name, strings.Join(paths, ", "))
	}
	return fmt.Errorf("%s: there is no SYN and no SYN+ACK in %s", r.Name, strings.Join(paths, ", "))
}

func (r *Reader) files(ctx context.Context, paths []string, to event.Observer) error {
	cfg := r.Engine
	cfg.Observers, cfg.Tunnels = []event.Observer{to}, packet.Opener{Kinds: packet.AllTunnels}
	seen, _ := to.(*counting)
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	r.Out.stop = stop
	var faults []error
	for _, path := range paths {
		if r.SMTP {
			cfg.Hosts.Recent = smtpConns
			cfg.Follow = sender.New(sender.Config{DB: r.database, Kept: 1, Stream: stream.Config{MaxSource: smtpConns}}).Follow
		}
		var before uint64
		if seen != nil {
			before = seen.n.Load()
		}
		e, err := engine.New(cfg)
		if err != nil {
			return err
		}
		if err = readFile(ctx, e, path); err != nil {
			faults = append(faults, err)
		}
		if err := r.Out.Err(); err != nil {
			return err
		}
		lines := e.Unread()
		PrintUnread(r.Err, path, lines)
		r.unread = r.unread || len(lines) > 0
		if seen != nil && !r.Quiet && err == nil && ctx.Err() == nil && len(lines) == 0 && seen.n.Load() == before {
			fmt.Fprintf(r.Err, "mxprint: %s: nothing to name among its %d frames of TCP that the rule takes\n",
				path, e.Stats().Frames)
		}
		if ctx.Err() != nil {
			break
		}
	}
	return errors.Join(faults...)
}

// database is what the files are compared with.
func (r *Reader) database() *signature.DB {
	if r.Engine.DB == nil {
		return signature.Builtin()
	}
	return (*signature.DB)(r.Engine.DB)
}

// smtpConns is how many connections of a file are read at a time; all may be of
// one source.
const smtpConns = 10_000

func readFile(ctx context.Context, e *engine.Engine, path string) error {
	f, err := open(ctx, path)
	if f == nil {
		return err
	}
	defer f.Close()
	if err = e.Run(ctx, f); err != nil && !strings.Contains(err.Error(), f.Name()) {
		return fmt.Errorf("%s: %w", f.Name(), err)
	}
	return err
}

// open opens a file, or returns neither file nor error when ctx ends: a pipe blocks
// until it has a writer that writes.
func open(ctx context.Context, path string) (*capture.File, error) {
	var f *capture.File
	var err error
	done := make(chan struct{})
	go func() {
		f, err = capture.OpenFile(path)
		close(done)
	}()
	select {
	case <-done:
		return f, err
	case <-ctx.Done():
		return nil, nil
	}
}

// PrintUnread prints what of a file was not read, by kind, a line each.
func PrintUnread(w io.Writer, path string, lines []string) {
	for _, line := range lines {
		fmt.Fprintf(w, "mxprint: %s: not read: %s\n", path, line)
	}
}

// observer is a function that gets the SYNs, the SYN+ACKs and the sessions of
// SMTP.
type observer func(*event.Observation)

func (f observer) Observe(o *event.Observation) {
	if o.Module.Fingerprint() || o.Module == event.SMTP {
		f(o)
	}
}

func (observer) Flush() (int, error) { return 0, nil }

// counting counts the observations that pass, for the progress.
type counting struct {
	event.Observer
	n atomic.Uint64
}

func (c *counting) Observe(o *event.Observation) {
	c.n.Add(1)
	c.Observer.Observe(o)
}

// Output ends the reading where its output is not taken: a closed pipe, a
// full disk.
type Output struct {
	w    io.Writer
	stop func() // of the reading, while there is one
	err  error
}

// NewOutput returns an Output to w.
func NewOutput(w io.Writer) *Output { return &Output{w: w, stop: func() {}} }

func (o *Output) Write(b []byte) (int, error) {
	if o.err == nil {
		if _, o.err = o.w.Write(b); o.err != nil {
			o.stop()
		}
	}
	return len(b), nil // Err reports it, once
}

// Err is what was wrong with the output.
func (o *Output) Err() error {
	if o.err == nil {
		return nil
	}
	return fmt.Errorf("writing the output: %w", o.err)
}
