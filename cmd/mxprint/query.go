package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"time"

	"github.com/mxprint/mxprint/internal/config"
	"github.com/mxprint/mxprint/note"
	"github.com/mxprint/mxprint/p0f"
	"github.com/mxprint/mxprint/query"
)

var queryCommand = command{
	name:    "query",
	summary: "ask a running sensor about an address",
	usage: `Usage: mxprint query [-s SOCKET] [-json | -p0f] ADDRESS[:PORT] [SERVER:PORT]

Asks a running mxprint, or p0f, what it knows of an address. With a port it
asks mxprint about that very connection: [query] listen has to be set for serve.
The exit status is 0 when the sensor answered, whatever it knows, and 1 when it
did not.

  -s SOCKET  p0f's query socket (default ` + config.DefaultSocket + `);
             with a port the query socket, a path or HOST:PORT (default
             ` + config.DefaultQuerySocket + `)
  -json      print one JSON object (docs/json.md)
  -p0f       print what p0f-client prints, line for line

Examples:
  mxprint query 203.0.113.9
  mxprint query -s /run/p0f/p0f.sock -json 2001:db8::25
  mxprint query 203.0.113.9:41688
  mxprint query [2001:db8::25]:41688 [2001:db8::1]:25
`,
	run: runQuery,
}

func runQuery(ctx context.Context, args []string, std *stdio) error {
	fs := newFlags("query")
	socket := fs.String("s", "", "")
	asJSON := fs.Bool("json", false, "")
	asClient := fs.Bool("p0f", false, "")
	if err := fs.Parse(args); err != nil {
		return fmt.Errorf("query: %w", err)
	}
	if *asJSON && *asClient {
		return errors.New("query: -json and -p0f together: give one of them")
	}
	if fs.NArg() < 1 || fs.NArg() > 2 {
		return errors.New("query: name one client; mxprint query -h shows examples")
	}
	q, err := parseQuery(fs.Arg(0), fs.Arg(1))
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	who, closeWho := lookuper(*socket, q)
	defer closeWho()
	n, err := who.Lookup(ctx, q)
	if err != nil {
		return err
	}
	switch {
	case *asJSON:
		return json.NewEncoder(std.out).Encode(n)
	case *asClient:
		printClient(std.out, &n)
	default:
		printNote(std.out, q.Client.Addr(), &n)
	}
	return nil
}

// parseQuery reads who is asked about. A server is only of use with the
// client's port.
func parseQuery(client, server string) (q note.Query, err error) {
	if addr, err := netip.ParseAddr(client); err == nil && addr.Zone() == "" && server == "" {
		return note.Query{Client: netip.AddrPortFrom(addr.Unmap(), 0)}, nil
	}
	for _, end := range []struct {
		text string
		to   *netip.AddrPort
	}{{client, &q.Client}, {server, &q.Server}} {
		if end.text == "" {
			continue
		}
		ap, err := netip.ParseAddrPort(end.text)
		if err != nil || ap.Addr().Zone() != "" || ap.Port() == 0 {
			return q, fmt.Errorf("query: %q is neither an IP address nor ADDRESS:PORT", end.text)
		}
		*end.to = netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
	}
	return q, nil
}

// lookuper is the client for a query: p0f's socket knows addresses alone.
func lookuper(socket string, q note.Query) (note.Lookuper, func() error) {
	if q.Client.Port() == 0 {
		c := p0f.NewClient(cmp.Or(socket, config.DefaultSocket))
		return c, c.Close
	}
	c := query.NewClient(cmp.Or(socket, config.DefaultQuerySocket))
	return c, c.Close
}

// printNote prints what a mail server learns, a line a fact.
func printNote(w io.Writer, addr netip.Addr, n *note.Note) {
	line := func(key, format string, args ...any) {
		fmt.Fprintf(w, "  %-11s %s\n", key, fmt.Sprintf(format, args...))
	}
	fmt.Fprintf(w, "%s: %s\n", addr, n.State)
	if n.State != note.Matched && n.State != note.Unknown {
		return
	}
	if n.State == note.Matched {
		line("system", "%s (%s)", n.Title(), n.Quality)
		if len(n.Others) > 0 {
			line("or", "%s", strings.Join(n.Others, ", "))
		}
		if n.Rewrite != 0 {
			line("rewritten", "%s, by a box on the way", strings.ReplaceAll(n.Rewrite.String(), ",", ", "))
		}
	}
	if hops, ok := n.Distance.Hops(); ok {
		line("distance", "%d", hops)
	}
	if n.LinkType != "" {
		line("link", "%s", n.LinkType)
	}
	switch {
	case n.UpModDays == 0:
	case n.Clock == note.ClockRandom:
		line("uptime", "not to be known: clocks of this system may begin at random")
	default:
		line("uptime", "%s (modulo %d days)", time.Duration(n.UptimeMin)*time.Minute, n.UpModDays)
	}
	if n.HTTPName != "" {
		line("software", "%s %s", n.HTTPName, n.HTTPFlavor)
	}
	if n.Language != "" {
		line("language", "%s", n.Language)
	}
	if n.ByConnection {
		line("signature", "%s", n.RawSig)
	}
	line("connections", "%d", n.TotalConn)
	if !n.FirstSeen.IsZero() {
		line("first seen", "%s", n.FirstSeen.Local().Format(time.DateTime))
		line("last seen", "%s", n.LastSeen.Local().Format(time.DateTime))
	}
	if !n.LastNAT.IsZero() {
		line("shared", "several systems behind this address, last at %s", n.LastNAT.Local().Format(time.DateTime))
	}
	if !n.LastChange.IsZero() {
		line("changed", "another system than before, at %s", n.LastChange.Local().Format(time.DateTime))
	}
}
