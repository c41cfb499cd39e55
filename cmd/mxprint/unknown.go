package main

import (
	"bytes"
	"context"
	"errors"
	"io"

	"github.com/mxprint/mxprint/event"
	"github.com/mxprint/mxprint/internal/offline"
	"github.com/mxprint/mxprint/internal/report"
)

func unknownSignatures(ctx context.Context, args []string, std *stdio) error {
	fs := newFlags("signatures unknown")
	c := comparingFlags(fs)
	socket := fs.String("s", "", "")
	if err := parse(fs, args); err != nil {
		return err
	}
	if fs.NArg() == 0 {
		if c.File != "" || len(c.With) > 0 || *c.rule != "" {
			return usagef("signatures unknown: a sensor has its own signatures and filter; name a capture file")
		}
		text, err := askSensor(ctx, *socket, "unknown")
		if err == nil {
			_, err = std.forPeople().Write(text)
		}
		return err
	}
	if *socket != "" {
		return usagef("signatures unknown: a socket and a capture file together: give one of them")
	}
	db, err := c.Load()
	if err != nil {
		return err
	}
	u := report.NewUnknowns()
	seen := false
	err = c.each(ctx, db, fs.Args(), offline.NewOutput(std.out), std, func(o *event.Observation) {
		seen = true
		u.Observe(o)
	})
	if !seen {
		return err
	}
	_, writing := io.Copy(std.out, bytes.NewReader(u.Text()))
	return errors.Join(err, writing)
}
