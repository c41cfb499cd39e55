//go:build linux

package e2e

import (
	"context"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/mxprint/mxprint/internal/test/lab"
)

// A postfix is a running Postfix with a configuration, queue and mailbox of its
// own.
type postfix struct {
	*process
	mails string // maildir of the recipient
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

// postfixMaster is master.cf: the smallest set of services that receives mail
// and delivers it to a maildir, none of them chrooted. The client that sends
// mails on to a filter asks for scache when there are several, and waits a
// second before it does without.
const postfixMaster = `
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

// startPostfix starts Postfix in ns on port 25 of all its addresses. Each
// setting is one more line of main.cf, such as "smtpd_milters = unix:…".
func startPostfix(t testing.TB, ns *lab.NetNS, settings ...string) *postfix {
	t.Helper()
	return startPostfixServices(t, ns, postfixMaster, settings...)
}

// startPostfixServices is startPostfix with a master.cf.
func startPostfixServices(t testing.TB, ns *lab.NetNS, master string, settings ...string) *postfix {
	t.Helper()
	program := lab.NeedProgram(t, "postfix")
	owner, err := user.Lookup("postfix")
	if err != nil {
		t.Fatal(err)
	}
	dir := tempDir(t)
	p := &postfix{mails: filepath.Join(dir, "mails")}
	makeDir(t, filepath.Join(dir, "queue"), nil)
	makeDir(t, filepath.Join(dir, "data"), owner)
	makeDir(t, p.mails, owner)
	main := fmt.Sprintf(postfixMain, dir, domain, owner.Uid, owner.Gid) + strings.Join(settings, "\n") + "\n"
	config := filepath.Join(dir, "config")
	writeFiles(t, config, map[string]string{"main.cf": main, "master.cf": master})
	p.process = start(t, "postfix", ns.Command(context.Background(), program, "-c", config, "start-fg"))
	// The daemons make a session of their own, out of reach of the process.
	t.Cleanup(func() { endPostfix(t, filepath.Join(dir, "queue")) })
	p.waitFor("SMTP", func() bool {
		return greets(ns, ns.IPv4) && greets(ns, ns.IPv6)
	})
	return p
}

// endPostfix ends the daemons that serve the queue directory.
func endPostfix(t testing.TB, queue string) {
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
	endGroup(id)
}

func TestPostfixReceives(t *testing.T) {
	pair := lab.NewPair(t)
	p := startPostfix(t, pair.Server)
	for _, f := range families(pair) {
		t.Run(f.name, func(t *testing.T) {
			if err := sendMail(pair.Client, f.from, f.to, f.name); err != nil {
				t.Fatal(err)
			}
			h := delivered(t, p.mails, f.name)
			// Postfix names the client it has seen: [IPv6:…] for IPv6.
			if got := h.Get("Received"); !strings.Contains(got, f.from.String()+"]") {
				t.Errorf("Received = %q, want the client %s in it", got, f.from)
			}
		})
	}
}
