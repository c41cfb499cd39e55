// Package signature is the signature language and its matcher, as the rest of
// mxprint uses it. The public package of the same name is the part of it that
// is promised.
//
// It reads p0f's signature language, compiles a database of
// signatures, and names the system whose TCP stack built a segment.
//
// Parse reads a database, DB.Match asks it. A DB never changes after Parse, so
// any number of goroutines may use one at the same time; matching allocates
// nothing. Builtin is the database that ships with mxprint.
//
// The language is that of p0f 3 (p0f-v3.md §2), the rules of matching are those
// of p0f-v3.md §3, §4. The package knows one segment at a time: what a host did
// before is package host's.
package signature

import (
	"slices"
	"strings"

	"github.com/mxprint/mxprint/packet"
)

// Direction says which signatures a segment is compared with.
type Direction uint8

const (
	Request  Direction = iota // the SYN of a client
	Response                  // the SYN+ACK of a server
)

// Userland is the Class of labels that name a program and not a system.
const Userland = "!"

// DB is a compiled database. It is immutable and safe for concurrent use.
type DB struct {
	classes []string
	names   nameTable
	labels  []Label // label id 1 is labels[0]
	links   []string
	linkIDs []uint16 // by MTU: index of links, 1-based
	tcp     [2]tcpTable
	http    [2][]*HTTP
	smtp    smtpTable
	headers map[string]headerID
	uaOS    []UAOS
	count   int
	entries []Entry
}

// Label is what a signature says of its sender.
type Label struct {
	ID      int    // 1, 2, 3 … in file order; links are not counted
	Generic bool   // a catch-all, used only where nothing specific matches
	Class   string // as declared; Userland for programs
	Name    string // "Linux"; in the first spelling the file uses
	Flavor  string // "3.11 and newer"; may be empty

	Or     []Candidate // other systems that send the same packets
	Others []string    // their names, each once

	name  int32   // index of Name in the name table
	class int32   // index of Class, -1 for userland
	sys   []sysID // userland: the systems it is honest on
}

// Candidate is a system that a label cannot distinguish from its own.
type Candidate struct {
	Name   string
	Flavor string // may be empty
}

// sysID is one entry of a sys line: a class or a name.
type sysID struct {
	class bool
	id    int32
}

// UAOS is one entry of ua_os: a system and the text that names it in a
// User-Agent.
type UAOS struct {
	Name      string
	Substring string

	name int32  // index of Name in the name table
	text []byte // Substring
}

// Runs reports whether the program of a userland label may honestly run on the
// system of os (the sys line; p0f-v3.md §7.3).
func (l *Label) Runs(os *Label) bool {
	return slices.ContainsFunc(l.sys, func(s sysID) bool {
		return s.class && s.id == os.class || !s.class && s.id == os.name
	})
}

// Userland reports whether the label names a program.
func (l *Label) Userland() bool { return l.class < 0 }

// SameName reports whether both labels name the same system or program.
func (l *Label) SameName(o *Label) bool { return l.name == o.name }

// Title is the name, followed by the flavor where there is one.
func (l *Label) Title() string {
	if l.Flavor == "" {
		return l.Name
	}
	return l.Name + " " + l.Flavor
}

// Count returns the number of signatures of all sections. Those that a file
// read before overrides are not counted.
func (db *DB) Count() int { return db.count }

// Label returns the label with an id from Label.ID, or nil.
func (db *DB) Label(id int) *Label {
	if id < 1 || id > len(db.labels) {
		return nil
	}
	return &db.labels[id-1]
}

// LinkID returns the number of the link with this MTU in bytes, for LinkName,
// or 0 where the database names none (p0f-v3.md §4).
func (db *DB) LinkID(mtu int) int {
	if mtu < 0 || mtu > 65535 {
		return 0
	}
	return int(db.linkIDs[mtu])
}

// LinkName returns the name of a link, or "" for number 0.
func (db *DB) LinkName(id int) string {
	if id < 1 || id > len(db.links) {
		return ""
	}
	return db.links[id-1]
}

// TCP returns the signature with a number from TCP.ID, or nil for number 0.
func (db *DB) TCP(id int) *TCP {
	t := &db.tcp[Request]
	if id > len(t.sigs) {
		id -= len(t.sigs)
		t = &db.tcp[Response]
	}
	if id < 1 || id > len(t.sigs) {
		return nil
	}
	return &t.sigs[id-1]
}

// Match holds a segment against the signatures of a direction, in the order of
// the file, as p0f does (p0f-v3.md §3.3). peerMSS is the MSS of the connection's
// SYN when the segment is a SYN+ACK, and 0 otherwise.
func (db *DB) Match(dir Direction, s *packet.Segment, peerMSS uint16) Match {
	return db.tcp[dir].match(s, peerMSS)
}

// nameTable numbers names in the order of first use. Names are compared
// without regard to case, and the first spelling stays.
type nameTable struct {
	names []string
	ids   map[string]int32
}

func (t *nameTable) id(name string) int32 {
	key := strings.ToLower(name)
	if id, ok := t.ids[key]; ok {
		return id
	}
	if t.ids == nil {
		t.ids = make(map[string]int32)
	}
	id := int32(len(t.names))
	t.names = append(t.names, name)
	t.ids[key] = id
	return id
}

// FindLabel returns the ID of the label that says the same as l, a label of
// another database, or 0.
func (db *DB) FindLabel(l *Label) int {
	if l == nil {
		return 0
	}
	return 1 + slices.IndexFunc(db.labels, func(d Label) bool {
		return d.Name == l.Name && d.Flavor == l.Flavor && d.Class == l.Class && d.Generic == l.Generic
	})
}

// FindLink returns the number of the link with a name, for LinkName, or 0.
func (db *DB) FindLink(name string) int { return 1 + slices.Index(db.links, name) }
