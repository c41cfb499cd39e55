//go:build linux

package packages

import (
	"bytes"
	"context"
	"debug/buildinfo"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/mxprint/mxprint/internal/test/lab"
	"github.com/mxprint/mxprint/internal/test/mailtest"
)

// buildPackages builds the packages of a version, and returns their folder.
func buildPackages(t *testing.T, dir, version string) {
	t.Helper()
	cmd := exec.Command(mailtest.RepoPath(t, "scripts", "packages"), dir)
	cmd.Env = append(os.Environ(), "VERSION="+version)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("scripts/packages: %v\n%s", err, out)
	}
}

// TestDebPackage installs the .deb into a Debian system, starts the sensor as
// the unit does, upgrades it under its clients, and removes it.
func TestDebPackage(t *testing.T) {
	if p := os.Getenv("MXPRINT_E2E_P0F"); p != "" {
		t.Skip("is about the packages of mxprint")
	}
	base := mailtest.NewChroot(t, "exim") // any will do
	debs := mailtest.TempDir(t)
	buildPackages(t, debs, "0.1.0")
	buildPackages(t, debs, "0.1.1")
	pair := lab.NewPair(t)
	c := mailtest.CopyOf(t, base)
	do := func(line ...string) string {
		t.Helper()
		cmd := c.Command(pair.Server, map[string]string{"/mnt": debs}, line[0], line[1:]...)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v\n%s", strings.Join(line, " "), err, out)
		}
		return string(out)
	}
	install := func(version string) {
		t.Helper()
		found, err := filepath.Glob(filepath.Join(debs, "mxprint_"+version+"_*.deb"))
		if err != nil || len(found) != 1 {
			t.Fatalf("packages: %q, %v", found, err)
		}
		do("dpkg", "-i", filepath.Join("/mnt", filepath.Base(found[0])))
	}
	install("0.1.0")
	checkInstalled(t, c, do)

	p, socket := startUnit(t, c, pair.Server)
	checkAnswers(t, pair, do, socket)
	if out := string(p.Out.Bytes()); strings.Contains(out, "level=WARN") {
		t.Errorf("it complains:\n%s", out)
	}

	// Edited here and new there are not the same file for dpkg: ours is as it was.
	conf := filepath.Join(c.Root, "etc/mxprint.toml")
	text, err := os.ReadFile(conf)
	if err != nil {
		t.Fatal(err)
	}
	mailtest.WriteFiles(t, filepath.Dir(conf), map[string]string{"mxprint.toml": string(text) + "# edited here\n"})
	install("0.1.1")
	if out := do("dpkg-query", "-W", "-f", "${Version}", "mxprint"); out != "0.1.1" {
		t.Errorf("the version is %s", out)
	}
	if now, err := os.ReadFile(conf); err != nil || !strings.HasSuffix(string(now), "# edited here\n") {
		t.Errorf("after the upgrade the configuration is %s, %v", now, err)
	}
	select {
	case <-p.Reexec("msg=ready"):
	case <-p.Done:
		t.Fatal("SIGUSR2 ended the sensor")
	}
	checkAnswers(t, pair, do, socket)
	p.Stop()

	do("dpkg", "-r", "mxprint")
	for path, want := range map[string]bool{"usr/bin/mxprint": false, "usr/bin/p0f": false, "etc/mxprint.toml": true} {
		if _, err := os.Lstat(filepath.Join(c.Root, path)); (err == nil) != want {
			t.Errorf("after the removal: %s: %v", path, err)
		}
	}
	do("dpkg", "-P", "mxprint")
	if _, err := os.Lstat(conf); err == nil {
		t.Error("the purge left the configuration behind")
	}
}

