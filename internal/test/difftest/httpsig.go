package difftest

import (
	"fmt"
	"strings"
)

// httpSig is one signature of [http:request] or [http:response] as the
// generator needs it (p0f-v3.md §2.5).
type httpSig struct {
	line         int
	generic      bool
	name, flavor string
	version      byte // '0', '1' or '*'
	order        []httpWant
	absent       []string
	software     string
}

// httpWant is one entry of a header order.
type httpWant struct {
	name, value string
	optional    bool
}

// parse reads the value of a sig line.
func (s *httpSig) parse(v string) error {
	if len(v) < 2 || v[1] != ':' {
		return fmt.Errorf("HTTP version in %q", v)
	}
	s.version, v = v[0], v[2:]
	for v != "" && v[0] != ':' {
		var h httpWant
		h.optional = v[0] == '?'
		v = strings.TrimPrefix(v, "?")
		n := strings.IndexAny(v, ",:=")
		if n <= 0 {
			return fmt.Errorf("header at %q", v)
		}
		h.name, v = v[:n], v[n:]
		if strings.HasPrefix(v, "=[") {
			value, rest, ok := strings.Cut(v[2:], "]")
			if !ok {
				return fmt.Errorf("value at %q", v)
			}
			h.value, v = value, rest
		}
		s.order = append(s.order, h)
		v = strings.TrimPrefix(v, ",")
	}
	absent, software, ok := strings.Cut(strings.TrimPrefix(v, ":"), ":")
	if !ok {
		return fmt.Errorf("no expected software in %q", v)
	}
	if absent != "" {
		s.absent = strings.Split(absent, ",")
	}
	s.software = software
	return nil
}

// covers reports whether p0f refuses n because s comes before it (p0f-v3.md §2.6).
func (s *httpSig) covers(n *httpSig) bool {
	if s.generic || s.version != '*' && s.version != n.version {
		return false
	}
	names := make([]string, len(n.order))
	for i, h := range n.order {
		names[i] = h.name
	}
	rest := n.order
	for _, want := range s.order {
		i := 0
		for i < len(rest) && rest[i].name != want.name {
			i++
		}
		switch {
		case i < len(rest):
			if !strings.Contains(rest[i].value, want.value) {
				return false
			}
			rest = rest[i+1:]
		case !want.optional || hasString(names, want.name):
			return false
		}
	}
	for _, a := range s.absent {
		if hasString(names, a) || !hasString(n.absent, a) {
			return false
		}
	}
	return true
}

func hasString(l []string, s string) bool {
	for _, x := range l {
		if x == s {
			return true
		}
	}
	return false
}

// uaTokens reads the substrings of a ua_os line, as far as it can be read.
func uaTokens(v string) []string {
	var out []string
	for v != "" {
		n := strings.IndexAny(v, ",=")
		if n < 0 {
			return append(out, v)
		}
		token, rest := v[:n], v[n:]
		if text, ok := strings.CutPrefix(rest, "=["); ok {
			if token, rest, ok = strings.Cut(text, "]"); !ok {
				return out
			}
		} else if rest[0] == '=' {
			return out
		}
		out = append(out, token)
		v = strings.TrimPrefix(rest, ",")
	}
	return out
}
