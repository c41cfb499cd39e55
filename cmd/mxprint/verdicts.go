package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"

	"github.com/mxprint/mxprint/internal/config"
	"github.com/mxprint/mxprint/internal/verdict"
	"github.com/mxprint/mxprint/internal/view"
)

var verdictsCommand = command{
	name:    "verdicts",
	summary: "send a filter's verdicts to the store",
	usage: `Usage: mxprint verdicts [-s SOCKET] -log FILE|- [-follow]
       mxprint verdicts [-s SOCKET] [-header NAME] -mail <MESSAGE

Sends the verdicts in a mail log to the store: clients that Postfix refused by a
list, mails that a milter of Postfix refused as spam, and what amavis says of each
mail. With -mail it sends what SpamAssassin, amavis or rspamd wrote into the header
of one message (X-Spam-Status, X-Spamd-Result).

  -s SOCKET     that of [store] listen (default unix:` + config.DefaultVerdictSocket + `)
  -log FILE     a mail log, or - for the standard input
  -follow       go on with what is appended
  -header NAME  the name of our header (default X-Mxprint)

Examples:
  journalctl -fu postfix -o short-iso | mxprint verdicts -log -
  mxprint verdicts -log /var/log/mail.log -follow
  mxprint verdicts -mail <message.eml
`,
	run: runVerdicts,
}

func runVerdicts(ctx context.Context, args []string, std *stdio) error {
	fs := newFlags("verdicts")
	socket, name := fs.String("s", "unix:"+config.DefaultVerdictSocket, ""), fs.String("header", "X-Mxprint", "")
	log, follow, mail := fs.String("log", "", ""), fs.Bool("follow", false, ""), fs.Bool("mail", false, "")
	if err := parse(fs, args); err != nil {
		return err
	}
	if fs.NArg() > 0 || *mail == (*log != "") {
		return usagef("verdicts: want -log FILE or -mail")
	}
	if *mail {
		l, err := verdict.Filtered(std.in, *name)
		if err != nil {
			return err
		}
		return sendVerdict(ctx, *socket, l)
	}
	in := std.in
	if *log != "-" {
		f, err := os.Open(*log)
		if err != nil {
			return err
		}
		defer f.Close()
		in = f
	}
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt)
	defer stop()
	c, err := verdict.Dial(ctx, *socket)
	if err != nil {
		return err
	}
	defer c.Close()
	n, err := verdict.SendLog(ctx, in, c, *follow)
	fmt.Fprintf(std.err, "mxprint: %d lines, %d verdicts, %d found their connection\n", n.Lines, n.Verdicts, n.Taken)
	if n.Last != nil {
		fmt.Fprintf(view.Cleaner(std.err), "mxprint: the last that did not: %v\n", n.Last)
	}
	return err
}
