package config

import (
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"strings"
	"unicode"

	"github.com/mxprint/mxprint/internal/serve"
)

// Listener is one place where the configuration listens.
type Listener struct {
	Key     string // such as "milter.listen"
	At      string // as the file has it
	Network string // "unix", "tcp" or "udp"
	Addr    string
}

// list is a key whose value is the places where a front listens.
type list struct {
	key, name string // name is what Describe calls it
	at        []string
}

// lists are all of them.
func (c *Config) lists() []list {
	return []list{
		{"p0f.socket", "p0f socket", []string{c.P0f.Socket}}, {"p0f.socket_v2", "p0f v2", c.P0f.V2Sockets()},
		{"query.listen", "query", c.Query.Listen}, {"query.tls_listen", "query TLS", c.Query.TLSListen},
		{"milter.listen", "milter", c.Milter.Listen}, {"policy.listen", "policy", c.Policy.Listen},
		{"amavis.listen", "amavis", c.Amavis.Listen}, {"proxy.listen", "", c.Proxy.Listen}, {"http.listen", "http", c.HTTP.Listen},
		{"http.tls_listen", "https", c.HTTP.TLSListen}, {"store.listen", "verdicts", c.Store.Listen},
		{"store.milter", "verdicts, milter", c.Store.Milter},
	}
}

// Listeners are all places where the configuration listens. It leaves out what
// is no endpoint, which Check reports.
func (c *Config) Listeners() []Listener {
	var all []Listener
	for _, f := range c.lists() {
		for _, at := range f.at {
			network, addr, err := Endpoint(at)
			switch {
			case f.key == "p0f.socket" || f.key == "p0f.socket_v2":
				network, addr, err = "unix", at, nil // paths, whatever they look like
			case f.key == "amavis.listen":
				network = "udp"
			}
			if err == nil && at != "" {
				all = append(all, Listener{f.key, at, network, addr})
			}
		}
	}
	return all
}

// places wants places that a socket can have.
func (c *Config) places(k *checker) {
	for _, l := range c.Listeners() {
		if l.Network == "unix" {
			if err := serve.CheckPath(l.Addr); err != nil {
				k.that(false, l.Key, err.Error())
			}
			continue
		}
		host, port, _ := net.SplitHostPort(l.Addr)
		ip, err := netip.ParseAddr(host)
		k.that(err == nil || !strings.ContainsFunc(host, notOfName), l.Key,
			fmt.Sprintf("%q: %q is not an address; all addresses are %q", l.At, host, ":"+port))
		k.that(err != nil || !ip.Is6() || !ip.IsLinkLocalUnicast() || ip.Zone() != "", l.Key,
			fmt.Sprintf("%q is an address of one link: name its interface, as in [%s%%eth0]:%s", l.At, host, port))
	}
}

// notOfName reports whether no name of a machine has a character.
func notOfName(r rune) bool {
	return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("-._", r)
}

// twice wants every place for one listener.
func (c *Config) twice(k *checker) {
	var seen []Listener
	for _, l := range c.Listeners() {
		for _, other := range seen {
			if l.Overlaps(other) {
				k.that(false, l.Key, fmt.Sprintf("%q is in use: %s has %q", l.At, other.Key, other.At))
				break
			}
		}
		seen = append(seen, l)
	}
}

// Overlaps reports whether two listeners cannot be open at one time.
func (l Listener) Overlaps(other Listener) bool {
	if l.Network != other.Network {
		return false
	}
	if l.Network == "unix" {
		return filepath.Base(l.Addr) == filepath.Base(other.Addr) && sameFile(filepath.Dir(l.Addr), filepath.Dir(other.Addr))
	}
	host, port, err := net.SplitHostPort(l.Addr)
	otherHost, otherPort, err2 := net.SplitHostPort(other.Addr)
	if err != nil || err2 != nil || port != otherPort || port == "0" {
		return false
	}
	return host == otherHost || sameAddress(host, otherHost) || covers(host, otherHost) || covers(otherHost, host)
}

// sameAddress reports whether two hosts are one address, however it is written.
func sameAddress(a, b string) bool {
	one, err := netip.ParseAddr(a)
	two, err2 := netip.ParseAddr(b)
	return err == nil && err2 == nil && one.Unmap() == two.Unmap()
}

// covers reports whether one host is all addresses, that of the other among
// them.
func covers(all, host string) bool {
	if all == "" || all == "::" {
		return true // of both families
	}
	ip, err := netip.ParseAddr(host)
	return all == "0.0.0.0" && (host == "" || err == nil && ip.Unmap().Is4())
}
