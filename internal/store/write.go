package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"time"

	sqlite3 "modernc.org/sqlite/lib"

	"github.com/mxprint/mxprint/note"
)

// Each connection changes some pages anywhere in the file, and all of them go to
// the log first. Where much waits larger batches change many of them once.
const (
	maxBatch      = 250
	mostBatch     = 1000
	perConnection = 16 << 10 // bytes of the log that one may take, so that a batch keeps within the bound
)

// writer is the one goroutine that writes.
type writer struct {
	s         *Store
	texts     Generations[string, int64] // ids of table text
	traits    Generations[string, int64] // when table trait had one last
	waitTill  time.Time                  // after a fault
	wait      time.Duration
	retained  time.Time
	recounted time.Time
	removing  bool        // there is too much: a slice of the oldest goes with each batch
	judged    []judgement // of this batch
	passes    []pass
	swept     int64 // id of table text up to which was looked for unused ones
	update    updating
}

// The time between attempts after a fault. A lock of a moment, as for a copy, is
// no loss: what waits is written within a second.
const (
	firstWait = 50 * time.Millisecond
	lastWait  = 30 * time.Second
)

// flush writes what is queued.
func (w *writer) flush() {
	for {
		batch, do := w.take()
		if len(batch) == 0 && do == nil {
			return
		}
		if do != nil {
			do.done <- w.with(func() error { return do.do(w) })
			continue
		}
		if err := w.with(func() error { return w.write(batch) }); err != nil {
			w.back(batch)
			return
		}
		w.checkpoint()
		w.retain()
		for n := 0; w.removing && n < len(batch); n += slice { // as many go as came
			w.with(w.slice)
		}
	}
}

// emptyLog moves what the write-ahead log has into the file, whenever it has
// grown. It waits for the disk, and does not hold up what is written meanwhile.
func (s *Store) emptyLog(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.grown:
		}
		db := s.db.Load()
		if db == nil {
			continue
		}
		s.emptying.Lock()
		for range 3 { // what came meanwhile is little: then the log begins from its start
			var busy, pages, moved int
			err := db.log.QueryRowContext(ctx, "PRAGMA wal_checkpoint(PASSIVE)").Scan(&busy, &pages, &moved)
			if err != nil || moved >= pages {
				break
			}
		}
		s.emptying.Unlock()
	}
}

// checkpoint sees to the log: its emptying is begun in time. Where that is too slow
// the writer waits for it and does the rest, and look-ups go on without a memory
// for a moment.
func (w *writer) checkpoint() {
	s := w.s
	st, err := os.Stat(s.cfg.Path + "-wal")
	db := s.db.Load()
	if err != nil || db == nil || st.Size() <= s.cfg.logSize()/4 {
		return
	}
	select {
	case s.grown <- struct{}{}:
	default:
	}
	if st.Size() <= s.cfg.logSize()/2 {
		return
	}
	s.emptying.Lock()
	defer s.emptying.Unlock()
	for range cap(s.reads) {
		s.reads <- struct{}{}
		defer func() { <-s.reads }()
	}
	var busy, pages, moved int
	if err := db.write.QueryRow("PRAGMA wal_checkpoint(TRUNCATE)").Scan(&busy, &pages, &moved); err != nil {
		s.log.Debug("the log of the store waits for a reader", "reason", err)
	}
}

// take takes a batch from the queue: up to something that runs by itself.
func (w *writer) take() (batch []item, do *item) {
	s := w.s
	s.mu.Lock()
	defer s.mu.Unlock()
	n, most := 0, min(max(len(s.queue)/2, maxBatch), mostBatch, int(s.cfg.logSize()/perConnection))
	for n < len(s.queue) && n < most && s.queue[n].do == nil {
		n++
	}
	if n == 0 && len(s.queue) > 0 {
		do, s.queue = &s.queue[0], s.queue[1:]
		return nil, do
	}
	batch, s.queue = s.queue[:n:n], s.queue[n:]
	return batch, nil
}

// back puts what could not be written back into the queue, the oldest first, as
// far as there is room.
func (w *writer) back(batch []item) {
	s := w.s
	s.mu.Lock()
	defer s.mu.Unlock()
	if over := len(batch) + len(s.queue) - maxQueue; over > 0 {
		over = min(over, len(batch))
		s.dropped.Add(uint64(over))
		batch = batch[over:]
	}
	s.queue = append(batch, s.queue...)
}

