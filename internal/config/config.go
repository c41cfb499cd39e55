// Package config is the configuration file of mxprint serve: its types, their
// defaults, and what a value may be. docs/configuration.md describes the keys.
//
// Load reads a file strictly and returns everything that is wrong with it, each
// with its line and key. It opens none of the files that the configuration
// names and binds nothing: package daemon does.
package config

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// DefaultPath is the file that the commands read where it exists and no other
// is named.
const DefaultPath = "/etc/mxprint.toml"

// The sockets that serve answers on and that the commands ask by default.
const (
	DefaultSocket      = "/run/mxprint/p0f.sock"
	DefaultQuerySocket = "/run/mxprint/query.sock"
)

// maxFile is how large a file may be, in bytes.
const maxFile = 1 << 20

// Config is a configuration. Every key has a default, so that an empty file
// works.
type Config struct {
	Sensor     Sensor     `toml:"sensor"`
	Signatures Signatures `toml:"signatures"`
	Limits     Limits     `toml:"limits"`
	P0f        P0f        `toml:"p0f"`
	Query      Query      `toml:"query"`
	Milter     Header     `toml:"milter"`
	Policy     Policy     `toml:"policy"`
	Amavis     Amavis     `toml:"amavis"`
	Proxy      Proxy      `toml:"proxy"`
	HTTP       HTTP       `toml:"http"`
	Store      Store      `toml:"store"`
	Export     Export     `toml:"export"`
	Log        Log        `toml:"log"`

	path, text string
}

// Signatures is [signatures], the signature files.
type Signatures struct {
	File    string   `toml:"file"`
	Extend  []string `toml:"extend"`
	Unknown string   `toml:"unknown"`
}

// Limits is [limits], the bounds of the sensor's memory.
type Limits struct {
	Hosts         int           `toml:"hosts"`
	Unverified    int           `toml:"unverified_hosts"`
	Connections   int           `toml:"connections"`
	Recent        int           `toml:"recent_connections"`
	HostAge       time.Duration `toml:"host_age"`
	ConnectionAge time.Duration `toml:"connection_age"`
	State         string        `toml:"state"`
}

// noState is the State that keeps nothing.
const noState = "none"

// StateFile is where hosts and connections are kept while no sensor runs, or "".
// Without a State that is in the folder that systemd makes (StateDirectory=,
// systemd.exec(5)).
func (l *Limits) StateFile() string {
	switch folder, _, _ := strings.Cut(os.Getenv("STATE_DIRECTORY"), ":"); {
	case l.State == noState:
		return ""
	case l.State != "":
		return l.State
	case filepath.IsAbs(folder):
		return filepath.Join(folder, "memory")
	}
	return ""
}

// P0f is [p0f], the sockets that p0f's clients ask.
type P0f struct {
	Socket     string        `toml:"socket"`
	SocketV2   string        `toml:"socket_v2"`
	Mode       string        `toml:"mode"`
	MaxClients int           `toml:"max_clients"`
	Wait       time.Duration `toml:"wait"`
}

// Log is [log], the files that observations go to.
type Log struct {
	P0f   string `toml:"p0f"`
	JSON  string `toml:"json"`
	Level string `toml:"level"`
}

// Default returns what an empty file means.
func Default() *Config {
	return &Config{
		Sensor: defaultSensor(),
		Limits: Limits{
			Hosts: 100_000, Connections: 10_000, Recent: 100_000,
			HostAge: 2 * time.Hour, ConnectionAge: 30 * time.Second,
		},
		P0f:    P0f{Socket: DefaultSocket, Mode: "0666", MaxClients: 10_000, Wait: 10 * time.Millisecond},
		Query:  Query{Mode: "0666"},
		Milter: defaultHeader(), Policy: Policy{Header: defaultHeader()},
		Amavis: Amavis{Form: "v2"},
		HTTP:   HTTP{Mode: "0666"},
		Store:  defaultStore(), Export: defaultExport(),
		Proxy: defaultProxy(),
		Log:   Log{Level: "info"},
	}
}

// Load reads a file. What is wrong in it comes back as Faults, all of it.
func Load(path string) (*Config, error) {
	st, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, err
	case st.IsDir():
		return nil, &Fault{File: path, Msg: "it is a directory"}
	case !st.Mode().IsRegular() || st.Size() > maxFile:
		return nil, &Fault{File: path, Msg: "not a file of at most 1 MiB"}
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return Parse(path, string(text))
}

