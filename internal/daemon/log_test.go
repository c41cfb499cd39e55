package daemon

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
)

// logged returns what a service logs, with JOURNAL_STREAM about its own file or
// not.
func logged(t *testing.T, journal bool) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "log")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var st syscall.Stat_t
	if err := syscall.Fstat(int(f.Fd()), &st); err != nil {
		t.Fatal(err)
	}
	t.Setenv("JOURNAL_STREAM", "1:1")
	if journal {
		t.Setenv("JOURNAL_STREAM", fmt.Sprintf("%d:%d", st.Dev, st.Ino))
	}
	log, level := NewServiceLogger(f)
	log.Debug("hidden")
	log.Info("started", "n", 1)
	log.With("front", "milter").Warn("slow")
	level.Set(slog.LevelError)
	log.Warn("hidden")
	log.Error("failed")
	level.Set(slog.LevelDebug)
	log.Debug("shown")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestF08Priorities: in the journal a line has its priority, and elsewhere its
// time and the program's name.
func TestF08Priorities(t *testing.T) {
	want := "<6>level=INFO msg=started n=1\n<4>level=WARN msg=slow front=milter\n<3>level=ERROR msg=failed\n<7>level=DEBUG msg=shown\n"
	if got := logged(t, true); got != want {
		t.Errorf("in the journal:\n%swant\n%s", got, want)
	}
	got := logged(t, false)
	for line := range strings.Lines(got) {
		if !regexp.MustCompile(`^mxprint: time=20\d\d-\d\d-\d\dT\S+ level=`).MatchString(line) {
			t.Errorf("elsewhere: %s", line)
		}
	}
	if strings.Count(got, "\n") != 4 || strings.Contains(got, "hidden") {
		t.Errorf("elsewhere:\n%s", got)
	}
}
