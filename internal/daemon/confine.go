package daemon

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/mxprint/mxprint/internal/config"
	"github.com/mxprint/mxprint/internal/inherit"
	"github.com/mxprint/mxprint/internal/sandbox"
)

// confine sandboxes serve once all is open. What the kernel lacks is a warning:
// the unit, or the user, still bounds what the process may do.
func (s *Settings) confine(rules sandbox.Rules, log *slog.Logger) {
	if !s.Sensor.Sandbox {
		return
	}
	err := sandbox.Enter(rules)
	if err == nil {
		return
	}
	for reason := range strings.SplitSeq(err.Error(), "\n") {
		log.Warn("the sandbox is incomplete", "reason", reason)
	}
}

// confinement is what serve needs after its start: to answer, to reread
// what SIGHUP and SIGUSR1 ask for, and to re-execute the program.
func (s *Settings) confinement(over *inherit.Process) sandbox.Rules {
	r := sandbox.Rules{
		Read:    append([]string{s.Path(), s.Sensor.FilterProgram, s.Signatures.File}, s.Signatures.Extend...),
		Append:  []string{s.Log.P0f, s.Log.JSON, s.Export.File},
		Replace: []string{s.Store.Path, s.Signatures.Unknown, s.Limits.StateFile()},
		List:    []string{s.Limits.StateFile()}, // the next program opens its folder
		Listen:  s.UnixSockets(),
	}
	switch {
	case s.Sensor.Source == config.SourceSockops:
		r.SockOps, r.Tree = true, []string{"/sys/kernel/btf", "/sys/devices/system/cpu", s.Sensor.Cgroup}
	case s.Sensor.Source == config.SourceCapture && s.Sensor.Ask == "":
		r.Capture = true
	}
	r.Read = append(r.Read, s.Query.TLSCert, s.Query.TLSKey, s.Query.TokenFile, s.HTTP.TLSCert, s.HTTP.TLSKey, s.HTTP.TokenFile,
		s.Sensor.AskCert, s.Sensor.AskCA, s.Sensor.AskTokenFile)
	for _, f := range s.Store.Valkey.Files() {
		r.Read = append(r.Read, f.Path)
	}
	if over.Refuse == "" {
		r.Execute = []string{over.Program()}
		r.LowPorts = s.LowPorts()
	}
	if s.LooksUpNames() {
		r.Read = append(r.Read, "/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf")
	}
	if _, byTLS := s.Sensor.AskTLS(); byTLS && s.Sensor.AskCert == "" && s.Sensor.AskCA == "" {
		r.Tree = append(r.Tree, systemCAs...)
	}
	replace, read, trees := s.exportFiles()
	r.Replace, r.Read, r.Tree = append(r.Replace, replace...), append(r.Read, read...), append(r.Tree, trees...)
	return r
}

// systemCAs are the folders with the certificates of the system's CAs.
var systemCAs = []string{"/etc/ssl", "/etc/pki", "/etc/ca-certificates", "/usr/share/ca-certificates", "/usr/local/share/ca-certificates"}

// warnOfFiles reports what the user that root became cannot do later with the
// files of the configuration. What is open stays so.
func (o *opener) warnOfFiles() {
	if o.user == nil || os.Geteuid() == 0 {
		return
	}
	folder := func(path string) string {
		if path == "" {
			return ""
		}
		return filepath.Dir(path)
	}
	for _, f := range []struct {
		path, later string
		mode        uint32
	}{
		{o.Path(), "SIGUSR2 fails: the configuration cannot be read", unix.R_OK},
		{o.Signatures.File, "a reload fails: the file cannot be read", unix.R_OK},
		{o.Query.TLSKey, "a reload fails: the file cannot be read", unix.R_OK},
		{folder(o.Log.P0f), "a log that was renamed cannot be made: have logrotate create it", unix.W_OK | unix.X_OK},
		{folder(o.Log.JSON), "a log that was renamed cannot be made: have logrotate create it", unix.W_OK | unix.X_OK},
		{folder(o.Export.File), "a file of history that was renamed cannot be made: have logrotate create it", unix.W_OK | unix.X_OK},
		{folder(o.Signatures.Unknown), "unknown SYNs cannot be written", unix.W_OK | unix.X_OK},
		{folder(o.Limits.StateFile()), "a stop will forget all hosts: its folder cannot be written", unix.W_OK | unix.X_OK},
	} {
		if f.path != "" && unix.Access(f.path, f.mode) != nil {
			o.log.Warn("later, "+f.later, "path", f.path, "user", o.user.name)
		}
	}
}
