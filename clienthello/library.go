package clienthello

import "slices"

// Library is what a hello says of the TLS library that sent it.
type Library struct {
	// Name is the library: "OpenSSL", "GnuTLS", "Go", "JSSE" …; empty where no
	// rule fits.
	Name string
	// From and To are the first and the last release that send such a hello.
	// From is empty where the oldest known one sends it, To where the newest
	// does; where the hello says nothing of the release, both are.
	From, To string
	// Settings names whose choice of ciphers the hello shows: "default" for the
	// library's own, or a program that is known by it, such as "Node.js". It is
	// empty where no rule fits.
	Settings string
}

// String returns name and releases in the way of a label: "OpenSSL 3.0 to 3.1".
func (l Library) String() string {
	if releases := l.Releases(); l.Name != "" && releases != "" {
		return l.Name + " " + releases
	}
	return l.Name
}

// Releases returns the releases alone: "3.0 to 3.1", "3.5 or later"; it is empty
// where the hello says nothing of them.
func (l Library) Releases() string {
	switch {
	case l.From == l.To:
		return l.From
	case l.To == "":
		return l.From + " or later"
	case l.From == "":
		return l.To + " or earlier"
	}
	return l.From + " to " + l.To
}

// family is a library: how its hellos are known, its releases from the oldest
// on, and what narrows them. Rules are about what a library does by itself;
// programs set ciphers, versions and sometimes groups. Each was read off hellos
// that scripts/lab-hellos recorded.
type family struct {
	name     string
	is       func(*Hello) bool
	releases []string // those recorded, and those next to them
	marks    []mark
	settings []setting
}

// mark narrows the releases of a family to those from one to another; "" is no
// bound. Where no notes of the library date the change, it may have come with
// each release between the last one recorded without it and the first one
// recorded with it, and the bound lies as far out as that.
type mark struct {
	is       func(*Hello) bool
	from, to string
	notes    string // the release notes that date the change
}

type setting struct {
	is   func(*Hello) bool
	name string
}

// Library names the library, its releases, and whose settings it works with.
// Where nothing fits the result is the zero Library.
func (h *Hello) Library() Library {
	for i := range families {
		if f := &families[i]; f.is(h) {
			l := Library{Name: f.name}
			l.From, l.To = f.narrow(h)
			for j := range f.settings {
				if f.settings[j].is(h) {
					l.Settings = f.settings[j].name
					break
				}
			}
			return l
		}
	}
	return Library{}
}

// narrow intersects what the marks leave. The oldest release is no bound, nor
// is the newest: others may send the same. Marks that contradict each other
// leave nothing.
func (f *family) narrow(h *Hello) (from, to string) {
	first, last := 0, len(f.releases)-1
	for i := range f.marks {
		m := &f.marks[i]
		if !m.is(h) {
			continue
		}
		if m.from != "" {
			first = max(first, slices.Index(f.releases, m.from))
		}
		if m.to != "" {
			last = min(last, slices.Index(f.releases, m.to))
		}
	}
	if first > last {
		return "", ""
	}
	if first > 0 {
		from = f.releases[first]
	}
	if last < len(f.releases)-1 {
		to = f.releases[last]
	}
	return from, to
}

// The words that rules are made of.

func (h *Hello) has(extension uint16) bool { return slices.Contains(h.Extensions, extension) }
func (h *Hello) cipher(c uint16) bool      { return slices.Contains(h.Ciphers, c) }
func (h *Hello) group(g uint16) bool       { return slices.Contains(h.Groups, g) }
func (h *Hello) signs(s uint16) bool       { return slices.Contains(h.SignatureAlgorithms, s) }
func (h *Hello) tls13() bool               { return h.version() == 0x0304 }

// begins reports whether list begins with these values.
func beginsWith(list []uint16, values ...uint16) bool {
	return len(list) >= len(values) && slices.Equal(list[:len(values)], values)
}

// contains reports whether list has these values one behind the other.
func contains(list []uint16, values ...uint16) bool {
	for i := range list {
		if beginsWith(list[i:], values...) {
			return true
		}
	}
	return false
}

// before reports whether a comes before b in list, both there.
func before(list []uint16, a, b uint16) bool {
	i := slices.Index(list, a)
	return i >= 0 && i < slices.Index(list, b)
}

// ordered reports whether those extensions that the hello has and that are in
// order come in that order.
func (h *Hello) ordered(order ...uint16) bool {
	at := 0
	for _, e := range h.Extensions {
		i := slices.Index(order, e)
		if i < 0 {
			continue
		}
		if i < at {
			return false
		}
		at = i
	}
	return true
}

func both(rules ...func(*Hello) bool) func(*Hello) bool {
	return func(h *Hello) bool {
		for _, r := range rules {
			if !r(h) {
				return false
			}
		}
		return true
	}
}

func not(rule func(*Hello) bool) func(*Hello) bool {
	return func(h *Hello) bool { return !rule(h) }
}

func hasExtension(e uint16) func(*Hello) bool { return func(h *Hello) bool { return h.has(e) } }
func hasGroup(g uint16) func(*Hello) bool     { return func(h *Hello) bool { return h.group(g) } }
func hasCipher(c uint16) func(*Hello) bool    { return func(h *Hello) bool { return h.cipher(c) } }
func signsWith(s uint16) func(*Hello) bool    { return func(h *Hello) bool { return h.signs(s) } }
