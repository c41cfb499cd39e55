package store

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"slices"
	"time"
)

// How retention goes: a little at a time, so that what is to be written never
// waits long.
const (
	retainEvery = time.Second
	slice       = 300  // rows of one transaction
	passed      = 2000 // rows of each table that are looked at for their age, of which some go
	fullAt      = 0.90 // of the bound, from which on the oldest are removed
	roomAt      = 0.85 // and down to which
)

// retain removes what is too old or too much, a slice at a time.
func (w *writer) retain() {
	s := w.s
	now := s.cfg.now()
	if now.Sub(w.retained) < retainEvery || now.Before(w.waitTill) || s.db.Load() == nil {
		return
	}
	w.retained = now
	w.with(func() error { return w.tidy(now) })
}

func (w *writer) tidy(now time.Time) error {
	used, err := w.measure()
	if err != nil {
		return err
	}
	w.removing = w.removing || used > w.part(fullAt)
	if _, err = w.removeBefore(now.Add(-w.s.cfg.MaxAge).UnixMilli()); err == nil && w.removing {
		err = w.slice()
	}
	if err == nil {
		err = w.sweep()
	}
	return err
}

// part is a part of what the file may have, in bytes.
func (w *writer) part(x float64) int64 {
	return int64(x * float64(w.s.cfg.MaxSize-w.s.cfg.logSize()))
}

// slice removes a slice of the oldest, until there is room.
func (w *writer) slice() error {
	n, err := w.removeOldest()
	if err != nil {
		return err
	}
	used, err := w.measure()
	w.removing = n > 0 && used > w.part(roomAt)
	w.checkpoint()
	return err
}

// measure returns the bytes in use in the file, and notes those on the disk.
func (w *writer) measure() (int64, error) {
	var pages, free int64
	db := w.s.db.Load().write
	if err := db.QueryRow("PRAGMA page_count").Scan(&pages); err != nil {
		return 0, err
	}
	if err := db.QueryRow("PRAGMA freelist_count").Scan(&free); err != nil {
		return 0, err
	}
	var size int64
	for _, end := range []string{"", "-wal", "-shm"} {
		if st, err := os.Stat(w.s.cfg.Path + end); err == nil {
			size += st.Size()
		}
	}
	w.s.mu.Lock()
	w.s.size = size
	w.s.mu.Unlock()
	return (pages - free) * pageSize, nil
}

// removeBefore removes a slice of the connections that are too old.
func (w *writer) removeBefore(old int64) (n int64, err error) {
	var last sql.NullInt64
	err = w.s.db.Load().write.QueryRow("SELECT max(id) FROM (SELECT id, at FROM connection ORDER BY id LIMIT ?) WHERE at < ?", slice, old).Scan(&last)
	if err != nil {
		return 0, err
	}
	return w.remove(last.Int64)
}

// removeOldest removes a slice of the oldest connections.
func (w *writer) removeOldest() (int64, error) {
	var last sql.NullInt64
	err := w.s.db.Load().write.QueryRow("SELECT max(id) FROM (SELECT id FROM connection ORDER BY id LIMIT ?)", slice).Scan(&last)
	if err != nil || !last.Valid {
		return 0, err
	}
	return w.remove(last.Int64)
}

// remove removes the connections up to one, and some of the addresses, names and
// traits that were not seen since. What they are evidence of is counted first.
func (w *writer) remove(id int64) (n int64, err error) {
	if id > 0 {
		if err := w.fold(id); err != nil {
			return 0, err
		}
	}
	err = w.transaction(func(tx *transaction) error {
		r, err := tx.Exec("DELETE FROM connection WHERE id <= ?", id)
		if err != nil {
			return err
		}
		n, _ = r.RowsAffected()
		if _, err = tx.Exec("DELETE FROM verdict WHERE connection <= ?", id); err != nil {
			return err
		}
		old, err := w.oldest(tx)
		if err != nil {
			return err
		}
		for i := range w.passes {
			if err := w.passes[i].on(tx, old); err != nil {
				return err
			}
		}
		return nil
	})
	if n > 0 {
		w.s.expired.Add(uint64(n))
		w.forgetCounts()
	}
	return n, err
}

// oldest is the time before which nothing is kept: that of the oldest connection,
// or of the highest age.
func (w *writer) oldest(tx *transaction) (at int64, err error) {
	now := w.s.cfg.now()
	err = tx.QueryRow("SELECT at FROM connection ORDER BY id LIMIT 1").Scan(&at)
	if errors.Is(err, sql.ErrNoRows) || at > now.UnixMilli() { // of a clock that was wrong
		at, err = 0, nil
	}
	return max(at, now.Add(-w.s.cfg.MaxAge).UnixMilli()), err
}

