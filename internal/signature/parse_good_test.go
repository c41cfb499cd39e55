package signature

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/mxprint/mxprint/packet"
)

// parse parses a database that must be good.
func parse(t testing.TB, text string) *DB {
	t.Helper()
	db, err := Parse(strings.NewReader(text), "x.fp")
	if err != nil {
		t.Fatalf("Parse(%q) = %v", text, err)
	}
	return db
}

// TestToleratedForms are the odd forms that p0f accepts (p0f-v3.md §2); how many
// signatures each holds.
func TestToleratedForms(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		count      int
	}{
		{"empty file", "", 0},
		{"comments, blanks, no line end", "; a\r\n\n  \t\n\t; b\n;c", 0},
		{"last line without an end", tcpHead + strings.TrimSuffix(anySig, "\n"), 1},
		{"blanks before a line", " classes = c\n\t[tcp:request]\n  label = s:c:N:f\n \t" + anySig, 1},
		{"no blanks about =", "classes=c\n[tcp:request]\nlabel=s:c:N:f\nsig=*:64:0:*:*,*:mss::0\n", 1},
		{"tabs about =", "classes\t=\tc\n[tcp:request]\nlabel\t =\t s:c:N:f\n" + anySig, 1},
		{"no classes", "classes =\n", 0},
		{"classes twice", "classes = a\nclasses = b, \tc\n", 0},
		{"classes, commas in a row", "classes = a,,b\n", 0},
		{"classes, comma first", "classes = ,a\n", 0},
		{"classes, comma and blank", "classes = a, ,b\n", 0},
		{"all sections", "[mtu]\n[tcp:request]\n[tcp:response]\n[http:request]\n[http:response]\n", 0},
		{"section twice", mtuHead + "sig = 1\n[tcp:request]\n[mtu]\nlabel = y\nsig = 2\n", 2},
		{"MTUs", mtuHead + "sig = 1\nsig = 65535\nsig = 0001500\nsig = 1500\n", 4},
		{"link label of any text", "[mtu]\nlabel = a:b | \xff ; c \nsig = 3\n", 1},
		{"label without sig", tcpHead, 0},
		{"label after a label", "classes = c\n[tcp:request]\nlabel = s:c:N:f\nlabel = g:c:N:g\n" + anySig, 1},
		{"label class in capitals", "classes = c\n[tcp:request]\nlabel = s:C:N:f\n" + anySig, 1},
		{"flavor empty", "classes = c\n[tcp:request]\nlabel = s:c:N:\n" + anySig, 1},
		{"flavor of any text", "classes = c\n[tcp:request]\nlabel = s:c:N:a:b|c ; d \xe9 \n" + anySig, 1},
		{"all letters of a name", "classes = c\n[tcp:request]\nlabel = s:c:aZ09 ./-_!?():\n" + anySig, 1},
		{"sys", userHead + "sys = @c,Other (x),N\n" + anySig, 1},
		{"sys empty", userHead + "sys =\n" + anySig, 1},
		{"sys, blanks and commas", userHead + "sys = ,@c,,\t @D, A\n" + anySig, 1},
		{"section cuts sys off", userHead + "[mtu]\nlabel = x\nsig = 1\n", 1},
		{"ua_os", "[http:request]\nua_os = Linux,Win=[Windows NT],iOS=[iP: a,d]\n", 0},
		{"ua_os, comma at the end", "[http:request]\nua_os = Linux,\n", 0},
		{"ua_os, no comma after ]", "[http:request]\nua_os = A=[x]B=[y]C\n", 0},
		{"ua_os twice, empty", "[http:request]\nua_os = A\nua_os =\n", 0},
		{"ua_os after the section came again", httpHead + "sig = *:Host::\n[http:request]\nua_os = A\n", 1},
		{"comma after options and quirks", tcpHead + "sig = *:64:0:*:*,*:mss,:df,:0\n", 1},
		{"quirk twice", tcpHead + "sig = *:64:0:*:*,*:mss:df,df:0\n", 1},
		{"24 options and a comma", tcpHead + "sig = *:64:0:*:*,*:" + manyNOPs(24) + ",::0\n", 1},
		{"HTTP, commas at the end", httpHead + "sig = *:Host,:Via,:\n", 1},
		{"32 HTTP headers", httpHead + "sig = *:" + manyHeaders(32) + "::\n", 1},
		{"HTTP value of any text", httpHead + "sig = *:Host=[a:b,c [x]::\n", 1},
		{"HTTP, all empty", httpHead + "sig = *:::\n", 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := parse(t, tt.text).Count(); got != tt.count {
				t.Errorf("Parse(%q).Count() = %d, want %d", tt.text, got, tt.count)
			}
		})
	}
}

