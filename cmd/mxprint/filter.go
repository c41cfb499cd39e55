package main

import (
	"context"
	"time"

	"github.com/mxprint/mxprint/internal/config"
	"github.com/mxprint/mxprint/internal/daemon"
	"github.com/mxprint/mxprint/internal/front"
	"github.com/mxprint/mxprint/internal/front/opensmtpd"
	"github.com/mxprint/mxprint/query"
)

var filterCommand = command{
	name:    "filter-opensmtpd",
	summary: "add the header to mails, as a filter of OpenSMTPD",
	usage: `Usage: mxprint filter-opensmtpd [-s SOCKET] [-header NAME] [-form FORM] [-deadline TIME]

Speaks smtpd-filters(7) on standard input and output, and adds a header about
the client to every mail; OpenSMTPD starts it. It asks a running mxprint serve,
which needs listen in [query]. Headers of the same name that a mail brings are
removed. Without an answer in time mails go on without a header.

  -s SOCKET       the query socket, a path or HOST:PORT (default
                  ` + config.DefaultQuerySocket + `)
  -header NAME    the name of the header (default X-p0f-Result, and X-Mxprint
                  with -form full)
  -form FORM      its text: haraka, v2 as p0f 2 and amavis write it, or full,
                  which also names the program (default haraka)
  -deadline TIME  how long after the connect a mail may wait for the answer
                  (default 50ms)

Examples, for smtpd.conf:
  filter mxprint proc-exec "/usr/bin/mxprint filter-opensmtpd"
  listen on 0.0.0.0 filter mxprint
`,
	run: runFilter,
}

func runFilter(ctx context.Context, args []string, std *stdio) error {
	fs := newFlags("filter-opensmtpd")
	socket := fs.String("s", config.DefaultQuerySocket, "")
	header := fs.String("header", "", "")
	form := fs.String("form", "haraka", "")
	deadline := fs.Duration("deadline", 50*time.Millisecond, "")
	if err := parse(fs, args); err != nil {
		return err
	}
	switch {
	case fs.NArg() > 0:
		return usagef("filter-opensmtpd: unexpected argument %q", fs.Arg(0))
	case config.HeaderForms[*form] == nil:
		return usagef(`filter-opensmtpd: the form %q is not "haraka", "v2" or "full"`, *form)
	case *deadline <= 0:
		return usagef("filter-opensmtpd: the deadline is not above zero")
	}
	full := *form == config.FormFull
	if full && *header == "" {
		*header = front.FullHeader
	}
	client := query.NewClient(*socket)
	defer client.Close()
	f := &opensmtpd.Filter{
		Lookuper: client, Header: *header, Form: config.HeaderForms[*form],
		Again: full, Deadline: *deadline, Logger: daemon.NewLogger(std.err),
	}
	return f.Run(ctx, std.in, std.out)
}
