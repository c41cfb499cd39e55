package export

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// migrations are the versions of the schema. Each statement may run more than
// once, on several sensors at a time. %d is the number of days that rows are kept.
//
// An id comes once: ReplacingMergeTree keeps one row of each ORDER BY, which ends
// with the id (run, n), or of notes with the connection. Times and counters go up,
// so that their differences are small (Delta); names are few (LowCardinality).
var migrations = [][]string{{
	`CREATE TABLE IF NOT EXISTS observations (
	time DateTime64(6, 'UTC') CODEC(Delta, ZSTD(1)),
	run UInt64 CODEC(ZSTD(1)),
	n UInt64 CODEC(Delta, ZSTD(1)),
	sensor LowCardinality(String),
	module LowCardinality(String),
	subject LowCardinality(String),
	client IPv6 CODEC(ZSTD(1)),
	client_port UInt16 CODEC(ZSTD(1)),
	server IPv6 CODEC(ZSTD(1)),
	server_port UInt16 CODEC(ZSTD(1)),
	matched LowCardinality(String),
	os LowCardinality(String),
	os_flavor LowCardinality(String),
	os_or Array(LowCardinality(String)),
	app LowCardinality(String),
	app_flavor LowCardinality(String),
	quality LowCardinality(String),
	rewritten LowCardinality(String),
	distance Int16 DEFAULT -1 CODEC(ZSTD(1)),
	raw_sig String CODEC(ZSTD(1)),
	link LowCardinality(String),
	mtu UInt16 CODEC(ZSTD(1)),
	uptime_min UInt32 CODEC(ZSTD(1)),
	uptime_reliable Bool,
	frequency_hz Float32 CODEC(ZSTD(1)),
	reasons Array(LowCardinality(String)),
	language LowCardinality(String),
	` + senderColumns + `
) ENGINE = ReplacingMergeTree
PARTITION BY toDate(time)
ORDER BY (module, time, run, n)
` + kept,
	`CREATE TABLE IF NOT EXISTS notes (
	time DateTime64(6, 'UTC') CODEC(Delta, ZSTD(1)),
	changed DateTime64(6, 'UTC') CODEC(Delta, ZSTD(1)),
	run UInt64 CODEC(ZSTD(1)),
	n UInt64 CODEC(Delta, ZSTD(1)),
	sensor LowCardinality(String),
	connection String CODEC(ZSTD(1)),
	client IPv6 CODEC(ZSTD(1)),
	client_port UInt16 CODEC(ZSTD(1)),
	sender UInt64 CODEC(ZSTD(1)),
	server IPv6 CODEC(ZSTD(1)),
	server_port UInt16 CODEC(ZSTD(1)),
	name String CODEC(ZSTD(1)),
	state LowCardinality(String),
	os LowCardinality(String),
	os_flavor LowCardinality(String),
	os_or Array(LowCardinality(String)),
	quality LowCardinality(String),
	rewritten LowCardinality(String),
	link LowCardinality(String),
	mtu UInt16 CODEC(ZSTD(1)),
	distance Int16 DEFAULT -1 CODEC(ZSTD(1)),
	by_connection Bool,
	ambiguous Bool,
	raw_sig String CODEC(ZSTD(1)),
	` + senderColumns + `,
	visits UInt32 CODEC(ZSTD(1)),
	new Bool,
	names UInt32 CODEC(ZSTD(1)),
	addresses UInt32 CODEC(ZSTD(1)),
	changed_parts Array(LowCardinality(String)),
	tokens Array(LowCardinality(String))
) ENGINE = ReplacingMergeTree(changed)
PARTITION BY toDate(time)
ORDER BY (time, sensor, connection)
` + kept,
	`CREATE TABLE IF NOT EXISTS verdicts (
	time DateTime64(6, 'UTC') CODEC(Delta, ZSTD(1)),
	run UInt64 CODEC(ZSTD(1)),
	n UInt64 CODEC(Delta, ZSTD(1)),
	sensor LowCardinality(String),
	connection String CODEC(ZSTD(1)),
	source LowCardinality(String),
	spam Bool,
	sure Bool,
	person Bool,
	score Nullable(Float32),
	threshold Nullable(Float32)
) ENGINE = ReplacingMergeTree
PARTITION BY toDate(time)
ORDER BY (time, run, n)
` + kept,
}}

