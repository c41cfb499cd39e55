package config

import (
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// Endpoint reads where to listen or which server to ask: a path, HOST:PORT, or either
// after "unix:" or "inet:", as mail servers write it.
func Endpoint(s string) (network, addr string, err error) {
	if path, ok := strings.CutPrefix(s, "unix:"); ok {
		s = path
	}
	if strings.HasPrefix(s, "/") {
		return "unix", s, nil
	}
	s = strings.TrimPrefix(s, "inet:")
	_, port, err := net.SplitHostPort(s)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	return "tcp", s, err
}

// Mode reads permission bits.
func Mode(s string) (fs.FileMode, error) {
	mode, err := strconv.ParseUint(s, 8, 32)
	if err == nil && (mode == 0 || mode > 0o777) { // 0: no process could ask
		err = strconv.ErrRange
	}
	return fs.FileMode(mode), err
}

// Networks reads a list of networks.
func Networks(list []string) ([]netip.Prefix, error) {
	var prefixes []netip.Prefix
	for _, network := range list {
		prefix, err := netip.ParsePrefix(network)
		if err != nil {
			return nil, err
		}
		prefixes = append(prefixes, prefix)
	}
	return prefixes, nil
}

// endpoints wants places to listen at, and a mode for the sockets among them.
func (k *checker) endpoints(table string, listen []string, mode string) {
	k.mode(mode, table+".mode")
	for _, at := range listen {
		_, _, err := Endpoint(at)
		k.that(err == nil, table+".listen", fmt.Sprintf("%q is neither a path nor HOST:PORT", at))
	}
}

// addresses wants addresses with a port.
func (k *checker) addresses(key string, listen []string) {
	for _, at := range listen {
		network, _, err := Endpoint(at)
		k.that(err == nil && network == "tcp", key, fmt.Sprintf("%q is not ADDRESS:PORT", at))
	}
}

// UnixSockets are the paths of all sockets.
func (c *Config) UnixSockets() (paths []string) {
	for _, l := range c.Listeners() {
		if l.Network == "unix" {
			paths = append(paths, l.Addr)
		}
	}
	return paths
}

// LowPorts reports whether a front listens on a port that takes a privilege,
// which the program needs again when it is re-executed.
func (c *Config) LowPorts() bool {
	return slices.ContainsFunc(c.Listeners(), func(l Listener) bool {
		_, port, _ := net.SplitHostPort(l.Addr)
		n, err := strconv.Atoi(port)
		return l.Network != "unix" && err == nil && n > 0 && n < 1024
	})
}

// LooksUpNames reports whether an endpoint is given by a name, so that the
// resolver's files are needed.
func (c *Config) LooksUpNames() bool {
	ask, _ := c.Sensor.AskTLS()
	return isName(c.Proxy.Backend) || isName(ask) || isName(c.Export.host()) || c.Store.Valkey.On() // a Cluster or Sentinel names others
}

func isName(at string) bool {
	network, addr, err := Endpoint(at)
	if at == "" || err != nil || network != "tcp" {
		return false
	}
	host, _, _ := net.SplitHostPort(addr)
	_, err = netip.ParseAddr(host)
	return host != "" && err != nil
}
