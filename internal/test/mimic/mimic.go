// Package mimic has clients of SMTP that behave as bots, scanners and odd
// programs do, and honest ones that come close to it. The tests of conduct run
// them against real mail servers.
package mimic

import (
	"bufio"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"
)

// Client is one.
type Client struct {
	Name string
	Find string // the findings that it must bring, separated by blanks
	// Soon are those it brings as well where the greeting takes longer to arrive
	// than a client that does not wait takes to speak.
	Soon string
	// Honest has the client run where nothing at all may be found.
	Honest bool
	Speak  func(*Talk)
}

// Talk is a connection as a client uses it. A failed read ends the talk in
// peace: a server may hang up on what it does not like.
type Talk struct {
	net.Conn
	in *bufio.Reader
}

// patience bounds one read or write.
const patience = 20 * time.Second

// Run has a client speak over a connection, and closes that.
func (c *Client) Run(conn net.Conn) {
	defer conn.Close()
	c.Speak(&Talk{conn, bufio.NewReader(conn)})
}

// Say sends text as it is.
func (t *Talk) Say(text string) {
	t.SetWriteDeadline(time.Now().Add(patience))
	t.Write([]byte(text))
}

// Bytewise sends each byte in a segment of its own.
func (t *Talk) Bytewise(text string) {
	for i := range text {
		t.Say(text[i : i+1])
		time.Sleep(time.Millisecond)
	}
}

// Hear reads a reply to its last line, and reports whether one came.
func (t *Talk) Hear() bool {
	t.SetReadDeadline(time.Now().Add(patience))
	for {
		line, err := t.in.ReadString('\n')
		if err != nil {
			return false
		}
		if len(line) < 4 || line[3] != '-' {
			return true
		}
	}
}

// HearLine reads a line.
func (t *Talk) HearLine() {
	t.SetReadDeadline(time.Now().Add(patience))
	t.in.ReadString('\n')
}

// Each sends lines and waits for the reply to each.
func (t *Talk) Each(lines ...string) {
	for _, l := range lines {
		t.Say(l + "\r\n")
		if !t.Hear() {
			return
		}
	}
}

// Drain reads what comes until the server ends the connection.
func (t *Talk) Drain(most time.Duration) {
	t.SetReadDeadline(time.Now().Add(most))
	for {
		if _, err := t.in.ReadByte(); err != nil {
			return
		}
	}
}

// Names that the clients use.
const (
	From = "<a@source.example>"
	To   = "<b@dest.example>"
)

const text = "Subject: x\r\n\r\nHello.\r\n.\r\n"

// hello is how most begin: greeting, EHLO, reply.
func (t *Talk) hello() bool {
	if !t.Hear() {
		return false
	}
	t.Say("EHLO client.source.example\r\n")
	return t.Hear()
}

// quit is how most end.
func (t *Talk) quit() {
	t.Each("QUIT")
	t.Drain(time.Second)
}

// group is the usual group of commands.
var group = fmt.Sprintf("MAIL FROM:%s\r\nRCPT TO:%s\r\n", From, To)

// hears waits for n replies.
func (t *Talk) hears(n int) {
	for range n {
		if !t.Hear() {
			return
		}
	}
}

// Clients are all of them.
func Clients() []Client {
	return slices.Concat(impatient(), foreign(), careless(), restless(), honest())
}

// impatient clients do not wait for what they have to.
func impatient() []Client {
	return []Client{
		{Name: "speaks at once", Soon: "early_talker", Speak: func(t *Talk) {
			t.Say("EHLO client.source.example\r\n")
			t.hears(2)
			t.quit()
		}},
		{Name: "sends everything at once", Find: "pipelining data_early", Soon: "early_talker", Speak: func(t *Talk) {
			t.Say("EHLO client.source.example\r\n" + group + "DATA\r\n" + text + "QUIT\r\n")
			t.Drain(5 * time.Second)
		}},
		{Name: "pipelines after HELO", Find: "pipelining", Speak: func(t *Talk) {
			t.Hear()
			t.Say("HELO client.source.example\r\n" + group)
			t.hears(3)
			t.quit()
		}},
		{Name: "pipelines before it knows the offer", Find: "pipelining", Speak: func(t *Talk) {
			t.Hear()
			t.Say("EHLO client.source.example\r\nRSET\r\n")
			t.hears(2)
			t.quit()
		}},
	}
}

// foreign clients do not speak SMTP, or not from the first byte on.
func foreign() []Client {
	return []Client{
		{Name: "asks by HTTP", Find: "non_smtp", Speak: func(t *Talk) {
			t.Hear()
			t.Say("GET / HTTP/1.1\r\nHost: mx.dest.example\r\n\r\n")
			t.Drain(5 * time.Second)
		}},
		{Name: "asks by HTTP after EHLO", Find: "non_smtp", Speak: func(t *Talk) {
			t.hello()
			t.Say("POST / HTTP/1.1\r\n")
			t.Drain(5 * time.Second)
		}},
		{Name: "sends headers", Find: "non_smtp", Speak: func(t *Talk) {
			t.hello()
			t.Each("Received: from x", "Subject: x")
			t.quit()
		}},
		{Name: "sends JSON", Find: "non_smtp", Speak: func(t *Talk) {
			t.hello()
			t.Each(`{"id" 1}`)
			t.quit()
		}},
		{Name: "begins TLS at once", Find: "sudden_tls", Soon: "early_talker", Speak: func(t *Talk) {
			t.Say(clientHello)
			t.Drain(2 * time.Second)
		}},
	}
}

