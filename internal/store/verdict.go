package store

import (
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/mxprint/mxprint/note"
)

// Verdict is what somebody said of a mail. It finds its connection by the ID that
// our header had, else by the client's address and port, else by its address and
// the time.
type Verdict struct {
	ID     string         // of note.Memory
	Client netip.AddrPort // without a port where it is not known
	At     time.Time      // when the mail came; zero: now

	Source    string // "rspamd", "learn": printable, at most 40 bytes
	Spam      bool
	Sure      bool // counts as evidence
	Person    bool // a person said it: it outweighs programs
	HasScore  bool
	Score     float64
	Threshold float64 // from which on the source takes a mail for spam; 0 with HasScore false

	done chan error
}

// Bounds of verdicts.
const (
	maxSource     = 40
	maxOfOne      = 200              // verdicts on one connection
	nearInTime    = 15 * time.Minute // of a verdict that has an address and a time
	afterTheStart = 2 * time.Hour    // of a verdict that has the port
)

// Errors of verdicts that find no connection.
var (
	ErrUnknownID    = errors.New("no connection has that id: it is not ours, too old, or was forgotten")
	ErrNoConnection = errors.New("no connection of that client near that time is known")
	ErrAmbiguous    = errors.New("several connections of that client near that time differ: an id or port is needed")
	ErrTooMany      = errors.New("that connection has had all verdicts that are taken")
)

// Sure reports whether a score is so far from its threshold that it counts: only
// the filter's own extremes are labels that can be learned from (LISA 2011).
func Sure(score, threshold float64) bool {
	if threshold <= 0 {
		return false
	}
	return score >= 2*threshold || score <= 0
}

func (v *Verdict) check() error {
	switch {
	case v.Source == "" || len(v.Source) > maxSource:
		return fmt.Errorf("source: want 1 to %d bytes", maxSource)
	case v.ID == "" && !v.Client.IsValid():
		return errors.New("id or client is needed")
	}
	for i := range len(v.Source) {
		if c := v.Source[i]; c <= ' ' || c >= 0x7f {
			return errors.New("source: want printable ASCII without blanks")
		}
	}
	return nil
}

// Verdict queues a verdict. wait: it returns when the verdict has been written or
// has found no connection; otherwise only what is malformed is an error.
func (s *Store) Verdict(v Verdict, wait bool) error {
	if err := v.check(); err != nil {
		return err
	}
	if v.At.IsZero() {
		v.At = s.cfg.now()
	}
	if wait {
		v.done = make(chan error, 1)
	}
	s.mu.Lock()
	ok := s.push(item{verdict: &v})
	s.mu.Unlock()
	if !ok {
		return errors.New("too much waits to be written: try again")
	}
	if !wait {
		return nil
	}
	timer := time.NewTimer(verdictTime)
	defer timer.Stop()
	select {
	case err := <-v.done:
		return err
	case <-timer.C:
		return errors.New("the store does not answer; it is written when it does")
	}
}

// verdictTime is how long a verdict waits to be written.
const verdictTime = 5 * time.Second

// verdict writes one.
func (w *writer) verdict(tx *transaction, v *Verdict) error {
	id, err := w.find(tx, v)
	if errors.Is(err, ErrUnknownID) || errors.Is(err, ErrNoConnection) || errors.Is(err, ErrAmbiguous) || errors.Is(err, ErrTooMany) {
		w.s.orphans.Add(1)
		if errors.Is(err, ErrUnknownID) {
			w.judge(strings.ToLower(v.ID), v)
		}
		v.answer(err)
		return nil
	} else if err != nil {
		return err
	}
	score, threshold := sql.NullFloat64{Float64: v.Score, Valid: v.HasScore}, sql.NullFloat64{Float64: v.Threshold, Valid: v.HasScore}
	_, err = tx.Exec(insertVerdict,
		id, v.At.UnixMilli(), v.Source, v.Spam, v.Sure, v.Person, score, threshold)
	if err == nil {
		w.s.verdicts.Add(1)
		w.judgedOf(tx, id, v)
		v.answer(nil)
	}
	return err
}

// judgement is a verdict that Judged is called with after the commit.
type judgement struct {
	connection string
	verdict    *Verdict
}

// judgedOf notes a verdict on a connection of the file.
func (w *writer) judgedOf(tx *transaction, id int64, v *Verdict) {
	if w.s.cfg.Judged == nil {
		return
	}
	var b []byte
	if tx.QueryRow("SELECT mark FROM connection WHERE id = ?", id).Scan(&b) == nil && len(b) == markSize {
		w.judge(mark(b).String(), v)
	}
}

func (w *writer) judge(connection string, v *Verdict) {
	if _, ok := parseMark(connection); ok && w.s.cfg.Judged != nil {
		w.judged = append(w.judged, judgement{connection, v})
	}
}

func (v *Verdict) answer(err error) {
	if v.done != nil {
		select {
		case v.done <- err:
		default: // a batch that is written again has answered
		}
	}
}

// find returns the connection that a verdict is about.
func (w *writer) find(tx *transaction, v *Verdict) (id int64, err error) {
	if v.ID != "" {
		id, err = w.findMark(tx, v.ID)
	} else if v.Client.Port() != 0 {
		id, err = w.findPort(tx, v)
	} else {
		id, err = findTime(tx, v)
	}
	if err != nil {
		return 0, err
	}
	var have int
	if err := tx.QueryRow(countVerdicts, id).Scan(&have); err != nil {
		return 0, err
	}
	if have >= maxOfOne {
		return 0, ErrTooMany
	}
	return id, nil
}

func (w *writer) findMark(tx *transaction, text string) (id int64, err error) {
	m, ok := parseMark(text)
	if !ok {
		return 0, ErrUnknownID
	}
	err = tx.QueryRow(findMark, m.number(w.s.seed), m[:], w.s.cfg.now().Add(-w.s.cfg.Marks).UnixMilli()).Scan(&id)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, ErrUnknownID
	}
	return id, err
}

func (w *writer) findPort(tx *transaction, v *Verdict) (id int64, err error) {
	at := v.At.UnixMilli()
	since := at - afterTheStart.Milliseconds()
	err = tx.QueryRow(findPort, since, Key(v.Client.Addr()), since, at+time.Minute.Milliseconds(), v.Client.Port()).Scan(&id)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, ErrNoConnection
	}
	return id, err
}

// findTime takes the newest connection of an address before the time. It does not
// distinguish those of different systems or programs.
func findTime(tx *transaction, v *Verdict) (id int64, err error) {
	at := v.At.UnixMilli()
	since := at - nearInTime.Milliseconds()
	rows, err := tx.Query(findTimes, since, Key(v.Client.Addr()), since, at+time.Minute.Milliseconds())
	var of Parts
	err = each(rows, err, func() error {
		var one int64
		var text string
		var n note.Note
		if err := rows.Scan(&one, &text); err != nil || json.Unmarshal([]byte(text), &n) != nil {
			return err
		}
		switch is := PartsOf(&n); {
		case id == 0:
			id, of = one, is
		case is != of:
			return ErrAmbiguous
		}
		return nil
	})
	if err == nil && id == 0 {
		err = ErrNoConnection
	}
	return id, err
}
