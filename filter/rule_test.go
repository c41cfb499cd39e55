package filter

import (
	"errors"
	"math/rand/v2"
	"testing"
)

// TestAllTCP: a rule without an expression takes what its program takes, though
// it does not run it for most frames.
func TestAllTCP(t *testing.T) {
	f := &frames{Rand: rand.New(rand.NewPCG(17, 1)), families6: []uint32{10}}
	for _, rule := range []Rule{{}, {P0f: true}} {
		for _, link := range []int{ethernet, 101, 113} {
			for _, live := range []bool{false, true} {
				l, err := rule.ForLink(link, live)
				if err != nil {
					t.Fatal(err)
				}
				taken := 0
				for range 20_000 {
					frame, wire := f.next(link)
					got, want := l.Match(frame, wire), l.take.Match(frame, wire)
					if got != want {
						t.Fatalf("%+v, link type %d: Match(%x) = %t, want %t as of the program", rule, link, frame, got, want)
					}
					if want {
						taken++
					}
				}
				if taken == 0 {
					t.Errorf("%+v, link type %d: no frame matched", rule, link)
				}
			}
		}
	}
}

// TestBlankRule: as in p0f it is an error, of its own.
func TestBlankRule(t *testing.T) {
	for _, expr := range []string{" ", "\t\n"} {
		if _, err := (&Rule{Expr: expr}).ForLink(ethernet, false); !errors.Is(err, errBlank) {
			t.Errorf("%q: error %v", expr, err)
		}
	}
}