// TestTCPForms says what each form of a TCP signature means (p0f-v3.md §2.4).
func TestTCPForms(t *testing.T) {
	plain := TCP{Version: Any, TTL: 64, MSS: Any, Kind: WindowAny, Scale: Any, Layout: layoutOf(packet.OptMSS)}
	with := func(edit func(*TCP)) TCP { s := plain; edit(&s); return s }
	for _, tt := range []struct {
		sig  string
		want TCP
	}{
		{"*:64:0:*:*,*:mss::0", plain},
		{"4:64:0:*:*,*:mss::0", with(func(s *TCP) { s.Version = 4 })},
		{"6:64:0:*:*,*:mss::0", with(func(s *TCP) { s.Version = 6 })},
		{"*:0064:0:*:*,*:mss::0", plain},
		{"*:54+10:0:*:*,*:mss::0", plain},
		{"*:64+:0:*:*,*:mss::0", plain},
		{"*:+32:0:*:*,*:mss::0", plain}, // the sign belongs to the number, then 32 more
		{"*:255+0:0:*:*,*:mss::0", with(func(s *TCP) { s.TTL = 255 })},
		{"*:64-0:*:*,*:mss::0", plain}, // the minus ends the field
		{"*:64-8:*:*,*:mss::0", with(func(s *TCP) { s.IPOptLen = 8 })},
		{"*:64-:0:*:*,*:mss::0", with(func(s *TCP) { s.RandomTTL = true })},
		{"*:64-:8:*:*,*:mss::0", with(func(s *TCP) { s.RandomTTL = true })}, // the first digit is lost
		{"*:64-:12:*:*,*:mss::0", with(func(s *TCP) { s.RandomTTL = true; s.IPOptLen = 2 })},
		{"*:64::*:*,*:mss::0", plain},
		{"*:64:255:*:*,*:mss::0", with(func(s *TCP) { s.IPOptLen = 255 })},
		{"*:64:0::*,*:mss::0", with(func(s *TCP) { s.MSS = 0 })},
		{"*:64:0:01460:*,*:mss::0", with(func(s *TCP) { s.MSS = 1460 })},
		{"*:64:0:65535:*,*:mss::0", with(func(s *TCP) { s.MSS = 65535 })},
		{"*:64:0:*:0,*:mss::0", with(func(s *TCP) { s.Kind, s.Window = WindowEqual, 0 })},
		{"*:64:0:*:,*:mss::0", with(func(s *TCP) { s.Kind, s.Window = WindowEqual, 0 })},
		{"*:64:0:*:65535,*:mss::0", with(func(s *TCP) { s.Kind, s.Window = WindowEqual, 65535 })},
		{"*:64:0:*:%2,*:mss::0", with(func(s *TCP) { s.Kind, s.Window = WindowModulo, 2 })},
		{"*:64:0:*:mss*1000,*:mss::0", with(func(s *TCP) { s.Kind, s.Window = WindowMSS, 1000 })},
		{"*:64:0:*:mtu*1,*:mss::0", with(func(s *TCP) { s.Kind, s.Window = WindowMTU, 1 })},
		{"*:64:0:*:*,:mss::0", with(func(s *TCP) { s.Scale = 0 })},
		{"*:64:0:*:*,255:mss::0", with(func(s *TCP) { s.Scale = 255 })},
		{"*:64:0:*:*,*:::0", with(func(s *TCP) { s.Layout = packet.Layout{} })},
		{"*:64:0:*:*,*:?2::0", plain},
		{"*:64:0:*:*,*:mss,nop,ws,sok,sack,ts,?254,eol+3::0", with(func(s *TCP) {
			s.Layout = layoutOf(2, 1, 3, 4, 5, 8, 254, 0)
			s.Layout.EOLPad = 3
		})},
		{"*:64:0:*:*,*:eol+::0", with(func(s *TCP) { s.Layout = layoutOf(packet.OptEOL) })},
		{"*:64:0:*:*,*:?::0", with(func(s *TCP) { s.Layout = layoutOf(0) })},
		{"*:64:0:*:*,*:mss:df,id+,id-,ecn,0+,flow,seq-,ack+,ack-,uptr+,urgf+,pushf+,ts1-,ts2+,opt+,exws,bad:0",
			with(func(s *TCP) { s.Quirks = packet.QuirkBad<<1 - 1 })},
		{"*:64:0:*:*,*:mss:opt+,df:0", with(func(s *TCP) { s.Quirks = packet.QuirkDF | packet.QuirkOptNonZero })},
		{"*:64:0:*:*,*:mss::+", with(func(s *TCP) { s.Payload = 1 })},
		{"*:64:0:*:*,*:mss::*", with(func(s *TCP) { s.Payload = Any })},
	} {
		t.Run(tt.sig, func(t *testing.T) {
			db := parse(t, tcpHead+"sig = "+tt.sig+"\n")
			got := *db.TCP(1)
			if got.ID != 1 || got.Line != 4 || got.File != "x.fp" || got.Label != db.Label(1) {
				t.Errorf("ID %d, line %d, label %v; want 1, 4 and the label of line 3", got.ID, got.Line, got.Label)
			}
			if got.Text != tt.sig {
				t.Errorf("Text = %s, want %s", got.Text, tt.sig)
			}
			got.ID, got.File, got.Line, got.Label, got.label, got.Text = 0, "", 0, nil, 0, ""
			if got != tt.want {
				t.Errorf("Parse(%s) = %+v, want %+v", tt.sig, got, tt.want)
			}
		})
	}
}

