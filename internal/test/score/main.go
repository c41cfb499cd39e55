// Command score measures signatures with labelled SYNs: it reads SYNs whose
// senders are known, one JSON object a line, builds the packet of each, has it
// decoded and named, and prints as JSON how often that was right: for all and
// for each family, by distinct SYN and by the number of times it was seen; once
// over all rows, once over those whose label does not contradict its own packet
// ("label_conflict" 0). docs/score.md says what counts as right.
//
//	go run ./internal/test/score labelled.jsonl
//	go run ./internal/test/score -f my.fp labelled.jsonl | jq .all_rows.all.distinct
//
// It is a tool for developers and does not ship. It is in this module because
// it shares the reading of versions with the kernel lab's tests.
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/mxprint/mxprint/internal/signature"
	"github.com/mxprint/mxprint/internal/test/osversion"
	"github.com/mxprint/mxprint/packet"
)

const help = `Usage: score [-wrong] [-f FP] [-with FP] FILE.jsonl

  -f FP     signatures to use (default: the built-in ones)
  -with FP  signatures to use before those; may be given again
  -wrong    print the rows that got a wrong name instead: how often seen, the
            system, the label, where its signature stands, the raw signature
`

func main() {
	err := run(os.Args[1:], os.Stdout)
	if errors.Is(err, flag.ErrHelp) {
		fmt.Print(help)
		return
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "score:", err)
		os.Exit(1)
	}
}

func run(args []string, out io.Writer) error {
	var files []string // of signatures
	fs := flag.NewFlagSet("score", flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	fs.Func("with", "", func(path string) error { files = append(files, path); return nil })
	database := fs.String("f", "", "")
	wrong := fs.Bool("wrong", false, "")
	if err := fs.Parse(args); err != nil {
		return err
	}
	if fs.NArg() != 1 {
		return errors.New("name one file; score -h shows the options")
	}
	db := signature.Builtin()
	if *database != "" || len(files) > 0 {
		var err error
		if db, err = signature.Load(append(files, *database)...); err != nil {
			return err
		}
	}
	f, err := os.Open(fs.Arg(0))
	if err != nil {
		return err
	}
	defer f.Close()
	var misnamed io.Writer
	if *wrong {
		misnamed = out
	}
	result, err := scoreRows(f, fs.Arg(0), db, misnamed)
	if err != nil || *wrong {
		return err
	}
	enc := json.NewEncoder(out)
	enc.SetIndent("", "  ")
	return enc.Encode(result)
}

// scores is what score prints.
type scores struct {
	AllRows    rowScores `json:"all_rows"`
	NoConflict rowScores `json:"no_label_conflict"`

	misnamed io.Writer // gets the rows with a wrong name; nil for none
}

type rowScores struct {
	All      score            `json:"all"`
	Families map[string]score `json:"families"`
}

// score counts every row once, and as often as it was observed.
type score struct {
	Distinct tally `json:"distinct"`
	Count    tally `json:"count"`
}

// tally counts rows, of which the members name a part.
type tally struct {
	Rows     int `json:"rows"`
	AnyMatch int `json:"any_match"`
	Exact    int `json:"exact"`
	Generic  int `json:"generic"`
	Fuzzy    int `json:"fuzzy"`

	RightCoarse int `json:"right_coarse"`
	RightFamily int `json:"right_family"`
	// Of RightCoarse: the label names systems of one group alone.
	AloneCoarse int `json:"right_coarse_alone"`
	// Of RightCoarse: named Linux where the row says Windows, which is a proxy
	// under a Windows agent.
	LinuxForWindows int `json:"linux_for_windows"`
	// The same, where another candidate of the label counts too.
	CandidateCoarse int `json:"right_coarse_by_candidates"`
	CandidateFamily int `json:"right_family_by_candidates"`

	VersionKnown      int `json:"version_known"`
	VersionWrong      int `json:"version_wrong"`
	VersionUnreadable int `json:"version_claim_unreadable"`

	Share shares `json:"percent"`
}

// shares are percentages of the rows; of wrong versions, of the rows whose
// version is known.
type shares struct {
	AnyMatch        float64 `json:"any_match"`
	RightCoarse     float64 `json:"right_coarse"`
	AloneCoarse     float64 `json:"right_coarse_alone"`
	LinuxForWindows float64 `json:"linux_for_windows"`
	CandidateCoarse float64 `json:"right_coarse_by_candidates"`
	RightFamily     float64 `json:"right_family"`
	Exact           float64 `json:"exact"`
	VersionWrong    float64 `json:"version_wrong"`
}

const (
	maxRow      = 64 << 10 // bytes of a line
	maxFamilies = 1000
)

// scoreRows reads rows and names the sender of each. Those with a wrong name
// are written to misnamed, unless that is nil.
func scoreRows(r io.Reader, name string, db *signature.DB, misnamed io.Writer) (*scores, error) {
	result := &scores{
		AllRows:    rowScores{Families: map[string]score{}},
		NoConflict: rowScores{Families: map[string]score{}},
		misnamed:   misnamed,
	}
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxRow)
	n := 0
	for lines.Scan() {
		n++
		if len(bytes.TrimSpace(lines.Bytes())) == 0 {
			continue
		}
		if err := result.add(lines.Bytes(), db); err != nil {
			return nil, fmt.Errorf("%s:%d: %w", name, n, err)
		}
	}
	if errors.Is(lines.Err(), bufio.ErrTooLong) {
		return nil, fmt.Errorf("%s:%d: line of more than %d bytes", name, n+1, maxRow)
	}
	if lines.Err() != nil {
		return nil, lines.Err()
	}
	result.AllRows.finish()
	result.NoConflict.finish()
	return result, nil
}

