package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// removedFiles are files of its folder that the sensor has open and that have lost
// their name.
func (s *sensorUnderTest) removedFiles() (removed []string) {
	s.t.Helper()
	links, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", s.cmd.Process.Pid))
	if err != nil {
		s.t.Fatal(err)
	}
	for _, link := range links {
		if to, _ := os.Readlink(link); strings.HasPrefix(to, s.dir) && strings.HasSuffix(to, " (deleted)") {
			removed = append(removed, to)
		}
	}
	return removed
}

// TestReaderLeavesStore: what reads the store of a sensor that has become another
// user does not take it for one that no process uses, and remove its log.
func TestReaderLeavesStore(t *testing.T) {
	for _, user := range []string{"", "nobody"} {
		t.Run("user="+user, func(t *testing.T) {
			s := newSensorUnderTest(t)
			if err := os.Chmod(s.dir, 0o755); err != nil {
				t.Fatal(err)
			}
			store := filepath.Join(s.dir, "kept", "store.db")
			s.sensor = fmt.Sprintf("user = %q", user)
			s.configure(fmt.Sprintf("[store]\npath = %q\n", store))
			s.start(s.serve())
			s.wait("start", func() bool { return s.out.count(serveReady) == 1 })
			if out, err := exec.Command(s.program, "history", "-store", store, "192.0.2.1").CombinedOutput(); err != nil {
				t.Fatalf("mxprint history: %v: %s", err, out)
			}
			if removed := s.removedFiles(); len(removed) > 0 {
				t.Errorf("mxprint history has removed files of the running sensor: %q", removed)
			}
		})
	}
}
