package store

import (
	"context"
	"database/sql"
	"fmt"
	"net/netip"
	"os"
	"time"

	"github.com/mxprint/mxprint/internal/evidence"
	"github.com/mxprint/mxprint/note"
)

// Reader reads a store beside the process that writes it. It changes nothing but
// by Forget. Safe for concurrent use.
type Reader struct {
	db   *sql.DB
	path string
	seed uint64
}

// Read opens a store that exists for reading.
func Read(path string) (*Reader, error) {
	if st, err := os.Stat(path); err != nil {
		return nil, err
	} else if !st.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: %w", path, errNotFile)
	}
	db, err := sql.Open("sqlite", source(path, false)+"&_pragma=busy_timeout(2000)")
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(2)
	r := &Reader{db: db, path: path}
	var seed int64
	id, version, err := versions(context.Background(), db)
	switch {
	case err != nil:
	case id != application:
		err = errForeign
	case version != len(migrations):
		err = fmt.Errorf("its schema is version %d, this program reads %d (the sensor of this version brings an older one up to date when it is started; mxprint status says when it has)", version, len(migrations))
	default:
		err = db.QueryRow("SELECT value FROM meta WHERE name = 'seed'").Scan(&seed)
	}
	if err != nil {
		db.Close()
		return nil, fmt.Errorf("store %s: %w", path, words(err))
	}
	r.seed = uint64(seed)
	return r, nil
}

// Close closes the reader.
func (r *Reader) Close() error { return r.db.Close() }

// Entry is a connection in a history.
type Entry struct {
	At       time.Time          `json:"time"`
	Client   string             `json:"client"` // the address, of IPv6 the /64, and the port where it is known
	Name     string             `json:"name,omitempty"`
	Note     *note.Note         `json:"note"`
	Verdicts []evidence.Verdict `json:"verdicts,omitempty"`
}

// Host is what is remembered of an address.
type Host struct {
	Network   netip.Prefix `json:"network"`
	FirstSeen time.Time    `json:"first_seen"`
	LastSeen  time.Time    `json:"last_seen"`
	Visits    uint32       `json:"visits"`
	Names     uint32       `json:"names"`
	System    string       `json:"os,omitempty"`
	Software  string       `json:"software,omitempty"`
	TLS       string       `json:"tls,omitempty"`
	Changed   string       `json:"changed,omitempty"` // parts that changed last, joined by commas
	ChangedAt *time.Time   `json:"changed_at,omitempty"`
}

// Hosts returns what is remembered of the addresses of a network, the last seen
// first, up to a number.
func (r *Reader) Hosts(ctx context.Context, sub Subject, most int) (list []Host, err error) {
	if !sub.Network.IsValid() {
		return nil, nil
	}
	where, args := sub.inNetwork()
	rows, err := r.db.QueryContext(ctx, "SELECT address, first, last, visits, names, system, software, tls, changed, changed_at FROM host WHERE "+
		where+" ORDER BY last DESC LIMIT ?", append(args, most)...)
	if err != nil {
		return nil, words(err)
	}
	err = each(rows, nil, func() error {
		var h Host
		var k []byte
		var first, last, changed int64
		if err := rows.Scan(&k, &first, &last, &h.Visits, &h.Names, &h.System, &h.Software, &h.TLS, &h.Changed, &changed); err != nil {
			return err
		}
		h.Network, h.FirstSeen, h.LastSeen = fromKey(k), time.UnixMilli(first).UTC(), time.UnixMilli(last).UTC()
		if h.Changed != "" {
			at := time.UnixMilli(changed).UTC()
			h.ChangedAt = &at
		}
		list = append(list, h)
		return nil
	})
	return list, err
}

// each calls f for each row of a query.
func each(rows *sql.Rows, err error, f func() error) error {
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := f(); err != nil {
			return err
		}
	}
	return rows.Err()
}

