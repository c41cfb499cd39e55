// Sweep runs mxprint read, mxprint explain and p0f over a folder of captures,
// and lists what an operator should look at: crashes and time-outs, captures that
// gave nothing and no message, and logs that differ from p0f's. It compares the
// log of mxprint p0f with p0f's own database and p0f's log, line for line, without
// their order: p0f is the reference there.
//
// Usage: sweep -mxprint PROGRAM [-p0f PROGRAM -db FP] DIR
//
// The exit status is 1 where it listed anything.
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// perRun bounds one run of one program.
const perRun = time.Minute

type sweep struct {
	mxprint, p0f, db string
	scratch          string
	listed           map[string]int
}

func main() {
	var s sweep
	flag.StringVar(&s.mxprint, "mxprint", "mxprint", "the program")
	flag.StringVar(&s.p0f, "p0f", "p0f", "the reference; none where it is not installed")
	flag.StringVar(&s.db, "db", "/etc/p0f/p0f.fp", "its database")
	flag.Parse()
	if flag.NArg() != 1 {
		fmt.Fprintln(os.Stderr, "sweep: name a folder of captures")
		os.Exit(2)
	}
	n, err := s.run(flag.Arg(0))
	if err != nil {
		fmt.Fprintln(os.Stderr, "sweep:", err)
		os.Exit(2)
	}
	fmt.Printf("%d captures: %d crashes, %d silent, %d differ from p0f\n", n, s.listed["crash"], s.listed["silent"], s.listed["differs"])
	if len(s.listed) > 0 {
		os.Exit(1)
	}
}

// run looks at every regular file below a folder.
func (s *sweep) run(dir string) (n int, err error) {
	s.listed = make(map[string]int)
	if s.scratch, err = os.MkdirTemp("", "sweep"); err != nil {
		return 0, err
	}
	defer os.RemoveAll(s.scratch)
	if _, err := exec.LookPath(s.p0f); err != nil {
		fmt.Printf("%s is not installed: logs are not compared\n", s.p0f)
		s.p0f = ""
	}
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		n++
		s.capture(path)
		return nil
	})
	return n, err
}

// list prints one thing to look at.
func (s *sweep) list(kind, path, format string, args ...any) {
	s.listed[kind]++
	fmt.Printf("%s\t%s\t%s\n", kind, path, fmt.Sprintf(format, args...))
}

// capture looks at one file.
func (s *sweep) capture(path string) {
	out, msg := s.program(path, s.mxprint, "read", "-json", path)
	if len(out)+len(msg) == 0 && s.hasSYN(path) {
		s.list("silent", path, "read prints nothing, and tcpdump finds a SYN")
	}
	_, msg = s.program(path, s.mxprint, "explain", path)
	if bytes.Contains(msg, []byte("there is no SYN and no SYN+ACK")) && s.hasSYN(path) {
		s.list("silent", path, "explain says that there is no SYN, and tcpdump finds one")
	}
	if s.p0f == "" {
		return
	}
	ours, theirs := filepath.Join(s.scratch, "ours"), filepath.Join(s.scratch, "theirs")
	os.Remove(ours)
	os.Remove(theirs)
	s.program(path, s.mxprint, "p0f", "-f", s.db, "-r", path, "-o", ours)
	s.program("", s.p0f, "-f", s.db, "-r", path, "-o", theirs)
	if a, b := lines(ours), lines(theirs); !slices.Equal(a, b) {
		s.list("differs", path, "%d lines of the log, p0f has %d; the first that differs: %s", len(a), len(b), firstOther(a, b))
	}
}

// program runs a program, and lists how it ended if that was no exit status of its
// own. A path that is empty stands for one whose end is no matter.
func (s *sweep) program(path, name string, args ...string) (stdout, stderr []byte) {
	ctx, cancel := context.WithTimeout(context.Background(), perRun)
	defer cancel()
	var out, msg bytes.Buffer
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = append(os.Environ(), "TZ=UTC")
	cmd.Stdout, cmd.Stderr = &out, &msg
	err := cmd.Run()
	var exit *exec.ExitError
	switch {
	case path == "" || err == nil:
	case ctx.Err() != nil:
		s.list("crash", path, "%s did not end within %v", args[0], perRun)
	case errors.As(err, &exit) && exit.ExitCode() == 1 && !bytes.Contains(msg.Bytes(), []byte("goroutine ")):
	default:
		first, _, _ := strings.Cut(msg.String(), "\n")
		s.list("crash", path, "%s: %v: %s", args[0], err, first)
	}
	return out.Bytes(), msg.Bytes()
}

// hasSYN asks tcpdump, without which it reports false.
func (s *sweep) hasSYN(path string) bool {
	out, _ := exec.Command("tcpdump", "-nr", path, "-c", "1", "tcp[tcpflags] & (tcp-syn|tcp-ack) = tcp-syn or (ip6[6] = 6 and ip6[53] & 0x12 = 2)").Output()
	return len(out) > 0
}

// lines returns the lines of a log, sorted; none where there is no log.
func lines(path string) []string {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil
	}
	all := strings.Split(strings.TrimSuffix(string(b), "\n"), "\n")
	slices.Sort(all)
	return all
}

// firstOther is the first line of either that the other does not have.
func firstOther(a, b []string) string {
	for i := range max(len(a), len(b)) {
		switch {
		case i >= len(a):
			return "p0f: " + b[i]
		case i >= len(b) || a[i] != b[i]:
			return "mxprint: " + a[i]
		}
	}
	return ""
}
