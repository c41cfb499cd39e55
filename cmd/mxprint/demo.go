package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"net/smtp"
	"strings"
	"sync"
	"time"

	gosmtp "github.com/emersion/go-smtp"

	"github.com/mxprint/mxprint/note"
	"github.com/mxprint/mxprint/savedsyn"
)

var demoCommand = command{
	name:    "demo",
	summary: "fingerprint live SMTP connections, without root or configuration",
	usage: `Usage: mxprint demo [-keep] [-listen ADDRESS]

Starts an SMTP server on loopback that has the kernel keep the first packet of
each connection, sends it mails from sockets tuned differently, and prints what
the server learns about each sender. It needs Linux, but no root, no capture and
no configuration.

  -keep            stay, and fingerprint whoever connects, until interrupted
  -listen ADDRESS  where the SMTP server listens (default loopback, any free
                   port; with -keep port 2525)

Examples:
  mxprint demo
  mxprint demo -keep -listen :2525
`,
	run: runDemo,
}

// demo is the SMTP server of the demonstration, and what it prints.
type demo struct {
	out  io.Writer
	stop func() // ends the demonstration

	mu     sync.Mutex // guards what follows, and the output
	titles map[netip.AddrPort]string
	mails  int    // of our own senders
	named  int    // senders of them that have a name
	header string // of one of them
	err    error  // of the output
}

func runDemo(ctx context.Context, args []string, std *stdio) error {
	if len(args) > 0 && args[0] == "apart" {
		return demoApart(ctx, args[1:], std.out)
	}
	flags := newFlags("demo")
	keep := flags.Bool("keep", false, "")
	listen := flags.String("listen", "", "")
	if err := flags.Parse(args); err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("demo: %q is not an option; mxprint demo -h shows examples", flags.Arg(0))
	}
	ctx, stop := untilSignal(ctx, false)
	defer stop()
	listeners, err := demoListen(*listen, *keep)
	if err != nil {
		return err
	}
	d := &demo{out: std.out, stop: stop, titles: make(map[netip.AddrPort]string)}
	var addrs []netip.AddrPort
	for _, ln := range listeners {
		server := demoServer(ln, d.learn)
		defer server.Close()
		addrs = append(addrs, addrPortOf(ln.Addr()))
	}
	d.printf("An SMTP server on %s has the kernel keep the first packet of each\n"+
		"connection, and reads it when it accepts. No root, no capture, no configuration.\n", addrs[0])
	d.sendAll(ctx, addrs)
	err = d.sum()
	if *keep {
		d.printf("\nSend more mails to %s; interrupt to end.\n", addrs[0])
		<-ctx.Done()
	}
	return cmp.Or(d.failed(), err)
}

// demoListen listens at an address, or on loopback by IPv4 and, where that is
// there, IPv6.
func demoListen(address string, keep bool) ([]*savedsyn.Listener, error) {
	loopback := address == ""
	if loopback {
		address = "127.0.0.1:0"
		if keep {
			address = "127.0.0.1:2525"
		}
	}
	ln, err := savedsyn.Listen("tcp", address)
	if err != nil {
		return nil, err
	}
	if ln.Err() != nil {
		ln.Close()
		return nil, ln.Err()
	}
	list := []*savedsyn.Listener{ln}
	if loopback {
		if ln, err := savedsyn.Listen("tcp6", fmt.Sprintf("[::1]:%d", addrPortOf(ln.Addr()).Port())); err == nil {
			list = append(list, ln)
		}
	}
	return list, nil
}

// demoServer is an SMTP server as any in Go: what it does for the note stands
// in one line. It takes any mail and throws it away.
func demoServer(ln *savedsyn.Listener, learn func(netip.AddrPort, note.Note)) *gosmtp.Server {
	server := gosmtp.NewServer(gosmtp.BackendFunc(func(c *gosmtp.Conn) (gosmtp.Session, error) {
		learn(addrPortOf(c.Conn().RemoteAddr()), savedsyn.Fingerprint(c.Conn()))
		return mailSink{}, nil
	}))
	server.Domain = "localhost"
	server.ReadTimeout, server.WriteTimeout = 10*time.Second, 10*time.Second
	server.MaxMessageBytes = 1 << 20
	go server.Serve(ln)
	return server
}

// mailSink takes any mail and throws it away.
type mailSink struct{}

func (mailSink) Mail(string, *gosmtp.MailOptions) error { return nil }
func (mailSink) Rcpt(string, *gosmtp.RcptOptions) error { return nil }
func (mailSink) Reset()                                 {}
func (mailSink) Logout() error                          { return nil }

func (mailSink) Data(r io.Reader) error {
	_, err := io.Copy(io.Discard, r)
	return err
}

// sender is a socket that sends a mail: how it is tuned, by what any user may
// set. Zero leaves a setting as it is.
type sender struct {
	title  string
	v6     bool
	mptcp  bool
	ttl    int
	mss    int    // bytes
	rcvbuf int    // bytes
	sysctl string // "name=value", in a network namespace of the sender's own
}

