package signature

import (
	"strings"
	"testing"
)

// TestP0f2: a file of p0f 2 is named as such, once, wherever its first line is.
func TestP0f2(t *testing.T) {
	for name, text := range map[string]string{
		"p0f.fp":      "#\n# a comment\n\n16384:64:1:60:M*,N,W0,N,N,T:.:Example:1.0\nS4:64:1:60:M*,S,T,N,W7:.:Example:2.0 (newer)\n",
		"p0fa.fp":     "S4:64:1:*:M*,S,T,N,W0:ZAT:@Example:any\n",
		"p0fr.fp":     "0:255:0:40:.:K0:-Example:reset\n",
		"p0fo.fp":     "# stray\n*:128:1:52:N,N,T:.:Example:\n",
		"Windows":     "# DOS\r\nT22:64:1:60:M1460,S,T:P:Example:1\r\n%8192:64:0:44:M*:.:*Example:1\r\n",
		"after blank": "\n\n%192:30:0:44:M*:.:NMAP:syn scan\n",
	} {
		_, err := Parse(strings.NewReader(text), name)
		if err == nil || !strings.Contains(err.Error(), "this is a signature file of p0f 2") {
			t.Errorf("%s: Parse: %v", name, err)
		}
		rep, err := Check(strings.NewReader(text), name)
		if err != nil || len(rep.Errors) != 1 || rep.DB != nil || !strings.Contains(rep.Errors[0].Error(), "this is a signature file of p0f 2") {
			t.Errorf("%s: Check: %v, %v", name, rep.Errors, err)
		}
	}
	for _, text := range []string{"", "# a comment\n", "classes = unix\n", "; 1:2:0:3:M:.:x:y\n", "4:64:0:*:*,*:mss::0\n", "[tcp:request]\nS4:64:1:60:M*:.:Example:1\n"} {
		if rep, _ := Check(strings.NewReader(text), "F"); len(rep.Errors) > 0 && strings.Contains(rep.Errors[0].Msg, "p0f 2") {
			t.Errorf("%q is taken for p0f 2's", text)
		}
	}
}
