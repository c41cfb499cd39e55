package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// application is the number that marks the file as ours (PRAGMA application_id).
const application = 0x6d787072 // "mxpr"

// migrations make the schema: each is what takes a file from the version of its
// place to the next (PRAGMA user_version). One that was released is never
// changed; a new one is appended.
//
// Times are milliseconds since 1970. An address is that of the network that is
// remembered, 4 bytes or the first 8 of IPv6. Texts that come again and again
// are in table text, once.
var migrations = []string{`
CREATE TABLE meta (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE text (id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE);

-- A connection that a mail server asked about, or whose session was seen.
CREATE TABLE connection (
	id      INTEGER PRIMARY KEY, -- ascends with time
	at      INTEGER NOT NULL,
	address BLOB NOT NULL,
	port    INTEGER NOT NULL,
	name    INTEGER NOT NULL, -- text: what it called itself, 0 if not known
	profile INTEGER NOT NULL, -- text: the note, without what is of this connection alone
	mark    BLOB              -- the id in our header
);
CREATE INDEX connection_address ON connection (address, at);
CREATE INDEX connection_name ON connection (name) WHERE name <> 0;
CREATE INDEX connection_profile ON connection (profile);
CREATE INDEX connection_mark ON connection (mark) WHERE mark IS NOT NULL;

-- What is remembered of an address.
CREATE TABLE host (
	address    BLOB PRIMARY KEY,
	first      INTEGER NOT NULL,
	last       INTEGER NOT NULL,
	visits     INTEGER NOT NULL,
	names      INTEGER NOT NULL,
	system     TEXT NOT NULL,
	software   TEXT NOT NULL,
	tls        TEXT NOT NULL,
	changed    TEXT NOT NULL, -- which of the three, joined by commas
	changed_at INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX host_last ON host (last);

-- The names that an address called itself.
CREATE TABLE named (
	address BLOB NOT NULL,
	name    INTEGER NOT NULL,
	last    INTEGER NOT NULL,
	PRIMARY KEY (address, name)
) WITHOUT ROWID;
CREATE INDEX named_name ON named (name);
CREATE INDEX named_last ON named (last);

CREATE TABLE verdict (
	id         INTEGER PRIMARY KEY,
	connection INTEGER NOT NULL,
	at         INTEGER NOT NULL,
	source     TEXT NOT NULL,
	spam       INTEGER NOT NULL,
	sure       INTEGER NOT NULL,
	person     INTEGER NOT NULL,
	score      REAL,
	threshold  REAL
);
CREATE INDEX verdict_connection ON verdict (connection);
`, `
-- An id has the number of its connection in it. An index by random bytes wrote a
-- page anywhere in the file for each connection.
DROP INDEX connection_mark;

-- JA4 and dialects that the site has seen: KIND VALUE.
CREATE TABLE trait (
	what  TEXT PRIMARY KEY,
	first INTEGER NOT NULL,
	last  INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX trait_last ON trait (last);
`, `
-- By name first: one tree instead of two, of which each connection changes a page
-- anywhere. How many names an address has is in table host.
CREATE TABLE names (
	name    INTEGER NOT NULL,
	address BLOB NOT NULL,
	last    INTEGER NOT NULL,
	PRIMARY KEY (name, address)
) WITHOUT ROWID;
INSERT INTO names (name, address, last) SELECT name, address, last FROM named;
DROP TABLE named;
ALTER TABLE names RENAME TO named;
CREATE INDEX named_last ON named (last);
`, `
-- Addresses within runs of connections: an index by address alone changed a page
-- anywhere for each connection, and another when it was removed. What is old in
-- the tables of addresses, names and traits is looked for in their own order.
DROP INDEX connection_address;
CREATE INDEX connection_address ON connection (id >> 13, address);
DROP INDEX host_last;
DROP INDEX named_last;
DROP INDEX trait_last;
`}

// runs are the numbers of the runs of 8,192 connections which index
// connection_address has, the newest first, back to the one that has the
// connections of a time (its parameter). A connection is found by
// "id >> 13 = run.n AND address = ?".
const runs = `WITH RECURSIVE run (n) AS (SELECT max(id) >> 13 FROM connection
	UNION ALL SELECT n - 1 FROM run WHERE n > (SELECT min(id) >> 13 FROM connection)
		AND (SELECT at FROM connection WHERE id >= n << 13 ORDER BY id LIMIT 1) >= ?) `

// updating brings files of older versions up to date. Of a large one it takes
// minutes: it is for the writer, which no mail waits for.
type updating struct {
	ctx context.Context // of the process: its end stops the updating, and the file stays as it was
	log *slog.Logger
}

// migrate brings a file to the newest schema, all or nothing. A new file is made;
// one of an older version is left to update, and errOlder where that is nil.
func migrate(ctx context.Context, db *sql.Conn, update *updating) error {
	id, version, err := versions(ctx, db)
	if err != nil {
		return err
	}
	switch {
	case id == 0 && version == 0:
		var tables int
		if err := db.QueryRowContext(ctx, "SELECT count(*) FROM sqlite_schema").Scan(&tables); err != nil {
			return err
		}
		if tables > 0 {
			return errForeign
		}
	case id != application:
		return errForeign
	case version > len(migrations):
		return fmt.Errorf("%w: its schema is version %d, this program knows %d (use the newer program, or another path)", errNewer, version, len(migrations))
	}
	switch {
	case version == len(migrations):
		return nil
	case version == 0:
		return migrateFrom(ctx, db, version)
	case update == nil:
		return errOlder
	}
	began := time.Now()
	if err = migrateFrom(update.ctx, db, version); err == nil {
		update.log.Info("the store was brought up to date", "from", version, "to", len(migrations), "took", time.Since(began).Round(time.Millisecond))
	}
	return err
}

// versions reads whose file it is, and of which version.
func versions(ctx context.Context, db interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}) (id, version int, err error) {
	if err = db.QueryRowContext(ctx, "PRAGMA application_id").Scan(&id); err == nil {
		err = db.QueryRowContext(ctx, "PRAGMA user_version").Scan(&version)
	}
	return id, version, err
}

func migrateFrom(ctx context.Context, db *sql.Conn, version int) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	for ; version < len(migrations); version++ {
		if _, err := tx.ExecContext(ctx, migrations[version]); err != nil {
			return fmt.Errorf("schema version %d: %w", version+1, err)
		}
	}
	// PRAGMA takes no parameters.
	if _, err := tx.ExecContext(ctx, fmt.Sprintf("PRAGMA application_id = %d; PRAGMA user_version = %d", application, version)); err != nil {
		return err
	}
	return tx.Commit()
}

var (
	errForeign = errors.New("it is a database of another program")
	errNewer   = errors.New("it is of a newer mxprint")
	errOlder   = errors.New("it is of an older mxprint and is brought up to date")
)
