package signature_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/mxprint/mxprint/dialect"
	"github.com/mxprint/mxprint/internal/signature"
)

// smtpDB parses lines of [smtp:client].
func smtpDB(t testing.TB, lines ...string) *signature.DB {
	t.Helper()
	db, err := signature.Parse(strings.NewReader("classes = mta,library\n[smtp:client]\n"+strings.Join(lines, "\n")+"\n"), "x.fp")
	if err != nil {
		t.Fatal(err)
	}
	return db
}

func TestSMTP(t *testing.T) {
	for _, test := range []struct {
		sig   string
		text  string
		match bool
	}{
		{"hello=EHLO @", "hello=EHLO fqdn", true},
		{"hello=EHLO @", "hello=EHLO localhost", false}, // the program made that up
		{"hello=EHLO @", "hello=EHLO odd", false},
		{"hello=EHLO localhost|HELO @", "hello=EHLO fqdn", false},
		{"hello=EHLO localhost|HELO @", "hello=HELO bare", true},
		{"hello=EHLO @;quit=QUIT", "hello=EHLO fqdn", true}, // quit was not seen
		{"hello=EHLO @;quit=QUIT", "hello=EHLO fqdn;quit=quit", false},
		{"offer=size;hello=EHLO @", "hello=EHLO fqdn", true}, // nor was the offer
		{"offer=size;hello=EHLO @", "offer=dsn;hello=EHLO fqdn", false},
		{"offer=!size,dsn;hello=EHLO @", "offer=dsn;hello=EHLO fqdn", true},
		{"offer=!size,dsn;hello=EHLO @", "offer=size,dsn;hello=EHLO fqdn", false},

		{"mail=MAIL FROM:<> SIZE=", "offer=size;mail=MAIL FROM:<> SIZE=", true},
		{"mail=MAIL FROM:<> SIZE=", "offer=size;mail=MAIL FROM:<>", false},
		{"mail=MAIL FROM:<> SIZE=", "offer=dsn;mail=MAIL FROM:<>", true},
		{"mail=MAIL FROM:<> SIZE=", "offer=dsn;mail=MAIL FROM:<> SIZE=", false},
		{"mail=MAIL FROM:<> SIZE=", "mail=MAIL FROM:<>", true},
		{"mail=MAIL FROM:<> SIZE=", "offer=size;mail=MAIL FROM:<> SIZE= BODY=8BITMIME", false},
		{"mail=MAIL FROM:<> SIZE= BODY=8BITMIME?", "offer=size,8bitmime;mail=MAIL FROM:<> SIZE= BODY=8BITMIME", true},
		{"mail=MAIL FROM:<> SIZE= BODY=8BITMIME?", "offer=size,8bitmime;mail=MAIL FROM:<> SIZE=", true},
		{"mail=MAIL FROM:<> SIZE=!", "offer=;mail=MAIL FROM:<> SIZE=", true},
		{"mail=MAIL FROM:<> SIZE=!", "offer=;mail=MAIL FROM:<>", false},
		{"mail=MAIL FROM:<>  SIZE=", "offer=size;mail=MAIL FROM:<> SIZE=", false},
		{"mail=MAIL FROM: a", "offer=size;mail=MAIL FROM: a", true},
		{"mail=MAIL FROM: <>", "offer=size;mail=MAIL FROM:<>", false},
		{"mail=MAIL FROM:<>|mail from:<>", "offer=size;mail=mail from:<>", true},

		{"flow=M+R+D/.", "offer=pipelining;flow=M+R+D/.", true},
		{"flow=M+R+D/.", "offer=pipelining;flow=M/R/D/.", false},
		{"flow=M+R+D/.", "offer=;flow=M/R/D/.", true},
		{"flow=M+R+D/.", "offer=pipelining;flow=M+R-", true},
		{"flow=M+R+D/.", "flow=M~R~D/.", true},
		{"flow=M/R~D/.", "offer=pipelining;flow=M/R+D/.", true},
		{"flow=M/R/D/.", "offer=;flow=M/R!D/.", false},
		{"flow=M!R!D/.", "offer=;flow=M+R+D/.", true},
		{"flow=M/R/D/.", "offer=;flow=M/R/D/.$", false},
		{"flow=Q", "offer=;flow=Q", true},
		{"flow=M/R-", "offer=;flow=M/R-", true}, // no message came
		{"flow=M/R-", "offer=;flow=M-", true},
		{"flow=M/R-", "offer=;flow=M/R/D-", false},
		{"flow=M/R-", "offer=;flow=M/R/D/.", false},
		{"flow=M/R-", "offer=;flow=M/R$", false},
		{"flow=M/R/D/.;next=+Q|$", "offer=pipelining;flow=M/R/D/.;next=+Q", true},
		{"rec=e/n/n/6;next=/Q", "rec=e/n/n/6;next=/6", true},
		{"rec=e/n/n/6;next=/M", "rec=e/n/n/6;next=/n", true},
		{"rec=e/n/n/6;next=$", "rec=e/n/n/6;next=/6", false},
		{"rec=e/n/n/6", "rec=e/n-", true},
		{"rec=e/n/n/6", "rec=e/6-", false},
		{"rec=e/n*", "rec=e/n/n/6", true},
		{"refused=S*", "offer=;refused=S/Q", true},
		{"hello=EHLO @", "hello=EHLO fqdn;mail=MAIL FROM:<>", false}, // a session with MAIL wants a rule for it
		{"write=one", "write=one", true},
		{"write=one", "write=bulk", true}, // the network cut it
		{"write=parts", "write=bulk", true},
		{"write=one", "write=parts", false},
		{"write=bulk", "write=parts", true},
		{"write=bulk", "write=lines", false},
		{"write=lines", "write=date", true}, // a date is a line
		{"write=date", "write=lines", false},
		{"hello=EHLO @", "hello=EHLO fqdn;eol=lf", false}, // a bare LF wants a rule for it
		{"hello=EHLO @;eol=lf", "hello=EHLO fqdn;eol=lf", true},
		{"hello=EHLO @", "hello=EHLO fqdn;pace=slow", true}, // a file of one's own does not mind
		{"tls=OpenSSL", "tls=GnuTLS;rec=e/n/n/6", false},
		{"header=DFT?S?IM'C", "header=DFTSIM'C", true},
		{"header=DFT?S?IM'C", "header=DFIM'C", true},
		{"header=DFT?S?IM'C", "header=DFTSIMC", false},
		{"header=DFT?S?IMC", "header=DFTSIM'C", false},
		{"header=DFT?S?IM", "header=DFTSIM'", false},
		{"header=DFT?S?IM", "header=DFTSIMC", false},
		{"header=DFT?S?IM", "header=DFSTIM", false},
		{"header=DFT?S?IM|relayed", "header=relayed", true},
		{"header=DFT?S?IM", "header=relayed", false},
		{"header=DFT?S?IM", "header=none", false},
		{"header=DFT?S?IM", "write=one", true}, // not seen
		{"write=one", "write=one;header=DFTSIM", true},
		{"write=one;header=given", "write=one;header=DFTSIM", true},
		{"write=one;header=given", "write=one", true},
		{"starttls=no;tls=OpenSSL", "tls=OpenSSL", true}, // TLS began at once
		{"starttls=no;tls=OpenSSL", "starttls=STARTTLS;tls=OpenSSL", false},
	} {
		if !strings.Contains(test.text, "mail=") && !strings.Contains(test.text, "rec=") { // without either nothing is named
			test.sig, test.text = test.sig+";rec=e*", test.text+";rec=e/6"
		}
		db := smtpDB(t, "label = s:mta:A:1", "sig = "+test.sig)
		f, err := dialect.Parse(test.text)
		if err != nil {
			t.Fatal(err)
		}
		if m := db.MatchSMTP(&f); (m.N == 1) != test.match {
			t.Errorf("%s and %s: %d programs, want match %v", test.sig, test.text, m.N, test.match)
		}
	}
}

