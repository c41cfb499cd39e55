package difftest

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// errDatabase is the root of every complaint of the small reader below.
var errDatabase = errors.New("difftest: database")

// The quirks of p0f-v3.md §1.7, in print order.
const (
	qDF uint32 = 1 << iota
	qIDPlus
	qIDMinus
	qECN
	qZeroPlus
	qFlow
	qSeqMinus
	qAckPlus
	qAckMinus
	qUptrPlus
	qUrgf
	qPushf
	qTS1Minus
	qTS2Plus
	qOptPlus
	qExws
	qBad
)

// quirkNames lists the printed names; the index is the bit.
var quirkNames = [...]string{
	"df", "id+", "id-", "ecn", "0+", "flow", "seq-", "ack+", "ack-",
	"uptr+", "urgf+", "pushf+", "ts1-", "ts2+", "opt+", "exws", "bad",
}

const wild = -1 // "*" in a numeric field

// tcpSig is one signature of [tcp:request] or [tcp:response] as the generator
// needs it: enough to build a packet that fits, nothing about matching.
type tcpSig struct {
	line, label  int
	generic      bool
	class        string // "!" for an application
	name, flavor string
	ver          int // 4, 6 or wild
	ttl          int
	randomTTL    bool
	olen, mss    int
	winUnit      byte // '*', '=', '%', 's' (mss*N), 'u' (mtu*N)
	win, scale   int
	layout       []byte // option kinds; an EOL is last
	eolPad       int
	quirks       uint32
	payload      byte // '0', '+' or '*'
	hasMSS       bool // the layout has an MSS option
}

func (s *tcpSig) userland() bool { return s.class == "!" }

// database is what a p0f.fp says, except for the links.
type database struct {
	request, response         []*tcpSig
	httpRequest, httpResponse []*httpSig
	ua                        []string // what a User-Agent contains that names a system
}

// readDatabase reads the signatures of text. It expects a database that
// p0f accepts and does not repeat p0f's checks; what it cannot read is an error.
func readDatabase(text string) (*database, error) {
	db := &database{}
	section, labels := "", 0
	var label tcpSig
	for i, raw := range strings.Split(text, "\n") {
		line := strings.TrimLeft(raw, " \t")
		if line == "" || line[0] == ';' {
			continue
		}
		if line[0] == '[' {
			section = line
			continue
		}
		key, value, ok := strings.Cut(line, "=")
		if !ok {
			return nil, fmt.Errorf("%w: line %d: no '=' in %q", errDatabase, i+1, line)
		}
		key, value = strings.TrimRight(key, " \t"), strings.TrimLeft(value, " \t")
		switch {
		case key == "label" && section != "[mtu]":
			labels++
			f := strings.SplitN(value, ":", 4)
			if len(f) != 4 {
				return nil, fmt.Errorf("%w: line %d: label %q", errDatabase, i+1, value)
			}
			label = tcpSig{label: labels, generic: f[0] == "g", class: strings.ToLower(f[1]), name: f[2], flavor: f[3]}
		case key == "sig" && strings.HasPrefix(section, "[tcp:"):
			s := label
			s.line = i + 1
			if err := s.parse(value); err != nil {
				return nil, fmt.Errorf("%w: line %d: %w", errDatabase, i+1, err)
			}
			if section == "[tcp:request]" {
				db.request = append(db.request, &s)
			} else {
				db.response = append(db.response, &s)
			}
		case key == "sig" && strings.HasPrefix(section, "[http:"):
			s := &httpSig{line: i + 1, generic: label.generic, name: label.name, flavor: label.flavor}
			if err := s.parse(value); err != nil {
				return nil, fmt.Errorf("%w: line %d: %w", errDatabase, i+1, err)
			}
			if section == "[http:request]" {
				db.httpRequest = append(db.httpRequest, s)
			} else {
				db.httpResponse = append(db.httpResponse, s)
			}
		case key == "ua_os":
			db.ua = append(db.ua, uaTokens(value)...)
		}
	}
	// Databases with one direction only lend it to the other, so that there is
	// always something to send.
	switch {
	case len(db.request)+len(db.response) == 0:
		return nil, fmt.Errorf("%w: no TCP signature", errDatabase)
	case len(db.request) == 0:
		db.request = db.response
	case len(db.response) == 0:
		db.response = db.request
	}
	return db, nil
}

