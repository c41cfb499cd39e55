package savedsyn_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"net/textproto"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	gosmtp "github.com/emersion/go-smtp"
	"golang.org/x/sys/unix"

	"github.com/mxprint/mxprint/capture"
	"github.com/mxprint/mxprint/engine"
	"github.com/mxprint/mxprint/filter"
	"github.com/mxprint/mxprint/internal/test/lab"
	"github.com/mxprint/mxprint/internal/test/synlab"
	"github.com/mxprint/mxprint/note"
	"github.com/mxprint/mxprint/savedsyn"
)

// serveAt in the environment makes the test binary an SMTP server at that
// address, which prints what it learns.
const serveAt = "SAVEDSYN_TEST_SERVE"

func TestMain(m *testing.M) {
	if address := os.Getenv(serveAt); address != "" {
		if err := serve(address); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// learnt is a line of the server's output.
type learnt struct {
	Client netip.AddrPort
	Server netip.AddrPort
	Note   note.Note
}

// serve runs the server until its standard input ends.
func serve(address string) error {
	config := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		return c.Control(func(fd uintptr) { unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_FASTOPEN, 100) })
	}}
	config.SetMultipathTCP(false)
	inner, err := config.Listen(context.Background(), "tcp", address)
	if err != nil {
		return err
	}
	ln := savedsyn.NewListener(inner)
	if ln.Err() != nil {
		return ln.Err()
	}
	lines := make(chan learnt)
	server := gosmtp.NewServer(gosmtp.BackendFunc(func(c *gosmtp.Conn) (gosmtp.Session, error) {
		lines <- learnt{addrPort(c.Conn().RemoteAddr()), addrPort(c.Conn().LocalAddr()), savedsyn.Fingerprint(c.Conn())}
		return quiet{}, nil
	}))
	server.Domain = "localhost"
	go server.Serve(ln)
	go func() {
		io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	out := json.NewEncoder(os.Stdout)
	for err := out.Encode("ready"); err == nil; err = out.Encode(<-lines) {
	}
	return err
}

func addrPort(a net.Addr) netip.AddrPort {
	ap := a.(*net.TCPAddr).AddrPort()
	return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
}

// quiet takes any mail.
type quiet struct{ session }

func (quiet) Data(r io.Reader) error {
	_, err := io.Copy(io.Discard, r)
	return err
}

// leg is a client's namespace, set up as the setting says, with a veth of its
// own to the server.
type leg struct {
	synlab.Setting
	*lab.NetNS
	to [2]netip.AddrPort // the server's ends: IPv4, IPv6
}

const port = 2525 // one that nobody may listen on

// newLeg makes number n of the legs. The names of the lab's Pair are kept.
func newLeg(t *testing.T, server *lab.NetNS, s synlab.Setting, n int) leg {
	t.Helper()
	l := leg{Setting: s, NetNS: lab.NewNetNS(t)}
	far := fmt.Sprintf("srv%d", n)
	l.IP("link", "add", "cli0", "type", "veth", "peer", "name", far, "netns", server.Name)
	for _, end := range []struct {
		ns   *lab.NetNS
		link string
		side int
	}{{l.NetNS, "cli0", 1}, {server, far, 2}} {
		if s.MTU != 0 {
			end.ns.IP("link", "set", end.link, "mtu", fmt.Sprint(s.MTU))
		}
		end.ns.IP("addr", "add", fmt.Sprintf("198.18.%d.%d/24", n, end.side), "dev", end.link)
		end.ns.IP("addr", "add", fmt.Sprintf("2001:db8:%d::%d/64", n, end.side), "dev", end.link, "nodad")
		end.ns.IP("link", "set", end.link, "up")
	}
	l.to[0] = netip.MustParseAddrPort(fmt.Sprintf("198.18.%d.2:%d", n, port))
	l.to[1] = netip.MustParseAddrPort(fmt.Sprintf("[2001:db8:%d::2]:%d", n, port))
	return l
}

