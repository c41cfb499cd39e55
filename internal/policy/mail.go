package policy

import (
	"net/netip"
	"time"

	"github.com/mxprint/mxprint/note"
)

// Mail is what the condition of a rule can ask about: the note of the
// connection, and what the mail server says of it. The names in a condition are
// those of the tags, most of them the members of docs/json.md. What is not known
// is empty, 0 or false; a distance that is not known is -1.
type Mail struct {
	State        string   `expr:"state"` // matched or unknown
	OSName       string   `expr:"os_name"`
	OSFlavor     string   `expr:"os_flavor"`
	OSOr         []string `expr:"os_or"`
	Quality      string   `expr:"quality"` // exact, fuzzy, generic, generic fuzzy
	Distance     int      `expr:"distance"`
	LinkType     string   `expr:"link_type"`
	MTU          int      `expr:"mtu"`
	Rewritten    string   `expr:"rewritten"` // ttl,options,mss
	Shared       bool     `expr:"shared"`    // several systems use the address
	ByConnection bool     `expr:"by_connection"`
	Ambiguous    bool     `expr:"ambiguous"`
	TotalConn    int      `expr:"total_conn"`
	RawSig       string   `expr:"raw_sig"`

	TLS      TLS      `expr:"tls"`
	Software Software `expr:"software"`
	Memory   Memory   `expr:"memory"`
	Flow     Flow     `expr:"flow"`

	// Conduct and Contradictions are the IDs of the findings; their states are
	// "complete", "reading" or "not known", and empty where nothing was looked at.
	Conduct             []string `expr:"conduct"`
	ConductState        string   `expr:"conduct_state"`
	Contradictions      []string `expr:"contradictions"`
	ContradictionsState string   `expr:"contradictions_state"`

	// What the mail server says.
	Client      string `expr:"client"`       // its address
	ClientName  string `expr:"client_name"`  // verified; empty without
	ReverseName string `expr:"reverse_name"` // not verified
	HELO        string `expr:"helo"`
	Sender      string `expr:"sender"`
	Recipient   string `expr:"recipient"`
	Login       string `expr:"login"`
	Stage       string `expr:"stage"` // CONNECT, HELO, MAIL, RCPT, DATA, END-OF-MESSAGE
	Encryption  string `expr:"encryption"`
}

// TLS is note.TLS.
type TLS struct {
	State      string `expr:"state"` // complete, none, refused …; empty where nothing was looked at
	Library    string `expr:"library"`
	Release    string `expr:"release"`
	Version    string `expr:"version"`
	JA4        string `expr:"ja4"`
	ServerName bool   `expr:"server_name"`
}

// Software is note.Software.
type Software struct {
	State   string   `expr:"state"` // matched, unknown; empty where nothing was looked at
	Name    string   `expr:"name"`
	Flavor  string   `expr:"flavor"`
	Quality string   `expr:"quality"` // exact, generic; empty where nothing matched
	Or      []string `expr:"or"`
	Dialect string   `expr:"dialect"`
}

// Memory is note.Memory.
type Memory struct {
	Known   bool     `expr:"known"` // the sensor remembers senders
	New     bool     `expr:"new"`
	Visits  int      `expr:"visits"`
	Days    float64  `expr:"days"` // since it was first seen
	Changed []string `expr:"changed"`
	NewHere []string `expr:"new_here"`
}

// Flow is note.Flow, times in milliseconds.
type Flow struct {
	TCPRTT      float64 `expr:"tcp_rtt_ms"`
	SMTPRTT     float64 `expr:"smtp_rtt_ms"`
	Retransmits int     `expr:"retransmits"`
}

// NewMail returns a mail of which the note alone is known.
func NewMail(n *note.Note) *Mail {
	m := &Mail{
		State: n.State.String(), OSName: n.OSName, OSFlavor: n.OSFlavor, OSOr: n.Others, Distance: -1,
		LinkType: n.LinkType, MTU: n.MTU, Rewritten: n.Rewrite.String(), Shared: n.Shared(),
		ByConnection: n.ByConnection, Ambiguous: n.Ambiguous, TotalConn: int(n.TotalConn), RawSig: n.RawSig,
	}
	if n.State == note.Matched {
		m.Quality = n.Quality.String()
	}
	if hops, known := n.Distance.Hops(); known {
		m.Distance = hops
	}
	if t := n.TLS; t != nil {
		m.TLS = TLS{t.State.String(), t.Library, t.Release, t.Version, t.JA4, t.ServerName}
	}
	if s := n.Software; s != nil {
		m.Software = Software{s.State.String(), s.Name, s.Flavor, "", s.Others, s.Dialect}
		if s.State == note.Matched {
			m.Software.Quality = s.Quality.String()
		}
	}
	if f := n.Flow; f != nil {
		m.Flow = Flow{millis(f.TCPRTT), millis(f.SMTPRTT), int(f.Retransmits)}
	}
	if r := n.Memory; r != nil {
		m.Memory = Memory{Known: true, New: r.New, Visits: int(r.Visits), Changed: r.Changed, NewHere: r.NewHere}
		if !r.FirstSeen.IsZero() && n.LastSeen.After(r.FirstSeen) {
			m.Memory.Days = n.LastSeen.Sub(r.FirstSeen).Hours() / 24
		}
	}
	m.Conduct, m.ConductState = ids(n.Conduct)
	m.Contradictions, m.ContradictionsState = ids(n.Contradictions)
	return m
}

func millis(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

func ids(f *note.Findings) (list []string, state string) {
	if f == nil {
		return nil, ""
	}
	for i := range f.List {
		list = append(list, f.List[i].ID)
	}
	return list, f.State.String()
}

// Allow lists the senders that no rule acts on. The zero value has none.
type Allow struct {
	Networks []netip.Prefix
	Names    []string // verified names: "mx.example.org", or ".example.org" for all below it
	Logins   []string // "*" for all
}
