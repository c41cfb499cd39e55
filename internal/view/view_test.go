package view_test

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"regexp"
	"strings"
	"testing"

	"github.com/mxprint/mxprint/event"
	"github.com/mxprint/mxprint/internal/view"
	"github.com/mxprint/mxprint/note"
)

func seen(module event.Module, client string, at int64, change func(*event.Observation)) *event.Observation {
	o := &event.Observation{
		Module: module, At: at,
		Client: netip.MustParseAddrPort(client), Server: netip.MustParseAddrPort("198.51.100.2:25"),
	}
	if change != nil {
		change(o)
	}
	return o
}

func system(name, flavor string) func(*event.Observation) {
	return func(o *event.Observation) {
		o.System = event.System{Matched: true, Name: name, Flavor: flavor}
		o.Distance = 12
		o.RawSig = []byte("4:52+12:0:1460:65535,6:mss,nop,ws:df:0")
	}
}

// mail is what a capture of three senders holds.
func mail() []*event.Observation {
	return []*event.Observation{
		seen(event.SYN, "192.0.2.1:40000", 1e15, system("Windows", "10 or 11")),
		seen(event.MTU, "192.0.2.1:40000", 1e15, func(o *event.Observation) { o.MTU, o.Link = 1500, "Ethernet" }),
		seen(event.SYN, "192.0.2.2:40000", 1e15+1e6, func(o *event.Observation) { o.RawSig = []byte("4:64+0:0:1:2,3:mss::0") }),
		seen(event.MTU, "192.0.2.2:40000", 1e15+1e6, func(o *event.Observation) { o.MTU = 1234 }),
		seen(event.SYN, "192.0.2.1:40001", 1e15+2e6, system("Linux", "")),
		seen(event.HostChange, "192.0.2.1:40001", 1e15+2e6, func(o *event.Observation) { o.Reasons = event.ReasonOSDiff }),
	}
}

func TestTable(t *testing.T) {
	var out bytes.Buffer
	table := view.NewTable(&out, false, 0)
	for _, o := range mail() {
		table.Observe(o)
	}
	if err := table.Close(); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimRight(out.String(), "\n"), "\n")
	if len(lines) != 5 {
		t.Fatalf("%d lines, want a header and four rows:\n%s", len(lines), out.String())
	}
	for i, want := range []string{"SYSTEM", "Windows 10 or 11", "unknown", "Linux", "os_diff"} {
		if !strings.Contains(lines[i], want) {
			t.Errorf("line %d = %q, want %q in it", i, lines[i], want)
		}
	}
	if !strings.Contains(lines[1], "Ethernet") || !strings.Contains(lines[2], "MTU 1234") {
		t.Errorf("the links do not stand in the rows of their SYNs:\n%s", out.String())
	}
	at := strings.Index(lines[0], "SYSTEM")
	if strings.Index(lines[1], "Windows") != at || strings.Index(lines[3], "Linux") != at {
		t.Errorf("the columns are not aligned:\n%s", out.String())
	}
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("the disk is full") }

func TestTableReportsErrors(t *testing.T) {
	table := view.NewTable(full{}, true, 80)
	table.Observe(mail()[0])
	if err := table.Close(); err == nil {
		t.Error("Close returned no error of a full disk")
	}
}

func TestCSV(t *testing.T) {
	var out bytes.Buffer
	c := view.NewCSV(&out)
	for _, o := range append(mail(), seen(event.SYN, "192.0.2.9:1", 1e15, system("=cmd()", `a "b", c`))) {
		c.Observe(o)
	}
	if _, err := c.Flush(); err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(&out).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	if len(rows) != 8 || rows[1][5] != "Windows" || rows[2][9] != "1500" || rows[6][13] != "os_diff" {
		t.Errorf("rows = %q", rows)
	}
	if last := rows[len(rows)-1]; last[5] != "'=cmd()" || last[6] != `a "b", c` {
		t.Errorf("the last row = %q: text of others must not start a formula", last)
	}
}

func TestSummary(t *testing.T) {
	s := view.NewSummary()
	for _, o := range mail() {
		s.Observe(o)
	}
	var out bytes.Buffer
	if err := s.Print(&out, false); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"3 SYNs of 2 senders", "66.7 % of the SYNs", "33.3 % unknown", "1 with more than one system", "1 signs of a change",
		"Windows 10 or 11", "MTU 1234", "10-14", "192.0.2.1", "4:64+0:0:1:2,3:mss::0",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the summary has no %q:\n%s", want, out.String())
		}
	}
}

