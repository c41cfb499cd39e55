package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/netip"
	"net/smtp"
	"os"
	"path/filepath"
	"time"

	gosmtp "github.com/emersion/go-smtp"

	"github.com/mxprint/mxprint/capture"
	"github.com/mxprint/mxprint/engine"
	"github.com/mxprint/mxprint/note"
	"github.com/mxprint/mxprint/p0f"
)

var demoCommand = command{
	name:    "demo",
	summary: "fingerprint a live SMTP connection, without any configuration",
	usage: `Usage: mxprint demo [-keep] [-listen ADDRESS]

Starts an SMTP server on loopback, sends it a mail, and prints what the mail
server learns about the sender from the connection's first packet, directly
and through p0f's query socket. Without the right to capture (CAP_NET_RAW) the
packets come from a capture of the project's own lab instead.

  -keep            stay, and fingerprint whoever connects, until interrupted
  -listen ADDRESS  where the SMTP server listens (default 127.0.0.1, any free
                   port; with -keep 127.0.0.1:2525)

Examples:
  mxprint demo
  sudo mxprint demo -keep -listen :2525
`,
	run: runDemo,
}

// demoCapture is a connection to port 25 from our own lab: Linux 6.18 over
// IPv4, its SYN and the answer.
//
//go:embed demo.pcap
var demoCapture []byte

// demoClient is the client in demoCapture.
var demoClient = netip.MustParseAddr("198.18.0.1")

// demo is the SMTP server of the demonstration, and what it asks.
type demo struct {
	std    *stdio
	engine *engine.Engine
	live   bool
	socket string
}

func runDemo(ctx context.Context, args []string, std *stdio) error {
	flags := newFlags("demo")
	keep := flags.Bool("keep", false, "")
	listen := flags.String("listen", "", "")
	if err := flags.Parse(args); err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	if *listen == "" {
		*listen = "127.0.0.1:0"
		if *keep {
			*listen = "127.0.0.1:2525"
		}
	}
	ctx, stop := untilSignal(ctx, false)
	defer stop()
	ln, err := net.Listen("tcp", *listen)
	if err != nil {
		return err
	}
	defer ln.Close()
	dir, err := os.MkdirTemp("", "mxprint-demo-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	d := &demo{std: std, socket: filepath.Join(dir, "p0f.sock")}
	source, err := d.open(ln.Addr().(*net.TCPAddr), dir)
	if err != nil {
		return err
	}
	defer source.Close()
	socket, err := p0f.Listen(d.socket, 0o600)
	if err != nil {
		return err
	}
	server := gosmtp.NewServer(gosmtp.BackendFunc(d.session))
	server.Domain, server.ReadTimeout, server.WriteTimeout = "localhost", 10*time.Second, 10*time.Second
	defer server.Close()
	go server.Serve(ln)

	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	return together(ctx,
		func(ctx context.Context) error { return d.capture(ctx, source) },
		func(ctx context.Context) error {
			return (&p0f.Server{Lookuper: d.engine}).Serve(ctx, socket)
		},
		func(ctx context.Context) error {
			defer cancel()
			return d.show(ctx, ln.Addr().String(), *keep)
		})
}

// open opens the capture: live where that is allowed, else our lab's.
func (d *demo) open(addr *net.TCPAddr, dir string) (capture.Source, error) {
	rule := engine.Rule{Expr: fmt.Sprintf("dst port %d", addr.Port)}
	name := capture.Any
	if addr.IP.IsLoopback() {
		name = "lo"
	}
	ring, err := openRing(name, rule, false, newLogger(io.Discard))
	switch {
	case err == nil:
		d.live = true
		fmt.Fprintf(d.std.out, "An SMTP server listens on %s; its connections are captured live.\n", addr)
		d.engine = engine.New(engine.Config{Rule: rule})
		return ring, nil
	case !errors.Is(err, fs.ErrPermission) && !errors.Is(err, errors.ErrUnsupported):
		return nil, err
	}
	fmt.Fprintf(d.std.out, "An SMTP server listens on %s. Capturing is not allowed here (it needs root or\n"+
		"CAP_NET_RAW), so the packets come from a capture of the project's own lab.\n", addr)
	d.engine = engine.New(engine.Config{})
	path := filepath.Join(dir, "demo.pcap")
	if err := os.WriteFile(path, demoCapture, 0o600); err != nil {
		return nil, err
	}
	return capture.OpenFile(path)
}

// capture runs the engine; after the end of a file it waits, so that the rest
// goes on.
func (d *demo) capture(ctx context.Context, source capture.Source) error {
	if err := d.engine.Run(ctx, source); err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}

// show sends the mail and asks through the socket.
func (d *demo) show(ctx context.Context, addr string, keep bool) error {
	if err := smtp.SendMail(addr, nil, "demo@example.org", []string{"postmaster@example.org"},
		[]byte("Subject: demo\r\n\r\nWho am I?\r\n")); err != nil {
		return fmt.Errorf("sending the mail: %w", err)
	}
	client := p0f.NewClient(d.socket)
	defer client.Close()
	who := d.who(netip.MustParseAddrPort(addr).Addr())
	n, err := client.Lookup(ctx, note.Query{Client: netip.AddrPortFrom(who, 0)})
	if err != nil {
		return err
	}
	fmt.Fprintf(d.std.out, "\nThe same through p0f's query socket (%s), as Haraka or rspamd ask:\n\n", d.socket)
	printNote(d.std.out, who, &n)
	if n.State != note.Matched {
		return errors.New("demo: the connection was not recognised")
	}
	if keep {
		fmt.Fprintf(d.std.out, "\nSend more mails to %s; interrupt to end.\n", addr)
		<-ctx.Done()
	}
	return nil
}

// who is the client that is asked about: the one of the lab's capture where
// nothing is captured live.
func (d *demo) who(client netip.Addr) netip.Addr {
	if !d.live {
		return demoClient
	}
	return client.Unmap()
}

// session begins an SMTP session: this is where a mail server asks.
func (d *demo) session(c *gosmtp.Conn) (gosmtp.Session, error) {
	remote, err := netip.ParseAddrPort(c.Conn().RemoteAddr().String())
	if err != nil {
		return nil, err
	}
	who := d.who(remote.Addr())
	start := time.Now()
	n, err := d.engine.Lookup(context.Background(), note.Query{
		Client: netip.AddrPortFrom(who, remote.Port()),
		Wait:   100 * time.Millisecond,
	})
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(d.std.out, "\nA client connects; %d µs later the mail server knows:\n\n", time.Since(start).Microseconds())
	printNote(d.std.out, who, &n)
	return mailSink{}, nil
}

// mailSink takes any mail and throws it away.
type mailSink struct{}

func (mailSink) Mail(string, *gosmtp.MailOptions) error { return nil }
func (mailSink) Rcpt(string, *gosmtp.RcptOptions) error { return nil }
func (mailSink) Reset()                                 {}
func (mailSink) Logout() error                          { return nil }

func (mailSink) Data(r io.Reader) error {
	_, err := io.Copy(io.Discard, io.LimitReader(r, 1<<20))
	return err
}
