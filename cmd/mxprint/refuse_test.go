package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mxprint/mxprint/internal/test/lab"
)

// TestRefusedAsP0f gives many command lines to p0f and to the command that
// stands in for it (p0f-v3.md §10.1). Both must refuse or take each, and end
// alike. A program that takes one with an interface ends with status 1 too, for no
// interface has that name; the loaded database distinguishes it from a refusal.
func TestRefusedAsP0f(t *testing.T) {
	real := lab.NeedProgram(t, "p0f")
	file, err := filepath.Abs("../../testdata/lab/6.18-default.pcap")
	if err != nil {
		t.Fatal(err)
	}
	own, err := filepath.Abs("testdata/one.fp")
	if err != nil {
		t.Fatal(err)
	}
	ours, err := os.Executable() // the command of its name: see TestMain
	if err != nil {
		t.Fatal(err)
	}
	var refused, taken int
	for _, args := range commandLines(file) {
		// A database of one signature, for both to be quick.
		if !slices.Contains(args, "-f") {
			args = append([]string{"-f", own}, args...)
		}
		want := outcome(t, real, "p0f", args)
		if got := outcome(t, ours, "p0f", args); got != want {
			t.Errorf("p0f %q: %s, want %s", args, got, want)
		}
		if want.taken {
			taken++
		} else {
			refused++
		}
	}
	if refused < 100 || taken < 20 {
		t.Errorf("%d command lines were refused and %d taken: the table has no longer both", refused, taken)
	}
}

// ending is what becomes of a command line.
type ending struct {
	status int
	taken  bool
}

func (e ending) String() string {
	if e.taken {
		return fmt.Sprintf("taken, status %d", e.status)
	}
	return fmt.Sprintf("refused, status %d", e.status)
}

// commandLines is every set of options, with a file, an interface, or both;
// options given twice; and arguments at their bounds. None of them captures.
func commandLines(file string) [][]string {
	var all [][]string
	sources := [][]string{{"-r", file}, {"-i", "nope0"}, {"-i", "nope0", "-r", file}}
	options := [][]string{{"-p"}, {"-d"}, {"-o", "log"}, {"-s", "socket"}, {"-S", "30"}, {"-t", "20,60"}}
	for _, source := range sources {
		for set := range 1 << len(options) {
			args := slices.Clone(source)
			for i, o := range options {
				if set&(1<<i) != 0 {
					args = append(args, o...)
				}
			}
			all = append(all, args)
		}
	}
	for _, twice := range []string{
		"-i nope0", "-r FILE", "-p", "-f FILE", "-o log", "-s socket", "-d", "-u nobody",
		"-S 30", "-S 20", "-t 20,60", "-t 30,120", "-m 5,5", "-m 1000,10000",
	} {
		o := strings.Fields(strings.ReplaceAll(twice, "FILE", file))
		all = append(all, slices.Concat([]string{"-i", "nope0", "-s", "socket"}, o, o), slices.Concat([]string{"-r", file}, o, o))
	}
	for opt, values := range map[string][]string{
		"-S": {"0", "1", "20", "100", "101", "-1", "7x", "x", " +7"},
		"-t": {"1,1", "0,1", "1,0", "1000000,1000000", "1000001,1", "1,1000001", "1", "1,", ",", "x,1", "1,2x"},
		"-m": {"1,1", "0,1", "1,0", "100000,500000", "100001,1", "1,500001", "1", "1,", ",", "x,1", "1,2x"},
	} {
		for _, v := range values {
			all = append(all, []string{"-i", "nope0", "-s", "socket", opt, v})
		}
	}
	for _, rest := range [][]string{{"tcp"}, {"udp"}, {""}, {"tcp", "port", "25"}, {"tcp", "-p"}, {"-x"}, {"-h"}, {"-o"}, {"--"}, {"--", "-p"}, {"-"}, {"port"}} {
		all = append(all, slices.Concat([]string{"-r", file}, rest))
	}
	return append(all, []string{"-L"}, []string{"-L", "-x"})
}

// outcome runs a program in a folder of its own.
func outcome(t *testing.T, program, name string, args []string) ending {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Args[0], cmd.Dir = name, t.TempDir()
	var out, fault bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &fault
	err := cmd.Run()
	if ctx.Err() != nil || cmd.ProcessState == nil {
		t.Fatalf("%s %q: %v\n%s%s", program, args, err, &out, &fault)
	}
	return ending{cmd.ProcessState.ExitCode(), bytes.Contains(out.Bytes(), []byte("[+] Loaded ")) || bytes.Contains(out.Bytes(), []byte("vailable interfaces"))}
}
