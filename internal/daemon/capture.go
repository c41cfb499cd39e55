package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/mxprint/mxprint/capture"
	"github.com/mxprint/mxprint/engine"
	"github.com/mxprint/mxprint/filter"
	"github.com/mxprint/mxprint/packet"
)

// tap is what to capture on an interface.
type tap struct {
	rule        filter.Rule
	promiscuous bool
	payload     bool // HTTP or SMTP is to be read: keep more of a frame than its headers
	workers     int  // of the engine
	log         *slog.Logger
}

// payloadSlot is how much of a frame is kept for HTTP and SMTP, in bytes: all of one on
// Ethernet. The ring is larger then, and holds fewer frames still.
const (
	payloadSlot = 2 << 10
	payloadRing = 32 << 20
)

// tunnelSlot is how much of a frame is kept for tunnels, in bytes: VXLAN with two
// IPv6 headers, tags and a whole TCP header is 200 bytes, and a tunnel may be
// inside another.
const tunnelSlot = 512

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
	if o.workers == 1 {
		ring, err := o.openRing(name)
		return []*capture.Ring{ring}, err
	}
	cfg, err := o.config(name)
	if err != nil {
		return nil, err
	}
	return capture.OpenRings(cfg, o.workers, e.Fanout())
}

func (o tap) config(name string) (capture.Config, error) {
	link, err := capture.RingLink(name)
	if err != nil {
		return capture.Config{}, err
	}
	program, err := o.rule.Kernel(int(link))
	if err != nil {
		return capture.Config{}, err
	}
	cfg := capture.Config{Interface: name, Filter: program, Promiscuous: o.promiscuous, Log: o.log}
	if len(o.rule.Tunnels) > 0 {
		cfg.SlotBytes = tunnelSlot
	}
	if o.payload {
		cfg.SlotBytes, cfg.RingBytes = payloadSlot, payloadRing
	}
	return cfg, nil
}

// Rule takes a filter as text or as a file with a compiled program. open opens that
// file: a daemon waits for no pipe, a command may.
func Rule(expr, programFile string, open func(string) (*os.File, error)) (filter.Rule, error) {
	r := filter.Rule{Expr: expr}
	if programFile == "" {
		return r, r.Check(int(packet.LinkEthernet)) // which has all that the language can ask for
	}
	if expr != "" {
		return r, errors.New("a filter expression and a filter program together: give one of them")
	}
	f, err := open(programFile)
	if err != nil {
		return r, err
	}
	defer f.Close()
	if r.Program, err = filter.Parse(f); err != nil {
		return r, fmt.Errorf("%s: %w", programFile, err)
	}
	return r, nil
}

// lateInterface is how often an interface that is not there is looked for, as a
// tunnel or a VLAN at boot.
const lateInterface = time.Second

// runLate waits for an interface that was not there at the start, and captures on
// it then.
func (o tap) runLate(ctx context.Context, name string, e *engine.Engine, watched *watchedSource) error {
	for {
		rings, err := o.openRings(name, e)
		if err == nil {
			o.log.Info("interface has appeared", "interface", name)
			tasks := make([]task, len(rings))
			for i, ring := range rings {
				defer ring.Close()
				watched.part(ring, ring.Stats)
				tasks[i] = func(ctx context.Context) error { return e.Run(ctx, ring) }
			}
			return together(ctx, tasks...)
		}
		if !errors.Is(err, capture.ErrNoInterface) {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(lateInterface):
		}
	}
}