// checkInstalled looks at what the package brought.
func checkInstalled(t *testing.T, c *mailtest.Chroot, do func(...string) string) {
	t.Helper()
	if out := do("mxprint", "version"); !strings.HasPrefix(out, "mxprint ") {
		t.Errorf("mxprint version: %q", out)
	}
	if out := do("readlink", "-f", "/usr/bin/p0f"); out != "/usr/bin/mxprint\n" {
		t.Errorf("p0f is %q", out)
	}
	if out := do("update-alternatives", "--query", "p0f"); !strings.Contains(out, "Value: /usr/bin/mxprint\n") {
		t.Errorf("alternatives:\n%s", out)
	}
	if out := do("mxprint", "check", "-config", "/etc/mxprint.toml"); !strings.Contains(out, "/run/mxprint/p0f.sock") {
		t.Errorf("mxprint check:\n%s", out)
	}
	if u := c.Owner("mxprint"); u.Uid == "0" || u.HomeDir != "/nonexistent" {
		t.Errorf("the user is %+v", u)
	}
	if out := do("dpkg-query", "-W", "-f", "${Conffiles}", "mxprint"); !strings.Contains(out, "/etc/mxprint.toml") {
		t.Errorf("conffiles: %q", out)
	}
	for _, path := range []string{
		"usr/share/man/man1/mxprint.1.gz", "usr/share/man/man1/p0f.1.gz", "usr/share/man/man5/mxprint.toml.5.gz",
		"usr/share/man/man5/mxprint-signatures.5.gz", "usr/share/bash-completion/completions/mxprint",
		"usr/share/zsh/vendor-completions/_mxprint", "usr/share/fish/vendor_completions.d/mxprint.fish",
		"usr/lib/systemd/system/mxprint.service", "usr/lib/systemd/system/mxprint-p0f.service",
		"usr/lib/systemd/system/mxprint.socket", "usr/share/mxprint/systemd/mxprint-sockops.conf", "usr/share/mxprint/prometheus/mxprint.yml", "usr/share/mxprint/grafana/mxprint.json", "usr/share/mxprint/clickhouse/schema.sql", "etc/logrotate.d/mxprint",
		"usr/share/mxprint/haraka-plugin-mxprint/index.js", "usr/share/doc/mxprint/third-party.txt",
	} {
		if _, err := os.Lstat(filepath.Join(c.Root, path)); err != nil {
			t.Errorf("it did not bring %s", path)
		}
	}
}

// startUnit does what systemd would make of the unit: its command line, as its
// user, with its capability and its folder.
func startUnit(t *testing.T, c *mailtest.Chroot, ns *lab.NetNS) (p *mailtest.Process, socket string) {
	t.Helper()
	unit, err := os.ReadFile(filepath.Join(c.Root, "usr/lib/systemd/system/mxprint.service"))
	if err != nil {
		t.Fatal(err)
	}
	line := regexp.MustCompile(`(?m)^ExecStart=(/usr/bin/mxprint .*)$`).FindSubmatch(unit)
	if line == nil {
		t.Fatalf("the unit has no command line of ours:\n%s", unit)
	}
	dir := filepath.Join(c.Root, "run/mxprint")
	mailtest.MakeDir(t, dir, c.Owner("mxprint"))
	args := append([]string{"--reuid", "mxprint", "--regid", "mxprint", "--init-groups", "--inh-caps", "-all,+net_raw",
		"--ambient-caps", "+net_raw", "--bounding-set", "-all,+net_raw", "--no-new-privs", "--"}, strings.Fields(string(line[1]))...)
	p = mailtest.Start(t, "mxprint", c.Command(ns, map[string]string{"/proc": "/proc"}, "setpriv", args...))
	p.Printed("msg=ready")
	return p, filepath.Join(dir, "p0f.sock")
}

