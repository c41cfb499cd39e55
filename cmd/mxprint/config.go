package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/BurntSushi/toml"

	"github.com/mxprint/mxprint/internal/proxy"
	"github.com/mxprint/mxprint/internal/serve"
)

// config is the configuration file of serve. Every key has a default, so that
// an empty file works.
type config struct {
	Sensor     sensorConfig     `toml:"sensor"`
	Signatures signaturesConfig `toml:"signatures"`
	Limits     limitsConfig     `toml:"limits"`
	P0f        p0fConfig        `toml:"p0f"`
	Query      queryConfig      `toml:"query"`
	Milter     headerConfig     `toml:"milter"`
	Policy     headerConfig     `toml:"policy"`
	Amavis     amavisConfig     `toml:"amavis"`
	Proxy      proxyConfig      `toml:"proxy"`
	Log        logConfig        `toml:"log"`

	path, text string // the file; empty for none
}

type sensorConfig struct {
	Ask           string   `toml:"ask"`
	AskCert       string   `toml:"ask_cert"`
	AskCA         string   `toml:"ask_ca"`
	AskName       string   `toml:"ask_name"`
	AskTokenFile  string   `toml:"ask_token_file"`
	Source        string   `toml:"source"`
	Interfaces    []string `toml:"interfaces"`
	Filter        string   `toml:"filter"`
	FilterProgram string   `toml:"filter_program"`
	Promiscuous   bool     `toml:"promiscuous"`
	HTTP          bool     `toml:"http"`
	Workers       int      `toml:"workers"`
	Ports         []int    `toml:"ports"`
	Cgroup        string   `toml:"cgroup"`
	User          string   `toml:"user"`
	Sandbox       bool     `toml:"sandbox"`
}

type signaturesConfig struct {
	File    string   `toml:"file"`
	Extend  []string `toml:"extend"`
	Unknown string   `toml:"unknown"`
}

type limitsConfig struct {
	Hosts         int           `toml:"hosts"`
	Unproven      int           `toml:"unproven_hosts"`
	Connections   int           `toml:"connections"`
	Recent        int           `toml:"recent_connections"`
	HostAge       time.Duration `toml:"host_age"`
	ConnectionAge time.Duration `toml:"connection_age"`
}

type p0fConfig struct {
	Socket     string        `toml:"socket"`
	SocketV2   string        `toml:"socket_v2"`
	Mode       string        `toml:"mode"`
	MaxClients int           `toml:"max_clients"`
	Wait       time.Duration `toml:"wait"`
}

// proxyConfig is [proxy], the transparent SMTP front.
type proxyConfig struct {
	Listen         []string      `toml:"listen"`
	Backend        string        `toml:"backend"`
	Send           string        `toml:"send"`
	SendNote       bool          `toml:"send_note"`
	ProxyFrom      []string      `toml:"proxy_from"`
	MaxConnections int           `toml:"max_connections"`
	Idle           time.Duration `toml:"idle"`
	Drain          time.Duration `toml:"drain"`
}

type logConfig struct {
	P0f  string `toml:"p0f"`
	JSON string `toml:"json"`
}

// defaultConfig is what an empty file means.
func defaultConfig() config {
	return config{
		Sensor: sensorConfig{
			Source:     sourceCapture,
			Interfaces: []string{"any"},
			Filter:     "dst port 25 or dst port 465 or dst port 587",
			Workers:    1,
			Ports:      defaultPorts(),
			Sandbox:    true,
		},
		Limits: limitsConfig{
			Hosts: 100_000, Connections: 10_000, Recent: 100_000,
			HostAge: 2 * time.Hour, ConnectionAge: 30 * time.Second,
		},
		Query: queryConfig{Mode: "0666"}, Milter: defaultHeaderConfig(), Policy: defaultHeaderConfig(),
		Amavis: amavisConfig{Form: "v2"},
		Proxy: proxyConfig{
			Send: "v2", MaxConnections: serve.DefaultMaxConns,
			Idle: proxy.DefaultIdle, Drain: proxy.DefaultDrain,
		},
		P0f: p0fConfig{Socket: defaultSocket, Mode: "0666", MaxClients: 10_000, Wait: 10 * time.Millisecond},
	}
}

const maxConfig = 1 << 20 // bytes

// loadConfig reads a configuration file, strictly; without a path it returns
// the defaults.
func loadConfig(path string) (config, error) {
	c := defaultConfig()
	if path == "" {
		return c, nil
	}
	st, err := os.Stat(path)
	if err != nil {
		return c, err
	}
	if !st.Mode().IsRegular() || st.Size() > maxConfig {
		return c, &configError{file: path, msg: "not a file of at most 1 MiB"}
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return c, err
	}
	meta, err := toml.Decode(string(text), &c)
	var pe toml.ParseError
	switch {
	case errors.As(err, &pe):
		return c, &configError{file: path, line: pe.Position.Line, key: pe.LastKey, msg: strings.TrimSuffix(pe.Message, ".")}
	case err != nil:
		return c, typeError(path, err)
	}
	c.path, c.text = path, string(text)
	if extra := meta.Undecoded(); len(extra) > 0 {
		key := extra[0].String()
		return c, &configError{file: path, line: keyLine(string(text), key), key: key, msg: "unknown key"}
	}
	if key, msg := c.fault(); key != "" {
		return c, &configError{file: path, line: keyLine(string(text), key), key: key, msg: msg}
	}
	return c, nil
}

// fault is a key whose value cannot work, if bad.
type fault struct {
	bad      bool
	key, msg string
}