// TestSummaryAnswers: twelve questions of an operator about a capture, and the
// line of the summary that answers each.
func TestSummaryAnswers(t *testing.T) {
	s := view.NewSummary()
	for _, o := range mail() {
		s.Observe(o)
	}
	var out bytes.Buffer
	if err := s.Print(&out, false); err != nil {
		t.Fatal(err)
	}
	for question, line := range map[string]string{
		"From when to when is it?":                   `(?m)^From +2001-09-09 01:46:40 to 2001-09-09 01:46:42 UTC \(2s\)$`,
		"How many connections of how many senders?":  `(?m)^Connections 3 SYNs of 2 senders; \d+ answers of servers \(SYN\+ACK\)$`,
		"How much of it has a name?":                 `(?m)^Named +66\.7 % of the SYNs; `,
		"How sure are the names?":                    `(?m)^Named .*; \S+ % by a weak match \(generic or fuzzy\)`,
		"Which system is the most frequent?":         `(?m)^Systems of the senders \(SYNs\)\n.*(Windows|Linux)`,
		"By which links did they come?":              `(?m)^Links \(by MTU\)\n(.*\n)*.*(Ethernet|MTU 1234)`,
		"How far away are they?":                     `(?m)^Distance in hops\n(.*\n)*.*10-14`,
		"Who comes most, and what is it?":            `(?m)^Busiest senders\n +2  192\.0\.2\.1 +\S`,
		"Which addresses have several systems?":      `(?m)^Addresses +1 with more than one system; 1 signs of a change`,
		"How much of SMTP and TLS is in it?":         `(?m)^Sessions +0 of SMTP read, 0 ClientHellos of TLS$`,
		"Which address is to be looked at, and how?": `(?m)^Addresses with signs of several systems \(mxprint read -filter 'host ADDRESS' FILE shows .*\)\n +2  192\.0\.2\.1 +1 changes of system, [1-9]\d* signs$`,
		"What has no name, and why not?":             `(?m)^SYNs that no signature matches \(mxprint explain 'RAW SIGNATURE' says why\)\n +1  4:64\+0`,
	} {
		if !regexp.MustCompile(line).MatchString(out.String()) {
			t.Errorf("%s: no line %s in\n%s", question, line, out.String())
		}
	}
}

func TestSummaryOfNothing(t *testing.T) {
	var out bytes.Buffer
	if err := view.NewSummary().Print(&out, false); err != nil || !strings.Contains(out.String(), "no SYN") {
		t.Errorf("summary of nothing = %q, %v", out.String(), err)
	}
}

// TestSummaryIsBounded feeds more senders, systems and raw signatures than it keeps.
func TestSummaryIsBounded(t *testing.T) {
	s := view.NewSummary()
	for i := range 250_000 {
		o := seen(event.SYN, "192.0.2.1:1", int64(i+1), nil)
		o.Client = netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), 1)
		o.RawSig = fmt.Appendf(nil, "raw%d", i)
		s.Observe(o)
	}
	var out bytes.Buffer
	if err := s.Print(&out, true); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out.String(), "250000 SYNs of 200000 senders") || !strings.Contains(out.String(), "50000 SYNs of senders beyond") {
		t.Errorf("%s", out.String())
	}
}

func TestClean(t *testing.T) {
	for _, tt := range []struct{ in, want string }{
		{"Linux 6.16 (or tuned)", "Linux 6.16 (or tuned)"},
		{"Größe \"x\"", "Größe \"x\""},
		{"\x1b[31mred", `\x1b[31mred`},
		{"a\r\nb", `a\r\nb`},
		{"\xff", `\xff`},
		{"\u202egnp", `\u202egnp`},
	} {
		if got := view.Clean(tt.in); got != tt.want {
			t.Errorf("Clean(%q) = %q, want %q", tt.in, got, tt.want)
		}
	}
}

