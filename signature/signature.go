// Package signature names the system whose TCP stack built a SYN, by a database
// of signatures in p0f's language.
//
//	db, err := signature.Load("p0f.fp") // or signature.Builtin()
//	…
//	m := db.Match(&segment, 0)          // a packet.Segment, from packet.Decoder or savedsyn.Decode
//	if m.Label.Name != "" { … m.Label.Title() … }
//
// Use it to load a database for package engine or savedsyn, or to match single
// segments. A note about a SYN, with its distance and link in the words that a
// mail server uses, is savedsyn.Name. The package compares one segment at a
// time; what a host sent before is package engine's.
//
// The language is p0f-v3.md §2 with the additions of docs/signatures.md, and
// the rules of matching are p0f-v3.md §3 and §4.
//
// # Compatibility
//
// Until 1.0 this package only gains names; none is removed or changes its
// meaning. Databases that load today will load. What the built-in database says
// of a system may become more exact at any time.
package signature

import (
	"io"

	core "github.com/mxprint/mxprint/internal/signature"
	"github.com/mxprint/mxprint/packet"
)

// ErrTooLarge is the error for a database above the bounds: 16 MiB of text a
// file, 20,000 signatures, 65,535 labels, 65,535 links, and the work of comparing
// signatures, where it names the line.
var ErrTooLarge = core.ErrTooLarge

// SyntaxError is an error in the text of a database: its place, what is wrong,
// the text there, and a hint how to mend it.
type SyntaxError struct {
	File string
	Line int // 1 is the first
	Col  int // in bytes, 1 is the first
	Msg  string
	Text string // what stands there; may be empty
	Hint string // what to do about it; not part of Error
}

// Error returns file:line:column, the message and the text.
func (e *SyntaxError) Error() string {
	return (&core.SyntaxError{File: e.File, Line: e.Line, Col: e.Col, Msg: e.Msg, Text: e.Text}).Error()
}

// DB is a compiled database. It never changes and is safe for concurrent use.
type DB core.DB

// Builtin returns the database that ships with mxprint. It is parsed once.
func Builtin() *DB { return (*DB)(core.Builtin()) }

// Load reads database files as one; an empty path is the built-in database.
// Each file is complete in itself. An earlier file counts first: it overrides
// the links and signatures of later ones that it covers. Errors are of type
// *SyntaxError for the text, ErrTooLarge, or those of reading.
func Load(paths ...string) (*DB, error) {
	db, err := core.Load(paths...)
	return (*DB)(db), public(err)
}

// Parse reads one database. name stands for the file in errors, which are those
// of Load. The first error ends the reading: half a database would give wrong
// answers.
func Parse(r io.Reader, name string) (*DB, error) {
	db, err := core.Parse(r, name)
	return (*DB)(db), public(err)
}

// public returns an error as this package promises it.
func public(err error) error {
	if e, ok := err.(*core.SyntaxError); ok {
		return &SyntaxError{File: e.File, Line: e.Line, Col: e.Col, Msg: e.Msg, Text: e.Text, Hint: e.Hint}
	}
	return err
}

// Label is what a signature says of the sender.
type Label struct {
	Name    string   // "Linux"; empty if no signature matched
	Flavor  string   // "3.11 and newer"; may be empty
	Class   string   // "unix", as the database declares it; "!" for a program
	Generic bool     // a catch-all, used only if nothing specific matches
	Others  []string // other systems that send the same packet; shared, do not change it
}

// Title is the name, and after it the flavor if there is one.
func (l *Label) Title() string {
	if l.Flavor == "" {
		return l.Name
	}
	return l.Name + " " + l.Flavor
}

// Match is the result of DB.Match.
type Match struct {
	Label    Label
	Fuzzy    bool // a quirk or the TTL differed within bounds
	Distance int  // hops from the sender; a guess if no signature matched

	File         string // of the signature: as Load or Parse named it, "builtin/…" in the built-in database
	Line         int    // in the file; 1 is the first
	Source, Date string // how and when the signature was observed; may be empty
}

// Match compares a segment with the signatures of its kind, SYN or SYN+ACK, in
// the order of the file (p0f-v3.md §3.3). peerMSS is the MSS of the client's
// SYN if the segment is the SYN+ACK to it, else 0. It does not allocate.
func (db *DB) Match(s *packet.Segment, peerMSS uint16) Match {
	dir := core.Request
	if s.Type == packet.SYNACK {
		dir = core.Response
	}
	m := (*core.DB)(db).Match(dir, s, peerMSS)
	out := Match{Fuzzy: m.Fuzzy, Distance: m.Distance}
	if sig := m.Sig; sig != nil {
		l := sig.Label
		out.Label = Label{Name: l.Name, Flavor: l.Flavor, Class: l.Class, Generic: l.Generic, Others: l.Others}
		out.File, out.Line, out.Source, out.Date = sig.File, sig.Line, sig.Source, sig.Date
	}
	return out
}

// Link returns the name of the link with an MTU in bytes, or "" if the database
// names none (p0f-v3.md §4).
func (db *DB) Link(mtu int) string {
	d := (*core.DB)(db)
	return d.LinkName(d.LinkID(mtu))
}

// Count returns the number of signatures in use.
func (db *DB) Count() int { return (*core.DB)(db).Count() }

// AppendRaw appends the raw signature of a segment in p0f's notation
// (p0f-v3.md §3.4), such as "4:64+0:0:1460:mss*44,7:mss,sok,ts,nop,ws:df,id+:0".
// peerMSS is as for Match.
func AppendRaw(dst []byte, s *packet.Segment, peerMSS uint16) []byte {
	return core.AppendRaw(dst, s, core.MultipleOf(s, peerMSS))
}
