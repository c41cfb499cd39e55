package main

import (
	"context"
	"time"

	"github.com/mxprint/mxprint/internal/config"
	"github.com/mxprint/mxprint/internal/verdict"
)

var learnCommand = command{
	name:    "learn",
	summary: "say that a message is spam or ham",
	usage: `Usage: mxprint learn [-s SOCKET] [-header NAME] spam|ham <MESSAGE

Says what a person found a message to be, as by moving it to a folder: Sieve
(imapsieve) calls it with the message. The message has to have our header with
its id ([milter] form = "full").

  -s SOCKET     that of [store] listen (default unix:` + config.DefaultVerdictSocket + `)
  -header NAME  the header's name (default X-Mxprint)

Examples:
  mxprint learn spam <message.eml
`,
	run: runLearn,
}

// sendTime is how long a verdict may take.
const sendTime = 10 * time.Second

func runLearn(ctx context.Context, args []string, std *stdio) error {
	fs := newFlags("learn")
	socket, name := fs.String("s", "unix:"+config.DefaultVerdictSocket, ""), fs.String("header", "X-Mxprint", "")
	if err := parse(fs, args); err != nil {
		return err
	}
	if fs.NArg() != 1 || fs.Arg(0) != "spam" && fs.Arg(0) != "ham" {
		return usagef("learn: want spam or ham")
	}
	l, err := verdict.Learned(std.in, *name, fs.Arg(0) == "spam")
	if err != nil {
		return err
	}
	return sendVerdict(ctx, *socket, l)
}

func sendVerdict(ctx context.Context, socket string, l *verdict.Line) error {
	ctx, cancel := context.WithTimeout(ctx, sendTime)
	defer cancel()
	c, err := verdict.Dial(ctx, socket)
	if err != nil {
		return err
	}
	defer c.Close()
	_, err = c.Send(l)
	return err
}
