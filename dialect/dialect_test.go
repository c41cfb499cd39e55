package dialect_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mxprint/mxprint/dialect"
)

func Example() {
	var b dialect.Builder
	b.Reply(220, 0)
	b.Command(dialect.Command{Line: "EHLO mail.example.org", Heard: dialect.All})
	b.Reply(250, dialect.OfferOf("PIPELINING")|dialect.OfferOf("SIZE 10240000"))
	b.Command(dialect.Command{Line: "MAIL FROM:<joe@example.org> SIZE=1000", Heard: dialect.All})
	b.Command(dialect.Command{Line: "RCPT TO:<ann@example.net>", Heard: dialect.Nothing})
	b.Command(dialect.Command{Line: "DATA", Heard: dialect.Nothing})
	f := b.Fingerprint()
	fmt.Println(f.String())
	// Output: offer=pipelining,size;greet=wait;hello=EHLO fqdn;mail=MAIL FROM:<> SIZE=;rcpt=RCPT TO:<>;data=DATA;flow=M+R+D-
}

// say plays a session: "<250 size,dsn" is a reply, "+LINE" a line sent without
// waiting, "msg" a message, "close" the end.
func say(script string) dialect.Fingerprint {
	var b dialect.Builder
	for _, line := range strings.Split(script, "\n") {
		line = strings.TrimLeft(line, "\t")
		heard := dialect.All
		if rest, blind := strings.CutPrefix(line, "+"); blind {
			heard, line = dialect.Nothing, rest
		}
		switch {
		case line[0] == '<':
			var code int
			var offer string
			fmt.Sscanf(line, "<%d %s", &code, &offer)
			o, ok := dialect.ParseOffer(offer)
			if !ok {
				panic(line)
			}
			b.Reply(code, o)
		case line == "msg":
			b.Message(dialect.Message{Bytes: 1000, First: 1000, Dot: dialect.DotWith, Heard: heard})
		case line == "lines":
			b.Message(dialect.Message{Bytes: 1000, First: 40, Dot: dialect.DotAlone, Heard: heard})
		case line == "close":
			b.Close(dialect.FIN, heard)
		case line == "reset":
			b.Close(dialect.ResetByIt, heard)
		case line == "server closes":
			b.ServerClosed()
		default:
			b.Command(dialect.Command{Line: line, Heard: heard})
		}
	}
	return b.Fingerprint()
}