// TestSMTPSets: all that match are named, the likeliest three at most; specific
// ones first, and of several files the first that has one.
func TestSMTPSets(t *testing.T) {
	f, err := dialect.Parse("offer=;hello=EHLO fqdn;rec=e/6")
	if err != nil {
		t.Fatal(err)
	}
	label := func(kind, name, flavor string) string {
		return fmt.Sprintf("label = %s:mta:%s:%s\nsig = hello=EHLO @;rec=e/6", kind, name, flavor)
	}
	for _, test := range []struct {
		name  string
		lines []string
		want  string
	}{
		{"one", []string{label("s", "A", "1")}, "A 1 [] exact"},
		{"releases", []string{label("s", "A", "1"), label("s", "A", "2")}, "A  [] exact"},
		{"three", []string{label("s", "A", "1"), label("s", "B", ""), label("s", "C", "")}, "A 1 [B C] exact"},
		{"four", []string{label("s", "A", ""), label("s", "B", ""), label("s", "C", ""), label("s", "D", "")}, "A  [B C] generic"},
		{"the likeliest", []string{label("s", "A", "") + "|e/n|e/n/n", label("s", "B", "") + "|e/n", label("s", "C", ""), label("s", "D", "") + "*"}, "C  [B A] generic"},
		{"or", []string{"label = s:mta:A:1\nor = B:2\nsig = hello=EHLO @;rec=e/6"}, "A 1 [B] exact"},
		{"generic", []string{label("g", "any", ""), label("s", "A", "1")}, "A 1 [] exact"},
		{"generic alone", []string{label("g", "any", "")}, "any  [] generic"},
		{"nothing", []string{"label = s:mta:A:1\nsig = hello=HELO @"}, "none"},
	} {
		m := smtpDB(t, test.lines...).MatchSMTP(&f)
		got := "none"
		if m.N > 0 {
			got = fmt.Sprint(m.Sigs[0].Label.Name, " ", m.Flavor(), " ", m.Others(), " ", m.Quality())
		}
		if got != test.want {
			t.Errorf("%s: %s, want %s", test.name, got, test.want)
		}
	}
	bare, err := dialect.Parse("offer=;hello=EHLO fqdn;flow=Q")
	if err != nil {
		t.Fatal(err)
	}
	if m := smtpDB(t, label("s", "A", "1")).MatchSMTP(&bare); m.N != 0 {
		t.Error("a greeting alone names a program")
	}
	if m := smtpDB(t, "label = s:mta:A:1\nsig = hello=EHLO @;flow=Q").MatchSMTP(&bare); m.Quality() != signature.Exact {
		t.Error("a file of one's own does not name what leaves without a mail")
	}
	plain, err := dialect.Parse("offer=size;hello=EHLO fqdn;mail=MAIL FROM:<>;rcpt=RCPT TO:<>;flow=M/R/D/.")
	if err != nil {
		t.Fatal(err)
	}
	if m := signature.Builtin().MatchSMTP(&plain); m.N != signature.MaxSoftware || !m.Many || m.Quality() != signature.Generic {
		t.Errorf("what many programs say: %s", m.Title())
	}
	if typed, err := dialect.Parse(plain.String() + ";pace=slow"); err != nil {
		t.Fatal(err)
	} else if m := signature.Builtin().MatchSMTP(&typed); m.N != 0 {
		t.Errorf("what a person types: %s", m.Title())
	}
	if m := smtpDB(t, "label = s:mta:A:1\nsig = mail=MAIL FROM:<>;flow=M/R/D/.").MatchSMTP(&plain); m.N != 1 {
		t.Error("a file of one's own does not name what many say")
	}
}

