// Package claim finds contradictions: what a mail and its sender say about
// themselves that does not go together with what the connection shows. A mail
// claims Outlook and its connection comes from a Linux; a sender calls itself a
// name of Microsoft's that its address does not have.
//
// Claims reach it from a front, which knows HELO, verified names and headers;
// facts are the note's. What goes together is a table in claims.toml, each entry
// with its source. docs/contradictions.md explains each finding and names honest
// mail that has it: a contradiction is a reason to look, not a verdict. What is
// checked elsewhere, SPF, DKIM, DMARC and lists of addresses, is not here.
package claim

import (
	_ "embed"
	"fmt"
	"strings"

	"github.com/BurntSushi/toml"

	"github.com/mxprint/mxprint/note"
)

// The contradictions.
const (
	MailerSystem     = "mailer_system"
	MailerSoftware   = "mailer_software"
	NameSystem       = "name_system"
	NameNotVerified  = "name_not_verified"
	SoftwareSystem   = "software_system"
	ServerHelo       = "server_helo"
	DynamicDesktop   = "dynamic_desktop"
	MobileExchanger  = "mobile_exchanger"
	MessageIDMailer  = "message_id_mailer"
	HeloOwnerAddress = "helo_other_address"
)

// Kind is a contradiction there may be.
type Kind struct{ ID, Words string }

// Kinds are all of them, in the order in which Check lists them.
func Kinds() []Kind { return append([]Kind(nil), kinds...) }

var kinds = []Kind{
	{MailerSystem, "the mail names a program that does not run on the system of the sender"},
	{MailerSoftware, "the mail names a mail program, and a library for scripts sent it"},
	{NameSystem, "the verified name is a large sender's that does not show this system"},
	{NameNotVerified, "HELO is a name of a large sender, and the address has no such name"},
	{SoftwareSystem, "the dialect is that of a program that does not run on this system"},
	{ServerHelo, "the dialect is a mail server's, and HELO is not the name of one"},
	{DynamicDesktop, "a desktop system with a name of an access network sends directly"},
	{MobileExchanger, "HELO says mail exchanger, and the link is a mobile one or a VPN"},
	{MessageIDMailer, "the Message-ID has the shape of Python's, and the mail names a mail program"},
	{HeloOwnerAddress, "HELO is an address, and not the sender's"},
}

// Mail is what a mail and its sender claim. What a front does not know is empty.
type Mail struct {
	Client string // address of the sender
	HELO   string
	note.Claims
}

// direct reports whether the sender made the mail itself and did not receive it.
func (m *Mail) direct() bool { return m.HeadersKnown && m.Received == "" }

// Table is what goes together. It is safe for concurrent use.
type Table struct {
	Mailer  []Mailer  `toml:"mailer"`
	Sender  []Sender  `toml:"sender"`
	Program []Program `toml:"program"`
	Script  []Script  `toml:"script"`
}

// Mailer is a program for people, by X-Mailer or User-Agent.
type Mailer struct {
	Name     string   `toml:"name"`
	Begins   []string `toml:"begins"`
	Systems  []string `toml:"systems"`
	Scripted bool     `toml:"scripted"` // a library for scripts does not send for it
	Source   string   `toml:"source"`
	Date     string   `toml:"date"`
}

// Sender is a large sender, by domain.
type Sender struct {
	Domain  string   `toml:"domain"`
	Systems []string `toml:"systems"`
	Source  string   `toml:"source"`
	Date    string   `toml:"date"`
}

// Program is a program by its dialect.
type Program struct {
	Name    string   `toml:"name"`
	Systems []string `toml:"systems"`
	Server  bool     `toml:"server"` // it is a mail server, whose HELO is its name
	Source  string   `toml:"source"`
	Date    string   `toml:"date"`
}

// Script is a library for scripts, by the beginning of its name.
type Script struct {
	Name string `toml:"name"`
}

//go:embed claims.toml
var builtin string

// Builtin returns the table that comes with mxprint.
func Builtin() *Table {
	t, err := Parse(builtin)
	if err != nil {
		panic(err) // a test parses it
	}
	return t
}

// Parse reads a table. Each entry needs a source and a date.
func Parse(text string) (*Table, error) {
	t := new(Table)
	md, err := toml.Decode(text, t)
	if err != nil {
		return nil, fmt.Errorf("claim: %w", err)
	}
	if keys := md.Undecoded(); len(keys) > 0 {
		return nil, fmt.Errorf("claim: unknown key %s", keys[0])
	}
	sourced := func(what, name, source, date string) error {
		if name == "" || source == "" || len(date) != len("2026-01-02") {
			return fmt.Errorf("claim: %s %q: want a name, a source and a date", what, name)
		}
		return nil
	}
	for _, m := range t.Mailer {
		if err := sourced("mailer", m.Name, m.Source, m.Date); err != nil {
			return nil, err
		}
	}
	for _, s := range t.Sender {
		if err := sourced("sender", s.Domain, s.Source, s.Date); err != nil {
			return nil, err
		}
	}
	for _, p := range t.Program {
		if err := sourced("program", p.Name, p.Source, p.Date); err != nil {
			return nil, err
		}
	}
	return t, nil
}

// Check returns what a mail claims that its connection contradicts. The state is
// Complete where header, name and note were all there, and Reading where more
// claims can come.
func (t *Table) Check(n *note.Note, m *Mail) note.Findings {
	c := check{Table: t, n: n, m: m}
	c.mailer()
	c.sender()
	c.program()
	c.names()
	f := note.Findings{State: note.Reading, List: c.list}
	if m.HeadersKnown && m.NameKnown {
		f.State = note.Complete
	}
	return f
}

// check is one call of Check.
type check struct {
	*Table
	n    *note.Note
	m    *Mail
	list []note.Finding
}

func (c *check) find(id, evidence string, fields ...string) {
	f := note.Finding{ID: id, Evidence: clean(evidence), Fields: fields}
	for _, k := range kinds {
		if k.ID == id {
			f.Words = k.Words
		}
	}
	for _, field := range fields {
		f.MayBe = f.MayBe || field == "os_name" && c.doubtful()
	}
	c.list = append(c.list, f)
}

// doubtful reports whether the SYN may be that of a box between.
func (c *check) doubtful() bool {
	return c.n.Rewrite != 0 || c.n.Shared() || c.n.Ambiguous || c.n.Quality&note.Generic != 0
}

// other reports whether the system is surely known and not one of those.
func (c *check) other(systems []string) bool {
	n := c.n
	if len(systems) == 0 || n.State != note.Matched || n.Quality&note.Fuzzy != 0 || !n.ByConnection {
		return false
	}
	for _, name := range append([]string{n.OSName}, n.Others...) {
		for _, s := range systems {
			if strings.Contains(name, s) {
				return false
			}
		}
	}
	// A box answers for what is behind it.
	return !strings.Contains(n.OSName, "proxy") && !strings.Contains(n.OSName, "F5")
}

// software is the name of the program, where exactly one is named.
func (c *check) software() string {
	s := c.n.Software
	if s == nil || s.State != note.Matched || s.Quality&(note.Fuzzy|note.Generic) != 0 || len(s.Others) > 0 {
		return ""
	}
	return s.Name
}

// clean makes text of a mail printable, in one line and short.
func clean(s string) string { return note.Clean(s) }
