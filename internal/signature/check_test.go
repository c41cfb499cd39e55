package signature

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestCheckFiles holds what Check says of the files of testdata/bad and
// testdata/shadow to testdata/check.golden: all faults with their places, and
// what to do.
func TestCheckFiles(t *testing.T) {
	var got strings.Builder
	for _, dir := range []string{"bad", "shadow"} {
		files, err := filepath.Glob("testdata/" + dir + "/*.fp")
		if err != nil || len(files) < 2 {
			t.Fatalf("%d files in %s, %v", len(files), dir, err)
		}
		for _, path := range files {
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			name := dir + "/" + filepath.Base(path)
			rep, err := Check(strings.NewReader(string(text)), name)
			if err != nil || (len(rep.Errors) > 0) != (dir == "bad") || (rep.DB == nil) != (dir == "bad") {
				t.Errorf("Check(%s) = %d errors, %d warnings, %v", name, len(rep.Errors), len(rep.Warnings), err)
			}
			for _, e := range append(rep.Errors, rep.Warnings...) {
				checkPlace(t, name, string(text), e)
				fmt.Fprintf(&got, "%v\n\t%s\n", e, e.Hint)
			}
		}
	}
	golden(t, "check.golden", got.String())
}

// TestCheckBadDatabases: the first fault that Check reports is the one of Parse,
// and it says of each what to do.
func TestCheckBadDatabases(t *testing.T) {
	for _, tt := range badDatabases {
		_, want := Parse(strings.NewReader(tt.text), "x.fp")
		rep, err := Check(strings.NewReader(tt.text), "x.fp")
		if err != nil || len(rep.Errors) == 0 || rep.Errors[0].Error() != want.Error() {
			t.Errorf("%s: Check(%q) = %v, %v, want first %v", tt.name, tt.text, rep.Errors, err, want)
			continue
		}
		if rep.Errors[0].Hint == "" {
			t.Errorf("%s: nothing says what to do about %v", tt.name, want)
		}
		for _, e := range rep.Errors {
			if !strings.Contains(e.Text, "\r") {
				checkPlace(t, tt.name, tt.text, e)
			}
		}
	}
}

// TestCheckOneFault: one error in the file is reported once, whatever follows
// it.
func TestCheckOneFault(t *testing.T) {
	const rest = "or = A:\nsource = x\ndate = 2026-11\n" + anySig + "sig = *:64:0:*:*,*:sok::0\n"
	for _, tt := range []struct{ name, text string }{
		{"label", "classes = c\n[tcp:request]\nlabel = s:nobody:N:\n" + rest},
		{"label of a program", "classes = c\n[tcp:request]\nlabel = x:!:N:\nsys = @c\n" + rest},
		{"no label", "classes = c\n[tcp:request]\nsig = *:64:0:*:*,*:ts::0\n" + rest[strings.Index(rest, "sig"):]},
		{"no section", "classes = c\nlabel = s:c:N:\n" + rest},
		{"section", "classes = c\n[tcp]\nlabel = s:c:N:\n" + rest},
		{"classes", "classes = c-d\n[tcp:request]\nlabel = s:d:N:\n" + rest},
		{"sys", userHead + "sys = @nobody\n" + rest},
		{"no sys", userHead + anySig},
		{"no sys before a label", userHead + "label = s:c:N:\n" + rest},
		{"signature", tcpHead + "or = A:\nsig = *:64\n" + rest[strings.Index(rest, "source"):]},
		{"link", "[mtu]\nlabel =\nsource = x\nsig = 1500\nsig = 1400\n"},
		{"lines of Windows", strings.ReplaceAll(tcpHead+rest, "\n", "\r\n")},
	} {
		rep, err := Check(strings.NewReader(tt.text), "x.fp")
		if err != nil || len(rep.Errors) != 1 {
			t.Errorf("%s: Check(%q) = %v, %v, want one fault", tt.name, tt.text, rep.Errors, err)
		}
	}
}

