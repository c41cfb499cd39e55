package config

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mxprint/mxprint/internal/test/lab"
)

// TestFaults has the exact text of each fault of a file, after its name.
func TestFaults(t *testing.T) {
	for _, tt := range []struct{ name, text, want string }{
		{"unknown", "# hosts is meant\n[limits]\nhost = 3", `:3: limits.host: unknown key; did you mean hosts?`},
		{"renamed", "[limits]\nunproven_hosts = 5", `:2: limits.unproven_hosts: unknown key; did you mean unverified_hosts?`},
		{"table", "\n[limit]\nhosts = 3", `:2: limit: unknown key; did you mean limits?`},
		{"top", `colour = "blue"`, `:1: colour: unknown key`},
		{"text", `[limits]
hosts = "many"`, `:2: limits.hosts: want a whole number, not a text`},
		{"fraction", "[p0f]\nmax_clients = 5.5", `:2: p0f.max_clients: want a whole number, not a fraction`},
		{"list", `[sensor]
interfaces = "any"`, `:2: sensor.interfaces: want a list, not a text`},
		{"inlist", `[sensor]
interfaces = ["any", 5]`, `:2: sensor.interfaces: want a text, not a whole number`},
		{"bool", "sensor.promiscuous = 1", `:1: sensor.promiscuous: want true or false, not a whole number`},
		{"notable", "limits = 5", `:1: limits: want a table, not a whole number`},
		{"zero", `[p0f]
wait = "0s"
[limits]
hosts = 0`, `:4: limits.hosts: want 1 to 50000000`},
		{"huge", "[limits]\nconnections = 10000001", `:2: limits.connections: want 1 to 10000000`},
		{"recent", "[limits]\nrecent_connections = -1", `:2: limits.recent_connections: want 1 to 50000000`},
		{"age", `[limits]
host_age = "2 h"`, `:2: limits.host_age: want a duration such as "30s", not "2 h"`},
		{"nanoseconds", "[limits]\nhost_age = 3600", `:2: limits.host_age: want a duration such as "30s", not a whole number`},
		{"connage", `[limits]
connection_age = "2h"`, `:2: limits.connection_age: want a duration from "1s" to "1h"`},
		{"mode", `[p0f]
mode = "abc"`, `:2: p0f.mode: want permission bits in octal, such as "0660"`},
		{"modes", `[p0f]
mode = "1777"`, `:2: p0f.mode: want permission bits in octal, such as "0660"`},
		{"clients", "[p0f]\nmax_clients = 0", `:2: p0f.max_clients: want 1 to 1000000`},
		{"wait", `[p0f]
wait = "2s"`, `:2: p0f.wait: want a duration from "0s" to "1s"`},
		{"none", "[sensor]\ninterfaces = []", `:2: sensor.interfaces: name at least one, or "any"`},
		{"noname", "[sensor]\ninterfaces = [\"\"]", `:2: sensor.interfaces: name at least one, or "any"`},
		{"anyandone", "[sensor]\ninterfaces = [\"any\", \"eth0\"]",
			`:2: sensor.interfaces: "any" takes all interfaces, and each packet would count twice: name it alone`},
		{"interfacetwice", "[sensor]\ninterfaces = [\"eth0\", \"eth1\", \"eth0\"]", `:2: sensor.interfaces: "eth0" is named twice, and each packet would count twice`},
		{"longinterface", "[sensor]\ninterfaces = [\"a-long-interface\"]",
			`:2: sensor.interfaces: no interface has a name as long as "a-long-interface": want 15 bytes at most`},
		{"nulpath", "[p0f]\nsocket = \"/run/x\\u0000y\"", `:2: p0f.socket: "/run/x\x00y" has a NUL`},
		{"star", "[milter]\nlisten = [\"*:7825\"]", `:2: milter.listen: "*:7825": "*" is not an address; all addresses are ":7825"`},
		{"blank", "[amavis]\nlisten = [\" 127.0.0.1:2345\"]", `:2: amavis.listen: " 127.0.0.1:2345": " 127.0.0.1" is not an address; all addresses are ":2345"`},
		{"twice in other words", "[milter]\nlisten = [\"[::1]:7825\", \"127.0.0.1:7826\"]\n[policy]\nlisten = [\"[0:0::1]:7825\"]",
			`:4: policy.listen: "[0:0::1]:7825" is in use: milter.listen has "[::1]:7825"`},
		{"mapped twice", "[milter]\nlisten = [\"127.0.0.1:7825\"]\n[policy]\nlisten = [\"[::ffff:127.0.0.1]:7825\"]",
			`:4: policy.listen: "[::ffff:127.0.0.1]:7825" is in use: milter.listen has "127.0.0.1:7825"`},
		{"asks itself", "[sensor]\nask = \"/run/mxprint/query.sock\"\n[query]\nlisten = [\"unix:/run/mxprint/query.sock\"]",
			`:2: sensor.ask: "/run/mxprint/query.sock" is this sensor itself ([query] has "unix:/run/mxprint/query.sock"): name one that captures`},
		{"linklocal", "[milter]\nlisten = [\"[fe80::1]:7825\", \"[fe80::1%eth0]:7826\"]",
			`:2: milter.listen: "[fe80::1]:7825" is an address of one link: name its interface, as in [fe80::1%eth0]:7825`},
		{"rules", `[policy]
allow_names = ["*"]
allow_networks = ["0.0.0.0/0"]
[[policy.rules]]
name = "a"
when = "true"
action = "WARN"
[[policy.rules]]
name = "a b"
when = 'os_nam == "x"'
actoin = "WARN"`, `:2: policy.allow_names: "*": want a name such as mx.example.org, or .example.org for all below it
:3: policy.allow_networks: 0.0.0.0/0 is too wide: any machine in it would be on the allow list; name the networks of your own servers (/8 at least)
:8: policy.rules[2].action: want an action: PREPEND, WARN, CLASS, DEFER_IF_PERMIT, REJECT or DUNNO
:9: policy.rules[2].name: want letters, digits, - and _, at most 60 of them, not "a b"
:10: policy.rules[2].when: unknown name os_nam (1:1)
:11: policy.rules[2].actoin: unknown key; did you mean action?`},
		{"rule in one", "[policy]\nrules = 5", `:2: policy.rules: want a list, not a whole number`},
		{"both", `[sensor]
filter = "port 25"
filter_program = "none.bpf"`, `:3: sensor.filter_program: filter is given too: give one of them`},
		{"twice", "[limits]\nhosts = 5\nhosts = 6", `:3: limits.hosts: line 2 has it already: edit that one`},
		{"table twice", "[milter]\n# listen = []\n[limits]\n[milter]\nlisten = []", `:4: milter: line 1 has it already: edit that one`},
		{"key twice in one of many tables", "[[policy.rules]]\nname = \"a\"\n[[policy.rules]]\nname = \"b\"\nname = \"c\"", `:5: policy.rules.name: it stands twice in one table: keep one of them`},
		{"syntax", "[limits]\nhosts = = 5", `:2: limits.hosts: expected value but found '=' instead`},
		{"asktls", `[sensor]
ask = "tls:sensor.example:2526"`, `: sensor.ask_token_file: name the file with the token that the sensor wants`},
		{"asksock", `[sensor]
ask = "tls:/run/x"
ask_token_file = "token"`, `:2: sensor.ask: want the path of a query socket, HOST:PORT, or tls:HOST:PORT`},
		{"askca", `[sensor]
ask = "sensor.example:2526"
ask_ca = "ca.pem"`, `:3: sensor.ask_ca: it is for ask = "tls:HOST:PORT"`},
		{"askboth", `[sensor]
ask = "tls:sensor.example:2526"
ask_token_file = "token"
ask_cert = "ca.pem"
ask_ca = "ca.pem"`, `:5: sensor.ask_ca: ask_cert is given too: give one of them`},
		{"askname", `[sensor]
ask = "tls:sensor.example:2526"
ask_token_file = "token"
ask_cert = "ca.pem"
ask_name = "sensor.example"`, `:5: sensor.ask_name: ask_cert is given too, whose names do not count`},
		{"tlssock", `[query]
tls_listen = ["/run/x"]
tls_cert = "x"
tls_key = "x"
token_file = "x"`, `:2: query.tls_listen: "/run/x" is not ADDRESS:PORT`},
		{"tlscert", `[query]
tls_listen = ["127.0.0.1:2526"]`, ": query.tls_cert: name the file; tls_listen needs it\n" +
			": query.tls_key: name the file; tls_listen needs it\n" +
			": query.token_file: name the file; tls_listen needs it"},
		{"p0f unix", `[p0f]
socket = "unix:/run/x"`, `:2: p0f.socket: want the path alone, without "unix:"`},
		{"long path", "[milter]\nlisten = [\"/run/" + strings.Repeat("x", 200) + "\"]",
			":2: milter.listen: the path has 205 bytes, a socket's may have 107"},
		{"valkey address", `[store]
valkey = ["redis"]`, `:2: store.valkey: "redis" is neither a path nor HOST:PORT`},
		{"valkey several", `[store]
valkey = ["a:1", "b:1"]`, `:2: store.valkey: several servers: set valkey_cluster, or valkey_primary where they are Sentinels; otherwise name one`},
		{"valkey both", `[store]
valkey = ["a:1", "b:1"]
valkey_cluster = true
valkey_primary = "x"`, `:4: store.valkey_primary: valkey_cluster is set too: give one of them`},
		{"valkey unix", `[store]
valkey = ["/run/redis.sock"]
valkey_cluster = true
valkey_tls = true`, ":2: store.valkey: a Cluster and Sentinels are reached by HOST:PORT\n" +
			`:4: store.valkey_tls: it has no meaning with a unix socket`},
		{"valkey password", `[store]
valkey = ["a:1"]
valkey_user = "mxprint"
valkey_sentinel_password_file = "/x"`, ":3: store.valkey_user: name the file with its password, valkey_password_file\n" +
			`:4: store.valkey_sentinel_password_file: it is for valkey_primary`},
		{"valkey tls", `[store]
valkey = ["a:1"]
valkey_ca = "/x"
valkey_cert = "/y"`, ":3: store.valkey_ca: it is for valkey_tls = true\n:4: store.valkey_cert: it is for valkey_tls = true\n" +
			`: store.valkey_key: valkey_cert and valkey_key go together`},
		{"valkey name", `[store]
valkey = ["a:1"]
valkey_sensor = "mx 1"`, `:3: store.valkey_sensor: want a name of at most 64 letters, digits, and .-_`},
		{"valkey nothing", `[store]
valkey_tls = true
valkey_sensor = "mx1"`, ":2: store.valkey_tls: it is for store.valkey, which names no server\n" +
			`:3: store.valkey_sensor: it is for store.valkey, which names no server`},
		{"proxyfrom", `[query]
proxy_from = ["192.0.2.1"]`, `:2: query.proxy_from: "192.0.2.1" is no network such as 192.0.2.0/24`},
		{"proxymilter", `[milter]
proxy_from = ["nobody"]`, `:2: milter.proxy_from: "nobody" is no network such as 192.0.2.0/24`},
		{"noproxy", `[sensor]
source = "proxy"`, `:2: sensor.source: there are no connections: [proxy] has no listen`},
		{"backend", `[proxy]
listen = [":25"]`, `: proxy.backend: want HOST:PORT of the mail server, or the path of a unix socket`},
		{"proxylisten", `[proxy]
listen = ["25"]
backend = "127.0.0.1:10025"`, `:2: proxy.listen: "25" is not ADDRESS:PORT`},
		{"send", `[proxy]
listen = [":25"]
backend = "127.0.0.1:10025"
send = "smtp"`, `:4: proxy.send: want "v2", "v1", "xclient" or "none"`},
		{"Finding13 sendnone", `[proxy]
listen = [":25"]
backend = "127.0.0.1:10025"
send = "none"`, `:4: proxy.send: "none" makes every client one of the proxy's own address, from which most mail servers relay: ` +
			"have the mail server treat that address as a stranger's, and then set relay_checked = true"},
		{"Finding13 itself", `[proxy]
listen = ["192.0.2.1:25", ":25"]
backend = "127.0.0.1:25"`, ":2: proxy.listen: \":25\" is in use: proxy.listen has \"192.0.2.1:25\"\n" +
			`:3: proxy.backend: 127.0.0.1:25 is the proxy itself (listen has ":25")`},
		{"Finding13 itself by name", `[proxy]
listen = ["[::]:25"]
backend = "localhost:25"`, `:3: proxy.backend: localhost:25 is the proxy itself (listen has "[::]:25")`},
		{"Finding13 itself on loopback", `[proxy]
listen = ["127.0.0.1:25"]
backend = "localhost:25"`, `:3: proxy.backend: localhost:25 is the proxy itself (listen has "127.0.0.1:25")`},
		{"Finding13 itself, one address", `[proxy]
listen = ["192.0.2.1:25"]
backend = "192.0.2.1:25"`, `:3: proxy.backend: 192.0.2.1:25 is the proxy itself (listen has "192.0.2.1:25")`},
		{"Finding13 proxyfrom all", `[proxy]
proxy_from = ["0.0.0.0/0"]`, `:2: proxy.proxy_from: 0.0.0.0/0 is too wide: any machine in it could claim any client address; name the networks of your own servers (/8 at least)`},
		{"Finding13 proxyfrom halves", `[query]
proxy_from = ["10.0.0.0/8", "fc00::/7", "128.0.0.0/1"]`, `:2: query.proxy_from: 128.0.0.0/1 is too wide: any machine in it could claim any client address; name the networks of your own servers (/8 at least)`},
		{"Finding13 proxyfrom IPv6", `[milter]
proxy_from = ["::/0"]`, `:2: milter.proxy_from: ::/0 is too wide: any machine in it could claim any client address; name the networks of your own servers (/7 at least)`},
		{"Finding13 allow", `[amavis]
allow = ["0.0.0.0/0"]`, `:2: amavis.allow: 0.0.0.0/0 is too wide: any machine in it could ask, and have answers sent to others; name the networks of your own servers (/8 at least)`},
		{"Finding13 log", `[log]
p0f = "./FILE"`, `:2: log.p0f: ./ is the file of the configuration: name another`},
		{"Finding13 logs", `[log]
p0f = "x.log"
json = "x.log"`, `:3: log.json: x.log is the file of log.p0f: name another`},
		{"Finding13 unknown", `[signatures]
file = "a.fp"
unknown = "a.fp"`, `:3: signatures.unknown: a.fp is the file of signatures.file: name another`},
		{"store", `[log]
json = "/x/a"
[store]
path = "/x/a"`, `:4: store.path: /x/a is the file of log.json: name another`},
		{"state", `[sensor]
ask = "tls:192.0.2.1:2526"
ask_token_file = "/x/a"
ask_cert = "/x/b"
[limits]
state = "/x/b"`, `:6: limits.state: /x/b is the file of sensor.ask_cert: name another`},
		{"sendnote", `[proxy]
listen = [":25"]
backend = "127.0.0.1:10025"
send = "v1"
send_note = true`, `:5: proxy.send_note: only send = "v2" has room for it`},
		{"idle", `[proxy]
idle = "10s"`, `:2: proxy.idle: want a duration from "1m" to "24h"`},
		{"drain", `[proxy]
drain = "2h"`, `:2: proxy.drain: want a duration from "0s" to "1h"`},
		{"maxproxy", "[proxy]\nmax_connections = 0", `:2: proxy.max_connections: want 1 to 1000000`},
		{"source", `[sensor]
source = "ebpf"`, `:2: sensor.source: want "capture", "sockops" or "proxy"`},
		{"tunnel", `[sensor]
decapsulate = ["vxlan", "l2tp"]`, `:2: sensor.decapsulate: "l2tp" is not a kind of encapsulation (vlan,snap,mpls,pppoe,ipip,6in4,gre,erspan,vxlan,geneve, all)`},
		{"tunnels of strangers", `[sensor]
decapsulate = ["pppoe", "vxlan", "gre"]`, `:2: sensor.decapsulate: any host can send gre,vxlan: name the networks of your own mirrors in decapsulate_from`},
		{"tunnels from all", `[sensor]
decapsulate = ["gre"]
decapsulate_from = ["0.0.0.0/0"]`, `:3: sensor.decapsulate_from: 0.0.0.0/0 is too wide: any machine in it could claim any client address; name the networks of your own servers (/8 at least)`},
		{"tunnels from an address", `[sensor]
decapsulate = ["gre"]
decapsulate_from = ["192.0.2.1"]`, `:3: sensor.decapsulate_from: "192.0.2.1" is no network such as 192.0.2.0/24`},
		{"tunnels from, alone", `[sensor]
decapsulate_from = ["192.0.2.0/24"]`, `:2: sensor.decapsulate_from: it is for decapsulate with ipip,6in4,gre,erspan,vxlan,geneve`},
		{"tunnels and a program", `[sensor]
filter_program = "x"
decapsulate = ["pppoe"]`, `:3: sensor.decapsulate: filter_program is given too, which cannot be matched with packets inside tunnels: use filter`},
		{"tunnels of another", `[sensor]
ask = "/run/x"
decapsulate = ["pppoe"]`, `:3: sensor.decapsulate: ask is given too, and the sensor that is asked captures: set it there`},
		{"tunnels of the kernel", `[sensor]
source = "sockops"
decapsulate = ["pppoe"]`, `:3: sensor.decapsulate: it has no meaning with source = "sockops", which sees no tunnels`},
		{"ports", `[sensor]
source = "sockops"
ports = [25, 70000]`, `:3: sensor.ports: want 1 to 64 ports, each from 1 to 65535`},
		{"noports", `[sensor]
source = "sockops"
ports = []`, `:3: sensor.ports: want 1 to 64 ports, each from 1 to 65535`},
		{"capports", "[sensor]\nports = [2525]", `:2: sensor.ports: it is for source = "sockops"`},
		{"capcgroup", `[sensor]
cgroup = "/sys/fs/cgroup"`, `:2: sensor.cgroup: it is for source = "sockops"`},
		{"sockask", `[sensor]
source = "sockops"
ask = "/run/mxprint/query.sock"`, `:3: sensor.ask: source = "sockops" is given too: give one of them`},
		{"sockif", `[sensor]
source = "sockops"
interfaces = ["lo"]`, `:3: sensor.interfaces: it has no meaning with source = "sockops"; ports say what to take`},
		{"sockfilter", `[sensor]
source = "sockops"
filter = "port 25"`, `:3: sensor.filter: it has no meaning with source = "sockops"; ports say what to take`},
		{"sockprogram", `[sensor]
source = "sockops"
filter_program = "x"`, `:3: sensor.filter_program: it has no meaning with source = "sockops"; ports say what to take`},
		{"octal", "[p0f]\nmode = 0666", `:2: p0f.mode: want it in quotes, such as "0660"`},
		{"interface", "[sensor]\ninterface = \"eth0\"", `:2: sensor.interface: unknown key; did you mean interfaces?`},
		{"header", "[milter]\nheader = \"X p0f\"", `:2: milter.header: invalid header: ' ' in the name "X p0f"`},
		{"all of them", `[limit]
hosts = 1
[limits]
hosts = "many"
[p0f]
max_clients = 0
wait = "2s"
colour = "blue"
[query]
tls_listen = [":2526"]`, `:1: limit: unknown key; did you mean limits?
:4: limits.hosts: want a whole number, not a text
:6: p0f.max_clients: want 1 to 1000000
:7: p0f.wait: want a duration from "0s" to "1s"
:8: p0f.colour: unknown key
: query.tls_cert: name the file; tls_listen needs it
: query.tls_key: name the file; tls_listen needs it
: query.token_file: name the file; tls_listen needs it`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Parse("FILE", tt.text)
			if err == nil {
				t.Fatal("no fault")
			}
			if got := strings.ReplaceAll(err.Error(), "FILE", ""); got != tt.want {
				t.Errorf("\n%s\n%s\nwant\n%s", tt.text, got, tt.want)
			}
		})
	}
}