// careless clients speak it wrongly.
func careless() []Client {
	return []Client{
		{Name: "ends lines by LF", Find: "bare_lf", Speak: func(t *Talk) {
			t.Hear()
			t.Say("EHLO client.source.example\n")
			t.Hear()
			t.quit()
		}},
		{Name: "has a CR in a command", Find: "bare_cr", Speak: func(t *Talk) {
			t.hello()
			t.Each("NOOP \rx")
			t.quit()
		}},
		{Name: "invents a command", Find: "unknown_command", Speak: func(t *Talk) {
			t.hello()
			t.Each("XYZZY")
			t.quit()
		}},
		{Name: "uses what is not offered", Find: "not_offered", Speak: func(t *Talk) {
			t.hello()
			t.Each("STARTTLS")
			t.quit()
		}},
		{Name: "changes its name", Find: "hello_renamed", Speak: func(t *Talk) {
			t.hello()
			t.Each("EHLO other.source.example")
			t.quit()
		}},
	}
}

// restless clients come to no end, or to an odd one.
func restless() []Client {
	return []Client{
		{Name: "resets for ever", Find: "rset_storm", Speak: func(t *Talk) {
			t.hello()
			t.Each(strings.Split(strings.Repeat("RSET,", 8), ",")[:8]...)
			t.quit()
		}},
		{Name: "does nothing for ever", Find: "noop_storm", Speak: func(t *Talk) {
			t.hello()
			t.Each(strings.Split(strings.Repeat("NOOP,", 8), ",")[:8]...)
			t.quit()
		}},
		{Name: "hangs up", Find: "no_quit", Speak: func(t *Talk) { t.hello() }},
		{Name: "resets the connection", Find: "no_quit", Speak: func(t *Talk) {
			t.hello()
			if c, ok := t.Conn.(*net.TCPConn); ok {
				c.SetLinger(0)
			}
		}},
		{Name: "goes on after QUIT", Find: "after_quit", Speak: func(t *Talk) {
			t.hello()
			t.Say("QUIT\r\nNOOP\r\n")
			t.Drain(time.Second)
		}},
	}
}

// Mailing are clients for a server that takes mail: postscreen's does not.
func Mailing() []Client {
	return []Client{
		{Name: "does not wait for the 354", Find: "data_early", Speak: func(t *Talk) {
			t.hello()
			t.Each("MAIL FROM:"+From, "RCPT TO:"+To)
			t.Say("DATA\r\n" + text)
			t.hears(2)
			t.quit()
		}},
		{Name: "has bare line ends in a mail", Find: "bare_lf_message", Speak: func(t *Talk) {
			t.hello()
			t.Each("MAIL FROM:"+From, "RCPT TO:"+To, "DATA")
			t.Say("Subject: x\n\nHello.\n\r\n.\r\n")
			t.Hear()
			t.quit()
		}},
		{Name: "pipelines in groups", Honest: true, Speak: func(t *Talk) {
			t.hello()
			t.Say(group + "DATA\r\n")
			t.hears(3)
			t.Say(text + "QUIT\r\n")
			t.hears(2)
		}},
		{Name: "sends two mails in groups", Honest: true, Speak: func(t *Talk) {
			t.hello()
			t.Say(group + "DATA\r\n")
			t.hears(3)
			t.Say(text + group + "DATA\r\n")
			t.hears(4)
			t.Say(text + "QUIT\r\n")
			t.hears(2)
		}},
		{Name: "sends a chunk in a group", Honest: true, Speak: func(t *Talk) {
			t.hello()
			t.Say(group + "BDAT 21 LAST\r\nSubject: x\r\n\r\nHello\r\nQUIT\r\n")
			t.hears(4)
		}},
	}
}

func honest() []Client {
	return []Client{
		{Name: "waits for everything", Honest: true, Speak: func(t *Talk) {
			t.hello()
			t.Each("MAIL FROM:"+From, "RCPT TO:"+To)
			t.quit()
		}},
		{Name: "one byte a segment", Honest: true, Speak: func(t *Talk) {
			t.Hear()
			t.Bytewise("EHLO client.source.example\r\n")
			t.Hear()
			t.Bytewise("QUIT\r\n")
			t.Drain(time.Second)
		}},
		{Name: "HELO", Honest: true, Speak: func(t *Talk) {
			t.Hear()
			t.Each("HELO client.source.example", "RSET", "NOOP", "VRFY x")
			t.quit()
		}},
	}
}

// clientHello is the first record of a TLS client, made by hand: version 1.2, one
// cipher, no extension.
var clientHello = "\x16\x03\x01\x00\x2d\x01\x00\x00\x29\x03\x03" + strings.Repeat("r", 32) + "\x00\x00\x02\x13\x01\x01\x00"
