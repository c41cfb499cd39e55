package daemon

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/mxprint/mxprint/event"
	"github.com/mxprint/mxprint/internal/report"
	"github.com/mxprint/mxprint/internal/test/lab"
)

// TestLogReopens: after a rename and SIGUSR1 lines go to a new file, and none
// is lost; where there can be none, the old file stays.
func TestLogReopens(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "logs")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "p0f.log")
	l, err := OpenLog(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	write := func(s string) {
		t.Helper()
		if _, err := io.WriteString(l, s); err != nil {
			t.Fatal(err)
		}
	}
	holds := func(name, want string) {
		t.Helper()
		if got, err := os.ReadFile(name); err != nil || string(got) != want {
			t.Errorf("%s holds %q, %v, want %q", filepath.Base(name), got, err, want)
		}
	}
	write("one\n")
	if err := l.reopen(); err != nil {
		t.Errorf("reopening the same file: %v", err)
	}
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	write("two\n")

	m := new(monitor)
	m.reopened(errors.New("as of an earlier time"))
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	ch := make(chan os.Signal, 1)
	signal.Notify(ch, syscall.SIGUSR1)
	defer signal.Stop(ch)
	go func() { ended <- reopens(slog.New(slog.DiscardHandler), ch, m.reopened, l)(ctx) }()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(time.Millisecond) {
		// The task may not listen yet.
		if _, err := os.Stat(path); err == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the log is not reopened")
		}
		raise(t)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if m.logFault != "" {
		t.Errorf("the fault of earlier stays: %s", m.logFault)
	}
	write("three\n")
	holds(path+".1", "one\ntwo\n")
	holds(path, "three\n")

	if err := os.Rename(dir, dir+".away"); err != nil {
		t.Fatal(err)
	}
	again := make(chan os.Signal, 1)
	again <- syscall.SIGUSR1
	done, stop := context.WithCancel(context.Background())
	reopens(slog.New(slog.DiscardHandler), again, func(err error) { m.reopened(err); stop() }, l)(done)
	if !strings.Contains(m.logFault, path) {
		t.Errorf("a log in a folder that is gone was opened, or the fault does not name it: %q", m.logFault)
	}
	write("four\n")
	holds(filepath.Join(dir+".away", "p0f.log"), "three\nfour\n")
}

// raise sends SIGUSR1 to this process, which does not end of it.
func raise(t *testing.T) {
	t.Helper()
	ignored := make(chan os.Signal, 1)
	signal.Notify(ignored, syscall.SIGUSR1)
	defer signal.Stop(ignored)
	if err := syscall.Kill(os.Getpid(), syscall.SIGUSR1); err != nil {
		t.Fatal(err)
	}
	<-ignored
}

func TestIsNull(t *testing.T) {
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	file, err := os.Create(filepath.Join(t.TempDir(), "out"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if !isNull(null) || isNull(file) || isNull(io.Discard) {
		t.Errorf("isNull of the null device, a file and no file: %v, %v, %v", isNull(null), isNull(file), isNull(io.Discard))
	}
}

// TestLogCut: a line that a full disk cut is ended before the next one, unless
// the log goes on in another file. A pipe that is not read is as full.
func TestLogCut(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	l := &LogFile{path: filepath.Join(t.TempDir(), "p0f.log"), f: w}
	defer l.Close()
	text := []byte(strings.Repeat(strings.Repeat("x", 999)+"\n", 10_000))
	w.SetWriteDeadline(time.Now().Add(500 * time.Millisecond))
	n, err := l.Write(text)
	if err == nil || n == 0 || n%1000 == 0 {
		lab.Skip(t, fmt.Sprintf("this pipe takes %d bytes, %v", n, err))
	}
	if n, err := l.Write([]byte("one\n")); n != 0 || err == nil {
		t.Errorf("Write = %d, %v where there is no room, want 0 and an error", n, err)
	}
	got := make([]byte, n)
	io.ReadFull(r, got)
	w.SetWriteDeadline(time.Time{})
	for _, s := range []string{"two\n", "three\n"} {
		if n, err := l.Write([]byte(s)); n != len(s) || err != nil {
			t.Errorf("Write = %d, %v, want %d, nil", n, err, len(s))
		}
	}
	const want = "\ntwo\nthree\n"
	got = make([]byte, len(want))
	if io.ReadFull(r, got); string(got) != want {
		t.Errorf("behind the cut line is %q, want %q", got, want)
	}
	l.cut = true
	if err := l.reopen(); err != nil {
		t.Fatal(err)
	}
	l.Write([]byte("four\n"))
	if got, _ := os.ReadFile(l.path); string(got) != "four\n" {
		t.Errorf("the new file holds %q, want one line", got)
	}
}

// TestJSONCountsLost: lines that cannot be written are counted.
func TestJSONCountsLost(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		lab.Skip(t, "needs /dev/full: "+err.Error())
	}
	defer full.Close()
	l := report.NewJSON(full)
	for range 3 {
		l.Observe(&event.Observation{Module: event.MTU, MTU: 1500})
	}
	if lost, err := l.Flush(); lost != 3 || !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("Flush = %d, %v, want 3, %v", lost, err, syscall.ENOSPC)
	}
	if lost, err := l.Flush(); lost != 0 || err != nil {
		t.Errorf("the next Flush = %d, %v, want 0, nil", lost, err)
	}
}
