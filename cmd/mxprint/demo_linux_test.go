package main

import (
	"bufio"
	"context"
	"io"
	"net/netip"
	"strings"
	"testing"
)

// TestDemoKeep: with -keep, whoever connects is named by address and port, and
// the demonstration ends when it is told to.
func TestDemoKeep(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	r, w := io.Pipe()
	done := make(chan error, 1)
	go func() {
		err := runDemo(ctx, []string{"-keep", "-listen", "127.0.0.1:0"}, &stdio{out: w, err: io.Discard})
		w.Close()
		done <- err
	}()
	lines := bufio.NewScanner(r)
	next := func(prefix string) string {
		t.Helper()
		for lines.Scan() {
			if rest, ok := strings.CutPrefix(lines.Text(), prefix); ok {
				return rest
			}
		}
		t.Fatalf("no line begins with %q: %v", prefix, lines.Err())
		return ""
	}
	address, _, _ := strings.Cut(next("Send more mails to "), ";")
	sent := make(chan error, 1)
	from := make(chan netip.AddrPort, 1)
	go func() {
		sent <- sender{ttl: 60}.send(ctx, netip.MustParseAddrPort(address), func(a netip.AddrPort) { from <- a })
	}()
	next((<-from).String())
	if facts := next("  Linux "); !strings.Contains(facts, ", 4 hops, loopback") {
		t.Errorf("the visitor is %q, want 4 hops, loopback", facts)
	}
	go io.Copy(io.Discard, r)
	if err := <-sent; err != nil {
		t.Error(err)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// TestDemoOutput: an output that nobody takes ends it.
func TestDemoOutput(t *testing.T) {
	r, w := io.Pipe()
	r.Close()
	if err := runDemo(t.Context(), []string{"-keep", "-listen", "127.0.0.1:0"}, &stdio{out: w, err: io.Discard}); err == nil || !strings.Contains(err.Error(), "writing the output") {
		t.Errorf("demo with nobody to read it: %v", err)
	}
}
