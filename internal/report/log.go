package report

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/mxprint/mxprint/internal/answer"
	"github.com/mxprint/mxprint/internal/host"
	"github.com/mxprint/mxprint/signature"
)

// Log writes observations as lines of p0f's log (p0f v3 §10.5). It implements
// host.Observer. Lines are gathered and written at Flush, or when many have
// come together. A Log is not safe for concurrent use.
type Log struct {
	// Doubts has what p0f has no words for stand behind its fields: other
	// systems that send the same SYN (or=), what a box on the way changed
	// (rewritten=), and an uptime that means nothing (reliable=no).
	Doubts bool

	w     io.Writer
	zone  *time.Location
	buf   []byte
	heads [host.HTTPResponse + 1]head // by module
	ends  ends
	tails tails
	raw   signature.RawMemo
	end   string // of a line
	lost  int    // lines since the last Flush, because of
	err   error
}

// head is how the lines of one module begin.
type head struct {
	second int64  // that text shows
	text   []byte // "[2026/11/23 09:25:17] mod=syn"
}

// writeAt is how many gathered bytes are written without waiting for a Flush.
const writeAt = 64 << 10

// NewLog returns a Log that writes to w, with times of the local zone.
func NewLog(w io.Writer) *Log {
	return &Log{w: w, zone: time.Local, end: "\n"}
}

// Observe adds one line.
func (l *Log) Observe(o *host.Observation) {
	h := &l.heads[o.Module]
	if second := o.At / 1e6; second != h.second || len(h.text) == 0 {
		h.second = second
		h.text = time.Unix(second, 0).In(l.zone).AppendFormat(h.text[:0], "[2006/01/02 15:04:05] mod=")
		h.text = append(h.text, o.Module.String()...)
	}
	b := append(l.buf, h.text...)
	b = l.ends.append(b, &o.Client, &o.Server)
	if o.Role == host.Client {
		b = append(b, "|subj=cli"...)
	} else {
		b = append(b, "|subj=srv"...)
	}
	b = l.appendFields(b, o, &logKeys)
	if l.Doubts {
		b = appendDoubts(b, o)
	}
	l.buf = append(b, '\n')
	if len(l.buf) >= writeAt {
		l.write()
	}
}

// Flush writes what was gathered. It returns how many lines could not be
// written since the last Flush, and the first reason.
func (l *Log) Flush() (lost int, err error) {
	l.write()
	lost, err = l.lost, l.err
	l.lost, l.err = 0, nil
	return lost, err
}

func (l *Log) write() {
	if len(l.buf) == 0 {
		return
	}
	if n, err := l.w.Write(l.buf); err != nil {
		end := []byte(l.end)
		l.lost += bytes.Count(l.buf, end) - bytes.Count(l.buf[:n], end)
		if l.err == nil {
			l.err = err
		}
	}
	l.buf = l.buf[:0]
}

// appendDoubts appends what p0f's log does not say.
func appendDoubts(b []byte, o *host.Observation) []byte {
	if o.Module == host.Uptime && o.Clock == signature.ClockRandom {
		return append(b, "|reliable=no"...)
	}
	if o.Segment == nil || o.Match.Sig == nil {
		return b
	}
	if others := o.Match.Sig.Label.Others; len(others) > 0 {
		b = append(append(b, "|or="...), strings.Join(others, ",")...)
	}
	if o.Match.Flags != 0 {
		b = append(append(b, "|rewritten="...), answer.Rewrite(o.Match.Flags).String()...)
	}
	return b
}

// keys are what stands before each value, the end of the field before included.
type keys struct {
	link, rawMTU, uptime, rawFreq, reason, rawHits string
	os, app, dist, params, rawSig, lang            string
}

var (
	logKeys    = newKeys("|", 0, "=")
	reportKeys = newKeys("\n| ", 8, " = ")
)

func newKeys(before string, width int, behind string) keys {
	key := func(name string) string { return fmt.Sprintf("%s%-*s%s", before, width, name, behind) }
	return keys{
		link: key("link"), rawMTU: key("raw_mtu"), uptime: key("uptime"), rawFreq: key("raw_freq"),
		reason: key("reason"), rawHits: key("raw_hits"), os: key("os"), app: key("app"), dist: key("dist"),
		params: key("params"), rawSig: key("raw_sig"), lang: key("lang"),
	}
}

