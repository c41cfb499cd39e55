package config

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/mxprint/mxprint/internal/sockops"
	"github.com/mxprint/mxprint/packet"
)

// The values of sensor.source.
const (
	SourceCapture = "capture"
	SourceSockops = "sockops"
	SourceProxy   = "proxy"
)

// Sensor is [sensor]: where SYNs come from, or which other sensor is asked.
type Sensor struct {
	Ask             string   `toml:"ask"`
	AskCert         string   `toml:"ask_cert"`
	AskCA           string   `toml:"ask_ca"`
	AskName         string   `toml:"ask_name"`
	AskTokenFile    string   `toml:"ask_token_file"`
	Source          string   `toml:"source"`
	Interfaces      []string `toml:"interfaces"`
	Filter          string   `toml:"filter"`
	FilterProgram   string   `toml:"filter_program"`
	Decapsulate     []string `toml:"decapsulate"`
	DecapsulateFrom []string `toml:"decapsulate_from"`
	Promiscuous     bool     `toml:"promiscuous"`
	HTTP            bool     `toml:"http"`
	SMTP            bool     `toml:"smtp"`
	Workers         int      `toml:"workers"`
	Ports           []int    `toml:"ports"`
	Cgroup          string   `toml:"cgroup"`
	User            string   `toml:"user"`
	Sandbox         bool     `toml:"sandbox"`
}

// defaultFilter takes what clients send to a mail server, and of what the server
// sends what begins and ends a connection: SYN, FIN and RST.
const defaultFilter = "dst port 25 or 465 or 587 or " +
	"((src port 25 or 465 or 587) and (tcp[13] & 7 != 0 or ip6[53] & 7 != 0))"

// smtpFilter takes all that is said on these ports: what SMTP reads.
const smtpFilter = "port 25 or 465 or 587"

// settle gives a filter that was not set the value that SMTP needs.
func (s *Sensor) settle() {
	if s.SMTP && s.Filter == defaultFilter && s.FilterProgram == "" {
		s.Filter = smtpFilter
	}
}

func defaultSensor() Sensor {
	s := Sensor{
		Source: SourceCapture, Interfaces: []string{anyInterface},
		Filter: defaultFilter, Workers: 1, Sandbox: true,
	}
	for _, p := range sockops.DefaultPorts() {
		s.Ports = append(s.Ports, int(p))
	}
	return s
}

// AskTLS is the address of a sensor that is asked by TLS; without TLS it is
// Ask and false.
func (s *Sensor) AskTLS() (string, bool) { return strings.CutPrefix(s.Ask, "tls:") }

func (s *Sensor) check(k *checker) {
	s.checkInterfaces(k)
	k.that(s.Filter == "" || s.FilterProgram == "" || s.Filter == defaultSensor().Filter,
		"sensor.filter_program", "filter is given too: give one of them")
	k.between(s.Workers, 1, 64, "sensor.workers")
	s.checkSource(k)
	s.checkTunnels(k)
	s.checkAsk(k)
}

// anyInterface is capture.Any.
const anyInterface = "any"

// maxInterface is how long the name of an interface may be, in bytes: IFNAMSIZ of
// netdevice(7), without the NUL.
const maxInterface = 15

// checkInterfaces wants names that an interface can have, and each packet once.
func (s *Sensor) checkInterfaces(k *checker) {
	const key = "sensor.interfaces"
	k.that(len(s.Interfaces) > 0 && !slices.Contains(s.Interfaces, ""), key, `name at least one, or "any"`)
	k.that(len(s.Interfaces) < 2 || !slices.Contains(s.Interfaces, anyInterface), key,
		`"any" takes all interfaces, and each packet would count twice: name it alone`)
	for i, name := range s.Interfaces {
		k.that(len(name) <= maxInterface, key, fmt.Sprintf("no interface has a name as long as %q: want %d bytes at most", name, maxInterface))
		k.that(!slices.Contains(s.Interfaces[:i], name), key, fmt.Sprintf("%q is named twice, and each packet would count twice", name))
	}
}

// maxTunnelsFrom bounds the program that the kernel runs for each packet.
const maxTunnelsFrom = 16