// sysctls sets what the setting asks for, and reports whether the kernel has
// all of it.
func (l *leg) sysctls(t *testing.T) bool {
	t.Helper()
	err := l.Do(func() error {
		for _, s := range l.Sysctls {
			name, value, _ := strings.Cut(s, "=")
			if err := os.WriteFile(filepath.Join("/proc/sys", strings.ReplaceAll(name, ".", "/")), []byte(value), 0); err != nil {
				return err
			}
		}
		return nil
	})
	if errors.Is(err, unix.EINVAL) {
		return false // as of accurate ECN, before 7.0
	}
	if err != nil {
		t.Fatal(err)
	}
	return true
}

// mail opens a connection and sends a mail. The first command goes with the
// SYN where the socket does such things.
func (l *leg) mail(to netip.AddrPort, before func(client netip.AddrPort)) (err error) {
	var c net.Conn
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		err = l.Do(func() (err error) {
			c, err = l.Dial(to, []byte("EHLO client\r\n"))
			return err
		})
		// The kernel brings a link and an address into use in the background,
		// and a signal may interrupt a Fast Open.
		again := errors.Is(err, unix.ENETUNREACH) || errors.Is(err, unix.EADDRNOTAVAIL) ||
			errors.Is(err, unix.EHOSTUNREACH) || errors.Is(err, unix.EINTR)
		if !again || time.Now().After(end) {
			break
		}
	}
	if err != nil {
		return err
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(30 * time.Second))
	text := textproto.NewConn(c)
	for _, step := range []struct {
		send string
		code int
	}{{"", 220}, {"", 250}, {"MAIL FROM:<a@example.org>", 250}, {"RCPT TO:<b@example.org>", 250}, {"DATA", 354}, {"Subject: x\r\n\r\n.", 250}, {"QUIT", 221}} {
		if step.send == "QUIT" {
			before(addrPort(c.LocalAddr()))
		}
		if step.send != "" {
			if err := text.PrintfLine("%s", step.send); err != nil {
				return err
			}
		}
		if _, _, err := text.ReadResponse(step.code); err != nil {
			return fmt.Errorf("%q: %w", step.send, err)
		}
	}
	return nil
}

// TestNobody is what the package is for: as user nobody, without capabilities,
// an SMTP server names the stack of 1,000 of 1,000 connections from namespaces
// with different stacks, over IPv4 and IPv6. What it says of each is what a
// capture of the same packets says.
func TestNobody(t *testing.T) {
	const connections = 1000
	server := lab.NewNetNS(t)
	kernel, err := synlab.Kernel()
	if err != nil {
		t.Fatal(err)
	}
	var legs []leg
	for i, s := range synlab.Settings() {
		if l := newLeg(t, server, s, i+1); l.sysctls(t) {
			legs = append(legs, l)
		}
	}
	sniffed := sniff(t, server)
	learns := startAsNobody(t, server)

	kinds := map[string]bool{}
	// check asks while the connection is open, as a mail server does.
	check := func(i int, l *leg, to, client netip.AddrPort) {
		got := learns(t)
		if got.Client != client || got.Server != to {
			t.Fatalf("the server learnt about %v to %v, want %v to %v", got.Client, got.Server, client, to)
		}
		n := &got.Note
		if ok, err := synlab.Claims(n.Title(), kernel); err != nil || !ok || n.State != note.Matched || !n.ByConnection {
			t.Errorf("%s to %v: %s %q (%s), %v, want Linux that may be %s", l.Name(), to, n.State, n.Title(), n.RawSig, err, kernel)
		}
		want, err := sniffed.Lookup(context.Background(), note.Query{Client: client, Server: to, Wait: 20 * time.Second})
		if err != nil || !want.ByConnection {
			t.Fatalf("%s to %v: not captured: %+v, %v", l.Name(), to, want, err)
		}
		if n.RawSig != want.RawSig || n.Title() != want.Title() || n.Quality != want.Quality || n.Distance != want.Distance || n.LinkType != want.LinkType {
			t.Errorf("%s to %v: %+v, a capture says %+v", l.Name(), to, n, want)
		}
		kinds[n.RawSig[:1]+" "+l.Name()] = true
		if i >= 0 && l.Socket == synlab.FastOpenData && !strings.HasSuffix(n.RawSig, ":+") {
			t.Errorf("%s to %v: %s has no data", l.Name(), to, n.RawSig)
		}
	}

	// A first connection of each fetches the cookie for a Fast Open with data.
	for i := -2 * len(legs); i < connections; i++ {
		k := i + 2*len(legs)
		l := &legs[k%len(legs)]
		to := l.to[k/len(legs)%2]
		err := l.mail(to, func(client netip.AddrPort) { check(i, l, to, client) })
		if errors.Is(err, synlab.ErrUnknownSetting) {
			t.Fatal(err)
		}
		if err != nil {
			t.Fatalf("%s to %v: %v", l.Name(), to, err)
		}
	}
	if len(kinds) != 2*len(legs) || len(legs) < 30 {
		t.Errorf("%d kinds of %d stacks, want each by IPv4 and IPv6, of 30 or more", len(kinds), len(legs))
	}
	t.Logf("%d connections of %d stacks", connections, len(legs))
}