func TestBuilder(t *testing.T) {
	for _, test := range []struct{ name, script, want string }{
		{"a pipelining MTA", `<220
			EHLO mx.example.org
			<250 pipelining,size,dsn
			MAIL FROM:<a@example.org> SIZE=99
			+RCPT TO:<b@example.org> ORCPT=rfc822;b@example.org
			+RCPT TO:<c@example.org> ORCPT=rfc822;c@example.org
			+DATA
			<250
			<250
			<250
			<354
			msg
			+QUIT
			<250
			<221
			+close`,
			"offer=pipelining,size,dsn;greet=wait;hello=EHLO fqdn;mail=MAIL FROM:<> SIZE=;rcpt=RCPT TO:<> ORCPT=;data=DATA;flow=M+R+D/.;write=one;dot=with;next=+Q;quit=QUIT;end=quit!"},
		{"what names persons or hosts is left out", `<220
			helo  Some.Host.example
			<250
			mail from: joe@example.org secret=sauce x@y
			<250
			rcpt to:<"a>b"@example.org> NOTIFY=never
			<250`,
			"offer=;greet=wait;hello=helo  fqdn;mail=mail from: a secret= x?;rcpt=rcpt to:<> NOTIFY=;flow=M/R-"},
		{"EHLO refused", "<220\nEHLO [127.0.0.1]\n<502\nHELO [127.0.0.1]\n<250\nclose",
			"offer=;greet=wait;hello=EHLO [127.0.0.1];nohello=H;flow=$;end=fin"},
		{"hang up after a refused EHLO", "<220\nEHLO localhost\n<502\nclose", "greet=wait;hello=EHLO localhost;nohello=$;end=fin"},
		{"a refused recipient", "<220\nEHLO x\n<250\nMAIL FROM:<>\n<250\nRCPT TO:<a@b>\n<550\nRSET\n<250\nQUIT\n<221\nclose",
			"offer=;greet=wait;hello=EHLO bare;mail=MAIL FROM:<>;rcpt=RCPT TO:<>;flow=M/R-;refused=S/Q;quit=QUIT;end=quit"},
		{"one of two accepted", "<220\nEHLO x\n<250\nMAIL FROM:<>\n<250\nRCPT TO:<a@b>\n<550\nRCPT TO:<c@d>\n<250\nDATA\n<354\nlines\n<250\nclose",
			"offer=;greet=wait;hello=EHLO bare;mail=MAIL FROM:<>;rcpt=RCPT TO:<>;data=DATA;flow=M/R/D/.;write=lines;dot=alone;next=$;end=fin"},
		{"STARTTLS not used", "<220\nEHLO x\n<250 starttls\nMAIL FROM:<>", "offer=starttls;greet=wait;hello=EHLO bare;starttls=no;mail=MAIL FROM:<>;flow=M-"},
		{"HELO inside TLS", "<220\nEHLO x\n<250 starttls\nSTARTTLS\n<220\nHELO x\n<250\nMAIL FROM:<>", "offer=starttls;greet=wait;hello=EHLO bare;starttls=STARTTLS/HELO;mail=MAIL FROM:<>;flow=M-"},
		{"spoken too early", "+EHLO \n<220\n<250", "offer=;greet=early;hello=EHLO empty"},
		{"a server that closes", "<220\nEHLO x\n<250\n<421\nserver closes\nclose", "offer=;greet=wait;hello=EHLO bare"},
		{"AUTH is no part of the order", "<220\nEHLO x\n<250 auth\nAUTH PLAIN secret\n<235\nMAIL FROM:<>\n<250\nquit \n<221\nreset",
			"offer=auth;greet=wait;hello=EHLO bare;mail=MAIL FROM:<>;flow=M/Q;quit=quit_;end=quit!"},
		{"an odd word", "<220\nEHLO x\n<250\nXYZZY secret\n<500", "offer=;greet=wait;hello=EHLO bare;flow=x-"},
	} {
		f := say(test.script)
		if got := f.String(); got != test.want {
			t.Errorf("%s:\n got %s\nwant %s", test.name, got, test.want)
		}
		again, err := dialect.Parse(f.String())
		if err != nil || again.String() != f.String() {
			t.Errorf("%s: Parse(%q) = %q, %v", test.name, f.String(), again.String(), err)
		}
	}
}

func TestHello(t *testing.T) {
	for line, want := range map[string]string{
		"EHLO mail.example.org": "EHLO fqdn", "ehlo mail": "ehlo bare", "EHLO [192.0.2.1]": "EHLO [ip]", "EHLO 192.0.2.1": "EHLO ip",
		"EHLO [IPv6:2001:db8::1]": "EHLO [ipv6]", "EHLO [IPv6:::1]": "EHLO [IPv6:::1]", "EHLO my_host.example": "EHLO underscore",
		"EHLO": "EHLO empty", "EHLO a b": "EHLO odd", "EHLO mail.example.org ": "EHLO fqdn_", "HELO  x.example": "HELO  fqdn",
		"EHLO [": "EHLO odd", "EHLO localhost.localdomain": "EHLO localhost.localdomain", "EHLO a|b;c": "EHLO odd",
	} {
		f := say("<220\n" + line)
		if got := string(f.Get(dialect.Hello)); got != want {
			t.Errorf("%q: %q, want %q", line, got, want)
		}
	}
}