// checkTunnels wants that no stranger can send a packet "from" any address.
func (s *Sensor) checkTunnels(k *checker) {
	const key, fromKey = "sensor.decapsulate", "sensor.decapsulate_from"
	kinds, err := packet.ParseTunnels(s.Decapsulate)
	if err != nil {
		k.that(false, key, strings.TrimPrefix(err.Error(), "packet: "))
		return
	}
	k.networks(fromKey, s.DecapsulateFrom)
	k.that(len(s.DecapsulateFrom) <= maxTunnelsFrom, fromKey, fmt.Sprintf("want %d networks at most", maxTunnelsFrom))
	k.that(kinds == 0 || s.Ask == "", key, "ask is given too, and the sensor that is asked captures: set it there")
	k.that(kinds == 0 || s.Source == SourceCapture, key, fmt.Sprintf("it has no meaning with source = %q, which sees no tunnels", s.Source))
	k.that(kinds == 0 || s.FilterProgram == "", key, "filter_program is given too, which cannot be matched with packets inside tunnels: use filter")
	k.that(kinds.OverIP() == 0 || len(s.DecapsulateFrom) > 0, key,
		fmt.Sprintf("any host can send %s: name the networks of your own mirrors in decapsulate_from", kinds.OverIP()))
	k.that(kinds.OverIP() != 0 || len(s.DecapsulateFrom) == 0, fromKey, fmt.Sprintf("it is for decapsulate with %s", packet.AllTunnels.OverIP()))
}

// Opener opens the tunnels of Decapsulate; of IP those from DecapsulateFrom alone.
func (s *Sensor) Opener() (packet.Opener, error) {
	kinds, err := packet.ParseTunnels(s.Decapsulate)
	if err != nil {
		return packet.Opener{}, err
	}
	from, err := Networks(s.DecapsulateFrom)
	return packet.Opener{Kinds: kinds, Trusted: func(sender netip.Addr) bool {
		return slices.ContainsFunc(from, func(p netip.Prefix) bool { return p.Contains(sender) })
	}}, err
}

// checkSource wants keys that fit the source.
func (s *Sensor) checkSource(k *checker) {
	usual := defaultSensor()
	const other, ports = `it is for source = "sockops"`, `it has no meaning with source = "sockops"; ports say what to take`
	k.that(slices.Contains([]string{SourceCapture, SourceSockops, SourceProxy}, s.Source), "sensor.source", `want "capture", "sockops" or "proxy"`)
	k.that(len(s.Ports) > 0 && len(s.Ports) <= sockops.MaxPorts && !slices.ContainsFunc(s.Ports, func(p int) bool { return p < 1 || p > 65535 }),
		"sensor.ports", fmt.Sprintf("want 1 to %d ports, each from 1 to 65535", sockops.MaxPorts))
	if s.Source == SourceSockops {
		k.that(s.Ask == "", "sensor.ask", `source = "sockops" is given too: give one of them`)
		k.that(slices.Equal(s.Interfaces, usual.Interfaces), "sensor.interfaces", ports)
		k.that(s.Filter == usual.Filter, "sensor.filter", ports)
		k.that(s.FilterProgram == "", "sensor.filter_program", ports)
		k.that(!s.SMTP, "sensor.smtp", `source = "sockops" hands over SYNs alone: use source = "capture", or [proxy]`)
		return
	}
	k.that(slices.Equal(s.Ports, usual.Ports), "sensor.ports", other)
	k.that(s.Cgroup == "", "sensor.cgroup", other)
}

func (s *Sensor) checkAsk(k *checker) {
	addr, byTLS := s.AskTLS()
	k.that(s.Ask == "" || !s.SMTP, "sensor.smtp", "ask is given too, and the sensor that is asked reads: set it there")
	network, _, err := Endpoint(addr)
	k.that(s.Ask == "" || err == nil && (!byTLS || network == "tcp"), "sensor.ask", "want the path of a query socket, HOST:PORT, or tls:HOST:PORT")
	for _, at := range slices.Concat(k.config.Query.Listen, k.config.Query.TLSListen) {
		k.that(s.Ask == "" || !itself(at, addr), "sensor.ask",
			fmt.Sprintf("%q is this sensor itself ([query] has %q): name one that captures", s.Ask, at))
	}
	k.that(!byTLS || s.AskTokenFile != "", "sensor.ask_token_file", "name the file with the token that the sensor wants")
	k.that(s.AskCert == "" || s.AskCA == "", "sensor.ask_ca", "ask_cert is given too: give one of them")
	k.that(s.AskCert == "" || s.AskName == "", "sensor.ask_name", "ask_cert is given too, whose names do not count")
	for _, f := range []struct{ key, value string }{
		{"ask_cert", s.AskCert}, {"ask_ca", s.AskCA}, {"ask_name", s.AskName}, {"ask_token_file", s.AskTokenFile},
	} {
		k.that(byTLS || f.value == "", "sensor."+f.key, `it is for ask = "tls:HOST:PORT"`)
	}
}

// Unverified is how many hosts may be unverified: half, unless the
// configuration says how many. Where the kernel hands over connections all are
// verified: zero keeps them in one list.
func (c *Config) Unverified() int {
	if c.Sensor.Source == SourceSockops {
		return 0
	}
	if c.Limits.Unverified > 0 {
		return c.Limits.Unverified
	}
	return max(c.Limits.Hosts/2, 1)
}
