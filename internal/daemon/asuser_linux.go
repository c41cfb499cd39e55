package daemon

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/mxprint/mxprint/internal/config"
	"github.com/mxprint/mxprint/internal/proc"
)

// unitCapabilities are what the units in contrib give a sensor. Which of them
// the service has is its unit's to say, and not its user's.
var unitCapabilities = []uintptr{
	unix.CAP_NET_BIND_SERVICE, unix.CAP_NET_ADMIN, unix.CAP_NET_RAW, unix.CAP_PERFMON, unix.CAP_BPF,
}

// AsUser runs the program again to check a configuration as a user, with the
// capabilities that a unit may give. It returns the exit status.
func AsUser(c *config.Config, name string, args []string, out, errs io.Writer) (status int, err error) {
	if os.Geteuid() != 0 {
		return 0, errors.New("only root can become another user")
	}
	who, err := lookUser(name)
	if err != nil {
		return 0, err
	}
	self, err := os.Executable()
	if err != nil {
		return 0, err
	}
	have, err := proc.Capabilities("self")
	if err != nil {
		return 0, err
	}
	cmd := exec.Command(self, args...)
	cmd.Args[0] = "mxprint"
	cmd.Stdout, cmd.Stderr = out, errs
	cmd.Env = append(os.Environ(), heldByOurs(c)...) // which that user may not see
	cred := &syscall.Credential{Uid: uint32(who.uid), Gid: uint32(who.gid)}
	for _, g := range who.groups {
		cred.Groups = append(cred.Groups, uint32(g))
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: cred}
	for _, c := range unitCapabilities {
		if have&(1<<c) != 0 {
			cmd.SysProcAttr.AmbientCaps = append(cmd.SysProcAttr.AmbientCaps, c)
		}
	}
	err = cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exit.ExitCode(), nil
	} else if err != nil {
		return 0, fmt.Errorf("as user %s: %w", name, err)
	}
	return 0, nil
}
