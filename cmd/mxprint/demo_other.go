//go:build !linux

package main

import (
	"context"
	"errors"
	"io"
	"syscall"

	"github.com/mxprint/mxprint/note"
)

// The demonstration ends before any of these: savedsyn has no SYNs here.

func (s sender) tune(string, string, syscall.RawConn) error { return errors.ErrUnsupported }

func sendApart(context.Context, sender) (note.Note, error) {
	return note.Note{}, errors.ErrUnsupported
}

func demoApart(context.Context, []string, io.Writer) error { return errors.ErrUnsupported }