// TestDefaults: an empty file means the defaults, and these have no fault.
func TestDefaults(t *testing.T) {
	c, err := Parse("FILE", "")
	if err != nil {
		t.Fatal(err)
	}
	want := Default()
	want.path = "FILE"
	if diff := cmp.Diff(want, c, cmp.AllowUnexported(Config{})); diff != "" {
		t.Error(diff)
	}
	if faults := Default().Check(); len(faults) > 0 {
		t.Error(faults)
	}
}

// TestParse puts every kind of value where it belongs.
func TestParse(t *testing.T) {
	c, err := Parse("FILE", `
[sensor]
promiscuous = true
interfaces = ["eth0", "eth1"]
workers = 2
[limits]
host_age = "1h30m"
[milter]
listen = ["/run/x", "inet:127.0.0.1:7825"]
deadline = "1s"
`)
	if err != nil {
		t.Fatal(err)
	}
	want := Default()
	want.path, want.text = c.path, c.text
	want.Sensor.Promiscuous, want.Sensor.Interfaces, want.Sensor.Workers = true, []string{"eth0", "eth1"}, 2
	want.Limits.HostAge = 90 * time.Minute
	want.Milter.Listen, want.Milter.Deadline = []string{"/run/x", "inet:127.0.0.1:7825"}, time.Second
	if diff := cmp.Diff(want, c, cmp.AllowUnexported(Config{})); diff != "" {
		t.Error(diff)
	}
}

