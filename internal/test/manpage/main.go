// Command manpage writes the manual pages: mxprint(1) and p0f(1) from what the
// program prints for -h, mxprint.toml(5) and mxprint-signatures(5) from the
// documents for operators.
//
//	make man
package main

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/mxprint/mxprint/internal/usage"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "manpage:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	fs := flag.NewFlagSet("manpage", flag.ContinueOnError)
	program := fs.String("program", "bin/mxprint", "the program whose pages these are")
	docs := fs.String("docs", "docs", "the folder of the documents")
	out := fs.String("o", "dist/man", "the folder to write to")
	date := fs.String("date", "", "the date in the pages, 2026-01-31")
	if err := fs.Parse(args); err != nil {
		return err
	}
	version, err := ask(*program, "version")
	if err != nil {
		return err
	}
	w := writer{dir: *out, date: *date, version: strings.Join(strings.Fields(version)[:2], " ")}
	if err := os.MkdirAll(*out, 0o755); err != nil {
		return err
	}
	for _, make := range []func() error{
		func() error { return w.command(*program) },
		func() error { return w.p0f(*program) },
		func() error {
			return w.document(*docs, "configuration.md", "mxprint.toml", "configuration of mxprint serve", "The lines to type")
		},
		func() error {
			return w.document(*docs, "signatures.md", "mxprint-signatures", "the language of signatures, and how to write them", "")
		},
	} {
		if err := make(); err != nil {
			return err
		}
	}
	return nil
}

// ask runs the program and returns what it prints.
func ask(program string, args ...string) (string, error) {
	out, err := exec.Command(program, args...).Output()
	if err != nil {
		return "", fmt.Errorf("%s %s: %w", program, strings.Join(args, " "), err)
	}
	return string(out), nil
}

// writer writes pages of one version.
type writer struct{ dir, date, version string }

func (w *writer) write(name, section string, p *page) error {
	head := fmt.Sprintf(".TH %s %s %s %s\n", strings.ToUpper(strings.ReplaceAll(name, "-", `\-`)), section, quoted(w.date), quoted(w.version))
	return os.WriteFile(filepath.Join(w.dir, name+"."+section), []byte(head+p.String()), 0o644)
}

// seeAlso are all pages.
const seeAlso = ".BR mxprint (1),\n.BR p0f (1),\n.BR mxprint.toml (5),\n.BR mxprint\\-signatures (5),\n.I /usr/share/doc/mxprint/docs\n"

var commandLine = regexp.MustCompile(`(?m)^  ([a-z0-9-]+) {2,}(.*)$`)

// command writes mxprint(1).
func (w *writer) command(program string) error {
	help, err := ask(program, "help")
	if err != nil {
		return err
	}
	about, _, _ := strings.Cut(help, "\n")
	var p page
	p.section("Name")
	p.raw(flow("mxprint \\- " + escape(strings.TrimSuffix(strings.TrimPrefix(about, "mxprint "), "."))))
	p.section("Synopsis")
	p.raw(".B mxprint\n.I COMMAND\n[\\fIARGUMENT\\fR ...]")
	p.section("Description")
	p.text(about)
	all := commandLine.FindAllStringSubmatch(help, -1)
	for _, m := range all {
		p.term(m[1], m[2])
	}
	p.text("Called by the name p0f it takes p0f's options: p0f(1).")
	for _, m := range all {
		if m[1] == "p0f" {
			continue
		}
		text, err := ask(program, m[1], "-h")
		if err != nil {
			return err
		}
		p.section("mxprint " + m[1])
		p.usage(usage.Parse(text))
	}
	p.section("Exit status")
	p.text("0, 1 when what was asked for did not succeed, or 2 when the command line is wrong. The reason is one line on the standard error.")
	p.section("Files")
	p.term("/etc/mxprint.toml", "the configuration of mxprint serve under the unit: mxprint.toml(5)")
	p.term("/run/mxprint/p0f.sock", "p0f's query socket")
	p.term("/run/mxprint/query.sock", "the socket of lines of text and JSON, where the configuration asks for it")
	p.section("See also")
	p.raw(seeAlso)
	return w.write("mxprint", "1", &p)
}

// p0f writes p0f(1).
func (w *writer) p0f(program string) error {
	out, err := exec.Command(program, "p0f", "-h").Output()
	text := string(out)
	if err != nil || !strings.HasPrefix(text, "Usage: ") {
		return fmt.Errorf("%s p0f -h: %v, no usage in %q", program, err, text)
	}
	var p page
	p.section("Name")
	p.raw("p0f \\- identify the systems that open connections (mxprint instead of p0f)")
	parsed := usage.Parse(text)
	p.section("Synopsis")
	for _, line := range parsed.Synopsis {
		p.raw(".B " + escape(line))
	}
	p.section("Description")
	p.text("Takes the options of p0f 3.09b, writes its log and answers its query socket, with a database of its own. " +
		"It is mxprint(1), called by this name.")
	for _, b := range parsed.Blocks {
		p.block(b)
	}
	p.section("Signals")
	p.term("SIGINT, SIGTERM, SIGHUP", "end it; the exit status is 0. With -d SIGHUP is ignored")
	p.term("SIGUSR1", "reopens the log")
	p.term("SIGUSR2", "re-executes the program with its clients; not after -u")
	p.section("Exit status")
	p.text("0, or 1 after an error.")
	p.section("See also")
	p.raw(seeAlso)
	return w.write("p0f", "1", &p)
}

// document writes the page of a document.
func (w *writer) document(dir, file, name, about, skip string) error {
	text, err := os.ReadFile(filepath.Join(dir, file))
	if err != nil {
		return err
	}
	var p page
	p.section("Name")
	p.raw(escape(name) + " \\- " + escape(about))
	p.section("Description")
	p.markdown(without(string(text), skip))
	p.section("See also")
	p.raw(seeAlso)
	return w.write(name, "5", &p)
}

// without is a document without the section of that name: what one types in a
// checkout is of no use to who has the page from a package.
func without(text, section string) string {
	before, after, found := strings.Cut(text, "\n## "+section+"\n")
	if section == "" || !found {
		return text
	}
	_, rest, _ := strings.Cut(after, "\n## ")
	return before + "\n## " + rest
}