func layoutOf(kinds ...uint8) packet.Layout {
	l := packet.Layout{Len: uint8(len(kinds))}
	copy(l.Kinds[:], kinds)
	return l
}

func TestLabels(t *testing.T) {
	db := parse(t, `classes = win,unix
classes = other
[mtu]
label = Ethernet
sig = 1500
label = later
sig = 1500
sig = 576
[tcp:request]
label = s:WIN:Windows:NT
sig = *:128:0:*:*,*:mss::0
label = g:unix:linux:
sig = *:64:0:*:*,*:mss,nop::0
[http:request]
label = s:!:Firefox:1:2
sys = @UNIX,WINDOWS
sig = 1:Host=[a],?Via:Date:Gecko
[tcp:response]
label = s:unix:LINUX:3
sig = *:64:0:*:*,*:mss::0
`)
	type label struct {
		id                  int
		generic             bool
		class, name, flavor string
	}
	for id, want := range []label{
		{},
		{1, false, "win", "Windows", "NT"},
		{2, true, "unix", "linux", ""},
		{3, false, "!", "Firefox", "1:2"},
		{4, false, "unix", "linux", "3"}, // the first spelling counts
	} {
		l := db.Label(id)
		if id == 0 {
			if l != nil || db.Label(5) != nil || db.Label(-1) != nil {
				t.Errorf("labels 0, 5 and -1 = %v, %v, %v, want none", l, db.Label(5), db.Label(-1))
			}
			continue
		}
		if got := (label{l.ID, l.Generic, l.Class, l.Name, l.Flavor}); got != want {
			t.Errorf("Label(%d) = %+v, want %+v", id, got, want)
		}
		if l.Userland() != (want.class == Userland) {
			t.Errorf("Label(%d).Userland() = %v", id, l.Userland())
		}
		if got := db.FindLabel(l); got != id {
			t.Errorf("FindLabel(label %d) = %d", id, got)
		}
	}
	windows, linux, firefox, linux3 := db.Label(1), db.Label(2), db.Label(3), db.Label(4)
	if !linux.SameName(linux3) || linux.SameName(windows) {
		t.Error("SameName: linux and LINUX are one name, Windows is another")
	}
	if !firefox.Runs(windows) || !firefox.Runs(linux) || linux.Runs(linux) {
		t.Errorf("Runs: Firefox on Windows %v, on Linux %v, Linux on Linux %v; want true, true, false",
			firefox.Runs(windows), firefox.Runs(linux), linux.Runs(linux))
	}
	if got := linux.Title() + "|" + linux3.Title(); got != "linux|linux 3" {
		t.Errorf("titles = %q", got)
	}
	if db.FindLabel(nil) != 0 || db.FindLabel(&Label{Name: "linux"}) != 0 {
		t.Error("FindLabel finds what is not there")
	}
	if db.LinkID(1500) != 1 || db.LinkID(576) != 2 || db.LinkID(1) != 0 || db.LinkID(-1) != 0 || db.LinkID(1500+65536) != 0 {
		t.Errorf("LinkID(1500, 576, 1, -1, 67036) = %d, %d, %d, %d, %d, want 1, 2, 0, 0, 0",
			db.LinkID(1500), db.LinkID(576), db.LinkID(1), db.LinkID(-1), db.LinkID(1500+65536))
	}
	if got := []string{db.LinkName(0), db.LinkName(1), db.LinkName(2), db.LinkName(3)}; !slices.Equal(got, []string{"", "Ethernet", "later", ""}) {
		t.Errorf("link names = %q", got)
	}
	if db.FindLink("later") != 2 || db.FindLink("none") != 0 {
		t.Errorf("FindLink = %d, %d, want 2, 0", db.FindLink("later"), db.FindLink("none"))
	}
	// Numbers of TCP signatures run through requests and then responses.
	if db.Count() != 7 || db.TCP(1).Label != windows || db.TCP(3).Label != linux3 || db.TCP(0) != nil || db.TCP(4) != nil || db.TCP(-1) != nil {
		t.Errorf("count %d, signatures %v", db.Count(), []*TCP{db.TCP(0), db.TCP(1), db.TCP(2), db.TCP(3), db.TCP(4)})
	}
	h := *db.http[Request][0]
	h.label, h.need, h.software = 0, httpNeed{}, nil
	want := HTTP{File: "x.fp", Line: 17, Label: firefox, Version: 1, Order: []Header{{"Host", false, "a"}, {"Via", true, ""}}, Absent: []string{"Date"}, Software: "Gecko"}
	if !reflect.DeepEqual(h, want) {
		t.Errorf("HTTP signature = %+v, want %+v", h, want)
	}
}

