package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/mxprint/mxprint/internal/stream"
)

// variant is one way in which the recorder behaves. Each has an address of its
// own, so that programs that know port 25 alone meet all of them.
type variant struct {
	Name     string
	Offers   []string
	Greeting []string
	Late     time.Duration // before the greeting
	NoEHLO   bool          // EHLO is refused
	Rcpt     string        // reply to the first RCPT
	Max      uint16        // TLS version
	P384     bool          // forces a HelloRetryRequest
	Pieces   bool          // replies are cut in two segments
	MSS      int           // that the server announces
	Login    bool          // AUTH is offered once TLS has begun
	IPv6     bool
}

var postfixLike = []string{"PIPELINING", "SIZE 10240000", "VRFY", "ETRN", "STARTTLS", "AUTH PLAIN LOGIN", "ENHANCEDSTATUSCODES", "8BITMIME", "DSN", "SMTPUTF8", "CHUNKING"}

func without(list []string, name string) []string {
	var out []string
	for _, s := range list {
		if s != name {
			out = append(out, s)
		}
	}
	return out
}

// variants listen at 198.18.1.1 and following, in this order. From the second
// part of the list on it is the client that does something else, which
// scripts/lab-dialects asks it to; the address says what that was.
var variants = []variant{
	{Name: "starttls", Offers: postfixLike},
	{Name: "plain", Offers: without(postfixLike, "STARTTLS")},
	{Name: "rcpt550", Offers: without(postfixLike, "STARTTLS"), Rcpt: "550 5.1.1 No such user"},
	{Name: "rcpt450", Offers: without(postfixLike, "STARTTLS"), Rcpt: "450 4.2.0 Try again later"},
	{Name: "few", Offers: []string{"SIZE 10240000", "8BITMIME"}},
	{Name: "noehlo", NoEHLO: true},
	{Name: "late", Offers: without(postfixLike, "STARTTLS"), Late: 2 * time.Second},
	{Name: "lines", Offers: postfixLike, Greeting: []string{"mx.example.net ESMTP", "a second line", "a third"}},
	{Name: "tls12", Offers: postfixLike, Max: tls.VersionTLS12},
	{Name: "retry", Offers: postfixLike, P384: true},
	{Name: "pieces", Offers: without(postfixLike, "STARTTLS"), Pieces: true},
	{Name: "closing", Greeting: []string{"421"}},

	{Name: "smtps", Offers: without(postfixLike, "STARTTLS")},
	{Name: "submission", Offers: without(postfixLike, "AUTH PLAIN LOGIN"), Login: true},
	{Name: "mss536", Offers: postfixLike, MSS: 536},
	{Name: "ipv6", Offers: postfixLike, IPv6: true},
	{Name: "rcpt3", Offers: without(postfixLike, "STARTTLS")},
	{Name: "mails2", Offers: without(postfixLike, "STARTTLS")},
	{Name: "large", Offers: without(postfixLike, "STARTTLS")},
	{Name: "8bit", Offers: without(postfixLike, "STARTTLS")},
	{Name: "resume", Offers: postfixLike},
	{Name: "tlsrcpt", Offers: postfixLike, Rcpt: "550 5.1.1 No such user"},
}

// address is where the variant of this number listens.
func (v *variant) address(i int) string {
	if v.IPv6 {
		return fmt.Sprintf("2001:db8::%d", i+1)
	}
	return fmt.Sprintf("198.18.1.%d", i+1)
}

// listen opens one port of a variant.
func (v *variant) listen(i, port int) (net.Listener, error) {
	var lc net.ListenConfig
	if v.MSS > 0 {
		lc.Control = func(_, _ string, c syscall.RawConn) error {
			var err error
			if e := c.Control(func(fd uintptr) {
				err = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, syscall.TCP_MAXSEG, v.MSS)
			}); e != nil {
				return e
			}
			return err
		}
	}
	return lc.Listen(context.Background(), "tcp", net.JoinHostPort(v.address(i), strconv.Itoa(port)))
}