// TestAsksOther: what listens on another address of this machine is no listener on the
// loopback, which a tunnel to another machine may have.
func TestAsksOther(t *testing.T) {
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range addrs {
		ip := netip.MustParsePrefix(a.String()).Addr()
		if ip.IsLoopback() || ip.IsLinkLocalUnicast() {
			continue
		}
		at := netip.AddrPortFrom(ip, 7824)
		if _, err := Parse("FILE", fmt.Sprintf("[sensor]\nask = \"localhost:7824\"\n[query]\nlisten = [\"%s\"]", at)); err != nil {
			t.Errorf("listening on %s: %v", at, err)
		}
		return
	}
	lab.Skip(t, "needs an address besides the loopback")
}

// TestOpener: a stranger's tunnel is opened by no configuration that loads.
func TestOpener(t *testing.T) {
	c, err := Parse("FILE", "[sensor]\ndecapsulate = [\"vxlan\", \"mpls\"]\ndecapsulate_from = [\"192.0.2.0/24\", \"2001:db8::/32\"]")
	if err != nil {
		t.Fatal(err)
	}
	o, err := c.Sensor.Opener()
	if err != nil || o.Kinds.String() != "mpls,vxlan" {
		t.Fatalf("Opener = %v, %v", o.Kinds, err)
	}
	for addr, want := range map[string]bool{"192.0.2.9": true, "192.0.3.9": false, "2001:db8::1": true, "2001:db9::1": false} {
		if got := o.Trusted(netip.MustParseAddr(addr)); got != want {
			t.Errorf("Trusted(%s) = %v, want %v", addr, got, want)
		}
	}
	none, err := Default().Sensor.Opener()
	if err != nil || none.Kinds != 0 || none.Trusted(netip.MustParseAddr("192.0.2.9")) {
		t.Errorf("without the keys: %v, %v", none.Kinds, err)
	}
	const want = "tunnels    vxlan, mpls from 192.0.2.0/24, 2001:db8::/32\n"
	if text := c.Describe(0); !strings.Contains(text, want) {
		t.Errorf("Describe = %q, without %q", text, want)
	}
}

