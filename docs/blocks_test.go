package docs

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/mxprint/mxprint/event"
	"github.com/mxprint/mxprint/internal/config"
	core "github.com/mxprint/mxprint/internal/signature"
	"github.com/mxprint/mxprint/note"
	"github.com/mxprint/mxprint/packet"
)

// block is a fenced or indented block of a page.
type block struct {
	page, text string
	line       int
}

func (b *block) String() string { return fmt.Sprintf("%s:%d", b.page, b.line) }

// first is the first line.
func (b *block) first() string { line, _, _ := strings.Cut(b.text, "\n"); return line }

var fence, code = regexp.MustCompile("^ *```"), regexp.MustCompile(`^    `)

// blocksOf finds the blocks of a page, without their indentation.
func blocksOf(page, text string) (all []*block) {
	lines := strings.Split(text, "\n")
	for i := 0; i < len(lines); i++ {
		begin, end := i, i
		switch {
		case fence.MatchString(lines[i]):
			for begin, end = i+1, i+1; !fence.MatchString(lines[end]); end++ {
			}
			i = end
		case code.MatchString(lines[i]) && (i == 0 || lines[i-1] == ""):
			for end < len(lines) && (code.MatchString(lines[end]) || lines[end] == "") {
				end++
			}
			i = end - 1
		default:
			continue
		}
		all = append(all, &block{page, dedent(lines[begin:end]), begin + 1})
	}
	return all
}

func dedent(lines []string) string {
	indent := lines[0][:len(lines[0])-len(strings.TrimLeft(lines[0], " "))]
	var b strings.Builder
	for _, line := range lines {
		b.WriteString(strings.TrimPrefix(line, indent) + "\n")
	}
	return strings.Trim(b.String(), "\n") + "\n"
}

// shown is where a block is held to the program, or why it is not.
type shown struct {
	test  string   // the file, with words that stand in the block and in that file
	words []string // at least one
	why   string   // instead: no test can have it
}

func in(test string, words ...string) shown { return shown{test: "../" + test, words: words} }

