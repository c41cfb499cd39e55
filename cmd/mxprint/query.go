package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/mxprint/mxprint/internal/ask"
	"github.com/mxprint/mxprint/internal/config"
	"github.com/mxprint/mxprint/internal/daemon"
	"github.com/mxprint/mxprint/internal/report"
	"github.com/mxprint/mxprint/note"
)

var queryCommand = command{
	name:    "query",
	summary: "ask a running sensor about an address",
	usage: `Usage: mxprint query [-s SOCKET] [-o FORM | -p0f | -q] CLIENT [SERVER]

Asks a running mxprint, or p0f, about a client. An address alone is asked at
p0f's socket; an address with a port at the query socket, about that very
connection: for this, set [query] listen in the configuration of serve. CLIENT and SERVER
are ADDRESS, ADDRESS:PORT or ADDRESS PORT; IPv6 addresses with a port stand in
brackets.

  -s SOCKET  p0f's query socket (default ` + config.DefaultSocket + `);
             with a port the query socket, a path or HOST:PORT (default
             ` + config.DefaultQuerySocket + `)
  -o FORM    table (the default), lines (one line: address, state and what a
             header would say), json (docs/json.md) or csv
  -json      the same as -o json
  -color W   auto (on a terminal, without NO_COLOR), always or never
  -p0f       print what p0f-client prints, line for line
  -q         print nothing: the exit status is the answer

The exit status is 0 when the system has a name, 3 when it was seen and no
signature matches, 4 when the client was not seen, 1 when the sensor did not
answer, and 2 when the command line is wrong.

Examples:
  mxprint query 203.0.113.9
  mxprint query -s /run/p0f/p0f.sock -json 2001:db8::25
  mxprint query 203.0.113.9:41688
  mxprint query 203.0.113.9 41688
  mxprint query [2001:db8::25]:41688 [2001:db8::1]:25
`,
	run: runQuery,
}

// What mxprint query ends with where the sensor answered without a name.
const (
	exitUnknown errState = 3
	exitNotSeen errState = 4
)

func runQuery(ctx context.Context, args []string, std *stdio) error {
	fs := newFlags("query")
	socket := fs.String("s", "", "")
	asJSON := fs.Bool("json", false, "")
	asClient := fs.Bool("p0f", false, "")
	quiet := fs.Bool("q", false, "")
	o := formFlags(fs)
	if err := parse(fs, args); err != nil {
		return err
	}
	shown := o.name != ""
	if *asJSON && *asClient || *quiet && (*asJSON || *asClient) || shown && (*asJSON || *asClient || *quiet) {
		return usagef("query: -o, -json, -p0f and -q exclude each other: give one of them")
	}
	if *asJSON {
		o.name = "json"
	}
	form, err := o.form(std)
	if err != nil {
		return err
	}
	q, hint, err := ask.ParseQuery(fs.Args())
	if err != nil {
		return usagef("query: %v", err)
	}
	if hint != "" {
		fmt.Fprintf(std.err, "mxprint: query: %s\n", hint)
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	who, closeWho := daemon.Asked(*socket, q)
	defer closeWho()
	n, err := who.Lookup(ctx, q)
	switch {
	case err != nil && *socket == "" && !errors.Is(err, os.ErrPermission):
		return fmt.Errorf("%w; mxprint doctor shows whether a sensor runs and answers", err)
	case err != nil:
		return err
	case *quiet:
	case *asClient:
		report.WriteClient(std.forPeople(), &n)
	default:
		err = form.Note(q.Client.Addr(), &n)
	}
	if err != nil {
		return err
	}
	switch n.State {
	case note.Unknown:
		return exitUnknown
	case note.NotSeen:
		return exitNotSeen
	case note.Unavailable:
		return errSilent
	}
	return nil
}
