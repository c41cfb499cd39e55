package signature

import (
	"strings"
	"testing"

	"github.com/mxprint/mxprint/dialect"
)

// FuzzSMTP: the tree finds what a walk through all signatures finds, and a
// signature that matches has no difference to explain.
func FuzzSMTP(f *testing.F) {
	f.Add("offer=size,!dsn;hello=EHLO @|HELO x;mail=MAIL FROM:<> SIZE=? X!;flow=M+R~D!.;next=/Q|$", "offer=size;hello=EHLO fqdn;mail=MAIL FROM:<> X;flow=M/R/D/.;next=/Q")
	f.Add("rec=e/n*|e;refused=S*;tls=OpenSSL", "greet=wait;hello=EHLO localhost;tls=GnuTLS;hints=3t;rec=e/n-;next=/6")
	f.Add("mail=MAIL FROM: a", "hello=ehlo bare;mail=mail FROM:<> size=;rcpt=rcpt TO:<>;data=data;flow=M~R-")
	f.Add("mail=MAIL FROM:<>;header=D_FT?S?I'M~X?|relayed|none", "mail=MAIL FROM:<>;header=D_FI'M~")
	f.Add("mail=MAIL FROM:<>;header=DS?S|S?T?S", "mail=MAIL FROM:<>;rcpt=RCPT TO:<>;flow=M/R/D/.;header=relay")
	f.Add("mail=MAIL FROM:<>;header=D", "mail=MAIL FROM*<>;header=D")
	f.Add("hello=* x", "hello=*;mail=MAIL *")
	f.Add("hello=HELO @;flow=H/Q", "hello=HELO fqdn;flow=H/Q")
	f.Add("hello=EHLO @;flow=Q|$", "offer=;hello=EHLO fqdn;flow=$;end=fin")
	f.Add("mail=MAIL FROM:<>;flow=M+R-|M$", "offer=pipelining;mail=MAIL FROM:<>;flow=M+R-")
	f.Add("mail=MAIL FROM:<>;flow=M/R/D/.;header=*D?FT?D|*S?FM'", "mail=MAIL FROM:<>;flow=M/R/D/.;header=FD")
	f.Fuzz(func(t *testing.T, sig, text string) {
		if strings.ContainsAny(sig, "\r\n") {
			return
		}
		p, err := dialect.Parse(text)
		if err != nil {
			return
		}
		compareSMTP(t, Builtin(), &p)
		draft, ok := AppendSMTPDraft(nil, &p)
		if !ok {
			draft = []byte("hello=EHLO @")
		}
		for _, line := range []string{sig, string(draft)} {
			db, err := Parse(strings.NewReader("classes = c\n[smtp:client]\nlabel = s:c:A:\nsig = "+line+"\nlabel = g:c:B:\nsig = rec=e*;mail=MAIL FROM:<>\n"), "x.fp")
			if err != nil {
				continue
			}
			compareSMTP(t, db, &p)
		}
	})
}

func compareSMTP(t *testing.T, db *DB, p *dialect.Fingerprint) {
	t.Helper()
	m := db.MatchSMTP(p)
	if m.N > MaxSoftware {
		t.Fatalf("MatchSMTP = %+v", m)
	}
	var specific, generic smtpFound
	carried := db.smtp.weights.carried(p)
	for _, s := range db.smtp.sigs {
		cost, fits := s.fits(p, carried)
		if near := s.Explain(p); fits != (len(near.Differences) == 0) {
			t.Fatalf("%q fits %q: %v, but Explain = %+v", s.Text, p.String(), fits, near.Differences)
		}
		switch {
		case !fits:
		case s.Label.Generic:
			generic.add(s, cost)
		default:
			specific.add(s, cost)
		}
	}
	want := db.smtp.weights.judge(p, &specific)
	if specific.n == 0 {
		want = db.smtp.weights.judge(p, &generic)
	}
	if !came(p) && !(p.Has(dialect.Hello) && p.Has(dialect.Flow)) {
		want = SMTPMatch{}
	}
	if m.N != want.N || m.Sigs != want.Sigs || m.Weak != want.Weak {
		t.Fatalf("%q: the tree finds %+v, a walk %+v", p.String(), m, want)
	}
}