// elsewhere are blocks that no kind below takes, by page and how they begin.
var elsewhere = map[string]shown{
	"README.md\n$ make demo":                   in("docs/examples_test.go", "$ make demo"),
	"README.md\n[main]":                        in("e2e/haraka/haraka_test.go", "socket_path=", "add_header=X-p0f-Result"),
	"README.md\nsmtpd_milters":                 {why: "postfix.md's line, which e2e/postfix runs; TestBlocks compares them"},
	"architecture.md\nframes ":                 {why: "a drawing of the picture below it, which TestPicture compares"},
	"architecture.md\nnote  packet":            in("docs/architecture_test.go", ""),
	"amavis.md\n$os_fingerprint_method":        in("e2e/amavis/amavis_test.go", "$os_fingerprint_method = 'p0f:"),
	"amavis.md\nsmtp-amavis unix":              in("e2e/amavis/amavis_test.go", "smtp_send_xforward_command=yes", "no_header_body_checks"),
	"amavis.md\ncontent_filter":                in("e2e/amavis/amavis_test.go", "content_filter = smtp-amavis:["),
	"amavis.md\n/^X-Amavis-OS-Fingerprint":     in("e2e/amavis/amavis_test.go", "/^X-Amavis-OS-Fingerprint[ \\t]*:/ IGNORE"),
	"amavis.md\nX-Amavis-OS-Fingerprint":       in("e2e/amavis/amavis_test.go", "X-Amavis-OS-Fingerprint: "),
	"amavis.md\nLinux 6.16 and newer":          in("internal/front/amavis/amavis_test.go", "dist: "),
	"amavis.md\nheader   OS_WINDOWS":           {why: "a rule of SpamAssassin, which e2e/spamassassin runs with policy.md's header"},
	"CONTRIBUTING.md\npacket signature":        {why: "a list of folders"},
	"balancer.md\nclient ──25──▶":              {why: "a drawing"},
	"balancer.md\n10025 inet":                  in("e2e/postfix/relay_test.go", "smtpd_upstream_proxy_protocol=haproxy"),
	"balancer.md\nlisten smtp":                 in("e2e/balancer/balancer_test.go", "listen smtp", "send-proxy-v2"),
	"balancer.md\nstream {":                    in("e2e/balancer/balancer_test.go", "stream {", "proxy_protocol on"),
	"balancer.md\nfrontend smtp":               {why: "HAProxy 3.4, which Debian does not have yet; what it writes is decoded below it"},
	"balancer.md\nssh -nNT":                    {why: "OpenSSH's options; the socket is query.md's"},
	"clickhouse.md\nSELECT sensor":             in("internal/export/clickhouse_test.go", ""),
	"clickhouse.md\nALTER TABLE":               {why: "what mxprint forget has ClickHouse do, which TestClickHouse runs"},
	"evidence.md\n{\"id\":":                    in("internal/verdict/verdict_test.go", `"abcdefghijklmnopqrst"`, `"threshold":6`, `"verdict":"spam"`),
	"score.md\ncd tools/dialectlab":            {why: "a test of a module of its own"},
	"dialect.md\noffer=":                       {why: "fingerprints, which TestDialects reads"},
	"dialect.md\n[smtp:client]":                {why: "lines of the language, which TestDialects reads"},
	"add-a-program.md\ntcpdump":                {why: "tcpdump's options; internal/sender reads what it writes"},
	"add-a-program.md\nhello=":                 {why: "two dialects, which TestAddAProgram matches with the signature below them"},
	"add-a-program.md\nsig = ":                 {why: "a signature, which TestAddAProgram reads"},
	"query.md\nask full":                       in("query/heard_test.go", "ask full wait=0", "verbs=EHLO,STARTTLS,EHLO,MAIL,RCPT,DATA", "helo=mx.example.org"),
	"exim.md\ndeny":                            {why: "a sketch that the page warns of"},
	"glossary.md\ncannot create":               {why: "a pattern of messages"},
	"go.md\nln, err :=":                        in("savedsyn/example_test.go", "savedsyn.Listen", "savedsyn.Fingerprint"),
	"go.md\ntype Lookuper interface":           in("note/note.go", "Lookup(ctx context.Context, q Query) (Note, error)"),
	"haraka.md\nnpm install haraka-plugin-p0f": in("internal/test/parts/haraka/package.json", "haraka-plugin-p0f"),
	"haraka.md\nX-Haraka-Karma":                in("e2e/haraka/haraka_test.go", "X-Haraka-Karma"),
	"haraka.md\n[main]":                        in("e2e/haraka/haraka_test.go", "socket_path=", "add_header=X-p0f-Result"),
	"haraka.md\nnpm install /usr/share":        in("contrib/haraka-plugin-mxprint/README.md", "haraka-plugin-mxprint", "npm install "),
	"haraka.md\nX-p0f-Result":                  in("e2e/haraka/haraka_test.go", "X-p0f-Result"),
	"observe.md\ndegraded: mxprint":            in("internal/status/print.go", "SOURCE", "FRONT", "look-ups", "hosts", "waits for a restart"),
	"observe.md\n1. SYNs to mail ports":        in("e2e/observe/doctor_test.go", "took none"),
	"observe.md\nrule_files":                   in("e2e/observe/prometheus_test.go", "rule_files"),
	"qpsmtpd.md\nident/p0f":                    {why: "qpsmtpd is not in Debian; TestV2OfQpsmtpd asks as its plugin does"},
	"qpsmtpd.md\nperl -MSocket":                in("p0f/v2_test.go", "sockaddr_un"),
	"query.md\n[FORM]":                         in("query/request_test.go", "wait="),
	"query.md\n# printf":                       in("cmd/mxprint/testdata/root/status.txtar", ""),
	"query.md\n(echo token":                    in("e2e/packages/systemd_test.go", "s_client"),
	"policy.md\ndofile":                        in("e2e/rspamd/lua_test.go", "mxprint.lua"),
	"policy.md\ngroup \"mxprint\"":             {why: "rspamd's groups; e2e/rspamd runs the symbols of the module"},
	"policy.md\nscore MXPRINT_EARLY_TALKER":    in("contrib/spamassassin/mxprint.cf", "MXPRINT_EARLY_TALKER"),
	"policy.md\n[rules]":                       in("contrib/haraka-plugin-mxprint/README.md", "early_talker=", "denysoft"),
	"web.md\n(umask 077":                       {why: "the shell and openssl; the file is read by the tests of internal/web"},
	"policy.md\nsmtpd_recipient_restrictions":  {why: "Postfix's way to ask a policy service, as in postfix.md, whose lines e2e/postfix runs"},
	"proxy.md\n10026 inet":                     in("e2e/balancer/proxy_test.go", "smtpd_authorized_xclient_hosts"),
	"replacing-p0f.md\nmxprint: listening on":  in("internal/serve/unix.go", "the socket is in use by a running daemon"),
	"replacing-p0f.md\n$ p0f -i any":           in("internal/daemon/standin.go", "[+] Intercepting traffic on ", "[+] Custom filtering rule enabled: ", "[+] Entered main event loop."),
	"replacing-p0f.md\nenabled = true;":        in("e2e/rspamd/rspamd_test.go", "LINUX_HOST"),
	"replacing-p0f.md\nP0F(0.00)":              {why: "rspamd's own log; TestRspamd wants the symbol"},
	"replacing-p0f.md\nX-OS-Fingerprint":       in("e2e/rspamd/rspamd_test.go", "X-OS-Fingerprint"),
	"rspamd.md\nenabled = true;":               in("e2e/rspamd/rspamd_test.go", "LINUX_HOST"),
	"rspamd.md\nX-OS-Fingerprint":              in("e2e/rspamd/rspamd_test.go", "X-OS-Fingerprint"),
	"rspamd.md\nuse = [":                       in("e2e/rspamd/rspamd_test.go", "x-os-fingerprint"),
	"privileges.md\n$ grep -E":                 in("cmd/mxprint/confine_linux_test.go", "CapAmb", "CapEff", "NoNewPrivs"),
	"signatures.md\n[tcp:request]":             {why: "lines of the language, which TestBlocks parses"},
	"signatures.md\nsig = version":             {why: "the form that the section explains"},
	"signatures.md\nwindow = min":              {why: "a formula"},
	"signatures.md\n# mxprint sendsyn":         in("internal/probe/probe.go", "mss", "ws"),
}