func TestCheckLimits(t *testing.T) {
	rep, err := Check(strings.NewReader(strings.Repeat("x\n", 3*maxFaults)), "x.fp")
	if err != nil || len(rep.Errors) != maxFaults || rep.DB != nil {
		t.Errorf("Check of %d faults = %d, %v, want %d", 3*maxFaults, len(rep.Errors), err, maxFaults)
	}
	rep, err = Check(strings.NewReader("x\n"+mtuHead+strings.Repeat("sig = 1\n", maxSigs+1)), "x.fp")
	if !errors.Is(err, ErrTooLarge) || len(rep.Errors) != 1 || rep.DB != nil {
		t.Errorf("Check of too many signatures = %v, %v, want a fault and %v", rep.Errors, err, ErrTooLarge)
	}
	if _, err := Check(failing{}, "x.fp"); !errors.Is(err, errDisk) {
		t.Errorf("Check = %v, want %v", err, errDisk)
	}
}

// TestBuiltinIsClean: nothing of the built-in database is without use.
func TestBuiltinIsClean(t *testing.T) {
	var all strings.Builder
	for _, e := range must(builtinFiles.ReadDir("builtin")) {
		all.Write(must(builtinFiles.ReadFile("builtin/" + e.Name())))
	}
	rep, err := Check(strings.NewReader(all.String()), "builtin")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range append(rep.Errors, rep.Warnings...) {
		t.Errorf("%v; %s", e, e.Hint)
	}
}

// TestLoadSeveral: a file before another adds to it and overrides it.
func TestLoadSeveral(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	local := write("local.fp", "classes = c\n[mtu]\nlabel = mine\nsig = 1500\n[tcp:request]\nlabel = s:c:Mine:f\nsig = *:64:0:*:*,*:mss:df,id+?:0\n")
	base := write("base.fp", "classes = d\n[mtu]\nlabel = theirs\nsig = 1500\nsig = 1400\n"+
		"[tcp:request]\nlabel = s:d:Theirs:f\nsig = *:64:0:*:1..9,7:mss:df,id+:0\nsig = *:64:0:*:*,*:nop::0\n")
	db, err := Load(local, base)
	if err != nil {
		t.Fatal(err)
	}
	if db.LinkName(db.LinkID(1500)) != "mine" || db.LinkName(db.LinkID(1400)) != "theirs" {
		t.Errorf("links %q, %q", db.LinkName(db.LinkID(1500)), db.LinkName(db.LinkID(1400)))
	}
	var got strings.Builder
	for _, e := range db.Entries() {
		name := e.Link
		if e.Label != nil {
			name = e.Label.Class + ":" + e.Label.Name
		}
		fmt.Fprintf(&got, "%s:%d %s %s %d %d\n", filepath.Base(e.File), e.Line, e.Section, name, e.Signatures, e.Overridden)
	}
	want := "local.fp:3 mtu mine 1 0\nlocal.fp:6 tcp:request c:Mine 1 0\nbase.fp:3 mtu theirs 1 1\nbase.fp:7 tcp:request d:Theirs 1 1\n"
	if got.String() != want || db.Count() != 4 {
		t.Errorf("%d signatures in\n%swant 4 in\n%s", db.Count(), got.String(), want)
	}
	if _, err := Load(base, write("bad.fp", "[tcp:request]\n"+anySig)); err == nil || err.Error() != filepath.Join(dir, "bad.fp")+`:2:1: sig belongs after a label: "sig = *:64:0:*:*,*:mss::0"` {
		t.Errorf("a fault of the second file: %v", err)
	}
	if db, err = Load(local, ""); err != nil || db.Count() <= Builtin().Count() || db.LinkName(db.LinkID(1500)) != "mine" || db.LinkName(db.LinkID(1492)) == "" {
		t.Errorf("with the built-in database: %v, %v", db, err)
	}
}