// TestSMTPWeak: built-in signatures name one program, by what few have; others
// are candidates. A file of one's own names what it says.
func TestSMTPWeak(t *testing.T) {
	const gomail = "offer=size,8bitmime,smtputf8;hello=EHLO fqdn;mail=MAIL FROM:<> BODY=8BITMIME SMTPUTF8;rcpt=RCPT TO:<>;data=DATA;flow=N/M/R/D/.;next=/N;quit=QUIT;end=quit;header="
	for text, want := range map[string]string{
		// MAIL with ORCPT behind PIPELINING is Postfix alone.
		"offer=pipelining,size,8bitmime,dsn;hello=EHLO fqdn;mail=MAIL FROM:<> SIZE= BODY=8BITMIME;rcpt=RCPT TO:<> ORCPT=;data=DATA;flow=M+R+D/.;write=bulk;dot=with;next=+Q;quit=QUIT": "Postfix (exact)",
		// In Python's ehlo few letters are enough, inside TLS too.
		"offer=size;hello=ehlo fqdn;tls=OpenSSL;settings=default;hints=3emt;pad=yes;rec=e/n/n/6;write=bulk;dot=with;next=/6": "Python smtplib (exact)",
		// One matches, by nothing that others may not do.
		"offer=size;hello=EHLO fqdn;tls=GnuTLS;settings=default;hints=3elmotv;pad=no;rec=e-": "Mutt (generic)",
		// A header of its own, one of another order, and one of a message that a server passes on.
		gomail + "DMISUXFTCE": "go-mail (exact)",
		gomail + "CDMFTISE":   "go-mail (generic)",
		gomail + "relayed":    "nothing",
		// Perl's hash has another order each time.
		"offer=size;hello=EHLO fqdn;mail=MAIL FROM:<>;rcpt=RCPT TO:<>;data=DATA;flow=M/R/D/.;header=EM'TFSCD;write=lines;next=/Q;quit=QUIT;end=quit": "Mail-Sendmail (exact)",
		// What a server passed on: that a library or a mail program sends it is less likely.
		"offer=size,8bitmime;hello=EHLO fqdn;mail=MAIL FROM:<> BODY=8BITMIME;rcpt=RCPT TO:<>;data=DATA;flow=M/R/D/.;header=relayed;write=one;dot=with;next=/Q;quit=QUIT;end=quit": "chasquid (exact)",
		// It waits for the reply to QUIT after a message or does not, and puts Received before what it passes on.
		"offer=;hello=HELO fqdn;mail=MAIL FROM:<>;rcpt=RCPT TO:<>;data=DATA;flow=M/R/D/.;header=relayed;write=one;dot=with;next=/Q;quit=QUIT;end=quit!": "nullmailer (exact)",
		"offer=;hello=HELO fqdn;mail=MAIL FROM:<>;rcpt=RCPT TO:<>;data=DATA;flow=M/R/D/.;header=relayed;write=one;dot=with;next=/Q;quit=QUIT;end=quit":  "fdm (exact)",
		// The header that it was given is of a form that Tcllib never writes, and few pass LF on.
		"offer=pipelining,size;hello=EHLO fqdn;mail=MAIL FROM:<> SIZE=;rcpt=RCPT TO:<>;data=DATA;flow=M/R/D/.;header=FTSD;write=one;dot=with;next=/Q;quit=QUIT;end=quit;eol=lf": "curl 8.14.1 and newer (exact)",
		// Symfony Mailer offers TLS 1.3 after STARTTLS, Swift Mailer only where TLS begins at once.
		"offer=size;hello=EHLO [127.0.0.1];starttls=STARTTLS;tls=OpenSSL;settings=PHP;hints=3emt;pad=yes;sni=yes;rec=e/n/n/6;write=parts;dot=crlf;next=/6;end=alert": "Symfony Mailer (exact)",
		// No library of Ruby writes this header, but programs give it to net/smtp.
		"offer=size;hello=EHLO fqdn;mail=MAIL FROM:<>;rcpt=RCPT TO:<>;data=DATA;flow=M/R/D/.;header=FTSD;write=lines;next=/Q;quit=QUIT;end=quit": "Ruby net/smtp",
		// No mail came: candidates at most, and none for a name without a dot.
		"offer=size;hello=EHLO [127.0.0.1];flow=x/Q;quit=QUIT;end=quit": "gsasl (generic)",
		"offer=size;hello=EHLO fqdn;flow=Q;quit=QUIT;end=quit":          "Twisted or postal or HAProxy check (generic)",
		"greet=wait;hello=EHLO fqdn;nohello=$;end=fin":                  "HAProxy check or JavaMail or dma (generic)",
		"offer=size;hello=EHLO bare;flow=Q;quit=QUIT;end=quit":          "nothing",
		"greet=wait;hello=EHLO empty;nohello=$;end=fin":                 "nothing",
		"greet=wait;hello=EHLO underscore;nohello=$;end=fin":            "nothing",
		"greet=wait;flow=$;end=rst":                                     "nothing",
		// Two do.
		"offer=size;hello=EHLO fqdn;tls=JSSE;settings=default;hints=3motv;pad=no;rec=e/n/n/6": "JavaMail or commons-net (generic)",
	} {
		f, err := dialect.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		if m := signature.Builtin().MatchSMTP(&f); !strings.Contains(m.Title(), want) {
			t.Errorf("%s: %s, want %s", text, m.Title(), want)
		}
	}
}