// checkAnswers has a client connect, and asks about it with the installed
// program. Nothing listens: the SYN is what counts.
func checkAnswers(t *testing.T, pair *lab.Pair, do func(...string) string, socket string) {
	t.Helper()
	if !mailtest.SocketAnswers(socket) {
		t.Fatal("the socket does not answer")
	}
	err := pair.Client.Do(func() error {
		nc, err := net.DialTimeout("tcp", netip.AddrPortFrom(pair.Server.IPv4, 25).String(), mailtest.StartTimeout)
		if err == nil {
			nc.Close()
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	lab.Eventually(t, func() error {
		// A status above 2 is an answer, too.
		if out := do("sh", "-c", "mxprint query "+pair.Client.IPv4.String()+" || test $? -gt 2"); !strings.Contains(out, ": matched\n") {
			return fmt.Errorf("the sensor does not know its client: %s", out)
		}
		return nil
	})
}

// TestRPMPackage has rpm read the .rpm.
func TestRPMPackage(t *testing.T) {
	rpm := lab.NeedProgram(t, "rpm")
	dir := mailtest.TempDir(t)
	buildPackages(t, dir, "0.1.0")
	found, err := filepath.Glob(filepath.Join(dir, "mxprint-0.1.0-1.*.rpm"))
	if err != nil || len(found) != 1 {
		t.Fatalf("packages: %q, %v", found, err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	var out []byte
	for _, query := range [][]string{{"--list"}, {"--scripts", "--requires"}, {"--configfiles"}} { // one at a time is all it does
		text, err := exec.CommandContext(ctx, rpm, append(append([]string{"-qp"}, query...), found[0])...).CombinedOutput()
		if err != nil {
			t.Fatalf("rpm: %v\n%s", err, text)
		}
		out = append(out, text...)
	}
	for _, want := range []string{"/usr/bin/mxprint\n", "/etc/mxprint.toml\n", "/usr/lib/systemd/system/mxprint.service\n",
		"/usr/share/zsh/site-functions/_mxprint\n", "/usr/share/man/man5/mxprint.toml.5.gz\n", "shadow-utils", "useradd --system"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("rpm shows no %q in\n%s", want, out)
		}
	}
}

// TestF17Lintian has Debian's own checker look at the .deb: no error, no warning.
func TestF17Lintian(t *testing.T) {
	lintian := lab.NeedProgram(t, "lintian")
	dir := mailtest.TempDir(t)
	t.Setenv("MAINTAINER", "A Packager <packager@example.net>")
	t.Setenv("HOMEPAGE", "https://mxprint.example.net/")
	buildPackages(t, dir, "0.1.7")
	found, err := filepath.Glob(filepath.Join(dir, "mxprint_0.1.7_*.deb"))
	if err != nil || len(found) != 1 {
		t.Fatalf("packages: %q, %v", found, err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, lintian, "--allow-root", "-I", "--pedantic", found[0]).CombinedOutput()
	if err != nil || regexp.MustCompile(`(?m)^[EW]: `).Match(out) {
		t.Errorf("lintian: %v\n%s", err, out)
	}
	t.Logf("lintian:\n%s", out)
	files := filepath.Join(dir, "files")
	if out, err := exec.CommandContext(ctx, "dpkg-deb", "-x", found[0], files).CombinedOutput(); err != nil {
		t.Fatalf("dpkg-deb: %v\n%s", err, out)
	}
	checkLicences(t, files)
	if out, _ := exec.CommandContext(ctx, filepath.Join(files, "usr/bin/mxprint"), "version").Output(); !regexp.MustCompile(`^mxprint 0\.1\.7 \([0-9a-f]{12}(-dirty)?\), `).Match(out) {
		t.Errorf("mxprint version: %q, want that of the package and the commit", out)
	}
	unit, _ := os.ReadFile(filepath.Join(files, "usr/lib/systemd/system/mxprint.service"))
	control, _ := exec.CommandContext(ctx, "dpkg-deb", "-f", found[0], "Maintainer", "Homepage").Output()
	if !strings.Contains(string(unit), "https://mxprint.example.net/") || string(control) != "Maintainer: A Packager <packager@example.net>\nHomepage: https://mxprint.example.net/\n" {
		t.Errorf("the maintainer's variables are not everywhere:\n%s\n%s", control, unit)
	}
}

// checkLicences wants the licence of each module that the program has in it.
func checkLicences(t *testing.T, files string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(files, "usr/share/doc/mxprint/third-party.txt"))
	if err != nil {
		t.Fatal(err)
	}
	info, err := buildinfo.ReadFile(filepath.Join(files, "usr/bin/mxprint"))
	if err != nil {
		t.Fatal(err)
	}
	if len(info.Deps) < 5 {
		t.Fatalf("%d modules in the program, want more", len(info.Deps))
	}
	for _, module := range info.Deps {
		if _, after, found := strings.Cut(string(text), "---- "+module.Path+" "+module.Version+"\n"); !found || len(strings.TrimSpace(after)) < 500 {
			t.Errorf("no licence of %s %s", module.Path, module.Version)
		}
	}
}

// TestReproducible builds the program in two folders: what comes of it is the
// same, and has no path of either.
func TestReproducible(t *testing.T) {
	lab.NeedRoot(t) // as all of this package
	var builds [2][]byte
	for i := range builds {
		dir := mailtest.TempDir(t)
		for _, line := range []string{
			"cd '" + mailtest.RepoPath(t) + "' && git ls-files -z | xargs -0 cp --parents -t '" + dir + "'",
			"make -s -C '" + dir + "' build COMMIT=123456789abc",
		} {
			if out, err := exec.Command("sh", "-c", line).CombinedOutput(); err != nil {
				t.Fatalf("%s: %v\n%s", line, err, out)
			}
		}
		var err error
		if builds[i], err = os.ReadFile(filepath.Join(dir, "bin", "mxprint")); err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(builds[i], []byte(dir)) {
			t.Errorf("the program names the folder it was built in")
		}
	}
	if !bytes.Equal(builds[0], builds[1]) {
		t.Error("two builds of the same files differ")
	}
}
