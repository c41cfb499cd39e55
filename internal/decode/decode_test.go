package decode

import (
	"errors"
	"strings"
	"testing"

	"github.com/mxprint/mxprint/signature"
)

const syn = "4500003C395D40004006035D7F0000017F000001BAE8386DF3A9CBF900000000A002FFD7FE3000000204FFD70402080AC104064E000000000103030A"

// TestLines: the last word of a line is the SYN; what cannot be read is named
// with its line, and the rest goes on.
func TestLines(t *testing.T) {
	var out, faults strings.Builder
	d := &Decoder{DB: signature.Builtin(), Out: &out, Err: &faults}
	err := d.Lines(strings.NewReader("smtp 1.2.3.4 " + syn + "\n\nzz\n-\n"))
	if err != nil || !d.Bad || !strings.HasPrefix(out.String(), "127.0.0.1: matched\n") || !strings.HasSuffix(out.String(), "-: unavailable\n") ||
		!strings.HasPrefix(faults.String(), "mxprint: decode: line 3: ") {
		t.Errorf("Lines = %v, bad %v, output %q, faults %q", err, d.Bad, out.String(), faults.String())
	}
}

type closed struct{}

func (closed) Write([]byte) (int, error) { return 0, errors.New("broken pipe") }

// TestClosed: an output that is closed ends the reading.
func TestClosed(t *testing.T) {
	d := &Decoder{DB: signature.Builtin(), Out: closed{}, JSON: true}
	if err := d.Lines(strings.NewReader(syn + "\n")); err == nil || err.Error() != "writing the output: broken pipe" {
		t.Errorf("Lines = %v", err)
	}
}
