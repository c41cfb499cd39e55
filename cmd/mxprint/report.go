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
	usage: `Usage: mxprint report [-config FILE | -store FILE] [-clickhouse | -fleet] [-days N] [-add FILE]… [-json | -html | -counts]

Shows what each signal of a connection was worth at this site, by the verdicts
that came into the store: how many senders had it, how many of these sent spam,
with the interval; which signals say more together; what a rule would have done
in the last days, and which honest senders it would have hit, by name; what the
filter missed. docs/evidence.md says how the figures are made.

  -config FILE  the configuration with [store] path (default ` + config.DefaultPath + `)
  -store FILE   the store itself
  -clickhouse   read the notes and verdicts of all sensors from [export]
                clickhouse (docs/clickhouse.md)
  -fleet        weigh signals by the verdicts of all sites that share a store,
                [store] valkey; what rules would have done is of this site
  -days N       try rules with the last N days (default 14)
  -json         print one JSON object
  -html         print one page with plots
  -counts       print the counts alone, for -add at another machine or site; they
                name no sender
  -add FILE     add up with the counts of another machine or site; any number

Examples:
  mxprint report
  mxprint report -html >report.html
  mxprint report -clickhouse -days 7
  ssh mx2 mxprint report -counts >mx2.counts; mxprint report -add mx2.counts
`,
	run: runReport,
}

func runReport(ctx context.Context, args []string, std *stdio) error {
	fs := newFlags("report")
	path, file := fs.String("config", "", ""), fs.String("store", "", "")
	clickhouse, fleet := fs.Bool("clickhouse", false, ""), fs.Bool("fleet", false, "")
	days, asJSON, html, asCounts := fs.Int("days", 14, ""), fs.Bool("json", false, ""), fs.Bool("html", false, ""), fs.Bool("counts", false, "")
	var others []string
	fs.Func("add", "", func(name string) error { others = append(others, name); return nil })
	if err := parse(fs, args); err != nil {
		return err
	}
	if fs.NArg() > 0 || *days < 1 || *days > 30 || *asJSON && *html || *asCounts && (*asJSON || *html) || (*clickhouse || *fleet) && *file != "" || *clickhouse && *fleet {
		return usagef("report: want no arguments, -days from 1 to 30, one of -json, -html and -counts at most, -store, -clickhouse or -fleet")
	}
	src, done, err := reportSource(ctx, *path, *file, *clickhouse, *fleet, others)
	if err != nil {
		return err
	}
	defer done()
	if *asCounts {
		c, err := src.Evidence(ctx)
		if err == nil {
			_, err = std.out.Write(c.Append(nil))
		}
		return err
	}
	report, err := evidence.Make(ctx, src, time.Now(), *days)
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

// reportSource is a store, or the history of a fleet, with the counts of others.
func reportSource(ctx context.Context, path, file string, clickhouse, fleet bool, others []string) (src evidence.Source, done func() error, err error) {
	done = func() error { return nil }
	if clickhouse {
		c, err := loadConfig(path)
		if err != nil {
			return nil, nil, err
		}
		if src, err = daemon.ExportReader(c); err != nil {
			return nil, nil, err
		}
	} else {
		r, err := openStore(path, file)
		if err != nil {
			return nil, nil, err
		}
		src, done = r, r.Close
	}
	if fleet {
		c, err := loadConfig(path)
		if err == nil {
			src, err = daemon.FleetEvidence(ctx, c, src)
		}
		if err != nil {
			done()
			return nil, nil, err
		}
	}
	if src, err = evidence.Join(src, others); err != nil {
		done()
		return nil, nil, err
	}
	return src, done, nil
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
