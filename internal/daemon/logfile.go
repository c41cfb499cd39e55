package daemon

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"sync"
	"syscall"
)

// LogFile is a log of observations, which can be reopened under its name:
// logrotate renames it before. Write and reopen may come from any goroutine.
type LogFile struct {
	path string
	mu   sync.Mutex
	f    *os.File
	cut  bool // the last line of f, by a full disk
}

// OpenLog opens a log to append to, and locks it: two writers would mix their
// lines (p0f-v3.md §10.2). A file that is made is the user's.
func OpenLog(path string, user *account) (*LogFile, error) {
	_, err := os.Lstat(path)
	isNew := errors.Is(err, fs.ErrNotExist)
	f, err := lockedFile(path)
	if err != nil {
		return nil, err
	}
	if st, err := f.Stat(); isNew && err == nil && st.Size() == 0 {
		if err := user.give(f); err != nil {
			f.Close()
			return nil, fmt.Errorf("log: %w", err)
		}
	}
	return &LogFile{path: path, f: f}, nil
}

func lockedFile(path string) (*os.File, error) {
	f, err := appendable(path)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		by := owner(f)
		f.Close()
		return nil, fmt.Errorf("log %s: locked by %s", path, by)
	}
	return f, nil
}

func appendable(path string) (*os.File, error) {
	if st, err := os.Lstat(path); err == nil && !st.Mode().IsRegular() {
		return nil, fmt.Errorf("log %s: not a regular file", path)
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, fmt.Errorf("log: %w", err)
	}
	return f, nil
}

func (l *LogFile) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.cut { // what comes now would be behind half a line
		if _, err := l.f.Write([]byte("\n")); err != nil {
			return 0, err
		}
		l.cut = false
	}
	n, err := l.f.Write(p)
	l.cut = n > 0 && p[n-1] != '\n'
	return n, err
}

// reopen goes on in the file that has the name now, which it makes if there is
// none. On an error the old file stays.
func (l *LogFile) reopen() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	now, err := os.Lstat(l.path)
	if old, e := l.f.Stat(); err == nil && e == nil && os.SameFile(old, now) {
		return nil // our own lock would be in the way
	}
	f, err := lockedFile(l.path)
	if err != nil {
		return err
	}
	l.f.Close()
	l.f, l.cut = f, false
	return nil
}

func (l *LogFile) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.f.Close()
}

// reopens returns the task that opens logs again at every SIGUSR1, which comes by
// ch, and calls done with what went wrong.
func reopens(log *slog.Logger, ch <-chan os.Signal, done func(error), files ...*LogFile) task {
	return each(ch, func() {
		var errs []error
		defer func() { done(errors.Join(errs...)) }()
		for _, f := range files {
			if err := f.reopen(); err != nil {
				errs = append(errs, err)
				log.Error("the log cannot be reopened, the old file stays", "file", f.path, "reason", err)
				continue
			}
			log.Info("log reopened", "file", f.path)
		}
	})
}

// isNull reports whether what is written to w is thrown away.
func isNull(w io.Writer) bool {
	f, ok := w.(interface{ Stat() (os.FileInfo, error) })
	if !ok {
		return false
	}
	a, errA := f.Stat()
	b, errB := os.Stat(os.DevNull)
	return errA == nil && errB == nil && os.SameFile(a, b)
}
