package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"
)

// tests are the attacks that a test carries out.
var tests = []struct{ what, folder, name string }{
	{"a port used again: 0 of 1,000 answers wrong", "./engine", "TestPortReuse"},
	{"forged SYNs inside a connection: 0 of 150 answers changed", "./engine", "TestForgedAnswer"},
	{"forged SYNs: no change of system, no shared address", "./internal/host", "TestForgedSYNsChangeNothing"},
	{"half handshakes: let in 41 of 41 times, below 150 MiB", "./query", "TestFinding07HalfHandshakes"},
	{"stop and restart: 0 forged headers kept of the mails in the proxy", "./e2e/postfix", "TestFinding09Drain"},
	{"a hostile signature file: ends in seconds, with the line", "./internal/signature", "TestFinding20Budget"},
	{"re-exec with Haraka's published plugin: it never hangs", "./e2e/haraka", "TestHarakaReexec"},
	{"the proxy at its descriptors: 0 of 1,000 mails cut, doubled or lost", "./e2e/balancer", "TestFinding08Limits"},
}

const testTime = 150 * time.Second // of each, without its build

func runTests(ctx context.Context) (met bool) {
	fmt.Println("\n| attack | test | took | met |\n|---|---|---|---|")
	met = true
	for _, t := range tests {
		begin := time.Now()
		out, err := exec.CommandContext(ctx, "go", "test", "-count=1", "-v", "-timeout", testTime.String(), "-run", "^"+t.name+"$", t.folder).CombinedOutput()
		said := "yes"
		switch {
		case err != nil:
			said = "no"
			fmt.Fprintf(os.Stderr, "%.2000s\n", out) // the rest is stacks
		case strings.Contains(string(out), "--- SKIP"), !strings.Contains(string(out), "--- PASS: "+t.name):
			said = "no: it was skipped"
		}
		met = met && said == "yes"
		fmt.Printf("| %s | %s | %v | %s |\n", t.what, t.name, time.Since(begin).Round(time.Second), said)
	}
	return met
}
