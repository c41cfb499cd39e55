package shared

import (
	"encoding/binary"
	"fmt"
	"math"
	"net/netip"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/mxprint/mxprint/note"
)

// reader reads fields until something is wrong. Any program that can write to the
// store may have written them.
type reader struct {
	rest []byte

	bad bool
}

func (r *reader) check(ok bool) { r.bad = r.bad || !ok }

func (r *reader) uvarint() uint64 {
	n, size := binary.Uvarint(r.rest)
	if r.check(size > 0); r.bad {
		return 0
	}
	r.rest = r.rest[size:]
	return n
}

// number returns the field as a number up to a bound.
func (r *reader) number(most uint64) uint64 {
	n := r.uvarint()
	if r.check(n <= most); r.bad {
		return 0
	}
	return n
}

func (r *reader) count() uint32 { return uint32(r.number(math.MaxUint32)) }

func (r *reader) yes() bool { return r.number(1) == 1 }

func (r *reader) time() time.Time { return time.Unix(int64(r.number(maxTime)), 0) }

func (r *reader) micros() time.Duration {
	return time.Duration(r.number(uint64(time.Hour/time.Microsecond))) * time.Microsecond
}

// text returns the field as a text. No control character but the DEL of a raw
// signature comes through.
func (r *reader) text() string {
	n := r.uvarint()
	if r.check(n > 0 && n <= maxField && n <= uint64(len(r.rest))); r.bad {
		return ""
	}
	b := r.rest[:n]
	r.rest = r.rest[n:]
	ascii := true
	for _, c := range b {
		r.check(c >= ' ')
		ascii = ascii && c < utf8.RuneSelf
	}
	if !ascii {
		r.check(utf8.Valid(b))
		for _, c := range string(b) {
			r.check(unicode.IsPrint(c) || c < utf8.RuneSelf)
		}
	}
	if r.bad {
		return ""
	}
	return string(b)
}

func (r *reader) texts(list []string) []string {
	r.check(len(list) < maxList)
	return append(list, r.text())
}

// decode reads what append wrote.
func decode(b []byte) (*record, error) {
	switch {
	case len(b) == 0 || len(b) > maxRecord:
		return nil, fmt.Errorf("%w: %d bytes", errRecord, len(b))
	case b[0] != recordVersion:
		return nil, fmt.Errorf("%w: its version is %d, this program reads %d", errRecord, b[0], recordVersion)
	}
	r, rec := &reader{rest: b[1:]}, &record{}
	for len(r.rest) > 0 && !r.bad {
		tag := r.rest[0]
		r.rest = r.rest[1:]
		switch {
		case tag >= tagSent:
			r.head(tag, rec)
		case tag >= tagFlow:
			r.flow(tag, &rec.note)
		case tag >= tagConduct:
			r.conduct(tag, &rec.note)
		case tag >= tagSoftware:
			r.software(tag, &rec.note)
		case tag >= tagTLS:
			r.tls(tag, &rec.note)
		default:
			r.system(tag, &rec.note)
		}
	}
	n := &rec.note
	r.check(n.State == note.Matched || n.OSName == "")
	r.check(n.State != note.Matched || n.OSName != "")
	r.check(!n.ByConnection || n.Known())
	if r.bad {
		return nil, errRecord
	}
	return rec, nil
}

func (r *reader) head(tag byte, rec *record) {
	switch tag {
	case tagSent:
		rec.sent = time.UnixMilli(int64(r.number(maxTime * 1000)))
	case tagHeld:
		rec.held = time.Duration(r.number(uint64(maxHeld.Milliseconds()))) * time.Millisecond
	case tagServer:
		var err error
		rec.server, err = netip.ParseAddrPort(r.text())
		r.check(err == nil)
	case tagSensor:
		rec.sensor = r.text()
	default:
		r.bad = true
	}
}

func (r *reader) system(tag byte, n *note.Note) {
	switch tag {
	case tagState:
		n.State = note.State(r.number(uint64(note.Matched)))
	case tagFlags:
		flags := r.number(flagByConnection | flagAmbiguous)
		n.ByConnection, n.Ambiguous = flags&flagByConnection != 0, flags&flagAmbiguous != 0
	case tagOSName:
		n.OSName = r.text()
	case tagOSFlavor:
		n.OSFlavor = r.text()
	case tagQuality:
		n.Quality = note.Quality(r.number(uint64(note.Fuzzy | note.Generic)))
	case tagOther:
		n.Others = r.texts(n.Others)
	case tagRewrite:
		n.Rewrite = note.Rewrite(r.number(uint64(note.RewriteTTL | note.RewriteOptions | note.RewriteMSS)))
	case tagHTTPName:
		n.HTTPName = r.text()
	case tagHTTPFlavor:
		n.HTTPFlavor = r.text()
	case tagLanguage:
		n.Language = r.text()
	case tagLinkType:
		n.LinkType = r.text()
	case tagMTU:
		n.MTU = int(r.number(1 << 17))
	case tagBadSW:
		n.BadSW = note.Honesty(r.number(uint64(note.Dishonest)))
	case tagRawSig:
		n.RawSig = r.text()
	default:
		r.counts(tag, n)
	}
}

