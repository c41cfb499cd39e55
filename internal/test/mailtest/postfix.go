//go:build linux

package mailtest

import (
	"context"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/mxprint/mxprint/internal/test/lab"
)

// A postfix is a running Postfix with a configuration, queue and mailbox of its
// own.
type Postfix struct {
	*Process
	Mails string // maildir of the recipient
}

// postfixMain is main.cf, with the test's directory, the mail's domain and the
// numeric owner of the mailbox to fill in. All mail for the domain goes into
// one maildir; nothing is sent on. Postfix itself holds no mail up when many
// come at once, and what failed once is tried again soon.
const postfixMain = `
compatibility_level = 3.6
queue_directory = %[1]s/queue
data_directory = %[1]s/data
maillog_file = /dev/stdout
myhostname = mx.%[2]s
mydestination =
mynetworks =
inet_interfaces = all
inet_protocols = all
alias_maps =
alias_database =
local_recipient_maps =
smtpd_relay_restrictions = reject_unauth_destination
virtual_mailbox_domains = %[2]s
virtual_mailbox_maps = static:mails/
virtual_mailbox_base = %[1]s
virtual_minimum_uid = 1
virtual_uid_maps = static:%[3]s
virtual_gid_maps = static:%[4]s
default_transport = error:nothing leaves this machine
in_flow_delay = 0
queue_run_delay = 2s
minimal_backoff_time = 2s
maximal_backoff_time = 5s
transport_retry_time = 2s
`

// PostfixMaster is master.cf: the smallest set of services that receives mail
// and delivers it to a maildir, none of them chrooted. The client that sends
// mails on to a filter asks for scache when there are several, and waits a
// second before it does without.
const PostfixMaster = `
smtp       inet  n - n -     - smtpd
pickup     unix  n - n 60    1 pickup
cleanup    unix  n - n -     0 cleanup
qmgr       unix  n - n 300   1 qmgr
rewrite    unix  - - n -     - trivial-rewrite
bounce     unix  - - n -     0 bounce
defer      unix  - - n -     0 bounce
trace      unix  - - n -     0 bounce
flush      unix  n - n 1000? 0 flush
proxymap   unix  - - n -     - proxymap
error      unix  - - n -     - error
retry      unix  - - n -     - error
virtual    unix  - n n -     - virtual
anvil      unix  - - n -     1 anvil
scache     unix  - - n -     1 scache
postlog    unix-dgram n - n - 1 postlogd
`

// StartPostfix starts Postfix in ns on port 25 of all its addresses. Each
// setting is one more line of main.cf, such as "smtpd_milters = unix:…".
func StartPostfix(t testing.TB, ns *lab.NetNS, settings ...string) *Postfix {
	t.Helper()
	return StartPostfixServices(t, ns, PostfixMaster, settings...)
}

// StartPostfixServices is StartPostfix with a master.cf.
func StartPostfixServices(t testing.TB, ns *lab.NetNS, master string, settings ...string) *Postfix {
	t.Helper()
	program := lab.NeedProgram(t, "postfix")
	owner, err := user.Lookup("postfix")
	if err != nil {
		t.Fatal(err)
	}
	dir := TempDir(t)
	p := &Postfix{Mails: filepath.Join(dir, "mails")}
	MakeDir(t, filepath.Join(dir, "queue"), nil)
	MakeDir(t, filepath.Join(dir, "data"), owner)
	MakeDir(t, p.Mails, owner)
	main := fmt.Sprintf(postfixMain, dir, Domain, owner.Uid, owner.Gid) + strings.Join(settings, "\n") + "\n"
	config := filepath.Join(dir, "config")
	WriteFiles(t, config, map[string]string{"main.cf": main, "master.cf": master})
	// Postfix waits until main.cf has not been written for two seconds.
	if err := os.Chtimes(filepath.Join(config, "main.cf"), time.Time{}, time.Now().Add(-time.Minute)); err != nil {
		t.Fatal(err)
	}
	// Its postlogd logs to its own socket, and waits for itself where that is full.
	// Systemd gives such sockets room for 512 datagrams, a new namespace for 10: too
	// few where each daemon warns of main.cf at its start.
	if err := ns.Do(func() error { return os.WriteFile("/proc/sys/net/unix/max_dgram_qlen", []byte("512"), 0) }); err != nil {
		t.Fatal(err)
	}
	p.Process = Start(t, "postfix", ns.Command(context.Background(), program, "-c", config, "start-fg"))
	// The daemons make a session of their own, out of reach of the process.
	t.Cleanup(func() { EndPostfix(t, filepath.Join(dir, "queue")) })
	p.WaitFor("SMTP", func() bool {
		return Greets(ns, ns.IPv4) && Greets(ns, ns.IPv6)
	})
	return p
}

// EndPostfix ends the daemons that serve the queue directory.
func EndPostfix(t testing.TB, queue string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(queue, "pid", "master.pid"))
	if err != nil {
		return // never started
	}
	id, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil || id <= 1 {
		t.Errorf("stopping postfix: master.pid is %q", text)
		return
	}
	real, _ := filepath.EvalSymlinks(queue)
	endGroup(id, func() bool { // the file outlives the master, which works in the folder
		dir, err := os.Readlink(fmt.Sprintf("/proc/%d/cwd", id))
		return err != nil || dir == real
	})
}
