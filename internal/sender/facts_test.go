package sender

import (
	"fmt"
	"reflect"
	"testing"

	"github.com/mxprint/mxprint/dialect"
	"github.com/mxprint/mxprint/internal/answer"
	"github.com/mxprint/mxprint/internal/signature"
	"github.com/mxprint/mxprint/note"
)

// TestPrograms: what is kept is what a database says without it, of each database
// alone, and how much is kept is bounded.
func TestPrograms(t *testing.T) {
	var ps programs
	f, err := dialect.Parse("hello=EHLO fqdn;tls=OpenSSL;settings=other;hints=3em;pad=yes;sni=yes;rec=e/n/n/nn/6;end=alert")
	if err != nil {
		t.Fatal(err)
	}
	clear := f
	clear.TLSUsed = false
	empty := new(signature.DB)
	for i := range 2 { // the second time from what is kept
		for _, db := range []*signature.DB{signature.Builtin(), empty} {
			for _, f := range []dialect.Fingerprint{f, clear} {
				for _, reading := range []note.Progress{note.Reading, note.Complete} {
					got, want := ps.of(db, &f, reading), answer.Software(db, &f, reading)
					if !reflect.DeepEqual(got, want) {
						t.Errorf("time %d: %+v, want %+v", i, got, want)
					}
					if ps.of(db, &f, reading) != got {
						t.Error("the same dialect is named twice")
					}
				}
			}
		}
	}
	if n := ps.of(signature.Builtin(), &f, note.Complete); n.State != note.Matched {
		t.Errorf("%q is %+v: no name, the test shows nothing", f.String(), n)
	}
	for i := range 2 * mostPrograms {
		f, err := dialect.Parse(fmt.Sprintf("quit=QUIT %d", i))
		if err != nil {
			t.Fatal(err)
		}
		ps.of(empty, &f, note.Complete)
	}
	if n := len(ps.all); n > mostPrograms {
		t.Errorf("%d are kept, want %d at most", n, mostPrograms)
	}
}
