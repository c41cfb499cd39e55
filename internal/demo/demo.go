// Package demo shows what the program does, without root, configuration or mail
// server: it names the senders of SYNs that it has with it, and of connections
// that it makes over loopback. It sends nothing to the network.
package demo

import (
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"github.com/mxprint/mxprint/note"
	"github.com/mxprint/mxprint/packet"
	"github.com/mxprint/mxprint/savedsyn"
)

// replays are SYNs of other systems, each from its IP header on.
var replays = []struct{ title, syn string }{
	{"a Windows PC, eleven hops away",
		"450000340001400075060000c0000201c00002029c40001900000001000000008002faf000000000020405b40103030801010402"},
	{"an iPhone",
		"450000400000400034060000c0000201c00002029c4000190000000100000000b002ffff00000000020405b4010303060101080a000000010000000004020000"},
	{"a FreeBSD server on a DSL line",
		"4500003c0000400035060000c0000201c00002029c4000190000000100000000a002ffff00000000020405ac010303060402080a0000000100000000"},
	{"Ubuntu with Linux 4.4", // captured: testdata/lab/ubuntu-4.4-default.pcap
		"4500003c5900400040065594c6120001c6120002c368001933b5843400000000a00272108c560000020405b40402080afffedd340000000001030307"},
	{"a Linux box last updated in 2008",
		"4500003c0001400031060000c0000201c00002029c4000190000000100000000a00216d000000000020405b40402080a000000010000000001030307"},
	{"masscan, a port scanner with a TCP stack of its own",
		"4500002c00010000ef060000c0000201c00002029c40001900000001000000006002040100000000020405b4"},
}

// sender is a socket that connects: how it is tuned, by what any user may set.
// Zero leaves a setting as it is.
type sender struct {
	title  string
	v6     bool
	mptcp  bool
	ttl    int
	mss    int // bytes
	rcvbuf int // bytes
}

var senders = []sender{
	{title: "a socket as it comes"},
	{title: "the same over IPv6", v6: true},
	{title: "MSS 1452 and TTL 55: behind PPPoE, nine hops away", mss: 1452, ttl: 55},
	{title: "a window of 16 KiB (SO_RCVBUF)", rcvbuf: 16 << 10},
	{title: "Multipath TCP", mptcp: true},
}

// demo is the demonstration.
type demo struct {
	out     io.Writer
	err     error // of the first write that failed
	colour  bool
	unnamed int
	header  string // of the last sender that was named by a live connection
}

// Run names senders on w, in colour or without, until ctx ends. It returns an
// error when a sender has no name, or w fails.
func Run(ctx context.Context, w io.Writer, colour bool) error {
	d := &demo{out: w, colour: colour}
	d.print("Every TCP connection begins with a packet, the SYN, that the sender's kernel writes in\n" +
		"a way of its own. Before a sender says a word, that names its system.\n")
	d.replay()
	d.live(ctx)
	d.end()
	if d.err != nil {
		return fmt.Errorf("writing the output: %w", d.err)
	}
	if d.unnamed > 0 {
		return fmt.Errorf("demo: %d senders have no name", d.unnamed)
	}
	return nil
}

func (d *demo) print(format string, args ...any) {
	if d.err == nil {
		_, d.err = fmt.Fprintf(d.out, format, args...)
	}
}

// paint puts text between an ANSI sequence and the one that ends it.
func (d *demo) paint(sequence, text string) string {
	if !d.colour {
		return text
	}
	return "\x1b[" + sequence + "m" + text + "\x1b[0m"
}

func (d *demo) heading(text string) { d.print("\n%s\n", d.paint("1", text)) }

// replay names the SYNs of other systems.
func (d *demo) replay() {
	d.heading("Replayed: SYNs of other systems")
	d.print("(Ubuntu's was captured in the lab of this project, testdata/lab; the others are built\n" +
		"from the rules of the built-in database.)\n")
	for i, r := range replays {
		s, err := decode(r.syn)
		if err != nil {
			d.unnamed++
			d.print("\n%s\n  %v\n", r.title, err)
			continue
		}
		n := savedsyn.Name(nil, &s)
		d.show(r.title, &n)
		if i == 0 {
			d.print("  That line is the raw signature: IPv4, TTL 117 after 11 hops, no IP options, MSS 1460,\n" +
				"  window 44 times the MSS, scale 8, the order of the TCP options, do-not-fragment\n" +
				"  with an IP ID, no data.\n")
		}
	}
}

func decode(text string) (packet.Segment, error) {
	syn, err := savedsyn.Parse(text)
	if err != nil {
		return packet.Segment{}, err
	}
	return savedsyn.Decode(syn)
}

// live names connections of this machine to itself.
func (d *demo) live(ctx context.Context) {
	d.heading("Live: connections over loopback")
	d.print("(A listener has the kernel keep the first packet of each connection.)\n")
	for _, s := range senders {
		if ctx.Err() != nil || d.err != nil {
			return
		}
		n, err := s.connect(ctx)
		if err != nil {
			d.print("\n%s\n  left out: %v\n", s.title, err)
			continue
		}
		d.show(s.title, &n)
		if n.State == note.Matched && s.ttl != 0 {
			d.header = n.Header()
		}
	}
}

// connect makes a connection to a listener of its own, which learns who
// connects.
func (s sender) connect(ctx context.Context) (n note.Note, err error) {
	at := "127.0.0.1:0"
	if s.v6 {
		at = "[::1]:0"
	}
	ln, err := savedsyn.Listen("tcp", at)
	if err != nil {
		return n, err
	}
	defer ln.Close()
	if ln.Err() != nil {
		return n, ln.Err()
	}
	dialer := net.Dialer{Timeout: 10 * time.Second, Control: s.tune}
	dialer.SetMultipathTCP(s.mptcp)
	client, err := dialer.DialContext(ctx, "tcp", ln.Addr().String())
	if err != nil {
		return n, err
	}
	defer client.Close()
	server, err := ln.Accept()
	if err != nil {
		return n, err
	}
	defer server.Close()
	if from := client.LocalAddr().String(); server.RemoteAddr().String() != from {
		return n, fmt.Errorf("a stranger at %s came first", server.RemoteAddr())
	}
	return savedsyn.Fingerprint(server), nil
}

// show prints what a mail server learns of a sender.
func (d *demo) show(title string, n *note.Note) {
	facts := []string{n.State.String()}
	if n.State == note.Matched {
		facts = []string{d.paint("1;32", n.Title()), n.Quality.String()}
		if len(n.Others) > 0 {
			facts[0] += " (or " + strings.Join(n.Others, ", ") + ")"
		}
	} else {
		d.unnamed++
	}
	hops, known := n.Distance.Hops()
	if hops == 1 {
		facts = append(facts, "1 hop")
	} else if known {
		facts = append(facts, fmt.Sprintf("%d hops", hops))
	}
	if n.LinkType != "" {
		facts = append(facts, n.LinkType)
	}
	d.print("\n%s\n  %s\n", title, strings.Join(facts, ", "))
	if n.RawSig != "" {
		d.print("  %s\n", d.paint("2", n.RawSig))
	}
}

// end says what it is good for, and what to do next.
func (d *demo) end() {
	if d.header != "" {
		d.print("\nWhat a mail server writes into a mail of such a sender:\n\n  X-p0f-Result: %s\n", d.header)
	}
	d.heading("Next")
	d.print("Your own mail server in 5 minutes: docs/postfix.md (Haraka: docs/haraka.md; Exim, rspamd\n" +
		"and others beside it). A capture you have: mxprint read FILE.\n")
}
