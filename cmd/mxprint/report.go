package main

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/mxprint/mxprint/internal/config"
	"github.com/mxprint/mxprint/internal/daemon"
	"github.com/mxprint/mxprint/internal/evidence"
	"github.com/mxprint/mxprint/internal/store"
)

var reportCommand = command{
	name:    "report",
	summary: "show what signals were worth at this site",
	usage: `Usage: mxprint report [-config FILE | -store FILE] [-clickhouse] [-days N] [-json | -html]

Shows what each signal of a connection was worth at this site, by the verdicts
that came into the store: how many senders had it, how many of these sent spam,
with the interval; which signals say more together; what a rule would have done
in the last days, and which honest senders it would have hit, by name; what the
filter missed. docs/evidence.md says how the figures are made.

  -config FILE  the configuration with [store] path (default ` + config.DefaultPath + `)
  -store FILE   the store itself
  -clickhouse   read the notes and verdicts of all sensors from [export]
                clickhouse (docs/clickhouse.md)
  -days N       try rules with the last N days (default 14)
  -json         print one JSON object
  -html         print one page with plots

Examples:
  mxprint report
  mxprint report -html >report.html
  mxprint report -clickhouse -days 7
`,
	run: runReport,
}

func runReport(ctx context.Context, args []string, std *stdio) error {
	fs := newFlags("report")
	path, file := fs.String("config", "", ""), fs.String("store", "", "")
	fleet := fs.Bool("clickhouse", false, "")
	days, asJSON, html := fs.Int("days", 14, ""), fs.Bool("json", false, ""), fs.Bool("html", false, "")
	if err := parse(fs, args); err != nil {
		return err
	}
	if fs.NArg() > 0 || *days < 1 || *days > 30 || *asJSON && *html || *fleet && *file != "" {
		return usagef("report: want no arguments, -days from 1 to 30, -json or -html, -store or -clickhouse")
	}
	report, err := makeReport(ctx, *path, *file, *fleet, *days)
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

// makeReport makes a report of a store, or of the history of all sensors.
func makeReport(ctx context.Context, path, file string, fleet bool, days int) (*evidence.Report, error) {
	if fleet {
		c, err := loadConfig(path)
		if err != nil {
			return nil, err
		}
		r, err := daemon.ExportReader(c)
		if err != nil {
			return nil, err
		}
		return evidence.Make(ctx, r, time.Now(), days)
	}
	r, err := openStore(path, file)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return evidence.Make(ctx, r, time.Now(), days)
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