func TestSMTPBad(t *testing.T) {
	for sig, want := range map[string]string{
		"":                                     `x.fp:4:7: empty signature`,
		"hello":                                `x.fp:4:7: want a field and =: "hello"`,
		"nothing=x":                            `x.fp:4:7: want a field and =: "nothing=x"`,
		"hello=":                               `x.fp:4:13: empty value`,
		"hello=EHLO @;":                        `x.fp:4:19: nothing behind the last semicolon: ";"`,
		"hello=EHLO @|":                        `x.fp:4:20: empty alternative`,
		"hello=EHLO @;hello=EHLO @":            `x.fp:4:20: field hello stands twice: "hello=EHLO @"`,
		"offer=pie;hello=EHLO @":               `x.fp:4:13: want extensions, each with ! before it where it must not be offered: "pie;hello=EHLO @"`,
		"offer=size,!size;hello=EHLO @":        `x.fp:4:13: an extension that must and must not be offered: "size,!size;hello=EHLO @"`,
		"offer=size":                           `x.fp:4:7: no field but a condition: "offer=size"`,
		"flow=M+R+":                            `x.fp:4:15: nothing behind the last separator: "+"`,
		"flow=M+R+Z":                           `x.fp:4:16: want letters of commands, with /, +, ~ or ! between them: "Z"`,
		"flow=M-R":                             `x.fp:4:13: want letters of commands, with /, +, ~ or ! between them: "-R"`,
		"flow=-":                               `x.fp:4:12: want letters of commands, with /, +, ~ or ! between them: "-"`,
		"flow=M/-":                             `x.fp:4:13: nothing behind the last separator: "/-"`,
		"flow=M/R--":                           `x.fp:4:15: want letters of commands, with /, +, ~ or ! between them: "--"`,
		"flow=M/R/D/.-":                        `x.fp:4:18: no session goes on after . or $: ".-"`,
		"flow=M|M$-":                           `x.fp:4:15: no session goes on after . or $: "$-"`,
		"next=/Q-":                             `x.fp:4:14: want letters of commands, with /, +, ~ or ! between them: "-"`,
		"header=DFrom":                         `x.fp:4:16: want letters of a header's fields: "rom"`,
		"header=D?F?T?S?I?M?":                  `x.fp:4:14: more than 5 fields that may be missing: "D?F?T?S?I?M?"`,
		"header=given":                         `x.fp:4:7: no field but a condition: "header=given"`,
		"header=given;header=D":                `x.fp:4:20: field header stands twice: "header=D"`,
		"header=DFZSI":                         `x.fp:4:16: no field of a header has the letter Z: "ZSI"`,
		"header=relayed|*FDA'?":                `x.fp:4:25: no field of a header has the letter A: "A'?"`,
		"header=D|given":                       `x.fp:4:16: want letters of a header's fields: "given"`,
		"header=*":                             `x.fp:4:14: want letters of a header's fields: "*"`,
		"header=*DF*":                          `x.fp:4:17: want letters of a header's fields: "*"`,
		"header=*" + strings.Repeat("D", 49):   `x.fp:4:14: more than 48 fields: "*DDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDD…"`,
		"mail=MAIL FROM:<> ":                   `x.fp:4:24: want a blank and a parameter: " "`,
		"hello=" + strings.Repeat("a|", 20):    `x.fp:4:13: more than 16 alternatives: "a|a|a|a|a|a|a|a|a|a|a|a|a|a|a|a|a|a|a|a|"`,
		"hello=EHLO @\nsig = hello=EHLO @":     `x.fp:5:1: signature is already covered by line 4: "sig = hello=EHLO @"`,
		"mail=M:<>" + strings.Repeat(" A", 20): `x.fp:4:48: more than 16 parameters: " A A A A"`,
	} {
		_, err := signature.Parse(strings.NewReader("classes = mta\n[smtp:client]\nlabel = s:mta:A:1\nsig = "+sig+"\n"), "x.fp")
		if err == nil || err.Error() != want {
			t.Errorf("%s: %v, want %s", sig, err, want)
		}
	}
}

