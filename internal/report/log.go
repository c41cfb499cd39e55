package report

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"math/bits"
	"net/netip"
	"strconv"
	"time"

	"github.com/mxprint/mxprint/event"
	"github.com/mxprint/mxprint/note"
)

// Log writes observations as lines of p0f's log (p0f-v3.md §10.5). It implements
// event.Observer. Lines are gathered and written at Flush, or when many have
// come together. A Log is not safe for concurrent use.
type Log struct {
	// Doubts has what p0f has no words for stand behind its fields: other
	// systems that send the same SYN (or=), what a box on the way changed
	// (rewritten=), and an uptime that means nothing (reliable=no).
	Doubts bool

	sink
	zone  *time.Location
	heads [event.Modules]head // by module
	ends  ends                // of the last line
}

// head is how the lines of one module begin.
type head struct {
	second int64  // that text shows
	text   []byte // "[2026/11/23 09:25:17] mod=syn"
}

// NewLog returns a Log that writes to w, with times of the local zone.
func NewLog(w io.Writer) *Log {
	return &Log{sink: sink{w: w, end: "\n"}, zone: time.Local}
}

// Observe adds one line. p0f's log has none for TLS and SMTP.
func (l *Log) Observe(o *event.Observation) {
	if o.Module >= event.TLS {
		return
	}
	h := &l.heads[o.Module]
	if second := o.At / 1e6; second != h.second || len(h.text) == 0 {
		h.second = second
		h.text = time.Unix(second, 0).In(l.zone).AppendFormat(h.text[:0], "[2006/01/02 15:04:05] mod=")
		h.text = append(h.text, o.Module.String()...)
	}
	b := append(append(l.buf, h.text...), l.ends.of(o)...)
	b = appendFields(b, o, &logKeys)
	if l.Doubts {
		b = appendDoubts(b, o)
	}
	l.take(append(b, '\n'))
}

// ends are the two ends of a connection that were written last: those of a packet
// have several lines. A server has many: that of the last line is kept, one for
// each version of IP.
type ends struct {
	client, server netip.AddrPort
	role           event.Role
	text           []byte // "|cli=192.0.2.1/1025|srv=192.0.2.2/25|subj=cli"
	servers        [2]struct {
		end  netip.AddrPort
		text []byte
	}
}

// of returns those of an observation, and which it describes.
func (e *ends) of(o *event.Observation) []byte {
	if o.Client == e.client && o.Server == e.server && o.Role == e.role && len(e.text) > 0 {
		return e.text
	}
	last := &e.servers[0]
	if o.Server.Addr().Is4() {
		last = &e.servers[1]
	}
	if o.Server != last.end || len(last.text) == 0 {
		last.end, last.text = o.Server, appendEnd(append(last.text[:0], "|srv="...), o.Server)
	}
	e.client, e.server, e.role = o.Client, o.Server, o.Role
	e.text = append(appendEnd(append(e.text[:0], "|cli="...), o.Client), last.text...)
	if o.Role == event.Client {
		e.text = append(e.text, "|subj=cli"...)
	} else {
		e.text = append(e.text, "|subj=srv"...)
	}
	return e.text
}

// appendDoubts appends what p0f's log does not say.
func appendDoubts(b []byte, o *event.Observation) []byte {
	switch {
	case o.Module == event.Uptime && o.Clock == note.ClockRandom:
		return append(b, "|reliable=no"...)
	case !o.Module.Fingerprint():
		return b
	}
	for i, other := range o.System.Others {
		if i == 0 {
			b = append(b, "|or="...)
		} else {
			b = append(b, ',')
		}
		b = append(b, other...)
	}
	if o.System.Rewrite != 0 {
		b = append(append(b, "|rewritten="...), o.System.Rewrite.String()...)
	}
	return b
}

// keys are what stands before each value, the end of the field before included.
type keys struct {
	link, rawMTU, uptime, rawFreq, reason, rawHits key
	os, app, dist, params, rawSig, lang            key
}

var (
	logKeys    = newKeys("|", 0, "=")
	reportKeys = newKeys("\n| ", 8, " = ")
)

// key is a text of up to 16 bytes: to append all 16, a constant number, takes no call.
type key struct {
	text [16]byte
	len  int
}

