package main

import (
	"context"
	"encoding/json"

	"github.com/mxprint/mxprint/internal/config"
	"github.com/mxprint/mxprint/internal/store"
)

var historyCommand = command{
	name:    "history",
	summary: "show what is remembered of a sender",
	usage: `Usage: mxprint history [-config FILE] [-n N] [-json] ADDRESS|NETWORK|NAME|JA4
       mxprint history -backup FILE

Shows what the store remembers of an address or network, of a name that clients
called themselves, or of a JA4: the connections, newest first, with system,
program and verdicts. IPv6 addresses are remembered by their /64.

  -config FILE  the configuration with [store] path (default ` + config.DefaultPath + `)
  -store FILE   the store itself
  -n N          at most N connections and addresses (default 50)
  -json         print one JSON object
  -backup FILE  write a copy of the store; the sensor goes on

Examples:
  mxprint history 192.0.2.1
  mxprint history -n 500 -json mail.example.org
  mxprint history -backup /var/backups/mxprint.db
`,
	run: runHistory,
}

func runHistory(ctx context.Context, args []string, std *stdio) error {
	fs := newFlags("history")
	path, file := fs.String("config", "", ""), fs.String("store", "", "")
	most, asJSON, backup := fs.Int("n", 50, ""), fs.Bool("json", false, ""), fs.String("backup", "", "")
	if err := parse(fs, args); err != nil {
		return err
	}
	if (fs.NArg() != 1) == (*backup == "") || *most < 1 {
		return usagef("history: want one ADDRESS, NETWORK, NAME or JA4, or -backup FILE")
	}
	r, err := openStore(*path, *file)
	if err != nil {
		return err
	}
	defer r.Close()
	if *backup != "" {
		return r.Backup(ctx, *backup)
	}
	sub, err := store.ParseSubject(fs.Arg(0))
	if err != nil {
		return usagef("history: %v", err)
	}
	past, err := r.Past(ctx, sub, *most)
	if err != nil {
		return err
	}
	if *asJSON {
		return json.NewEncoder(std.out).Encode(past)
	}
	return past.Print(std.forPeople())
}