// TestRecords: inside TLS the lengths say what the lines would.
func TestRecords(t *testing.T) {
	for _, test := range []struct {
		name    string
		old     bool
		asked   bool  // the server asks for a certificate
		records []int // plain lengths; 0 is an answer of the server
		want    string
	}{
		{"a certificate is asked for", false, true, []int{8, 0, 40, 0, 30, 0, 6, 0, 40, 60, 2, 30, 3, 0, 6, 0, 2}, "rec=e/n/n/6;write=lines;dot=alone;next=/6;end=alert"},
		{"command by command", false, false, []int{8, 0, 40, 0, 30, 0, 6, 0, 40, 60, 2, 30, 3, 0, 6, 0, 2}, "rec=e/n/n/6;write=lines;dot=alone;next=/6;end=alert"},
		{"TLS 1.2", true, false, []int{8, 0, 40, 0, 30, 0, 6, 0, 500, 5, 0, 6, 0}, "rec=e/n/n/6;write=one;dot=crlf;next=/6"},
		{"pipelining", false, false, []int{8, 0, 90, 0, 700, 0, 2}, "rec=e/n/n;end=alert"},
		{"the date first", false, false, []int{8, 0, 40, 0, 30, 0, 6, 0, 39, 60, 3, 0, 6, 0}, "rec=e/n/n/6;write=date;dot=alone;next=/6"},
		{"header and body", false, false, []int{8, 0, 40, 0, 30, 0, 6, 0, 300, 60, 3, 0, 6, 0}, "rec=e/n/n/6;write=parts;dot=alone;next=/6"},
		{"blocks", false, false, []int{8, 0, 40, 0, 30, 0, 6, 0, 4096, 4096, 700, 0, 6, 0}, "rec=e/n/n/6;write=bulk;dot=with;next=/6"},
		{"many recipients", false, false, []int{8, 0, 40, 0, 30, 0, 31, 0, 32, 0, 33, 0, 6, 0, 700}, "rec=e/n/n/6;write=one;dot=with;next=$"},
		{"refused", false, false, []int{8, 0, 40, 0, 30, 0, 6, 0, 2}, "rec=e/n/n/6;end=alert"},
	} {
		var b dialect.Builder
		b.Reply(220, 0)
		b.Command(dialect.Command{Line: "EHLO x", Heard: dialect.All})
		b.Reply(250, dialect.OfferOf("STARTTLS"))
		b.Command(dialect.Command{Line: "STARTTLS", Heard: dialect.All})
		b.Reply(220, 0)
		b.ClientHello(dialect.ClientHello{Library: "OpenSSL", Settings: "default", Hints: "3t", Padding: "no"})
		b.Record(false, 22, 300)
		b.Record(true, 22, 1500)
		b.Record(false, 20, 1)
		over := 17
		if test.old {
			b.Record(false, 22, 40)
			over = 24
		} else {
			if test.asked {
				b.Record(false, 23, 25)
			}
			b.Record(false, 23, 53)
		}
		for _, n := range test.records {
			if n == 0 {
				b.Record(true, 23, 100)
			} else {
				b.Record(false, 23, n+over)
			}
		}
		b.ServerClosed()
		f := b.Fingerprint()
		want := "offer=starttls;greet=wait;hello=EHLO bare;starttls=STARTTLS;tls=OpenSSL;settings=default;hints=3t;pad=no;sni=no;" + test.want
		if got := f.String(); got != want {
			t.Errorf("%s:\n got %s\nwant %s", test.name, got, want)
		}
	}
}

// TestPadding: JSSE adds 16 zeros to each record of TLS 1.3, as the length of its
// Finished shows, and to those of TLS 1.2 nothing (RFC 8446 §5.4).
func TestPadding(t *testing.T) {
	for _, test := range []struct {
		library  string
		finished int
		over     int
		want     string
	}{
		{"JSSE", 69, 33, "rec=e/n/n/6;write=one;dot=crlf;next=/6;end=alert"},
		{"JSSE", 85, 33, "rec=e/n/n/6;write=one;dot=crlf;next=/6;end=alert"}, // SHA-384
		{"JSSE", 53, 17, "rec=e/n/n/6;write=one;dot=crlf;next=/6;end=alert"},
		{"OpenSSL", 69, 17, "rec=e/n/n/6;write=one;dot=crlf;next=/6;end=alert"}, // SHA-384
	} {
		var b dialect.Builder
		b.Reply(220, 0)
		b.Command(dialect.Command{Line: "EHLO x", Heard: dialect.All})
		b.Reply(250, dialect.OfferOf("STARTTLS"))
		b.Command(dialect.Command{Line: "STARTTLS", Heard: dialect.All})
		b.Reply(220, 0)
		b.ClientHello(dialect.ClientHello{Library: test.library})
		b.Record(false, 22, 300)
		b.Record(false, 20, 1)
		b.Record(false, 23, test.finished)
		for _, n := range []int{8, 0, 40, 0, 30, 0, 6, 0, 500, 5, 0, 6, 0, 2} {
			if n == 0 {
				b.Record(true, 23, 100)
			} else {
				b.Record(false, 23, n+test.over)
			}
		}
		b.ServerClosed()
		f := b.Fingerprint()
		if got := f.String(); !strings.Contains(got, ";"+test.want) {
			t.Errorf("%s, Finished of %d: %s, want %s", test.library, test.finished, got, test.want)
		}
	}
}

