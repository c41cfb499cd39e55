package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/mxprint/mxprint/internal/config"
	"github.com/mxprint/mxprint/internal/daemon"
	"github.com/mxprint/mxprint/internal/signature"
)

var signaturesCommand = command{
	name:    "signatures",
	summary: "check, list and test signatures; show the SYNs that none matches",
	usage: `Usage: mxprint signatures check FILE…
       mxprint signatures list [-json] [-with FP] [FILE]
       mxprint signatures test [-f FP] [-with FP] [-filter RULE] CAPTURE…
       mxprint signatures unknown [-f FP] [-with FP] [-filter RULE] CAPTURE…
       mxprint signatures unknown [-s SOCKET]

check    reports every error of signature files, a line each: where, what is
         wrong, the remedy. Warnings name what can never match. FILE - is
         the standard input. The exit status is 1 when there is an error,
         and not for warnings.
list     shows labels, with the number of their signatures, how they are known
         and since when: of FILE, or of the built-in database.
test     prints what each SYN and SYN+ACK of captures matches, how well, and by
         which line. The exit status is 1 when one matches nothing, and when
         there is nothing to match.
unknown  prints the SYNs and SYN+ACKs that nothing matches as signatures, with
         counts: of captures, or what a running sensor has seen (default
         ` + config.DefaultQuerySocket + `; root and the sensor's user may
         ask). It keeps 1000 different ones; the rarest give way.

` + databaseUsage + `  -filter R   take only what this pcap-filter expression takes
  -json       one JSON object a line
  -s SOCKET   the query socket of a sensor: [query] listen

docs/signatures.md explains the language, and how to write and test one.

Examples:
  mxprint signatures check local.fp
  mxprint signatures list | less
  mxprint signatures test -with local.fp mail.pcap
  mxprint signatures unknown mail.pcap >local.fp
`,
	run: runSignatures,
}

func runSignatures(ctx context.Context, args []string, std *stdio) error {
	verbs := map[string]func(context.Context, []string, *stdio) error{
		"check": checkSignatures, "list": listSignatures, "test": testSignatures, "unknown": unknownSignatures,
	}
	if len(args) == 0 {
		return usagef("signatures: want check, list, test or unknown; mxprint signatures -h shows examples")
	}
	run, ok := verbs[args[0]]
	if !ok {
		return usagef("signatures: %q is not check, list, test or unknown; mxprint signatures -h shows examples", args[0])
	}
	return run(ctx, args[1:], std)
}

func checkSignatures(_ context.Context, args []string, std *stdio) error {
	fs := newFlags("signatures check")
	if err := parse(fs, args); err != nil {
		return err
	}
	if fs.NArg() == 0 {
		return usagef("signatures check: name a file; mxprint signatures -h shows examples")
	}
	wrong, out := 0, std.forPeople()
	for _, path := range fs.Args() {
		rep, err := daemon.CheckSignatures(path, std.in)
		for _, e := range rep.Errors {
			fmt.Fprintln(out, daemon.Finding(e, ""))
		}
		for _, w := range rep.Warnings {
			fmt.Fprintln(out, daemon.Finding(w, "warning: "))
		}
		if err != nil {
			return err
		}
		if wrong += len(rep.Errors); rep.DB != nil {
			fmt.Fprintf(out, "%s: %s, %s\n", path, count(rep.DB.Count(), "signature"), count(len(rep.Warnings), "warning"))
		}
	}
	if wrong > 0 {
		return fmt.Errorf("signatures check: %s", count(wrong, "error"))
	}
	return nil
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// jsonLabel is one label of list; docs/signatures.md describes it.
type jsonLabel struct {
	Section    string   `json:"section"`
	Generic    bool     `json:"generic,omitempty"`
	Class      string   `json:"class,omitempty"`
	Name       string   `json:"name"`
	Flavor     string   `json:"flavor,omitempty"`
	Or         []string `json:"or,omitempty"`
	Signatures int      `json:"signatures"`
	Overridden int      `json:"overridden,omitempty"`
	Sources    []string `json:"sources,omitempty"`
	Dates      []string `json:"dates,omitempty"`
	File       string   `json:"file"`
	Line       int      `json:"line"`
}

func listSignatures(_ context.Context, args []string, std *stdio) error {
	fs := newFlags("signatures list")
	var d daemon.Database
	fs.Var((*textList)(&d.With), "with", "")
	asJSON := fs.Bool("json", false, "")
	if err := parse(fs, args); err != nil {
		return err
	}
	if fs.NArg() > 1 {
		return usagef("signatures list: name one file, or none; mxprint signatures -h shows examples")
	}
	d.File = fs.Arg(0)
	db, err := d.Load()
	if err != nil {
		return err
	}
	if *asJSON {
		enc := json.NewEncoder(std.out)
		enc.SetEscapeHTML(false)
		for _, e := range db.Entries() {
			if err := enc.Encode(labelOf(&e)); err != nil {
				return err
			}
		}
		return nil
	}
	return printLabels(std.forPeople(), db)
}

func labelOf(e *signature.Entry) jsonLabel {
	j := jsonLabel{
		Section: e.Section, Name: e.Link, Signatures: e.Signatures, Overridden: e.Overridden,
		Sources: e.Sources, Dates: e.Dates, File: e.File, Line: e.Line,
	}
	if l := e.Label; l != nil {
		j.Generic, j.Class, j.Name, j.Flavor = l.Generic, l.Class, l.Name, l.Flavor
		for _, o := range l.Or {
			j.Or = append(j.Or, strings.TrimSpace(o.Name+" "+o.Flavor))
		}
	}
	return j
}

func printLabels(out io.Writer, db *signature.DB) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "SECTION\tLABEL\tSIGNATURES\tDATE\tSOURCE\tPLACE")
	for _, e := range db.Entries() {
		j := labelOf(&e)
		name := strings.TrimSpace(j.Name + " " + j.Flavor)
		if j.Generic {
			name += " (generic)"
		}
		sigs := fmt.Sprint(j.Signatures)
		if j.Overridden > 0 {
			sigs += fmt.Sprintf(" (%d overridden)", j.Overridden)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s:%d\n", j.Section, name, sigs, short(j.Dates), short(j.Sources), j.File, j.Line)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(out, "%s\n", count(db.Count(), "signature"))
	return err
}

// short is a list for a column of a table.
func short(list []string) string {
	const most = 60
	s := strings.Join(list, "; ")
	if r := []rune(s); len(r) > most {
		return string(r[:most-1]) + "…"
	}
	return s
}