// TestUserlandSys: what a program may run on is compared with the system's
// class and name, whatever their case.
func TestUserlandSys(t *testing.T) {
	db := parse(t, "classes = win,unix\n[tcp:request]\n"+
		"label = s:win:Windows:\nlabel = s:unix:Linux:\nlabel = s:unix:BSD:\n"+
		"label = s:!:byclass:\nsys = @WIN\nlabel = s:!:byname:\nsys = linux\nlabel = s:!:nowhere:\nsys =\n")
	for program, want := range map[int][3]bool{4: {true, false, false}, 5: {false, true, false}, 6: {}} {
		var got [3]bool
		for i := range got {
			got[i] = db.Label(program).Runs(db.Label(i + 1))
		}
		if got != want {
			t.Errorf("%s runs on Windows, Linux, BSD: %v, want %v", db.Label(program).Name, got, want)
		}
	}
}

// TestNamesAreOneTable: systems, programs, sys and ua_os share their names, and
// the first spelling of all stays.
func TestNamesAreOneTable(t *testing.T) {
	for _, tt := range []struct{ name, text, want string }{
		{"of sys", "classes = c\n[tcp:request]\nlabel = s:!:x:\nsys = lINUX\nlabel = s:c:Linux:\n", "lINUX"},
		{"of ua_os", "classes = c\n[http:request]\nua_os = lINUX\n[tcp:request]\nlabel = s:c:y:\nlabel = s:c:Linux:\n", "lINUX"},
		{"of a program", "classes = c\n[tcp:request]\nlabel = s:!:lINUX:\nsys =\nlabel = s:c:Linux:\n", "lINUX"},
		{"blank behind the comma of ua_os is part of the name", "classes = c\n[http:request]\nua_os = a, lINUX\n[tcp:request]\nlabel = s:c:y:\nlabel = s:c:Linux:\n", "Linux"},
		{"blank behind the comma of sys is not", "classes = c\n[tcp:request]\nlabel = s:!:x:\nsys = a, lINUX\nlabel = s:c:Linux:\n", "lINUX"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := parse(t, tt.text).Label(2).Name; got != tt.want {
				t.Errorf("name = %q, want %q", got, tt.want)
			}
		})
	}
}

func TestUAOS(t *testing.T) {
	db := parse(t, "[http:request]\nua_os = Linux,iOS=[iPad],linux,ios=[x]B\n")
	want := [][2]string{{"Linux", "Linux"}, {"iOS", "iPad"}, {"Linux", "Linux"}, {"iOS", "x"}, {"B", "B"}}
	var got [][2]string
	for _, entry := range db.uaOS {
		got = append(got, [2]string{entry.Name, entry.Substring})
	}
	if !slices.Equal(got, want) {
		t.Errorf("ua_os = %v, want %v", got, want)
	}
}

