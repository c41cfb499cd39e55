package difftest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// ErrRun says that a program could not be run to its end, or did not report
// what it should have.
var ErrRun = errors.New("difftest: run")

// runLimit bounds one run of a program; p0f needs milliseconds.
const runLimit = 60 * time.Second

// Program is a command that takes p0f's arguments: {"/usr/sbin/p0f"} or
// {"mxprint", "p0f"}.
type Program []string

// Output is what one run of a Program over a capture gave.
type Output struct {
	Log     []string // lines of -o
	Blocks  []string // observations of standard output, written as log lines without the time
	Packets int      // of "Processed N packets"; -1 when that line was missing
	Strange []string // link detection warnings on standard error: packet types, "no offset"
	Stdout  string
	Stderr  string
	Exit    int
}

var (
	processed = regexp.MustCompile(`(?m)^All done\. Processed (\d+) packets?\.$`)
	unknownIP = regexp.MustCompile(`Unknown packet type (\d+)`)
)

// Run runs the program over a capture with TZ=UTC. db may be empty: then the
// program takes its own. The log goes to a new file in dir and is removed. An
// exit status other than 0 is no error; that the program cannot be started, or
// does not end within a minute, is.
func (p Program) Run(ctx context.Context, dir, capture, db string, args ...string) (Output, error) {
	var out Output
	log, err := os.CreateTemp(dir, "log")
	if err != nil {
		return out, fmt.Errorf("%w: %w", ErrRun, err)
	}
	log.Close()
	defer os.Remove(log.Name())
	ctx, cancel := context.WithTimeout(ctx, runLimit)
	defer cancel()
	argv := append(slices.Clone(p[1:]), "-r", capture, "-o", log.Name())
	if db != "" {
		argv = append(argv, "-f", db)
	}
	cmd := exec.CommandContext(ctx, p[0], append(argv, args...)...)
	cmd.Env = append(os.Environ(), "TZ=UTC")
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err = cmd.Run()
	if ctx.Err() != nil || err != nil && cmd.ProcessState == nil {
		return out, fmt.Errorf("%w: %s: %w", ErrRun, cmd, errors.Join(ctx.Err(), err))
	}
	text, err := os.ReadFile(log.Name())
	if err != nil {
		return out, fmt.Errorf("%w: %w", ErrRun, err)
	}
	out = Output{Stdout: stdout.String(), Stderr: stderr.String(), Exit: cmd.ProcessState.ExitCode(), Packets: -1}
	out.Log = lines(string(text))
	out.Blocks = blocks(out.Stdout)
	if m := processed.FindAllStringSubmatch(out.Stdout, -1); m != nil {
		out.Packets, _ = strconv.Atoi(m[len(m)-1][1])
	}
	if strings.Contains(out.Stderr, "Unable to find link-specific packet offset") {
		out.Strange = append(out.Strange, "no offset")
	}
	for _, m := range unknownIP.FindAllStringSubmatch(out.Stderr, -1) {
		out.Strange = append(out.Strange, m[1])
	}
	slices.Sort(out.Strange)
	return out, nil
}

func lines(text string) []string {
	if text == "" {
		return nil
	}
	return strings.Split(strings.TrimSuffix(text, "\n"), "\n")
}

// blocks rewrites the observations on standard output (p0f-v3.md §10.4) as log
// lines without the time (p0f-v3.md §10.5). A block that is not well formed gives a line
// that starts with "malformed:".
func blocks(stdout string) []string {
	var out []string
	var b strings.Builder
	for _, l := range lines(stdout) {
		switch {
		case strings.HasPrefix(l, ".-[ "):
			b.Reset()
			head := strings.TrimSuffix(strings.TrimPrefix(l, ".-[ "), ") ]-")
			ends, module, ok1 := strings.Cut(head, " (")
			cli, srv, ok2 := strings.Cut(ends, " -> ")
			if !ok1 || !ok2 {
				b.WriteString("malformed: " + l)
				continue
			}
			b.WriteString("mod=" + module + "|cli=" + cli + "|srv=" + srv)
		case strings.HasPrefix(l, "| "):
			key, value, ok := strings.Cut(l[2:], " = ")
			if !ok || len(key) < 8 {
				b.WriteString("|malformed: " + l)
				continue
			}
			switch key = strings.TrimRight(key, " "); key {
			case "client":
				b.WriteString("|subj=cli")
			case "server":
				b.WriteString("|subj=srv")
			default:
				b.WriteString("|" + key + "=" + value)
			}
		case l == "`----":
			out = append(out, b.String())
		}
	}
	return out
}

// withoutTime cuts "[YYYY/MM/DD HH:MM:SS] " off log lines.
func withoutTime(log []string) []string {
	out := make([]string, len(log))
	for i, l := range log {
		_, out[i], _ = strings.Cut(l, "] ")
	}
	return out
}

// writeInputs puts a capture and a database into dir. The database is
// StockDatabase itself when p has none.
func writeInputs(dir, name string, p Profile, capture []byte) (capturePath, dbPath string, err error) {
	name = strings.Map(func(c rune) rune {
		if strings.ContainsRune("/\x00 ", c) {
			return '_'
		}
		return c
	}, name)
	if len(name) > 60 {
		name = name[:60]
	}
	capturePath, dbPath = filepath.Join(dir, name+".pcap"), StockDatabase
	if err := os.WriteFile(capturePath, capture, 0o600); err != nil {
		return "", "", fmt.Errorf("%w: %w", ErrRun, err)
	}
	if p.DB != "" {
		dbPath = filepath.Join(dir, name+".fp")
		if err := os.WriteFile(dbPath, []byte(p.DB), 0o600); err != nil {
			return "", "", fmt.Errorf("%w: %w", ErrRun, err)
		}
	}
	return capturePath, dbPath, nil
}

// Observe generates the capture of a seed in dir and runs one program over it.
func Observe(ctx context.Context, seed uint64, p Profile, program Program, dir string) (Output, error) {
	capture, err := Generate(seed, p)
	if err != nil {
		return Output{}, err
	}
	file, db, err := writeInputs(dir, fmt.Sprintf("observe-%s-%d", p.Name, seed), p, capture)
	if err != nil {
		return Output{}, err
	}
	defer os.Remove(file)
	out, err := program.Run(ctx, dir, file, db, p.Args...)
	if err == nil && out.Exit != 0 {
		err = fmt.Errorf("%w: %s ended with status %d: %s", ErrRun, program[0], out.Exit, strings.TrimSpace(out.Stderr))
	}
	return out, err
}