// kinds are the blocks that a function checks, the first that takes one.
var kinds = []struct {
	name  string
	takes func(*block) bool
	check func(*testing.T, *block)
}{
	{"of another test", func(b *block) bool { _, ok := b.elsewhere(); return ok }, func(t *testing.T, b *block) { b.checkElsewhere(t) }},
	{"recipe", (*block).isRecipe, func(*testing.T, *block) {}}, // its test reads the page
	{"JSON", func(b *block) bool { return strings.Contains(b.text, "\n{\"") || strings.HasPrefix(b.text, "{\"") }, checkJSON},
	{"header", func(b *block) bool { return strings.HasPrefix(b.text, "X-p0f-Result: ") }, checkHeader},
	{"transcript", func(b *block) bool { return strings.HasPrefix(b.text, "$ ") || strings.HasPrefix(b.text, "# ") }, checkTranscript},
	{"configuration", func(b *block) bool { return ourSections.MatchString(b.text) }, checkConfig},
	{"commands", func(b *block) bool { return true }, checkCommands},
}

// TestBlocks: each block of each page is produced, parsed or run by a test, or
// has a reason why not.
func TestBlocks(t *testing.T) {
	count := map[string]int{}
	for _, path := range documents(t) {
		for _, b := range blocksOf(strings.TrimPrefix(path, "../"), read(t, path)) {
			for _, kind := range kinds {
				if kind.takes(b) {
					count[kind.name]++
					kind.check(t, b)
					break
				}
			}
		}
	}
	for _, kind := range kinds {
		if count[kind.name] == 0 {
			t.Errorf("there is no block of the kind %s", kind.name)
		}
	}
	for key := range elsewhere {
		if !usedElsewhere[key] {
			t.Errorf("no page has a block that begins so: %q", key)
		}
	}
	t.Log(count)
}

var usedElsewhere = map[string]bool{}

func (b *block) elsewhere() (shown, bool) {
	for key, s := range elsewhere {
		if strings.HasPrefix(b.page+"\n"+b.text, key) {
			usedElsewhere[key] = true
			return s, true
		}
	}
	return shown{}, false
}

func (b *block) checkElsewhere(t *testing.T) {
	s, _ := b.elsewhere()
	if s.why != "" {
		return
	}
	file := read(t, s.test)
	for _, word := range s.words {
		if !strings.Contains(b.text, word) || !strings.Contains(file, word) {
			t.Errorf("%s: %q stands not in both, the block and %s", b, word, s.test)
		}
	}
}

// recipeCall is how a test reads a block of a page (internal/test/mailtest).
var recipeCall = regexp.MustCompile("(?:Recipe|dropIn)\\(\\w+, (?:m, )?\"([a-z0-9-]+\\.md)\", ((?:(?:\"(?:[^\"\\\\]|\\\\.)*\"|`[^`]*`)(?:, )?)+)\\)")

// recipes are the words by which tests read blocks, by page.
var recipes = func() map[string][][]string {
	all := map[string][][]string{}
	files, _ := filepath.Glob("../e2e/*/*_test.go")
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			panic(err)
		}
		for _, m := range recipeCall.FindAllStringSubmatch(string(text), -1) {
			var words []string
			for _, literal := range regexp.MustCompile("\"(?:[^\"\\\\]|\\\\.)*\"|`[^`]*`").FindAllString(m[2], -1) {
				word, err := strconv.Unquote(literal)
				if err != nil {
					panic(err)
				}
				words = append(words, strings.TrimSpace(word))
			}
			all[m[1]] = append(all[m[1]], words)
		}
	}
	return all
}()

