package host

import (
	"github.com/mxprint/mxprint/event"
	"github.com/mxprint/mxprint/internal/answer"
	"github.com/mxprint/mxprint/internal/http1"
	"github.com/mxprint/mxprint/internal/signature"
	"github.com/mxprint/mxprint/note"
)

// httpHost is what HTTP has shown of a host. It holds no pointer.
type httpHost struct {
	date, dateAt uint32 // the clock of the last response, and when it came; seconds
	port         uint16 // of the server that sent it
	response     uint16 // the label of it; 0 = unmatched
	request      uint16 // the label of the last request that named a system, or 0
	app          uint16 // the label of the last program
	language     http1.Language
	badSW        note.Honesty
	answered     bool // there was a response
}

// relabel gives labels the numbers of another database; scoring restarts.
func (h *httpHost) relabel(labels []uint16) {
	h.app = labels[h.app]
	h.request, h.answered = 0, false
}

// seenHTTP reports the message in t.msg, scores the host, and enters what it
// says (p0f-v3.md §8.4).
func (t *Table) seenHTTP(f *flowRec, role event.Role) {
	who, module := t.end(f.client, event.Client), event.HTTPRequest
	if role == event.Server {
		who, module = t.end(f.server, event.Server), event.HTTPResponse
	}
	m := t.db.MatchHTTP(&t.msg)
	label, language := m.Label(), http1.LanguageOf(t.msg.Language)
	if o := t.finding(module, role); o != nil {
		t.raw = signature.AppendRawHTTP(t.raw[:0], &t.msg, &m)
		o.RawSig, o.System = t.raw, answer.Labeled(label)
		o.HTTP = event.HTTP{Dishonest: m.Dishonest, Anonymous: t.msg.Software == nil}
		if language != 0 {
			o.HTTP.Language = language.String()
		}
		t.observer.Observe(o)
	}
	date := http1.Seconds(t.msg.Date)
	t.scoreHTTP(who, f.serverPort, &m, date)

	e := &t.extra(who.host).http
	if language.Named() {
		e.language = language
	}
	id := uint16(0)
	if label != nil {
		id = uint16(label.ID)
	}
	if role == event.Server {
		e.answered, e.response, e.port, e.date, e.dateAt = true, id, f.serverPort, date, t.now
	}
	switch {
	case label == nil:
	case label.Userland():
		e.app = id
		if m.Dishonest {
			e.badSW = note.Dishonest
		}
	default:
		if role == event.Client {
			e.request = id
		}
		h := who.host
		h.label, h.quality = id, 0
		if label.Generic {
			h.quality = 2
		}
	}
}

// scoreHTTP holds the message in t.msg against what is known of the host (p0f-v3.md
// §8.7). date is its clock.
func (t *Table) scoreHTTP(who end, port uint16, m *signature.HTTPMatch, date uint32) {
	label := m.Label()
	if label != nil && label.Userland() {
		t.checkTool(who, label)
	}
	e, role := &t.extra(who.host).http, who.role
	before, old := e.request != 0, e.request
	if role == event.Server {
		before, old = e.answered && e.port == port, e.response
	}
	var last *signature.Label
	if before {
		last = t.db.Label(int(old))
	}
	var sum scored
	switch {
	case label == nil:
		if role == event.Server && last != nil {
			sum.add(4, event.ReasonXKnown)
		}
	case !label.Userland():
		t.httpSystem(&sum, who.host, before, last, label)
	case role == event.Client:
		t.checkClaim(&sum, who.host, m)
	case last == nil:
	case !last.SameName(label):
		sum.add(8, event.ReasonSrvSigLB)
	case last.ID != label.ID:
		sum.add(2, event.ReasonSrvSigLB)
	}
	if t.msg.Via {
		sum.add(8, event.ReasonVia)
	}
	if role == event.Server && before && date != 0 && e.date != 0 {
		if d := int64(int32(date - e.date)); d < -10 || d > int64(t.now-e.dateAt)+10 {
			sum.add(4, event.ReasonDate)
		}
	}
	t.addScore(who, sum.reasons, sum.score)
}

// httpSystem is for a message that names an operating system.
func (t *Table) httpSystem(sum *scored, h *hostRec, before bool, last, label *signature.Label) {
	switch {
	case last != nil && !last.SameName(label):
		sum.add(8, event.ReasonOSDiff)
		sum.major = true
	case last != nil && !last.SameHTTPLabel(label):
		sum.add(2, event.ReasonOSDiff)
	case last == nil && before:
		sum.add(4, event.ReasonXKnown)
	}
	known := t.db.Label(int(h.label))
	if !sum.major && (known == nil || !known.SameName(label)) {
		sum.add(4, event.ReasonOSDiff)
	}
}

// checkClaim holds the system that a User-Agent names against the one that the
// host's SYNs show (p0f-v3.md §8.8).
func (t *Table) checkClaim(sum *scored, h *hostRec, m *signature.HTTPMatch) {
	if t.msg.Software == nil || m.Dishonest {
		return
	}
	claim := t.db.ClaimedOS(t.msg.Software)
	if claim == nil {
		return
	}
	e := &t.extra(h).http
	if os := t.db.Label(int(h.label)); os != nil && claim.Names(os) {
		e.badSW = note.Honest
		return
	}
	sum.add(4, event.ReasonUAVsOS)
	if e.badSW == note.Honest {
		e.badSW = note.OSMismatch
	}
}
