package dialect_test

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/mxprint/mxprint/dialect"
)

// TestRedact: the Haraka plugin has the same lines, and makes the same of them.
func TestRedact(t *testing.T) {
	text, err := os.ReadFile("../contrib/haraka-plugin-mxprint/test/redact.json")
	if err != nil {
		t.Fatal(err)
	}
	var list [][2]string
	if err := json.Unmarshal(text, &list); err != nil {
		t.Fatal(err)
	}
	for _, v := range list {
		line := latin1(v[0])
		if got := dialect.Redact(line); got != v[1] {
			t.Errorf("Redact(%q) = %q, want %q", line, got, v[1])
		}
		if got := dialect.Redact(v[1]); got != v[1] {
			t.Errorf("Redact(%q) = %q", v[1], got)
		}
	}
}

// latin1 makes bytes of characters, as Haraka has lines.
func latin1(s string) string {
	var b []byte
	for _, r := range s {
		b = append(b, byte(r))
	}
	return string(b)
}

func TestOfLines(t *testing.T) {
	for _, test := range []struct {
		lines string
		gaps  bool
		want  string
	}{
		{"EHLO mx.example.org|STARTTLS|EHLO mx.example.org|MAIL FROM:<a@b> SIZE=1|RCPT TO:<c@d>|RCPT TO:<e@f>|DATA|.", false,
			"hello=EHLO fqdn;starttls=STARTTLS;mail=MAIL FROM:<> SIZE=;rcpt=RCPT TO:<>;data=DATA;flow=M~R~D~."},
		{"EHLO x|MAIL FROM:<a@b>|RCPT TO:<c@d>|DATA|.|MAIL FROM:<a@b>|RCPT TO:<c@d>|DATA|.", false,
			"hello=EHLO bare;mail=MAIL FROM:<>;rcpt=RCPT TO:<>;data=DATA;flow=M~R~D~.;next=~M"},
		{"* mx.example.org|MAIL *<> SIZE= BODY=8BITMIME|RCPT *<> ORCPT=", true, "hello=* fqdn;mail=MAIL *<> SIZE= BODY=8BITMIME;rcpt=RCPT *<> ORCPT="},
		{"* x|MAIL *a|RCPT *a X=", true, "hello=* bare;mail=MAIL *a;rcpt=RCPT *a X="},
		{"* localhost|STARTTLS *|* localhost|RSET *|MAIL *|RCPT *|RCPT *|DATA *|.", false, "hello=* localhost;flow=S~M~R~D~."},
		{"EHLO *|MAIL *|RCPT *|BDAT *|BDAT *|QUIT *", false, "flow=M~R~B~Q-"},
		{"X|?|X:|GET", false, "flow=x~x~x~x-"},
		{"", false, ""},
	} {
		var lines []string
		if test.lines != "" {
			lines = strings.Split(test.lines, "|")
		}
		f := dialect.OfLines(lines, test.gaps)
		if got := f.String(); got != test.want {
			t.Errorf("%s:\n got %s\nwant %s", test.lines, got, test.want)
		}
		if again, err := dialect.Parse(f.String()); test.want != "" && (err != nil || again.String() != test.want) {
			t.Errorf("Parse(%q) = %q, %v", test.want, again.String(), err)
		}
	}
}

func TestJoin(t *testing.T) {
	f, err := dialect.Parse("offer=size;hello=EHLO fqdn;tls=OpenSSL;rec=e/n/n/6")
	if err != nil {
		t.Fatal(err)
	}
	g := dialect.OfLines([]string{"EHLO localhost", "MAIL FROM:<> SIZE="}, false)
	f.Join(&g)
	if got, want := f.String(), "offer=size;hello=EHLO fqdn;tls=OpenSSL;rec=e/n/n/6;mail=MAIL FROM:<> SIZE=;flow=M-"; got != want {
		t.Errorf("joined: %s, want %s", got, want)
	}
}

// FuzzRedact: what is left of a line has no address and no password, is one
// printable line, and is left of it again; the dialect is the same.
func FuzzRedact(f *testing.F) {
	for _, line := range []string{"MAIL FROM:<joe@example.org> SIZE=1", "AUTH PLAIN xyz", "MAIL *<> SIZE=", "* x", "RSET *", "X:", "rcpt to: a b=c", "bdat 1 LAST"} {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, line string) {
		got := dialect.Redact(line)
		if again := dialect.Redact(got); again != got || len(got) > 160 || strings.Trim(got, printableASCII) != "" {
			t.Fatalf("Redact(%q) = %q, and again %q", line, got, again)
		}
		hello := strings.HasPrefix(strings.ToUpper(line), "EHLO") || strings.HasPrefix(strings.ToUpper(line), "HELO") ||
			strings.HasPrefix(strings.ToUpper(line), "LHLO") || strings.HasPrefix(line, "* ")
		if strings.Contains(got, "@") && !hello {
			t.Fatalf("Redact(%q) = %q has an address", line, got)
		}
		if got == "X" || got == "X:" {
			return // a word that goes on behind a verb
		}
		if hello || len(line) > 100 || strings.ContainsAny(line, "\t") || strings.Trim(line, printableASCII) != "" {
			return // a name may be cut, and blanks are made one
		}
		a, b := dialect.OfLines([]string{line}, false), dialect.OfLines([]string{got}, false)
		if a.String() != b.String() {
			t.Fatalf("the dialect of %q is %q, and of %q %q", line, a.String(), got, b.String())
		}
	})
}

var printableASCII = func() string {
	var b []byte
	for c := byte(' '); c <= '~'; c++ {
		b = append(b, c)
	}
	return string(b)
}()
