package shared

import (
	"errors"
	"fmt"
	"math"
	"net/netip"
	"time"

	"github.com/mxprint/mxprint/note"
)

// Record is a note as the store has it, with what a reader needs to judge it.
type record struct {
	sent   time.Time     // by the clock of the sensor that wrote it
	held   time.Duration // from the handshake to the writing, by the same clock
	server netip.AddrPort
	sensor string
	note   note.Note
}

// The bounds of a record. What is over them is not read: it may be anyone's.
const (
	recordVersion = 1
	maxRecord     = 8 << 10 // bytes
	maxField      = 1 << 10
	maxList       = 16 // other names, fields of a finding
	maxFindings   = 32 // of one record
	maxHeld       = 2 * time.Hour
	maxTime       = 1 << 33 // seconds since 1970, of any time in a record
)

// errRecord says that a record of the store cannot be used.
var errRecord = errors.New("shared: malformed record")

// The fields of a record: a tag, and a number or a text. An absent one is zero.
const (
	tagState = iota + 1
	tagFlags
	tagOSName
	tagOSFlavor
	tagQuality
	tagOther
	tagRewrite
	tagHTTPName
	tagHTTPFlavor
	tagLanguage
	tagLinkType
	tagMTU
	tagFirstSeen
	tagLastSeen
	tagTotalConn
	tagSYNs
	tagHandshakes
	tagUptime
	tagModDays
	tagClock
	tagLastNAT
	tagLastChange
	tagDistance
	tagBadSW
	tagRawSig

	tagTLS
	tagLibrary
	tagRelease
	tagSettings
	tagTLSVersion
	tagJA4
	tagJA4Raw
	tagServerName

	tagSoftware
	tagName
	tagFlavor
	tagSoftQuality
	tagSoftOther
	tagDialect
	tagReading

	tagConduct
	tagFinding
	tagWords
	tagEvidence
	tagMayBe
	tagFindingField

	tagFlow
	tagHandshakeRTT
	tagTCPRTT
	tagSMTPRTT
	tagCounted
	tagRetransmits
	tagZeroWindows
	tagResent
	tagClosedBy
	tagReset

	tagSent
	tagHeld
	tagServer
	tagSensor
)

// The bits of tagFlags.
const (
	flagByConnection = 1 << iota
	flagAmbiguous
)

// append appends the record to b. Contradictions and Memory are left out: each
// reader makes its own. It is at most maxRecord long, or not appended at all.
func (r *record) append(b []byte) []byte {
	c := codec{b: append(b, recordVersion)}
	c.record(r)
	if len(c.b)-len(b) > maxRecord {
		return b
	}
	return c.b
}

// decode reads what append wrote.
func decode(b []byte) (*record, error) {
	switch {
	case len(b) == 0 || len(b) > maxRecord:
		return nil, fmt.Errorf("%w: %d bytes", errRecord, len(b))
	case b[0] != recordVersion:
		return nil, fmt.Errorf("%w: its version is %d, this program reads %d", errRecord, b[0], recordVersion)
	}
	c, r := codec{b: b[1:], reads: true}, &record{}
	c.record(r)
	c.end()
	n := &r.note
	c.check(n.State == note.Matched || n.OSName == "")
	c.check(n.State != note.Matched || n.OSName != "")
	c.check(!n.ByConnection || n.Known())
	if c.bad {
		return nil, errRecord
	}
	return r, nil
}

// record is the fields of a record.
func (c *codec) record(r *record) {
	sent := r.sent.UnixMilli()
	if number(c, tagSent, &sent, maxTime*1000) {
		r.sent = time.UnixMilli(sent)
	}
	c.duration(tagHeld, &r.held, time.Millisecond, maxHeld)
	server := ""
	if r.server.IsValid() {
		server = r.server.String()
	}
	if c.text(tagServer, &server) {
		var err error
		r.server, err = netip.ParseAddrPort(server)
		c.check(err == nil)
	}
	c.text(tagSensor, &r.sensor)
	c.system(&r.note)
	c.sender(&r.note)
}