// with does something with the file, and sees to what goes wrong.
func (w *writer) with(do func() error) error {
	s := w.s
	now := s.cfg.now()
	if now.Before(w.waitTill) {
		return errWaits
	}
	db := s.db.Load()
	var err error
	if db == nil || db.moved(s.cfg.Path) {
		if db != nil {
			s.log.Warn("the store's file was removed or replaced: it is begun again", "store", s.cfg.Path)
			s.mu.Lock()
			s.gone = true
			s.mu.Unlock()
		}
		w.texts.Clear()
		w.traits.Clear()
		s.close()
		err = s.open(&w.update)
	}
	if err == nil {
		err = do()
	}
	if isDamage(err) && s.db.Load() != nil {
		w.texts.Clear()
		w.traits.Clear()
		s.close()
		if aside := s.setAside(err); aside != nil {
			err = aside
		} else if err = s.open(&w.update); err == nil {
			err = do()
		}
	}
	if code(err) == sqlite3.SQLITE_FULL && s.db.Load() != nil && w.makeRoom() == nil {
		err = do()
	}
	if err != nil {
		w.wait = min(max(2*w.wait, firstWait), lastWait)
		w.waitTill = now.Add(w.wait)
		if code(err) != sqlite3.SQLITE_BUSY || w.wait >= time.Second {
			s.failed(words(err))
		}
		return err
	}
	w.wait = 0
	s.works()
	return nil
}

var errWaits = errors.New("store: waits after a fault")

