package daemon

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/mxprint/mxprint/engine"
	"github.com/mxprint/mxprint/internal/inherit"
	"github.com/mxprint/mxprint/internal/signature"
	"github.com/mxprint/mxprint/internal/status"
)

// How long it may take to write what the engine knows: while clients wait for the
// next program, and at the end, where systemd waits for 90 s by default.
const (
	rememberTime = 3 * time.Second
	stopTime     = 20 * time.Second
)

// memory is the file in which hosts and connections are kept while no sensor
// runs.
type memory struct {
	folder *os.Root // also after the process has become a user in a chroot
	path   string
	log    *slog.Logger
}

// openMemory opens the place where the engine's hosts and connections are kept.
func (o *opener) openMemory() {
	path, e := o.Limits.StateFile(), o.in.engine
	if e == nil {
		return
	}
	if o.trial != nil {
		if o.Limits.State != "" && path != "" {
			o.fail("limits.state", "state", cmp.Or(tryReplace(path), o.own(path)))
		}
		return
	}
	o.process.Remember = remember(e)
	if path == "" {
		return
	}
	folder, err := os.OpenRoot(filepath.Dir(path))
	if err != nil {
		if o.Limits.State != "" {
			o.fail("limits.state", "state", err)
			return
		}
		o.log.Warn("a stop will forget all hosts", "reason", err)
		return
	}
	o.close(folder)
	if err := tryReplace(path); err != nil {
		o.log.Warn("a stop will forget all hosts", "reason", err) // unless it is mended until then
		if errors.Is(err, signature.ErrNotRegular) {
			return // /dev/null is not replaced, and several sensors may name it
		}
	}
	if err := o.own(path); err != nil {
		if o.Limits.State != "" {
			o.fail("limits.state", "state", err)
			return
		}
		o.log.Warn("a stop will forget all hosts", "reason", err)
		return
	}
	o.memory = &memory{folder, path, o.log}
}

// restore gives the engine the hosts and connections of an earlier process.
func (o *opener) restore() {
	e := o.in.engine
	if e == nil {
		return
	}
	o.in.monitor.restored = restoreInherited(e, o.process, o.log)
	if o.memory != nil && !o.process.Resumed() { // what a process left that ended before is older
		o.in.monitor.restored = o.memory.restore(e)
	}
}

// remember makes an inherit.Process's Remember.
func remember(e *engine.Engine) func(io.Writer) (func(), error) {
	return func(w io.Writer) (func(), error) { return e.Save(until(w, rememberTime)) }
}

// restoreInherited restores what the process that executed this one wrote.
func restoreInherited(e *engine.Engine, p *inherit.Process, log *slog.Logger) *status.Restored {
	f := p.Memory()
	if f == nil {
		return nil
	}
	defer f.Close()
	return restore(e, f, "the process before", log)
}

func restore(e *engine.Engine, f *os.File, from string, log *slog.Logger) *status.Restored {
	begin := time.Now()
	got, err := e.Restore(f)
	if err != nil {
		log.Warn("what the sensor before knew is not used, hosts are learned again", "from", from, "reason", err)
		return nil
	}
	if got.SetBack > time.Second {
		log.Warn("the clock was set back since the sensor before ended: the ages of its hosts go on from there", "by", got.SetBack)
	}
	log.Info("restored what the sensor before knew", "from", from, "hosts", got.Hosts, "connections", got.Conns,
		"age", got.Age.Round(time.Millisecond), "took", time.Since(begin).Round(time.Millisecond))
	return &status.Restored{Hosts: got.Hosts, Connections: got.Conns, Age: got.Age.Seconds()}
}

// restore reads the file, if there is one.
func (m *memory) restore(e *engine.Engine) *status.Restored {
	f, err := m.folder.OpenFile(filepath.Base(m.path), os.O_RDONLY|syscall.O_NONBLOCK, 0) // a FIFO must not hold up the start
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		defer f.Close()
		err = isOwn(f)
	}
	if err != nil {
		m.log.Warn("what the sensor before knew is not used, hosts are learned again", "from", m.path, "reason", err)
		return nil
	}
	return restore(e, f, m.path, m.log)
}

// isOwn refuses what is no file, or others may have written.
func isOwn(f *os.File) error {
	st, err := f.Stat()
	switch {
	case err != nil:
		return err
	case !st.Mode().IsRegular():
		return errors.New("it is not a file")
	case st.Mode().Perm()&0o022 != 0:
		return fmt.Errorf("its mode is %04o: others may have written it (chmod 600)", st.Mode().Perm())
	}
	return nil
}

// save writes the file, in one step.
func (m *memory) save(e *engine.Engine) {
	if m == nil {
		return
	}
	begin := time.Now()
	if err := m.write(e); err != nil {
		m.log.Warn("the next sensor will not know the hosts that this one knows", "file", m.path, "reason", err)
		return
	}
	m.log.Info("wrote what the next sensor is to know", "file", m.path, "took", time.Since(begin).Round(time.Millisecond))
}

func (m *memory) write(e *engine.Engine) error {
	name := filepath.Base(m.path)
	part := "." + name + ".new"
	if st, err := m.folder.Lstat(name); err == nil && st.Mode().Type()&^fs.ModeSymlink != 0 {
		return errors.New("it is not a file") // to replace it could be the end of /dev/null
	}
	if err := m.folder.Remove(part); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := m.folder.OpenFile(part, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	resume, err := e.Save(until(f, stopTime))
	resume()
	if err = errors.Join(err, f.Close()); err == nil {
		err = m.folder.Rename(part, name)
	}
	if err != nil {
		m.folder.Remove(part)
	}
	return err
}

// until makes a writer that fails when its time is over.
func until(w io.Writer, limit time.Duration) io.Writer {
	return &limitedWriter{w, limit, time.Now().Add(limit)}
}

type limitedWriter struct {
	w     io.Writer
	limit time.Duration
	end   time.Time
}

func (l *limitedWriter) Write(b []byte) (int, error) {
	if time.Now().After(l.end) {
		return 0, fmt.Errorf("it takes longer than %v", l.limit)
	}
	return l.w.Write(b)
}
