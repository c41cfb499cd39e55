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

// What the filters of the test go by: the subject. They are sure of both.
const (
	spamSubject = "cheap watches"
	hamSubject  = "minutes of the meeting"
)

// withLua are our Lua file's settings of a rspamd that sends verdicts.
func withLua(t *testing.T, verdicts string) map[string]string {
	t.Helper()
	lua, err := os.ReadFile(mailtest.RepoPath(t, "contrib", "rspamd", "mxprint.lua"))
	if err != nil {
		t.Fatal(err)
	}
	const setting = `verdicts = "", `
	if !strings.Contains(string(lua), setting) {
		t.Fatalf("mxprint.lua has no %q", setting)
	}
	return map[string]string{"rspamd.local.lua": strings.Replace(string(lua), setting, `verdicts = "`+verdicts+`", `, 1)}
}

// startRspamd starts rspamd as a milter, with more files in its folder.
func startRspamd(t *testing.T, ns *lab.NetNS, files map[string]string) {
	t.Helper()
	program := lab.NeedProgram(t, "rspamd")
	owner, err := user.Lookup("_rspamd")
	if err != nil {
		t.Fatal(err)
	}
	dir := mailtest.TempDir(t)
	state := filepath.Join(dir, "state")
	mailtest.MakeDir(t, state, owner)
	local := filepath.Join(dir, "local.d")
	mailtest.WriteFiles(t, local, map[string]string{
		"worker-proxy.inc":      "upstream \"local\" { self_scan = yes; }\n",
		"worker-normal.inc":     "enabled = false;\n",
		"worker-controller.inc": "enabled = false;\n",
		"logging.inc":           "type = \"console\";\n",
		"options.inc":           "url_tld = \"" + filepath.Join(local, "suffixes") + "\";\ndns { nameserver = \"127.0.0.1\"; timeout = 100ms; retransmits = 1; }\n",
		"suffixes":              "example\n",
		"actions.conf":          "reject = null;\nadd_header = 6;\ngreylist = null;\n",
		"multimap.conf": "SITE_SPAM { type = \"header\"; header = \"Subject\"; regexp = true; map = \"" + local + "/spam.map\"; score = 40; }\n" +
			"SITE_HAM { type = \"header\"; header = \"Subject\"; regexp = true; map = \"" + local + "/ham.map\"; score = -40; }\n",
		"spam.map": "/" + spamSubject + "/\n",
		"ham.map":  "/" + hamSubject + "/\n",
	})
	for name, text := range files {
		mailtest.WriteFiles(t, filepath.Dir(filepath.Join(dir, name)), map[string]string{filepath.Base(name): text})
	}
	p := mailtest.Start(t, "rspamd", ns.Command(context.Background(), program,
		"-f", "-c", "/etc/rspamd/rspamd.conf", "-u", owner.Username, "-g", owner.Username,
		"--var=LOCAL_CONFDIR="+dir, "--var=DBDIR="+state, "--var=RUNDIR="+state, "--var=LOGDIR="+state))
	p.WaitFor("milter port", func() bool { return mailtest.Listens(ns, netip.MustParseAddr("127.0.0.1"), 11332) })
}

// amavisConfig is amavisd.conf, with amavis's own directory, the mail's domain and
// SpamAssassin's folder to fill in: spam is marked, and everything is passed on.
const amavisConfig = `
use strict;
$daemon_user = 'amavis';
$daemon_group = 'amavis';
$max_servers = 1;
$MYHOME = '%[1]s';
$TEMPBASE = "$MYHOME/tmp";
$pid_file = "$MYHOME/amavisd.pid";
$lock_file = "$MYHOME/amavisd.lock";
$QUARANTINEDIR = undef;
$enable_db = 0;
$enable_zmq = 0;
$do_syslog = 0;
$log_level = 1;
$myhostname = 'mx.%[2]s';
$mydomain = '%[2]s';
@local_domains_maps = ( ["$mydomain"] );
@mynetworks = qw( 127.0.0.0/8 [::1] );
$inet_socket_bind = '127.0.0.1';
$inet_socket_port = 10024;
@inet_acl = qw( 127.0.0.1 );
$forward_method = 'smtp:[127.0.0.1]:10025';
$notify_method = $forward_method;
@bypass_virus_checks_maps = (1);
@bypass_banned_checks_maps = (1);
@bypass_header_checks_maps = (1);
@decoders = ();
$sa_tag_level_deflt = -999;
$sa_tag2_level_deflt = 6.2;
$sa_kill_level_deflt = 999;
$sa_local_tests_only = 1;
$sa_siteconfigpath = '%[3]s';
$final_spam_destiny = D_PASS;
1;
`

// amavisMaster has Postfix hand mails to amavis, and take them back where a milter
// of ours reads what SpamAssassin said: the recipe of docs/evidence.md.
func amavisMaster(t *testing.T) string {
	return "smtp-amavis unix - - n - 2 smtp\n  -o smtp_send_xforward_command=yes\n" +
		mailtest.Recipe(t, "evidence.md", "127.0.0.1:10025", "7826") + "  -o mynetworks=127.0.0.0/8\n"
}

// startAmavis starts amavis, which runs SpamAssassin.
func startAmavis(t *testing.T, ns *lab.NetNS) {
	t.Helper()
	program := lab.NeedProgram(t, "amavisd")
	lab.NeedProgram(t, "spamassassin")
	owner, err := user.Lookup("amavis")
	if err != nil {
		t.Fatal(err)
	}
	dir := mailtest.TempDir(t)
	home, rules := filepath.Join(dir, "home"), filepath.Join(dir, "rules")
	mailtest.MakeDir(t, home, owner)
	mailtest.MakeDir(t, filepath.Join(home, "tmp"), owner)
	if err := os.CopyFS(rules, os.DirFS("/etc/spamassassin")); err != nil {
		t.Fatal(err)
	}
	mailtest.WriteFiles(t, rules, map[string]string{"site.cf": "use_bayes 0\nheader SITE_SPAM Subject =~ /" + spamSubject + "/\nscore SITE_SPAM 40\n" +
		"header SITE_HAM Subject =~ /" + hamSubject + "/\nscore SITE_HAM -40\n"})
	mailtest.WriteFiles(t, dir, map[string]string{"amavisd.conf": fmt.Sprintf(amavisConfig, home, mailtest.Domain, rules)})
	p := mailtest.Start(t, "amavis", ns.Command(context.Background(), program, "-c", filepath.Join(dir, "amavisd.conf"), "foreground"))
	p.WaitFor("SMTP", func() bool { return mailtest.Listens(ns, netip.MustParseAddr("127.0.0.1"), 10024) })
}
