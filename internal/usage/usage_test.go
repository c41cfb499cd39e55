package usage

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParse(t *testing.T) {
	const text = `Usage: mxprint x check FILE…
       mxprint x list [-s SOCKET]

First line
and its second.

check    reports every fault,
         a line each.
list     shows labels.

  -s SOCKET  the socket
             of it
  -t C,H     two
  -json
             one object

Examples, for a file:
  mxprint x -s a
    indented

  more
`
	got := Parse(text)
	want := Page{
		Synopsis: []string{"mxprint x check FILE…", "mxprint x list [-s SOCKET]"},
		Blocks: []Block{
			{Kind: Text, Lines: []string{"First line and its second."}},
			{Kind: Terms, Terms: []Term{{"check", "reports every fault, a line each."}, {"list", "shows labels."}}},
			{Kind: Terms, Terms: []Term{{"-s SOCKET", "the socket of it"}, {"-t C,H", "two"}, {"-json", "one object"}}},
			{Kind: Heading, Lines: []string{"Examples, for a file"}},
			{Kind: Code, Lines: []string{"mxprint x -s a", "  indented"}},
			{Kind: Code, Lines: []string{"more"}},
		},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("Parse: -want +got\n%s", d)
	}
	options := []Option{{"s", "SOCKET", "the socket of it"}, {"t", "C,H", "two"}, {"json", "", "one object"}}
	if d := cmp.Diff(options, got.Options()); d != "" {
		t.Errorf("Options: -want +got\n%s", d)
	}
	if d := cmp.Diff([]string{"check", "list"}, got.Words()); d != "" {
		t.Errorf("Words: -want +got\n%s", d)
	}
}
