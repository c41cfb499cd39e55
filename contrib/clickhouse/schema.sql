-- The tables of [export] clickhouse (docs/clickhouse.md), which keep rows for 90 days.
-- CREATE DATABASE mxprint; and run this with that database.

CREATE TABLE IF NOT EXISTS mxprint_schema (
	version UInt32,
	at DateTime DEFAULT now()
) ENGINE = ReplacingMergeTree ORDER BY version;

CREATE TABLE IF NOT EXISTS observations (
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
	tls_state LowCardinality(String),
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
	reset Bool
) ENGINE = ReplacingMergeTree
PARTITION BY toDate(time)
ORDER BY (module, time, run, n)
TTL toDateTime(time) + toIntervalDay(90)
SETTINGS ttl_only_drop_parts = 1, non_replicated_deduplication_window = 1000;

CREATE TABLE IF NOT EXISTS notes (
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
	tls_state LowCardinality(String),
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
	reset Bool,
	visits UInt32 CODEC(ZSTD(1)),
	new Bool,
	names UInt32 CODEC(ZSTD(1)),
	addresses UInt32 CODEC(ZSTD(1)),
	changed_parts Array(LowCardinality(String)),
	tokens Array(LowCardinality(String))
) ENGINE = ReplacingMergeTree(changed)
PARTITION BY toDate(time)
ORDER BY (time, sensor, connection)
TTL toDateTime(time) + toIntervalDay(90)
SETTINGS ttl_only_drop_parts = 1, non_replicated_deduplication_window = 1000;

CREATE TABLE IF NOT EXISTS verdicts (
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
TTL toDateTime(time) + toIntervalDay(90)
SETTINGS ttl_only_drop_parts = 1, non_replicated_deduplication_window = 1000;

INSERT INTO mxprint_schema (version) VALUES (1);