// TestTLSEnd: inside TLS the end is an alert of the client, or none; a session
// that goes on has no end.
func TestTLSEnd(t *testing.T) {
	for _, test := range []struct {
		alert, close bool
		want         string
	}{{true, true, "alert"}, {true, false, "alert"}, {false, true, "noalert"}, {false, false, ""}} {
		var b dialect.Builder
		b.ClientHello(dialect.ClientHello{Implicit: true, Name: true})
		b.Record(false, 22, 300)
		b.Record(false, 20, 1)
		b.Record(false, 22, 40)
		b.Record(false, 23, 8+24)
		b.Record(true, 23, 100)
		if test.alert {
			b.Record(false, 21, 26)
		}
		if test.close {
			b.Close(dialect.ResetByIt, dialect.Nothing)
		}
		f := b.Fingerprint()
		if got := string(f.Get(dialect.EndBy)); got != test.want || string(f.Get(dialect.SNI)) != "yes" {
			t.Errorf("%+v: %s", test, f.String())
		}
	}
}

func TestSlow(t *testing.T) {
	var b dialect.Builder
	b.Reply(220, 0)
	b.Command(dialect.Command{Line: "EHLO x", Heard: dialect.All})
	b.Slow()
	if f := b.Fingerprint(); string(f.Get(dialect.Pace)) != "slow" {
		t.Errorf("%s", f.String())
	}
}

func TestParse(t *testing.T) {
	for _, bad := range []string{"", "hello", "hello=", "hello=EHLO x;hello=EHLO x", "nothing=x", "offer=pie", "offer=size;offer=size",
		"mail=" + strings.Repeat("x", dialect.MaxText+1), strings.Repeat("x", 3*dialect.MaxText)} {
		if f, err := dialect.Parse(bad); !errors.Is(err, dialect.ErrSyntax) {
			t.Errorf("Parse(%.40q) = %q, %v", bad, f.String(), err)
		}
	}
}

