package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/mxprint/mxprint/capture"
	"github.com/mxprint/mxprint/engine"
	"github.com/mxprint/mxprint/internal/serve"
)

// lineBurst is how many log lines of one kind are written in a second, whatever
// clients, networks and files do. Servers write fewer.
const lineBurst = 50

// newLogger writes log lines as the command's other messages to w.
func newLogger(w io.Writer) *slog.Logger {
	return serve.Burst(slog.New(slog.NewTextHandler(prefixed{w}, &slog.HandlerOptions{
		ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
			if len(groups) == 0 && a.Key == slog.TimeKey {
				return slog.Attr{} // the service manager adds its own
			}
			return a
		},
	})), lineBurst)
}

// prefixed writes each log line after the command's name.
type prefixed struct{ w io.Writer }

func (p prefixed) Write(line []byte) (int, error) {
	_, err := fmt.Fprintf(p.w, "mxprint: %s", line)
	return len(line), err
}

// untilSignal returns a context that ends at the first SIGINT, SIGTERM or,
// unless ignoreHup, SIGHUP. The second one ends the program at once.
func untilSignal(ctx context.Context, ignoreHup bool) (context.Context, func()) {
	signals := []os.Signal{syscall.SIGINT, syscall.SIGTERM}
	if ignoreHup {
		signal.Ignore(syscall.SIGHUP)
	} else {
		signals = append(signals, syscall.SIGHUP)
	}
	signal.Ignore(syscall.SIGPIPE)
	ctx, cancel := context.WithCancel(ctx)
	ch := make(chan os.Signal, 2)
	signal.Notify(ch, signals...)
	go func() {
		select {
		case <-ch:
			cancel()
		case <-ctx.Done():
			return
		}
		<-ch
		os.Exit(1)
	}()
	return ctx, func() {
		signal.Stop(ch)
		cancel()
	}
}

// tap is what to capture on an interface.
type tap struct {
	rule        engine.Rule
	promiscuous bool
	http        bool // HTTP is to be read: keep more of a frame than its headers
	log         *slog.Logger
}

// httpSlot is how much of a frame is kept for HTTP, in bytes: all of one on
// Ethernet. The ring is larger then, and holds fewer frames still.
const (
	httpSlot = 2 << 10
	httpRing = 32 << 20
)

// openRing captures on an interface.
func (o tap) openRing(name string) (*capture.Ring, error) {
	cfg, err := o.config(name)
	if err != nil {
		return nil, err
	}
	return capture.OpenRing(cfg)
}

// openRings is openRing with a ring for each worker of an engine.
func (o tap) openRings(name string, e *engine.Engine) ([]*capture.Ring, error) {
	if e.Workers() == 1 {
		ring, err := o.openRing(name)
		return []*capture.Ring{ring}, err
	}
	cfg, err := o.config(name)
	if err != nil {
		return nil, err
	}
	return capture.OpenRings(cfg, e.Workers(), e.Fanout())
}

func (o tap) config(name string) (capture.Config, error) {
	link, err := capture.RingLink(name)
	if err != nil {
		return capture.Config{}, err
	}
	program, err := o.rule.Kernel(link)
	if err != nil {
		return capture.Config{}, err
	}
	cfg := capture.Config{Interface: name, Filter: program, Promiscuous: o.promiscuous, Log: o.log}
	if o.http {
		cfg.SlotBytes, cfg.RingBytes = httpSlot, httpRing
	}
	return cfg, nil
}