// pass goes through a table in the order of its key, again and again, and removes
// rows that were last seen before a time. In the order of time each would be on
// another page, and what is written to the disk is pages. So all that is old on a
// page goes at once.
type pass struct {
	end, old, rest string // statements
	first, at      []any  // a key before all others, and that of the last row passed
}

// passes are those of the tables of addresses, names and traits.
func passes() []pass {
	list := []pass{
		{end: endOfHosts, old: oldHosts, rest: lastHosts, first: []any{[]byte{0}}},
		{end: endOfNamed, old: oldNamed, rest: lastNamed, first: []any{0, []byte{0}}},
		{end: endOfTraits, old: oldTraits, rest: lastTraits, first: []any{""}},
	}
	for i := range list {
		list[i].at = list[i].first
	}
	return list
}

const (
	endOfHosts  = "SELECT address FROM host WHERE address > ? ORDER BY address LIMIT 1 OFFSET ?"
	oldHosts    = "DELETE FROM host WHERE address > ? AND address <= ? AND last < ?"
	lastHosts   = "DELETE FROM host WHERE address > ? AND last < ?"
	endOfNamed  = "SELECT name, address FROM named WHERE (name, address) > (?, ?) ORDER BY name, address LIMIT 1 OFFSET ?"
	oldNamed    = "DELETE FROM named WHERE (name, address) > (?, ?) AND (name, address) <= (?, ?) AND last < ?"
	lastNamed   = "DELETE FROM named WHERE (name, address) > (?, ?) AND last < ?"
	endOfTraits = "SELECT what FROM trait WHERE what > ? ORDER BY what LIMIT 1 OFFSET ?"
	oldTraits   = "DELETE FROM trait WHERE what > ? AND what <= ? AND last < ?"
	lastTraits  = "DELETE FROM trait WHERE what > ? AND last < ?"
)

// on goes on, by up to passed rows.
func (p *pass) on(tx *transaction, old int64) error {
	to := make([]any, len(p.first))
	at := make([]any, len(p.first))
	for i := range to {
		at[i] = &to[i]
	}
	err := tx.QueryRow(p.end, append(slices.Clone(p.at), passed-1)...).Scan(at...)
	if errors.Is(err, sql.ErrNoRows) {
		_, err = tx.Exec(p.rest, append(slices.Clone(p.at), old)...)
		p.at = p.first
		return err
	} else if err != nil {
		return err
	}
	_, err = tx.Exec(p.old, append(slices.Concat(p.at, to), old)...)
	p.at = to
	return err
}

// forgetCounts has names counted again, once a minute: fewer addresses have them.
func (w *writer) forgetCounts() {
	now := w.s.cfg.now()
	if now.Sub(w.recounted) < time.Minute {
		return
	}
	w.recounted = now
	w.traits.Clear()
	w.s.mu.Lock()
	w.s.traits.Clear()
	w.s.mu.Unlock()
}

// sweep removes texts that nothing has any more, some each time.
func (w *writer) sweep() error {
	return w.transaction(func(tx *transaction) error {
		rows, err := tx.Query(`DELETE FROM text WHERE id IN (SELECT id FROM text WHERE id > ? ORDER BY id LIMIT ?)
			AND NOT EXISTS (SELECT 1 FROM connection WHERE connection.name = text.id AND connection.name <> 0)
			AND NOT EXISTS (SELECT 1 FROM connection WHERE connection.profile = text.id)
			AND NOT EXISTS (SELECT 1 FROM named WHERE named.name = text.id) RETURNING text`, w.swept, slice)
		err = each(rows, err, func() error {
			var text string
			err := rows.Scan(&text)
			w.texts.remove(text)
			return err
		})
		if err != nil {
			return err
		}
		var next sql.NullInt64
		if err = tx.QueryRow("SELECT max(id) FROM (SELECT id FROM text WHERE id > ? ORDER BY id LIMIT ?)", w.swept, slice).Scan(&next); err == nil {
			w.swept = next.Int64 // 0 at the end: from the beginning
		}
		return err
	})
}

// makeRoom removes a tenth of the oldest where the file has come to its bound. It
// returns an error where that is of no use: the disk is full.
func (w *writer) makeRoom() error {
	for range 20 {
		n, err := w.removeOldest()
		if err != nil {
			return err
		}
		if n == 0 {
			break
		}
		w.checkpoint()
	}
	_, err := w.s.db.Load().write.ExecContext(context.Background(), "PRAGMA wal_checkpoint(TRUNCATE)")
	return err
}
