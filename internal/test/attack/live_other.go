//go:build !linux

package main

import (
	"context"
	"errors"
)

const liveCommand = "live"

var errLinux = errors.New("it needs Linux")

func (t *table) live(context.Context) { t.failed("floods of a running sensor", errLinux) }

func liveFlood([]string) error { return errLinux }
