package p0f

import (
	"io"
	"math"
	"strconv"
	"time"

	"github.com/mxprint/mxprint/host"
	"github.com/mxprint/mxprint/note"
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

	w      io.Writer
	zone   *time.Location
	buf    []byte
	second int64  // the second that stamp shows
	stamp  []byte // "[2026/11/23 09:25:17] mod="
	ends   ends
	raw    signature.RawMemo
	err    error
}

// writeAt is how many gathered bytes are written without waiting for a Flush.
const writeAt = 64 << 10

// NewLog returns a Log that writes to w, with times of the local zone.
func NewLog(w io.Writer) *Log {
	return &Log{w: w, zone: time.Local, second: math.MinInt64}
}

// Observe adds one line.
func (l *Log) Observe(o *host.Observation) {
	if sec := o.At / 1e6; sec != l.second {
		l.second = sec
		l.stamp = time.Unix(sec, 0).In(l.zone).AppendFormat(l.stamp[:0], "[2006/01/02 15:04:05] mod=")
	}
	b := append(l.buf, l.stamp...)
	b = append(b, o.Module.String()...)
	b = l.ends.append(b, o.Client, o.Server)
	if o.Role == host.Client {
		b = append(b, "|subj=cli"...)
	} else {
		b = append(b, "|subj=srv"...)
	}
	b = l.appendFields(b, o, &logField)
	if l.Doubts {
		b = appendDoubts(b, o)
	}
	l.buf = append(b, '\n')
	if len(l.buf) >= writeAt {
		l.write()
	}
}

// Flush writes what was gathered. It returns the first error of a write since
// the last Flush; the lines of that write are lost.
func (l *Log) Flush() error {
	l.write()
	err := l.err
	l.err = nil
	return err
}

func (l *Log) write() {
	if len(l.buf) == 0 {
		return
	}
	if _, err := l.w.Write(l.buf); err != nil && l.err == nil {
		l.err = err
	}
	l.buf = l.buf[:0]
}

// appendDoubts appends what p0f's log does not say.
func appendDoubts(b []byte, o *host.Observation) []byte {
	if o.Module == host.Uptime && o.Clock == signature.ClockRandom {
		return logField.text(b, "reliable", "no")
	}
	if o.Segment == nil || o.Match.Sig == nil {
		return b
	}
	if others := o.Match.Sig.Label.Others; others != "" {
		b = logField.text(b, "or", others)
	}
	if o.Match.Flags != 0 {
		b = logField.text(b, "rewritten", note.Rewrite(o.Match.Flags).String())
	}
	return b
}

// Report writes observations as the blocks that p0f prints on its standard
// output (p0f v3 §10.4). It implements host.Observer, and is not safe for
// concurrent use.
type Report struct{ log Log }

// NewReport returns a Report that writes to w.
func NewReport(w io.Writer) *Report { return &Report{Log{w: w}} }

// Observe adds one block.
func (r *Report) Observe(o *host.Observation) {
	b := appendEnd(append(r.log.buf, ".-[ "...), o.Client)
	b = appendEnd(append(b, " -> "...), o.Server)
	b = append(append(append(b, " ("...), o.Module.String()...), ") ]-\n|\n| "...)
	if o.Role == host.Client {
		b = appendEnd(append(b, "client   = "...), o.Client)
	} else {
		b = appendEnd(append(b, "server   = "...), o.Server)
	}
	b = r.log.appendFields(append(b, '\n'), o, &reportField)
	r.log.buf = append(b, "|\n`----\n\n"...)
	if len(r.log.buf) >= writeAt {
		r.log.write()
	}
}

// Flush writes what was gathered; see Log.Flush.
func (r *Report) Flush() error { return r.log.Flush() }

// field is how one key and its value are written.
type field struct {
	before, between, after string
	width                  int // of the key
}

var (
	logField    = field{before: "|", between: "="}
	reportField = field{before: "| ", between: " = ", after: "\n", width: 8}
)