// write writes a batch, all or nothing.
func (w *writer) write(batch []item) error {
	defer func() { w.judged = w.judged[:0] }()
	err := w.transaction(func(tx *transaction) error {
		for i := range batch {
			var err error
			switch b := &batch[i]; {
			case b.connection != nil:
				err = w.connection(tx, b.connection)
			case b.verdict != nil:
				err = w.verdict(tx, b.verdict)
			case b.completed != nil:
				err = w.completed(tx, *b.completed)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	for _, j := range w.judged {
		if err == nil {
			w.s.cfg.Judged(j.connection, j.verdict)
		}
	}
	return err
}

// transaction is one, with the statements that come often parsed already: that
// halves what a connection takes.
type transaction struct {
	*sql.Tx
	ready map[string]*sql.Stmt
}

// often are those statements.
var often = []string{insertText, selectText, insertConnection, updateConnection, updateNamed, insertNamed, selectHost, insertHost,
	findMark, findPort, countVerdicts, insertVerdict, insertTrait,
	endOfHosts, oldHosts, endOfNamed, oldNamed, endOfTraits, oldTraits}

const (
	insertText       = "INSERT OR IGNORE INTO text (text) VALUES (?)"
	selectText       = "SELECT id FROM text WHERE text = ?"
	insertConnection = "INSERT OR REPLACE INTO connection (id, at, address, port, name, profile, mark) VALUES (?, ?, ?, ?, ?, ?, ?)"
	updateConnection = "UPDATE connection SET profile = ?1, name = CASE WHEN ?2 <> 0 THEN ?2 ELSE name END WHERE id = ?3 AND (profile <> ?1 OR ?2 <> 0 AND name <> ?2)"
	updateNamed      = "UPDATE named SET last = max(last, ?) WHERE name = ? AND address = ?"
	insertNamed      = "INSERT INTO named (name, address, last) VALUES (?, ?, ?)"
	selectHost       = "SELECT first, last, visits, names, system, software, tls, changed, changed_at FROM host WHERE address = ?"
	insertHost       = "INSERT OR REPLACE INTO host (address, first, last, visits, names, system, software, tls, changed, changed_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
	insertTrait      = "INSERT INTO trait (what, first, last) VALUES (?1, ?2, ?2) ON CONFLICT (what) DO UPDATE SET last = max(last, ?2)"
	findMark         = "SELECT id FROM connection WHERE id = ? AND mark = ? AND at >= ?"
	findPort         = runs + "SELECT id FROM run CROSS JOIN connection INDEXED BY connection_address ON id >> 13 = n WHERE address = ? AND at BETWEEN ? AND ? AND port = ? ORDER BY at DESC LIMIT 1"
	findTimes        = runs + "SELECT c.id, text FROM run CROSS JOIN connection AS c INDEXED BY connection_address ON c.id >> 13 = n CROSS JOIN text ON text.id = profile WHERE address = ? AND at BETWEEN ? AND ? ORDER BY at DESC LIMIT 20"
	countVerdicts    = "SELECT count(*) FROM verdict WHERE connection = ?"
	insertVerdict    = "INSERT INTO verdict (connection, at, source, spam, sure, person, score, threshold) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
)

// Exec runs a statement.
func (t *transaction) Exec(query string, args ...any) (sql.Result, error) {
	if s := t.ready[query]; s != nil {
		return t.Stmt(s).Exec(args...)
	}
	return t.Tx.Exec(query, args...)
}

// QueryRow runs a query of one row.
func (t *transaction) QueryRow(query string, args ...any) *sql.Row {
	if s := t.ready[query]; s != nil {
		return t.Stmt(s).QueryRow(args...)
	}
	return t.Tx.QueryRow(query, args...)
}

// transaction runs one, which takes its lock at the start.
func (w *writer) transaction(do func(*transaction) error) error {
	db := w.s.db.Load()
	if db == nil {
		return errors.New("it is not open")
	}
	begun, err := db.write.Begin()
	if err != nil {
		return err
	}
	tx := &transaction{begun, db.ready}
	if err = do(tx); err == nil {
		err = tx.Commit()
	}
	if err != nil {
		tx.Rollback()
		w.texts.Clear()
		w.traits.Clear()
	}
	return err
}

// text returns the id of a text, 0 of an empty one.
func (w *writer) text(tx *transaction, text string) (id int64, err error) {
	if text == "" {
		return 0, nil
	}
	if id, ok := w.texts.Get(text); ok {
		return id, nil
	}
	if _, err = tx.Exec(insertText, text); err != nil {
		return 0, err
	}
	if err = tx.QueryRow(selectText, text).Scan(&id); err == nil {
		w.texts.Put(text, id)
	}
	return id, err
}

// connection writes one, or what was learned of it since.
func (w *writer) connection(tx *transaction, c *connection) error {
	name, err := w.text(tx, c.name)
	if err != nil {
		return err
	}
	about, err := w.text(tx, profile(&c.note))
	if err != nil {
		return err
	}
	k := Key(c.client.Addr())
	visits := 1
	if c.again {
		visits = 0
		r, err := tx.Exec(updateConnection, about, name, c.id)
		if err != nil {
			return err
		}
		if n, _ := r.RowsAffected(); n == 0 {
			return nil // nothing new was learned of it, or it was forgotten
		}
	} else {
		_, err = tx.Exec(insertConnection,
			c.id, c.at.UnixMilli(), k, c.client.Port(), name, about, c.mark[:])
		w.s.written.Add(1)
	}
	if err != nil {
		return err
	}
	h, err := readHost(tx.QueryRow(selectHost, k))
	if err != nil {
		return err
	}
	if h.names < maxNames {
		fresh, err := w.named(tx, k, name, c)
		if err != nil {
			return err
		}
		if fresh {
			h.names++
		}
	}
	if err := w.trait(tx, c); err != nil {
		return err
	}
	return w.host(tx, k, c, h, visits)
}

// trait notes what else is new at the site, and once an hour that it is there.
func (w *writer) trait(tx *transaction, c *connection) error {
	for _, what := range traits("", &c.note) {
		at := c.at.UnixMilli()
		if last, ok := w.traits.Get(what); ok && at-last < time.Hour.Milliseconds() {
			continue
		}
		if _, err := tx.Exec(insertTrait, what, at); err != nil {
			return err
		}
		w.traits.Put(what, at)
		w.s.mu.Lock()
		w.s.traits.Put(what, 1)
		w.s.mu.Unlock()
	}
	return nil
}

// named notes the name of an address, and returns whether it is a new one.
func (w *writer) named(tx *transaction, k []byte, name int64, c *connection) (fresh bool, err error) {
	if name == 0 {
		return false, nil
	}
	r, err := tx.Exec(updateNamed, c.at.UnixMilli(), name, k)
	if err != nil {
		return false, err
	}
	if n, _ := r.RowsAffected(); n > 0 {
		return false, nil
	}
	if _, err = tx.Exec(insertNamed, name, k, c.at.UnixMilli()); err == nil {
		w.s.mu.Lock()
		if n, ok := w.s.traits.Get("name " + c.name); ok {
			w.s.traits.Put("name "+c.name, min(n+1, maxNames))
		}
		w.s.mu.Unlock()
	}
	return true, err
}

// host brings what is remembered of an address up to date.
func (w *writer) host(tx *transaction, k []byte, c *connection, h host, visits int) error {
	at := c.at.UnixMilli()
	parts := PartsOf(&c.note)
	if changed := parts.Changes(h.parts); len(changed) > 0 {
		h.changed, h.changedAt = strings.Join(changed, ","), at
	}
	h.parts.Add(parts)
	if !h.known {
		h.first, h.known = at, true
	}
	h.last = max(h.last, at)
	h.visits += uint32(visits)
	_, err := tx.Exec(insertHost,
		k, h.first, h.last, h.visits, h.names, h.parts[0], h.parts[1], h.parts[2], h.changed, h.changedAt)
	if err != nil {
		return fmt.Errorf("host: %w", err)
	}
	w.s.mu.Lock()
	w.s.hosts.Put(string(k), h)
	w.s.mu.Unlock()
	return nil
}

// completed writes a connection whose session has ended: what was read of it
// since the mail server asked, or all of it where none asked.
func (w *writer) completed(tx *transaction, q note.Query) error {
	s := w.s
	if s.Who == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	n, err := s.Who.Lookup(ctx, q)
	if err != nil || n.State == note.NotSeen && n.TLS == nil && n.Software == nil {
		return nil
	}
	v, again := s.visit(q.Client, s.cfg.now())
	s.mu.Lock()
	v.ended = s.cfg.now()
	if n.Memory = nil; v.host != nil || len(v.traits) > 0 {
		n.Memory = v.memory("", &n, v.ended)
	}
	n = v.contradicted(n)
	s.mu.Unlock()
	return w.connection(tx, &connection{id: v.id, at: v.began, client: q.Client, mark: v.mark, note: n, again: again})
}

// Completed has a connection written whose session has ended.
func (s *Store) Completed(client, server netip.AddrPort) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.push(item{completed: &note.Query{Client: client, Server: server}})
}