// Parse is Load of a text; path is for the errors.
func Parse(path, text string) (*Config, error) {
	c := Default()
	c.path, c.text = path, text
	faults, err := fill(c)
	if err != nil {
		return nil, err
	}
	wrong := make(map[string]bool)
	for _, f := range faults {
		wrong[f.Key] = true
	}
	for _, f := range c.Check() {
		if !wrong[f.Key] { // its value was not taken: the default is no fault
			faults = append(faults, f)
		}
	}
	if len(faults) == 0 {
		c.Sensor.settle()
		c.Milter.settle()
		c.Policy.settle()
		return c, nil
	}
	slices.SortStableFunc(faults, byLine)
	return nil, faults
}

// Path is the file that the configuration was read from, or "".
func (c *Config) Path() string { return c.path }

// Check returns the keys whose values cannot work, or do not fit together.
func (c *Config) Check() Faults {
	k := checker{config: c}
	c.Sensor.check(&k)
	k.that(!slices.Contains(c.Signatures.Extend, ""), "signatures.extend", "want the names of files")
	c.Limits.check(&k)
	c.P0f.check(&k)
	c.Query.check(&k)
	c.Milter.check(&k, "milter")
	c.Policy.check(&k)
	c.Amavis.check(&k)
	c.HTTP.check(&k)
	c.Store.check(&k)
	c.Export.check(&k)
	c.Proxy.check(&k)
	k.that(slices.Contains([]string{"debug", "info", "warn", "error"}, c.Log.Level), "log.level", `want "debug", "info", "warn" or "error"`)
	c.files(&k)
	c.places(&k)
	c.twice(&k)
	k.that(c.Sensor.Source != SourceProxy || len(c.Proxy.Listen) > 0, "sensor.source", "there are no connections: [proxy] has no listen")
	return k.faults
}

func (l *Limits) check(k *checker) {
	k.between(l.Hosts, 1, 50_000_000, "limits.hosts")
	k.that(l.Unverified >= 0 && (l.Unverified == 0 || l.Unverified < l.Hosts), "limits.unverified_hosts", "want fewer than limits.hosts, or 0 for half of them")
	k.between(l.Connections, 1, 10_000_000, "limits.connections")
	k.between(l.Recent, 1, 50_000_000, "limits.recent_connections")
	k.that(l.HostAge >= time.Minute && l.HostAge <= 8760*time.Hour, "limits.host_age", `want a duration from "1m" to "8760h"`)
	k.that(l.State == "" || l.State == noState || filepath.IsAbs(l.State), "limits.state", `want the absolute path of a file, or "none"`)
	k.that(l.ConnectionAge >= time.Second && l.ConnectionAge <= time.Hour, "limits.connection_age", `want a duration from "1s" to "1h"`)
}

func (p *P0f) check(k *checker) {
	k.that(p.Socket != "", "p0f.socket", "want the path of the socket")
	k.that(!strings.HasPrefix(p.Socket, "unix:"), "p0f.socket", `want the path alone, without "unix:"`)
	k.that(!strings.HasPrefix(p.SocketV2, "unix:"), "p0f.socket_v2", `want the path alone, without "unix:"`)
	k.between(p.MaxClients, 1, 1_000_000, "p0f.max_clients")
	k.that(p.Wait >= 0 && p.Wait <= time.Second, "p0f.wait", `want a duration from "0s" to "1s"`)
	k.mode(p.Mode, "p0f.mode")
}

// V2Sockets is where the socket of p0f 2 is, if it is.
func (p *P0f) V2Sockets() []string {
	if p.SocketV2 == "" {
		return nil
	}
	return []string{p.SocketV2}
}

// checker gathers what is wrong.
type checker struct {
	config *Config
	faults Faults
}

// that wants a condition of a key.
func (k *checker) that(ok bool, key, msg string) {
	if !ok {
		k.faults = append(k.faults, k.config.Fault(key, msg))
	}
}

func (k *checker) between(n, low, high int, key string) {
	k.that(n >= low && n <= high, key, fmt.Sprintf("want %d to %d", low, high))
}

func (k *checker) mode(text, key string) {
	_, err := Mode(text)
	k.that(err == nil, key, `want permission bits in octal, such as "0660"`)
}