func (f *field) key(b []byte, key string) []byte {
	b = append(append(b, f.before...), key...)
	for n := len(key); n < f.width; n++ {
		b = append(b, ' ')
	}
	return append(b, f.between...)
}

func (f *field) text(b []byte, key, value string) []byte {
	return append(append(f.key(b, key), value...), f.after...)
}

// appendFields appends what an observation says, in p0f's words and order.
func (l *Log) appendFields(b []byte, o *host.Observation, f *field) []byte {
	switch o.Module {
	case host.MTU:
		b = f.text(b, "link", orUnknown(o.Link))
		b = strconv.AppendInt(f.key(b, "raw_mtu"), int64(o.MTU), 10)
	case host.Uptime:
		b = appendUptime(f.key(b, "uptime"), o)
		b = append(b, f.after...)
		b = strconv.AppendFloat(f.key(b, "raw_freq"), o.Frequency, 'f', 2, 64)
		b = append(b, " Hz"...)
	case host.HostChange, host.IPSharing:
		b = appendReasons(f.key(b, "reason"), o.Reasons)
		b = append(b, f.after...)
		b = f.key(b, "raw_hits")
		for i, n := range o.Hits {
			if i > 0 {
				b = append(b, ',')
			}
			b = strconv.AppendInt(b, int64(n), 10)
		}
	case host.HTTPRequest, host.HTTPResponse:
		b = appendHTTP(b, o, f)
	default:
		b = l.appendFingerprint(b, o, f)
	}
	return append(b, f.after...)
}

const unknown = "???"

func orUnknown(s string) string {
	if s == "" {
		return unknown
	}
	return s
}

// appendFingerprint appends the four fields of a SYN or SYN+ACK (p0f v3 §3.4),
// the last without its end.
func (l *Log) appendFingerprint(b []byte, o *host.Observation, f *field) []byte {
	m := &o.Match
	key, label := "os", (*signature.Label)(nil)
	if m.Sig != nil {
		label = m.Sig.Label
		if label.Userland() || o.Module == host.Probe || o.Module == host.ProbeResponse {
			key = "app"
		}
	}
	b = appendLabel(f.key(b, key), label)
	b = append(b, f.after...)
	b = f.key(b, "dist")
	if m.Sig != nil && m.Sig.RandomTTL {
		b = append(b, "<= "...)
	}
	b = append(strconv.AppendInt(b, int64(m.Distance), 10), f.after...)
	b = append(appendParams(f.key(b, "params"), o), f.after...)
	return l.raw.Append(f.key(b, "raw_sig"), o.Segment, m.Multiple)
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

// appendHTTP appends the four fields of a request or response (p0f v3 §8.4),
// the last without its end.
func appendHTTP(b []byte, o *host.Observation, f *field) []byte {
	label := o.HTTP.Label
	key := "app"
	if label != nil && !label.Userland() {
		key = "os"
	}
	b = append(appendLabel(f.key(b, key), label), f.after...)
	b = f.text(b, "lang", o.HTTP.Language.String())
	b = f.key(b, "params")
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
	b = append(endWords(b, start), f.after...)
	return append(f.key(b, "raw_sig"), o.HTTP.RawSig...)
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
		const hex = "0123456789abcdef"
		b = append(b, "tos:0x"...)
		b = append(b, hex[dscp>>4], hex[dscp&15], ' ')
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
	b = strconv.AppendUint(b, uint64(o.UptimeMin/60/24), 10)
	b = append(b, " days "...)
	b = strconv.AppendUint(b, uint64(o.UptimeMin/60%24), 10)
	b = append(b, " hrs "...)
	b = strconv.AppendUint(b, uint64(o.UptimeMin%60), 10)
	b = append(b, " min (modulo "...)
	b = strconv.AppendUint(b, uint64(o.ModDays), 10)
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