// fault returns the first key whose value cannot work, and why.
func (c *config) fault() (key, msg string) {
	_, badMode := parseMode(c.P0f.Mode)
	faults := []fault{
		{slices.Contains(c.Signatures.Extend, ""), "signatures.extend", "want the names of files"},
		{len(c.Sensor.Interfaces) == 0, "sensor.interfaces", `name at least one, or "any"`},
		{c.Sensor.Filter != "" && c.Sensor.FilterProgram != "" && c.Sensor.Filter != defaultConfig().Sensor.Filter,
			"sensor.filter_program", "filter is given too: give one of them"},
		{c.Limits.Hosts < 1 || c.Limits.Hosts > 50_000_000, "limits.hosts", "want 1 to 50000000"},
		{c.Sensor.Workers < 1 || c.Sensor.Workers > 64, "sensor.workers", "want 1 to 64"},
		{c.Limits.Unproven < 0 || c.Limits.Unproven > 0 && c.Limits.Unproven >= c.Limits.Hosts, "limits.unproven_hosts", "want fewer than limits.hosts, or 0 for half of them"},
		{c.Limits.Connections < 1 || c.Limits.Connections > 10_000_000, "limits.connections", "want 1 to 10000000"},
		{c.Limits.Recent < 1 || c.Limits.Recent > 50_000_000, "limits.recent_connections", "want 1 to 50000000"},
		{c.Limits.HostAge < time.Minute || c.Limits.HostAge > 8760*time.Hour, "limits.host_age", `want a duration from "1m" to "8760h"`},
		{c.Limits.ConnectionAge < time.Second || c.Limits.ConnectionAge > time.Hour, "limits.connection_age", `want a duration from "1s" to "1h"`},
		{c.P0f.Socket == "", "p0f.socket", "want the path of the socket"},
		{c.P0f.MaxClients < 1 || c.P0f.MaxClients > 1_000_000, "p0f.max_clients", "want 1 to 1000000"},
		{c.P0f.Wait < 0 || c.P0f.Wait > time.Second, "p0f.wait", `want a duration from "0s" to "1s"`},
		{badMode != nil, "p0f.mode", `want permission bits in octal, such as "0660"`},
	}
	faults = append(faults, c.Sensor.sourceFaults()...)
	faults = append(faults, c.Sensor.askFaults()...)
	faults = append(faults, c.Query.faults()...)
	faults = append(faults, c.proxyFaults()...)
	faults = append(faults, c.Milter.faults("milter")...)
	faults = append(faults, c.Policy.faults("policy")...)
	faults = append(faults, c.Amavis.faults()...)
	for _, f := range faults {
		if f.bad {
			return f.key, f.msg
		}
	}
	return "", ""
}

// socketMode is P0f.Mode as a number; fault has checked it.
func (c *config) socketMode() fs.FileMode {
	mode, _ := parseMode(c.P0f.Mode)
	return mode
}

// keyLine finds the line of a key "table.name" in a TOML text, or 0. It is for
// messages only: what the text means is the TOML library's to say.
func keyLine(text, key string) int {
	table, name := "", key
	if i := strings.LastIndexByte(key, '.'); i >= 0 {
		table, name = key[:i], key[i+1:]
	}
	current := ""
	for i, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "[") {
			current = strings.Trim(strings.SplitN(line, "#", 2)[0], "[] \t")
			if current == key {
				return i + 1
			}
			continue
		}
		k, _, ok := strings.Cut(line, "=")
		k = strings.TrimSpace(k)
		if ok && (current == table && k == name || current == "" && k == key) {
			return i + 1
		}
	}
	return 0
}

// describe says what the configuration makes of the program, for check.
func (c *config) describe(signatures int) string {
	var b strings.Builder
	line := func(what, value string) { fmt.Fprintf(&b, "%-10s %s\n", what, value) }
	switch {
	case c.Sensor.Ask != "":
		line("asks", c.Sensor.Ask)
	case c.Sensor.Source == sourceSockops:
		line("ports", c.Sensor.describePorts())
		line("cgroup", c.Sensor.Cgroup)
		line("signatures", strconv.Itoa(signatures))
	case c.Sensor.Source == sourceProxy:
		line("SYNs", "of [proxy]")
		line("signatures", strconv.Itoa(signatures))
	case c.Sensor.FilterProgram != "":
		line("interfaces", strings.Join(c.Sensor.Interfaces, ", "))
		line("filter", "program "+c.Sensor.FilterProgram)
		line("signatures", strconv.Itoa(signatures))
	default:
		line("interfaces", strings.Join(c.Sensor.Interfaces, ", "))
		line("filter", c.Sensor.Filter)
		line("signatures", strconv.Itoa(signatures))
	}
	line("p0f socket", c.P0f.Socket)
	for _, f := range []struct {
		name   string
		listen []string
	}{
		{"p0f v2", c.socketV2()}, {"query", c.Query.Listen}, {"query TLS", c.Query.TLSListen}, {"milter", c.Milter.Listen},
		{"policy", c.Policy.Listen}, {"amavis", c.Amavis.Listen},
	} {
		if len(f.listen) > 0 {
			line(f.name, strings.Join(f.listen, ", "))
		}
	}
	if len(c.Proxy.Listen) > 0 {
		line("proxy", fmt.Sprintf("%s to %s (%s)", strings.Join(c.Proxy.Listen, ", "), c.Proxy.Backend, c.Proxy.Send))
	}
	return b.String()
}