// senderColumns are about the program.
const senderColumns = `tls_state LowCardinality(String),
	tls_library LowCardinality(String),
	tls_release LowCardinality(String),
	tls_version LowCardinality(String),
	ja4 LowCardinality(String),
	software_state LowCardinality(String),
	software LowCardinality(String),
	software_flavor LowCardinality(String),
	software_quality LowCardinality(String),
	software_or Array(LowCardinality(String)),
	dialect LowCardinality(String),
	reading LowCardinality(String),
	conduct_state LowCardinality(String),
	conduct Array(LowCardinality(String)),
	handshake_rtt_ms Float32 CODEC(ZSTD(1)),
	tcp_rtt_ms Float32 CODEC(ZSTD(1)),
	smtp_rtt_ms Float32 CODEC(ZSTD(1)),
	retransmits UInt32 CODEC(ZSTD(1)),
	closed_by LowCardinality(String),
	reset Bool`

// kept removes old rows, a day at once. A batch that comes again with its token
// is left out while it is among the last thousand.
const kept = `TTL toDateTime(time) + toIntervalDay(%d)
SETTINGS ttl_only_drop_parts = 1, non_replicated_deduplication_window = 1000`

// versions is the table with the version of the schema.
const versions = `CREATE TABLE IF NOT EXISTS mxprint_schema (
	version UInt32,
	at DateTime DEFAULT now()
) ENGINE = ReplacingMergeTree ORDER BY version`

func withDays(statement string, keep int) string {
	return strings.ReplaceAll(statement, "%d", strconv.Itoa(keep))
}

// migrate makes the tables, or brings them up to this version. A newer schema has
// all that this one has.
func (c *ClickHouse) migrate(ctx context.Context) error {
	have, err := c.version(ctx)
	if hasCode(err, codeUnknownDatabase) {
		if err := c.makeDatabase(ctx); err != nil {
			return fmt.Errorf("there is no database %s, and it cannot be made: %w", c.database, err)
		}
		have, err = 0, nil
	}
	if err != nil {
		return err
	}
	for v := have; v < len(migrations); v++ {
		for _, s := range append([]string{versions}, migrations[v]...) {
			if err := c.exec(ctx, withDays(s, c.keep)); err != nil {
				return fmt.Errorf("the schema is version %d of %d, and cannot be changed (contrib/clickhouse/schema.sql makes it): %w", v, len(migrations), err)
			}
		}
		if err := c.exec(ctx, fmt.Sprintf("INSERT INTO mxprint_schema (version) VALUES (%d)", v+1)); err != nil {
			return err
		}
	}
	return c.keepFor(ctx)
}

// version is that of the schema; 0 without one.
func (c *ClickHouse) version(ctx context.Context) (int, error) {
	text, err := c.value(ctx, "SELECT max(version) FROM mxprint_schema")
	if hasCode(err, codeUnknownTable) {
		return 0, nil
	} else if err != nil {
		return 0, err
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		return 0, fmt.Errorf("its version is %.40q: %w", text, err)
	}
	return n, nil
}

func (c *ClickHouse) makeDatabase(ctx context.Context) error {
	other := *c
	other.database = "default"
	return other.exec(ctx, "CREATE DATABASE IF NOT EXISTS `"+c.database+"`")
}

// keepFor has rows kept as long as the configuration says now, where the tables
// say otherwise. Tables without a TTL are the operator's own.
func (c *ClickHouse) keepFor(ctx context.Context) error {
	const days = "toIntervalDay("
	for t := range tables {
		engine, err := c.value(ctx, "SELECT engine_full FROM system.tables WHERE database = currentDatabase() AND name = "+quote(t.String())+" FORMAT TSVRaw")
		if err != nil {
			return err
		}
		_, rest, has := strings.Cut(engine, days)
		now, _, _ := strings.Cut(rest, ")")
		if !has || now == strconv.Itoa(c.keep) {
			continue
		}
		err = c.exec(ctx, fmt.Sprintf("ALTER TABLE %s MODIFY TTL toDateTime(time) + toIntervalDay(%d)", t, c.keep))
		var refused *Refused
		if err != nil && !errors.As(err, &refused) {
			return err
		}
	}
	return nil
}
