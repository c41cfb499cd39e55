package explain

import (
	"strings"
	"testing"

	"github.com/mxprint/mxprint/internal/signature"
)

// TestRaw: a raw signature that matches is explained by its line, one that
// does not by the fields in which the nearest differ.
func TestRaw(t *testing.T) {
	for _, tt := range []struct{ raw, want string }{
		{"4:64+0:0:1460:mss*20,7:mss,sok,ts,nop,ws:df,id+:0", "  matches Linux "},
		{"4:64+0:0:1460:mss*20,7:ws,mss,sok,ts,nop:df,id+:0", "  matches nothing; the nearest signatures:\n  1. "},
	} {
		var out strings.Builder
		p := &Printer{Out: &out, DB: signature.Builtin(), N: 1}
		if err := p.Raw(tt.raw, false); err != nil || !strings.Contains(out.String(), tt.want) {
			t.Errorf("Raw(%s) = %v and %q, want %q", tt.raw, err, out.String(), tt.want)
		}
	}
	if err := new(Printer).Raw("4:64", false); err == nil {
		t.Error("half a raw signature gives no error")
	}
}
