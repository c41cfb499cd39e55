package evidence

import (
	"bytes"
	"encoding/json"
	"os"
	"strings"
	"testing"
)

// month is a simulated site after a month, in which a signal lost its worth.
func month(t *testing.T) *sim {
	t.Helper()
	s := newSim(77, 4)
	for range 32 {
		s.pass()
	}
	s.kinds = append(s.kinds, simKind{"new script", 0, 60, 0, 1, 0.05, map[string]float64{"system=Linux": 0.9, "dialect=bot one": 1, "hello=full name": 1, "memory=new address": 1}})
	for range 8 {
		s.pass()
	}
	return s
}

// TestReport has what a postmaster looks for in the report of a month. With
// MXPRINT_REPORT=FILE the page is written there, to be looked at.
func TestReport(t *testing.T) {
	s := month(t)
	r, err := Make(t.Context(), s, s.now(), 14)
	if err != nil {
		t.Fatal(err)
	}
	var text, page bytes.Buffer
	if err := r.Print(&text); err != nil {
		t.Fatal(err)
	}
	if err := r.HTML(&page); err != nil {
		t.Fatal(err)
	}
	js, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"conduct=early_talker", "lost its worth on", "IN SHORT", "had a signal for spam", "TOGETHER MORE THAN EACH", "score of at least 2", "ham that", ".example", "WHAT THE FILTER MISSED", "software=Exchange", "HAM SENDERS HIT % is", "TO ALL compares", "has no sure verdict",
		"are of 2024-10-04 to 2024-11-12", "link= is the link", "upper end of the interval", " sure; learn ", "these are undecided", "scores are no verdicts", "is not tried with the mails it comes from", "Too little is known of", "[[policy.rules]]", "mxprint rules test -since 14d", "changed in the last seven days", "; -html and -json have 20"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("the text has no %q:\n%s", want, text.String())
		}
	}
	for _, bad := range []string{"%!", "/32"} { // a format without its value; an address as a network
		if strings.Contains(text.String(), bad) {
			t.Errorf("the text has %q:\n%s", bad, text.String())
		}
	}
	for _, one := range r.Signals {
		if strings.HasPrefix(one.Token, "noise") {
			t.Errorf("noise is a signal: %+v", one.Estimate)
		}
	}
	for _, want := range []string{"<svg", "In short", "lost its worth on", "</html>", "What to do", "these are undecided", "[[policy.rules]]", "are of 2024-10-04", "link= is the link"} {
		if !strings.Contains(page.String(), want) {
			t.Errorf("the page has no %q", want)
		}
	}
	for _, alien := range []string{"http://", "https://", "<script", "src="} {
		if strings.Contains(page.String(), alien) {
			t.Errorf("the page has %q: it is to be one file", alien)
		}
	}
	if !strings.Contains(string(js), `"lost_its_worth_on"`) {
		t.Error("the JSON does not name the lost signal")
	}
	if path := os.Getenv("MXPRINT_REPORT"); path != "" {
		if err := os.WriteFile(path, page.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		t.Log(text.String())
	}
}

// TestReportEscapes has names and signals that a sender chose.
func TestReportEscapes(t *testing.T) {
	s := newSim(5, 0)
	s.kinds[6].tokens[`dialect=<script>alert(1)</script>`] = 0.1
	for range 15 {
		s.pass()
	}
	for _, m := range s.mails {
		m.Name = `"><img src=x>`
	}
	r, err := Make(t.Context(), s, s.now(), 14)
	if err != nil {
		t.Fatal(err)
	}
	var page bytes.Buffer
	if err := r.HTML(&page); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(page.String(), "<script>") || strings.Contains(page.String(), "<img") {
		t.Error("what a sender chose is part of the page")
	}
}

// TestOldReport is of a site whose filter has sent no verdict for some days.
func TestOldReport(t *testing.T) {
	s := newSim(6, 0)
	for range 10 {
		s.pass()
	}
	r, err := Make(t.Context(), s, s.now().AddDate(0, 0, 4), 14)
	if err != nil {
		t.Fatal(err)
	}
	if text := strings.Join(r.Basis(), " "); !strings.Contains(text, "No verdict has come since") {
		t.Errorf("the report says %q", text)
	}
	if r, err = Make(t.Context(), s, s.now(), 14); err != nil || strings.Contains(strings.Join(r.Basis(), " "), "No verdict has come since") {
		t.Errorf("of today it says %q, %v", r.Basis(), err)
	}
}

// TestReportOfLittle is of a site on its first day.
func TestReportOfLittle(t *testing.T) {
	s := newSim(6, 0)
	s.kinds = s.kinds[:0]
	s.stay = nil
	s.pass()
	r, err := Make(t.Context(), s, s.now(), 14)
	if err != nil {
		t.Fatal(err)
	}
	var text, page bytes.Buffer
	if err := r.Print(&text); err != nil || !strings.Contains(text.String(), "Too little is known") {
		t.Errorf("the report is %v\n%s", err, text.String())
	}
	if err := r.HTML(&page); err != nil || !strings.Contains(page.String(), "Too little is known") {
		t.Errorf("the page is %v\n%s", err, page.String())
	}
	if r.Since.After(s.now()) {
		t.Errorf("it is of the days from %v", r.Since)
	}
}

// TestJoin adds up the counts of two sites by a file.
func TestJoin(t *testing.T) {
	one, two := newSim(8, 0), newSim(9, 0)
	for range 10 {
		one.pass()
		two.pass()
	}
	path := t.TempDir() + "/two.counts"
	if err := os.WriteFile(path, two.counts(two.day).Append(nil), 0o600); err != nil {
		t.Fatal(err)
	}
	j, err := Join(one, []string{path})
	if err != nil {
		t.Fatal(err)
	}
	both, err := Make(t.Context(), j, one.now(), 14)
	if err != nil {
		t.Fatal(err)
	}
	if a, b := one.counts(one.day).Estimate(Everything, one.day), two.counts(two.day).Estimate(Everything, two.day); both.All.Mails != a.Mails+b.Mails || both.All.Senders != a.Senders+b.Senders {
		t.Errorf("both are %+v, one %+v and the other %+v", both.All, a, b)
	}
	if err := os.WriteFile(path, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Join(one, []string{path}); err == nil || !strings.Contains(err.Error(), "two.counts") {
		t.Errorf("a file that is no counts: %v", err)
	}
}