// many makes a database of n signatures that differ as those of programs do.
func many(n int) string {
	var b strings.Builder
	b.WriteString("classes = mta\n[smtp:client]\n")
	hello := []string{"EHLO @", "EHLO localhost", "EHLO [127.0.0.1]", "ehlo @", "HELO @", "EHLO localhost.localdomain"}
	mail := []string{"MAIL FROM:<>", "MAIL From:<>", "mail FROM:<>", "mail from:<>", "MAIL FROM: <>", "Mail From:<>"}
	flow := []string{"M/R/D/.", "M+R+D/.", "M/R+D/.", "M+R/D/.", "S/M/R/D/."}
	for i := range n {
		fmt.Fprintf(&b, "label = s:mta:P%d:\nsig = hello=%s;mail=%s SIZE= BODY=8BITMIME? X%d!;rcpt=RCPT TO:<>;flow=%s;tls=OpenSSL;rec=e/n/n/6\n",
			i, hello[i%6], mail[i/6%6], i/180, flow[i/36%5])
	}
	return b.String()
}

var smtpSessions = []string{
	"offer=pipelining,size;greet=wait;hello=EHLO fqdn;mail=MAIL FROM:<> SIZE= X0;rcpt=RCPT TO:<>;data=DATA;flow=M/R/D/.;write=lines;dot=with",
	"offer=pipelining,size,8bitmime;hello=EHLO localhost;mail=MAIL FROM:<> SIZE= BODY=8BITMIME X0;rcpt=RCPT TO:<>;flow=M/R/D/.;end=quit",
	"offer=pipelining,size;hello=HELO fqdn;mail=MAIL FROM:<>;rcpt=RCPT TO:<>;flow=M/R/D/.;end=quit",
	"offer=pipelining,size;hello=HELO fqdn;mail=MAIL FROM:<>;rcpt=RCPT TO:<>;flow=M/R/D/.;header=EM'TFSCD;end=quit",
}

