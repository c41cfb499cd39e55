package export

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"
)

// The spool is a folder of batches that ClickHouse has not taken yet. It is
// bounded: of more the oldest batch is dropped. Where its disk is full the oldest
// is dropped as well, and if nothing is left, what came last.
//
// No file is synced: after kill -9 all is there that was written, after a crash of
// the machine the batches of its last half minute may be cut or gone. What ends
// in the middle is found by its checksum.

// spool keeps batches. Safe for concurrent use.
type spool struct {
	dir  string
	max  int64
	now  func() time.Time
	log  *slog.Logger
	lock *os.File

	mu      sync.Mutex
	open    [tables]*filling
	entries []entry // the oldest first
	last    int64   // time in the last name
	size    int64
	rows    int // waiting, the open batches included
	fault   error
	dropped struct{ full, disk, damaged uint64 } // rows
	sending int64                                // the time in the name of the batch that is being sent, which is not dropped; 0: none
}

// filling is a batch that rows are added to.
type filling struct {
	entry
	f     *os.File
	began time.Time
}

// openSpool opens a folder, which it makes if it does not exist, and locks it. It
// closes the batches that an earlier process has left open.
func openSpool(dir string, most int64, now func() time.Time, log *slog.Logger) (*spool, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	lock, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_RDWR|os.O_CREATE|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		lock.Close()
		return nil, fmt.Errorf("spool %s: another process uses it", dir)
	}
	s := &spool{dir: dir, max: most, now: now, log: log, lock: lock}
	if err := s.read(); err != nil {
		lock.Close()
		return nil, err
	}
	return s, nil
}

// read finds what is in the folder.
func (s *spool) read() error {
	list, err := os.ReadDir(s.dir)
	if err != nil {
		return err
	}
	for _, item := range list {
		f, ok := parseName(item.Name())
		if !ok || !item.Type().IsRegular() {
			continue
		}
		if st, err := item.Info(); err == nil {
			f.size = st.Size()
		}
		s.last = max(s.last, f.at)
		if f.kind == openBatch && !s.recover(&f) {
			continue
		}
		s.entries = append(s.entries, f)
		s.size += f.size
		s.rows += f.rows
	}
	slices.SortFunc(s.entries, func(a, b entry) int { return cmp.Compare(a.at, b.at) })
	return nil
}

// recover closes a batch of an earlier process, as far as it is good. It reports
// whether anything is left.
func (s *spool) recover(f *entry) bool {
	path := s.path(f)
	batch, err := readBatch(path)
	if err != nil {
		s.log.Warn("a batch of history cannot be read", "file", path, "reason", err)
		return false
	}
	good, rows, fault := scan(batch, nil)
	if fault != nil {
		s.log.Info("the end of a batch of history is missing", "file", path, "rows", rows, "bytes", len(batch)-good, "reason", fault)
	}
	if rows == 0 {
		os.Remove(path)
		return false
	}
	if err := os.Truncate(path, int64(good)); err != nil {
		s.log.Warn("a batch of history cannot be mended", "file", path, "reason", err)
		return false
	}
	f.kind, f.rows, f.size = closedBatch, rows, int64(good)
	if err := os.Rename(path, s.path(f)); err != nil {
		s.log.Warn("a batch of history cannot be renamed", "file", path, "reason", err)
		return false
	}
	return true
}

// readBatch reads a file, unless it is larger than any of ours.
func readBatch(path string) ([]byte, error) {
	st, err := os.Lstat(path)
	if err != nil {
		return nil, err
	}
	if !st.Mode().IsRegular() || st.Size() > maxBatch {
		return nil, fmt.Errorf("%s: not a file of at most %d MiB", path, maxBatch>>20)
	}
	return os.ReadFile(path)
}

func (s *spool) path(f *entry) string { return filepath.Join(s.dir, f.name()) }

// stamp is the time of a new name.
func (s *spool) stamp() int64 {
	s.last = max(s.last+1, s.now().UnixMicro())
	return s.last
}

// close closes all files and gives up the lock.
func (s *spool) close() error {
	s.closeBatches(0, true)
	return s.lock.Close()
}

// add writes rows to the batch of their table. What cannot be written is dropped
// and counted.
func (s *spool) add(t Table, lines []byte, rows int) {
	member := compress(lines)
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		err := s.write(t, member, rows)
		if s.fault = err; err == nil {
			break
		}
		if !errors.Is(err, syscall.ENOSPC) && !errors.Is(err, syscall.EDQUOT) || !s.dropOldest(&s.dropped.disk) {
			s.dropped.disk += uint64(rows)
			return
		}
	}
	if of := s.open[t]; of.size >= fullBatch || of.rows >= fullRows || s.size > s.max {
		s.finish(t)
	}
	for s.size > s.max && s.dropOldest(&s.dropped.full) {
	}
}

// write appends a member to the batch of a table, all or nothing.
func (s *spool) write(t Table, member []byte, rows int) error {
	of := s.open[t]
	if of == nil {
		of = &filling{entry: entry{at: s.stamp(), table: t, kind: openBatch}, began: s.now()}
		f, err := os.OpenFile(s.path(&of.entry), os.O_WRONLY|os.O_CREATE|os.O_EXCL|syscall.O_NOFOLLOW, 0o600)
		if err != nil {
			return err
		}
		of.f = f
		s.open[t] = of
	}
	if _, err := of.f.WriteAt(member, of.size); err != nil {
		if cut := of.f.Truncate(of.size); cut != nil || of.rows == 0 {
			s.finish(t)
		}
		return err
	}
	of.size += int64(len(member))
	of.rows += rows
	s.size += int64(len(member))
	s.rows += rows
	return nil
}

