package export

import (
	"math"
	"net/netip"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/mxprint/mxprint/note"
)

// row is a line of JSON that is being written: an object whose members are the
// columns of a table. A member that says nothing is left out, and the table has
// its default.
type row struct {
	b     []byte
	comma bool
}

// begin writes what every row has: the id (run, n), the sensor, the table.
func (r *row) begin(t Table, run, n uint64, sensor string) {
	r.b = append(r.b, '{')
	r.text("table", t.String())
	r.number("run", run)
	r.number("n", n)
	r.text("sensor", sensor)
}

// end ends the line.
func (r *row) end() []byte { return append(r.b, '}', '\n') }

// key begins a member. Names are of this package: they need no escapes.
func (r *row) key(name string) {
	if r.comma {
		r.b = append(r.b, ',')
	}
	r.comma = true
	r.b = append(append(append(r.b, '"'), name...), '"', ':')
}

func (r *row) text(name, value string) {
	if value != "" {
		r.key(name)
		r.b = appendText(r.b, value)
	}
}

func (r *row) number(name string, n uint64) {
	if n != 0 {
		r.key(name)
		r.b = strconv.AppendUint(r.b, n, 10)
	}
}

func (r *row) fraction(name string, x float64) {
	if !math.IsNaN(x) && !math.IsInf(x, 0) {
		r.key(name)
		r.b = strconv.AppendFloat(r.b, x, 'g', -1, 32)
	}
}

func (r *row) truth(name string, yes bool) {
	if yes {
		r.key(name)
		r.b = append(r.b, "true"...)
	}
}

// milliseconds writes a time that is known when it is not 0.
func (r *row) milliseconds(name string, d time.Duration) {
	if d > 0 {
		r.fraction(name, float64(d)/float64(time.Millisecond))
	}
}

// time writes a time as UTC with microseconds.
func (r *row) time(name string, t time.Time) {
	r.key(name)
	r.b = append(r.b, '"')
	r.b = t.UTC().AppendFormat(r.b, "2006-01-02T15:04:05.000000Z")
	r.b = append(r.b, '"')
}

func (r *row) list(name string, values []string) {
	if len(values) == 0 {
		return
	}
	r.key(name)
	sep := byte('[')
	for _, v := range values {
		r.b = appendText(append(r.b, sep), v)
		sep = ','
	}
	r.b = append(r.b, ']')
}

// end of a connection: an address, of IPv4 mapped to IPv6, and its port.
func (r *row) ends(name string, a netip.Addr, port uint16) {
	if !a.IsValid() {
		return
	}
	r.key(name)
	r.b = append(r.b, '"')
	r.b = netip.AddrFrom16(a.WithZone("").As16()).AppendTo(r.b)
	r.b = append(r.b, '"')
	r.number(name+"_port", uint64(port))
}

// findings writes the ids of what was found, and how far it was looked.
func (r *row) findings(name string, f *note.Findings) {
	if f == nil {
		return
	}
	r.text(name+"_state", f.State.String())
	ids := make([]string, len(f.List))
	for i := range f.List {
		ids[i] = f.List[i].ID
	}
	r.list(name, ids)
}

// sender writes the parts of a note that are about the program.
func (r *row) sender(n *note.Note) {
	if t := n.TLS; t != nil {
		r.text("tls_state", t.State.String())
		r.text("tls_library", t.Library)
		r.text("tls_release", t.Release)
		r.text("tls_version", t.Version)
		r.text("ja4", t.JA4)
	}
	if s := n.Software; s != nil {
		r.text("software_state", s.State.String())
		r.text("software", s.Name)
		r.text("software_flavor", s.Flavor)
		if s.State == note.Matched {
			r.text("software_quality", s.Quality.String())
		}
		r.list("software_or", s.Others)
		r.text("dialect", s.Dialect)
		r.text("reading", s.Reading.String())
	}
	r.findings("conduct", n.Conduct)
	if f := n.Flow; f != nil {
		r.milliseconds("handshake_rtt_ms", f.HandshakeRTT)
		r.milliseconds("tcp_rtt_ms", f.TCPRTT)
		r.milliseconds("smtp_rtt_ms", f.SMTPRTT)
		r.number("retransmits", uint64(f.Retransmits))
		r.text("closed_by", f.ClosedBy)
		r.truth("reset", f.Reset)
	}
}

const hexDigits = "0123456789abcdef"

// appendText appends a string of JSON (RFC 8259 §7). What is not UTF-8 becomes
// U+FFFD.
func appendText(b []byte, s string) []byte {
	b = append(b, '"')
	for i := 0; i < len(s); {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		case c < 0x20 || c == 0x7f:
			b = append(b, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		case c < utf8.RuneSelf:
			b = append(b, c)
		default:
			r, size := utf8.DecodeRuneInString(s[i:])
			b = utf8.AppendRune(b, r)
			i += size
			continue
		}
		i++
	}
	return append(b, '"')
}
