package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/mxprint/mxprint/internal/shared"
	"github.com/mxprint/mxprint/internal/test/lab"
	"github.com/mxprint/mxprint/internal/test/mailtest"
	"github.com/mxprint/mxprint/internal/test/valkeylab"
)

// TestSharedTLS: by TLS with a certificate of the sensor, and as the user of
// docs/shared-store.md, all that mxprint asks for works; what is wrong is named.
func TestSharedTLS(t *testing.T) {
	dir, other := t.TempDir(), t.TempDir()
	mailtest.NewCert(t, dir)
	mailtest.NewCert(t, other)
	cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	port := lab.FreePort(t)
	server := valkeylab.Start(t, valkeylab.Options{Unix: true, Args: []string{"--bind", "127.0.0.1", "--tls-port", fmt.Sprint(port),
		"--tls-cert-file", cert, "--tls-key-file", key, "--tls-ca-cert-file", cert, "--tls-auth-clients", "yes"}})
	page, err := os.ReadFile("../../docs/shared-store.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rule, _ := strings.Cut(string(page), "ACL SETUSER mxprint ")
	rule, _, _ = strings.Cut(rule, "`")
	rule = strings.ReplaceAll(rule, `\|`, "|")
	server.CLI(append([]string{"ACL", "SETUSER", "mxprint", ">sesame"}, strings.Fields(rule)...)...)
	password := filepath.Join(dir, "password")
	if err := os.WriteFile(password, []byte("sesame\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	conf := filepath.Join(dir, "c.toml")
	check := func(ca string, more string) (status int, out string) {
		text := fmt.Sprintf("[sensor]\nask = %q\n[query]\nlisten = [%q]\n[store]\nvalkey = [\"127.0.0.1:%d\"]\nvalkey_tls = true\nvalkey_ca = %q\nvalkey_user = \"mxprint\"\nvalkey_password_file = %q\n%s",
			filepath.Join(dir, "none.sock"), "unix:"+filepath.Join(dir, "q"), port, filepath.Join(ca, "cert.pem"), password, more)
		if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		status, stdout, stderr := typed(t, "check", "-write", conf)
		return status, stdout + stderr
	}
	ours := fmt.Sprintf("valkey_cert = %q\nvalkey_key = %q\n", cert, key)
	if status, out := check(dir, ours); status != 0 || strings.Contains(out, "does not answer") {
		t.Errorf("all right: %d, %s", status, out)
	}
	if status, out, errs := typed(t, "status", "-fleet", "-config", conf); status != 0 || !strings.HasPrefix(out, "0 sensors") {
		t.Errorf("status -fleet: %d, %s%s", status, out, errs)
	}
	if _, out := check(other, ours); !strings.Contains(out, "certificate") {
		t.Errorf("another CA: %s", out)
	}
	if _, out := check(dir, ""); !strings.Contains(out, "does not answer") { // in TLS 1.3 the alert may come after our first write
		t.Errorf("no certificate of our own: %s", out)
	}
	server.CLI("ACL", "SETUSER", "mxprint", "-pfadd")
	if _, out := check(dir, ours); !strings.Contains(out, "NOPERM") || !strings.Contains(out, "'pfadd'") {
		t.Errorf("without pfadd: %s", out)
	}
}

// TestFleet lists the sensors of a real shared store, and reports one that cannot be
// reached.
func TestFleet(t *testing.T) {
	server := valkeylab.Start(t, valkeylab.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	for _, name := range []string{"mx1", "mx2"} {
		s := shared.Open(shared.Config{Servers: []string{server.Addr}, Sensor: name, Version: "0.1.0"})
		go func() { defer func() { ended <- struct{}{} }(); s.Run(ctx) }()
	}
	defer func() { cancel(); <-ended; <-ended }()
	conf := filepath.Join(t.TempDir(), "c.toml")
	write := func(text string) {
		if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	fleet := func(more ...string) (status int, out, errs string) {
		var o, e bytes.Buffer
		status = run(append([]string{"mxprint", "status", "-fleet", "-config", conf}, more...), &stdio{strings.NewReader(""), &o, &e})
		return status, o.String(), e.String()
	}
	write(fmt.Sprintf("[store]\nvalkey = [%q]\n", server.Addr))
	want := regexp.MustCompile(`^2 sensors, 1 version, 0 not well

SENSOR  STATE  VERSION  UP  +SEEN  +LAG  +WAITING  DROPPED
mx1     well   0\.1\.0    \d+s  +\d+s ago  \S+ +0 +0
mx2     well   0\.1\.0    \d+s  +\d+s ago  \S+ +0 +0
$`)
	var status int
	var out, errs string
	for end := time.Now().Add(patience); !want.MatchString(out) && time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		status, out, errs = fleet()
	}
	if status != 0 || !want.MatchString(out) {
		t.Errorf("status -fleet = %d\n%s%s", status, out, errs)
	}
	if status, out, _ := fleet("-json"); status != 0 || strings.Count(out, "\n") != 2 || !strings.HasPrefix(out, `{"sensor":"mx1","state":"well"`) {
		t.Errorf("-json: %d, %s", status, out)
	}
	// One of an older version that has been silent for five minutes, and one whose notes
	// waited for 2.5 seconds.
	day := int64(24 * time.Hour / time.Millisecond)
	for name, is := range map[string]struct {
		text string
		ttl  int64
	}{
		"mx8": {`{"version":"0.0.9","started":1790000000,"lag_ms":3,"queued":0,"dropped":7}`, day - 300_000},
		"mx9": {`{"version":"0.1.0","started":1790000000,"lag_ms":2500,"queued":1200,"dropped":0}`, day},
	} {
		server.CLI("SADD", "mxprint:1:sensors", name)
		server.CLI("SET", "mxprint:1:s:"+name, is.text, "PX", fmt.Sprint(is.ttl))
	}
	want = regexp.MustCompile(`(?s)^4 sensors, 2 versions, 2 not well\n.*\nmx8 +silent +0\.0\.9 .* 5m\d\ds ago .*\nmx9 +late +0\.1\.0 .* 2\.5s +1,200 .*\nmx1 +well .*\nmx2 +well `)
	if status, out, errs := fleet(); status != int(exitDegraded) || !want.MatchString(out) {
		t.Errorf("with two that are not well: %d\n%s%s", status, out, errs)
	}
	write("[store]\nvalkey = [\"127.0.0.1:1\"]\n")
	if status, _, errs := fleet(); status != exitFailed || !strings.Contains(errs, "the shared store at 127.0.0.1:1: ") {
		t.Errorf("without a server: %d, %s", status, errs)
	}
	write("")
	if status, _, errs := fleet(); status != exitFailed || !strings.Contains(errs, "the configuration names no store that sensors share") {
		t.Errorf("without the key: %d, %s", status, errs)
	}
}
