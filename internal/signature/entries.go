package signature

import "slices"

// Entry is a label of a database, or the name of a link, with what stands
// below it.
type Entry struct {
	Section string // "mtu", "tcp:request", "tcp:response", "http:request", "http:response" or "smtp:client"
	Label   *Label // nil for a link
	Link    string // the name of a link
	File    string // as in TCP
	Line    int    // of the label

	Signatures int      // in use
	Overridden int      // left out for those of a file read before
	Sources    []string // how the signatures are known, each once
	Dates      []string // when that was, each once

	label int // id of Label
	layer int
}

// Entries returns the labels and links in the order of the files. The caller
// must not change what they point to.
func (db *DB) Entries() []Entry { return slices.Clone(db.entries) }

var sectionNames = [...]string{
	mtuSection: "mtu", tcpRequest: "tcp:request", tcpResponse: "tcp:response",
	httpRequest: "http:request", httpResponse: "http:response",
	smtpClient: "smtp:client",
}

// entry notes the label just read; 0 for a link.
func (p *parser) entry(label int) {
	e := Entry{Section: sectionNames[p.section], File: p.file, Line: p.line, layer: p.layer, label: label}
	if label == 0 {
		e.Link = p.db.links[p.link-1]
	}
	p.db.entries = append(p.db.entries, e)
}

// counted notes the signature just read for its label. One that is not used is
// overridden by a file read before.
func (p *parser) counted(used bool) {
	e := &p.db.entries[len(p.db.entries)-1]
	if !used {
		e.Overridden++
		p.db.count--
		return
	}
	e.Signatures++
	if p.source != "" && !slices.Contains(e.Sources, p.source) {
		e.Sources = append(e.Sources, p.source)
	}
	if p.date != "" && !slices.Contains(e.Dates, p.date) {
		e.Dates = append(e.Dates, p.date)
	}
}