func TestHeaderField(t *testing.T) {
	for name, want := range map[string]string{
		"From": "F", "MIME-Version": "M", "Mime-Version": "M'", "Mime-version": "M.", "mime-version": "M_", "MIME-VERSION": "M^", "MiME-Version": "M~",
		"Message-Id": "I'", "from": "F_", "FROM": "F^", "fROM": "F~", "X-Mailer": "X", "X-mailer": "X.",
		"Received": dialect.Relayed, "ARC-Seal": dialect.Relayed, "return-path": dialect.Relayed,
		"Cc": "", "X-Secret": "", "DKIM-Signature": "", "": "", strings.Repeat("From", 100): "", "Date ": "", "\u017fubject": "", "Me\u017fsage-ID": "",
	} {
		if got := dialect.HeaderField(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
}

// TestFields: what a mail server reports of a header, whatever it and its filters add.
func TestFields(t *testing.T) {
	for want, names := range map[string][]string{
		"none":                  {},
		"DF~M_":                 {"Date", "X-Secret", "Authentication-Results", "ARC-Seal", "fROM", "", "mime-version"},
		"relayed":               {"Date", "received", "From"},
		strings.Repeat("T", 48): slices.Repeat([]string{"To"}, 48),
		"":                      slices.Repeat([]string{"To"}, 100_000), // too many
	} {
		var f dialect.Fields
		for _, name := range names {
			f.Add(name)
		}
		var b dialect.Builder
		header := strings.TrimPrefix(f.String(), "none")
		b.Message(dialect.Message{Bytes: 1, HeaderSeen: true, Header: header})
		print := b.Fingerprint()
		if got := string(print.Get(dialect.Header)); got != want || len(header) > 64 {
			t.Errorf("%.3q: %s, of %d bytes; want %s", names, got, len(header), want)
		}
	}
}

func TestHeader(t *testing.T) {
	for _, test := range []struct {
		message dialect.Message
		want    string
	}{
		{dialect.Message{Bytes: 1}, ""}, // not seen
		{dialect.Message{Bytes: 1, HeaderSeen: true}, "none"},
		{dialect.Message{Bytes: 1, HeaderSeen: true, Header: "DF_TSI'"}, "DF_TSI'"},
		{dialect.Message{Bytes: 1, HeaderSeen: true, Header: dialect.Relayed}, "relayed"},
		{dialect.Message{Bytes: 1, HeaderSeen: true, Header: "X-Secret"}, ""}, // no letters
		{dialect.Message{Bytes: 1, HeaderSeen: true, Header: "DATES"}, ""},    // a word
		{dialect.Message{Bytes: 1, HeaderSeen: true, Header: "D'_"}, ""},      // two signs
		{dialect.Message{Bytes: 1, HeaderSeen: true, Header: "'D"}, ""},
		{dialect.Message{Bytes: 1, HeaderSeen: true, Header: strings.Repeat("D", 49)}, ""},
	} {
		var b dialect.Builder
		b.Command(dialect.Command{Line: "DATA"})
		b.Message(test.message)
		b.Message(dialect.Message{Bytes: 1, HeaderSeen: true, Header: "SSS"}) // the second mail
		f := b.Fingerprint()
		if got := string(f.Get(dialect.Header)); got != test.want {
			t.Errorf("%+v: %q, want %q", test.message, got, test.want)
		}
	}
}

func TestAllocations(t *testing.T) {
	if n := testing.AllocsPerRun(100, func() {
		var b dialect.Builder
		b.Reply(220, 0)
		b.Command(dialect.Command{Line: "EHLO mail.example.org", Heard: dialect.All, Think: time.Second})
		b.Reply(250, 3)
		b.Command(dialect.Command{Line: "MAIL FROM:<joe@example.org> SIZE=1000", Heard: dialect.All})
		for range 100 {
			b.Record(false, 23, 100)
			b.Record(true, 23, 100)
		}
		b.Message(dialect.Message{Bytes: 1, HeaderSeen: true, Header: dialect.HeaderField("Date")})
		f := b.Fingerprint()
		if !f.Has(dialect.Mail) {
			t.Fatal("no MAIL")
		}
	}); n != 0 {
		t.Errorf("a session allocates %v times, want 0", n)
	}
}

// FuzzBuilder: whatever is said, a fingerprint is printable, bounded, reads back
// as itself, and holds no address.
func FuzzBuilder(f *testing.F) {
	f.Add([]byte("\x00\x02EHLO x\n\x01\x03MAIL FROM:<q@q> SIZE=1\n\x04"))
	f.Add([]byte("\x05\x06\x07\x08\x09RCPT TO:q@q\n\x02\x02"))
	f.Fuzz(func(t *testing.T, data []byte) {
		var b dialect.Builder
		for i := 0; i < len(data); i++ {
			c := data[i]
			switch c % 9 {
			case 0:
				b.Reply(int(c)*3, dialect.Offer(c))
			case 1:
				b.Message(dialect.Message{Bytes: uint32(c) * 9, First: uint32(c), Dot: dialect.End(c % 7), Heard: dialect.Heard(c % 5), Header: string(data[i:]), HeaderSeen: c&16 != 0})
			case 2:
				b.Record(c&16 != 0, 20+c%5, int(c)*7)
			case 3:
				b.ClientHello(dialect.ClientHello{Library: string(data[:i]), Settings: string(data[i:]), Hints: string(data), Implicit: c&16 != 0})
			case 4:
				b.Close(dialect.End(c%7), dialect.Heard(c%5))
			default:
				line, _, _ := strings.Cut(string(data[i:]), "\n")
				b.Command(dialect.Command{Line: line, Heard: dialect.Heard(c % 5), BareLF: c&32 != 0, Think: time.Duration(c) * time.Millisecond})
				i += len(line)
			}
		}
		fp := b.Fingerprint()
		text := fp.String()
		for i := range len(text) {
			if text[i] < ' ' || text[i] > '~' {
				t.Fatalf("%q is not printable", text)
			}
		}
		if text == "" {
			return
		}
		again, err := dialect.Parse(text)
		if err != nil || again.String() != text {
			t.Fatalf("Parse(%q) = %q, %v", text, again.String(), err)
		}
	})
}
