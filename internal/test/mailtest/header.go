//go:build linux

package mailtest

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/mxprint/mxprint/internal/test/lab"
)

// HeaderLines waits for the mail with this id below dir and returns its header
// as it stands, a field with its folded lines an element.
func HeaderLines(t testing.TB, dir, id string) []string {
	t.Helper()
	return headersOf(t, dir, []string{id})[id]
}

// headersOf is HeaderLines for many mails, by id. It reads each file once.
func headersOf(t testing.TB, dir string, ids []string) map[string][]string {
	t.Helper()
	all, read := map[string][]string{}, map[string]bool{}
	lab.Eventually(t, func() error {
		if err := readHeaders(dir, all, read); err != nil {
			t.Fatal(err)
		}
		if missing := slices.IndexFunc(ids, func(id string) bool { return all[id] == nil }); missing >= 0 {
			return fmt.Errorf("mail %s did not arrive below %s", ids[missing], dir)
		}
		return nil
	})
	return all
}

var testID = regexp.MustCompile(`(?m)^X-Test-Id: (\S+)$`)

// readHeaders adds the headers of the mails below dir to all, and their files
// to read; those it leaves out.
func readHeaders(dir string, all map[string][]string, read map[string]bool) error {
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil || d.IsDir() || read[path] {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return nil // moved meanwhile
		}
		head, _, whole := strings.Cut(strings.ReplaceAll(string(text), "\r\n", "\n"), "\n\n")
		if id := testID.FindStringSubmatch(head); whole && id != nil {
			all[id[1]], read[path] = fields(head), true
		}
		return nil
	})
}

func fields(head string) []string {
	var f []string
	for _, line := range strings.Split(head, "\n") {
		if len(f) > 0 && line != "" && (line[0] == ' ' || line[0] == '\t') {
			f[len(f)-1] += "\n" + line
			continue
		}
		f = append(f, line)
	}
	return f
}

// OurHeader is how a reader of mails may come upon a header of ours.
var OurHeader = regexp.MustCompile(`(?i)^x-p0f-result[ \t]*:`)

// Results are the fields of that name, and wrong says what is wrong with them
// for a mail from this machine's kernel: there must be one, and it ours.
func Results(lines []string) (got []string, wrong string) {
	for _, l := range lines {
		for part := range strings.SplitSeq(l, "\r") { // which ends a line for some readers
			if OurHeader.MatchString(part) {
				got = append(got, part)
			}
		}
	}
	switch {
	case len(got) != 1:
		return got, fmt.Sprintf("%d headers, want one: %.300q", len(got), got)
	case !ours.MatchString(got[0]):
		return got, fmt.Sprintf("header %.300q, want %s", got[0], ours)
	}
	return got, ""
}

// ours is the header about a Linux host next door. Whether the address is
// shared is p0f's guess from ports, which are random here.
var ours = regexp.MustCompile(`^X-p0f-Result: os="Linux( [^"\n]*)?" link_type="[^"\n]*" distance=0 total_conn=\d+ shared_ip=[YN]$`)
