package signature

import (
	"bytes"
	"slices"

	"github.com/mxprint/mxprint/internal/http1"
)

// HTTPMatch is the outcome of holding a message against a database. It is a
// plain value.
type HTTPMatch struct {
	Sig       *HTTP // nil: no signature matched
	Dishonest bool  // the software is not what it says

	ids [http1.MaxFields]headerID // of the message's fields
}

// Label is what the signature says of the sender, or nil.
func (m *HTTPMatch) Label() *Label {
	if m.Sig == nil {
		return nil
	}
	return m.Sig.Label
}

// headerID numbers the names of headers that a database or p0f itself knows.
// 0 is an unknown one.
type headerID uint32

// headerUse is a bit set of what raw signatures make of a known header.
type headerUse uint8

const (
	optionalRequest headerUse = 1 << iota
	optionalResponse
	namedRequest // the value is not shown
	namedResponse
)

// builtinHeaders are the names known without any signature (p0f-v3.md §8.5).
var builtinHeaders = [...]struct {
	name string
	use  headerUse
}{
	{"Host", namedRequest}, {"User-Agent", namedRequest}, {"Connection", 0}, {"Accept", 0}, {"Accept-Encoding", 0},
	{"Accept-Language", 0}, {"Accept-Charset", 0}, {"Keep-Alive", 0}, {"Content-Type", namedResponse},
	{"Accept-Ranges", 0}, {"Date", namedResponse}, {"Server", namedResponse},
	{"Cookie", optionalRequest}, {"Referer", optionalRequest}, {"Origin", optionalRequest}, {"Range", optionalRequest},
	{"If-Modified-Since", optionalRequest}, {"If-None-Match", optionalRequest}, {"Via", optionalRequest},
	{"X-Forwarded-For", optionalRequest}, {"Authorization", optionalRequest}, {"Proxy-Authorization", optionalRequest},
	{"Cache-Control", optionalRequest | optionalResponse}, {"Set-Cookie", optionalResponse},
	{"Last-Modified", optionalResponse}, {"ETag", optionalResponse}, {"Content-Length", optionalResponse},
	{"Content-Disposition", optionalResponse}, {"Expires", optionalResponse}, {"Pragma", optionalResponse},
	{"Location", optionalResponse}, {"Refresh", optionalResponse}, {"Content-Range", optionalResponse},
	{"Vary", optionalResponse},
}

// commonHeaders are those whose absence a raw signature shows, by direction:
// indexes of builtinHeaders.
var commonHeaders = [2][]int{Request: {0, 1, 2, 3, 4, 5, 6, 7}, Response: {8, 2, 7, 9, 10}}

// httpNeed is a signature's list of headers by number.
type httpNeed struct {
	order  []headerID
	values [][]byte
	absent []headerID
	must   uint64 // bits of the headers that cannot be missing
}

// headerBit is the bit of a header in a set that may take one for another.
func headerBit(id headerID) uint64 { return 1 << (id % 64) }

// finishHTTP numbers the headers.
func (db *DB) finishHTTP() {
	db.headers = make(map[string]headerID)
	number := func(name string) headerID {
		id, ok := db.headers[name]
		if !ok {
			id = headerID(len(db.headers) + 1)
			db.headers[name] = id
		}
		return id
	}
	for _, h := range builtinHeaders {
		number(h.name)
	}
	for dir := range db.http {
		for _, sig := range db.http[dir] {
			sig.Label = &db.labels[sig.label-1]
			for _, h := range sig.Order {
				id := number(h.Name)
				sig.need.order = append(sig.need.order, id)
				sig.need.values = append(sig.need.values, []byte(h.Value))
				if !h.Optional {
					sig.need.must |= headerBit(id)
				}
			}
			for _, name := range sig.Absent {
				sig.need.absent = append(sig.need.absent, number(name))
			}
			sig.software = []byte(sig.Software)
		}
	}
	for i := range db.uaOS {
		db.uaOS[i].text = []byte(db.uaOS[i].Substring)
	}
}

