package shared_test

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/mxprint/mxprint/internal/shared"
	"github.com/mxprint/mxprint/internal/test/valkeylab"
	"github.com/mxprint/mxprint/note"
)

// knows is a sensor that knows every connection, or none.
type knows struct {
	yes  bool
	note note.Note
}

func (k knows) Lookup(context.Context, note.Query) (note.Note, error) {
	if k.yes {
		return k.note, nil
	}
	return note.Note{State: note.NotSeen}, nil
}

// TestScale measures what a connection takes of the shared store: commands, bytes on
// the wire, memory, CPU time of the server. docs/scale.md has the figures. One sensor
// sees each connection and answers its own mail server; or another one answers for
// it. The addresses are one, all different, or two for three connections.
func TestScale(t *testing.T) {
	n, err := strconv.Atoi(cmp.Or(os.Getenv("MXPRINT_FLEET_CONNECTIONS"), "200"))
	if err != nil {
		t.Fatal(err)
	}
	measureShared(t, n, 1, false)
	measureShared(t, n, n, false)
	measureShared(t, n, max(n*2/3, 1), true)
}

func measureShared(t *testing.T, n, addresses int, elsewhere bool) {
	redis := valkeylab.Start(t, valkeylab.Options{})
	full := note.Note{State: note.Matched, ByConnection: true, OSName: "Linux", OSFlavor: "6.16 and newer", RawSig: "4:64+0:0:1460:mss*44,10:mss,sok,ts,nop,ws:df,id+:0",
		Distance: note.Hops(3), LinkType: "Ethernet", MTU: 1500, TotalConn: 1, FirstSeen: time.Unix(1_700_000_000, 0), LastSeen: time.Unix(1_700_000_000, 0)}
	said := &note.Note{
		TLS:      &note.TLS{State: note.Complete, Library: "OpenSSL", Release: "3.0 to 3.4", Version: "1.3", JA4: "t13d1516h2_8daaf6152771_e5627efa2ab1"},
		Software: &note.Software{State: note.Matched, Name: "Postfix", Flavor: "3.4 and newer", Dialect: "hello=ehlo lines=crlf mail=upper rcpt=upper data=dot quit=yes", Reading: note.Complete},
		Conduct:  &note.Findings{State: note.Complete}, Flow: &note.Flow{HandshakeRTT: 20 * time.Millisecond, TCPRTT: 20 * time.Millisecond, SMTPRTT: 30 * time.Millisecond},
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	open := func(name string) *shared.Store {
		s := shared.Open(shared.Config{Servers: []string{redis.Addr}, Sensor: name, Version: "1"})
		s.Connection = func(netip.AddrPort, netip.AddrPort) (note.Note, bool) { return full, true }
		go s.Run(ctx)
		return s
	}
	sees := open("mx1")
	asks, who := sees, knows{true, full}
	if elsewhere {
		asks, who = open("mx2"), knows{}
	}
	look := &shared.Lookuper{Who: who, Store: asks}
	idle := func() bool {
		a, b := sees.Stats(), asks.Stats()
		return a.Queued == 0 && b.Queued == 0 && a.Fault == "" && b.Fault == ""
	}
	settle := func() {
		for end := time.Now().Add(time.Minute); !idle(); time.Sleep(time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("%+v, %+v", sees.Stats(), asks.Stats())
			}
		}
	}
	settle()
	begin, before := time.Now(), infoOf(redis)
	r := rand.New(rand.NewPCG(28, 2))
	server := netip.MustParseAddrPort("198.51.100.25:25")
	answered := 0
	for i := range n {
		a := i
		if a >= addresses {
			a = r.IntN(addresses)
		}
		client := netip.AddrPortFrom(netip.AddrFrom4([4]byte{11, byte(a >> 16), byte(a >> 8), byte(a)}), uint16(1024+r.IntN(60000)))
		sees.Opened(client, server)
		if elsewhere {
			settle()
		}
		q := note.Query{Client: client, Server: server, Hello: fmt.Sprintf("mail%d.example.org", a), Wait: 20 * time.Millisecond}
		if got, err := look.Lookup(ctx, q); err == nil && got.ByConnection {
			answered++
		}
		sees.Session(client, server, said)
		sees.Closed(client, server)
		if i%100 == 99 {
			settle()
		}
	}
	settle()
	took, after := time.Since(begin), infoOf(redis)
	per := func(name string) float64 { return (after[name] - before[name]) / float64(n) }
	t.Logf("answered elsewhere %t: %d connections from %d addresses in %v, %d answered by connection; a connection: %.1f commands, %.0f bytes in, %.0f bytes out, %.0f bytes of memory in %.1f keys, %.1fµs of the server's CPU time; %.0f clients",
		elsewhere, n, addresses, took.Round(time.Millisecond), answered, per("total_commands_processed"), per("total_net_input_bytes"), per("total_net_output_bytes"), per("used_memory"), per("keys"),
		1e6*(per("used_cpu_user")+per("used_cpu_sys")), after["connected_clients"]-1)
	if answered < n/2 { // a busy machine does not answer within 5 ms each time
		t.Errorf("%d of %d were answered: %+v", answered, n, asks.Stats())
	}
}

var figure = regexp.MustCompile(`(?m)^([a-z_]+):([0-9.]+)\r?$`)

// infoOf reads the figures of INFO.
func infoOf(s *valkeylab.Server) map[string]float64 {
	all := map[string]float64{}
	text := s.CLI("INFO", "everything")
	for _, m := range figure.FindAllStringSubmatch(text, -1) {
		all[m[1]], _ = strconv.ParseFloat(m[2], 64)
	}
	if _, rest, ok := strings.Cut(text, "db0:keys="); ok {
		digits, _, _ := strings.Cut(rest, ",")
		all["keys"], _ = strconv.ParseFloat(digits, 64)
	}
	return all
}
