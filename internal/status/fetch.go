package status

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"
)

// Asker gives a command to a sensor and returns the lines of its answer
// (query.Client).
type Asker interface {
	Command(ctx context.Context, name string) ([]byte, error)
}

// ErrUnknown is the error of Fetch when a sensor is there, or may be, and does
// not say how it is: it refuses, or is older than the command.
var ErrUnknown = errors.New("the sensor does not say how it is")

// Fetch asks a sensor how it is. refused is the error with which the Asker
// returns that it may not ask. A sensor that cannot be reached is Down, and so
// is one that gives no answer: that is a Status, and no error.
func Fetch(ctx context.Context, a Asker, refused error) (*Status, error) {
	text, err := a.Command(ctx, "status")
	switch {
	case errors.Is(err, fs.ErrPermission):
		return nil, fmt.Errorf("%w: %w; run it as root", ErrUnknown, err)
	case errors.Is(err, refused):
		return nil, fmt.Errorf("%w: %w", ErrUnknown, err)
	case err != nil:
		return &Status{Health: Down, Reasons: []string{noAnswer(err)}, Now: time.Now()}, nil
	}
	s := new(Status)
	if err := json.Unmarshal(text, s); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnknown, err)
	}
	return s, nil
}

// noAnswer says why no answer came, and what that usually means.
func noAnswer(err error) string {
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return "no answer in time, the sensor is stopped or overloaded: " + err.Error()
	case errors.Is(err, fs.ErrNotExist):
		return "no answer: " + err.Error() + "; no sensor runs, or its [query] listen names another socket (-s)"
	}
	return "no answer: " + err.Error()
}
