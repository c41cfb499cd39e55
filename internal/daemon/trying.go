package daemon

import (
	"context"
	"fmt"
	"io"

	"github.com/mxprint/mxprint/internal/config"
	"github.com/mxprint/mxprint/internal/view"
)

// Trying is mxprint check: what a configuration would do, for people.
type Trying struct {
	User     string // to check as; empty: that of the process
	Write    bool   // open everything, too
	Relay    bool   // ask the mail server behind [proxy] whether it would relay
	Out, Err io.Writer
}

// Run checks a configuration and prints what serve would do. status is the exit
// status of the check as another user, which has reported what is wrong.
func (k *Trying) Run(ctx context.Context, c *config.Config) (status int, err error) {
	if k.User != "" {
		return k.asUser(c)
	}
	s, err := Load(c)
	if err != nil {
		return 0, err
	}
	out, errs := view.Cleaner(k.Out), view.Cleaner(k.Err)
	for _, w := range s.Warnings() {
		fmt.Fprintln(errs, "mxprint: warning:", w)
	}
	for _, err := range s.Late() {
		fmt.Fprintf(errs, "mxprint: warning: %v: serve waits for it\n", err)
	}
	if k.Write {
		if err := s.Try(NewLogger(k.Err)); err != nil {
			return 0, err
		}
	}
	fmt.Fprint(out, s.Describe(s.Count()))
	if !k.Relay {
		return 0, nil
	}
	refusal, err := s.AskRelay(ctx)
	if err == nil {
		fmt.Fprintf(out, "relay      refused: %s\n", refusal)
	}
	return 0, err
}

// asUser runs the check again as another user.
func (k *Trying) asUser(c *config.Config) (status int, err error) {
	args := []string{"check"}
	if k.Write {
		args = append(args, "-write")
	}
	if k.Relay {
		args = append(args, "-relay")
	}
	if path := c.Path(); path != "" {
		args = append(args, "-config", path)
	}
	if status, err = AsUser(c, k.User, args, k.Out, k.Err); err != nil {
		err = fmt.Errorf("check: -user: %w", err)
	}
	return status, err
}
