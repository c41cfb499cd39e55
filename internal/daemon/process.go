package daemon

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/mxprint/mxprint/internal/serve"
)

// lineBurst is how many log lines of one kind are written in a second, whatever
// clients, networks and files do. Servers write fewer.
const lineBurst = 50

// NewLogger writes log lines as the command's other messages to w.
func NewLogger(w io.Writer) *slog.Logger {
	return serve.Burst(slog.New(slog.NewTextHandler(prefixed{w}, &slog.HandlerOptions{
		ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
			if len(groups) == 0 && a.Key == slog.TimeKey {
				return slog.Attr{} // the service manager adds its own
			}
			return a
		},
	})), lineBurst)
}

// prefixed writes each log line after the command's name.
type prefixed struct{ w io.Writer }

func (p prefixed) Write(line []byte) (int, error) {
	_, err := fmt.Fprintf(p.w, "mxprint: %s", line)
	return len(line), err
}

// UntilSignal returns a context that ends at the first SIGINT, SIGTERM or,
// unless ignoreHup, SIGHUP. The second one ends the program at once.
func UntilSignal(ctx context.Context, ignoreHup bool) (context.Context, func()) {
	signals := []os.Signal{syscall.SIGINT, syscall.SIGTERM}
	if ignoreHup {
		signal.Ignore(syscall.SIGHUP)
	} else {
		signals = append(signals, syscall.SIGHUP)
	}
	signal.Ignore(syscall.SIGPIPE)
	ctx, cancel := context.WithCancel(ctx)
	ch := make(chan os.Signal, 2)
	signal.Notify(ch, signals...)
	go func() {
		select {
		case <-ch:
			cancel()
		case <-ctx.Done():
			return
		}
		<-ch
		os.Exit(1)
	}()
	return ctx, func() {
		signal.Stop(ch)
		cancel()
	}
}
