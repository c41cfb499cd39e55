-- Queries for the tables of [export] clickhouse (docs/clickhouse.md). Each has its
-- question above it. FINAL leaves out rows that came twice and are not merged yet.
-- A test runs all of them with ClickHouse's own engine.

-- Which sensors send, how many rows a second of the last hour, and how old the newest row is.
SELECT sensor, round(count() / 3600, 1) AS rows_a_second, now() - max(time) AS seconds_ago
FROM mxprint.observations
WHERE time > now() - INTERVAL 1 HOUR
GROUP BY sensor
ORDER BY sensor;

-- Which systems connect, by connections and by senders, of the last day.
SELECT if(os = '', state, os) AS system, count() AS connections, uniq(sender) AS senders
FROM mxprint.notes FINAL
WHERE time > now() - INTERVAL 1 DAY
GROUP BY system
ORDER BY connections DESC
LIMIT 20;

-- Which programs send, of the last day.
SELECT software, software_quality, count() AS connections, uniq(sender) AS senders
FROM mxprint.notes FINAL
WHERE time > now() - INTERVAL 1 DAY AND software != ''
GROUP BY software, software_quality
ORDER BY connections DESC
LIMIT 20;

-- What each signal was worth in the last 30 days: the share of spam among senders' days, as mxprint report counts it.
SELECT token, count() AS senders, round(100 * avg(spam_share), 1) AS spam_percent
FROM
(
    SELECT token, n.sender, toDate(n.time) AS day, avg(v.spam) AS spam_share
    FROM (SELECT * FROM mxprint.notes FINAL WHERE time > now() - INTERVAL 30 DAY) AS n
    ARRAY JOIN tokens AS token
    INNER JOIN (
        SELECT connection, argMax(spam, (person, time)) AS spam
        FROM mxprint.verdicts FINAL
        WHERE time > now() - INTERVAL 30 DAY AND sure
        GROUP BY connection
    ) AS v USING (connection)
    GROUP BY token, n.sender, day
)
GROUP BY token
HAVING senders >= 10
ORDER BY spam_percent DESC
LIMIT 50;

-- Which addresses came with the most names in HELO, of the last day.
SELECT client, uniqExact(name) AS names, count() AS connections, uniq(sensor) AS sensors
FROM mxprint.notes FINAL
WHERE time > now() - INTERVAL 1 DAY AND name != ''
GROUP BY client
HAVING names > 1
ORDER BY names DESC
LIMIT 20;

-- Which campaigns touch each exchanger a little: one fingerprint of TLS and SMTP, many addresses, several sensors.
SELECT ja4, dialect, uniq(sender) AS senders, uniq(sensor) AS sensors, count() AS connections
FROM mxprint.notes FINAL
WHERE time > now() - INTERVAL 1 HOUR AND ja4 != ''
GROUP BY ja4, dialect
HAVING senders >= 2
ORDER BY senders DESC
LIMIT 20;

-- Which SYNs no signature matches, the most frequent of the last week.
SELECT raw_sig, count() AS times, uniq(client) AS clients
FROM mxprint.observations
WHERE module = 'syn' AND matched = 'no' AND time > now() - INTERVAL 7 DAY
GROUP BY raw_sig
ORDER BY clients DESC
LIMIT 50;

-- What an address did, the newest first: put the address in.
SELECT time, sensor, name, os, os_flavor, software, conduct, tokens
FROM mxprint.notes FINAL
WHERE client = toIPv6('192.0.2.1')
ORDER BY time DESC
LIMIT 50;

-- What a row takes on the disk, by table.
SELECT table, sum(rows) AS row_count, round(sum(bytes_on_disk) / row_count, 1) AS bytes_a_row
FROM system.parts
WHERE database = 'mxprint' AND active
GROUP BY table
ORDER BY table;
