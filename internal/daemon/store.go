package daemon

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/mxprint/mxprint/event"
	"github.com/mxprint/mxprint/internal/front/milter"
	"github.com/mxprint/mxprint/internal/serve"
	"github.com/mxprint/mxprint/internal/status"
	"github.com/mxprint/mxprint/internal/store"
	"github.com/mxprint/mxprint/internal/verdict"
)

// openStore opens the memory that lasts, if there is to be one. A store that
// cannot be opened now is tried again later; only a wrong path is an error.
func (o *opener) openStore() {
	c := &o.Store
	if c.Path == "" {
		return
	}
	if o.trial != nil {
		made, err := makeAll(filepath.Dir(c.Path))
		o.fail("store.path", "store", cmp.Or(err, store.Try(c.Path), tryReplace(c.Path), o.own(c.Path)))
		removeAll(made)
		return
	}
	if err := makeFolder(c.Path, o.user); err != nil {
		o.fail("store.path", "store", err)
		return
	}
	if err := o.own(c.Path); err != nil {
		o.fail("store.path", "store", err)
		return
	}
	cfg := store.Config{Path: c.Path, MaxSize: int64(c.SizeMiB) << 20, MaxAge: c.Age, Marks: c.IDAge, Logger: o.log}
	if o.exporter != nil {
		cfg.Judged = o.exporter.Judged
	}
	s, err := store.Open(cfg)
	if err != nil {
		o.fail("store.path", "store", err)
		return
	}
	for _, path := range s.Files() {
		if err := o.user.giveFile(path); err != nil {
			o.fail("store.path", "store", err)
		}
	}
	o.store = s
}

// giveFile makes a file the user's, if it is there. It does not open it: to close
// it would drop the locks that SQLite has on it (fcntl(2), "Advisory record
// locking"), and the next reader of the store would remove the log that is in use.
func (a *account) giveFile(path string) error {
	if a == nil {
		return nil
	}
	if err := os.Lchown(path, a.uid, a.gid); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// remember has the answers of the sensor pass through the stores, and adds their
// tasks. Whatever becomes of them, the answers go on.
func (o *opener) remember() {
	own := o.in.who
	o.share()
	s := o.store
	if s == nil {
		return
	}
	s.Who = own
	o.in.who = &store.Lookuper{Who: o.in.who, Store: s}
	o.in.monitor.store = s
	o.tasks = append(o.tasks, without(o.log, "the store", s.Run))
}

// takeVerdicts opens where verdicts are taken.
func (o *opener) takeVerdicts(m *monitor) {
	c := &o.Store
	if len(c.Listen)+len(c.Milter) == 0 || o.store == nil && o.shared == nil && o.trial == nil {
		return
	}
	server := &verdict.Server{Store: o.store, Forget: o.forgetting(), Logger: o.log}
	watched := m.front(status.Verdicts, 0)
	watched.counter, watched.stats = nil, func() serve.Stats { return server.Stats() }
	for _, at := range c.Listen {
		o.keepUp("store.listen", watched, at, func() (task, error) {
			ln, err := o.listen(at, c.Mode, nil)
			return func(ctx context.Context) error { return server.Serve(ctx, ln) }, err
		})
	}
	reader := &milter.Server{Logger: o.log, Read: &milter.Reading{
		Names: append(verdict.Headers(), o.Milter.Header),
		Mail:  server.Headers(o.Milter.Header),
	}}
	for _, at := range c.Milter {
		o.keepUp("store.milter", watched, at, func() (task, error) {
			ln, err := o.listen(at, c.Mode, nil)
			return func(ctx context.Context) error { return reader.Serve(ctx, ln) }, err
		})
	}
}

// ends has the store write a connection when its session ends.
type ends struct{ *store.Store }

// Observe implements event.Observer.
func (e ends) Observe(o *event.Observation) {
	if o.Module == event.SMTP {
		e.Completed(o.Client, o.Server)
	}
}

// Flush implements event.Observer: the store writes by itself.
func (ends) Flush() (int, error) { return 0, nil }
