package claim

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"
	"unicode"

	"github.com/mxprint/mxprint/note"
)

// mailer compares X-Mailer with system, program and Message-ID. A mail that was
// received before names the program of somebody else, not the sender's.
func (c *check) mailer() {
	if !c.m.direct() || c.m.Mailer == "" {
		return
	}
	for i := range c.Mailer {
		m := &c.Mailer[i]
		if !begins(c.m.Mailer, m.Begins) {
			continue
		}
		if c.other(m.Systems) {
			c.find(MailerSystem, c.m.Mailer+" on "+c.n.Title(), "x_mailer", "os_name")
		}
		if s := c.software(); m.Scripted && s != "" && c.script(s) {
			c.find(MailerSoftware, c.m.Mailer+" by "+s, "x_mailer", "software")
		}
		if m.Scripted && pythonMessageID(c.m.MessageID) {
			c.find(MessageIDMailer, c.m.MessageID+" of "+c.m.Mailer, "message_id", "x_mailer")
		}
		return
	}
}

func begins(s string, list []string) bool {
	return slices.ContainsFunc(list, func(b string) bool { return strings.HasPrefix(s, b) })
}

func (c *check) script(name string) bool {
	return slices.ContainsFunc(c.Script, func(s Script) bool { return strings.HasPrefix(name, s.Name) })
}

// pythonMessageID reports whether a Message-ID is made as Python's
// email.utils.make_msgid does: time in hundredths, process, 64 random bits.
func pythonMessageID(id string) bool {
	local, _, ok := strings.Cut(strings.Trim(id, "<> "), "@")
	parts := strings.Split(local, ".")
	if !ok || len(parts) < 3 || len(parts[0]) < 12 || len(parts[2]) < 15 {
		return false
	}
	return !slices.ContainsFunc(parts[:3], func(p string) bool { return p == "" || strings.Trim(p, "0123456789") != "" })
}

// below reports whether a name is a domain or one below it.
func below(name, domain string) bool {
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	return name == domain || strings.HasSuffix(name, "."+domain)
}

// sender looks at the names of large senders.
func (c *check) sender() {
	for i := range c.Sender {
		s := &c.Sender[i]
		if below(c.m.Name, s.Domain) && c.other(s.Systems) {
			c.find(NameSystem, c.m.Name+" on "+c.n.Title(), "client_name", "os_name")
		}
		if c.m.NameKnown && below(c.m.HELO, s.Domain) && !below(c.m.Name, s.Domain) {
			c.find(NameNotVerified, "HELO "+c.m.HELO+", name "+cmp.Or(c.m.Name, "none"), "helo", "client_name")
		}
	}
}

// program compares the dialect's program with the system and with HELO.
func (c *check) program() {
	name := c.software()
	for i := range c.Program {
		p := &c.Program[i]
		if p.Name != name {
			continue
		}
		if c.other(p.Systems) {
			c.find(SoftwareSystem, name+" on "+c.n.Title(), "software", "os_name")
		}
		if p.Server && c.m.HELO != "" && !isFQDN(c.m.HELO) && !isLiteral(c.m.HELO) {
			c.find(ServerHelo, name+" with HELO "+c.m.HELO, "software", "helo")
		}
	}
}

// isFQDN reports whether a name has two labels at least and an alphabetic last
// one (RFC 5321 §2.3.5).
func isFQDN(s string) bool {
	labels := strings.Split(strings.TrimSuffix(s, "."), ".")
	last := labels[len(labels)-1]
	if len(labels) < 2 || len(last) < 2 || strings.EqualFold(s, "localhost.localdomain") || !unicode.IsLetter(rune(last[0])) {
		return false
	}
	return !slices.ContainsFunc(labels, func(l string) bool {
		return l == "" || strings.Trim(strings.ToLower(l), "abcdefghijklmnopqrstuvwxyz0123456789-_") != ""
	})
}

func isLiteral(s string) bool { return strings.HasPrefix(s, "[") && strings.HasSuffix(s, "]") }

// names looks at what the names say of the network.
func (c *check) names() {
	if name := c.m.Name; dynamic(name, c.m.Client) && c.m.direct() && c.desktop() {
		c.find(DynamicDesktop, name+", "+c.n.Title(), "client_name", "os_name", "received")
	}
	if exchanger(c.m.HELO) && mobile(c.n) {
		c.find(MobileExchanger, "HELO "+c.m.HELO+", link "+c.n.LinkType, "helo", "link_type")
	}
	if addr, ok := literal(c.m.HELO); ok {
		if client, err := netip.ParseAddr(c.m.Client); err == nil && addr != client.Unmap() && !private(addr) {
			c.find(HeloOwnerAddress, "HELO "+c.m.HELO+" from "+c.m.Client, "helo", "client")
		}
	}
}

// literal is the address that HELO is, in brackets or bare.
func literal(helo string) (netip.Addr, bool) {
	s := strings.TrimSuffix(strings.TrimPrefix(helo, "["), "]")
	if len(s) > 5 && strings.EqualFold(s[:5], "IPv6:") {
		s = s[5:]
	}
	a, err := netip.ParseAddr(s)
	return a.Unmap(), err == nil
}

// private reports whether an address says nothing about where it is used: that of
// a machine behind NAT is honest.
func private(a netip.Addr) bool {
	return a.IsPrivate() || a.IsLoopback() || a.IsLinkLocalUnicast() || netip.MustParsePrefix("100.64.0.0/10").Contains(a)
}

// dynamic reports whether a name has the address in it, as access networks give
// them: 1-2-0-192.dsl.example.net.
func dynamic(name, client string) bool {
	addr, err := netip.ParseAddr(client)
	if err != nil || name == "" || !addr.Unmap().Is4() {
		return false
	}
	b := addr.Unmap().As4()
	digits := strings.FieldsFunc(name, func(r rune) bool { return r < '0' || r > '9' })
	found := 0
	for _, part := range b {
		for _, d := range digits {
			if strings.TrimLeft(d, "0") == strings.TrimLeft(itoa(part), "0") {
				found++
				break
			}
		}
	}
	return found == 4 && len(digits) >= 4
}

func itoa(b byte) string {
	return string(rune('0'+b/100)) + string(rune('0'+b/10%10)) + string(rune('0'+b%10))
}

// desktop reports whether the system is one that people sit at.
func (c *check) desktop() bool {
	n := c.n
	return n.State == note.Matched && n.ByConnection && n.Quality&note.Fuzzy == 0 && strings.Contains(n.OSName, "Windows")
}

// exchanger reports whether a name says that it is a mail exchanger's.
func exchanger(helo string) bool {
	first, rest, ok := strings.Cut(strings.ToLower(helo), ".")
	if !ok || !strings.Contains(rest, ".") {
		return false
	}
	first = strings.TrimRight(first, "0123456789-")
	return first == "mx" || first == "mail" || first == "smtp" || first == "relay" || first == "mta"
}

// mobile reports whether the link is a phone's or a VPN's.
func mobile(n *note.Note) bool {
	l := strings.ToLower(n.LinkType)
	return n.ByConnection && (strings.Contains(l, "vpn") && !strings.Contains(l, "cloud") || strings.Contains(l, "mobile") || strings.Contains(l, "gprs") || strings.Contains(l, "wireguard"))
}