func TestColored(t *testing.T) {
	t.Setenv("NO_COLOR", "")
	for _, tt := range []struct {
		mode string
		want bool
	}{{"always", true}, {"never", false}, {"auto", false}, {"", false}} {
		if got, err := view.Colored(tt.mode, &bytes.Buffer{}); got != tt.want || err != nil {
			t.Errorf("Colored(%q) = %v, %v, want %v", tt.mode, got, err, tt.want)
		}
	}
	if _, err := view.Colored("yes", &bytes.Buffer{}); !errors.Is(err, view.ErrColor) {
		t.Errorf("Colored(yes) = %v, want %v", err, view.ErrColor)
	}
}

// A character that two writes share stays one, and what a terminal obeys does not.
func TestCleaner(t *testing.T) {
	for _, tt := range []struct{ in, want string }{
		{"plain\ttext\n", "plain\ttext\n"},
		{"gr\u00fc\u00dfe \u20ac \U0001f600\n", "gr\u00fc\u00dfe \u20ac \U0001f600\n"},
		{"\x1b[31mred\n\x07", "\\x1b[31mred\n\\a"},
		{"c1 \u009b2J, bad \xff\n", "c1 \\u009b2J, bad \\xff\n"},
		{"a\rb \"quoted\"\n", "a\\rb \"quoted\"\n"},
	} {
		for at := range len(tt.in) {
			var b strings.Builder
			w := view.Cleaner(&b)
			for _, part := range []string{tt.in[:at], tt.in[at:]} {
				if n, err := io.WriteString(w, part); n != len(part) || err != nil {
					t.Fatalf("Write(%q) = %d, %v", part, n, err)
				}
			}
			if b.String() != tt.want {
				t.Errorf("%q cut at %d: %q, want %q", tt.in, at, b.String(), tt.want)
			}
		}
	}
}

// TestPrograms: what TLS and SMTP show has its columns.
func TestPrograms(t *testing.T) {
	sender := &note.Note{
		TLS:      &note.TLS{State: note.Complete, Library: "OpenSSL", Release: "3.0 to 3.4", JA4: "t13i301100_5f7f3e0f8a7b_e5627efa2ab1"},
		Software: &note.Software{State: note.Matched, Name: "=Exim", Flavor: "4.9x", Quality: note.Fuzzy, Dialect: "ehlo\x1b[2J"},
	}
	var text, values bytes.Buffer
	table, c := view.NewTable(&text, false, 0), view.NewCSV(&values)
	for _, m := range []event.Module{event.TLS, event.SMTP} {
		for _, n := range []*note.Note{sender, {}, nil} {
			o := seen(m, "192.0.2.9:1", 1e15, nil)
			o.Sender = n
			table.Observe(o)
			c.Observe(o)
		}
	}
	if err := table.Close(); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(text.String(), "\n")
	for i, want := range map[int]string{1: "OpenSSL 3.0 to 3.4", 2: "unknown", 3: "unknown", 4: "=Exim 4.9x", 5: "unknown"} {
		if !strings.Contains(lines[i], want) {
			t.Errorf("line %d = %q, want %q in it", i, lines[i], want)
		}
	}
	if strings.Contains(text.String(), "\x1b") || !strings.Contains(lines[1], "t13i301100_") || !strings.Contains(lines[4], "fuzzy") {
		t.Errorf("the table:\n%s", text.String())
	}
	if _, err := c.Flush(); err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(&values).ReadAll()
	if err != nil || len(rows) != 7 || rows[1][5] != "OpenSSL" || rows[1][14] != sender.TLS.JA4 || rows[4][5] != "'=Exim" || rows[4][7] != "fuzzy" {
		t.Errorf("rows = %q, %v", rows, err)
	}
}

// TestSummaryPrograms: sessions and hellos have their part.
func TestSummaryPrograms(t *testing.T) {
	s := view.NewSummary()
	for _, o := range mail() {
		s.Observe(o)
	}
	for _, m := range []event.Module{event.TLS, event.SMTP, event.SMTP} {
		o := seen(m, "192.0.2.9:1", 1e15, nil)
		o.Sender = &note.Note{TLS: &note.TLS{Library: "GnuTLS"}, Software: &note.Software{State: note.Matched, Name: "Exim", Flavor: "4.9x"}}
		s.Observe(o)
	}
	var out bytes.Buffer
	if err := s.Print(&out, false); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"Programs (SMTP sessions)\n        2  100.0 %  Exim 4.9x", "TLS libraries (ClientHellos)\n        1  100.0 %  GnuTLS"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
}
