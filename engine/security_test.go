package engine

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mxprint/mxprint/note"
	"github.com/mxprint/mxprint/packet"
)

// seenRow is a row of docs/security.md: what was seen, and what may be said where
// the packets were captured, and where the kernel kept the SYN. Each play makes
// the sensor see it.
type seenRow struct {
	seen          string
	capture, kept string
	plays         []play
}

// play is what happens before the mail server asks about the connection of the
// first machine. The answers name the machine, 1 or 2, and are late if the
// whole wait was over.
type play struct {
	capture, kept string
	happens       func(c *session, kept bool)
}

// host1 and host2 are two machines with one address and, if seq differs, two SYNs
// between the same ends. Their distances are 1 and 2.
func host1(seq uint32) packet.Segment { return far(1111, seq, 63) }
func host2(seq uint32) packet.Segment { return far(2222, seq, 62) }

func far(window uint16, seq uint32, ttl uint8) packet.Segment {
	s := machine(window, seq)
	s.TTL = ttl
	return s
}

// server sends what a server does; sensors that get SYNs from the kernel see none
// of it.
func (c *session) server(kept bool, segments ...packet.Segment) {
	if !kept {
		c.send(segments...)
	}
}

var seenRows = []seenRow{
	{
		"the SYN of this connection, between the two ends that were asked about, and the server's SYN+ACK",
		"by connection", "by connection",
		[]play{{"connection 1", "connection 1", func(c *session, kept bool) {
			c.send(host1(1))
			c.server(kept, opens(host1(1))...)
		}}},
	},
	{
		"that SYN, and no packet of the server's (the filter does not take them)",
		"by connection", "by connection",
		[]play{{"connection 1", "connection 1", func(c *session, kept bool) { c.send(host1(1)) }}},
	},
	{
		"a second SYN between the same ends within the connection",
		"the first stays; where the two cannot be distinguished the answer is the address's and `ambiguous`",
		"by connection, the second: the handshake was complete, so that it is of the next connection",
		[]play{
			{"connection 1 late", "connection 2", func(c *session, kept bool) {
				c.send(host1(1))
				c.server(kept, opens(host1(1))...)
				c.send(host2(70_000))
			}},
			{"ambiguous 2 late", "connection 2", func(c *session, kept bool) { c.send(host1(1), host2(70_000)) }},
		},
	},
	{
		"a SYN from that port to another address or port of the server",
		"after the wait: that SYN, `ambiguous`, not by connection", "the same",
		[]play{
			{"ambiguous 1 late", "ambiguous 1 late", func(c *session, kept bool) {
				other := host1(1)
				other.Dst = netip.AddrPortFrom(other.Dst.Addr().Next(), other.Dst.Port())
				c.send(other)
				c.server(kept, opens(other)...)
			}},
			{"ambiguous 1 late", "ambiguous 1 late", func(c *session, kept bool) {
				other := host1(1)
				other.Dst = netip.AddrPortFrom(other.Dst.Addr(), 587)
				c.send(other)
			}},
		},
	},
	{
		"a SYN with the same ends whose connection has ended",
		"after the wait: the same", "by connection, for ends are not seen; if it was asked about before, after 2 ms",
		[]play{
			{"ambiguous 1 late", "connection 1", func(c *session, kept bool) {
				c.send(host1(1))
				c.server(kept, opens(host1(1))...)
				c.server(kept, closes(host1(1)))
			}},
			{"ambiguous 1 late", "connection 1 after 2ms", func(c *session, kept bool) {
				c.send(host1(1))
				c.server(kept, opens(host1(1))...)
				c.ask()
				c.server(kept, closes(host1(1)))
			}},
		},
	},
	{
		"only other SYNs of the address",
		"after the wait: the address's answer, not by connection", "the same",
		[]play{{"address 2 late", "address 2 late", func(c *session, kept bool) {
			other := host2(1)
			other.Src = netip.AddrPortFrom(other.Src.Addr(), 999)
			c.send(other)
			c.server(kept, opens(other)...)
		}}},
	},
	{
		"a connection that came by SYN cookie",
		"by connection", "none, `unavailable`: the kernel no longer has the SYN",
		[]play{
			{"connection 1", "unavailable", func(c *session, kept bool) { c.cookie(kept, host1(1)) }},
			{"connection 1", "unavailable", func(c *session, kept bool) {
				other := host2(1)
				other.Src = netip.AddrPortFrom(other.Src.Addr(), 999)
				c.send(other)
				c.cookie(kept, host1(1))
			}},
		},
	},
	{
		"nothing", "after the wait: not seen", "the same",
		[]play{{"not seen late", "not seen late", func(*session, bool) {}}},
	},
}

// cookie is a connection whose SYN the kernel answered by a cookie.
func (c *session) cookie(kept bool, syn packet.Segment) {
	if kept {
		c.e.Missed(syn.Src, syn.Dst)
		return
	}
	c.send(syn)
	c.send(opens(syn)...)
}

// seenWait is how long the mail server waits.
const seenWait = 50 * time.Millisecond

