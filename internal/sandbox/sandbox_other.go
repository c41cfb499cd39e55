//go:build !linux

package sandbox

import (
	"errors"
	"fmt"
	"runtime"
	"syscall"
)

// FromFile is false: file capabilities are Linux's.
func FromFile() bool { return false }

// Become makes the process a user.
func (r *Rules) Become(u User) error {
	for _, step := range []struct {
		what string
		err  error
	}{
		{"groups", syscall.Setgroups(u.Groups)}, {"group", syscall.Setgid(u.GID)}, {"user", syscall.Setuid(u.UID)},
	} {
		if step.err != nil {
			return fmt.Errorf("setting the %s: %w", step.what, step.err)
		}
	}
	return nil
}

// Enter fails: what it does is Linux's.
func Enter(Rules) error {
	return fmt.Errorf("sandbox: %s has none that is used here: %w", runtime.GOOS, errors.ErrUnsupported)
}