func (b *block) isRecipe() bool {
	return slices.ContainsFunc(recipes[b.page], func(words []string) bool {
		return !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(b.text, w) })
	})
}

// checkJSON wants what the program makes of the same facts, to the byte. A raw
// signature is matched again.
func checkJSON(t *testing.T, b *block) {
	for line := range strings.Lines(b.text) {
		switch {
		case strings.HasPrefix(line, `{"state":`):
			var n note.Note
			if err := json.Unmarshal([]byte(line), &n); err != nil {
				t.Errorf("%s: %v", b, err)
			} else if again, err := json.Marshal(n); err != nil || string(again) != strings.TrimSpace(line) {
				t.Errorf("%s shows\n%s, a note is\n%s (%v)", b, line, again, err)
			}
		case strings.HasPrefix(line, "{"):
			checkObservation(t, b, line)
		}
	}
}

func checkObservation(t *testing.T, b *block, line string) {
	t.Helper()
	var w struct {
		Time                            time.Time
		Module, Client, Server, Subject string
		OS, App                         *struct{ Name, Flavor string }
		Matched                         bool
		Quality                         string
		Distance, DSCP                  int
		AtMost                          bool     `json:"distance_at_most"`
		RawSig                          string   `json:"raw_sig"`
		Or                              []string `json:"os_or"`
		Link                            string
		MTU                             int
		Uptime                          uint32  `json:"uptime_min"`
		ModDays                         uint32  `json:"up_mod_days"`
		Frequency                       float64 `json:"frequency_hz"`
		Reasons                         []string
		Hits                            [4]int
	}
	if err := json.Unmarshal([]byte(line), &w); err != nil {
		t.Errorf("%s: %v", b, err)
		return
	}
	o := event.Observation{
		At: w.Time.UnixMicro(), Client: netip.MustParseAddrPort(w.Client), Server: netip.MustParseAddrPort(w.Server),
		MTU: w.MTU, Link: w.Link, UptimeMin: w.Uptime, ModDays: w.ModDays, Frequency: w.Frequency, Clock: note.ClockRandom,
		Hits: w.Hits, RawSig: []byte(w.RawSig), Distance: w.Distance,
	}
	for m := range event.Module(event.Modules) {
		if m.String() == w.Module {
			o.Module = m
		}
	}
	if w.Subject == "server" {
		o.Role = event.Server
	}
	for r := event.Reasons(1); r != 0; r <<= 1 {
		for name := range r.All {
			if slices.Contains(w.Reasons, name) {
				o.Reasons |= r
			}
		}
	}
	o.System.Matched = w.Matched
	for _, named := range []*struct{ Name, Flavor string }{w.OS, w.App} {
		if named != nil {
			o.System.App, o.System.Name, o.System.Flavor = named == w.App, named.Name, named.Flavor
		}
	}
	for q := range note.Quality(8) {
		if w.Quality != "" && q.String() == w.Quality {
			o.System.Quality = q
			break
		}
	}
	o.System.RandomTTL, o.System.Others, o.Segment.DSCP = w.AtMost, w.Or, uint8(w.DSCP)
	got, err := o.AppendJSON(nil)
	if err != nil || !bytes.Equal(bytes.TrimSpace(got), []byte(strings.TrimSpace(line))) {
		t.Errorf("%s shows\n%s, mxprint writes\n%s (%v)", b, line, got, err)
	}
	if !o.Module.Fingerprint() {
		return
	}
	s, err := core.ParseRaw(w.RawSig)
	if err != nil {
		t.Errorf("%s: %v", b, err)
		return
	}
	dir := core.Request
	if s.Type = packet.SYN; o.Module == event.SYNACK {
		s.Type, dir = packet.SYNACK, core.Response
	}
	m := core.Builtin().Match(dir, &s, 0)
	if (m.Sig != nil) != w.Matched || m.Sig != nil && (m.Sig.Label.Name != o.System.Name || m.Sig.Label.Flavor != o.System.Flavor) {
		t.Errorf("%s: %s matches %+v today, and the page shows %+v", b, w.RawSig, m.Sig, o.System)
	}
}

