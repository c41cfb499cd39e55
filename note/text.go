package note

import (
	"strconv"
	"strings"
)

// maxText is how much of a label goes into a header, in bytes.
const maxText = 100

// Title is the name of the system, with its flavor where there is one, and
// "unknown" where none is known.
func (n *Note) Title() string { return title(n.OSName, n.OSFlavor) }

func title(name, flavor string) string {
	switch {
	case name == "":
		return "unknown"
	case flavor == "":
		return name
	}
	return name + " " + flavor
}

// Shared reports whether several systems seem to be behind the address.
func (n *Note) Shared() bool { return !n.LastNAT.IsZero() }

// Known reports whether the client was seen at all.
func (n *Note) Known() bool { return n.State == Matched || n.State == Unknown }

// Header returns the text of a mail header about the client, in the form of
// Haraka's p0f plugin:
//
//	os="Linux 6.16 and newer" link_type="Ethernet" distance=9 total_conn=2 shared_ip=N
//
// Behind that stands what makes the answer less than certain, where there is
// any: or="Android,ChromeOS" rewritten="ttl,options".
//
// It is empty where the client was not seen. Whatever a database holds, the
// text is printable ASCII and has no line breaks, and quotes stand in pairs.
func (n *Note) Header() string {
	if !n.Known() {
		return ""
	}
	b := append([]byte(nil), `os="`...)
	b = appendText(b, n.Title())
	b = append(b, `" link_type="`...)
	b = appendText(b, n.LinkType)
	b = append(b, '"')
	if hops, ok := n.Distance.Hops(); ok {
		b = strconv.AppendInt(append(b, " distance="...), int64(hops), 10)
	}
	b = strconv.AppendUint(append(b, " total_conn="...), uint64(n.TotalConn), 10)
	if n.Shared() {
		b = append(b, " shared_ip=Y"...)
	} else {
		b = append(b, " shared_ip=N"...)
	}
	return string(n.appendDoubt(b))
}

// appendDoubt appends what Haraka's plugin has no words for, at the end, so
// that what compares the beginning still does.
func (n *Note) appendDoubt(b []byte) []byte {
	if n.State != Matched {
		return b
	}
	if len(n.Others) > 0 {
		b = append(appendText(append(b, ` or="`...), strings.Join(n.Others, ",")), '"')
	}
	if n.Rewrite != 0 {
		b = append(append(append(b, ` rewritten="`...), n.Rewrite.String()...), '"')
	}
	return b
}

// appendText appends text that may come from anybody's database, so that it
// can stand between quotes in a header.
func appendText(b []byte, s string) []byte {
	for _, c := range []byte(s[:min(len(s), maxText)]) {
		switch {
		case c == '"':
			b = append(b, '\'')
		case c == '\\':
			b = append(b, '/')
		case c < ' ' || c > '~':
			b = append(b, '?')
		default:
			b = append(b, c)
		}
	}
	return b
}

// Clean returns text from anybody's database as printable ASCII without
// quotes, at most 100 bytes of it.
func Clean(s string) string { return strings.TrimSpace(string(appendText(nil, s))) }
