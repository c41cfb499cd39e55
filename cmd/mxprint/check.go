package main

import (
	"context"
	"fmt"

	"github.com/mxprint/mxprint/internal/config"
	"github.com/mxprint/mxprint/internal/daemon"
	"github.com/mxprint/mxprint/internal/view"
)

var checkCommand = command{
	name:    "check",
	summary: "check a configuration, and say what it means",
	usage: `Usage: mxprint check [-write] [-user NAME] [-relay] [FILE]

Reads the configuration, its signatures, its filter, certificates and tokens as
serve would, and prints what serve would do. All that is wrong is reported, a
line each, and the exit status is 1.

  -write        open everything that serve opens, too, and close it again:
                sources, logs and sockets. What the running sensor holds is no
                fault. serve has this checked before it re-executes itself
  -user NAME    do so as this user, the one of the service; takes root. The
                capabilities are those of the units
  -relay        ask the mail server behind [proxy], as a stranger, whether it
                would relay. No mail is sent
  -config FILE  the same as FILE (default ` + config.DefaultPath + `,
                where it exists)

Examples:
  mxprint check
  mxprint check -write -user mxprint /etc/mxprint.toml
  mxprint check -relay
`,
	run: runCheck,
}

func runCheck(ctx context.Context, args []string, std *stdio) error {
	fs := newFlags("check")
	write := fs.Bool("write", false, "")
	user := fs.String("user", "", "")
	relay := fs.Bool("relay", false, "")
	c, err := configuration(fs, args)
	if err != nil {
		return err
	}
	if *relay && len(c.Proxy.Listen) == 0 {
		return usagef("check: -relay: [proxy] has no listen")
	}
	if *user != "" {
		return checkAs(*user, c, *write, *relay, std)
	}
	s, err := daemon.Load(c)
	if err != nil {
		return err
	}
	for _, w := range s.Warnings() {
		fmt.Fprintln(view.Cleaner(std.err), "mxprint: warning:", w)
	}
	for _, err := range s.Late() {
		fmt.Fprintf(view.Cleaner(std.err), "mxprint: warning: %v: serve waits for it\n", err)
	}
	if *write {
		if err := s.Try(daemon.NewLogger(std.err)); err != nil {
			return err
		}
	}
	fmt.Fprint(std.forPeople(), s.Describe(s.Count()))
	if !*relay {
		return nil
	}
	refusal, err := s.AskRelay(ctx)
	if err == nil {
		fmt.Fprintf(std.forPeople(), "relay      refused: %s\n", refusal)
	}
	return err
}

// checkAs runs the check again as another user.
func checkAs(user string, c *config.Config, write, relay bool, std *stdio) error {
	args := []string{"check"}
	if write {
		args = append(args, "-write")
	}
	if relay {
		args = append(args, "-relay")
	}
	if path := c.Path(); path != "" {
		args = append(args, "-config", path)
	}
	status, err := daemon.AsUser(c, user, args, std.out, std.err)
	switch {
	case err != nil:
		return fmt.Errorf("check: -user: %w", err)
	case status != 0:
		return errState(status) // it has reported what is wrong
	}
	return nil
}
