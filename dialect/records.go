package dialect

import "cmp"

// Overheads of a record (RFC 8446 §5.2, RFC 5288 §3, RFC 7905 §2).
const (
	overhead13       = 17
	overheadGCM      = 24
	overheadChaCha   = 16
	paddingJSSE      = 16                  // zeros that JSSE adds to each record of TLS 1.3 (RFC 8446 §5.4)
	finished13       = 4 + 32 + overhead13 // with SHA-256 and no padding
	finished12GCM    = 16 + overheadGCM
	finished12ChaCha = 16 + overheadChaCha
	noCertificate    = 8 // an empty list of certificates (RFC 8446 §4.4.2)
	typeCCS          = 20
	typeAlert        = 21
	typeHandshake    = 22
	typeData         = 23
)

// recs are the lengths of the client's records of data. Where the server said
// something in between, a turn begins.
type recs struct {
	list     [maxRecs]uint16 // 0 begins a turn
	n        int
	answered bool
	ccs      bool
	old      bool // TLS 1.2, whose Finished is a record of type 22
	finished bool // of TLS 1.3
	overhead int  // 0: not known
	implicit bool
	library  [48]byte
	nLibrary int
	settings [24]byte
	nSetting int
	hints    [12]byte
	nHints   int
	padding  [4]byte
	nPadding int
	named    bool // the hello has the server's name
	alert    bool // the last record of TLS 1.2 is one
}

// ClientHello is what is known of the first message of TLS. Library and Settings
// may be empty where no rule fits.
type ClientHello struct {
	Library  string // "OpenSSL"
	Settings string // whose choice of ciphers it has
	Hints    string // letters of docs/dialect.md
	Padding  string // "yes", "no" or, where its length shows nothing, empty
	Name     bool   // it has the server's name
	Implicit bool   // TLS began with the first byte
}

// ClientHello takes the first message of TLS.
func (b *Builder) ClientHello(h ClientHello) {
	b.begin()
	h.Library = cmp.Or(h.Library, "?")
	h.Settings = cmp.Or(h.Settings, "other")
	b.implicit, b.named = h.Implicit, h.Name
	b.nLibrary = copy(b.library[:], h.Library)
	b.nSetting = copy(b.settings[:], h.Settings)
	b.nHints = copy(b.hints[:], h.Hints)
	b.nPadding = copy(b.padding[:], h.Padding)
}

// Record takes a record of TLS: its type, and the length of its body.
func (b *Builder) Record(server bool, kind uint8, length int) {
	b.begin()
	if b.closed && !server {
		return
	}
	b.f.TLSUsed = true
	r := &b.recs
	switch {
	case server:
		r.answered = true
	case kind == typeAlert:
		r.alert = true
	case kind == typeCCS:
		r.ccs = true
	case kind == typeHandshake && r.ccs && length <= 100:
		r.old = true
		switch length {
		case finished12GCM:
			r.overhead = overheadGCM
		case finished12ChaCha:
			r.overhead = overheadChaCha
		}
	case kind == typeData && !r.old && !r.finished && length == noCertificate+r.overhead13(length):
		// A server that asks for a certificate, as Haraka does, gets an empty list
		// before Finished.
	case kind == typeData && !r.old && !r.finished:
		r.finished, r.overhead = true, r.overhead13(length) // encrypted, it looks like data
	case kind == typeData && r.overhead > 0 && length > r.overhead:
		r.add(length - r.overhead)
	}
}

// overhead13 is what TLS 1.3 adds to each record of a client, of which one is known.
func (r *recs) overhead13(length int) int {
	if string(r.library[:r.nLibrary]) == "JSSE" && length != finished13 && length != noCertificate+overhead13 {
		return overhead13 + paddingJSSE
	}
	return overhead13
}

// alerted reports whether the last record is an alert: close_notify (RFC 8446
// §6.1).
func (r *recs) alerted() bool { return r.alert || r.n > 0 && r.list[r.n-1] == lenClose }

func (r *recs) add(n int) {
	if r.n+2 > maxRecs {
		return
	}
	if r.answered && r.n > 0 {
		r.list[r.n] = 0
		r.n++
	}
	r.answered = false
	r.list[r.n] = uint16(n)
	r.n++
}

