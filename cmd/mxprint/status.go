package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/mxprint/mxprint/internal/config"
	"github.com/mxprint/mxprint/internal/daemon"
	"github.com/mxprint/mxprint/internal/status"
	"github.com/mxprint/mxprint/internal/view"
	"github.com/mxprint/mxprint/query"
)

var statusCommand = command{
	name:    "status",
	summary: "show how a running sensor is",
	usage: `Usage: mxprint status [-s SOCKET] [-json]
       mxprint status -fleet [-config FILE] [-json]

Shows whether a running mxprint serve is well, and its figures: frames and SYNs
of each source, answers of each front, times of look-ups, memory, signatures,
and what of the configuration waits for a restart (docs/observe.md).

It asks through the query socket, so [query] listen has to name a unix socket:
root may ask, and the user the sensor runs as. A sensor on another machine
answers by TLS to those that have its token.

With -fleet it shows the sensors that share a store ([store] valkey), those that
are not well first: version, how long each is up, when it spoke last, how long its
notes wait until others have them.

  -s SOCKET    the query socket (default ` + config.DefaultQuerySocket + `),
               or tls:HOST:PORT
  -token FILE  with tls: the file with the token
  -cert FILE   with tls: the sensor's certificate
  -ca FILE     with tls: the CA of the sensor's certificate
  -fleet       show all sensors of the shared store
  -config FILE with -fleet: the configuration (default ` + config.DefaultPath + `)
  -json        print one JSON object, or with -fleet one a line
  -color WHEN  auto, always or never (default auto)

The exit status is 0 when it is well, 1 when it is degraded, 2 when it is down,
and 3 when it may not be asked.

Examples:
  mxprint status
  mxprint status -json | jq .reasons
  mxprint status -fleet
  mxprint status -s tls:mx.example.org:2527 -token /etc/mxprint/token -cert /etc/mxprint/sensor.pem
`,
	run: runStatus,
}

// The exit statuses of mxprint status, which are those that Nagios and its
// successors expect of a check.
const (
	exitDegraded  errState = 1
	exitDown      errState = 2
	exitNotToKnow errState = 3
)

// statusTime is how long a sensor may take to say how it is.
const statusTime = 10 * time.Second

func runStatus(ctx context.Context, args []string, std *stdio) error {
	fs := newFlags("status")
	socket := fs.String("s", "", "")
	token, cert, ca := fs.String("token", "", ""), fs.String("cert", "", ""), fs.String("ca", "", "")
	asJSON, fleet, path := fs.Bool("json", false, ""), fs.Bool("fleet", false, ""), fs.String("config", "", "")
	mode := fs.String("color", "auto", "")
	if err := parse(fs, args); err != nil {
		return err
	}
	if fs.NArg() > 0 {
		return usagef("status: unexpected argument %q; the socket is named by -s", fs.Arg(0))
	}
	if *fleet {
		return runFleet(ctx, *path, *asJSON, std)
	}
	color, err := view.Colored(*mode, std.out)
	if err != nil {
		return usagef("status: %v", err)
	}
	client, err := daemon.Client(cmp.Or(*socket, config.DefaultQuerySocket), *token, *cert, *ca)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, statusTime)
	defer cancel()
	st, err := status.Fetch(ctx, client, query.ErrRefused)
	if err != nil {
		fmt.Fprintf(std.err, "mxprint: status: %v\n", err)
		return exitNotToKnow
	}
	if *asJSON {
		err = json.NewEncoder(std.out).Encode(st)
	} else {
		err = st.Print(std.out, color)
	}
	switch {
	case err != nil:
		return err
	case st.Health == status.Degraded:
		return exitDegraded
	case st.Health == status.Down:
		return exitDown
	}
	return nil
}

// runFleet shows the sensors that share a store.
func runFleet(ctx context.Context, path string, asJSON bool, std *stdio) error {
	c, err := loadConfig(path)
	if err != nil {
		return err
	}
	list, err := daemon.Fleet(ctx, c)
	if err != nil {
		return err
	}
	if asJSON {
		enc := json.NewEncoder(std.out)
		for _, p := range list {
			err = errors.Join(err, enc.Encode(p))
		}
	} else {
		err = status.PrintFleet(std.out, list, time.Now())
	}
	if err == nil && !status.FleetWell(list) {
		return exitDegraded
	}
	return err
}
