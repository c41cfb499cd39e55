package signature_test

import (
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mxprint/mxprint/savedsyn"
	"github.com/mxprint/mxprint/signature"
)

// aSYN is the SYN of a Linux 6.12, as its kernel saved it for a listener.
const aSYN = "4500003c1c4640003f06a5d0c0000201c0000219c3500019499602d200000000a002faf0e0520000" +
	"020405b40402080a499602d2000000000103030a"

func ExampleDB_Match() {
	db := signature.Builtin() // or signature.Load("p0f.fp")
	syn, err := savedsyn.Parse(aSYN)
	if err != nil {
		log.Fatal(err)
	}
	segment, err := savedsyn.Decode(syn)
	if err != nil {
		log.Fatal(err)
	}
	m := db.Match(&segment, 0)
	fmt.Printf("%s, %d hop away\n", m.Label.Name, m.Distance)
	fmt.Printf("%s\n", signature.AppendRaw(nil, &segment, 0))
	fmt.Println(db.Link(segment.MTU()))
	// Output:
	// Linux, 1 hop away
	// 4:63+1:0:1460:mss*44,10:mss,sok,ts,nop,ws:df,id+:0
	// Ethernet
}

func ExampleParse() {
	_, err := signature.Parse(strings.NewReader("[tcp:request]\nlabel = x:unix:Linux:\n"), "my.fp")
	var syntax *signature.SyntaxError
	if errors.As(err, &syntax) {
		fmt.Println(syntax)
		fmt.Println("hint:", syntax.Hint)
	}
	// Output:
	// my.fp:2:9: want s or g and a colon as the label type: "x:unix:Linux:"
	// hint: write s:class:name:flavor, or g:… for a catch-all
}

// TestLoad: the first file counts first, and an empty path is the built-in
// database.
func TestLoad(t *testing.T) {
	mine := filepath.Join(t.TempDir(), "mine.fp")
	text := "classes = unix\n[mtu]\nlabel = here\nsig = 1500\n[tcp:request]\nlabel = s:unix:Mine:1\nor = Yours:\n" +
		"source = this test\ndate = 2026-11\nsig = *:64:0:*:mss*44,10:mss,sok,ts,nop,ws:df,id+:0\n"
	if err := os.WriteFile(mine, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	db, err := signature.Load(mine, "")
	if err != nil {
		t.Fatal(err)
	}
	syn, err := savedsyn.Parse(aSYN)
	if err != nil {
		t.Fatal(err)
	}
	s, err := savedsyn.Decode(syn)
	if err != nil {
		t.Fatal(err)
	}
	m := db.Match(&s, 0)
	if m.Label.Title() != "Mine 1" || len(m.Label.Others) != 1 || m.Label.Others[0] != "Yours" || m.Label.Class != "unix" ||
		m.File != mine || m.Line != 10 || m.Source != "this test" || m.Date != "2026-11" || m.Distance != 1 || m.Fuzzy {
		t.Errorf("Match = %+v", m)
	}
	if got := db.Link(1500); got != "here" {
		t.Errorf("Link(1500) = %q, want that of the first file", got)
	}
	if db.Count() <= signature.Builtin().Count()-10 {
		t.Errorf("%d signatures, want those of both", db.Count())
	}
	if n := testing.AllocsPerRun(100, func() { m = db.Match(&s, 0) }); n != 0 {
		t.Errorf("Match allocates %v times, want 0", n)
	}
	if _, err := signature.Load(mine + "x"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("Load of no file: %v", err)
	}
	if _, err := signature.Parse(strings.NewReader(strings.Repeat("\n", 17<<20)), "big"); !errors.Is(err, signature.ErrTooLarge) {
		t.Errorf("Parse of 17 MiB: %v, want ErrTooLarge", err)
	}
}
