//go:build linux

package site

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"os/user"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mxprint/mxprint/internal/test/lab"
	"github.com/mxprint/mxprint/internal/test/mailtest"
)

// dovecotConfig is what dovecot.conf has beside the recipe of docs/evidence.md:
// IMAP on loopback for anyone, with Postfix's own mailbox. The test's directory,
// the mailbox, and the numbers of its owner are to fill in.
const dovecotConfig = `
base_dir = %[1]s/run
state_dir = %[1]s/run
log_path = /dev/stderr
protocols = imap
listen = 127.0.0.1
ssl = no
disable_plaintext_auth = no
first_valid_uid = 1
first_valid_gid = 1
mail_location = maildir:%[2]s
passdb {
  driver = static
  args = nopassword=y
}
userdb {
  driver = static
  args = uid=%[3]s gid=%[4]s home=%[1]s/home
}
namespace inbox {
  inbox = yes
  mailbox Junk {
    auto = subscribe
  }
}
`

// startDovecot starts Dovecot with the recipe of docs/evidence.md: imapsieve runs
// a script when a user moves a mail, and that has mxprint learn it.
func (s *site) startDovecot(t *testing.T) {
	t.Helper()
	program := lab.NeedProgram(t, "dovecot")
	if imap := "/usr/lib/dovecot/imap"; !mailtest.Exists(imap) {
		lab.Skip(t, "needs "+imap+", of Debian's dovecot-imapd")
	}
	owner, err := user.Lookup("postfix") // whose the mailbox is
	if err != nil {
		t.Fatal(err)
	}
	dir := mailtest.TempDir(t)
	scripts := filepath.Join(dir, "sieve")
	mailtest.MakeDir(t, filepath.Join(dir, "run"), nil)
	mailtest.MakeDir(t, filepath.Join(dir, "home"), owner)
	mailtest.WriteFiles(t, scripts, map[string]string{
		"mxprint-learn": strings.ReplaceAll(mailtest.Recipe(t, "evidence.md", "#!/bin/sh", "mxprint learn"), "exec mxprint learn",
			"exec "+filepath.Join(mailtest.BinDir, "mxprint")+" learn -s "+s.socket),
		"spam.sieve": mailtest.Recipe(t, "evidence.md", `mxprint-learn" ["spam"]`),
		"ham.sieve":  mailtest.Recipe(t, "evidence.md", `mxprint-learn" ["ham"]`),
	})
	if err := os.Chmod(filepath.Join(scripts, "mxprint-learn"), 0o755); err != nil {
		t.Fatal(err)
	}
	recipe := strings.ReplaceAll(mailtest.Recipe(t, "evidence.md", "imapsieve_mailbox1_name"), "/usr/local/lib/dovecot/sieve", scripts)
	recipe = strings.ReplaceAll(recipe, "mail_access_groups = mxprint", "mail_access_groups = mail") // the test has no such group
	config := filepath.Join(dir, "dovecot.conf")
	mailtest.WriteFiles(t, dir, map[string]string{"dovecot.conf": fmt.Sprintf(dovecotConfig, dir, s.mails, owner.Uid, owner.Gid) + recipe})
	for _, name := range []string{"spam.sieve", "ham.sieve"} {
		if out, err := s.pair.Server.Command(t.Context(), lab.NeedProgram(t, "sievec"), "-c", config, filepath.Join(scripts, name)).CombinedOutput(); err != nil {
			t.Fatalf("sievec %s: %v\n%s", name, err, out)
		}
	}
	p := mailtest.Start(t, "dovecot", s.pair.Server.Command(context.Background(), program, "-F", "-c", config))
	p.WaitFor("IMAP", func() bool { return mailtest.Listens(s.pair.Server, netip.MustParseAddr("127.0.0.1"), 143) })
}

// move has a user move a mail as a mail program does: spam to Junk; ham, which a
// filter put there, back to the inbox.
func (s *site) move(t *testing.T, id, word string) {
	t.Helper()
	cmd := s.pair.Server.Command(t.Context(), lab.NeedProgram(t, "python3"), "-c", `import imaplib, sys
id, word = sys.argv[1:]
imaplib.Commands["MOVE"] = ("SELECTED",)
m = imaplib.IMAP4("127.0.0.1")
def do(answer):
    if answer[0] != "OK":
        sys.exit("%r" % (answer,))
    return answer[1]
def find(box):
    do(m.select(box))
    return do(m.uid("SEARCH", "HEADER", "X-Test-Id", id))[0].split()[0].decode()
do(m.login("user", "any"))
if word == "ham":
    do(m.append("Junk", None, None, do(m.uid("FETCH", find("INBOX"), "(RFC822)"))[0][1]))
    do(m.uid("MOVE", find("Junk"), "INBOX"))
else:
    do(m.uid("MOVE", find("INBOX"), "Junk"))
m.logout()`, id, word)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("moving %s: %v\n%s", id, err, out)
	}
}