func (s *scores) add(line []byte, db *signature.DB) error {
	var row labelledRow
	if err := json.Unmarshal(line, &row); err != nil {
		return err
	}
	if row.OSFamily == "" || row.OSCoarse == "" {
		return errors.New("a row needs os_family and os_coarse")
	}
	if row.Count < 1 || row.Count > 1<<30 {
		return fmt.Errorf("count %d, want 1 or more", row.Count)
	}
	frame, err := row.frame()
	if err != nil {
		return err
	}
	d := packet.Decoder{Link: packet.LinkRaw}
	var seg packet.Segment
	if err := d.Decode(frame, len(frame), &seg); err != nil {
		return fmt.Errorf("decoding the packet of the row: %w", err)
	}
	m := db.Match(signature.Request, &seg, 0)
	one := judge(&row, &m)
	if s.misnamed != nil && one.AnyMatch > one.RightCoarse {
		fmt.Fprintf(s.misnamed, "%d\t%s\t%s\t%s:%d\t%s\n", row.Count, row.OSFamily,
			m.Sig.Label.Title(), m.Sig.File, m.Sig.Line, signature.AppendRaw(nil, &seg, m.Multiple))
	}
	s.AllRows.add(&row, one)
	if row.LabelConflict == 0 {
		s.NoConflict.add(&row, one)
	}
	if len(s.AllRows.Families) > maxFamilies {
		return fmt.Errorf("more than %d families", maxFamilies)
	}
	return nil
}

func (r *rowScores) add(row *labelledRow, one tally) {
	r.All.add(row, one)
	family := r.Families[row.OSFamily]
	family.add(row, one)
	r.Families[row.OSFamily] = family
}

func (s *score) add(row *labelledRow, one tally) {
	s.Distinct.add(one, 1)
	s.Count.add(one, row.Count)
}

func (r *rowScores) finish() {
	r.All.finish()
	for name, family := range r.Families {
		family.finish()
		r.Families[name] = family
	}
}

func (s *score) finish() { s.Distinct.finish(); s.Count.finish() }

func (t *tally) add(one tally, times int) {
	t.Rows += times
	for _, c := range []struct {
		sum *int
		one int
	}{
		{&t.AnyMatch, one.AnyMatch}, {&t.Exact, one.Exact}, {&t.Generic, one.Generic}, {&t.Fuzzy, one.Fuzzy},
		{&t.RightCoarse, one.RightCoarse}, {&t.RightFamily, one.RightFamily},
		{&t.CandidateCoarse, one.CandidateCoarse}, {&t.CandidateFamily, one.CandidateFamily},
		{&t.AloneCoarse, one.AloneCoarse}, {&t.LinuxForWindows, one.LinuxForWindows},
		{&t.VersionKnown, one.VersionKnown}, {&t.VersionWrong, one.VersionWrong}, {&t.VersionUnreadable, one.VersionUnreadable},
	} {
		*c.sum += c.one * times
	}
}

