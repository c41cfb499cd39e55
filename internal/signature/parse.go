package signature

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Bounds on a database file.
const (
	maxFile   = 16 << 20      // bytes
	maxSigs   = 20_000        // each is compared with all before it
	maxWork   = 1_000_000_000 // steps of those comparisons: 20,000 signatures of p0f's language, or 5,000 of eight windows each
	maxLabels = 65535         // of systems and programs, and again of links: package host keeps 16 bits
)

// SyntaxError is a fault of a database file.
type SyntaxError struct {
	File string
	Line int // 1 is the first
	Col  int // in bytes, 1 is the first
	Msg  string
	Text string // what stands there; may be empty
	Hint string // what to do about it; not part of Error
}

func (e *SyntaxError) Error() string {
	if e.Text == "" {
		return fmt.Sprintf("%s:%d:%d: %s", e.File, e.Line, e.Col, e.Msg)
	}
	return fmt.Sprintf("%s:%d:%d: %s: %q", e.File, e.Line, e.Col, e.Msg, e.Text)
}

// ErrTooLarge is the error for a database above the bounds of this package:
// 16 MiB of text a file, 20,000 signatures, 65,535 labels, 65,535 links, and the
// work of comparing signatures with each other. Of the last it names the line.
var ErrTooLarge = errors.New("signature: database too large")

// finish numbers the signatures and gives them their labels; both arrays have
// stopped moving now.
func (db *DB) finish() {
	id := 0
	for dir := range db.tcp {
		for i := range db.tcp[dir].sigs {
			id++
			sig := &db.tcp[dir].sigs[i]
			sig.ID = id
			sig.Label = &db.labels[sig.label-1]
		}
	}
	for dir := range db.tcp {
		db.tcp[dir].finish()
	}
	db.finishHTTP()
	db.smtp.finish(db.labels)
	for i := range db.entries {
		if e := &db.entries[i]; e.label > 0 {
			e.Label = &db.labels[e.label-1]
		}
	}
}

// section is a module of the file.
type section uint8

const (
	noSection section = iota
	mtuSection
	tcpRequest
	tcpResponse
	httpRequest
	httpResponse
	smtpClient
	lostSection // its header is wrong: what it holds cannot be judged
)

// expect says which statements may come next (p0f-v3.md §2.2).
type expect uint8

const (
	expectLabel expect = iota // after a section header
	expectSys                 // after a userland label
	expectSig                 // after a complete label
	expectAny                 // after a label that is wrong: sys or sig
)

// takes reports whether a statement may come.
func (e expect) takes(statement expect) bool { return e == statement || e == expectAny }

// place is a line of a file of the database.
type place struct {
	file  string
	line  int
	layer int // number of the file among those of Load; the built-in ones have one
}

// parser is the state of one reading. The first fault stays in err, unless all
// are wanted.
type parser struct {
	db *DB
	place
	err error

	all      bool // faults are kept, and the reading goes on
	faults   []*SyntaxError
	warnings []*SyntaxError
	lines    []string // of the file, for warnings
	anyClass bool     // the classes line is wrong
	crlf     bool     // the file is one of Windows, which has been reported

	text    string // the current line
	name    string // of its statement; empty for none
	section section
	expect  expect
	link    int32 // current link, 1-based

	hasSig       bool // the current label has a signature
	source, date string
	clock        Clock
	mtus         map[uint16]place // of their first signature
	smtps        map[string]*SMTP // by label and text
	work         int              // steps of comparisons that are left
}

// fail records a fault at a place in the current line: rest is what follows
// that place.
// format and args are the message, and hint what to do about it.
func (p *parser) fail(rest, format, hint string, args ...any) {
	if p.err == nil {
		p.err = p.fault(rest, format, hint, args...)
	}
}

func (p *parser) fault(rest, format, hint string, args ...any) *SyntaxError {
	const most = 40
	shown := rest
	if len(shown) > most {
		shown = shown[:most] + "…"
	}
	return &SyntaxError{
		File: p.file, Line: p.line, Col: len(p.text) - len(rest) + 1,
		Msg: fmt.Sprintf(format, args...), Text: shown, Hint: hint,
	}
}

// tooMany ends the reading for a bound of ErrTooLarge.
func (p *parser) tooMany(most int, what string) {
	p.err = fmt.Errorf("%w: %s has more than %d %s", ErrTooLarge, p.file, most, what)
}

// tooMuch ends the reading for the work that comparing the signatures takes.
func (p *parser) tooMuch() {
	p.err = fmt.Errorf("%w: %s:%d: comparing this signature with those before it takes too long; write fewer signatures, or fewer alternatives in each", ErrTooLarge, p.file, p.line)
}

