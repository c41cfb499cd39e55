package shared

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/valkey-io/valkey-go"

	"github.com/mxprint/mxprint/internal/status"
	"github.com/mxprint/mxprint/note"
)

// sensorWire is a status.Peer in the store.
type sensorWire struct {
	Version string `json:"version"`
	Started int64  `json:"started"` // seconds since 1970
	Lag     int64  `json:"lag_ms"`
	Queued  int    `json:"queued"`
	Dropped uint64 `json:"dropped"`
}

const (
	beatEvery  = 5 * time.Second
	listTime   = 5 * time.Second
	maxSensors = 10_000
	maxSensor  = 1 << 10 // bytes
)

// heartbeat says that this sensor lives.
func (s *Store) heartbeat(ctx context.Context) error {
	l := s.write.Load()
	queued, _ := s.queue.state()
	text, err := json.Marshal(sensorWire{s.cfg.Version, s.since.Unix(), s.queue.worst().Milliseconds(), queued, s.dropped.Load()})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, dialTime)
	defer cancel()
	for i, r := range l.DoMulti(ctx,
		l.B().Set().Key(prefix+kindSensor+s.cfg.Sensor).Value(string(text)).Get().PxMilliseconds(sensorAge.Milliseconds()).Build(),
		l.B().Sadd().Key(keySensors).Member(s.cfg.Sensor).Build(),
		l.B().Expire().Key(keySensors).Seconds(int64(2*sensorAge.Seconds())).Build()) {
		err := r.Error()
		if i == 0 && valkey.IsValkeyNil(err) {
			if err = nil; s.spoke.Swap(true) {
				s.recent.lost()
				s.emptied.Add(1)
				s.log.Warn("the shared store was emptied", "servers", s.cfg.Servers)
			}
		}
		if err != nil {
			s.cannotWrite(err)
			return err
		}
	}
	s.spoke.Store(true)
	s.canWrite()
	return nil
}

// Sensors returns the sensors of the fleet that have spoken within a day, by name:
// 10,000 at most. It waits for the server for up to five seconds.
func (s *Store) Sensors(ctx context.Context) ([]status.Peer, error) {
	l := s.read.Load()
	if l == nil {
		return nil, errConnecting
	}
	ctx, cancel := context.WithTimeout(ctx, listTime)
	defer cancel()
	names, err := l.Do(ctx, l.B().Srandmember().Key(keySensors).Count(maxSensors).Build()).AsStrSlice()
	if err != nil {
		return nil, fmt.Errorf("shared store: %w", err)
	}
	slices.Sort(names)
	list := []status.Peer{}
	for chunk := range slices.Chunk(names, maxBatch) {
		var cmds valkey.Commands
		for _, name := range chunk {
			key := prefix + kindSensor + name
			cmds = append(cmds, l.B().Getrange().Key(key).Start(0).End(maxSensor).Build(), l.B().Pttl().Key(key).Build())
		}
		got := l.DoMulti(ctx, cmds...)
		for i, name := range chunk {
			one, err := readSensor(name, got[2*i], got[2*i+1])
			if errors.Is(err, errRecord) {
				s.malformed.Add(1)
			} else if err != nil {
				return nil, fmt.Errorf("shared store: %w", err)
			} else if one != nil {
				list = append(list, *one)
			}
		}
	}
	return list, nil
}

// readSensor reads a sensor; nil is one that has not spoken for a day.
func readSensor(name string, value, ttl valkey.ValkeyResult) (*status.Peer, error) {
	text, err := value.AsBytes()
	if err != nil || len(text) == 0 {
		return nil, err
	}
	ms, err := ttl.AsInt64()
	if err != nil {
		return nil, err
	}
	var w sensorWire
	left := time.Duration(ms) * time.Millisecond
	if ms < 0 || left > sensorAge || w.Queued < 0 || json.Unmarshal(text, &w) != nil || w.Started < 0 || w.Started > maxTime ||
		w.Lag < 0 || w.Lag > sensorAge.Milliseconds() || !ValidSensor(name) {
		return nil, errRecord
	}
	return &status.Peer{Name: name, Version: note.Clean(w.Version), Started: time.Unix(w.Started, 0), Seen: sensorAge - left,
		Lag: time.Duration(w.Lag) * time.Millisecond, Queued: w.Queued, Dropped: w.Dropped}, nil
}

// ValidSensor reports whether a name can be a sensor's: letters, digits, and .-_
// as in host names, 64 bytes at most.
func ValidSensor(name string) bool {
	return name != "" && len(name) <= 64 && !strings.ContainsFunc(name, func(c rune) bool {
		return !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '.' || c == '-' || c == '_')
	})
}
