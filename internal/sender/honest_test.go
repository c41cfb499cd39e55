package sender

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/mxprint/mxprint/note"
)

// TestHonestConduct has the lab's honest programs read: what they are found to
// do is on the page about it, and nearly all of them do nothing that SMTP does
// not allow.
func TestHonestConduct(t *testing.T) {
	page, err := os.ReadFile("../../docs/policy.md")
	if err != nil {
		t.Fatal(err)
	}
	programs := make(map[string]string) // of a connection
	var files []string
	for _, l := range labels(t) {
		programs[l.File+l.Client+l.Server] = l.Program
		if !slices.Contains(files, l.File) {
			files = append(files, l.File)
		}
	}
	count, missing := 0, make(map[string]bool)
	for _, file := range files {
		for key, all := range byConnection(frames(t, file)) {
			r, _ := read(t, all)
			f := known(r, key).Conduct
			if f == nil {
				continue
			}
			count++
			if f.State == note.NotKnown {
				t.Errorf("%s, %v: not known", file, key)
			}
			for _, x := range f.List {
				program := programs[file+key.Client.String()+key.Server.String()]
				if missing[x.ID+program] || listed(string(page), x.ID, program) {
					continue
				}
				missing[x.ID+program] = true
				t.Errorf("%s: %s shows %s (%s): list it in docs/policy.md", file, program, x.ID, x.Evidence)
			}
		}
	}
	if count < 1000 {
		t.Errorf("%d connections were read", count)
	}
}

// listed reports whether the row of a finding names a program, or says that most
// have it.
func listed(page, id, program string) bool {
	for line := range strings.Lines(page) {
		if strings.HasPrefix(line, "| `"+id+"` |") {
			return strings.Contains(line, "most programs") || strings.Contains(line, program)
		}
	}
	return false
}