// appendFields appends what an observation says, in p0f's words and order.
func (l *Log) appendFields(b []byte, o *host.Observation, k *keys) []byte {
	switch o.Module {
	case host.MTU:
		return append(b, l.tails.ofLink(o, k)...)
	case host.Uptime:
		b = appendUptime(append(b, k.uptime...), o)
		b = appendHundredths(append(b, k.rawFreq...), o.Frequency)
		return append(b, " Hz"...)
	case host.HostChange, host.IPSharing:
		b = appendReasons(append(b, k.reason...), o.Reasons)
		b = append(b, k.rawHits...)
		for i, n := range o.Hits {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendNumber(b, n)
		}
		return b
	case host.HTTPRequest, host.HTTPResponse:
		return appendHTTP(b, o, k)
	}
	// The four fields of a SYN or SYN+ACK (p0f v3 §3.4).
	b = l.tails.appendPrint(b, o, k)
	return l.raw.Append(b, o.Segment, &o.Match)
}

const unknown = "???"

func orUnknown(s string) string {
	if s == "" {
		return unknown
	}
	return s
}

// appendSystem appends what a SYN or SYN+ACK was taken for.
func appendSystem(b []byte, o *host.Observation, k *keys) []byte {
	key, label := k.os, (*signature.Label)(nil)
	if sig := o.Match.Sig; sig != nil {
		label = sig.Label
		if label.Userland() || o.Module == host.Probe || o.Module == host.ProbeResponse {
			key = k.app
		}
	}
	return appendLabel(append(b, key...), label)
}

func appendLabel(b []byte, label *signature.Label) []byte {
	if label == nil {
		return append(b, unknown...)
	}
	b = append(b, label.Name...)
	if label.Flavor != "" {
		b = append(append(b, ' '), label.Flavor...)
	}
	return b
}

// appendHTTP appends the four fields of a request or response (p0f v3 §8.4).
func appendHTTP(b []byte, o *host.Observation, k *keys) []byte {
	label := o.HTTP.Label
	key := k.app
	if label != nil && !label.Userland() {
		key = k.os
	}
	b = appendLabel(append(b, key...), label)
	b = append(append(b, k.lang...), o.HTTP.Language.String()...)
	b = append(b, k.params...)
	start := len(b)
	if o.HTTP.Dishonest {
		b = append(b, "dishonest "...)
	}
	if o.HTTP.Anonymous {
		b = append(b, "anonymous "...)
	}
	if label != nil && label.Generic {
		b = append(b, "generic "...)
	}
	b = endWords(b, start)
	return append(append(b, k.rawSig...), o.HTTP.RawSig...)
}

func appendParams(b []byte, o *host.Observation) []byte {
	m := &o.Match
	start := len(b)
	if m.Generic() {
		b = append(b, "generic "...)
	}
	if m.Fuzzy {
		b = append(b, "fuzzy "...)
	}
	if m.Sig != nil && m.Sig.RandomTTL {
		b = append(b, "random_ttl "...)
	}
	if m.Distance > signature.MaxDistance {
		b = append(b, "excess_dist "...)
	}
	if dscp := o.Segment.DSCP; dscp != 0 {
		digits := hexPairs[dscp]
		b = append(b, "tos:0x"...)
		b = append(b, byte(digits), byte(digits>>8), ' ')
	}
	return endWords(b, start)
}

// endWords ends the words that begin at start, each with a blank behind it.
func endWords(b []byte, start int) []byte {
	if len(b) == start {
		return append(b, "none"...)
	}
	return b[:len(b)-1]
}

func appendUptime(b []byte, o *host.Observation) []byte {
	b = appendNumber(b, int(o.UptimeMin/60/24))
	b = append(b, " days "...)
	b = appendNumber(b, int(o.UptimeMin/60%24))
	b = append(b, " hrs "...)
	b = appendNumber(b, int(o.UptimeMin%60))
	b = append(b, " min (modulo "...)
	b = appendNumber(b, int(o.ModDays))
	return append(b, " days)"...)
}

func appendReasons(b []byte, r host.Reasons) []byte {
	if r == 0 {
		return append(b, unknown...)
	}
	for i, name := range host.ReasonNames {
		if r&(1<<i) != 0 {
			b = append(append(b, name...), ' ')
		}
	}
	return b[:len(b)-1]
}
