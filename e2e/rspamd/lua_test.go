//go:build linux

package rspamd

import (
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/mxprint/mxprint/internal/test/lab"
	"github.com/mxprint/mxprint/internal/test/mailtest"
)

// luaFiles are what contrib/rspamd/mxprint.lua needs in rspamd's local.d; it
// asks at socket.
func luaFiles(t *testing.T, socket string) map[string]string {
	t.Helper()
	lua, err := os.ReadFile(mailtest.RepoPath(t, "contrib", "rspamd", "mxprint.lua"))
	if err != nil {
		t.Fatal(err)
	}
	const at = `socket = "/run/mxprint/query.sock", --`
	if !strings.Contains(string(lua), at) {
		t.Fatalf("mxprint.lua has no %q", at)
	}
	// A socket as a setting, which would stand in rspamd.conf.local beside Debian's files.
	text := strings.Replace(string(lua), at, `socket = "`+socket+`", --`, 1)
	return map[string]string{"rspamd.lua": text} // which rspamd loads by itself, as rspamd.local.lua
}

// symbols are those of ours that a mail got.
func symbols(t *testing.T, mails, id string) string {
	t.Helper()
	h := mailtest.Delivered(t, mails, id)
	return strings.Join(regexp.MustCompile(`MXPRINT\w*\([0-9.]+\)`).FindAllString(h.Get("X-Spamd-Result"), -1), " ")
}

// TestLua has rspamd read the milter's header, and ask the socket: the client
// that sends blind gets its symbol, another does not, and without a sensor mails
// go on.
func TestLua(t *testing.T) {
	for _, way := range []struct{ name, milters string }{
		{"header", "{ inet:127.0.0.1:7825, connect_timeout=5s, command_timeout=5s, content_timeout=5s, default_action=accept }, " + rspamdMilter},
		{"socket", rspamdMilter},
	} {
		t.Run(way.name, func(t *testing.T) {
			pair := lab.NewPair(t)
			dir := mailtest.TempDir(t)
			sensor := mailtest.StartServe(t, pair.Server, dir, mailtest.SMTP, "[milter]", `listen = ["127.0.0.1:7825"]`, `form = "full"`, mailtest.LongDeadline)
			startRspamdWith(t, pair.Server, "/nonexistent/p0f.sock", "1s", luaFiles(t, filepath.Join(dir, "query.sock")))
			p := mailtest.StartPostfix(t, pair.Server, "smtpd_milters = "+way.milters, "milter_default_action = tempfail", "milter_content_timeout = 60s",
				"milter_connect_timeout = 5s", "milter_command_timeout = 5s")
			checkSymbols(t, pair, p.Mails)
			sensor.Signal(syscall.SIGSTOP)
			without(t, pair, p.Mails, "stalled")
			sensor.Signal(syscall.SIGCONT)
			sensor.Stop()
			without(t, pair, p.Mails, "stopped")
		})
	}
}

func checkSymbols(t *testing.T, pair *lab.Pair, mails string) {
	t.Helper()
	for id, send := range map[string]func(*lab.NetNS, netip.Addr, netip.Addr, string) error{"usual": mailtest.SendMail, "blind": mailtest.SendBlind} {
		if err := send(pair.Client, pair.Client.IPv4, pair.Server.IPv4, id); err != nil {
			t.Fatal(err)
		}
		got := symbols(t, mails, id)
		t.Logf("%s: %s", id, got)
		if !strings.Contains(got, "MXPRINT(0.00)") || !strings.Contains(got, "MXPRINT_LINUX(0.00)") || strings.Contains(got, "MXPRINT_WINDOWS") {
			t.Errorf("%s: symbols %q, want MXPRINT and MXPRINT_LINUX, and none of Windows", id, got)
		}
		if want := id == "blind"; strings.Contains(got, "MXPRINT_PIPELINING(0.00)") != want {
			t.Errorf("%s: symbols %q, want MXPRINT_PIPELINING: %v", id, got, want)
		}
	}
}

// without sends a mail while no sensor answers: it comes at once, and without a
// symbol.
func without(t *testing.T, pair *lab.Pair, mails, id string) {
	t.Helper()
	start := time.Now()
	if err := mailtest.SendMail(pair.Client, pair.Client.IPv4, pair.Server.IPv4, id); err != nil {
		t.Fatal(err)
	}
	if d := time.Since(start); d > 20*time.Second {
		t.Errorf("%s: the mail took %v", id, d)
	}
	if got := symbols(t, mails, id); got != "" {
		t.Errorf("%s: symbols %q, want none of ours", id, got)
	}
}
