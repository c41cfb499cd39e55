package config

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Warnings are the values that work and that an operator should know of:
// listeners without protection that any machine reaches, folders whose files
// other users can replace, and rules that no front asks for. A message begins with what is the case and ends with
// what to do.
func (c *Config) Warnings() Faults {
	k := checker{config: c}
	for _, f := range []struct {
		key, may  string
		listen    []string
		proxyFrom []string
	}{
		{"query.listen", "gets answers and may reload the signatures", c.Query.Listen, c.Query.ProxyFrom},
		{"milter.listen", "may ask", c.Milter.Listen, c.Milter.ProxyFrom},
		{"policy.listen", "may ask", c.Policy.Listen, c.Policy.ProxyFrom},
		{"http.listen", "reads the metrics", c.HTTP.Listen, nil},
		{"store.listen", "may send verdicts, which makes the evidence worthless", c.Store.Listen, nil},
		{"store.milter", "may send verdicts, which makes the evidence worthless", c.Store.Milter, nil},
	} {
		for _, at := range f.listen {
			remedy := "listen on 127.0.0.1, or have a firewall in front"
			if f.key == "query.listen" || f.key == "http.listen" {
				remedy = "listen on 127.0.0.1, or use tls_listen"
			}
			k.that(len(f.proxyFrom) > 0 || !onAllAddresses(at), f.key,
				fmt.Sprintf("%q is on all addresses without protection: any machine that reaches it %s; %s", at, f.may, remedy))
		}
	}
	k.that(!c.Export.inClear(), "export.clickhouse", fmt.Sprintf("%s is reached without TLS: any machine on the way can read addresses and the password; use https://, or a tunnel", c.Export.ClickHouse))
	k.that(len(c.Policy.Rules) == 0 || len(c.Policy.Listen) > 0, "policy.rules",
		"no front asks for these rules: only the policy service does, and policy.listen is empty; mxprint rules test tries them")
	c.folders(&k)
	return k.faults
}

// folders warns of folders that others may write: a user that may write a folder can
// replace each file in it, whatever the mode of the file.
func (c *Config) folders(k *checker) {
	for _, f := range []struct{ key, folder string }{
		{"store.path", folderOf(c.Store.Path)}, {"export.spool", c.Export.Spool}, {"limits.state", folderOf(c.Limits.StateFile())},
	} {
		st, err := os.Stat(f.folder)
		switch {
		case err != nil || !st.IsDir() || st.Mode().Perm()&0o022 == 0:
		case st.Mode()&os.ModeSticky != 0: // as /tmp
			k.that(false, f.key,
				fmt.Sprintf("%s is open to all users: another one can make files in it first; name another folder", f.folder))
		default:
			k.that(false, f.key, fmt.Sprintf("%s has mode %04o: other users can replace the files in it; chmod go-w %[1]s, or name another folder", f.folder, st.Mode().Perm()))
		}
	}
}

func folderOf(path string) string {
	if path == "" {
		return ""
	}
	return filepath.Dir(path)
}

// onAllAddresses reports whether a TCP endpoint is on every address of the
// machine.
func onAllAddresses(at string) bool {
	network, addr, err := Endpoint(at)
	if err != nil || network != "tcp" {
		return false
	}
	host, _, _ := net.SplitHostPort(addr)
	ip, err := netip.ParseAddr(host)
	return host == "" || err == nil && ip.Unmap().IsUnspecified()
}

// The widest networks that may be trusted, in bits: 10.0.0.0/8 and fc00::/7 are
// the largest private ones.
const widest4, widest6 = 8, 7

// networks wants a list of networks, none of which every machine is in.
func (k *checker) networks(key string, list []string) {
	for _, network := range list {
		prefix, err := netip.ParsePrefix(network)
		k.that(err == nil, key, fmt.Sprintf("%q is no network such as 192.0.2.0/24", network))
		if err != nil {
			continue
		}
		least := widest6
		if prefix.Addr().Is4() {
			least = widest4
		}
		what := "could claim any client address"
		if key == "amavis.allow" {
			what = "could ask, and have answers sent to others"
		}
		if key == "policy.allow_networks" {
			what = "would be on the allow list"
		}
		k.that(prefix.Bits() >= least, key, fmt.Sprintf("%s is too wide: any machine in it %s; name the networks of your own servers (/%d at least)", network, what, least))
	}
}