func (t *tally) finish() {
	t.Share = shares{
		AnyMatch:        percent(t.AnyMatch, t.Rows),
		RightCoarse:     percent(t.RightCoarse, t.Rows),
		AloneCoarse:     percent(t.AloneCoarse, t.Rows),
		LinuxForWindows: percent(t.LinuxForWindows, t.Rows),
		CandidateCoarse: percent(t.CandidateCoarse, t.Rows),
		RightFamily:     percent(t.RightFamily, t.Rows),
		Exact:           percent(t.Exact, t.Rows),
		VersionWrong:    percent(t.VersionWrong, t.VersionKnown),
	}
}

// percent returns a share with two decimals.
func percent(part, whole int) float64 {
	if whole == 0 {
		return 0
	}
	return float64(int(float64(part)/float64(whole)*1e4+0.5)) / 100
}

// judge holds what a match says against what a row says. A label is right for
// each system that its name joins by "or", and its flavor as in "(or Android)".
// A Linux stack under a Windows agent is a proxy, so naming it Linux is right.
func judge(row *labelledRow, m *signature.Match) tally {
	var t tally
	versions := osversion.Read(row.OSFamily, row.OSVersion)
	t.VersionKnown = bit(len(versions) > 0)
	if m.Sig == nil {
		return t
	}
	label := m.Sig.Label
	t.AnyMatch = 1
	q := m.Quality()
	t.Exact, t.Generic, t.Fuzzy = bit(q == signature.Exact), bit(q == signature.Generic), bit(q == signature.Fuzzy)
	names := systems(label)
	alone := !slices.ContainsFunc(names, func(name string) bool { return coarse(name) != coarse(names[0]) })
	t.LinuxForWindows = bit(row.OSCoarse == "Windows" && alone && coarse(names[0]) == "linux")
	t.RightCoarse = max(t.LinuxForWindows, bit(anyCoarse(names, row.OSCoarse)))
	t.RightFamily = bit(anyFamily(names, row))
	if alone {
		t.AloneCoarse = t.RightCoarse
	}
	for _, c := range label.Or {
		names = append(names, c.Name)
	}
	t.CandidateCoarse = max(t.LinuxForWindows, bit(anyCoarse(names, row.OSCoarse)))
	t.CandidateFamily = bit(anyFamily(names, row))
	if t.VersionKnown == 1 && t.RightFamily == 1 {
		right, readable := osversion.Claims(label.Flavor, familyName(systems(label)[0]), row.OSFamily, versions)
		t.VersionWrong, t.VersionUnreadable = bit(readable && !right), bit(!readable)
	}
	return t
}

func bit(b bool) int {
	if b {
		return 1
	}
	return 0
}

// systems are the names that a label allows for.
func systems(l *signature.Label) []string {
	text := l.Name
	for _, part := range strings.Split(l.Flavor, "(or ")[1:] {
		other, _, _ := strings.Cut(part, ")")
		if name, _, _ := strings.Cut(other, " "); osversion.KnownSystem(name) {
			text += " or " + name // "(or iOS 7-10)"; but not "(or tuned)"
		}
	}
	return strings.Split(strings.NewReplacer("(", "", ")", "").Replace(text), " or ")
}

// coarse names the group of a system, in lower case.
func coarse(name string) string {
	switch name = strings.ToLower(strings.TrimSpace(name)); name {
	case "android", "chromeos":
		return "linux"
	case "macos", "ios", "tvos", "mac os x", "macos x":
		return "apple"
	case "f5 big-ip":
		return "big-ip"
	case "lwip", "uip", "contiki", "freertos":
		return "embedded"
	}
	return name
}

func anyCoarse(names []string, want string) bool {
	for _, name := range names {
		if coarse(name) == coarse(want) {
			return true
		}
	}
	return false
}

// anyFamily compares whole names; a row that says no more than its group is
// right by the group.
func anyFamily(names []string, row *labelledRow) bool {
	want := strings.ToLower(row.OSFamily)
	if coarse(want) == want && want != "linux" || want == "f5 big-ip" {
		return anyCoarse(names, want)
	}
	for _, name := range names {
		if familyName(name) == want {
			return true
		}
	}
	return false
}

// familyName is a system's name in lower case, and p0f's names for macOS as
// macos.
func familyName(name string) string {
	switch name = strings.ToLower(strings.TrimSpace(name)); name {
	case "mac os x", "macos x":
		return "macos"
	}
	return name
}