// closeBatches closes the batches that have been filled for a time, or all, and
// reports whether any is to be sent.
func (s *spool) closeBatches(after time.Duration, all bool) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for t, of := range s.open {
		if of != nil && (all || s.now().Sub(of.began) >= after) {
			s.finish(Table(t))
		}
	}
	return len(s.entries) > 0
}

// finish closes a batch: it may be sent now.
func (s *spool) finish(t Table) {
	of := s.open[t]
	s.open[t] = nil
	of.f.Close()
	old := s.path(&of.entry)
	if of.rows == 0 {
		os.Remove(old)
		return
	}
	of.kind = closedBatch
	if err := os.Rename(old, s.path(&of.entry)); err != nil {
		s.fault = err
		s.forgetEntry(&of.entry, &s.dropped.disk)
		return
	}
	at, _ := slices.BinarySearchFunc(s.entries, of.at, func(f entry, at int64) int { return cmp.Compare(f.at, at) })
	s.entries = slices.Insert(s.entries, at, of.entry)
}

// dropOldest drops the oldest batch that is not being sent, and reports whether
// there was one.
func (s *spool) dropOldest(count *uint64) bool {
	for i, f := range s.entries {
		if f.kind != closedBatch || f.at == s.sending {
			continue
		}
		if err := os.Remove(s.path(&f)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			s.fault = err
			return false
		}
		s.entries = slices.Delete(s.entries, i, i+1)
		s.forgetEntry(&f, count)
		return true
	}
	return false
}

// forgetEntry counts a batch as gone, its rows as dropped where count is not nil.
func (s *spool) forgetEntry(f *entry, count *uint64) {
	s.size -= f.size
	s.rows -= f.rows
	if count != nil {
		*count += uint64(f.rows)
	}
}

// next returns the oldest entry that waits, and what is in it: of a batch what is
// good. It is not dropped until done.
func (s *spool) next() (f entry, body []byte, ok bool) {
	for {
		s.mu.Lock()
		if len(s.entries) == 0 {
			s.sending = 0
			s.mu.Unlock()
			return f, nil, false
		}
		f = s.entries[0]
		s.sending = f.at
		s.mu.Unlock()
		body, err := readBatch(s.path(&f))
		if f.kind == forgetting && err == nil {
			return f, body, true
		}
		good, rows := 0, 0
		if err == nil {
			good, rows, err = scan(body, nil)
		}
		if err != nil || rows != f.rows {
			s.log.Warn("a batch of history is damaged", "file", s.path(&f), "rows", f.rows, "good", rows, "reason", err)
			s.mu.Lock()
			s.dropped.damaged += uint64(max(f.rows-rows, 0))
			s.mu.Unlock()
		}
		if rows > 0 {
			return f, body[:good], true
		}
		s.done(&f)
	}
}

// done removes an entry.
func (s *spool) done(f *entry) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sending = 0
	i := slices.IndexFunc(s.entries, func(e entry) bool { return e.at == f.at })
	if i < 0 {
		return
	}
	if err := os.Remove(s.path(&s.entries[i])); err != nil && !errors.Is(err, fs.ErrNotExist) {
		s.fault = err // it is sent again after a restart, and is one row of an id
	}
	s.forgetEntry(&s.entries[i], nil)
	s.entries = slices.Delete(s.entries, i, i+1)
}

// put adds an entry that is no batch.
func (s *spool) put(body []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := entry{at: s.stamp(), kind: forgetting, size: int64(len(body))}
	if err := os.WriteFile(s.path(&f), body, 0o600); err != nil {
		os.Remove(s.path(&f))
		return err
	}
	s.entries = append(s.entries, f)
	s.size += f.size
	return nil
}

// rewrite replaces the batches that have lines which keep does not keep. No batch
// is being sent meanwhile.
func (s *spool) rewrite(keep func(line []byte) bool) (removed int, err error) {
	s.closeBatches(0, true)
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := 0; i < len(s.entries); i++ {
		f := &s.entries[i]
		if f.kind != closedBatch {
			continue
		}
		n, err := s.rewriteOne(f, keep)
		if err != nil {
			return removed, err
		}
		removed += n
		if f.rows == 0 {
			s.entries = slices.Delete(s.entries, i, i+1)
			i--
		}
	}
	return removed, nil
}

func (s *spool) rewriteOne(f *entry, keep func(line []byte) bool) (removed int, err error) {
	old := s.path(f)
	body, err := readBatch(old)
	if err != nil {
		return 0, err
	}
	var kept []byte
	_, rows, fault := scan(body, func(lines []byte) error {
		var some []byte
		for line := range bytes.Lines(lines) {
			if keep(line) {
				some = append(some, line...)
			}
		}
		if len(some) > 0 {
			kept = append(kept, compress(some)...)
		}
		return nil
	})
	left := 0
	if len(kept) > 0 {
		_, left, _ = scan(kept, nil)
	}
	if removed = rows - left; removed == 0 && fault == nil {
		return 0, nil
	}
	s.forgetEntry(f, nil)
	if f.rows = left; left > 0 {
		f.size = int64(len(kept))
		if err := os.WriteFile(s.path(f), kept, 0o600); err != nil {
			return removed, err
		}
		s.size += f.size
		s.rows += f.rows
		if s.path(f) == old {
			return removed, nil
		}
	}
	return removed, os.Remove(old)
}