func (k *key) appendTo(b []byte) []byte { return append(b, k.text[:]...)[:len(b)+k.len] }

func newKeys(before string, width int, behind string) keys {
	key := func(name string) (k key) {
		k.len = copy(k.text[:], fmt.Sprintf("%s%-*s%s", before, width, name, behind))
		return k
	}
	return keys{
		link: key("link"), rawMTU: key("raw_mtu"), uptime: key("uptime"), rawFreq: key("raw_freq"),
		reason: key("reason"), rawHits: key("raw_hits"), os: key("os"), app: key("app"), dist: key("dist"),
		params: key("params"), rawSig: key("raw_sig"), lang: key("lang"),
	}
}

// appendFields appends what an observation says, in p0f's words and order.
func appendFields(b []byte, o *event.Observation, k *keys) []byte {
	switch o.Module {
	case event.MTU:
		b = append(k.link.appendTo(b), named(o.Link)...)
		return appendNumber(k.rawMTU.appendTo(b), uint32(o.MTU))
	case event.Uptime:
		b = appendUptime(k.uptime.appendTo(b), o)
		b = appendHundredths(k.rawFreq.appendTo(b), o.Frequency)
		return append(b, " Hz"...)
	case event.HostChange, event.IPSharing:
		b = appendReasons(k.reason.appendTo(b), o.Reasons)
		b = k.rawHits.appendTo(b)
		for i, n := range o.Hits {
			if i > 0 {
				b = append(b, ',')
			}
			b = strconv.AppendInt(b, int64(n), 10)
		}
		return b
	case event.HTTPRequest, event.HTTPResponse:
		b = appendSystem(b, o, k)
		b = append(k.lang.appendTo(b), cmp.Or(o.HTTP.Language, "none")...)
		b = appendHTTPParams(k.params.appendTo(b), o)
	default: // a SYN or SYN+ACK (p0f-v3.md §3.4)
		b = k.dist.appendTo(appendSystem(b, o, k))
		if o.System.RandomTTL {
			b = append(b, "<= "...)
		}
		b = strconv.AppendInt(b, int64(o.Distance), 10)
		b = appendParams(k.params.appendTo(b), o)
	}
	return append(k.rawSig.appendTo(b), o.RawSig...)
}

const unknown = "???"

func named(name string) string {
	if name == "" {
		return unknown
	}
	return name
}

// appendSystem appends the system or program that matched. What nothing matches
// counts as a system by its SYN, and as a program by its HTTP.
func appendSystem(b []byte, o *event.Observation, k *keys) []byte {
	s := &o.System
	key := &k.os
	if s.App || !s.Matched && !o.Module.Fingerprint() {
		key = &k.app
	}
	b = append(key.appendTo(b), named(s.Name)...)
	if s.Flavor != "" {
		b = append(append(b, ' '), s.Flavor...)
	}
	return b
}

// maxDistance is the largest distance that p0f takes for real.
const maxDistance = 35

func appendParams(b []byte, o *event.Observation) []byte {
	start := len(b)
	if o.System.Quality&note.Generic != 0 {
		b = append(b, "generic "...)
	}
	if o.System.Quality&note.Fuzzy != 0 {
		b = append(b, "fuzzy "...)
	}
	if o.System.RandomTTL {
		b = append(b, "random_ttl "...)
	}
	if o.Distance > maxDistance {
		b = append(b, "excess_dist "...)
	}
	if dscp := o.Segment.DSCP; dscp != 0 {
		b = append(append(b, "tos:0x"...), digits[dscp>>4], digits[dscp&15], ' ')
	}
	return endWords(b, start)
}

// appendHTTPParams is appendParams for a request or response (p0f-v3.md §8.4).
func appendHTTPParams(b []byte, o *event.Observation) []byte {
	start := len(b)
	if o.HTTP.Dishonest {
		b = append(b, "dishonest "...)
	}
	if o.HTTP.Anonymous {
		b = append(b, "anonymous "...)
	}
	if o.System.Quality&note.Generic != 0 {
		b = append(b, "generic "...)
	}
	return endWords(b, start)
}

// endWords ends the words that begin at start, each with a blank after it.
func endWords(b []byte, start int) []byte {
	if len(b) == start {
		return append(b, "none"...)
	}
	return b[:len(b)-1]
}

