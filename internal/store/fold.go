package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"time"

	"github.com/mxprint/mxprint/internal/evidence"
	"github.com/mxprint/mxprint/note"
)

// Evidence outlives the connections that it comes from: before they are removed
// they are counted, once. Table meta has the counts and the id of the last
// connection in them; what is newer is counted when a report is made, so that a
// verdict which comes late, as a person's, still counts.

// fold counts the connections up to one.
func (w *writer) fold(last int64) error {
	from, err := folded(w.s.db.Load().write)
	if err != nil || last <= from {
		return err
	}
	var any bool
	if err := w.s.db.Load().write.QueryRow("SELECT EXISTS (SELECT 1 FROM verdict WHERE connection > ? AND connection <= ?)", from, last).Scan(&any); err != nil || !any {
		return err
	}
	return w.recount(last, func(c *evidence.Counts) error {
		return mails(context.Background(), w.s.db.Load().write, w.s.seed, from, last, func(m *evidence.Mail) error {
			m.Count(c)
			return nil
		})
	})
}

// folded is the id of the last connection that was counted.
func folded(db *sql.DB) (id int64, err error) {
	err = db.QueryRow("SELECT value FROM meta WHERE name = 'folded'").Scan(&id)
	if errors.Is(err, sql.ErrNoRows) {
		err = nil
	}
	return id, err
}

// recount changes the counts; last, unless it is 0, is the last connection in them now.
func (w *writer) recount(last int64, change func(*evidence.Counts) error) error {
	c, err := counts(w.s.db.Load().write)
	if err != nil {
		w.s.log.Warn("the evidence of connections that were removed is lost", "reason", err)
		c = evidence.NewCounts()
	}
	if err := change(c); err != nil {
		return err
	}
	c.Expire(evidence.Day(w.s.cfg.now()))
	text := c.Append(nil)
	return w.transaction(func(tx *transaction) error {
		if _, err := tx.Exec("INSERT OR REPLACE INTO meta (name, value) VALUES ('counts', ?)", text); err != nil || last == 0 {
			return err
		}
		_, err := tx.Exec("INSERT OR REPLACE INTO meta (name, value) VALUES ('folded', ?)", last)
		return err
	})
}

// counts reads the counts.
func counts(db *sql.DB) (*evidence.Counts, error) {
	var text []byte
	switch err := db.QueryRow("SELECT value FROM meta WHERE name = 'counts'").Scan(&text); {
	case errors.Is(err, sql.ErrNoRows):
		return evidence.NewCounts(), nil
	case err != nil:
		return nil, err
	}
	return evidence.Decode(text)
}

// mails calls f with the connections after one id, up to another, that have a
// verdict. It reads them in slices, so that a long reading does not hold up the
// emptying of the log.
func mails(ctx context.Context, db *sql.DB, seed uint64, from, last int64, f func(*evidence.Mail) error) error {
	profiles := make(map[int64]*note.Note)
	for from < last {
		list, next, err := someMails(ctx, db, from, last, profiles)
		if err != nil {
			return err
		}
		for _, m := range list {
			m.Sender = evidence.Sender(seed, Key(m.Network.Addr()))
			if err := f(m); err != nil {
				return err
			}
		}
		if next == 0 {
			return nil
		}
		from = next
	}
	return nil
}

const verdictRows = `SELECT v.connection, v.source, v.spam, v.sure, v.person, v.score, v.threshold, c.at, c.address, c.port, c.profile,
	coalesce((SELECT text FROM text WHERE id = c.name), '')
	FROM (SELECT DISTINCT connection FROM verdict WHERE connection > ? AND connection <= ? ORDER BY connection LIMIT ?) AS some
	JOIN verdict AS v ON v.connection = some.connection
	JOIN connection AS c ON c.id = v.connection
	ORDER BY v.connection, v.id`

// someMails reads a slice of connections with their verdicts.
func someMails(ctx context.Context, db *sql.DB, from, last int64, profiles map[int64]*note.Note) (list []*evidence.Mail, next int64, err error) {
	rows, err := db.QueryContext(ctx, verdictRows, from, last, slice)
	type row struct {
		id, profile int64
	}
	var about []row
	err = each(rows, err, func() error {
		var r row
		var v evidence.Verdict
		var score, threshold sql.NullFloat64
		var at int64
		var k []byte
		var port uint16
		var name string
		if err := rows.Scan(&r.id, &v.Source, &v.Spam, &v.Sure, &v.Person, &score, &threshold, &at, &k, &port, &r.profile, &name); err != nil {
			return err
		}
		v.Score, v.Threshold, v.HasScore = score.Float64, threshold.Float64, score.Valid
		if n := len(about); n == 0 || about[n-1].id != r.id {
			about = append(about, r)
			list = append(list, &evidence.Mail{At: time.UnixMilli(at), Network: fromKey(k), Port: port, Name: name})
		}
		m := list[len(list)-1]
		m.Verdicts = append(m.Verdicts, v)
		return nil
	})
	if err != nil {
		return nil, 0, err
	}
	for i, r := range about {
		n, err := readProfile(ctx, db, r.profile, profiles)
		if err != nil {
			return nil, 0, err
		}
		list[i].Note = n
		list[i].Tokens = evidence.Tokens(n, list[i].Name, list[i].Network.Addr())
		next = r.id
	}
	return list, next, nil
}

// maxProfiles is how many notes are kept in memory meanwhile, of up to maxProfile
// bytes each. Clients choose them by how they speak.
const maxProfiles = 8192

// readProfile reads a note; one that cannot be read is empty.
func readProfile(ctx context.Context, db *sql.DB, id int64, have map[int64]*note.Note) (*note.Note, error) {
	if n := have[id]; n != nil {
		return n, nil
	}
	var text string
	if err := db.QueryRowContext(ctx, "SELECT text FROM text WHERE id = ?", id).Scan(&text); err != nil && !errors.Is(err, sql.ErrNoRows) {
		return nil, err
	}
	n := new(note.Note)
	if json.Unmarshal([]byte(text), n) != nil {
		*n = note.Note{}
	}
	if len(have) >= maxProfiles {
		clear(have)
	}
	have[id] = n
	return n, nil
}
