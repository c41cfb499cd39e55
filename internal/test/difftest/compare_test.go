package difftest

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// asMxprint returns a program that takes mxprint's arguments and is p0f with
// further arguments of its own: a second opinion that is right, or wrong in a
// known way.
func asMxprint(t *testing.T, p0f, args string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "stand-in")
	script := fmt.Sprintf("#!/bin/sh\nshift\nexec %s %s \"$@\"\n", p0f, args)
	if err := os.WriteFile(file, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	return file
}

// TestCompareSeesDifferences proves that the comparison passes where p0f is held
// against itself, and fails where the other side has smaller tables.
func TestCompareSeesDifferences(t *testing.T) {
	p0f, ctx, dir := p0fPath(t), context.Background(), t.TempDir()
	p := Profile{Name: "stock", Hosts: 6, Frames: 400}
	d, err := Compare(ctx, 1, p, p0f, asMxprint(t, p0f, ""), dir)
	if err != nil {
		t.Fatal(err)
	}
	if !d.Equal() || d.Lines == 0 {
		t.Errorf("p0f against itself: %v", d)
	}
	wrong := asMxprint(t, p0f, "-m 2,3")
	if d, err = Compare(ctx, 1, p, p0f, wrong, dir); err != nil {
		t.Fatal(err)
	}
	if d.What != "log" || d.Packet == 0 || d.Want == d.Got || !strings.Contains(d.Again, "-seed 1 ") {
		t.Fatalf("p0f against p0f with small tables: %+v", d)
	}
	capture, err := Generate(1, p)
	if err != nil {
		t.Fatal(err)
	}
	small, err := Shrink(ctx, capture, p, p0f, wrong, dir)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(decodePcap(small)); n == 0 || n > 20 {
		t.Errorf("shrunk to %d frames, want a few", n)
	}
	file := filepath.Join(dir, "small.pcap")
	if err := os.WriteFile(file, small, 0o600); err != nil {
		t.Fatal(err)
	}
	if d, err = CompareFile(ctx, file, StockDatabase, nil, p0f, wrong); err != nil || d.Equal() {
		t.Errorf("the shrunk capture shows no difference: %v, %v", d, err)
	}
}

func TestDifference(t *testing.T) {
	base := Output{
		Log:     []string{"[2020/01/01 00:00:00] mod=mtu|cli=a/1", "[2020/01/01 00:00:01] mod=syn|cli=a/1"},
		Blocks:  []string{"mod=mtu|cli=a/1", "mod=syn|cli=a/1"},
		Packets: 7,
		Strange: []string{"0"},
	}
	tests := []struct {
		name   string
		change func(*Output)
		want   string
	}{
		{"nothing", func(o *Output) {}, ""},
		{"a line", func(o *Output) { o.Log = []string{base.Log[0], "x"} }, "log"},
		{"the time of a line", func(o *Output) { o.Log = []string{strings.Replace(base.Log[0], "2020", "2021", 1), base.Log[1]} }, "log"},
		{"a line fewer", func(o *Output) { o.Log = base.Log[:1] }, "log"},
		{"an HTTP line", func(o *Output) {
			o.Log = append(slices.Clone(base.Log), "[2020/01/01 00:00:01] mod=http request|cli=a/1")
		}, "log"},
		{"packets", func(o *Output) { o.Packets = 8 }, "number of packets"},
		{"warning", func(o *Output) { o.Strange = nil }, "link detection warning"},
		{"status", func(o *Output) { o.Exit = 1 }, "exit status"},
		{"a block", func(o *Output) { o.Blocks = base.Blocks[:1] }, "standard output of mxprint from its log"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			other := base
			tt.change(&other)
			if got := difference(base, other); got.What != tt.want {
				t.Errorf("difference = %q, want %q", got.What, tt.want)
			}
		})
	}
}

func TestBlocks(t *testing.T) {
	const stdout = `--- a banner ---

.-[ 198.18.0.1/1025 -> 198.18.0.2/25 (host change) ]-
|
| server   = 198.18.0.2/25
| reason   = ttl mtu
| raw_hits = 0,1,1,1
|
` + "`----\n\n" + `.-[ a/1 -> b/2 (syn) ]-
|
| client   = a/1
| os       = Odd = name
|
` + "`----\n\nAll done. Processed 2 packets.\n"
	want := []string{
		"mod=host change|cli=198.18.0.1/1025|srv=198.18.0.2/25|subj=srv|reason=ttl mtu|raw_hits=0,1,1,1",
		"mod=syn|cli=a/1|srv=b/2|subj=cli|os=Odd = name",
	}
	if got := blocks(stdout); !slices.Equal(got, want) {
		t.Errorf("blocks = %q, want %q", got, want)
	}
}
