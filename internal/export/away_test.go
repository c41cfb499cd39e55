package export

import (
	"cmp"
	"os"
	"testing"
	"time"

	"github.com/mxprint/mxprint/internal/status"
	"github.com/mxprint/mxprint/internal/test/clickhouse"
)

// awayEnv is for how long ClickHouse is away in TestClickHouseAway: ten minutes by
// make test-fleet, three seconds without it.
const awayEnv = "MXPRINT_FLEET_AWAY"

// TestClickHouseAway: ClickHouse, the real engine, is away at 2,000 observations a second
// and comes back: all rows are there once.
func TestClickHouseAway(t *testing.T) {
	away, err := time.ParseDuration(cmp.Or(os.Getenv(awayEnv), "3s"))
	if err != nil {
		t.Fatal(err)
	}
	const rate = 2000
	ch := clickhouse.New(t)
	cfg := to(t, ch.URL(), t.TempDir())
	cfg.ClickHouse.deadline = 30 * time.Second // as by default: this engine has two cores to share
	cfg.Every, cfg.MaxSpool, cfg.backOff, cfg.Tables = DefaultEvery, 1<<30, 0, []Table{Observations}
	e, stop := running(t, cfg)
	seen := 0
	feed := func(d time.Duration) {
		begin, first := time.Now(), seen
		for time.Since(begin) < d {
			for end := first + int(time.Since(begin).Seconds()*rate); seen < end; seen++ {
				e.Observe(fresh(seen % 60_000))
			}
			time.Sleep(5 * time.Millisecond)
		}
	}
	around := min(10*time.Second, away)
	feed(around)
	ch.Stop()
	began, most := time.Now(), status.Export{}
	for time.Since(began) < away {
		feed(min(10*time.Second, away-time.Since(began)))
		if s := e.Stats(); s.Bytes > most.Bytes {
			most = s
		}
	}
	ch.Start()
	back := time.Now()
	feed(around)
	e.Save()
	for end := time.Now().Add(20 * time.Minute); e.Stats().Waiting > 0; time.Sleep(100 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("after twenty minutes: %+v", e.Stats())
		}
	}
	took := time.Since(back)
	stop()
	s := e.Stats()
	t.Logf("%d observations; away for %v; at most %d rows in %d bytes of spool, %.1f bytes a row; all sent %v after it was back, %d batches, %d failed requests",
		seen, away, most.Waiting, most.Bytes, float64(most.Bytes)/float64(max(most.Waiting, 1)), took.Round(time.Second), s.Batches, s.Failures)
	if s.Dropped.Sum() > 0 || s.Sent != uint64(seen) {
		t.Errorf("%d observations: %+v", seen, s)
	}
	answer, err := ch.Query("mxprint", "SELECT count(), uniqExact(run, n), min(n), max(n) FROM observations")
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("rows, ids, first and last: %s", answer)
	ch.Want("mxprint", "SELECT count() = uniqExact(run, n), uniqExact(run, n), max(n) FROM observations", "1\t"+itoa(seen)+"\t"+itoa(seen))
	size, err := ch.Query("mxprint", "SELECT sum(rows), sum(bytes_on_disk), round(sum(bytes_on_disk) / sum(rows), 1), count() FROM system.parts WHERE active AND database = 'mxprint' AND table = 'observations'")
	t.Logf("rows, bytes on the disk, bytes a row, parts: %s, %v", size, err)
}

func itoa(n int) string { return string(appendInt(nil, n)) }
