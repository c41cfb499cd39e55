package shared

import (
	"encoding/binary"
	"errors"
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

// writer appends fields.
type writer struct{ b []byte }

func (w *writer) number(tag byte, n uint64) {
	if n != 0 {
		w.b = binary.AppendUvarint(append(w.b, tag), n)
	}
}

func (w *writer) text(tag byte, s string) {
	if s != "" {
		s = s[:min(len(s), maxField)]
		w.b = append(binary.AppendUvarint(append(w.b, tag), uint64(len(s))), s...)
	}
}

func (w *writer) bytes(tag byte, b []byte) {
	w.b = append(binary.AppendUvarint(append(w.b, tag), uint64(len(b))), b...)
}

func (w *writer) yes(tag byte, is bool) {
	if is {
		w.number(tag, 1)
	}
}

func (w *writer) time(tag byte, t time.Time) {
	if s := t.Unix(); s > 0 {
		w.number(tag, uint64(s))
	}
}

func (w *writer) texts(tag byte, list []string) {
	for _, s := range list[:min(len(list), maxList)] {
		w.text(tag, s)
	}
}

// append appends the record to b. Contradictions and Memory are left out: each
// reader makes its own. It is at most maxRecord long, or not appended at all.
func (r *record) append(b []byte) []byte {
	w := writer{append(b, recordVersion)}
	w.number(tagSent, uint64(max(r.sent.UnixMilli(), 0)))
	w.number(tagHeld, uint64(min(max(r.held, 0), maxHeld).Milliseconds()))
	if r.server.IsValid() {
		var text [64]byte
		w.bytes(tagServer, r.server.AppendTo(text[:0]))
	}
	w.text(tagSensor, r.sensor)
	w.system(&r.note)
	w.sender(&r.note)
	if len(w.b)-len(b) > maxRecord {
		return b
	}
	return w.b
}

func (w *writer) system(n *note.Note) {
	w.number(tagState, uint64(n.State))
	flags := uint64(0)
	if n.ByConnection {
		flags |= flagByConnection
	}
	if n.Ambiguous {
		flags |= flagAmbiguous
	}
	w.number(tagFlags, flags)
	w.text(tagOSName, n.OSName)
	w.text(tagOSFlavor, n.OSFlavor)
	w.number(tagQuality, uint64(n.Quality))
	w.texts(tagOther, n.Others)
	w.number(tagRewrite, uint64(n.Rewrite))
	w.text(tagHTTPName, n.HTTPName)
	w.text(tagHTTPFlavor, n.HTTPFlavor)
	w.text(tagLanguage, n.Language)
	w.text(tagLinkType, n.LinkType)
	w.number(tagMTU, uint64(max(n.MTU, 0)))
	w.time(tagFirstSeen, n.FirstSeen)
	w.time(tagLastSeen, n.LastSeen)
	w.number(tagTotalConn, uint64(n.TotalConn))
	w.number(tagSYNs, uint64(n.SYNs))
	w.number(tagHandshakes, uint64(n.Handshakes))
	w.number(tagUptime, uint64(n.UptimeMin))
	w.number(tagModDays, uint64(n.UpModDays))
	w.number(tagClock, uint64(n.Clock))
	w.time(tagLastNAT, n.LastNAT)
	w.time(tagLastChange, n.LastChange)
	w.number(tagDistance, uint64(n.Distance))
	w.number(tagBadSW, uint64(n.BadSW))
	w.text(tagRawSig, n.RawSig)
}

func (w *writer) sender(n *note.Note) {
	if t := n.TLS; t != nil {
		w.number(tagTLS, uint64(t.State)+1)
		w.text(tagLibrary, t.Library)
		w.text(tagRelease, t.Release)
		w.text(tagSettings, t.Settings)
		w.text(tagTLSVersion, t.Version)
		w.text(tagJA4, t.JA4)
		w.text(tagJA4Raw, t.JA4Raw)
		w.yes(tagServerName, t.ServerName)
	}
	if s := n.Software; s != nil {
		w.number(tagSoftware, uint64(s.State)+1)
		w.text(tagName, s.Name)
		w.text(tagFlavor, s.Flavor)
		w.number(tagSoftQuality, uint64(s.Quality))
		w.texts(tagSoftOther, s.Others)
		w.text(tagDialect, s.Dialect)
		w.number(tagReading, uint64(s.Reading))
	}
	if c := n.Conduct; c != nil {
		w.number(tagConduct, uint64(c.State)+1)
		for _, f := range c.List[:min(len(c.List), maxFindings)] {
			w.text(tagFinding, f.ID)
			w.text(tagWords, f.Words)
			w.text(tagEvidence, f.Evidence)
			w.yes(tagMayBe, f.MayBe)
			w.texts(tagFindingField, f.Fields)
		}
	}
	if f := n.Flow; f != nil {
		w.number(tagFlow, 1)
		w.number(tagHandshakeRTT, micros(f.HandshakeRTT))
		w.number(tagTCPRTT, micros(f.TCPRTT))
		w.number(tagSMTPRTT, micros(f.SMTPRTT))
		w.yes(tagCounted, f.Counted)
		w.number(tagRetransmits, uint64(f.Retransmits))
		w.number(tagZeroWindows, uint64(f.ZeroWindows))
		w.number(tagResent, uint64(f.Resent))
		w.text(tagClosedBy, f.ClosedBy)
		w.yes(tagReset, f.Reset)
	}
}

// Size is the length of the record of a note, in bytes, for those who measure.
func Size(n note.Note) int {
	return len((&record{sent: time.Now(), server: netip.MustParseAddrPort("198.51.100.25:25"), sensor: "a", note: n}).append(nil))
}

// micros is a time as a field has it.
func micros(d time.Duration) uint64 { return uint64(min(max(d, 0), time.Hour).Microseconds()) }
