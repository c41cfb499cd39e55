package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/mxprint/mxprint/internal/test/lab"
	"github.com/mxprint/mxprint/internal/test/parts"
)

// TestSweep runs it over the small inputs of the project, with the program as it is
// and with one that prints nothing.
func TestSweep(t *testing.T) {
	lab.NeedProgram(t, "tcpdump")
	dir := t.TempDir()
	mxprint, err := parts.Program(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	captures := filepath.Join(dir, "captures")
	if err := os.Mkdir(captures, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"06a-cut-file.pcap", "06b-whole-file.pcap", "06c-empty-file.pcap"} {
		b, err := os.ReadFile(filepath.Join("../../../testdata/cases", name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(captures, name), b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	s := sweep{mxprint: mxprint, p0f: "no such program"}
	if n, err := s.run(captures); err != nil || n != 3 || len(s.listed) != 0 {
		t.Errorf("%d captures, %v, listed %v", n, err, s.listed)
	}
	s = sweep{mxprint: lab.NeedProgram(t, "true"), p0f: "no such program"}
	if _, err := s.run(captures); err != nil || s.listed["silent"] != 2 {
		t.Errorf("a program that prints nothing: %v, listed %v", err, s.listed)
	}
	s = sweep{mxprint: "/nonexistent/mxprint", p0f: "no such program"}
	if _, err := s.run(captures); err != nil || s.listed["crash"] != 6 {
		t.Errorf("a program that cannot run: %v, listed %v", err, s.listed)
	}
}