func TestEndpoint(t *testing.T) {
	for _, tt := range []struct {
		text, network, addr string
		bad                 bool
	}{
		{"/run/x", "unix", "/run/x", false},
		{"unix:/run/x", "unix", "/run/x", false},
		{"127.0.0.1:25", "tcp", "127.0.0.1:25", false},
		{"inet:[::1]:25", "tcp", "[::1]:25", false},
		{":0", "tcp", ":0", false},
		{"mx.example:smtp", "", "", true},
		{"127.0.0.1:65536", "", "", true},
		{"25", "", "", true},
		{"", "", "", true},
		{"unix:run/x", "", "", true},
	} {
		network, addr, err := Endpoint(tt.text)
		if (err != nil) != tt.bad || !tt.bad && (network != tt.network || addr != tt.addr) {
			t.Errorf("Endpoint(%q) = %q, %q, %v", tt.text, network, addr, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, text := range []string{"", "[limits]\nhosts = 5", "sensor = 1", "[sensor]\nports = [25, []]", "[[sensor]]", "[p0f]\nwait = 1979-05-27", "a.b.c = {d = 1}"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		c, err := Parse("FILE", text)
		if err == nil && len(c.Check()) > 0 {
			t.Errorf("taken with faults: %v", c.Check())
		}
	})
}

// TestFinding15ModeOfNone: the strictest mode is refused, for every kind of socket:
// it became 0666.
func TestFinding15ModeOfNone(t *testing.T) {
	for _, table := range []string{"p0f", "query", "milter", "policy", "http", "store"} {
		for _, mode := range []string{"0000", "0", "000"} {
			_, err := Parse("FILE", "["+table+"]\nmode = \""+mode+"\"")
			if want := "FILE:2: " + table + `.mode: want permission bits in octal, such as "0660"`; err == nil || err.Error() != want {
				t.Errorf("mode %s: %v, want %s", mode, err, want)
			}
		}
	}
}

// TestFolderWarnings: a folder is reported whose files other users can replace, one
// that does not exist yet is not.
func TestFolderWarnings(t *testing.T) {
	for _, tt := range []struct {
		mode fs.FileMode
		open bool
	}{{0o700, false}, {0o755, false}, {0o775, true}, {0o777, true}, {0o777 | fs.ModeSticky, true}, {0, false}} {
		folder := filepath.Join(t.TempDir(), "folder")
		if tt.mode != 0 {
			if err := errors.Join(os.Mkdir(folder, 0o700), os.Chmod(folder, tt.mode)); err != nil {
				t.Fatal(err)
			}
		}
		for key, text := range map[string]string{
			"store.path":   "[store]\npath = \"" + folder + "/db\"",
			"limits.state": "[limits]\nstate = \"" + folder + "/memory\"",
			"export.spool": "[export]\nclickhouse = \"http://127.0.0.1:8123\"\nspool = \"" + folder + "\"\nkey_file = \"/etc/key\"",
		} {
			c, err := Parse("w", text)
			if err != nil {
				t.Fatal(err)
			}
			var want string
			if tt.open {
				want = fmt.Sprintf("%s: %s has mode %04o: other users can replace the files in it; chmod go-w %s, or name another folder", key, folder, tt.mode.Perm(), folder)
			}
			if tt.mode&fs.ModeSticky != 0 { // what works with /tmp must not lose its mode
				want = fmt.Sprintf("%s: %s is open to all users: another one can make files in it first; name another folder", key, folder)
			}
			got := c.Warnings().Error()
			if i := strings.Index(got, key); i >= 0 {
				got = got[i:]
			}
			if got != want {
				t.Errorf("%s of mode %v: Warnings = %q, want %q", key, tt.mode, got, want)
			}
		}
	}
}

// TestFinding13Warnings: listeners without protection are reported, and those
// that a machine of others does not reach are not.
func TestFinding13Warnings(t *testing.T) {
	for _, tt := range []struct{ name, text, want string }{
		{"query", "[query]\nlisten = [\"/run/x\", \":2526\"]", `w:2: query.listen: ":2526" is on all addresses without protection: any machine that reaches it gets answers and may reload the signatures; listen on 127.0.0.1, or use tls_listen`},
		{"milter", "[milter]\nlisten = [\"inet:0.0.0.0:7825\"]", `w:2: milter.listen: "inet:0.0.0.0:7825" is on all addresses without protection: any machine that reaches it may ask; listen on 127.0.0.1, or have a firewall in front`},
		{"policy", "[policy]\nlisten = [\"[::]:7826\"]", `w:2: policy.listen: "[::]:7826" is on all addresses without protection: any machine that reaches it may ask; listen on 127.0.0.1, or have a firewall in front`},
		{"rules without a front", "[milter]\nlisten = [\"/run/m\"]\n[[policy.rules]]\nname = \"a\"\nwhen = 'state == \"known\"'\naction = \"warn\"", "w:3: policy.rules: no front asks for these rules: only the policy service does, and policy.listen is empty; mxprint rules test tries them"},
		{"rules", "[policy]\nlisten = [\"127.0.0.1:7826\"]\n[[policy.rules]]\nname = \"a\"\nwhen = 'state == \"known\"'\naction = \"warn\"", ""},
		{"loopback", "[query]\nlisten = [\"127.0.0.1:2526\", \"[::1]:2526\"]", ""},
		{"balanced", "[milter]\nlisten = [\":7825\"]\nproxy_from = [\"192.0.2.0/24\"]", ""},
		{"proxy", "[proxy]\nlisten = [\":25\"]\nbackend = \"127.0.0.1:10025\"", ""},
		{"checked", "[proxy]\nlisten = [\":25\"]\nbackend = \"127.0.0.1:10025\"\nsend = \"none\"\nrelay_checked = true", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, err := Parse("w", tt.text)
			if err != nil {
				t.Fatal(err)
			}
			if got := c.Warnings().Error(); got != tt.want {
				t.Errorf("Warnings = %q\nwant %q", got, tt.want)
			}
		})
	}
}
