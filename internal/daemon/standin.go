package daemon

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"syscall"

	"github.com/mxprint/mxprint/capture"
	"github.com/mxprint/mxprint/engine"
	"github.com/mxprint/mxprint/event"
	"github.com/mxprint/mxprint/filter"
	"github.com/mxprint/mxprint/internal/host"
	"github.com/mxprint/mxprint/internal/inherit"
	"github.com/mxprint/mxprint/internal/report"
	"github.com/mxprint/mxprint/internal/sandbox"
	"github.com/mxprint/mxprint/internal/signature"
	"github.com/mxprint/mxprint/p0f"
	"github.com/mxprint/mxprint/packet"
)

// StandIn is one run of the command that stands in for p0f.
type StandIn struct {
	opt     *Options
	out     io.Writer // p0f's own messages, and its blocks
	log     *slog.Logger
	process *inherit.Process

	engine  *engine.Engine
	source  capture.Source
	user    *account // to become, without -u; nil: none
	logFile *LogFile
	socket  net.Listener
}

// OpenStandIn opens everything that the options name, in p0f's order (p0f-v3.md
// §10.2), and gives up privileges if they say so. Close what is returned.
func OpenStandIn(opt *Options, process *inherit.Process, out io.Writer, log *slog.Logger) (*StandIn, error) {
	s := &StandIn{opt: opt, out: out, log: log, process: process}
	if err := s.open(); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

func (s *StandIn) say(format string, args ...any) {
	fmt.Fprintf(s.out, format+"\n", args...)
}

func (s *StandIn) open() error {
	if s.opt.User == "" && s.serves() {
		s.user, _ = unprivileged("")
	}
	db, err := s.database()
	if err != nil {
		return err
	}
	rule := filter.Rule{Expr: s.opt.Rule, P0f: true}
	if err := s.capture(rule); err != nil {
		return err
	}
	observers, err := s.outputs()
	if err != nil {
		return err
	}
	s.engine, err = engine.New(engine.Config{
		DB: Public(db), Rule: rule, Workers: s.workers(observers), Observers: observers, Logger: s.log,
		Hosts: engine.Hosts{
			MaxConns: s.opt.MaxConns, MaxHosts: s.opt.MaxHosts,
			ConnAge: s.opt.ConnAge, HostAge: s.opt.HostAge,
			HTTPBytes: (s.opt.MaxConns + 2) * host.HTTPConnBytes, // as p0f: as much as its connections
		},
	})
	if err != nil {
		return err
	}
	restoreInherited(s.engine, s.process, s.log)
	s.process.Remember = remember(s.engine)
	if s.opt.Socket != "" {
		// Deviation: p0f ends where the folder of the socket is missing.
		if err := makeFolder(s.opt.Socket, s.user); err != nil {
			return err
		}
		ln, err := s.process.Listen(s.opt.Socket, 0o666)
		if err != nil {
			return err
		}
		s.socket = ln
		if err := s.user.giveSocket(ln.UnixListener); err != nil {
			return err
		}
		s.say("[+] Listening on API socket '%s' (max %d clients).", s.opt.Socket, s.opt.MaxClients)
	}
	return s.drop()
}

// workers is how many workers enter a file: one where observers need p0f's order.
func (s *StandIn) workers(observers []event.Observer) int {
	if s.opt.File == "" || len(observers) > 0 {
		return 1
	}
	return min(runtime.GOMAXPROCS(0), mostWorkers)
}

// mostWorkers is as many as one core can read for.
const mostWorkers = 4

// serves reports whether strangers reach the process: it captures or listens.
func (s *StandIn) serves() bool { return s.opt.File == "" || s.opt.Socket != "" }

// drop gives up privileges: with -u as p0f does, else as serve does.
//
// Deviation: p0f stays root without -u.
func (s *StandIn) drop() error {
	if s.opt.User == "" {
		s.process.Refuse = refused()
		if !s.serves() {
			return nil
		}
		rules := &sandbox.Rules{Capture: s.opt.File == ""}
		if err := becomeUnprivileged(s.user, rules, s.log); err != nil {
			s.log.Warn("this process stays root", "reason", err)
		}
		return nil
	}
	s.process.Refuse = "-u took the privileges to start again"
	who, err := dropPrivileges(s.opt.User)
	if err != nil {
		return err
	}
	s.say("[+] Privileges dropped: uid %d, gid %d, root '%s'.", who.uid, who.gid, who.home)
	return nil
}

func (s *StandIn) database() (*signature.DB, error) {
	if s.opt.Daemon && s.opt.User == "" {
		s.say("[!] Consider specifying -u in daemon mode (see docs/replacing-p0f.md).")
	}
	name := s.opt.Database
	db, err := (&Database{File: name}).Load()
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
func (s *StandIn) capture(rule filter.Rule) error {
	link := packet.LinkEthernet
	if s.opt.File != "" {
		f, err := capture.OpenFile(s.opt.File)
		if err != nil {
			return err
		}
		s.source = f
		s.say("[+] Will read pcap data from file '%s'.", s.opt.File)
		if err := rule.Check(int(link)); err != nil {
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
			rule: rule, promiscuous: s.opt.Promiscuous, log: s.log, payload: !mailOnly.MatchString(s.opt.Rule),
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

func (s *StandIn) outputs() ([]event.Observer, error) {
	var observers []event.Observer
	if !s.opt.Daemon && !isNull(s.out) {
		observers = append(observers, report.NewBlocks(s.out))
	}
	if s.opt.Log == "" {
		return observers, nil
	}
	f, err := OpenLog(s.opt.Log, s.user)
	if err != nil {
		return nil, err
	}
	s.logFile = f
	s.say("[+] Log file '%s' opened for writing.", s.opt.Log)
	return append(observers, report.NewLog(f)), nil
}

// Unread returns a line for each kind of what a capture file held and Run did not
// read, in a fixed order.
func (s *StandIn) Unread() []string {
	if s.opt.File == "" {
		return nil
	}
	return s.engine.Unread()
}

// inFile names the file in an error that does not.
func inFile(path string, err error) error {
	if path == "-" {
		path = "standard input"
	}
	if err == nil || path == "" || strings.Contains(err.Error(), path) {
		return err
	}
	return fmt.Errorf("%s: %w", path, err)
}

// Run captures until the file or ctx ends, and answers queries meanwhile.
func (s *StandIn) Run(ctx context.Context) error {
	if s.opt.Daemon {
		if err := becomeBackground(s.process.Resumed()); err != nil {
			return err
		}
	} else if s.opt.File != "" {
		s.say("[+] Processing capture data.\n")
	} else {
		s.say("[+] Entered main event loop.\n")
	}
	tasks := []task{
		func(ctx context.Context) error { return inFile(s.opt.File, s.engine.Run(ctx, s.source)) },
	}
	if s.socket != nil {
		server := &p0f.Server{Lookuper: s.engine, MaxConns: s.opt.MaxClients, Logger: s.log}
		s.process.Check = s.newProgramStarts
		tasks = append(tasks, s.process.Watch, func(ctx context.Context) error {
			return s.process.Serve(ctx, func(ctx context.Context) error { return server.Serve(ctx, s.socket) })
		})
	}
	if s.logFile != nil {
		tasks = append(tasks, reopens(s.log, s.process.Notify(syscall.SIGUSR1), func(error) {}, s.logFile))
	}
	s.process.Ready()
	err := together(ctx, tasks...)
	if !s.opt.Daemon {
		var damage *capture.DamageError
		if err == nil || errors.As(err, &damage) {
			s.say("\nAll done. Processed %d packets.", s.engine.Stats().Frames)
		}
	}
	if err == nil && s.opt.File != "" && s.engine.Stats().Unwritten > 0 {
		return ErrReported // Deviation: p0f returns 0, docs/p0f-compatibility.md
	}
	return err
}

// newProgramStarts checks before a restart what can be checked without it.
func (s *StandIn) newProgramStarts(ctx context.Context) error {
	name := s.opt.Database
	if name != "" && !filepath.IsAbs(name) {
		name = filepath.Join(s.process.Dir(), name) // a daemon is elsewhere by now
	}
	if _, err := (&Database{File: name}).Load(); err != nil {
		return err
	}
	return s.process.Asks(nil, "version")(ctx)
}

func (s *StandIn) Close() {
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