func appendUptime(b []byte, o *event.Observation) []byte {
	b = append(appendNumber(b, o.UptimeMin/60/24), " days "...)
	b = append(appendByte(b, uint8(o.UptimeMin/60%24)), " hrs "...)
	b = append(appendByte(b, uint8(o.UptimeMin%60)), " min (modulo "...)
	return append(appendNumber(b, o.ModDays), " days)"...)
}

func appendReasons(b []byte, r event.Reasons) []byte {
	if r == 0 {
		return append(b, unknown...)
	}
	for name := range r.All {
		b = append(append(b, name...), ' ')
	}
	return b[:len(b)-1]
}

// appendEnd appends an end of a connection as p0f writes it: IPv6 addresses in
// eight groups, never shortened.
func appendEnd(b []byte, end netip.AddrPort) []byte {
	if a := end.Addr(); a.Is4() {
		for i, n := range a.As4() {
			if i > 0 {
				b = append(b, '.')
			}
			b = appendByte(b, n)
		}
	} else {
		ip := a.As16()
		for i := 0; i < len(ip); i += 2 {
			if i > 0 {
				b = append(b, ':')
			}
			b = appendGroup(b, ip[i], ip[i+1])
		}
	}
	return appendNumber(append(b, '/'), uint32(end.Port()))
}

// appendGroup appends two bytes of an IPv6 address in hexadecimal, without zeros at
// the start.
func appendGroup(b []byte, high, low byte) []byte {
	return appendTrimmed(b, uint32(twoHex[high])|uint32(twoHex[low])<<16)
}

// appendByte is appendNumber for a number of up to three digits.
func appendByte(b []byte, n uint8) []byte {
	text := byteText[n]
	return binary.LittleEndian.AppendUint32(b, text)[:len(b)+int(text>>24)]
}

// appendNumber appends a number that mostly has few digits, in half of the time that
// strconv takes.
func appendNumber(b []byte, n uint32) []byte {
	if n < 10000 {
		return appendTrimmed(b, fourDigits(n))
	}
	return binary.LittleEndian.AppendUint32(appendNumber(b, n/10000), fourDigits(n%10000))
}

func fourDigits(n uint32) uint32 { return uint32(twoDigits[n/100]) | uint32(twoDigits[n%100])<<16 }

// appendTrimmed appends the four digits in a word, the first in its low byte, without
// zeros at the start: how many there are is not to be foreseen, and so no branch.
func appendTrimmed(b []byte, digits uint32) []byte {
	const notZero = 0x4f4f4f4f // of '1' to 'f' each has a bit of these, '0' has none
	zeros := bits.TrailingZeros32(digits&notZero|1<<24) / 8
	return binary.LittleEndian.AppendUint32(b, digits>>(8*zeros))[:len(b)+4-zeros]
}

const digits = "0123456789abcdef"

// twoDigits and twoHex are the two digits of a number, the first in the low byte, and
// byteText all digits of one, with how many there are in the high byte.
var (
	twoDigits [100]uint16
	twoHex    [256]uint16
	byteText  [256]uint32
)

func init() {
	for n := range twoHex {
		twoHex[n] = uint16(digits[n>>4]) | uint16(digits[n&15])<<8
		text := strconv.Itoa(n)
		for i := range text {
			byteText[n] |= uint32(text[i]) << (8 * i)
		}
		byteText[n] |= uint32(len(text)) << 24
	}
	for n := range twoDigits {
		twoDigits[n] = uint16(digits[n/10]) | uint16(digits[n%10])<<8
	}
}

// appendHundredths appends a number with two decimals: where the product does not show
// to which side it is rounded, as strconv does.
func appendHundredths(b []byte, x float64) []byte {
	const most, doubt = 1e7, 1e-6
	n, rest := math.Modf(x * 100)
	if !(x >= 0 && x < most) || math.Abs(rest-0.5) < doubt {
		return strconv.AppendFloat(b, x, 'f', 2, 64)
	}
	whole := uint32(n + math.Round(rest))
	b = append(appendNumber(b, whole/100), '.')
	return binary.LittleEndian.AppendUint16(b, twoDigits[whole%100])
}
