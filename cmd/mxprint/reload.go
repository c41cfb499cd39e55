package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"github.com/mxprint/mxprint/internal/config"
	"github.com/mxprint/mxprint/query"
)

var reloadCommand = command{
	name:    "reload",
	summary: "reload the signatures of a running sensor",
	usage: `Usage: mxprint reload [-s SOCKET]

Makes a running mxprint serve reload its signature files, as SIGHUP does, and
prints the result: how many signatures it has now, or all that is wrong with
the files. Then the exit status is 1, and the old signatures stay. Other keys
of the configuration need a restart.

It asks through the query socket, so [query] listen has to name a unix socket.
Root may ask, and the user the sensor runs as.

  -s SOCKET  the query socket (default ` + config.DefaultQuerySocket + `)

Examples:
  mxprint reload
  mxprint signatures check local.fp && mxprint reload
`,
	run: runReload,
}

func runReload(ctx context.Context, args []string, std *stdio) error {
	fs := newFlags("reload")
	socket := fs.String("s", "", "")
	if err := parse(fs, args); err != nil {
		return err
	}
	if fs.NArg() > 0 {
		return usagef("reload: unexpected argument %q; the socket is named by -s", fs.Arg(0))
	}
	text, err := askSensor(ctx, *socket, "reload")
	std.forPeople().Write(text)
	return err
}

// commandTime is how long a sensor may take for a command: 20,000 signatures
// are read in some seconds.
const commandTime = time.Minute

// askSensor gives a command to a running sensor and returns what it says.
func askSensor(ctx context.Context, socket, command string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, commandTime)
	defer cancel()
	socket = cmp.Or(socket, config.DefaultQuerySocket)
	text, err := query.Command(ctx, socket, command)
	if reason, ok := strings.CutPrefix(fmt.Sprint(err), query.ErrRefused.Error()+": "); ok {
		return text, fmt.Errorf("%s: %s: %s", command, socket, reason)
	}
	if errors.Is(err, fs.ErrPermission) {
		return text, fmt.Errorf("%w; run it as root", err)
	}
	if err != nil && !errors.Is(err, query.ErrBadAnswer) {
		err = fmt.Errorf("%w; it takes a running mxprint serve with %q in [query] listen", err, socket)
	}
	return text, err
}
