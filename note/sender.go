package note

import (
	"encoding/json"
	"math"
	"slices"
	"time"
)

// Progress is how far a part of a connection has been read. The zero value
// claims nothing.
type Progress uint8

const (
	NotKnown Progress = iota // bytes are missing, a bound was reached, or the reading began too late
	Reading                  // not all of it has come yet: ask again
	Complete                 // all of it was read
	None                     // there was none: a mail came without TLS
	Refused                  // the client asked for it and the server refused: STARTTLS
)

var progressNames = [...]string{"not known", "reading", "complete", "none", "refused"}

// String returns the progress in words.
func (p Progress) String() string {
	if int(p) < len(progressNames) {
		return progressNames[p]
	}
	return progressNames[NotKnown]
}

// MarshalText returns the words of String.
func (p Progress) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText reads the words of String; others, which a newer sensor may
// have, are NotKnown.
func (p *Progress) UnmarshalText(text []byte) error {
	*p = Progress(max(slices.Index(progressNames[:], string(text)), int(NotKnown)))
	return nil
}

// TLS is what a client's first TLS message, the ClientHello, says of the library
// that sent it. All of that but State is empty unless State is Complete.
type TLS struct {
	State      Progress `json:"state"`
	Library    string   `json:"library,omitempty"`     // "OpenSSL"; empty where no rule fits
	Release    string   `json:"release,omitempty"`     // "3.0 to 3.4"; empty where the hello does not show it
	Settings   string   `json:"settings,omitempty"`    // whose choice of ciphers: "default", or a program known by it
	Version    string   `json:"version,omitempty"`     // the highest offered: "1.3"
	JA4        string   `json:"ja4,omitempty"`         // a method of FoxIO
	JA4Raw     string   `json:"ja4_r,omitempty"`       // what JA4 hashes
	ServerName bool     `json:"server_name,omitempty"` // it names the server it wants (SNI)

	// What the mail server says was agreed, whatever the State: "1.3",
	// "TLS_AES_256_GCM_SHA384".
	Agreed string `json:"agreed,omitempty"`
	Cipher string `json:"cipher,omitempty"`
}

// Software names the program that speaks SMTP, by the dialect it speaks.
type Software struct {
	State   State    // Matched, Unknown, or Unavailable where nothing was to be read
	Name    string   // the engine: "Python smtplib"; empty unless State is Matched
	Flavor  string   // its releases: "3.13 and newer"; may be empty
	Quality Quality  //
	Others  []string // other programs that speak the same; shared, not to be changed
	Dialect string   // the fingerprint, printable ASCII
	Reading Progress // Complete: the name rests on the whole session
}

// softwareWire is Software in JSON.
type softwareWire struct {
	State   string   `json:"state"`
	Name    string   `json:"name,omitempty"`
	Flavor  string   `json:"flavor,omitempty"`
	Quality string   `json:"quality,omitempty"`
	Others  []string `json:"or,omitempty"`
	Dialect string   `json:"dialect,omitempty"`
	Reading Progress `json:"reading"`
}

// MarshalJSON writes the software as docs/json.md describes it.
func (s Software) MarshalJSON() ([]byte, error) {
	w := softwareWire{s.State.String(), s.Name, s.Flavor, "", s.Others, s.Dialect, s.Reading}
	if s.State == Matched {
		w.Quality = s.Quality.String()
	}
	return json.Marshal(w)
}

// UnmarshalJSON reads what MarshalJSON writes.
func (s *Software) UnmarshalJSON(text []byte) error {
	var w softwareWire
	if err := json.Unmarshal(text, &w); err != nil {
		return err
	}
	*s = Software{Name: w.Name, Flavor: w.Flavor, Others: w.Others, Dialect: w.Dialect, Reading: w.Reading}
	s.State = State(max(slices.Index(stateNames[:], w.State), int(Unavailable)))
	for q := range Fuzzy | Generic + 1 {
		if q.String() == w.Quality {
			s.Quality = q
		}
	}
	return nil
}

// Title is the name of the program, with its flavor where there is one, and
// "unknown" where none is known.
func (s *Software) Title() string { return title(s.Name, s.Flavor) }

// Finding is one thing that a client did, or one claim of it that facts
// contradict.
type Finding struct {
	ID       string   `json:"id"`                 // a stable word: "early_talker"
	Words    string   `json:"words,omitempty"`    // the same in a sentence
	Evidence string   `json:"evidence,omitempty"` // what shows it; printable ASCII, bounded
	MayBe    bool     `json:"may_be,omitempty"`   // an innocent cause is possible, such as a proxy on the way
	Fields   []string `json:"fields,omitempty"`   // what it rests on: "raw_sig", "helo"
}