func TestBounds(t *testing.T) {
	repeat := func(head, line string, n int) io.Reader {
		return strings.NewReader(head + strings.Repeat(line, n))
	}
	const classes = "classes = c\n[tcp:request]\n"
	for _, tt := range []struct {
		name string
		in   io.Reader
		want string // empty: no error
	}{
		{"labels", repeat(classes, "label = s:c:N:f\n", maxLabels), ""},
		{"one label more", repeat(classes, "label = s:c:N:f\n", maxLabels+1), "signature: database too large: x.fp has more than 65535 labels"},
		{"links", repeat("[mtu]\n", "label = x\n", maxLabels), ""},
		{"one link more", repeat("[mtu]\n", "label = x\n", maxLabels+1), "signature: database too large: x.fp has more than 65535 links"},
		{"signatures", repeat(mtuHead, "sig = 1\n", maxSigs), ""},
		{"one signature more", repeat(mtuHead, "sig = 1\n", maxSigs+1), "signature: database too large: x.fp has more than 20000 signatures"},
		{"bytes", strings.NewReader(strings.Repeat("\n", maxFile)), ""},
		{"one byte more", strings.NewReader(strings.Repeat("\n", maxFile+1)), "signature: database too large: x.fp has more than 16777216 bytes"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Parse(tt.in, "x.fp")
			if tt.want == "" {
				if err != nil {
					t.Errorf("Parse = %v", err)
				}
				return
			}
			if !errors.Is(err, ErrTooLarge) || err.Error() != tt.want {
				t.Errorf("Parse = %v, want %s", err, tt.want)
			}
		})
	}
}

func TestLoad(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "x.fp")
	if err := os.WriteFile(file, []byte(tcpHead+anySig), 0o600); err != nil {
		t.Fatal(err)
	}
	if db, err := Load(file); err != nil || db.Count() != 1 {
		t.Errorf("Load = %v, %v", db, err)
	}
	if _, err := Load(filepath.Join(dir, "none.fp")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("Load of no file = %v", err)
	}
	if _, err := Load(dir); err == nil || !strings.Contains(err.Error(), dir) {
		t.Errorf("Load of a folder = %v, want an error that names it", err)
	}
	broken := filepath.Join(dir, "broken.fp")
	if err := os.WriteFile(broken, []byte("nonsense"), 0o600); err != nil {
		t.Fatal(err)
	}
	want := broken + `:1:1: want a section or name = value: "nonsense"`
	if _, err := Load(broken); err == nil || err.Error() != want {
		t.Errorf("Load = %v, want %s", err, want)
	}
	if _, err := Parse(io.MultiReader(strings.NewReader("; a\n"), failing{}), "x.fp"); !errors.Is(err, errDisk) {
		t.Errorf("Parse of a reader that fails = %v, want %v", err, errDisk)
	}
}

var errDisk = errors.New("disk on fire")

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, errDisk }

func TestBuiltin(t *testing.T) {
	db, err := Load("")
	if err != nil {
		t.Fatal(err) // Builtin would panic
	}
	if db.Count() < 150 || Builtin().Count() != db.Count() {
		t.Errorf("%d signatures, Builtin has %d, want the same, 150 at least", db.Count(), Builtin().Count())
	}
	// What the labels end up in: log lines, mail headers, p0f's 32-byte fields.
	for id := 1; db.Label(id) != nil; id++ {
		l := db.Label(id)
		for _, s := range []string{l.Name, l.Flavor} {
			if len(s) > 31 || strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789 ./_()-") != "" {
				t.Errorf("label %d: %q is longer than 31 bytes or leaves the set of labels", id, s)
			}
		}
	}
	for id := 1; db.LinkName(id) != ""; id++ {
		if s := db.LinkName(id); len(s) > 31 || strings.ContainsAny(s, "|=,;\"'<>\\") {
			t.Errorf("link %d: %q", id, s)
		}
	}
}

func BenchmarkParse(b *testing.B) {
	var all bytes.Buffer
	for _, e := range must(builtinFiles.ReadDir("builtin")) {
		all.Write(must(builtinFiles.ReadFile("builtin/" + e.Name())))
	}
	text := all.String()
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Parse(strings.NewReader(text), "x.fp"); err != nil {
			b.Fatal(err)
		}
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func ExampleParse() {
	_, err := Parse(strings.NewReader("classes = unix\n[tcp:request]\nlabel = s:unix:Linux:6.x\nsig = *:64:0:*:mss*44,7:mss,sock,ts::0\n"), "my.fp")
	fmt.Println(err)
	// Output: my.fp:4:29: want an option: eol+N, nop, mss, ws, sok, sack, ts or ?N: "sock,ts::0"
}