// MatchHTTP holds a message against the signatures of its direction, in the
// order of the file (p0f-v3.md §8.6). It allocates nothing.
func (db *DB) MatchHTTP(msg *http1.Message) HTTPMatch {
	var m HTTPMatch
	var have uint64
	for i := range msg.Fields {
		m.ids[i] = db.headers[string(msg.Fields[i].Name)]
		have |= headerBit(m.ids[i])
	}
	dir := Request
	if msg.Response {
		dir = Response
	}
	for _, sig := range db.http[dir] {
		if sig.need.must&^have != 0 || sig.Label.Generic && m.Sig != nil || !sig.fits(msg, m.ids[:len(msg.Fields)]) {
			continue
		}
		m.Sig = sig
		if !sig.Label.Generic {
			break
		}
	}
	m.Dishonest = m.Sig != nil && m.Sig.Software != "" && msg.Software != nil && !bytes.Contains(msg.Software, m.Sig.software)
	return m
}

// fits reports whether a message with headers of these numbers matches.
func (h *HTTP) fits(msg *http1.Message, ids []headerID) bool {
	if h.Version != Any && h.Version != msg.Version {
		return false
	}
	at := 0
	for i, id := range h.need.order {
		found := slices.Index(ids[at:], id)
		if found < 0 {
			if !h.Order[i].Optional || slices.Index(ids, id) >= 0 {
				return false
			}
			continue
		}
		at += found
		if want := h.need.values[i]; len(want) > 0 && !bytes.Contains(msg.Fields[at].Value, want) {
			return false
		}
		at++
	}
	for _, id := range h.need.absent {
		if slices.Index(ids, id) >= 0 {
			return false
		}
	}
	return true
}

// ClaimedOS returns the entry of ua_os that a User-Agent contains, the first
// one, or nil (p0f-v3.md §8.8).
func (db *DB) ClaimedOS(software []byte) *UAOS {
	for i := range db.uaOS {
		if bytes.Contains(software, db.uaOS[i].text) {
			return &db.uaOS[i]
		}
	}
	return nil
}

// Names reports whether the entry names the system of a label.
func (u *UAOS) Names(l *Label) bool { return u.name == l.name }

// SameHTTPLabel reports whether p0f sees two labels of one operating system as
// the same, where HTTP says so (p0f-v3.md §8.7). It compares the number of the
// name with that of the label, which are hardly ever equal.
func (l *Label) SameHTTPLabel(o *Label) bool { return int(l.name) == o.ID }

// maxClean is how much of a value a raw signature shows, in bytes.
const maxClean = 200

// AppendRawHTTP appends a message in p0f's notation (p0f-v3.md §8.5). m is what
// it was matched with.
func AppendRawHTTP(b []byte, msg *http1.Message, m *HTTPMatch) []byte {
	dir, optional, named := Request, optionalRequest, namedRequest
	if msg.Response {
		dir, optional, named = Response, optionalResponse, namedResponse
	}
	b = append(b, '0'+byte(msg.Version), ':')
	var common uint64 // those that occur, by index of builtinHeaders
	for i := range msg.Fields {
		f, id := &msg.Fields[i], m.ids[i]
		var use headerUse
		if n := int(id) - 1; n >= 0 && n < len(builtinHeaders) {
			use, common = builtinHeaders[n].use, common|1<<n
		}
		if i > 0 {
			b = append(b, ',')
		}
		if use&optional != 0 {
			b = append(b, '?')
		}
		b = append(b, f.Name...)
		if use&(optional|named) == 0 {
			b = appendValue(b, f.Value, id != 0)
		}
	}
	b = append(b, ':')
	sep := ""
	for _, n := range commonHeaders[dir] {
		if common&(1<<n) == 0 {
			b = append(append(b, sep...), builtinHeaders[n].name...)
			sep = ","
		}
	}
	return append(append(b, ':'), clean(msg.Software, false)...)
}

func appendValue(b, value []byte, known bool) []byte {
	if value = clean(value, known); len(value) == 0 {
		return b
	}
	return append(append(append(b, "=["...), value...), ']')
}

// clean returns the part of a value that a raw signature shows. The values of
// known headers may not hold a bar.
func clean(value []byte, known bool) []byte {
	value = value[:min(len(value), maxClean)]
	for i, c := range value {
		if c < ' ' || c >= 0x80 || c == ']' || c == '|' && known {
			return value[:i]
		}
	}
	return value
}
