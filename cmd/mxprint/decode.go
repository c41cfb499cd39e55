package main

import (
	"context"
	"fmt"

	"github.com/mxprint/mxprint/internal/daemon"
	"github.com/mxprint/mxprint/internal/decode"
)

var decodeCommand = command{
	name:    "decode",
	summary: "name the senders of saved SYNs, as HAProxy writes them",
	usage: `Usage: mxprint decode [-f FP] [-with FP] [-json] [SYN…]

Names the senders of SYNs that a load balancer kept: hex or base64 of the IP and
TCP header, with an Ethernet header before them or not, as HAProxy 3.4 writes
its fc_saved_syn (docs/balancer.md). Without a SYN it reads the standard input,
one a line; of a line with several words the last is the SYN, so that a log
with other fields before it will do. "-", which HAProxy writes where it has no
SYN, is answered with "unavailable".
What cannot be read is named on standard error, the rest goes on, and the exit
status is 1.

` + databaseUsage + `  -json       print one JSON object a SYN (docs/json.md)

Examples:
  mxprint decode 4500003C395D40004006035D7F0000017F000001BAE8386DF3A9CBF900000000A002FFD7FE3000000204FFD70402080AC104064E000000000103030A
  tail -f /var/log/haproxy-syn.log | mxprint decode -json
`,
	run: runDecode,
}

func runDecode(_ context.Context, args []string, std *stdio) error {
	flags := newFlags("decode")
	database := databaseFlags(flags)
	asJSON := flags.Bool("json", false, "")
	if err := parse(flags, args); err != nil {
		return err
	}
	db, err := database.Load()
	if err != nil {
		return err
	}
	d := &decode.Decoder{DB: daemon.Public(db), JSON: *asJSON, Out: std.out, Err: std.err}
	for i, text := range flags.Args() {
		if err := d.SYN(fmt.Sprintf("argument %d", i+1), text); err != nil {
			return err
		}
	}
	if flags.NArg() == 0 {
		err = d.Lines(std.in)
	}
	if err == nil && d.Bad {
		return errSilent
	}
	return err
}
