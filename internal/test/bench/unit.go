//go:build linux

package main

import (
	"errors"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

const unit = "contrib/systemd/mxprint-proxy.conf"

var slackLine = regexp.MustCompile(`(?m)^TimerSlackNSec=(\d+ms)$`)

// startAsUnit starts a program with the timer slack of the proxy's unit, as systemd
// does, ours or another: a program inherits that of the thread that starts it.
func startAsUnit(cmd *exec.Cmd) error {
	text, err := os.ReadFile(unit)
	if err != nil {
		return err
	}
	line := slackLine.FindSubmatch(text)
	if line == nil {
		return errors.New(unit + " has no TimerSlackNSec=")
	}
	slack, err := time.ParseDuration(string(line[1]))
	if err != nil {
		return err
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := unix.Prctl(unix.PR_SET_TIMERSLACK, uintptr(slack), 0, 0, 0); err != nil {
		return err
	}
	defer unix.Prctl(unix.PR_SET_TIMERSLACK, 0, 0, 0, 0) // the default
	return cmd.Start()
}
