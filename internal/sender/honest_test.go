package sender

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
)

// manyPrograms is from how many on a row does not name them all.
const manyPrograms = 12

// TestHonestConduct has the lab's honest programs read: what they are found to
// do is on the page about it. A finding that many show says so, with their number.
func TestHonestConduct(t *testing.T) {
	page, err := os.ReadFile("../../docs/policy.md")
	if err != nil {
		t.Fatal(err)
	}
	programs := make(map[string]string) // of a connection
	all := make(map[string]bool)
	var files []string
	for _, l := range labels(t) {
		if l.Kind == "bad" || l.Kind == "hand" {
			continue
		}
		programs[l.File+l.Client+l.Server] = l.Program
		all[l.Program] = true
		if !slices.Contains(files, l.File) {
			files = append(files, l.File)
		}
	}
	count, show := 0, make(map[string]map[string]bool) // programs by finding
	for _, file := range files {
		for key, conn := range byConnection(frames(t, file)) {
			program := programs[file+key.Client.String()+key.Server.String()]
			r, _ := read(t, conn)
			f := known(r, key).Conduct
			if f == nil || program == "" {
				continue
			}
			count++
			for _, x := range f.List {
				if show[x.ID] == nil {
					show[x.ID] = make(map[string]bool)
				}
				show[x.ID][program] = true
			}
		}
	}
	for id, with := range show {
		want := strings.Join(slices.Sorted(maps.Keys(with)), ", ")
		if len(with) >= manyPrograms {
			want = fmt.Sprintf("%d of the lab's %d programs", len(with), len(all))
		}
		if !listed(string(page), id, want) {
			t.Errorf("the row of %s in docs/policy.md lacks: %s", id, want)
		}
	}
	if count < 1000 {
		t.Errorf("%d connections were read", count)
	}
}

// listed reports whether the row of a finding has a text.
func listed(page, id, text string) bool {
	for line := range strings.Lines(page) {
		if first, _, _ := strings.Cut(strings.TrimPrefix(line, "| "), " |"); strings.Contains(first, "`"+id+"`") {
			return strings.Contains(line, text)
		}
	}
	return false
}
