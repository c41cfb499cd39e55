package doctor

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/mxprint/mxprint/internal/config"
	"github.com/mxprint/mxprint/internal/proc"
)

// maxRead bounds a file that is read, in bytes.
const maxRead = 1 << 20

// sockets looks for a second listener on a socket of ours, and for sockets that
// Postfix may not open.
func (e *examination) sockets() {
	listens := make(map[string]int)
	for _, s := range proc.Sockets("unix") {
		listens[s.Addr]++
	}
	for _, path := range e.Config.UnixSockets() {
		n := listens[path]
		if _, err := os.Stat(path); n == 1 && errors.Is(err, fs.ErrNotExist) {
			e.find("listeners on "+path, "systemctl restart mxprint", "the file of the socket was removed, and no client reaches it")
		}
		if n > 1 {
			e.find("listeners on "+path, "systemctl stop p0f; ss -xlp | grep "+path, "%d processes or sockets listen there, and clients reach only the last", n)
		}
	}
	if !e.hasPostfix() {
		return
	}
	for _, path := range unixPaths(append(e.Config.Milter.Listen, e.Config.Policy.Listen...)) {
		e.mayAsk(path, "[milter] and [policy]", "postfix", filepath.Join(e.Postfix, "main.cf"))
	}
}

func unixPaths(listen []string) (paths []string) {
	for _, at := range listen {
		if network, path, err := config.Endpoint(at); err == nil && network == "unix" {
			paths = append(paths, path)
		}
	}
	return paths
}

// mayOpen reports whether a user may write to a socket; true where that cannot be
// known.
func mayOpen(name string, st os.FileInfo) bool {
	owner, ok := st.Sys().(*syscall.Stat_t)
	u, err := user.Lookup(name)
	if err != nil || !ok {
		return true
	}
	groups, err := u.GroupIds()
	switch mode := st.Mode().Perm(); {
	case u.Uid == strconv.Itoa(int(owner.Uid)):
		return mode&0o200 != 0
	case err == nil && slices.Contains(groups, strconv.Itoa(int(owner.Gid))):
		return mode&0o020 != 0
	default:
		return mode&0o002 != 0
	}
}

func (e *examination) hasPostfix() bool {
	_, err := os.Stat(filepath.Join(e.Postfix, "main.cf"))
	return err == nil
}

// postfix wants its files to name a milter or policy service of ours.
func (e *examination) postfix() {
	if !e.hasPostfix() {
		return
	}
	listen := append(slices.Clone(e.Config.Milter.Listen), e.Config.Policy.Listen...)
	file := filepath.Join(e.Postfix, "main.cf")
	if len(listen) == 0 && e.othersAsk() {
		return
	}
	if len(listen) == 0 {
		e.find(file+" and the configuration", `put listen = ["127.0.0.1:7825"] below [milter] (docs/postfix.md)`, "Postfix is here, and neither [milter] nor [policy] listens")
		return
	}
	master := settings(readFile(filepath.Join(e.Postfix, "master.cf")))
	text := settings(readFile(file)) + master
	queue := first(setting(text, "queue_directory"), "/var/spool/postfix")
	for _, at := range listen {
		network, addr, err := config.Endpoint(at)
		if err == nil && network == "tcp" {
			addr = addr[strings.LastIndexByte(addr, ':'):]
		}
		if inside, ok := strings.CutPrefix(addr, queue+"/"); ok && strings.Contains(text, inside) {
			e.timeouts(file, text)
			return
		}
		if strings.Contains(text, addr) {
			if network == "unix" && chrooted.MatchString(master) && !isSocket(queue+addr) {
				e.find(file, inetInstead, "its smtpd runs in the chroot %s (master.cf), where there is no %s", queue, addr)
				return
			}
			e.timeouts(file, text)
			return
		}
	}
	do := "docs/postfix.md has the lines; postfix reload"
	switch network, _, _ := config.Endpoint(listen[0]); {
	case len(e.Config.Milter.Listen) > 0 && network == "unix" && chrooted.MatchString(master):
		do = inetInstead
	case len(e.Config.Milter.Listen) > 0:
		do = fmt.Sprintf("postconf -e 'smtpd_milters = { %s, connect_timeout=1s, command_timeout=1s, content_timeout=1s, default_action=accept }' && postfix reload", milterService(e.Config.Milter.Listen[0]))
	}
	e.find(file, do, "nothing in it names %s: Postfix does not ask", strings.Join(listen, " or "))
}

// chrooted matches a service of master.cf that takes mail and runs in a chroot, as Debian's does (master(5)).
var chrooted = regexp.MustCompile(`(?m)^\S+\s+(?:inet|pass)\s+\S+\s+\S+\s+y\s+\S+\s+\S+\s+smtpd\b`)

// inetInstead is the remedy for a unix socket that a chroot hides.
const inetInstead = `in mxprint's configuration listen = ["127.0.0.1:7825"], in Postfix inet:127.0.0.1:7825 (docs/postfix.md); ` +
	`systemctl restart mxprint; postfix reload`

func isSocket(path string) bool {
	st, err := os.Stat(path)
	return err == nil && st.Mode()&os.ModeSocket != 0
}

// settings are the lines of a file of Postfix without comments (postconf(5)).
func settings(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(strings.TrimSpace(line), "#") {
			b.WriteString(line)
		}
	}
	return b.String()
}

// readFile is the text of a file; "" where it cannot be read.
func readFile(path string) string {
	text, err := os.ReadFile(path)
	if err != nil || len(text) > maxRead {
		return ""
	}
	return string(text)
}
