package main

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mxprint/mxprint/internal/test/lab"
	"github.com/mxprint/mxprint/internal/usage"
)

// TestOptionsAreDescribed gives each command the options that its text has: the
// first that it does not know must be the one that no text has.
func TestOptionsAreDescribed(t *testing.T) {
	values := map[string]string{"deadline": "1ms", "wait": "1ms", "n": "1", "time": "1", "days": "7"}
	for _, c := range commands() {
		if c.name == "p0f" {
			continue // has a parser and tests of its own
		}
		page := usage.Parse(c.usage)
		if len(page.Synopsis) == 0 {
			t.Errorf("the text of %s has no usage", c.name)
		}
		for _, o := range page.Options() {
			line := []string{"-" + o.Name}
			if o.Arg != "" {
				value := values[o.Name]
				if value == "" {
					value = "x"
				}
				line = append(line, value)
			}
			if !slices.ContainsFunc(append(page.Words(), ""), func(word string) bool { return takes(c, word, line) }) {
				t.Errorf("%s describes -%s %s, but does not take it", c.name, o.Name, o.Arg)
			}
		}
	}
}

// takes reports whether a command, or its subcommand, takes an option.
func takes(c command, word string, option []string) bool {
	args := append(slices.Clone(option), "-nosuchoption")
	if word != "" {
		args = append([]string{word}, args...)
	}
	var out bytes.Buffer
	err := c.run(context.Background(), args, &stdio{strings.NewReader(""), &out, &out})
	return err != nil && strings.Contains(err.Error(), "nosuchoption")
}

// completionScript is what the command prints.
func completionScript(t *testing.T, shell string) string {
	t.Helper()
	var out, errs bytes.Buffer
	if status := run([]string{"mxprint", "completion", shell}, &stdio{strings.NewReader(""), &out, &errs}); status != 0 {
		t.Fatalf("exit status %d: %s", status, errs.String())
	}
	path := filepath.Join(t.TempDir(), "_mxprint")
	if err := os.WriteFile(path, out.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// shell runs a script in a shell that reads no settings of the user.
func shell(t *testing.T, dir, name string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, lab.NeedProgram(t, name), args...)
	cmd.Dir = dir
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "TERM=xterm", "LC_ALL=C.UTF-8"}
	cmd.WaitDelay = time.Second
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", name, err, out)
	}
	return string(out)
}

// Each shell itself completes what stands in the line.
var completions = []struct{ line, want string }{
	{"mxprint vers", "version"},
	{"mxprint filter-", "filter-opensmtpd"},
	{"mxprint signatures unk", "unknown"},
	{"mxprint serve -con", "-config"},
	{"mxprint signatures check -wi", "-with"},
	{"mxprint p0f -", "-L -S -d -f -i -m -o -p -r -s -t -u"},
	{"mxprint serve -config mai", "mail.toml"},
	{"mxprint read cap", "capture.pcap"},
}

// files are a folder with files to complete.
func completionFiles(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"mail.toml", "capture.pcap"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestBashCompletion(t *testing.T) {
	script, dir := completionScript(t, "bash"), completionFiles(t)
	for _, tt := range completions {
		got := shell(t, dir, "bash", "--norc", "-uc", `. "$0"; COMP_WORDS=($1); COMP_CWORD=$((${#COMP_WORDS[@]}-1)); _mxprint; echo "${COMPREPLY[@]}"`, script, tt.line)
		if sortedWords(got) != tt.want {
			t.Errorf("%q: %q, want %q", tt.line, got, tt.want)
		}
	}
	if got := shell(t, dir, "bash", "--norc", "-euc", `. "$0"; complete -p mxprint`, script); !strings.Contains(got, "-F _mxprint mxprint") {
		t.Errorf("complete -p: %q", got)
	}
}

func TestFishCompletion(t *testing.T) {
	script, dir := completionScript(t, "fish"), completionFiles(t)
	for _, tt := range completions {
		got := shell(t, dir, "fish", "--no-config", "-c", `source $argv[1]; complete -C $argv[2] | string replace -r '\t.*' ''; true`, script, tt.line)
		if sortedWords(got) != tt.want {
			t.Errorf("%q: %q, want %q", tt.line, got, tt.want)
		}
	}
}

// zshDriver types the line into a zsh on a terminal of its own, presses the key
// that completes, and one that writes the line to a file.
const zshDriver = `zmodload zsh/zpty
zpty z zsh -f -i
zpty -w z 'PS1= fpath=('${1:h}' $fpath); autoload -U compinit; compinit -u -D; show() { print -r -- $BUFFER >out; mv out done }; zle -N show; bindkey "^X" show; bindkey "^I" complete-word; print READY''!'
zpty -r z line '*READY!*'
zpty -n -w z $2$'\t\x18'
for i in {1..1200}; do [ -e done ] && break; zpty -r -t z line; sleep 0.05; done
cat done; rm -f done
`

func TestZshCompletion(t *testing.T) {
	script, dir := completionScript(t, "zsh"), completionFiles(t)
	for _, tt := range completions {
		if strings.Contains(tt.want, " ") {
			continue // only what is unique is put into the line
		}
		got := strings.TrimSpace(shell(t, dir, "zsh", "-f", "-c", zshDriver, "zsh", script, tt.line))
		want := tt.line[:strings.LastIndexByte(tt.line, ' ')+1] + tt.want
		if got != want {
			t.Errorf("%q becomes %q, want %q", tt.line, got, want)
		}
	}
}

func sortedWords(text string) string {
	f := strings.Fields(text)
	slices.Sort(f)
	return strings.Join(f, " ")
}
