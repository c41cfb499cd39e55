package signature

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"
)

// TestFinding20Budget: a hostile file of 20,000 signatures, each of which has to
// be compared with all before it, ends with the line at which it is too much,
// in some seconds.
func TestFinding20Budget(t *testing.T) {
	windows := func(n, i int) string {
		var all []string
		for k := range n {
			all = append(all, fmt.Sprint(1+(i*n+k*7919)%65535))
		}
		return strings.Join(all, "|")
	}
	for name, sig := range map[string]func(i int) string{
		"windows": func(i int) string { return fmt.Sprintf("*:64:0:*:%s,*:mss::0", windows(8, i)) },
		"forms": func(i int) string {
			return fmt.Sprintf("*:64:0:*:%s,*:(mss|nop|ws|sok|sack|ts),(mss|nop|ws|sok|sack|ts):df?:0", windows(1, i))
		},
		"http": nil,
	} {
		t.Run(name, func(t *testing.T) {
			var b strings.Builder
			b.WriteString("classes = unix\n[tcp:request]\nlabel = s:unix:A:\n")
			if sig == nil {
				b.Reset()
				b.WriteString("classes = unix\n[http:request]\nlabel = s:unix:A:\n")
				sig = func(i int) string { return fmt.Sprintf("*:%s,Z=[%05d]::", strings.Repeat("?A,", 28)+"Host", i) }
			}
			for i := range 20_000 {
				b.WriteString("sig = " + sig(i) + "\n")
			}
			begin := time.Now()
			_, err := Parse(strings.NewReader(b.String()), "hostile.fp")
			took := time.Since(begin)
			t.Logf("%v: %v", took, err)
			if took > 20*time.Second { // on a machine that has other work, too
				t.Errorf("it took %v", took)
			}
			if err == nil {
				t.Log("taken")
			} else if !errors.Is(err, ErrTooLarge) || !regexp.MustCompile(`hostile\.fp:\d+: `).MatchString(err.Error()) {
				t.Errorf("the error names no line: %v", err)
			}
		})
	}
}