// parse reads the value of a sig line (p0f-v3.md §2.4).
func (s *tcpSig) parse(v string) error {
	f := strings.Split(v, ":")
	if len(f) != 8 {
		return fmt.Errorf("%d fields, want 8, in %q", len(f), v)
	}
	p := sigParser{}
	s.ver = p.star(f[0])
	switch {
	case strings.HasSuffix(f[1], "-"):
		s.ttl, s.randomTTL = p.num(strings.TrimSuffix(f[1], "-")), true
		// The parser of p0f skips one character too many here.
		if len(f[2]) > 0 {
			f[2] = f[2][1:]
		}
	case strings.Contains(f[1], "+"):
		a, b, _ := strings.Cut(f[1], "+")
		if a == "" {
			a = b // p0f reads "+4" as 4, goes on at the sign and adds 4 (seen by its distances)
		}
		s.ttl = p.num(a) + p.num(b)
	default:
		s.ttl = p.num(f[1])
	}
	s.olen = p.num(f[2])
	s.mss = p.star(f[3])
	win, scale, _ := strings.Cut(f[4], ",")
	s.scale = p.star(scale)
	switch {
	case win == "*":
		s.winUnit = '*'
	case strings.HasPrefix(win, "%"):
		s.winUnit, s.win = '%', p.num(win[1:])
	case strings.HasPrefix(win, "mss*"):
		s.winUnit, s.win = 's', p.num(win[4:])
	case strings.HasPrefix(win, "mtu*"):
		s.winUnit, s.win = 'u', p.num(win[4:])
	default:
		s.winUnit, s.win = '=', p.num(win)
	}
	p.layout(s, f[5])
	p.quirks(s, f[6])
	if len(f[7]) != 1 || !strings.Contains("0+*", f[7]) {
		p.fail("payload %q", f[7])
	} else {
		s.payload = f[7][0]
	}
	return p.err
}

// sigParser keeps the first error, so that parse reads like the grammar.
type sigParser struct{ err error }

func (p *sigParser) fail(format string, args ...any) {
	if p.err == nil {
		p.err = fmt.Errorf(format, args...)
	}
}

func (p *sigParser) num(s string) int {
	if s == "" {
		return 0
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 0 {
		p.fail("number %q", s)
	}
	return n
}

func (p *sigParser) star(s string) int {
	if s == "*" {
		return wild
	}
	return p.num(s)
}

func (p *sigParser) layout(s *tcpSig, text string) {
	for _, name := range strings.Split(text, ",") {
		switch {
		case name == "":
		case strings.HasPrefix(name, "eol+"):
			s.layout = append(s.layout, optEOL)
			s.eolPad = p.num(name[4:])
		case strings.HasPrefix(name, "?"):
			s.layout = append(s.layout, byte(p.num(name[1:])))
		default:
			kind, ok := optionKind(name)
			if !ok {
				p.fail("option %q", name)
			}
			s.layout = append(s.layout, kind)
		}
	}
	for _, k := range s.layout {
		s.hasMSS = s.hasMSS || k == optMSS
	}
}

func optionKind(name string) (kind byte, ok bool) {
	switch name {
	case "nop":
		return optNOP, true
	case "mss":
		return optMSS, true
	case "ws":
		return optWS, true
	case "sok":
		return optSOK, true
	case "sack":
		return optSACK, true
	case "ts":
		return optTS, true
	}
	return 0, false
}

func (p *sigParser) quirks(s *tcpSig, text string) {
next:
	for _, name := range strings.Split(text, ",") {
		if name == "" {
			continue
		}
		for bit, q := range quirkNames {
			if q == name {
				s.quirks |= 1 << bit
				continue next
			}
		}
		p.fail("quirk %q", name)
	}
}
