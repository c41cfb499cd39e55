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
	"github.com/mxprint/mxprint/internal/test/valkeylab"
)

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
	for end := time.Now().Add(20 * time.Second); !want.MatchString(out) && time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		status, out, errs = fleet()
	}
	if status != 0 || !want.MatchString(out) {
		t.Errorf("status -fleet = %d\n%s%s", status, out, errs)
	}
	if status, out, _ := fleet("-json"); status != 0 || strings.Count(out, "\n") != 2 || !strings.HasPrefix(out, `{"sensor":"mx1","state":"well"`) {
		t.Errorf("-json: %d, %s", status, out)
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
