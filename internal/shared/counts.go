package shared

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"strconv"
	"time"

	"github.com/mxprint/mxprint/internal/evidence"
)

// Evidence of several sites adds up. Each sensor keeps its own counts in the store,
// under a key of its own and with a hash of senders that all have in common, so
// that a sender who is seen at several is one; they are added when they are read.
const (
	countsEvery = time.Hour
	countsFirst = time.Minute // after the start
	countsTime  = 30 * time.Second
	maxCounts   = 8 << 20 // bytes of one sensor's
)

// keepCounts publishes the counts of this site now and then.
func (s *Store) keepCounts(ctx context.Context) {
	if s.Counts == nil {
		return
	}
	timer := time.NewTimer(countsFirst)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case <-s.soon:
		}
		if err := s.publishCounts(ctx, s.Counts); err != nil && ctx.Err() == nil {
			s.log.Warn("the evidence of this site is not shared, trying again", "reason", err, "after", countsEvery)
		}
		timer.Reset(countsEvery)
	}
}

func (s *Store) publishCounts(ctx context.Context, counts func(context.Context, uint64) (*evidence.Counts, error)) error {
	l := s.write.Load()
	if l == nil {
		return errConnecting
	}
	ctx, cancel := context.WithTimeout(ctx, countsTime)
	defer cancel()
	seed, err := s.seed(ctx, l)
	if err != nil {
		return err
	}
	c, err := counts(ctx, seed)
	if err != nil {
		return err
	}
	return s.setCounts(ctx, l, s.cfg.Sensor, c)
}

func (s *Store) setCounts(ctx context.Context, l *link, sensor string, c *evidence.Counts) error {
	text := c.Append(nil)
	if len(text) > maxCounts {
		return fmt.Errorf("they have %d bytes, more than %d", len(text), maxCounts)
	}
	return l.Do(ctx, l.B().Set().Key(prefix+kindCounts+sensor).Value(string(text)).ExSeconds(int64(s.cfg.Age.Seconds())).Build()).Error()
}

// seed is the key of senders in the counts: of the secret, or a random one that
// the fleet has in common.
func (s *Store) seed(ctx context.Context, l *link) (uint64, error) {
	if s.cfg.Secret != nil {
		mac := hmac.New(sha256.New, s.cfg.Secret)
		mac.Write([]byte("seed"))
		return binary.LittleEndian.Uint64(mac.Sum(nil)), nil
	}
	var b [8]byte
	rand.Read(b[:])
	key, mine := prefix+"seed", strconv.FormatUint(binary.LittleEndian.Uint64(b[:]), 16)
	got := l.DoMulti(ctx, l.B().Setnx().Key(key).Value(mine).Build(), l.B().Getrange().Key(key).Start(0).End(20).Build())
	if err := got[0].Error(); err != nil {
		return 0, err
	}
	text, err := got[1].AsBytes()
	if err != nil {
		return 0, err
	}
	seed, err := strconv.ParseUint(string(text), 16, 64)
	if err != nil {
		return 0, fmt.Errorf("%w: %s", errRecord, key)
	}
	return seed, nil
}

// Evidence returns what the verdicts of all sites come to, and how many sites they
// are of.
func (s *Store) Evidence(ctx context.Context) (*evidence.Counts, int, error) {
	all, sites := evidence.NewCounts(), 0
	err := s.eachCounts(ctx, func(_ string, c *evidence.Counts) error {
		all.Merge(c)
		sites++
		return nil
	})
	return all, sites, err
}

// eachCounts calls f with the counts of each sensor.
func (s *Store) eachCounts(ctx context.Context, f func(sensor string, c *evidence.Counts) error) error {
	list, err := s.Sensors(ctx)
	if err != nil {
		return err
	}
	l := s.read.Load()
	for _, one := range list {
		text, err := l.Do(ctx, l.B().Getrange().Key(prefix+kindCounts+one.Name).Start(0).End(maxCounts).Build()).AsBytes()
		if err != nil {
			return err
		}
		if len(text) == 0 {
			continue
		}
		c, err := evidence.Decode(text)
		if err != nil {
			s.malformed.Add(1)
			continue
		}
		if err := f(one.Name, c); err != nil {
			return err
		}
	}
	return nil
}
