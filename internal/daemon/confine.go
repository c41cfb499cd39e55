package daemon

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/mxprint/mxprint/internal/config"
	"github.com/mxprint/mxprint/internal/inherit"
	"github.com/mxprint/mxprint/internal/sandbox"
)

// confine shuts serve in, once all is open. What the kernel lacks is a warning:
// the unit, or the user, still bounds what the process may do.
func (s *Settings) confine(over *inherit.Process, log *slog.Logger) {
	if !s.Sensor.Sandbox {
		return
	}
	_, _ = time.Now().Zone() // reads files
	err := sandbox.Enter(s.confinement(over))
	if err == nil {
		return
	}
	for _, reason := range unjoin(err) {
		log.Warn("the sandbox is not whole", "reason", reason)
	}
}

// unjoin returns the errors that were joined.
func unjoin(err error) []error {
	var joined interface{ Unwrap() []error }
	if errors.As(err, &joined) {
		return joined.Unwrap()
	}
	return []error{err}
}

// confinement is what serve needs after its start: to answer, to read anew
// what SIGHUP and SIGUSR1 ask for, and to execute the program anew.
func (s *Settings) confinement(over *inherit.Process) sandbox.Rules {
	r := sandbox.Rules{
		Read:    append([]string{s.Path(), s.Sensor.FilterProgram, s.Signatures.File}, s.Signatures.Extend...),
		Append:  []string{s.Log.P0f, s.Log.JSON},
		Replace: []string{s.Signatures.Unknown},
		Listen:  s.UnixSockets(),
	}
	switch {
	case s.Sensor.Source == config.SourceSockops:
		r.SockOps, r.Tree = true, []string{"/sys/kernel/btf", "/sys/devices/system/cpu", s.Sensor.Cgroup}
	case s.Sensor.Source == config.SourceCapture && s.Sensor.Ask == "":
		r.Capture = true
	}
	r.Read = append(r.Read, s.Query.TLSCert, s.Query.TLSKey, s.Query.TokenFile,
		s.Sensor.AskCert, s.Sensor.AskCA, s.Sensor.AskTokenFile)
	if over.Refuse == "" {
		r.Execute = []string{over.Program()}
		r.LowPorts = s.LowPorts()
	}
	if s.LooksUpNames() {
		r.Read = append(r.Read, "/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf")
	}
	if _, byTLS := s.Sensor.AskTLS(); byTLS && s.Sensor.AskCert == "" && s.Sensor.AskCA == "" {
		r.Tree = append(r.Tree, "/etc/ssl", "/etc/pki", "/etc/ca-certificates", "/usr/share/ca-certificates", "/usr/local/share/ca-certificates")
	}
	return r
}

// TryWrites makes in each place what serve would make there, so that SIGUSR2 is
// refused where the program executed anew would fail.
func (s *Settings) TryWrites() error {
	for _, l := range []struct{ key, path string }{{"log.p0f", s.Log.P0f}, {"log.json", s.Log.JSON}} {
		if l.path == "" {
			continue
		}
		f, err := os.OpenFile(l.path, os.O_WRONLY|os.O_APPEND|os.O_CREATE|syscall.O_NOFOLLOW, 0o600)
		if err != nil {
			return s.At(l.key, err)
		}
		f.Close()
	}
	if path := s.Signatures.Unknown; path != "" {
		f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
		if err != nil {
			return s.At("signatures.unknown", err)
		}
		f.Close()
		os.Remove(f.Name())
	}
	for _, path := range s.UnixSockets() {
		if err := trySocket(filepath.Dir(path)); err != nil {
			return fmt.Errorf("socket %s: %w", path, err)
		}
	}
	return nil
}

// trySocket makes a socket in a folder, and removes it.
func trySocket(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	ln, err := net.Listen("unix", filepath.Join(dir, "."+strconv.Itoa(os.Getpid())))
	if err != nil {
		return err
	}
	return ln.Close()
}