func TestSMTPAllocations(t *testing.T) {
	db, err := signature.Parse(strings.NewReader(many(2000)), "many.fp")
	if err != nil {
		t.Fatal(err)
	}
	for i, text := range smtpSessions {
		f, err := dialect.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		m := db.MatchSMTP(&f)
		if i == 0 && m.N != 1 {
			t.Errorf("%s: %d programs, want 1", text, m.N)
		}
		if n := testing.AllocsPerRun(100, func() { m = db.MatchSMTP(&f) }); n != 0 {
			t.Errorf("a match allocates %v times, want 0", n)
		}
	}
}

// TestSMTPMany: a large database is ready in a few seconds, whatever its
// signatures leave open.
func TestSMTPMany(t *testing.T) {
	text := many(4_700)
	var b strings.Builder
	for i := range 300 {
		fmt.Fprintf(&b, "label = s:mta:Q%d:\nsig = hello=EHLO @|HELO @|ehlo @;mail=A:<> B? C? D? E? F? G%d?;rcpt=H:<> I? J? K? L? M? N%d?;flow=M~R~D~.;tls=a|b|c|d;rec=e/n|e/n/6\n", i, i, i)
	}
	begun := time.Now()
	db, err := signature.Parse(strings.NewReader(text+b.String()), "many.fp")
	if err != nil {
		t.Fatal(err)
	}
	if took := time.Since(begun); took > 60*time.Second {
		t.Errorf("5,000 signatures take %v", took)
	} else {
		t.Logf("%d signatures take %v", db.Count(), took)
	}
}

// BenchmarkSMTP: the cost of a match does not grow with the signatures.
func BenchmarkSMTP(b *testing.B) {
	for _, n := range []int{20, 200, 2000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			db, err := signature.Parse(strings.NewReader(many(n)), "many.fp")
			if err != nil {
				b.Fatal(err)
			}
			var all []dialect.Fingerprint
			for _, text := range smtpSessions {
				f, err := dialect.Parse(text)
				if err != nil {
					b.Fatal(err)
				}
				all = append(all, f)
			}
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				db.MatchSMTP(&all[i%len(all)])
				i++
			}
		})
	}
}