// Lengths that tell what a record is.
const (
	lenClose = 2 // the alert of TLS 1.3; an empty line, within a message
	lenDot   = 3
	lenCRLF  = 5 // the dot, with the line end before it
	lenWord  = 6 // DATA, QUIT or RSET

	lenDate = 39 // of the line "Date: Sun, 29 Nov 2026 01:45:59 +0000" with its end; the day may have one digit
)

// turn returns the records up to the next turn, and the rest.
func turn(list []uint16) (first, rest []uint16) {
	for i, n := range list {
		if n == 0 {
			return list[:i], list[i+1:]
		}
	}
	return list, nil
}

// describe sets the fields that the lengths show.
func (r *recs) describe(f *Fingerprint, helloLen int, closed bool) {
	if r.nLibrary > 0 {
		f.set(TLS, r.library[:r.nLibrary])
		f.set(Settings, r.settings[:r.nSetting])
		f.set(Hints, r.hints[:r.nHints])
		f.set(Padding, r.padding[:r.nPadding])
		sni := "no"
		if r.named {
			sni = "yes"
		}
		f.set(SNI, []byte(sni))
	}
	if r.n == 0 {
		return
	}
	var buf [128]byte
	text, list := buf[:0], r.list[:r.n]
	var before []uint16
	for i := 0; len(list) > 0 && len(text) < 64; i++ {
		var t []uint16
		t, list = turn(list)
		if i > 0 && isMessage(before, t) {
			setRecords(f, text, true)
			describeMessage(f, t)
			describeNext(f, list, closed)
			return
		}
		text = appendTurn(text, t, i == 0 && (r.implicit || int(t[0]) == helloLen))
		before = t
	}
	for len(text) > 0 && (text[len(text)-1] == '2' || text[len(text)-1] == '/') { // the alert at the end
		text = text[:len(text)-1]
	}
	setRecords(f, text, closed)
}

func setRecords(f *Fingerprint, text []byte, complete bool) {
	if !complete {
		text = append(text, '-')
	}
	f.set(Records, text)
}

// isMessage reports whether a turn is a message: after DATA, or because it ends
// with the dot.
func isMessage(before, t []uint16) bool {
	last := t[len(t)-1]
	if last == lenDot || last == lenCRLF {
		return true
	}
	return before[len(before)-1] == lenWord && !(last == lenClose || t[0] == lenWord)
}

// appendTurn appends the classes of a turn's records. Runs of other records, and
// of turns of one, are cut to two: they count recipients.
func appendTurn(text []byte, t []uint16, hello bool) []byte {
	const most = 24
	begin := len(text)
	if begin > 0 {
		text = append(text, '/')
	}
	run := 0
	for i, n := range t[:min(len(t), most)] {
		c := byte('n')
		switch {
		case hello && i == 0:
			c = 'e'
		case n == lenClose || n == lenDot || n == lenCRLF || n == lenWord:
			c = '0' + byte(n)
		}
		if c == 'n' {
			if run++; run > 2 {
				continue
			}
		} else {
			run = 0
		}
		text = append(text, c)
	}
	if s := string(text); len(s) > most || len(s) >= 6 && s[len(s)-6:] == "/n/n/n" {
		text = text[:begin]
	}
	return text
}

// describeMessage says how a message was written.
func describeMessage(f *Fingerprint, t []uint16) {
	dot := DotWith
	switch last := t[len(t)-1]; last {
	case lenDot:
		dot = DotAlone
	case lenCRLF:
		dot = DotCRLF
	}
	if len(t) > 1 || dot == DotWith {
		bytes := uint32(0)
		for _, n := range t {
			bytes += uint32(n)
		}
		f.set(Write, writing(uint32(t[0]), bytes))
	}
	f.set(Dot, dotName(dot))
}

// describeNext says what came after the message: in TLS, a word.
func describeNext(f *Fingerprint, list []uint16, closed bool) {
	if len(list) > 0 {
		switch list[0] {
		case lenWord:
			f.set(Next, []byte("/6"))
			return
		case lenClose:
		default:
			f.set(Next, []byte("/n"))
			return
		}
	}
	if closed {
		f.set(Next, []byte("$"))
	}
}
