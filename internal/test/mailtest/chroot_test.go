//go:build linux

package mailtest

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/mxprint/mxprint/internal/test/lab"
)

func TestChrootCommand(t *testing.T) {
	c := NewChroot(t, "exim")
	ns := lab.NewNetNS(t)
	dir := TempDir(t)
	WriteFiles(t, dir, map[string]string{"hello": "from the test\n"})
	out, err := c.Command(ns, map[string]string{"/mnt": dir}, "sh", "-c",
		"cat /mnt/hello /etc/debian_version && ls /sys/class/net 2>/dev/null; echo written >/mnt/back").CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if got := string(out); !strings.HasPrefix(got, "from the test\n12") {
		t.Errorf("the command printed %q", got)
	}
	if back, err := os.ReadFile(filepath.Join(dir, "back")); err != nil || string(back) != "written\n" {
		t.Errorf("read back %q, %v", back, err)
	}
	// The mount was the command's own.
	if files, err := os.ReadDir(filepath.Join(c.Root, "mnt")); err != nil || len(files) != 0 {
		t.Errorf("/mnt of the system has %v, %v, want it empty", files, err)
	}
	if u := c.Owner("Debian-exim"); slices.Contains([]string{"", "0"}, u.Uid) {
		t.Errorf("owner = %+v", u)
	}
}