func (r *reader) counts(tag byte, n *note.Note) {
	switch tag {
	case tagFirstSeen:
		n.FirstSeen = r.time()
	case tagLastSeen:
		n.LastSeen = r.time()
	case tagTotalConn:
		n.TotalConn = r.count()
	case tagSYNs:
		n.SYNs = r.count()
	case tagHandshakes:
		n.Handshakes = r.count()
	case tagUptime:
		n.UptimeMin = r.count()
	case tagModDays:
		n.UpModDays = r.count()
	case tagClock:
		n.Clock = note.Clock(r.number(uint64(note.ClockRandom)))
	case tagLastNAT:
		n.LastNAT = r.time()
	case tagLastChange:
		n.LastChange = r.time()
	case tagDistance:
		n.Distance = note.Distance(r.number(256))
	default:
		r.bad = true
	}
}

// part is a part of the note that its first field has made; a field without its
// part is malformed.
func part[T any](r *reader, first bool, p **T) *T {
	if first {
		r.check(*p == nil)
		*p = new(T)
	}
	if r.check(*p != nil); r.bad {
		return new(T)
	}
	return *p
}

func (r *reader) progress() note.Progress {
	n := r.number(uint64(note.Refused) + 1)
	r.check(n > 0)
	return note.Progress(n - 1)
}

func (r *reader) tls(tag byte, n *note.Note) {
	t := part(r, tag == tagTLS, &n.TLS)
	switch tag {
	case tagTLS:
		t.State = r.progress()
	case tagLibrary:
		t.Library = r.text()
	case tagRelease:
		t.Release = r.text()
	case tagSettings:
		t.Settings = r.text()
	case tagTLSVersion:
		t.Version = r.text()
	case tagJA4:
		t.JA4 = r.text()
	case tagJA4Raw:
		t.JA4Raw = r.text()
	case tagServerName:
		t.ServerName = r.yes()
	}
}

func (r *reader) software(tag byte, n *note.Note) {
	s := part(r, tag == tagSoftware, &n.Software)
	switch tag {
	case tagSoftware:
		v := r.number(uint64(note.Matched) + 1)
		r.check(v > 0)
		s.State = note.State(v - 1)
	case tagName:
		s.Name = r.text()
	case tagFlavor:
		s.Flavor = r.text()
	case tagSoftQuality:
		s.Quality = note.Quality(r.number(uint64(note.Fuzzy | note.Generic)))
	case tagSoftOther:
		s.Others = r.texts(s.Others)
	case tagDialect:
		s.Dialect = r.text()
	case tagReading:
		s.Reading = note.Progress(r.number(uint64(note.Refused)))
	}
}

func (r *reader) conduct(tag byte, n *note.Note) {
	c := part(r, tag == tagConduct, &n.Conduct)
	switch tag {
	case tagConduct:
		c.State = r.progress()
		return
	case tagFinding:
		r.check(len(c.List) < maxFindings)
		c.List = append(c.List, note.Finding{ID: r.text()})
		return
	}
	if r.check(len(c.List) > 0); r.bad {
		return
	}
	f := &c.List[len(c.List)-1]
	switch tag {
	case tagWords:
		f.Words = r.text()
	case tagEvidence:
		f.Evidence = r.text()
	case tagMayBe:
		f.MayBe = r.yes()
	case tagFindingField:
		f.Fields = r.texts(f.Fields)
	}
}

func (r *reader) flow(tag byte, n *note.Note) {
	f := part(r, tag == tagFlow, &n.Flow)
	switch tag {
	case tagFlow:
		r.check(r.number(1) == 1)
	case tagHandshakeRTT:
		f.HandshakeRTT = r.micros()
	case tagTCPRTT:
		f.TCPRTT = r.micros()
	case tagSMTPRTT:
		f.SMTPRTT = r.micros()
	case tagCounted:
		f.Counted = r.yes()
	case tagRetransmits:
		f.Retransmits = r.count()
	case tagZeroWindows:
		f.ZeroWindows = r.count()
	case tagResent:
		f.Resent = r.count()
	case tagClosedBy:
		f.ClosedBy = r.text()
		r.check(f.ClosedBy == "client" || f.ClosedBy == "server")
	case tagReset:
		f.Reset = r.yes()
	}
}
