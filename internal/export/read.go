package export

import (
	"bufio"
	"cmp"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strconv"
	"time"

	"github.com/mxprint/mxprint/internal/evidence"
	"github.com/mxprint/mxprint/internal/store"
)

// Reader reads a ClickHouse for mxprint report (evidence.Source): the notes of all
// sensors that have a verdict. Of more than MaxMails it takes a sample of senders,
// whole senders each.
type Reader struct {
	ClickHouse *ClickHouse
	MaxMails   int // 0: DefaultMaxMails

	sample int // one of how many senders; 0: not known yet
}

// DefaultMaxMails is how many mails a report is made of at most.
const DefaultMaxMails = 2_000_000

// evidenceAge is how far back evidence goes, as in package evidence.
const evidenceAge = 120 * 24 * time.Hour

// reportTime is how long one query of a report may take.
const reportTime = 10 * time.Minute

// judged is a join of notes with their verdicts.
const judged = `FROM (SELECT * FROM notes FINAL WHERE time >= %[1]s) AS n
INNER JOIN (
	SELECT connection, groupArray((source, spam, sure, person, score, threshold)) AS verdicts
	FROM (SELECT * FROM verdicts FINAL WHERE time >= %[1]s ORDER BY time, n)
	GROUP BY connection
) AS v USING (connection)`

// Evidence returns what the verdicts of all sensors come to.
func (r *Reader) Evidence(ctx context.Context) (*evidence.Counts, error) {
	c := evidence.NewCounts()
	err := r.Mails(ctx, time.Now().Add(-evidenceAge), func(m *evidence.Mail) error {
		m.Count(c)
		return nil
	})
	return c, err
}

// Connections counts the notes since a time, and those with a verdict.
func (r *Reader) Connections(ctx context.Context, since time.Time) (all, judgedMails int64, err error) {
	if all, err = r.count(ctx, "SELECT count() FROM notes FINAL WHERE time >= "+sqlTime(since)); err == nil {
		judgedMails, err = r.count(ctx, "SELECT count() "+fmt.Sprintf(judged, sqlTime(since)))
	}
	return all, judgedMails, err
}

func (r *Reader) count(ctx context.Context, query string) (n int64, err error) {
	text, err := r.ClickHouse.value(ctx, query)
	if err == nil {
		_, err = fmt.Sscan(text, &n)
	}
	return n, r.of(err)
}

// of names the server that an error is of.
func (r *Reader) of(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("the history at %v: %w", r.ClickHouse, err)
}

// Sample is of how many senders one is in the report.
func (r *Reader) Sample() int { return max(r.sample, 1) }

// Mails calls f with each mail since a time, in order of time.
func (r *Reader) Mails(ctx context.Context, since time.Time, f func(*evidence.Mail) error) error {
	if err := r.choose(ctx); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, reportTime)
	defer cancel()
	query := "SELECT toUnixTimestamp64Micro(n.time) AS at, n.client, n.client_port, n.sender, n.name, n.tokens, v.verdicts " +
		fmt.Sprintf(judged, sqlTime(since)) + fmt.Sprintf(" WHERE n.sender %% %d = 0 ORDER BY n.time, n.connection FORMAT JSONCompactEachRow", r.Sample())
	var own error // of f
	err := r.ClickHouse.do(ctx, query, nil, nil, false, func(in io.Reader) error {
		rows := bufio.NewScanner(in)
		rows.Buffer(nil, maxRow)
		for rows.Scan() {
			m, err := readMail(rows.Bytes())
			if err != nil {
				return err
			}
			if own = f(m); own != nil {
				return own
			}
		}
		if err := rows.Err(); err != nil { // also where the answer is cut: half of the mails is no report
			return fmt.Errorf("the rows of ClickHouse: %w", err)
		}
		return nil
	})
	if own != nil {
		return own
	}
	return r.of(err)
}

// maxRow bounds a row that is read, in bytes.
const maxRow = 1 << 20

// choose finds how large a sample is to be.
func (r *Reader) choose(ctx context.Context) error {
	if r.sample > 0 {
		return nil
	}
	_, n, err := r.Connections(ctx, time.Now().Add(-evidenceAge))
	if err == nil {
		r.sample = int(n)/cmp.Or(r.MaxMails, DefaultMaxMails) + 1
	}
	return err
}

// readMail reads a row: a list of JSON.
func readMail(text []byte) (*evidence.Mail, error) {
	var (
		at, from json.Number
		client   netip.Addr
		m        evidence.Mail
		verdicts [][]any
	)
	row := []any{&at, &client, &m.Port, &from, &m.Name, &m.Tokens, &verdicts}
	if err := json.Unmarshal(text, &row); err != nil {
		return nil, fmt.Errorf("a row of ClickHouse: %w", err)
	}
	micro, err := at.Int64()
	number, err2 := strconv.ParseUint(from.String(), 10, 64)
	if !client.IsValid() {
		err = errors.Join(err, errors.New("no address"))
	}
	if err := errors.Join(err, err2); err != nil {
		return nil, fmt.Errorf("a row of ClickHouse: %w", err)
	}
	m.At, m.Network = time.UnixMicro(micro), store.Network(client)
	m.Sender = evidence.Sender(1, binary.LittleEndian.AppendUint64(nil, number)) // all 64 bits: counts sample by them
	for _, v := range verdicts {
		m.Verdicts = append(m.Verdicts, verdictOf(v))
	}
	return &m, nil
}

// verdictOf reads a tuple of a verdict.
func verdictOf(v []any) (out evidence.Verdict) {
	if len(v) != 6 {
		return out
	}
	out.Source, _ = v[0].(string)
	out.Spam, out.Sure, out.Person = v[1] == true, v[2] == true, v[3] == true
	if score, ok := v[4].(float64); ok {
		out.HasScore, out.Score = true, score
		out.Threshold, _ = v[5].(float64)
	}
	return out
}

// sqlTime is a time in SQL.
func sqlTime(t time.Time) string {
	return fmt.Sprintf("fromUnixTimestamp64Micro(toInt64(%d), 'UTC')", t.UnixMicro())
}
