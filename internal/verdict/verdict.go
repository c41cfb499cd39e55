// Package verdict takes what filters and people say of a mail into the store:
// lines of JSON on a socket, what rspamd's metadata_exporter posts, the log of
// Postfix and amavis, and the headers of a delivered message. It is the inward
// side of package store; docs/evidence.md describes each way.
package verdict

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/mxprint/mxprint/internal/store"
)

// Line is a verdict as a line of JSON, and what the socket takes besides.
type Line struct {
	ID     string    `json:"id,omitempty"`     // of our header
	Client string    `json:"client,omitempty"` // address, or address and port
	Time   time.Time `json:"time,omitzero"`

	Verdict   string   `json:"verdict,omitempty"` // spam or ham; else score and threshold say it
	Source    string   `json:"source,omitempty"`
	Score     *float64 `json:"score,omitempty"`
	Threshold *float64 `json:"threshold,omitempty"`
	Sure      *bool    `json:"sure,omitempty"` // else the distance from the threshold says it
	Person    bool     `json:"person,omitempty"`

	Forget string `json:"forget,omitempty"` // an address, network or name, and nothing else

	rspamd
}

// rspamd is what its metadata_exporter posts (formatter json).
type rspamd struct {
	IP       string   `json:"ip,omitempty"`
	Action   string   `json:"action,omitempty"`
	Required *float64 `json:"required_score,omitempty"`
}

// Answer is what the socket says of a line.
type Answer struct {
	OK        bool   `json:"ok,omitempty"`
	Forgotten *int64 `json:"forgotten,omitempty"` // connections
	Error     string `json:"error,omitempty"`
}

// errNothing is of a mail about which nothing was decided: greylisting.
var errNothing = errors.New("no verdict: the mail was put off")

// Parse reads a line.
func Parse(text []byte) (*Line, error) {
	l := new(Line)
	if err := json.Unmarshal(text, l); err != nil {
		return nil, fmt.Errorf("want one JSON object: %w", err)
	}
	return l, nil
}

// Of makes the verdict of a line.
func (l *Line) Of() (store.Verdict, error) {
	v := store.Verdict{ID: l.ID, At: l.Time, Source: l.Source, Person: l.Person}
	client := l.Client
	if l.Action != "" && l.Verdict == "" {
		if err := l.fromRspamd(&v, &client); err != nil {
			return v, err
		}
	} else if err := l.judge(&v); err != nil {
		return v, err
	}
	if l.Sure != nil {
		v.Sure = *l.Sure
	}
	if client != "" {
		var err error
		if v.Client, err = netip.ParseAddrPort(client); err != nil {
			a, err := netip.ParseAddr(strings.Trim(client, "[]"))
			if err != nil {
				return v, fmt.Errorf("client: want an address, or an address and port: %.60q", client)
			}
			v.Client = netip.AddrPortFrom(a, 0)
		}
		v.Client = netip.AddrPortFrom(v.Client.Addr().Unmap(), v.Client.Port())
	}
	return v, nil
}

// judge reads the verdict, or makes it of the score.
func (l *Line) judge(v *store.Verdict) error {
	if l.Score != nil {
		v.HasScore, v.Score = true, *l.Score
		if l.Threshold != nil {
			v.Threshold = *l.Threshold
			v.Spam, v.Sure = v.Score >= v.Threshold, store.Sure(v.Score, v.Threshold)
		}
	}
	switch {
	case l.Verdict == "spam" || l.Verdict == "ham":
		v.Spam = l.Verdict == "spam"
	case l.Verdict != "":
		return fmt.Errorf(`verdict: want "spam" or "ham": %.20q`, l.Verdict)
	case l.Score == nil || l.Threshold == nil:
		return errors.New("want a verdict, or score and threshold")
	}
	v.Sure = v.Sure || v.Person
	return nil
}

// usual is rspamd's score for a header, where it does not say its own.
const usual = 6

// fromRspamd takes rspamd's words for its actions. A reject is sure: what it
// takes is far above what it takes for a header.
func (l *Line) fromRspamd(v *store.Verdict, client *string) error {
	*client = cmp.Or(*client, l.IP)
	v.Source = cmp.Or(v.Source, "rspamd")
	if l.Score != nil {
		v.HasScore, v.Score, v.Threshold = true, *l.Score, usual
		if l.Required != nil && *l.Required > 0 {
			v.Threshold = *l.Required
		}
		v.Sure = store.Sure(v.Score, v.Threshold)
	}
	switch l.Action {
	case "reject", "discard":
		v.Spam, v.Sure = true, true
	case "add header", "rewrite subject", "quarantine":
		v.Spam = true
		v.Sure = v.Sure && v.Score >= v.Threshold
	case "no action", "accept":
		v.Sure = v.Sure && v.Score < v.Threshold
	default: // greylist, soft reject
		return errNothing
	}
	return nil
}
