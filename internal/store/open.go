package store

import (
	"bytes"
	"cmp"
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	sqlite "modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// logSize is how far the write-ahead log may grow beside the file, in bytes: it
// is part of the bound.
func (c *Config) logSize() int64 { return min(16<<20, c.MaxSize/4) }

// pageSize is that of the file, in bytes.
const pageSize = 4096

// source names a file to the driver.
func source(path string, write bool) string {
	q := url.Values{"_pragma": {"busy_timeout(0)", "secure_delete(1)", "foreign_keys(0)", "temp_store(2)"}}
	if write {
		// A commit writes to the log and does not wait for the disk: what empties
		// the log does, in emptyLog.
		q["_pragma"] = append(q["_pragma"], fmt.Sprintf("page_size(%d)", pageSize), "journal_mode(WAL)", "synchronous(NORMAL)",
			"wal_autocheckpoint(0)", "cache_size(-16384)") // a batch fits
	} else {
		q["_pragma"] = append(q["_pragma"], "query_only(1)", "cache_size(-4096)")
	}
	return "file:" + (&url.URL{Path: path}).EscapedPath() + "?" + q.Encode()
}

// open opens the file, or sets it aside and makes another.
func (s *Store) open(update *updating) error {
	db, err := openFile(s.cfg.Path, update)
	if isDamage(err) {
		if err = s.setAside(err); err == nil {
			db, err = openFile(s.cfg.Path, update)
		}
	}
	if err == nil {
		if err = s.begin(db); err != nil {
			db.close()
		}
	}
	return err
}

// openTime is how long another process may keep the file locked at the start.
const openTime = 5 * time.Second

func openFile(path string, update *updating) (*database, error) {
	ctx, cancel := context.WithTimeout(context.Background(), openTime)
	defer cancel()
	if st, err := os.Lstat(path); err == nil && !st.Mode().IsRegular() {
		return nil, errNotFile
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	file, err := f.Stat()
	if err == nil {
		err = isForeign(f, file.Size())
	}
	f.Close()
	if err != nil {
		return nil, err
	}
	d := &database{file: file}
	for _, pool := range []struct {
		to    **sql.DB
		write bool
		conns int
	}{{&d.write, true, 1}, {&d.read, false, 4}, {&d.log, true, 1}} {
		if *pool.to, err = sql.Open("sqlite", source(path, pool.write)); err != nil {
			d.close()
			return nil, err
		}
		(*pool.to).SetMaxOpenConns(pool.conns)
		(*pool.to).SetMaxIdleConns(pool.conns)
	}
	if err = d.check(ctx, update); err == nil && !d.older {
		err = d.prepare(ctx)
	}
	if err != nil {
		d.close()
		return nil, err
	}
	return d, nil
}

// prepare parses the statements that come often.
func (d *database) prepare(ctx context.Context) (err error) {
	d.ready = make(map[string]*sql.Stmt, len(often))
	for _, query := range often {
		if d.ready[query], err = d.write.PrepareContext(ctx, query); err != nil {
			return err
		}
	}
	if d.host, err = d.read.PrepareContext(ctx, selectHost); err == nil {
		d.count, err = d.read.PrepareContext(ctx, countName)
	}
	if err == nil {
		d.trait, err = d.read.PrepareContext(ctx, hasTrait)
	}
	return err
}

// isForeign looks for the mark of our files before anything is written (database
// file format, section 1.3: the application ID is at 68). A file of one page has
// no table yet.
func isForeign(f *os.File, size int64) error {
	head := make([]byte, 100)
	_, err := f.ReadAt(head, 0)
	switch isDatabase := bytes.HasPrefix(head, []byte("SQLite format 3\x00")); {
	case !isDatabase && size%pageSize != 0: // not even a damaged one of ours: setting it aside would take it away
		return errNoDatabase
	case err != nil || size <= pageSize || !isDatabase:
		return nil
	}
	if binary.BigEndian.Uint32(head[68:]) != application {
		return errForeign
	}
	return nil
}

// Try returns why Open would not take the file that is there, without a change to
// it. That it is damaged or locked is no reason.
func Try(path string) error {
	st, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err == nil && !st.Mode().IsRegular() {
		err = errNotFile
	}
	if err != nil {
		return err
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := isForeign(f, st.Size()); err != nil {
		return fmt.Errorf("store %s: %w", path, err)
	}
	return nil
}

// check brings the schema up to date and looks whether the file is sound: all of
// a small one, of a larger one what is read at a start anyway.
func (d *database) check(ctx context.Context, update *updating) error {
	conn, err := d.write.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := migrate(ctx, conn, update); err == errOlder {
		d.older = true
		return nil
	} else if err != nil {
		return err
	}
	if d.file.Size() > 64<<20 {
		return nil
	}
	var word string
	if err := conn.QueryRowContext(ctx, "PRAGMA quick_check(1)").Scan(&word); err != nil {
		return err
	}
	if word != "ok" {
		return fmt.Errorf("%w: %s", errDamaged, word)
	}
	return nil
}

// begin goes on with what the file has. Connections that cannot be written yet, because
// the file is locked or of an older version, get their numbers after those of the file.
func (s *Store) begin(db *database) error {
	ctx := context.Background()
	most := (s.cfg.MaxSize - s.cfg.logSize()) / pageSize
	if _, err := db.write.ExecContext(ctx, fmt.Sprintf("PRAGMA max_page_count = %d; PRAGMA journal_size_limit = %d", most, s.cfg.logSize()/4)); err != nil {
		return err
	}
	var last sql.NullInt64
	if err := db.write.QueryRowContext(ctx, "SELECT max(id) FROM connection").Scan(&last); err != nil {
		return err
	}
	s.mu.Lock()
	s.nextID = max(s.nextID, last.Int64+1)
	s.mu.Unlock()
	seed, err := keepNumber(ctx, db.write, "seed", int64(s.seed))
	if err != nil {
		return err
	}
	s.mu.Lock()
	s.seed = uint64(seed)
	s.mu.Unlock()
	if db.older {
		return errOlder
	}
	s.mu.Lock()
	s.hosts.Clear()
	s.traits.Clear()
	s.mu.Unlock()
	s.db.Store(db)
	s.breaker.reset()
	return nil
}

// keepNumber returns a number of the file, which is set first if it is not there.
func keepNumber(ctx context.Context, db *sql.DB, name string, value int64) (int64, error) {
	err := db.QueryRowContext(ctx, "SELECT value FROM meta WHERE name = ?", name).Scan(&value)
	if errors.Is(err, sql.ErrNoRows) {
		_, err = db.ExecContext(ctx, "INSERT INTO meta (name, value) VALUES (?, ?)", name, value)
	}
	return value, err
}

func (s *Store) close() { s.db.Swap(nil).close() }

// setAside renames a damaged file, over the one that was set aside before: a file
// that is damaged again and again does not fill the disk.
func (s *Store) setAside(reason error) error {
	to := s.cfg.Path + ".damaged"
	for _, end := range []string{"", "-wal", "-shm"} {
		err := os.Rename(s.cfg.Path+end, to+end)
		if errors.Is(err, fs.ErrNotExist) {
			if err = os.Remove(to + end); errors.Is(err, fs.ErrNotExist) {
				err = nil
			}
		}
		if err != nil {
			return fmt.Errorf("it is damaged (%w) and cannot be set aside: %w", reason, err)
		}
	}
	s.asides.Add(1)
	s.mu.Lock()
	s.aside = fmt.Sprintf("%s: %v", filepath.Base(to), reason)
	s.mu.Unlock()
	s.log.Error("the store was damaged and is begun again; the damaged file is kept", "store", s.cfg.Path, "kept", to, "reason", reason)
	return nil
}

// moved reports that the file is not the one that is open: removed, or replaced.
func (d *database) moved(path string) bool {
	now, err := os.Stat(path)
	return errors.Is(err, fs.ErrNotExist) || err == nil && !os.SameFile(now, d.file)
}

var (
	errDamaged = errors.New("it is damaged")
	errNotFile = errors.New("it is not a file")

	errNoDatabase = errors.New("it is no database, but another file (name another path)")
)

// code is SQLite's primary result code of an error, 0 if it has none.
func code(err error) int {
	var e *sqlite.Error
	if errors.As(err, &e) {
		return e.Code() & 0xff
	}
	return 0
}

func isDamage(err error) bool {
	c := code(err)
	return errors.Is(err, errDamaged) || c == sqlite3.SQLITE_CORRUPT || c == sqlite3.SQLITE_NOTADB || c == sqlite3.SQLITE_FORMAT ||
		c == sqlite3.SQLITE_ERROR && err != nil && strings.Contains(err.Error(), "no such")
}

// isFatal reports an error that does not go away by itself: somebody chose the
// wrong file.
func isFatal(err error) bool {
	return errors.Is(err, errForeign) || errors.Is(err, errNewer) || errors.Is(err, errNotFile) || errors.Is(err, errNoDatabase) ||
		errors.Is(err, fs.ErrPermission) || errors.Is(err, fs.ErrNotExist)
}

// words puts an error into words for a status.
func words(err error) error {
	switch code(err) {
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED:
		return errors.New("another process has locked it")
	case sqlite3.SQLITE_FULL:
		return errors.New("it is full, or its disk is")
	case sqlite3.SQLITE_IOERR:
		return fmt.Errorf("its disk fails: %w", err)
	case sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN:
		return fmt.Errorf("it cannot be written: %w", err)
	}
	return cmp.Or(err, errors.New("unknown"))
}
