package daemon

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"syscall"

	"github.com/mxprint/mxprint/internal/serve"
)

// lineBurst is how many log lines of one kind are written in a second, whatever
// clients, networks and files do. Servers write fewer.
const lineBurst = 50

// NewLogger writes log lines as a command's other messages, to a terminal.
func NewLogger(w io.Writer) *slog.Logger {
	return newLogger(&lineHandler{prefix: named}, w, &slog.HandlerOptions{ReplaceAttr: withoutTime})
}

// NewServiceLogger writes the log of a daemon. Where w is the journal of systemd
// (JOURNAL_STREAM) a line begins with its priority (sd-daemon(3)), and has
// neither time nor name, which the journal adds; else it has both. The level may
// be changed later.
func NewServiceLogger(w io.Writer) (*slog.Logger, *slog.LevelVar) {
	level := new(slog.LevelVar)
	opt := &slog.HandlerOptions{Level: level}
	h := &lineHandler{prefix: named}
	if isJournal(w) {
		h.prefix, opt.ReplaceAttr = priority, withoutTime
	}
	return newLogger(h, w, opt), level
}

func newLogger(h *lineHandler, w io.Writer, opt *slog.HandlerOptions) *slog.Logger {
	h.w, h.mu, h.buf = w, new(sync.Mutex), new(bytes.Buffer)
	h.Handler = slog.NewTextHandler(h.buf, opt)
	return serve.Burst(slog.New(h), lineBurst)
}

// withoutTime leaves the time out.
func withoutTime(groups []string, a slog.Attr) slog.Attr {
	if len(groups) == 0 && a.Key == slog.TimeKey {
		return slog.Attr{}
	}
	return a
}

// lineHandler writes a text before each line, which depends on its level.
type lineHandler struct {
	slog.Handler // to buf
	prefix       func(slog.Level) string
	w            io.Writer
	mu           *sync.Mutex // guards buf and w
	buf          *bytes.Buffer
}

func (h *lineHandler) Handle(ctx context.Context, r slog.Record) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.buf.Reset()
	h.buf.WriteString(h.prefix(r.Level))
	if err := h.Handler.Handle(ctx, r); err != nil {
		return err
	}
	_, err := h.w.Write(h.buf.Bytes())
	return err
}

func (h *lineHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	more := *h
	more.Handler = h.Handler.WithAttrs(attrs)
	return &more
}

func (h *lineHandler) WithGroup(name string) slog.Handler {
	more := *h
	more.Handler = h.Handler.WithGroup(name)
	return &more
}

func named(slog.Level) string { return "mxprint: " }

// priority is the level as syslog has it (sd-daemon(3), SD_ERR and so on).
func priority(l slog.Level) string {
	switch {
	case l >= slog.LevelError:
		return "<3>"
	case l >= slog.LevelWarn:
		return "<4>"
	case l >= slog.LevelInfo:
		return "<6>"
	}
	return "<7>"
}

// isJournal reports whether w is the stream to the journal (systemd.exec(5),
// JOURNAL_STREAM).
func isJournal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	var st syscall.Stat_t
	if err := syscall.Fstat(int(f.Fd()), &st); err != nil {
		return false
	}
	return os.Getenv("JOURNAL_STREAM") == fmt.Sprintf("%d:%d", st.Dev, st.Ino)
}
