package lab

import (
	"errors"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestEventually(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		Eventually(t, func() error {
			if time.Since(begun) < 10*time.Second {
				return errors.New("not yet")
			}
			return nil
		})
		if took := time.Since(begun); took > 10*time.Second+50*time.Millisecond {
			t.Errorf("it took %v, want 10 s", took)
		}
	})
}

// A failing records what Eventually fails with.
type failing struct {
	testing.TB
	reason string
}

func (*failing) Helper() {}

func (f *failing) Fatalf(format string, args ...any) {
	f.reason = args[len(args)-1].(error).Error()
	runtime.Goexit()
}

func TestEventuallyFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &failing{TB: t}
		done := make(chan struct{})
		go func() {
			defer close(done)
			Eventually(f, func() error { return errors.New("never") })
		}()
		<-done
		if !strings.Contains(f.reason, "never") {
			t.Errorf("it failed with %q, want the last error", f.reason)
		}
	})
}
