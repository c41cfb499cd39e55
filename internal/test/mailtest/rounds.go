//go:build linux

package mailtest

import (
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mxprint/mxprint/internal/test/lab"
)

// SendNoted sends mails until half of a round of count has a header, and returns
// that round. Time limits of milliseconds are above what a sensor needs, but
// not on every machine at every moment.
func SendNoted(t *testing.T, pair *lab.Pair, mails, prefix string, count int) *Round {
	t.Helper()
	var r *Round
	for try := range 10 {
		r = SendMany(t, pair, fmt.Sprintf("%s-%d", prefix, try), count, func(int) {})
		got := WithHeader(t, mails, r.Ids)
		if got >= count/2 {
			return r
		}
		t.Logf("%s: %d of %d mails have a header", prefix, got, count)
	}
	t.Errorf("%s: of ten rounds none has a header in half of its mails", prefix)
	return r
}

// WithHeader waits for the mails and counts those with a header of ours; none
// may have two. Whether the address is shared is p0f's guess from ports, which
// are random here.
func WithHeader(t *testing.T, mails string, ids []string) (count int) {
	t.Helper()
	all := headersOf(t, mails, ids)
	for _, id := range ids {
		n := 0
		for _, l := range all[id] {
			if strings.HasPrefix(l, `X-p0f-Result: os="Linux`) {
				n++
			} else if OurHeader.MatchString(l) {
				t.Errorf("mail %s has the header %q", id, l)
			}
		}
		if n > 1 {
			t.Errorf("mail %s has %d headers, want one", id, n)
		}
		count += min(n, 1)
	}
	return count
}

// A round is a number of mails sent by several clients at a time.
type Round struct {
	mu      sync.Mutex
	Longest time.Duration
	Sum     time.Duration
	Ids     []string // of those that were taken
}

// SendMany sends count mails, ten at a time and by both families, and calls
// at(i) before mail i.
func SendMany(t *testing.T, pair *lab.Pair, prefix string, count int, at func(int)) *Round {
	t.Helper()
	r := &Round{}
	var next int
	var wg sync.WaitGroup
	for range 10 {
		wg.Go(func() {
			for {
				r.mu.Lock()
				i := next
				next++
				if i < count {
					at(i)
				}
				r.mu.Unlock()
				if i >= count {
					return
				}
				f := Families(pair)[i%2]
				id := prefix + "-" + strconv.Itoa(i)
				begin := time.Now()
				if err := SendMail(pair.Client, f.From, f.To, id); err != nil {
					t.Errorf("mail %s: %v", id, err)
					continue
				}
				took := time.Since(begin)
				r.mu.Lock()
				r.Longest, r.Sum = max(r.Longest, took), r.Sum+took
				r.Ids = append(r.Ids, id)
				r.mu.Unlock()
			}
		})
	}
	wg.Wait()
	return r
}

// CheckHang compares the longest time that a mail took while something was
// away with the usual one. Only a hang is above the limit.
func CheckHang(t *testing.T, usual, away *Round, bound time.Duration) {
	t.Helper()
	mean := func(r *Round) time.Duration {
		return (r.Sum / time.Duration(max(len(r.Ids), 1))).Round(time.Millisecond)
	}
	t.Logf("usual: %v a mail, %v at most; then %v and %v", mean(usual), usual.Longest.Round(time.Millisecond),
		mean(away), away.Longest.Round(time.Millisecond))
	if limit := usual.Longest + bound + hang; away.Longest > limit {
		t.Errorf("a mail took %v, want %v at most", away.Longest, limit)
	}
}
