package signature

import (
	"strings"
	"testing"

	"github.com/mxprint/mxprint/dialect"
)

// TestDraftHeader: a draft of any header that a session may have is read again and
// takes it, and what is no header ends.
func TestDraftHeader(t *testing.T) {
	const rest = "hello=EHLO fqdn;mail=MAIL FROM:<>;rcpt=RCPT TO:<>;data=DATA;flow=M/R/D/.;header="
	for _, header := range []string{"DFTSUXTM", "DFTTTTTTS", "DFTS'", "relayed", "none", "relay", "r", "df", "FT?", "?"} {
		f, err := dialect.Parse(rest + header)
		if err != nil {
			t.Fatal(err)
		}
		draft, _ := AppendSMTPDraft(nil, &f)
		db, err := Parse(strings.NewReader("classes = c\n[smtp:client]\nlabel = s:c:A:\nsig = "+string(draft)+"\n"), "x.fp")
		if err != nil {
			t.Errorf("header %s: draft %q: %v", header, draft, err)
		} else if m := db.MatchSMTP(&f); m.N != 1 {
			t.Errorf("draft %q does not take %q", draft, header)
		}
	}
}

// TestHeaderForms: a header takes each of its forms.
func TestHeaderForms(t *testing.T) {
	for _, want := range []string{"S?S", "T?T'?", "S?S~", "M?M_", "S?TS?T", "DFT?S?IMC", "M?M'", "S?T?S", "*DFT?S?M'", "*S?TS?T", "*DFM'M", "*D?FD", "*M'?MM'"} {
		for _, form := range headerForms(want) {
			form = strings.TrimPrefix(form, anyOrder)
			if form != "" && !takesHeader(want, []byte(form)) {
				t.Errorf("%s does not take its own form %q", want, form)
			}
		}
	}
}

// TestAnyOrder: fields in any order, each as often as the signature has it.
func TestAnyOrder(t *testing.T) {
	for _, test := range []struct {
		want, value string
		ok          bool
	}{
		{"*CDFM'T?S?", "M'CFDTS", true},
		{"*CDFM'T?S?", "SDFCM'", true},
		{"*CDFM'T?S?", "DFCM'TT", false},
		{"*CDFM'T?S?", "DFCMTS", false}, // another spelling
		{"*CDFM'T?S?", "DFM'TS", false}, // one is missing
		{"*CDFM'T?S?", "DFCM'TSX", false},
		{"*DD", "D", false},
		{"*DD", "DD", true},
		{"*D?D", "D", true}, // whichever may be missing
		{"*D?D", "DD", true},
		{"*D?D", "DDD", false},
		{"*D?M'", "M'", true},
		{"*D?M'", "M", false},
		{"*D?", "D''", false}, // two signs are no field
		{"*D", "relayed", false},
		{"*D", "none", false},
	} {
		if got := takesHeader(test.want, []byte(test.value)); got != test.ok {
			t.Errorf("%s takes %s: %v, want %v", test.want, test.value, got, test.ok)
		}
	}
}

// TestHeaderLetters: a signature may have the letters that a fingerprint has, no others.
func TestHeaderLetters(t *testing.T) {
	for c := byte('A'); c <= 'Z'; c++ {
		var b dialect.Builder
		b.Message(dialect.Message{Bytes: 1, HeaderSeen: true, Header: string(c)})
		f := b.Fingerprint()
		_, err := Parse(strings.NewReader("classes = c\n[smtp:client]\nlabel = s:c:A:\nsig = header="+string(c)+"\n"), "x.fp")
		if has := f.Has(dialect.Header); has != (err == nil) {
			t.Errorf("%c: in a fingerprint %v; in a signature: %v", c, has, err)
		}
	}
}