// connection is one line of the recorder's log.
type connection struct {
	Client  string         `json:"client"`
	Server  string         `json:"server"`
	Variant string         `json:"variant"`
	Start   time.Time      `json:"start"`
	TLS     string         `json:"tls,omitempty"`
	Plain   []stream.Event `json:"-"`
	Lines   []string       `json:"plain"` // what the client said, decrypted, as package stream keeps it
}

// serve runs the recorder until it is killed.
func serve(logPath, certPath, keyPath string) error {
	cert, err := tls.LoadX509KeyPair(certPath, keyPath)
	if err != nil {
		return err
	}
	log, err := os.OpenFile(logPath, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	var mu sync.Mutex
	done := func(c *connection) {
		line, _ := json.Marshal(c)
		mu.Lock()
		defer mu.Unlock()
		log.Write(append(line, '\n'))
	}
	errs := make(chan error)
	for i := range variants {
		v := &variants[i]
		for _, port := range []int{25, 465, 587} {
			l, err := v.listen(i, port)
			if err != nil {
				return err
			}
			go func() {
				for {
					c, err := l.Accept()
					if err != nil {
						errs <- err
						return
					}
					go newSession(c, v, cert, port == 465, done).run()
				}
			}()
		}
	}
	fmt.Println("listening")
	return <-errs
}

// session is one client.
type session struct {
	v    *variant
	conn net.Conn // with TLS once that has begun
	raw  net.Conn
	r    *bufio.Reader
	tls  *tls.Config
	log  connection
	read *stream.Conn // of what is decrypted
	seq  [2]uint32
	done func(*connection)
}

func newSession(c net.Conn, v *variant, cert tls.Certificate, implicit bool, done func(*connection)) *session {
	s := &session{v: v, conn: c, raw: c, done: done}
	s.log = connection{Client: c.RemoteAddr().String(), Server: c.LocalAddr().String(), Variant: v.Name, Start: time.Now()}
	s.tls = &tls.Config{Certificates: []tls.Certificate{cert}, MaxVersion: v.Max}
	if v.P384 {
		s.tls.CurvePreferences = []tls.CurveID{tls.CurveP384}
	}
	s.read = stream.NewConn(0, 0, false, nil)
	s.seq = [2]uint32{1, 1}
	if implicit {
		s.startTLS()
	}
	s.r = bufio.NewReader(tap{s})
	return s
}

// tap feeds what the client says to the reader of dialogues.
type tap struct{ s *session }

func (t tap) Read(p []byte) (int, error) {
	n, err := t.s.conn.Read(p)
	t.s.feed(stream.Client, p[:n])
	return n, err
}

func (s *session) feed(side stream.Side, data []byte) {
	if len(data) > 0 {
		s.read.Segment(&stream.Segment{Side: side, Seq: s.seq[side], Ack: s.seq[side^1], ACK: true, Data: data, Time: time.Since(s.log.Start)})
		s.seq[side] += uint32(len(data))
	}
}

func (s *session) startTLS() {
	s.conn = tls.Server(s.raw, s.tls)
}

func (s *session) reply(lines ...string) {
	code := lines[0]
	var b strings.Builder
	for i, l := range lines[1:] {
		sep := "-"
		if i == len(lines)-2 {
			sep = " "
		}
		b.WriteString(code + sep + l + "\r\n")
	}
	text := b.String()
	// In the log, TLS is left out of the dialogue: 220 would begin it.
	seen := text
	if code == "220" && strings.HasPrefix(lines[1], "Ready") {
		seen = "250 TLS\r\n"
	}
	s.feed(stream.Server, []byte(seen))
	if s.v.Pieces && len(text) > 6 {
		io.WriteString(s.conn, text[:6])
		time.Sleep(30 * time.Millisecond)
		text = text[6:]
	}
	io.WriteString(s.conn, text)
}

func (s *session) run() {
	defer s.close()
	s.raw.SetDeadline(time.Now().Add(60 * time.Second))
	time.Sleep(s.v.Late)
	switch {
	case len(s.v.Greeting) == 1:
		s.reply("421", "mx.example.net closing")
		return
	case s.v.Greeting != nil:
		s.reply(append([]string{"220"}, s.v.Greeting...)...)
	default:
		s.reply("220", "mx.example.net ESMTP")
	}
	rcpts := 0
	for {
		line, err := s.r.ReadString('\n')
		if err != nil {
			return
		}
		word := strings.ToUpper(strings.TrimSpace(line))
		verb, _, _ := strings.Cut(word, " ")
		switch verb {
		case "EHLO":
			s.ehlo()
		case "STARTTLS":
			s.reply("220", "Ready to start TLS")
			s.startTLS()
			s.r = bufio.NewReader(tap{s})
		case "RCPT":
			if rcpts++; rcpts == 1 && s.v.Rcpt != "" {
				code, text, _ := strings.Cut(s.v.Rcpt, " ")
				s.reply(code, text)
				continue
			}
			s.reply("250", "2.1.5 Ok")
		case "DATA":
			if s.v.Rcpt != "" && rcpts < 2 {
				s.reply("554", "5.5.1 No valid recipients")
				continue
			}
			s.reply("354", "End data with <CR><LF>.<CR><LF>")
			for line != ".\r\n" {
				if line, err = s.r.ReadString('\n'); err != nil {
					return
				}
			}
			s.reply("250", "2.0.0 Ok: queued")
		case "BDAT":
			var n int64
			fmt.Sscanf(line[4:], "%d", &n)
			if _, err := io.CopyN(io.Discard, s.r, n); err != nil {
				return
			}
			s.reply("250", "2.0.0 Ok")
		case "AUTH":
			s.auth(line)
		case "QUIT":
			s.reply("221", "2.0.0 Bye")
			return
		case "HELO":
			s.reply("250", "mx.example.net")
		default:
			s.reply("250", "2.0.0 Ok")
		}
	}
}

func (s *session) ehlo() {
	if s.v.NoEHLO {
		s.reply("502", "5.5.2 Command not recognized")
		return
	}
	offers := s.v.Offers
	if s.conn != s.raw {
		offers = without(offers, "STARTTLS")
		if s.v.Login {
			offers = append(slices.Clone(offers), "AUTH PLAIN LOGIN")
		}
	}
	s.reply(append([]string{"250", "mx.example.net"}, offers...)...)
}

// auth accepts whatever comes.
func (s *session) auth(line string) {
	words := strings.Fields(line)
	want := 1
	if len(words) > 1 && strings.EqualFold(words[1], "LOGIN") {
		want = 2
	}
	for range want - max(0, len(words)-2) {
		s.reply("334", "VXNlcm5hbWU6")
		if _, err := s.r.ReadString('\n'); err != nil {
			return
		}
	}
	s.reply("235", "2.7.0 Authentication successful")
}

func (s *session) close() {
	if c, ok := s.conn.(*tls.Conn); ok {
		if state := c.ConnectionState(); state.HandshakeComplete {
			s.log.TLS = tls.VersionName(state.Version)
		}
	}
	s.conn.Close()
	session := s.read.Session()
	for i := range session.Events {
		e := &session.Events[i]
		if e.Side == stream.Client {
			s.log.Lines = append(s.log.Lines, describe(session, e))
		}
	}
	s.done(&s.log)
}

// describe writes an event in one line: what it is, what the client had heard,
// the text, but for that of a message: not all recordings keep its header.
func describe(s *stream.Session, e *stream.Event) string {
	kinds := [...]string{"command", "auth", "message", "reply", "record", "end"}
	text := ""
	if e.Kind != stream.Message {
		text = s.Text(e)
	}
	return fmt.Sprintf("%s len=%d at=%d ack=%d flags=%x %s", kinds[e.Kind], e.Len, e.At, e.Ack, uint16(e.Flags), text)
}
