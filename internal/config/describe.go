package config

import (
	"cmp"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
)

// Describe says what the configuration makes of the program, in lines for
// people; signatures is their number.
func (c *Config) Describe(signatures int) string {
	var b strings.Builder
	line := func(what, value string) { fmt.Fprintf(&b, "%-10s %s\n", what, value) }
	line("file", cmp.Or(c.path, "none: every key has its default"))
	s := &c.Sensor
	switch {
	case s.Ask != "":
		line("asks", s.Ask)
	case s.Source == SourceSockops:
		line("ports", s.portsText())
		line("cgroup", s.Cgroup)
	case s.Source == SourceProxy:
		line("SYNs", "of [proxy]")
	default:
		line("interfaces", strings.Join(s.Interfaces, ", "))
		if s.FilterProgram != "" {
			line("filter", "program "+s.FilterProgram)
		} else {
			line("filter", s.Filter)
		}
		if len(s.Decapsulate) > 0 {
			line("tunnels", s.tunnelsText())
		}
	}
	if s.SMTP {
		line("reads", "SMTP and TLS hellos of verified connections; keeps no address, password or message")
	}
	if s.Ask == "" {
		line("signatures", strconv.Itoa(signatures))
	}
	for _, f := range c.lists() {
		if f.name != "" && len(f.at) > 0 {
			line(f.name, strings.Join(f.at, ", "))
		}
	}
	if c.Store.Path != "" {
		line("store", fmt.Sprintf("%s, up to %d MiB and %v", c.Store.Path, c.Store.SizeMiB, c.Store.Age))
	}
	if v := &c.Store.Valkey; v.On() {
		line("shared", fmt.Sprintf("%s, as %s", strings.Join(v.Servers, ", "), v.Name()))
	}
	if e := &c.Export; e.ClickHouse != "" {
		line("history", fmt.Sprintf("%s to %s, kept %v; at most %d MiB wait in %s", strings.Join(e.Tables, ", "), e.ClickHouse, e.Age, e.SpoolMiB, e.Spool))
	}
	if e := &c.Export; e.File != "" {
		line("history", fmt.Sprintf("%s to %s", strings.Join(e.Tables, ", "), e.File))
	}
	if rules, _ := c.Policy.Compile(); rules != nil {
		for _, text := range rules.Describe() {
			if len(c.Policy.Listen) == 0 {
				text += " (no front asks for it)"
			}
			line("rule", text)
		}
	}
	if len(c.Proxy.Listen) > 0 {
		line("proxy", fmt.Sprintf("%s to %s (%s)", strings.Join(c.Proxy.Listen, ", "), c.Proxy.Backend, c.Proxy.Send))
	}
	return b.String()
}

// Where is what the sensor looks at, for the log.
func (c *Config) Where() slog.Attr {
	s := &c.Sensor
	switch {
	case s.Ask != "":
		return slog.String("asks", s.Ask)
	case s.Source == SourceSockops:
		return slog.Any("ports", s.Ports)
	case s.Source == SourceProxy:
		return slog.String("source", s.Source)
	}
	return slog.Any("interfaces", s.Interfaces)
}

// tunnelsText is Decapsulate as text.
func (s *Sensor) tunnelsText() string {
	text := strings.Join(s.Decapsulate, ", ")
	if len(s.DecapsulateFrom) > 0 {
		text += " from " + strings.Join(s.DecapsulateFrom, ", ")
	}
	return text
}

// portsText is Ports as text.
func (s *Sensor) portsText() string {
	return strings.Join(strings.Fields(strings.Trim(fmt.Sprint(s.Ports), "[]")), ", ")
}
