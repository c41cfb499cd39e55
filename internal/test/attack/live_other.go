//go:build !linux

package main

import (
	"context"
	"errors"
)

const liveCommand = "live"

func live(context.Context) (bool, error) {
	return false, errors.New("floods of a running sensor need Linux")
}

func liveFlood(bool, int, string) error { return errors.New("needs Linux") }