// Findings is a list of findings. With Complete an empty list means that
// nothing was found; otherwise more may come, or could not be seen.
type Findings struct {
	State Progress  `json:"state"`
	List  []Finding `json:"list,omitempty"`
}

// Has reports whether a finding with that ID is there. It may be called with a
// nil receiver.
func (f *Findings) Has(id string) bool {
	return f != nil && slices.ContainsFunc(f.List, func(one Finding) bool { return one.ID == id })
}

// Flow is numbers of a connection's packets. A zero time is not known.
type Flow struct {
	HandshakeRTT time.Duration // from the server's SYN+ACK to the client's ACK
	TCPRTT       time.Duration // the shortest from data of the server to its ACK
	SMTPRTT      time.Duration // the shortest from a reply to the next command
	Counted      bool          // the packets were seen, so that the two counts are known
	Retransmits  uint32        // segments that the client sent again
	ZeroWindows  uint32        // times the client's window was closed
	Resent       uint32        // segments that the server sent again; 0 also where not known
	ClosedBy     string        // "client" or "server": who ended it first; empty while it is open, and where not known
	Reset        bool          // it was ended by a reset
}

// flowWire is Flow in JSON, times in milliseconds.
type flowWire struct {
	HandshakeRTT float64 `json:"handshake_rtt_ms,omitempty"`
	TCPRTT       float64 `json:"tcp_rtt_ms,omitempty"`
	SMTPRTT      float64 `json:"smtp_rtt_ms,omitempty"`
	Retransmits  *uint32 `json:"retransmits,omitempty"`
	ZeroWindows  *uint32 `json:"zero_windows,omitempty"`
	Resent       uint32  `json:"resent,omitempty"`
	ClosedBy     string  `json:"closed_by,omitempty"`
	Reset        bool    `json:"reset,omitempty"`
}

// MarshalJSON writes the numbers as docs/json.md describes them.
func (f Flow) MarshalJSON() ([]byte, error) {
	w := flowWire{HandshakeRTT: millis(f.HandshakeRTT), TCPRTT: millis(f.TCPRTT), SMTPRTT: millis(f.SMTPRTT),
		Resent: f.Resent, ClosedBy: f.ClosedBy, Reset: f.Reset}
	if f.Counted {
		w.Retransmits, w.ZeroWindows = &f.Retransmits, &f.ZeroWindows
	}
	return json.Marshal(w)
}

// UnmarshalJSON reads what MarshalJSON writes; times are whole microseconds.
func (f *Flow) UnmarshalJSON(text []byte) error {
	var w flowWire
	if err := json.Unmarshal(text, &w); err != nil {
		return err
	}
	*f = Flow{HandshakeRTT: fromMillis(w.HandshakeRTT), TCPRTT: fromMillis(w.TCPRTT), SMTPRTT: fromMillis(w.SMTPRTT),
		Counted:     w.Retransmits != nil || w.ZeroWindows != nil,
		Retransmits: orZero(w.Retransmits), ZeroWindows: orZero(w.ZeroWindows),
		Resent: w.Resent, ClosedBy: w.ClosedBy, Reset: w.Reset}
	return nil
}

func millis(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

func fromMillis(ms float64) time.Duration {
	const most = float64(math.MaxInt64 / time.Millisecond / 2)
	if !(ms > 0 && ms < most) {
		return 0
	}
	return time.Duration(math.Round(ms*1000)) * time.Microsecond
}

// Memory is what the sensor remembers of a sender from earlier connections. IPv6
// addresses are remembered by their /64.
type Memory struct {
	FirstSeen time.Time `json:"first_seen,omitzero"` // zero: not known
	Visits    uint32    `json:"visits,omitempty"`    // connections before this one
	New       bool      `json:"new,omitempty"`       // there was none before
	Changed   []string  `json:"changed,omitempty"`   // members of the note that are not what they were
	ChangedAt time.Time `json:"changed_at,omitzero"` // and since when; zero: not known
	Names     uint32    `json:"names,omitempty"`     // that the address has called itself before, up to 1,000
	Addresses uint32    `json:"addresses,omitempty"` // that have called themselves by this connection's name before, up to 1,000
	NewHere   []string  `json:"new_here,omitempty"`  // what no connection to this site had before: name, ja4, dialect
	ID        string    `json:"id,omitempty"`        // random, of this connection: a filter's verdict on its mail comes back with it

	// Of all sensors that share a store: about how many addresses have sent this
	// connection's JA4, and spoken its dialect, before it. Zero: none, or not known.
	JA4Addresses     uint32 `json:"ja4_addresses,omitempty"`
	DialectAddresses uint32 `json:"dialect_addresses,omitempty"`
}
