package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"syscall"

	"github.com/mxprint/mxprint/capture"
	"github.com/mxprint/mxprint/engine"
	"github.com/mxprint/mxprint/event"
	"github.com/mxprint/mxprint/internal/host"
	"github.com/mxprint/mxprint/internal/inherit"
	"github.com/mxprint/mxprint/internal/report"
	"github.com/mxprint/mxprint/p0f"
	"github.com/mxprint/mxprint/packet"
	"github.com/mxprint/mxprint/signature"
)

var p0fCommand = command{
	name:    "p0f",
	summary: "stand in for p0f: the same options, output and socket",
	usage:   p0fUsage,
	run:     runP0f,
}

const p0fUsage = `Usage: p0f [OPTION…] ['FILTER RULE']

Capture:
  -i IFACE  listen on this interface; "any" for all
  -r FILE   read a capture file instead
  -p        put the interface into promiscuous mode
  -L        list the interfaces, and exit

Operation:
  -f FILE   signatures to use (default: the built-in ones)
  -o FILE   append observations to this log
  -s PATH   answer queries on this unix socket
  -u USER   become this user, in a chroot of his home
  -d        run in the background (wants -o or -s)

Limits:
  -S N      clients of the socket (default 10000)
  -t C,H    age in seconds of connections, in minutes of hosts (30,120)
  -m C,H    number of connections and of hosts (1000,10000)

Examples:
  p0f -i eth0 -s /run/p0f/p0f.sock 'dst port 25 or dst port 587'
  p0f -r mail.pcap -o mail.log
`

// standIn is one run of the p0f-named command.
type standIn struct {
	opt *p0f.Options
	std *stdio
	log *slog.Logger

	engine  *engine.Engine
	source  capture.Source
	logFile *logFile
	socket  net.Listener
	over    *inherit.Process
}

func runP0f(ctx context.Context, args []string, std *stdio) error {
	opt, err := p0f.ParseArgs(args)
	switch {
	case errors.Is(err, p0f.ErrUsage):
		fmt.Fprint(std.err, p0fUsage)
		return err
	case err != nil:
		return err
	case opt.List:
		return listInterfaces(std)
	case os.Getuid() != os.Geteuid():
		return errors.New("real and effective user differ; give the program a capability instead of the setuid bit: setcap cap_net_raw+ep")
	case opt.Daemon && !inDaemon():
		return spawnDaemon(std)
	}
	ctx, stop := untilSignal(ctx, opt.Daemon)
	defer stop()
	s := &standIn{opt: opt, std: std, log: newLogger(std.err)}
	if s.over, err = inherit.New(s.log); err != nil {
		return err
	}
	fmt.Fprintf(std.out, "--- mxprint %s, in place of p0f 3.09b ---\n\n", version)
	defer s.close()
	if err := s.open(); err != nil {
		return err
	}
	return s.run(ctx)
}

func (s *standIn) say(format string, args ...any) {
	fmt.Fprintf(s.std.out, format+"\n", args...)
}

// open opens all that the options name, in p0f's order (p0f v3 §10.2).
func (s *standIn) open() error {
	db, err := s.database()
	if err != nil {
		return err
	}
	rule := engine.Rule{Expr: s.opt.Rule, P0f: true}
	if err := s.capture(rule); err != nil {
		return err
	}
	observers, err := s.outputs()
	if err != nil {
		return err
	}
	s.engine = engine.New(engine.Config{
		DB: db, Rule: rule, Workers: s.workers(len(observers) > 0), Observers: observers, Logger: s.log,
		Hosts: host.Config{
			MaxConns: s.opt.MaxConns, MaxHosts: s.opt.MaxHosts,
			ConnAge: s.opt.ConnAge, HostAge: s.opt.HostAge,
			HTTPBytes: (s.opt.MaxConns + 2) * host.HTTPConnBytes, // as p0f: as much as its connections
		},
	})
	if s.opt.Socket != "" {
		ln, err := s.over.Listen(s.opt.Socket, 0o666)
		if err != nil {
			return err
		}
		s.socket = ln
		s.say("[+] Listening on API socket '%s' (max %d clients).", s.opt.Socket, s.opt.MaxClients)
	}
	if s.opt.User != "" {
		s.over.Refuse = "-u took the privileges to start anew"
		who, err := dropPrivileges(s.opt.User)
		if err != nil {
			return err
		}
		s.say("[+] Privileges dropped: uid %d, gid %d, root '%s'.", who.uid, who.gid, who.home)
	}
	return nil
}

// workers is one, for p0f's order of all that is shown, unless nothing is.
func (s *standIn) workers(shows bool) int {
	if s.opt.File == "" || shows {
		return 1
	}
	return min(runtime.GOMAXPROCS(0), engine.MaxReaders)
}

func (s *standIn) database() (*signature.DB, error) {
	if s.opt.Daemon && s.opt.User == "" {
		s.say("[!] Consider specifying -u in daemon mode (see docs/replacing-p0f.md).")
	}
	name := s.opt.Database
	db, err := (&database{file: name}).load()
	if err != nil {
		return nil, err
	}
	from := "the built-in database"
	if name != "" {
		from = "'" + name + "'"
	}
	switch n := db.Count(); n {
	case 0:
		s.say("[!] No signatures found in %s.", from)
	case 1:
		s.say("[+] Loaded 1 signature from %s.", from)
	default:
		s.say("[+] Loaded %d signatures from %s.", n, from)
	}
	return db, nil
}