// History returns the connections of a subject, the newest first, up to a number.
func (r *Reader) History(ctx context.Context, sub Subject, most int) ([]Entry, error) {
	where, args := sub.where()
	rows, err := r.db.QueryContext(ctx, "SELECT id, at, address, port, profile, coalesce((SELECT text FROM text WHERE id = connection.name), '') FROM connection WHERE "+
		where+" ORDER BY id DESC LIMIT ?", append(args, most)...)
	if err != nil {
		return nil, words(err)
	}
	type row struct{ id, profile int64 }
	var list []Entry
	var ids []row
	err = each(rows, nil, func() error {
		var e Entry
		var one row
		var at int64
		var k []byte
		var port uint16
		if err := rows.Scan(&one.id, &at, &k, &port, &one.profile, &e.Name); err != nil {
			return err
		}
		e.At, e.Client = time.UnixMilli(at).UTC(), client(fromKey(k), port)
		list, ids = append(list, e), append(ids, one)
		return nil
	})
	if err != nil {
		return nil, err
	}
	profiles := make(map[int64]*note.Note)
	for i := range list {
		if list[i].Note, err = readProfile(ctx, r.db, ids[i].profile, profiles); err != nil {
			return nil, err
		}
		if list[i].Verdicts, err = r.verdicts(ctx, ids[i].id); err != nil {
			return nil, err
		}
	}
	return list, nil
}

func (r *Reader) verdicts(ctx context.Context, id int64) (list []evidence.Verdict, err error) {
	rows, err := r.db.QueryContext(ctx, "SELECT source, spam, sure, person, score, threshold FROM verdict WHERE connection = ? ORDER BY id", id)
	err = each(rows, err, func() error {
		var v evidence.Verdict
		var score, threshold sql.NullFloat64
		err := rows.Scan(&v.Source, &v.Spam, &v.Sure, &v.Person, &score, &threshold)
		v.Score, v.Threshold, v.HasScore = score.Float64, threshold.Float64, score.Valid
		list = append(list, v)
		return err
	})
	return list, err
}

// client is an address in text: of IPv6 the network, and the port if it is known.
func client(p netip.Prefix, port uint16) string {
	switch {
	case p.Addr().Is4() && port != 0:
		return netip.AddrPortFrom(p.Addr(), port).String()
	case p.Addr().Is4():
		return p.Addr().String()
	case port != 0:
		return fmt.Sprintf("%s port %d", p, port)
	}
	return p.String()
}

// Evidence returns what all verdicts come to, those of connections that were
// removed included.
func (r *Reader) Evidence(ctx context.Context) (*evidence.Counts, error) {
	c, err := counts(r.db)
	if err != nil {
		return nil, err
	}
	from, err := folded(r.db)
	if err != nil {
		return nil, err
	}
	var last sql.NullInt64
	if err := r.db.QueryRowContext(ctx, "SELECT max(id) FROM connection").Scan(&last); err != nil {
		return nil, err
	}
	err = mails(ctx, r.db, r.seed, from, last.Int64, func(m *evidence.Mail) error {
		m.Count(c)
		return nil
	})
	return c, err
}

// Mails calls f with each mail since a time, in order of time.
func (r *Reader) Mails(ctx context.Context, since time.Time, f func(*evidence.Mail) error) error {
	var first, last sql.NullInt64
	err := r.db.QueryRowContext(ctx, "SELECT min(id), max(id) FROM connection WHERE at >= ?", since.UnixMilli()).Scan(&first, &last)
	if err != nil || !last.Valid {
		return err
	}
	return mails(ctx, r.db, r.seed, first.Int64-1, last.Int64, func(m *evidence.Mail) error {
		if m.At.Before(since) {
			return nil
		}
		return f(m)
	})
}

// Connections counts the connections since a time, and those with a verdict.
func (r *Reader) Connections(ctx context.Context, since time.Time) (all, judged int64, err error) {
	err = r.db.QueryRowContext(ctx, "SELECT count(*), coalesce(sum(EXISTS (SELECT 1 FROM verdict WHERE connection = connection.id)), 0) FROM connection WHERE at >= ?", since.UnixMilli()).
		Scan(&all, &judged)
	return all, judged, err
}

// Backup writes a copy of the store, as it is at one moment, to a file that must
// not exist. The sensor goes on.
func (r *Reader) Backup(ctx context.Context, to string) error {
	if _, err := os.Lstat(to); err == nil {
		return fmt.Errorf("%s exists", to)
	}
	f, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	f.Close() // VACUUM INTO takes an empty file, and keeps its mode
	db, err := sql.Open("sqlite", "file:"+r.path+"?_pragma=busy_timeout(2000)")
	if err != nil {
		return err
	}
	defer db.Close()
	if _, err = db.ExecContext(ctx, "VACUUM INTO ?", to); err != nil {
		os.Remove(to)
		return words(err)
	}
	return nil
}