// checkHeader wants a header that note.Header writes, of a system in the
// database.
func checkHeader(t *testing.T, b *block) {
	titles := map[string]bool{}
	for _, e := range core.Builtin().Entries() {
		if e.Label != nil {
			titles[e.Label.Title()] = true
		}
	}
	form := regexp.MustCompile(`^X-p0f-Result: (os="([^"]+)" link_type="([^"]*)" distance=(\d+) total_conn=(\d+) shared_ip=([YN]))$`)
	for line := range strings.Lines(b.text) {
		m := form.FindStringSubmatch(strings.TrimSpace(line))
		if m == nil {
			t.Errorf("%s shows a header that is not written so: %s", b, line)
			continue
		}
		hops, _ := strconv.Atoi(m[4])
		total, _ := strconv.Atoi(m[5])
		n := note.Note{State: note.Matched, OSName: m[2], LinkType: m[3], Distance: note.Hops(hops), TotalConn: uint32(total)}
		if m[6] == "Y" {
			n.LastNAT = time.Now()
		}
		if n.Header() != m[1] || !titles[m[2]] {
			t.Errorf("%s shows %s, and a header is %s; in the database: %v", b, m[1], n.Header(), titles[m[2]])
		}
	}
}

// checkTranscript wants it among those that TestF18Examples produces.
func checkTranscript(t *testing.T, b *block) {
	_, command, _ := strings.Cut(b.first(), " ")
	for _, e := range examples {
		if e.page == b.page && strings.HasPrefix(command, e.line) {
			return
		}
	}
	t.Errorf("%s: no test produces what $ %s prints", b, command)
}

var ourSections = regexp.MustCompile(`(?m)^\[(sensor|signatures|limits|p0f|query|milter|policy|amavis|proxy|http|store|export|log)\]$`)

// checkConfig has the configuration read. What belongs to a section that the
// page shows elsewhere is given.
func checkConfig(t *testing.T, b *block) {
	text := b.text
	path := filepath.Join(t.TempDir(), "mxprint.toml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := config.Load(path); err != nil {
		t.Errorf("%s: %v", b, err)
	}
}

// shell are the commands that pages have an operator type, beside ours.
var shell = []string{
	"install", "ln", "cp", "useradd", "systemctl", "openssl", "chmod", "rspamadm", "make", "go", "dpkg", "man", "source", "setcap", "curl",
	".ci/run", "postconf", "postfix", "tail", "npm", "ssh", "chown", "echo", "sed", "bpftool", "p0f", "kill", "smtpd_milters", "|",
}

// checkCommands wants commands that exist: ours with options that they take,
// files of ours that are there.
func checkCommands(t *testing.T, b *block) {
	for line := range strings.Lines(b.text) {
		line, _, _ = strings.Cut(strings.TrimRight(line, "\n"), "  ") // a remark
		for part := range strings.SplitSeq(strings.ReplaceAll(line, "&&", ";"), ";") {
			words := strings.Fields(strings.TrimPrefix(part, "sudo "))
			switch {
			case len(words) == 0 || strings.HasPrefix(line, " "):
			case words[0] == "mxprint":
				checkOurs(t, b, words[1:])
			case words[0] == "go" && words[1] == "run":
				if _, err := os.Stat("../" + words[2]); err != nil {
					t.Errorf("%s: %v", b, err)
				}
			case !slices.Contains(shell, words[0]):
				t.Errorf("%s: no test takes this block (mailtest.Recipe reads one; elsewhere, in blocks_test.go, names a test or a reason): %s", b, part)
			}
			for _, word := range words {
				if strings.HasPrefix(word, "contrib/") {
					if _, err := os.Stat("../" + word); err != nil {
						t.Errorf("%s: %v", b, err)
					}
				}
				if name, ours := strings.CutPrefix(word, "/usr/share/mxprint/"); ours && !strings.Contains(read(t, "../contrib/packages/nfpm.yaml"), filepath.Dir(name)) {
					t.Errorf("%s: the packages do not have %s", b, word)
				}
			}
		}
	}
}

// checkOurs wants a subcommand that has the options.
func checkOurs(t *testing.T, b *block, words []string) {
	t.Helper()
	if len(words) == 0 || strings.Contains(words[0], "-h") {
		return
	}
	help, err := exec.Command(shared(t), "help", words[0]).Output()
	if err != nil {
		t.Errorf("%s: mxprint %s: %v", b, words[0], err)
	}
	for _, word := range words[1:] {
		if word == "|" || strings.HasPrefix(word, "'") || strings.HasPrefix(word, "#") || strings.HasPrefix(word, ">") {
			return
		}
		if option, _, _ := strings.Cut(word, "="); len(option) > 1 && option[0] == '-' && !strings.Contains(string(help), option) {
			t.Errorf("%s: mxprint %s has no option %s", b, words[0], option)
		}
	}
}