// Name is that of the setting; the namespace has one, too.
func (l *leg) Name() string { return l.Setting.Name }

// sniff captures what comes into a namespace.
func sniff(t *testing.T, ns *lab.NetNS) *engine.Engine {
	t.Helper()
	rule := filter.Rule{Expr: fmt.Sprintf("port %d", port)}
	link, err := capture.RingLink(capture.Any)
	if err != nil {
		t.Fatal(err)
	}
	program, err := rule.Kernel(int(link))
	if err != nil {
		t.Fatal(err)
	}
	var ring *capture.Ring
	if err := ns.Do(func() (err error) {
		ring, err = capture.OpenRing(capture.Config{Interface: capture.Any, Filter: program})
		return err
	}); err != nil {
		t.Fatal(err)
	}
	e, err := engine.New(engine.Config{Rule: rule, Hosts: engine.Hosts{Recent: 5000}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- e.Run(ctx, ring) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		ring.Close()
	})
	return e
}

// startAsNobody starts the server in a namespace as user nobody, and returns
// what gets the next line of its output.
func startAsNobody(t *testing.T, ns *lab.NetNS) func(*testing.T) learnt {
	t.Helper()
	const nobody = 65534
	// By its path the binary may lie where nobody may not look.
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=[::]:%d", serveAt, port))
	cmd.Dir = "/"
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := ns.Do(func() error {
		// A server takes the data of a client's SYN only with this setting.
		if err := os.WriteFile("/proc/sys/net/ipv4/tcp_fastopen", []byte("3"), 0); err != nil {
			return err
		}
		return cmd.Start()
	}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
	})
	lines := bufio.NewReader(out)
	if ready, err := lines.ReadString('\n'); err != nil || ready != "\"ready\"\n" {
		t.Fatalf("the server says %q, %v", ready, err)
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"Uid:\t65534\t65534\t65534\t65534\n", "Groups:\t \n", "CapPrm:\t0000000000000000\n", "CapEff:\t0000000000000000\n", "CapAmb:\t0000000000000000\n"} {
		if !strings.Contains(string(status), want) {
			t.Fatalf("the server runs with more than nobody has, want %q:\n%s", want, status)
		}
	}
	return func(t *testing.T) (l learnt) {
		t.Helper()
		line, err := lines.ReadBytes('\n')
		if err == nil {
			err = json.Unmarshal(line, &l)
		}
		if err != nil {
			t.Fatalf("the server says %q, %v", line, err)
		}
		return l
	}
}
