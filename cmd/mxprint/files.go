package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/mxprint/mxprint/capture"
	"github.com/mxprint/mxprint/engine"
	"github.com/mxprint/mxprint/internal/daemon"
	"github.com/mxprint/mxprint/packet"
)

// readFiles reads capture files one after the other, each with an engine of its
// own: its clock may lie before the last one's. A file that cannot be read, or not
// to its end, does not keep the others from being read. In the end it prints what
// was not read, by kind, and returns what was wrong.
func readFiles(ctx context.Context, std *stdio, out *output, paths []string, cfg engine.Config) (unread bool, err error) {
	cfg.Logger, cfg.Tunnels = daemon.NewLogger(std.err), packet.Opener{Kinds: packet.AllTunnels}
	var faults []error
	for _, path := range paths {
		e, err := engine.New(cfg)
		if err != nil {
			return unread, err
		}
		if err := readFile(ctx, e, path); err != nil {
			faults = append(faults, err)
		}
		if out.err != nil {
			return unread, fmt.Errorf("writing the output: %w", out.err)
		}
		lines := e.Unread()
		printUnread(std, path, lines)
		unread = unread || len(lines) > 0
		if ctx.Err() != nil {
			break
		}
	}
	if len(faults) < 2 {
		return unread, errors.Join(faults...)
	}
	for _, fault := range faults {
		fmt.Fprintf(std.err, "mxprint: %v\n", fault)
	}
	return unread, errSilent
}

// printUnread says what of a file was not read.
func printUnread(std *stdio, path string, lines []string) {
	for _, line := range lines {
		fmt.Fprintf(std.err, "mxprint: %s: not read: %s\n", path, line)
	}
}

func readFile(ctx context.Context, e *engine.Engine, path string) error {
	f, err := capture.OpenFile(path)
	if err != nil {
		return err
	}
	defer f.Close()
	if err = e.Run(ctx, f); err != nil && !strings.Contains(err.Error(), f.Name()) {
		return fmt.Errorf("%s: %w", f.Name(), err)
	}
	return err
}
