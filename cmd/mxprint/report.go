package main

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/mxprint/mxprint/internal/config"
	"github.com/mxprint/mxprint/internal/evidence"
	"github.com/mxprint/mxprint/internal/store"
)

var reportCommand = command{
	name:    "report",
	summary: "show what signals were worth at this site",
	usage: `Usage: mxprint report [-config FILE | -store FILE] [-days N] [-json | -html]

Shows what each signal of a connection was worth at this site, by the verdicts
that came into the store: how many senders had it, how many of these sent spam,
with the interval; which signals say more together; what a rule would have done
in the last days, and which honest senders it would have hit, by name; what the
filter missed. docs/evidence.md says how the figures are made.

  -config FILE  the configuration with [store] path (default ` + config.DefaultPath + `)
  -store FILE   the store itself
  -days N       try rules with the last N days (default 14)
  -json         print one JSON object
  -html         print one page with plots

Examples:
  mxprint report
  mxprint report -html >report.html
`,
	run: runReport,
}

func runReport(ctx context.Context, args []string, std *stdio) error {
	fs := newFlags("report")
	path, file := fs.String("config", "", ""), fs.String("store", "", "")
	days, asJSON, html := fs.Int("days", 14, ""), fs.Bool("json", false, ""), fs.Bool("html", false, "")
	if err := parse(fs, args); err != nil {
		return err
	}
	if fs.NArg() > 0 || *days < 1 || *days > 30 || *asJSON && *html {
		return usagef("report: want no arguments, -days from 1 to 30, and -json or -html")
	}
	r, err := openStore(*path, *file)
	if err != nil {
		return err
	}
	defer r.Close()
	report, err := evidence.Make(ctx, r, time.Now(), *days)
	switch {
	case err != nil:
		return err
	case *asJSON:
		return json.NewEncoder(std.out).Encode(report)
	case *html:
		return report.HTML(std.out)
	}
	return report.Print(std.forPeople())
}

// openStore opens the store of a configuration, or the one that is named.
func openStore(path, file string) (*store.Reader, error) {
	if file == "" {
		c, err := loadConfig(path)
		if err != nil {
			return nil, err
		}
		if file = c.Store.Path; file == "" {
			return nil, errors.New("the configuration has no store: name a file in [store] path (docs/evidence.md)")
		}
	}
	return store.Read(file)
}