func (c *codec) system(n *note.Note) {
	number(c, tagState, &n.State, note.Matched)
	var flags uint8
	if n.ByConnection {
		flags |= flagByConnection
	}
	if n.Ambiguous {
		flags |= flagAmbiguous
	}
	if number(c, tagFlags, &flags, flagByConnection|flagAmbiguous) {
		n.ByConnection, n.Ambiguous = flags&flagByConnection != 0, flags&flagAmbiguous != 0
	}
	c.text(tagOSName, &n.OSName)
	c.text(tagOSFlavor, &n.OSFlavor)
	number(c, tagQuality, &n.Quality, note.Fuzzy|note.Generic)
	c.texts(tagOther, &n.Others)
	number(c, tagRewrite, &n.Rewrite, note.RewriteTTL|note.RewriteOptions|note.RewriteMSS)
	c.text(tagHTTPName, &n.HTTPName)
	c.text(tagHTTPFlavor, &n.HTTPFlavor)
	c.text(tagLanguage, &n.Language)
	c.text(tagLinkType, &n.LinkType)
	number(c, tagMTU, &n.MTU, 1<<17)
	c.time(tagFirstSeen, &n.FirstSeen)
	c.time(tagLastSeen, &n.LastSeen)
	number(c, tagTotalConn, &n.TotalConn, math.MaxUint32)
	number(c, tagSYNs, &n.SYNs, math.MaxUint32)
	number(c, tagHandshakes, &n.Handshakes, math.MaxUint32)
	number(c, tagUptime, &n.UptimeMin, math.MaxUint32)
	number(c, tagModDays, &n.UpModDays, math.MaxUint32)
	number(c, tagClock, &n.Clock, note.ClockRandom)
	c.time(tagLastNAT, &n.LastNAT)
	c.time(tagLastChange, &n.LastChange)
	number(c, tagDistance, &n.Distance, 256)
	number(c, tagBadSW, &n.BadSW, note.Dishonest)
	c.text(tagRawSig, &n.RawSig)
}

// sender is the parts of a note; a field without its part is malformed.
func (c *codec) sender(n *note.Note) {
	if t := part(c, tagTLS, &n.TLS); t != nil {
		known(c, tagTLS, &t.State, note.Refused)
		c.text(tagLibrary, &t.Library)
		c.text(tagRelease, &t.Release)
		c.text(tagSettings, &t.Settings)
		c.text(tagTLSVersion, &t.Version)
		c.text(tagJA4, &t.JA4)
		c.text(tagJA4Raw, &t.JA4Raw)
		c.yes(tagServerName, &t.ServerName)
	}
	if s := part(c, tagSoftware, &n.Software); s != nil {
		known(c, tagSoftware, &s.State, note.Matched)
		c.text(tagName, &s.Name)
		c.text(tagFlavor, &s.Flavor)
		number(c, tagSoftQuality, &s.Quality, note.Fuzzy|note.Generic)
		c.texts(tagSoftOther, &s.Others)
		c.text(tagDialect, &s.Dialect)
		number(c, tagReading, &s.Reading, note.Refused)
	}
	if f := part(c, tagConduct, &n.Conduct); f != nil {
		known(c, tagConduct, &f.State, note.Refused)
		c.findings(f)
	}
	if f := part(c, tagFlow, &n.Flow); f != nil {
		is := 1
		number(c, tagFlow, &is, 1)
		c.check(is == 1)
		c.duration(tagHandshakeRTT, &f.HandshakeRTT, time.Microsecond, time.Hour)
		c.duration(tagTCPRTT, &f.TCPRTT, time.Microsecond, time.Hour)
		c.duration(tagSMTPRTT, &f.SMTPRTT, time.Microsecond, time.Hour)
		c.yes(tagCounted, &f.Counted)
		number(c, tagRetransmits, &f.Retransmits, math.MaxUint32)
		number(c, tagZeroWindows, &f.ZeroWindows, math.MaxUint32)
		number(c, tagResent, &f.Resent, math.MaxUint32)
		if c.text(tagClosedBy, &f.ClosedBy) {
			c.check(f.ClosedBy == "client" || f.ClosedBy == "server")
		}
		c.yes(tagReset, &f.Reset)
	}
}

// findings are fields of each.
func (c *codec) findings(f *note.Findings) {
	for i := range f.List[:min(len(f.List), maxFindings)] {
		c.finding(&f.List[i])
	}
	for one := (note.Finding{}); c.finding(&one); one = (note.Finding{}) {
		c.check(len(f.List) < maxFindings)
		f.List = append(f.List, one)
	}
}

// finding reports whether one was read.
func (c *codec) finding(f *note.Finding) bool {
	read := c.text(tagFinding, &f.ID)
	if c.reads && !read {
		return false
	}
	c.text(tagWords, &f.Words)
	c.text(tagEvidence, &f.Evidence)
	c.yes(tagMayBe, &f.MayBe)
	c.texts(tagFindingField, &f.Fields)
	return read
}

// Size is the length of the record of a note, in bytes, for those who measure.
func Size(n note.Note) int {
	return len((&record{sent: time.Now(), server: netip.MustParseAddrPort("198.51.100.25:25"), sensor: "a", note: n}).append(nil))
}