// itself reports whether a listener is what this configuration connects to: a proxy that
// is its own mail server, a sensor that asks itself.
func itself(listen, backend string) bool {
	network, to, err := Endpoint(backend)
	fromNetwork, from, err2 := Endpoint(listen)
	if err != nil || err2 != nil || network != fromNetwork {
		return false
	}
	if network == "unix" {
		return filepath.Clean(from) == filepath.Clean(to)
	}
	toHost, toPort, _ := net.SplitHostPort(to)
	fromHost, fromPort, _ := net.SplitHostPort(from)
	if toPort != fromPort {
		return false
	}
	switch {
	case strings.EqualFold(toHost, fromHost):
		return true
	case onAllAddresses(listen):
		return isLocal(toHost)
	case toHost == "" || strings.EqualFold(toHost, "localhost"):
		return isLoopback(fromHost)
	}
	return false
}

// isLoopback reports whether a host is reached by the name localhost.
func isLoopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "" || strings.EqualFold(host, "localhost") || err == nil && ip.Unmap().IsLoopback()
}

// isLocal reports whether a host is this machine.
func isLocal(host string) bool {
	if host == "" || strings.EqualFold(host, "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return false
	}
	if ip = ip.Unmap(); ip.IsLoopback() || ip.IsUnspecified() {
		return true
	}
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return false
	}
	return slices.ContainsFunc(addrs, func(a net.Addr) bool {
		own, err := netip.ParsePrefix(a.String())
		return err == nil && own.Addr().Unmap() == ip.WithZone("")
	})
}

// files wants that no file that is written is one that is read, or another one
// that is written.
func (c *Config) files(k *checker) {
	const maxName = 240 // NAME_MAX of Linux is 255 bytes
	type file struct{ key, path string }
	seen := []file{{"the configuration", c.path}, {"signatures.file", c.Signatures.File}}
	for _, path := range c.Signatures.Extend {
		seen = append(seen, file{"signatures.extend", path})
	}
	seen = append(seen,
		file{"query.tls_cert", c.Query.TLSCert}, file{"query.tls_key", c.Query.TLSKey}, file{"query.token_file", c.Query.TokenFile},
		file{"http.tls_cert", c.HTTP.TLSCert}, file{"http.tls_key", c.HTTP.TLSKey}, file{"http.token_file", c.HTTP.TokenFile},
		file{"export.password_file", c.Export.PasswordFile}, file{"export.key_file", c.Export.KeyFile}, file{"export.ca", c.Export.CA},
		file{"sensor.filter_program", c.Sensor.FilterProgram}, file{"sensor.ask_token_file", c.Sensor.AskTokenFile},
		file{"sensor.ask_cert", c.Sensor.AskCert}, file{"sensor.ask_ca", c.Sensor.AskCA})
	for _, f := range c.Store.Valkey.Files() {
		seen = append(seen, file{f.Key, f.Path})
	}
	for _, w := range []file{
		{"log.p0f", c.Log.P0f}, {"log.json", c.Log.JSON}, {"signatures.unknown", c.Signatures.Unknown},
		{"limits.state", c.Limits.StateFile()}, {"store.path", c.Store.Path}, {"export.file", c.Export.File},
	} {
		k.that(strings.HasPrefix(w.key, "log.") || w.key == "export.file" || len(filepath.Base(w.path)) <= maxName, w.key,
			fmt.Sprintf("the name of the file has %d bytes, and files beside it have longer ones: want %d at most", len(filepath.Base(w.path)), maxName))
		for _, other := range seen {
			k.that(w.path == "" || !sameFile(w.path, other.path), w.key, fmt.Sprintf("%s is the file of %s: name another", w.path, other.key))
		}
		seen = append(seen, w)
	}
}

// sameFile reports whether two paths lead to one file, which need not exist.
func sameFile(a, b string) bool {
	if b == "" {
		return false
	}
	if filepath.Clean(a) == filepath.Clean(b) {
		return true
	}
	one, err := os.Stat(a)
	if err != nil {
		return false
	}
	two, err := os.Stat(b)
	return err == nil && os.SameFile(one, two)
}