func senders() []sender {
	return []sender{
		{title: "a socket as it comes"},
		{title: "the same over IPv6", v6: true},
		{title: "MSS 1452 and TTL 55: behind PPPoE, nine hops away", mss: 1452, ttl: 55},
		{title: "a window of 16 KiB (SO_RCVBUF)", rcvbuf: 16 << 10},
		{title: "Multipath TCP", mptcp: true},
		{title: "timestamps off", sysctl: "net.ipv4.tcp_timestamps=0"},
		{title: "selective acknowledgements off", sysctl: "net.ipv4.tcp_sack=0"},
	}
}

// sendAll sends a mail from each sender there is an address for.
func (d *demo) sendAll(ctx context.Context, addrs []netip.AddrPort) {
	for _, s := range senders() {
		if ctx.Err() != nil {
			return
		}
		var err error
		if s.sysctl != "" {
			var n note.Note
			if n, err = sendApart(ctx, s); err == nil {
				d.show(s.title, &n, true)
			}
		} else if to, ok := demoTarget(addrs, s.v6); ok {
			err = s.send(ctx, to, func(from netip.AddrPort) {
				d.mu.Lock()
				defer d.mu.Unlock()
				d.titles[from] = s.title
			})
		}
		if err != nil && ctx.Err() == nil {
			d.printf("\n%s\n  left out: %v\n", s.title, err)
		}
	}
}

// demoTarget is where a sender of an IP version reaches one of the listeners.
func demoTarget(addrs []netip.AddrPort, v6 bool) (netip.AddrPort, bool) {
	for _, a := range addrs {
		switch {
		case !a.Addr().IsUnspecified():
			if a.Addr().Is6() == v6 {
				return a, true
			}
		case v6:
			return netip.AddrPortFrom(netip.IPv6Loopback(), a.Port()), a.Addr().Is6()
		default:
			return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), a.Port()), true
		}
	}
	return netip.AddrPort{}, false
}

// send sends a mail. It says where it sends from before it says a word.
func (s sender) send(ctx context.Context, to netip.AddrPort, from func(netip.AddrPort)) error {
	dialer := net.Dialer{Timeout: 10 * time.Second, Control: s.tune}
	dialer.SetMultipathTCP(s.mptcp)
	conn, err := dialer.DialContext(ctx, "tcp", to.String())
	if err != nil {
		return err
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(10 * time.Second))
	from(addrPortOf(conn.LocalAddr()))
	c, err := smtp.NewClient(conn, "localhost")
	if err != nil {
		return err
	}
	if err := errors.Join(c.Mail("demo@example.org"), c.Rcpt("postmaster@example.org")); err != nil {
		return err
	}
	w, err := c.Data()
	if err != nil {
		return err
	}
	if _, err := io.WriteString(w, "Subject: demo\r\n\r\nWho am I?\r\n"); err != nil {
		return err
	}
	return errors.Join(w.Close(), c.Quit())
}

// learn is told of each session.
func (d *demo) learn(from netip.AddrPort, n note.Note) {
	d.mu.Lock()
	title, own := d.titles[from]
	delete(d.titles, from)
	d.mu.Unlock()
	if !own {
		title = from.String()
	}
	d.show(title, &n, own)
}

// show prints what the server learned of one sender.
func (d *demo) show(title string, n *note.Note, own bool) {
	facts := []string{n.State.String()}
	if n.State == note.Matched {
		facts = []string{n.Title(), n.Quality.String()}
		if len(n.Others) > 0 {
			facts[0] += " (or " + strings.Join(n.Others, ", ") + ")"
		}
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
	d.printf("\n%s\n  %s\n", title, strings.Join(facts, ", "))
	if n.RawSig != "" {
		d.printf("  %s\n", n.RawSig)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if !own {
		return
	}
	d.mails++
	if n.State == note.Matched {
		d.named++
		if d.header == "" || hops > 0 {
			d.header = n.Header()
		}
	}
}

// printf prints; when nobody reads it the demonstration is over.
func (d *demo) printf(format string, args ...any) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.err == nil {
		if _, d.err = fmt.Fprintf(d.out, format, args...); d.err != nil {
			d.stop()
		}
	}
}

// failed returns why the output could not be written, if so.
func (d *demo) failed() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.err != nil {
		return fmt.Errorf("writing the output: %w", d.err)
	}
	return nil
}

// sum sums up what the senders of our own showed.
func (d *demo) sum() error {
	d.mu.Lock()
	mails, named, header := d.mails, d.named, d.header
	d.mu.Unlock()
	d.printf("\n%d mails, %d senders named.", mails, named)
	if header != "" {
		d.printf(" What a mail server writes into such a mail:\n\n  X-p0f-Result: %s", header)
	}
	d.printf("\n")
	if named < mails || mails == 0 {
		return fmt.Errorf("demo: %d of %d senders have no name", mails-named, mails)
	}
	return nil
}

// addrPortOf is a TCP address; that of an IPv4 client is never IPv6.
func addrPortOf(a net.Addr) netip.AddrPort {
	ap := a.(*net.TCPAddr).AddrPort()
	return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
}
