package lab

import (
	"testing"
	"time"
)

// Patience bounds every wait for what another process does. It is far above what
// anything takes: a test must not fail because the machine is busy.
const Patience = time.Minute

// Eventually calls check until it returns no error, and fails the test with the
// last one when Patience is over.
func Eventually(t testing.TB, check func() error) {
	t.Helper()
	pause := time.Millisecond
	for end := time.Now().Add(Patience); ; time.Sleep(pause) {
		err := check()
		if err == nil {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("after %v: %v", Patience, err)
		}
		pause = min(2*pause, 50*time.Millisecond)
	}
}
