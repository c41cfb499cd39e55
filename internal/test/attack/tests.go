package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"time"
)

// tests are the attacks that a test carries out. It logs what it saw.
var tests = []struct{ what, bar, folder, name string }{
	{"a port used again by another machine", "0 of 1000 answers wrong", "./engine", "TestFinding04PortReuse"},
	{"a SYN to another address of the server", "ambiguous, after the wait", "./engine", "TestFinding04OtherServer"},
	{"forged SYNs inside a connection", "0 of 150 answers changed", "./engine", "TestFinding05ForgedAnswer"},
	{"two SYNs with the same ends", "the handshake decides", "./engine", "TestHandshakeDecides"},
	{"forged SYNs of one address", "no change of system, no shared address", "./internal/host", "TestFinding05ForgedSYNsChangeNothing"},
	{"half handshakes on the TLS query port", "let in 41 of 41 times, below 150 MiB", "./query", "TestFinding07HalfHandshakes"},
	{"the proxy at its descriptors", "0 of 1000 mails cut, doubled or lost", "./e2e/balancer", "TestFinding08Limits"},
	{"stop and start with mails in the proxy", "0 forged headers kept of 200", "./e2e/postfix", "TestFinding09Drain"},
	{"20,000 different hellos and findings", "4096 bytes each at most", "./internal/sender", "TestHostileEnded"},
	{"a new name and hello on each connection", "102 keys at most", "./internal/shared", "TestManyNames"},
	{"a hostile signature file", "ends in seconds, with the line", "./internal/signature", "TestFinding20Budget"},
	{"re-exec with Haraka's published plugin", "no mail hangs", "./e2e/haraka", "TestHarakaReexec"},
	{"re-exec, stop and start under a flood, with the published plugin", "no verified sender unknown, no mail hangs", "./e2e/haraka", "TestHarakaFloodedRestart"},
}

// attackEnv has the tests use the numbers of an attack.
const attackEnv = "MXPRINT_ATTACK"

const testTime = 4 * time.Minute // of each, without its build

// logged is a line that a test logs.
var logged = regexp.MustCompile(`(?m)^\s+\w+_test\.go:\d+: (.*)$`)

// maxSeen bounds what a row has of a test's log, in bytes.
const maxSeen = 300

func (t *table) tests(ctx context.Context) {
	for _, test := range tests {
		cmd := exec.CommandContext(ctx, "go", "test", "-count=1", "-v", "-timeout", testTime.String(), "-run", "^"+test.name+"$", test.folder)
		cmd.Env = append(os.Environ(), attackEnv+"=1")
		out, err := cmd.CombinedOutput()
		text := string(out)
		var seen []string
		for _, m := range logged.FindAllStringSubmatch(text, -1) {
			seen = append(seen, strings.TrimSpace(strings.ReplaceAll(m[1], "|", "/")))
		}
		said := strings.Join(seen, "; ")
		switch {
		case err != nil:
			fmt.Fprintf(os.Stderr, "%.4000s\n", text) // the rest is stacks
		case strings.Contains(text, "--- SKIP"), !strings.Contains(text, "--- PASS: "+test.name):
			err, said = errSkipped, "it was skipped: "+said
		}
		t.row(test.what+" ("+test.name+")", said[:min(len(said), maxSeen)], test.bar, err == nil)
	}
}
