package main

import (
	"context"
	"fmt"

	"github.com/mxprint/mxprint/internal/daemon"
)

var webCommand = command{
	name:    "web",
	summary: "print a link to the page of a running sensor",
	usage: `Usage: mxprint web [-config FILE] [-base URL]

Prints a link to the page of a running mxprint serve, for each place where
[http] listens. It lets one browser in, once, within five minutes; the browser
then may look for twelve hours. It is made of the token in http.token_file,
which you must be able to read (docs/web.md).

  -config FILE  the configuration of serve (default: /etc/mxprint.toml where it
                exists)
  -base URL     the address by which the browser reaches the page, where that is
                another one: through ssh -L, or a web server in front

Examples:
  sudo mxprint web
  sudo mxprint web -base https://mx.example.org/mxprint/
`,
	run: runWeb,
}

func runWeb(_ context.Context, args []string, std *stdio) error {
	fs := newFlags("web")
	base := fs.String("base", "", "")
	c, err := configuration(fs, args)
	if err != nil {
		return err
	}
	links, err := daemon.WebLinks(c, *base)
	if err != nil {
		return fmt.Errorf("web: %w", err)
	}
	for _, link := range links {
		fmt.Fprintln(std.forPeople(), link)
	}
	return nil
}
