package main

import (
	"context"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// TestLogReopens: after a rename and SIGUSR1 lines go to a new file, and none
// is lost; where there can be none, the old file stays.
func TestLogReopens(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "logs")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "p0f.log")
	l, err := openLog(path)
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

	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- reopens(slog.New(slog.DiscardHandler), l)(ctx) }()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(time.Millisecond) {
		// The task may not listen yet.
		if _, err := os.Stat(path); err == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the log is not opened anew")
		}
		raise(t)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	write("three\n")
	holds(path+".1", "one\ntwo\n")
	holds(path, "three\n")

	if err := os.Rename(dir, dir+".away"); err != nil {
		t.Fatal(err)
	}
	if err := l.reopen(); err == nil {
		t.Error("a log in a folder that is gone was opened")
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
