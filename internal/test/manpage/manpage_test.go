package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/mxprint/mxprint/internal/test/lab"
	"github.com/mxprint/mxprint/internal/test/parts"
)

// pages makes all pages, and returns their folder.
func pages(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	program, err := parts.Program(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	man := filepath.Join(dir, "man")
	if err := run([]string{"-program", program, "-docs", "../../../docs", "-o", man, "-date", "2026-01-31"}); err != nil {
		t.Fatal(err)
	}
	return man
}

// TestPages has the programs that show manual pages read them.
func TestPages(t *testing.T) {
	dir := pages(t)
	all := map[string]string{}
	for _, name := range []string{"mxprint.1", "p0f.1", "mxprint.toml.5", "mxprint-signatures.5"} {
		path := filepath.Join(dir, name)
		for _, line := range [][]string{
			{lab.NeedProgram(t, "mandoc"), "-T", "lint", "-W", "warning", path},
			{lab.NeedProgram(t, "groff"), "-man", "-Tutf8", "-ww", "-z", path},
			{lab.NeedProgram(t, "man"), "--warnings", "-E", "UTF-8", "-l", "-Tutf8", path},
		} {
			cmd := exec.Command(line[0], line[1:]...)
			cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8", "MANWIDTH=100")
			var stderr strings.Builder
			cmd.Stderr = &stderr
			out, err := cmd.Output()
			complaint := stderr.String()
			if filepath.Base(line[0]) == "man" {
				all[name] = regexp.MustCompile("\x1b\\[[0-9]*m|.\b").ReplaceAllString(string(out), "")
			} else {
				complaint += string(out)
			}
			if err != nil || complaint != "" {
				t.Errorf("%s: %v\n%s", strings.Join(line, " "), err, complaint)
			}
		}
	}
	for name, texts := range map[string][]string{
		"mxprint.1":            {"mxprint serve -config /etc/mxprint.toml", "-s SOCKET", "filter-opensmtpd", "EXIT STATUS", "mxprint signatures check FILE"},
		"p0f.1":                {"-u USER", "p0f -r mail.pcap -o mail.log", "SIGUSR2"},
		"mxprint.toml.5":       {"[limits]", "recent_connections", "unverified_hosts", "/etc/mxprint.toml"},
		"mxprint-signatures.5": {"[tcp:request]", "mss*N", "label = TYPE:CLASS:NAME:FLAVOR"},
	} {
		for _, text := range texts {
			if !strings.Contains(all[name], text) {
				t.Errorf("%s does not show %q", name, text)
			}
		}
		for _, left := range []string{"](", "```", "**", `\f`, `\-`} {
			if strings.Contains(all[name], left) {
				t.Errorf("%s shows %q", name, left)
			}
		}
	}
}

func TestMarkdown(t *testing.T) {
	var p page
	p.markdown("# Title\n\n## A part\n\nText with `code`, **more**\nand [a link](x.md) ([more](y.md#z)).\n.dot begins\n\n- one\n  goes on\n- two\n\n    .code\n\n```\n-x\\y\n```\n\n| a | b | c |\n|---|---|---|\n| `k\\|l` | | what |\n| m | n | o |\n")
	want := `.SH "A PART"
Text with \fBcode\fR, \fBmore\fR and a link (see \fBy.md\fR). .dot begins
.IP \(bu 4
one goes on
.IP \(bu 4
two
.PP
.RS 4
.nf
\&.code
.fi
.RE
.PP
.RS 4
.nf
\-x\ey
.fi
.RE
.TP
\fBk|l\fR
what
.TP
m
(b n) o
`
	if got := p.String(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