// parseLine reads one line. Deviation: p0f takes a carriage return at the end
// of a flavor into the flavor, and refuses it anywhere else; here it is the
// same fault everywhere, with a message of its own.
func (p *parser) parseLine(line string) {
	if p.crlf {
		line = strings.TrimSuffix(line, "\r")
	}
	p.text, p.name = line, ""
	s := strings.TrimLeft(line, " \t")
	switch {
	case s == "" || s[0] == ';':
	case p.section == lostSection && s[0] != '[':
	case strings.IndexByte(s, '\r') >= 0:
		p.fail(s[strings.IndexByte(s, '\r'):], "carriage return; lines must end with a line feed alone", "convert the file, for example with dos2unix")
	case strings.HasPrefix(s, "\ufeff"):
		p.fail(s, "byte order mark", "save the file as UTF-8 without one")
		p.parseLine(strings.ReplaceAll(s, "\ufeff", ""))
	case s[0] == '[':
		sec := slices.IndexFunc(sectionNames[:], func(name string) bool { return name != "" && s == "["+name+"]" })
		if sec < 0 {
			p.fail(s, "unknown section; want one of [mtu], [tcp:request], [tcp:response], [http:request], [http:response], [smtp:client]", "correct the line; what stands in this section was not checked")
			return
		}
		p.section, p.expect = section(sec), expectLabel
		p.link = 0
	default:
		p.statement(s)
	}
}

func (p *parser) statement(s string) {
	n := 0
	for n < len(s) && (isLetter(s[n]) || s[n] == '_') {
		n++
	}
	name := s[:n]
	rest := strings.TrimLeft(s[n:], " \t")
	if n == 0 || !strings.HasPrefix(rest, "=") {
		p.fail(s, "want a section or name = value", "begin a comment with ; on a line of its own")
		return
	}
	value := strings.TrimLeft(rest[1:], " \t")
	p.name = name
	switch name {
	case "classes":
		p.classes(s, value)
	case "ua_os":
		p.uaOS(s, value)
	case "label":
		p.label(s, value)
	case "sys":
		p.sys(s, value)
	case "sig":
		p.sig(s, value)
	case "or":
		p.candidate(s, value)
	case "source", "date":
		p.origin(s, name, value)
	case "uptime":
		p.uptime(s, value)
	default:
		p.fail(s, "unknown name; want label, sig, sys, classes, ua_os, or, source, date or uptime", "correct the name; capitals count")
	}
}

// classes reads classes = a,b,…
func (p *parser) classes(s, v string) {
	if p.section != noSection {
		p.fail(s, "classes belong before the first section", "move the line to the beginning of the file")
		return
	}
	for v != "" {
		v = skipSeparators(v)
		n := span(v, isAlnum)
		if n == 0 {
			p.fail(v, "want a class name", "write classes = win,unix,other; letters and digits, nothing behind the last")
			return
		}
		p.db.classes = append(p.db.classes, v[:n])
		if v = v[n:]; v != "" && v[0] != ',' {
			p.fail(v, "want a comma between classes", "write classes = win,unix,other; letters and digits, nothing behind the last")
			return
		}
	}
}

// skipSeparators steps over what may stand before an entry of classes and sys:
// as by p0f, any number of commas and blanks.
func skipSeparators(v string) string { return strings.TrimLeft(v, ", \t") }

// classID returns the index of a declared class, or -1.
func (db *DB) classID(name string) int32 {
	return int32(slices.IndexFunc(db.classes, func(c string) bool { return strings.EqualFold(c, name) }))
}

// label reads label = text for links, or label = type:class:name:flavor.
func (p *parser) label(s, v string) {
	p.hasSig, p.source, p.date, p.clock = false, "", "", ClockUnstated
	switch {
	case p.section == noSection:
		p.fail(s, "label before the first section", "put a section before it, such as [tcp:request]")
	case p.expect == expectSys:
		p.fail(s, "want the sys line of the label before", "put sys = @class,name directly after a label of class !")
	case p.section == mtuSection:
		if v == "" {
			p.fail(v, "empty label", "name the link")
			return
		}
		if len(p.db.links) == maxLabels {
			p.tooMany(maxLabels, "links")
			return
		}
		p.db.links = append(p.db.links, v)
		p.link = int32(len(p.db.links))
		p.expect = expectSig
		p.entry(0)
	default:
		p.hostLabel(v)
	}
}

func (p *parser) hostLabel(v string) {
	if len(p.db.labels) == maxLabels {
		p.tooMany(maxLabels, "labels")
		return
	}
	l := Label{ID: len(p.db.labels) + 1, class: -1}
	if len(v) < 2 || v[1] != ':' || v[0] != 's' && v[0] != 'g' {
		p.fail(v, "want s or g and a colon as the label type", "write s:class:name:flavor, or g:… for a catch-all")
		return
	}
	l.Generic = v[0] == 'g'
	class, rest, ok := strings.Cut(v[2:], ":")
	if !ok {
		p.fail(v[2:], "want class:name:flavor", "write s:class:name:flavor; the flavor may be empty, its colon may not be missing")
		return
	}
	if class == Userland {
		l.Class = Userland
	} else if l.class = p.db.classID(class); l.class >= 0 {
		l.Class = p.db.classes[l.class]
	} else if !p.anyClass {
		p.fail(v[2:], "class is not declared by a classes line", "use a declared class, or add this one to the line classes = … at the beginning of the file")
		return
	}
	var name string
	if name, l.Flavor, ok = p.nameAndFlavor(rest); !ok {
		return
	}
	l.name = p.db.names.id(name)
	l.Name = p.db.names.names[l.name]
	p.db.labels = append(p.db.labels, l)
	p.entry(l.ID)
	p.expect = expectSig
	if l.Class == Userland {
		p.expect = expectSys
	}
}

