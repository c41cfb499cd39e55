package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/mxprint/mxprint/internal/test/lab"
)

// TestSoftwareLive: two real programs that send at the same time from one
// address have their own names, of each connection.
func TestSoftwareLive(t *testing.T) {
	curl, python := lab.NeedProgram(t, "curl"), lab.NeedProgram(t, "python3")
	s, ns := newSensorUnderTest(t), lab.NewNetNS(t)
	mailServer(t, ns, "127.0.0.1:25")
	log := filepath.Join(s.dir, "log.json")
	text := "[sensor]\ninterfaces = [\"lo\"]\nsmtp = true\n[p0f]\nsocket = \"" + s.socket + "\"\n[log]\njson = \"" + log + "\"\n"
	if err := os.WriteFile(s.config(), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	s.start(ns.Command(context.Background(), s.program, "serve", "-config", s.config()))
	s.wait("start", func() bool { return s.out.count(serveReady) == 1 })
	mail := filepath.Join(s.dir, "mail")
	if err := os.WriteFile(mail, []byte("Subject: test\r\n\r\n"+strings.Repeat("A line of text.\r\n", 20)), 0o644); err != nil {
		t.Fatal(err)
	}
	script := `import smtplib, sys
s = smtplib.SMTP("127.0.0.1", 25, local_hostname="client.example.org", source_address=("127.0.0.1", int(sys.argv[1])))
s.sendmail("a@example.org", ["b@example.net"], open(sys.argv[2]).read())
s.quit()`
	want := make(map[string]string)
	var all sync.WaitGroup
	for i := range 5 {
		for _, p := range []struct {
			name string
			port int
			args []string
		}{
			{"curl", 40000 + i, []string{curl, "-s", "--local-port", fmt.Sprint(40000 + i), "--url", "smtp://127.0.0.1/client.example.org", "--mail-from", "a@example.org", "--mail-rcpt", "b@example.net", "-T", mail}},
			{"Python smtplib", 41000 + i, []string{python, "-c", script, fmt.Sprint(41000 + i), mail}},
		} {
			want[fmt.Sprintf("127.0.0.1:%d", p.port)] = p.name
			all.Add(1)
			go func() {
				defer all.Done()
				if out, err := ns.Command(context.Background(), p.args[0], p.args[1:]...).CombinedOutput(); err != nil {
					t.Errorf("%s: %v: %s", p.name, err, out)
				}
			}()
		}
	}
	all.Wait()
	type session struct {
		Module, Client, Dialect string
		Software                struct{ Name string }
		Or                      []string `json:"software_or"`
	}
	got := make(map[string]session)
	s.wait("ten sessions", func() bool {
		b, _ := os.ReadFile(log)
		for line := range strings.Lines(string(b)) {
			var o session
			if json.Unmarshal([]byte(line), &o) == nil && o.Module == "smtp" {
				got[o.Client] = o
			}
		}
		return len(got) == len(want)
	})
	for client, name := range want {
		o := got[client]
		named := append([]string{o.Software.Name}, o.Or...)
		for _, one := range []string{"curl", "Python smtplib"} { // without TLS, other programs may look like one of them
			if slices.Contains(named, one) != (one == name) {
				t.Errorf("%s is %q, want %s and not the other: %s", client, named, name, o.Dialect)
			}
		}
	}
}
