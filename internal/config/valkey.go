package config

import (
	"fmt"
	"os"
	"strings"
)

// Valkey is the part of [store] that is about the server which several sensors
// share.
type Valkey struct {
	Servers      []string `toml:"valkey"`
	Primary      string   `toml:"valkey_primary"`
	Cluster      bool     `toml:"valkey_cluster"`
	User         string   `toml:"valkey_user"`
	PasswordFile string   `toml:"valkey_password_file"`
	SentinelFile string   `toml:"valkey_sentinel_password_file"`
	TLS          bool     `toml:"valkey_tls"`
	CA           string   `toml:"valkey_ca"`
	Cert         string   `toml:"valkey_cert"`
	Key          string   `toml:"valkey_key"`
	HashKeyFile  string   `toml:"valkey_hash_key_file"`
	Sensor       string   `toml:"valkey_sensor"`
}

// On reports whether a server is named.
func (v *Valkey) On() bool { return len(v.Servers) > 0 }

// Name is the name of this sensor among those that share the server: that of the
// host, unless the configuration names it.
func (v *Valkey) Name() string {
	if v.Sensor != "" {
		return v.Sensor
	}
	name, err := os.Hostname()
	if err != nil || !isSensor(name) {
		return "sensor"
	}
	return name
}

// isSensor reports whether a name can be that of a sensor.
func isSensor(name string) bool {
	return name != "" && len(name) <= 64 && !strings.ContainsFunc(name, func(c rune) bool {
		return !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '.' || c == '-' || c == '_')
	})
}

// KeyFile is a file that a key names.
type KeyFile struct{ Key, Path string }

// Files are those that are read.
func (v *Valkey) Files() (list []KeyFile) {
	for _, f := range []KeyFile{
		{"store.valkey_password_file", v.PasswordFile}, {"store.valkey_sentinel_password_file", v.SentinelFile},
		{"store.valkey_ca", v.CA}, {"store.valkey_cert", v.Cert}, {"store.valkey_key", v.Key}, {"store.valkey_hash_key_file", v.HashKeyFile},
	} {
		if f.Path != "" {
			list = append(list, f)
		}
	}
	return list
}

func (v *Valkey) check(k *checker) {
	const key = "store.valkey"
	unix := false
	for _, at := range v.Servers {
		network, _, err := Endpoint(at)
		unix = unix || network == "unix"
		k.that(err == nil && !strings.HasPrefix(at, "inet:") && !strings.HasPrefix(at, ":"), key, fmt.Sprintf("%q is neither a path nor HOST:PORT", at))
	}
	k.that(len(v.Servers) < 2 || v.Cluster || v.Primary != "", key,
		"several servers: set valkey_cluster, or valkey_primary where they are Sentinels; otherwise name one")
	k.that(!v.Cluster || v.Primary == "", "store.valkey_primary", "valkey_cluster is set too: give one of them")
	k.that(!unix || !v.Cluster && v.Primary == "", key, "a Cluster and Sentinels are reached by HOST:PORT")
	k.that(!unix || !v.TLS, "store.valkey_tls", "it has no meaning with a unix socket")
	k.that(v.SentinelFile == "" || v.Primary != "", "store.valkey_sentinel_password_file", "it is for valkey_primary")
	k.that(v.User == "" || v.PasswordFile != "", "store.valkey_user", "name the file with its password, valkey_password_file")
	k.that((v.Cert == "") == (v.Key == ""), "store.valkey_key", "valkey_cert and valkey_key go together")
	for _, f := range []struct{ name, value string }{{"ca", v.CA}, {"cert", v.Cert}, {"key", v.Key}} {
		k.that(v.TLS || f.value == "", "store.valkey_"+f.name, "it is for valkey_tls = true")
	}
	k.that(v.Sensor == "" || isSensor(v.Sensor), "store.valkey_sensor", "want a name of at most 64 letters, digits, and .-_")
	for name, set := range map[string]bool{
		"valkey_primary": v.Primary != "", "valkey_cluster": v.Cluster, "valkey_user": v.User != "", "valkey_password_file": v.PasswordFile != "",
		"valkey_tls": v.TLS, "valkey_hash_key_file": v.HashKeyFile != "", "valkey_sensor": v.Sensor != "",
	} {
		k.that(v.On() || !set, "store."+name, "it is for store.valkey, which names no server")
	}
}
