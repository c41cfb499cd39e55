package signature

import (
	"strings"
	"testing"

	"github.com/mxprint/mxprint/dialect"
)

// TestJoinHeader: inside TLS the header that a mail server reports names the program
// that writes it, and takes no name from one that the packets name.
func TestJoinHeader(t *testing.T) {
	const (
		snail     = "hello=EHLO fqdn;tls=OpenSSL;settings=default;hints=3emt;pad=no;rec=e/n/n/6;write=date;dot=alone"
		phpmailer = "hello=EHLO fqdn;tls=OpenSSL;settings=PHP;hints=3emt;rec=e/n/n/6;write=date;dot=alone"
		lines     = "mail=MAIL FROM:<>;rcpt=RCPT TO:<>;data=DATA;flow=M~R~D~."
	)
	for _, tt := range []struct{ packets, heard, want string }{ // NAME? is a candidate, and !NAME none
		{snail, lines, "s-nail?"},
		{snail, lines + ";header=DFTSIU", "s-nail"},
		{snail, "mail=MAIL *<>;header=DFTSIU", "s-nail"}, // of a milter
		{snail, lines + ";header=relayed", "!s-nail"},
		{snail, lines + ";header=XSTD", "s-nail?"}, // another header, as of one that sets its own
		{snail, "header=DFTSIU", "s-nail?"},        // no lines
		{phpmailer, lines + ";header=DTFSIXMC", "PHPMailer"},
		{phpmailer, lines + ";header=XSTD", "PHPMailer"},
	} {
		f, err := dialect.Parse(tt.packets)
		if err != nil {
			t.Fatal(err)
		}
		g, err := dialect.Parse(tt.heard)
		if err != nil {
			t.Fatal(err)
		}
		m := Builtin().JoinSMTP(&f, &g)
		name := strings.Trim(tt.want, "!?")
		got := "!" + name
		for _, s := range m.Sigs[:m.N] {
			switch {
			case s.Label.Name != name:
			case m.Quality() == Exact:
				got = name
			default:
				got = name + "?"
			}
		}
		if got != tt.want {
			t.Errorf("%s and %s: %s, want %s", tt.packets, tt.heard, got, tt.want)
		}
	}
}
