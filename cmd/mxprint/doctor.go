package main

import (
	"context"
	"fmt"
	"time"

	"github.com/mxprint/mxprint/internal/daemon"
	"github.com/mxprint/mxprint/internal/doctor"
)

var doctorCommand = command{
	name:    "doctor",
	summary: "find out why mail gets no answer",
	usage: `Usage: mxprint doctor [-config FILE] [-time SECONDS] [-postfix DIR] [-rspamd DIR]
                      [-haraka DIR] [-exim DIR] [-smtpd FILE]

Looks at the sensor, interfaces, filter, sockets and mail server, counts the SYNs
to mail ports for some seconds, and prints what is wrong with the line to type.
It changes nothing. Run it as root, on the machine of the sensor.

  -config FILE   the configuration of serve (default: /etc/mxprint.toml where
                 it exists)
  -time SECONDS  how long SYNs are counted (default 5; 0: not at all)
  -postfix DIR   Postfix's files (default /etc/postfix)
  -rspamd DIR    rspamd's files (default /etc/rspamd)
  -haraka DIR    Haraka's folder, with config in it (default: not looked at)
  -exim DIR      Exim's files (default /etc/exim4)
  -smtpd FILE    OpenSMTPD's file (default /etc/smtpd.conf)

The exit status is 0 when nothing is wrong and 1 when something is.

Examples:
  mxprint doctor
  mxprint doctor -time 60
`,
	run: runDoctor,
}

func runDoctor(ctx context.Context, args []string, std *stdio) error {
	fs := newFlags("doctor")
	seconds := fs.Int("time", 5, "")
	postfix := fs.String("postfix", "/etc/postfix", "")
	rspamd := fs.String("rspamd", "/etc/rspamd", "")
	haraka := fs.String("haraka", "", "")
	exim, smtpd := fs.String("exim", "/etc/exim4", ""), fs.String("smtpd", "/etc/smtpd.conf", "")
	c, err := configuration(fs, args)
	if err != nil {
		return err
	}
	if *seconds < 0 || *seconds > 3600 {
		return usagef("doctor: -time wants 0 to 3600 seconds")
	}
	p := &doctor.Patient{Config: c, Postfix: *postfix, Rspamd: *rspamd, Haraka: *haraka, Exim: *exim, Smtpd: *smtpd,
		Time: time.Duration(*seconds) * time.Second, Answer: daemon.Answers(c), Reasons: daemon.Reasons(c)}
	findings, err := p.Examine(ctx)
	if err := doctor.Print(std.out, findings); err != nil {
		return err
	}
	if err != nil {
		return err
	}
	if len(findings) > 0 {
		return errSilent
	}
	fmt.Fprintln(std.out, "nothing is wrong that can be seen from here")
	return nil
}