// nameAndFlavor reads NAME:FLAVOR.
func (p *parser) nameAndFlavor(v string) (name, flavor string, ok bool) {
	n := span(v, isNameByte)
	switch {
	case n == 0:
		p.fail(v, "want a name of letters, digits, spaces and ./-_!?()", "leave other characters out of the name")
	case n == len(v) || v[n] != ':':
		p.fail(v[n:], "want a colon after the name", "write the name, a colon and the flavor; other characters than letters, digits, spaces and ./-_!?() cannot stand in a name")
	default:
		return v[:n], v[n+1:], true
	}
	return "", "", false
}

// sys reads sys = @class,name,…
func (p *parser) sys(s, v string) {
	if p.section == noSection || p.section == mtuSection || !p.expect.takes(expectSys) {
		p.fail(s, "sys belongs directly after a label of class !", "remove the line, or make the class of the label !")
		return
	}
	label := &p.db.labels[len(p.db.labels)-1]
	for v != "" {
		v = skipSeparators(v)
		isClass := strings.HasPrefix(v, "@")
		if isClass {
			v = v[1:]
		}
		n := span(v, isNameByte)
		if n == 0 {
			p.fail(v, "want a system or @class", "write sys = @unix,Linux; nothing behind the last")
			return
		}
		id := sysID{class: isClass}
		if isClass {
			if id.id = p.db.classID(v[:n]); id.id < 0 && !p.anyClass {
				p.fail(v, "class is not declared by a classes line", "use a declared class, or add this one to the line classes = … at the beginning of the file")
				return
			}
		} else {
			id.id = p.db.names.id(v[:n])
		}
		label.sys = append(label.sys, id)
		if v = v[n:]; v != "" && v[0] != ',' {
			p.fail(v, "want a comma between systems", "write the systems with commas between them, and nothing behind the last")
			return
		}
	}
	p.expect = expectSig
}

// sig reads sig = …, whose form depends on the section.
func (p *parser) sig(s, v string) {
	switch {
	case p.section != noSection && p.expect == expectSys:
		p.fail(s, "want the sys line of the label before", "put sys = @class,name directly after a label of class !")
		return
	case p.section == noSection || !p.expect.takes(expectSig):
		p.fail(s, "sig belongs after a label", "put a section and a label line before it")
		return
	}
	if p.db.count++; p.db.count > maxSigs {
		p.tooMany(maxSigs, "signatures")
		return
	}
	p.hasSig, p.expect = true, expectSig
	switch p.section {
	case mtuSection:
		p.mtuSig(v)
	case tcpRequest:
		p.tcpSig(Request, v)
	case tcpResponse:
		p.tcpSig(Response, v)
	case httpRequest:
		p.httpSig(Request, v)
	case httpResponse:
		p.httpSig(Response, v)
	case smtpClient:
		p.smtpSig(v)
	}
}

// mtuSig reads the MTU of a link; the first link with an MTU keeps it.
func (p *parser) mtuSig(v string) {
	n, rest := number(v)
	if rest != "" || n < 1 || n > 65535 {
		p.fail(v, "want an MTU, 1 to 65535", "write a number of bytes alone; one sig line for each")
		return
	}
	first, double := p.mtus[uint16(n)]
	switch {
	case !double:
		p.mtus[uint16(n)] = p.place
		p.db.linkIDs[n] = uint16(p.link)
		p.counted(true)
	case first.layer != p.layer:
		p.counted(false)
	default:
		p.counted(true)
		p.warn(v, "MTU already has a link in %s", "remove one of them; the first counts", p.where(first))
	}
}

// where names a place in messages of the current file.
func (p *parser) where(at place) string {
	if at.file == p.file {
		return fmt.Sprintf("line %d", at.line)
	}
	return fmt.Sprintf("line %d of %s", at.line, at.file)
}

// number reads a run of digits; an empty run is 0, and a number too large for
// every use stays too large.
func number(s string) (int, string) {
	n, i := 0, 0
	for ; i < len(s) && isDigit(s[i]); i++ {
		if n = n*10 + int(s[i]-'0'); n > 1<<30 {
			n = 1 << 30
		}
	}
	return n, s[i:]
}

func span(s string, ok func(byte) bool) int {
	n := 0
	for n < len(s) && ok(s[n]) {
		n++
	}
	return n
}

func isDigit(c byte) bool  { return c >= '0' && c <= '9' }
func isLetter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }
func isAlnum(c byte) bool  { return isDigit(c) || isLetter(c) }

// isNameByte reports whether a byte may stand in the name of a label.
func isNameByte(c byte) bool {
	return isAlnum(c) || strings.IndexByte(" ./-_!?()", c) >= 0
}