// ask asks about the connection of the machines, and puts the answer into words.
func (c *session) ask() string {
	q := note.Query{Client: host1(0).Src, Server: host1(0).Dst, Wait: seenWait}
	begin := time.Now()
	n, err := c.e.Lookup(c.ctx, q)
	var words string
	switch {
	case errors.Is(err, ErrNoSYN) && n.State == note.Unavailable:
		words = "unavailable"
	case err != nil:
		words = err.Error()
	case n.State == note.NotSeen:
		words = "not seen"
	case n.ByConnection && !n.Ambiguous:
		words = "connection"
	case n.Ambiguous && !n.ByConnection && n.RawSig == "":
		words = "ambiguous"
	case !n.ByConnection:
		words = "address"
	}
	if d, ok := n.Distance.Hops(); ok {
		words += fmt.Sprint(" ", d)
	}
	switch took := time.Since(begin); took {
	case 0:
	case seenWait:
		words += " late"
	default:
		words += " after " + took.String()
	}
	return words
}

// TestSeenAndSaid has a case for each row of the table in docs/security.md, and
// holds the table to what the engine says.
func TestSeenAndSaid(t *testing.T) {
	rows := securityTable(t, "| seen |")
	for _, row := range rows {
		if !slices.ContainsFunc(seenRows, func(r seenRow) bool { return slices.Equal(row, []string{r.seen, r.capture, r.kept}) }) {
			t.Errorf("docs/security.md has a row without a case: %q", row)
		}
	}
	if len(rows) != len(seenRows) {
		t.Errorf("docs/security.md has %d rows, want %d", len(rows), len(seenRows))
	}
	for _, row := range seenRows {
		for i, p := range row.plays {
			for _, kept := range []bool{false, true} {
				synctest.Test(t, func(t *testing.T) {
					c := newSession(t)
					want := p.capture
					if kept {
						c, want = newKeptSession(t), p.kept
					}
					p.happens(c, kept)
					if got := c.ask(); got != want {
						t.Errorf("%s (%d, kept by the kernel %v): %q, want %q", row.seen, i, kept, got, want)
					}
				})
			}
		}
	}
}

// forgeRows are the rows of the table of what a stranger can forge: those of a
// capture have a case here, the others the test that shows it.
var forgeRows = []struct {
	source, can string
	check       func(t *testing.T, c *session)
	file, test  string
}{
	{"capture, answer by address", "yes, by one packet with that source address: as with p0f", func(t *testing.T, c *session) {
		c.send(host1(1))
		c.send(opens(host1(1))...)
		other := host2(1)
		other.Src = netip.AddrPortFrom(other.Src.Addr(), 999)
		c.send(other)
		n, err := c.e.Lookup(c.ctx, note.Query{Client: at(host1(1).Src.Addr())})
		if d, _ := n.Distance.Hops(); err != nil || d != 2 || n.SYNs != 2 || n.Handshakes != 1 {
			t.Errorf("the address's answer is %+v, %v; want that of the forged SYN, 2 SYNs and 1 handshake", n, err)
		}
	}, "", ""},
	{"capture, answer by connection", "only by a packet with the port, at the right moment", func(t *testing.T, c *session) {
		c.send(host2(1))
		if got := c.ask(); got != "connection 2" {
			t.Errorf("a forged SYN in time: %q, want it to be taken as the page says", got)
		}
		c.send(host1(70_000))
		c.send(opens(host1(70_000))...)
		if got := c.ask(); got != "connection 1" {
			t.Errorf("after the handshake of the genuine one: %q", got)
		}
	}, "", ""},
	{"sockops, proxy, savedsyn", "no: the kernel kept the SYN of a connection whose handshake was completed", nil,
		"../internal/sockops/forge_linux_test.go", "TestFinding06OtherNamespaces"},
	{"`sensor.ask`", "what the other sensor says; by TLS it is the one whose certificate you named", nil,
		"../query/token_test.go", "TestTokenByTLS"},
}

// TestForgeable has a case for each row of the second table.
func TestForgeable(t *testing.T) {
	rows := securityTable(t, "| source |")
	if len(rows) != len(forgeRows) {
		t.Errorf("docs/security.md has %d rows, want %d", len(rows), len(forgeRows))
	}
	for _, row := range forgeRows {
		if !slices.ContainsFunc(rows, func(r []string) bool { return slices.Equal(r, []string{row.source, row.can}) }) {
			t.Errorf("docs/security.md lacks the row %q", row.source)
		}
		if row.check != nil {
			synctest.Test(t, func(t *testing.T) { row.check(t, newSession(t)) })
			continue
		}
		if text, err := os.ReadFile(row.file); err != nil || !strings.Contains(string(text), "func "+row.test+"(t ") {
			t.Errorf("%s: %s has no %s, %v", row.source, row.file, row.test, err)
		}
	}
}

// securityTable returns the cells of a table of docs/security.md, which has a
// first line that begins so.
func securityTable(t *testing.T, begin string) (rows [][]string) {
	t.Helper()
	text, err := os.ReadFile("../docs/security.md")
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(text), "\n")
	i := slices.IndexFunc(lines, func(l string) bool { return strings.HasPrefix(l, begin) })
	if i < 0 {
		t.Fatalf("docs/security.md has no table %q", begin)
	}
	for _, line := range lines[i+2:] {
		if !strings.HasPrefix(line, "|") {
			break
		}
		var row []string
		for _, cell := range strings.Split(strings.Trim(line, "|"), "|") {
			row = append(row, strings.TrimSpace(cell))
		}
		rows = append(rows, row)
	}
	return rows
}