// capture opens the file or interface, and says what the filter is.
func (s *standIn) capture(rule engine.Rule) error {
	link := packet.LinkEthernet
	if s.opt.File != "" {
		f, err := capture.OpenFile(s.opt.File)
		if err != nil {
			return err
		}
		s.source = f
		s.say("[+] Will read pcap data from file '%s'.", s.opt.File)
		if err := rule.Check(link); err != nil {
			return err
		}
	} else {
		name, from := s.opt.Interface, "interface"
		if name == "" {
			var err error
			if name, err = defaultInterface(); err != nil {
				return err
			}
			from = "default interface"
		}
		ring, err := tap{
			rule: rule, promiscuous: s.opt.Promiscuous, log: s.log, http: !mailOnly.MatchString(s.opt.Rule),
		}.openRing(name)
		if err != nil {
			return err
		}
		s.source, link = ring, ring.Link()
		s.say("[+] Intercepting traffic on %s '%s'.", from, name)
	}
	vlan := ""
	if link == packet.LinkEthernet {
		vlan = " [+VLAN]"
	}
	if s.opt.Rule == "" {
		s.say("[+] Default packet filtering configured%s.", vlan)
	} else {
		s.say("[+] Custom filtering rule enabled: %s%s", s.opt.Rule, vlan)
	}
	return nil
}

// mailOnly matches the rules that take mail ports and nothing else: no HTTP
// comes, and the headers of frames suffice.
var mailOnly = regexp.MustCompile(`^ *(` + mailPort + `)( or (` + mailPort + `))* *$`)

const mailPort = `(tcp )?((src|dst) )?port (25|465|587|2525|smtp|submission|submissions)`

func (s *standIn) outputs() ([]event.Observer, error) {
	var observers []event.Observer
	if !s.opt.Daemon && !isNull(s.std.out) {
		observers = append(observers, report.NewBlocks(s.std.out))
	}
	if s.opt.Log == "" {
		return observers, nil
	}
	f, err := openLog(s.opt.Log)
	if err != nil {
		return nil, err
	}
	s.logFile = f
	s.say("[+] Log file '%s' opened for writing.", s.opt.Log)
	return append(observers, report.NewLog(f)), nil
}

// run captures until the file or ctx ends, and answers queries meanwhile.
func (s *standIn) run(ctx context.Context) error {
	if s.opt.Daemon {
		if err := becomeDaemon(s.over.Resumed()); err != nil {
			return err
		}
	} else if s.opt.File != "" {
		s.say("[+] Processing capture data.\n")
	} else {
		s.say("[+] Entered main event loop.\n")
	}
	tasks := []task{
		func(ctx context.Context) error { return s.engine.Run(ctx, s.source) },
	}
	if s.socket != nil {
		server := &p0f.Server{Lookuper: s.engine, MaxConns: s.opt.MaxClients, Logger: s.log}
		s.over.Check = s.newProgramStarts
		tasks = append(tasks, s.over.Watch, func(ctx context.Context) error {
			return s.over.Serve(ctx, func(ctx context.Context) error { return server.Serve(ctx, s.socket) })
		})
	}
	if s.logFile != nil {
		tasks = append(tasks, reopens(s.log, s.over.Notify(syscall.SIGUSR1), s.logFile))
	}
	s.over.Ready()
	err := together(ctx, tasks...)
	if !s.opt.Daemon {
		if ctx.Err() != nil {
			fmt.Fprintln(s.std.err, "mxprint: ended by a signal")
		}
		var damage *capture.DamageError
		if err == nil || errors.As(err, &damage) {
			s.say("\nAll done. Processed %d packets.", s.engine.Frames())
		}
	}
	return err
}

// newProgramStarts checks before a restart what can be checked without it.
func (s *standIn) newProgramStarts(ctx context.Context) error {
	name := s.opt.Database
	if name != "" && !filepath.IsAbs(name) {
		name = filepath.Join(s.over.Dir(), name) // a daemon is elsewhere by now
	}
	if _, err := (&database{file: name}).load(); err != nil {
		return err
	}
	return s.over.Asks("version")(ctx)
}

func (s *standIn) close() {
	if s.socket != nil {
		s.socket.Close()
	}
	if s.source != nil {
		s.source.Close()
	}
	if s.logFile != nil {
		s.logFile.Close()
	}
}

func listInterfaces(std *stdio) error {
	all, err := capture.Interfaces()
	if err != nil {
		return err
	}
	fmt.Fprint(std.out, "-- Available interfaces --\n")
	for i, it := range all {
		description, addr := it.Description, "(none)"
		if description == "" {
			description = "-"
		}
		if it.Addr.IsValid() {
			addr = it.Addr.String()
		}
		fmt.Fprintf(std.out, "\n%3d: Name        : %s\n     Description : %s\n     IP address  : %s\n",
			i, it.Name, description, addr)
	}
	return nil
}

// defaultInterface is the first interface that is up and no loopback.
func defaultInterface() (string, error) {
	all, err := net.Interfaces()
	if err != nil {
		return "", err
	}
	var names []string
	for _, it := range all {
		if it.Flags&net.FlagUp != 0 && it.Flags&net.FlagLoopback == 0 {
			return it.Name, nil
		}
		names = append(names, it.Name)
	}
	return "", fmt.Errorf("no interface is up; name one with -i (there are: %s)", strings.Join(names, ", "))
}
