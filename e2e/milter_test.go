//go:build linux

package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"net/smtp"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/mxprint/mxprint/internal/test/lab"
)

// milterBound is the longest that the recipe of docs/postfix.md lets a mail wait
// for a milter that is stopped: Postfix asks no more after the first time limit.
const milterBound = 1 * time.Second

// A patience makes the lines of a recipe what they are in a test. A mail goes
// on without a header when its time is over, so that a machine which stands
// still for a moment would fail each test that wants a header in every mail:
// those ask with patience. Tests of the time limits take them asWritten, and
// may not want every header.
type patience func(lines string) string

func asWritten(lines string) string { return lines }

// patient replaces the time limits of mail servers; it fits all recipes.
func patient(lines string) string {
	return recipeTimes.ReplaceAllString(lines, "${1}60s")
}

var recipeTimes = regexp.MustCompile(`(timeout=|[CSRE]:|}\{)[12]s\b`)

// startMilter starts the sensor with the milter of the page in docs, which
// waits for the sensor for as long as can be.
func startMilter(t testing.TB, ns *lab.NetNS, page string, config ...string) *process {
	t.Helper()
	return startServe(t, ns, tempDir(t), append([]string{recipe(t, page, "[milter]"), longDeadline}, config...)...)
}

const longDeadline = `deadline = "10s"`

// startMilterPostfix starts Postfix with the lines of docs/postfix.md.
func startMilterPostfix(t testing.TB, ns *lab.NetNS, times patience) *postfix {
	t.Helper()
	return startPostfix(t, ns, times(recipe(t, "postfix.md", "smtpd_milters")))
}

// A client is an SMTP client with a connection of its own.
type client struct {
	*smtp.Client
	conn net.Conn
}

// dialSMTP connects from the address from in ns, and says EHLO.
func dialSMTP(t testing.TB, ns *lab.NetNS, from, to netip.Addr) *client {
	t.Helper()
	var conn net.Conn
	d := net.Dialer{Timeout: mailTimeout, LocalAddr: &net.TCPAddr{IP: from.AsSlice()}}
	err := ns.Do(func() (err error) {
		conn, err = d.Dial("tcp", netip.AddrPortFrom(to, 25).String())
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(mailTimeout))
	c, err := smtp.NewClient(conn, domain)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Hello("client.source.example"); err != nil {
		t.Fatal(err)
	}
	return &client{c, conn}
}

// send sends a mail with more lines at the head of its header.
func (c *client) send(id string, header ...string) error {
	return c.sendTo(id, []string{recipient}, header...)
}

func (c *client) sendTo(id string, to []string, header ...string) error {
	if err := c.Mail(sender); err != nil {
		return err
	}
	for _, r := range to {
		if err := c.Rcpt(r); err != nil {
			return err
		}
	}
	w, err := c.Data()
	if err != nil {
		return err
	}
	fmt.Fprint(w, mailText(id, header...))
	return w.Close()
}

// mailText is a mail with an id as the others of these tests.
func mailText(id string, header ...string) string {
	var b strings.Builder
	for _, h := range header {
		b.WriteString(h + "\r\n")
	}
	fmt.Fprintf(&b, "From: <%s>\r\nTo: <%s>\r\nSubject: test\r\nDate: %s\r\nMessage-ID: <%s@source.example>\r\nX-Test-Id: %s\r\n\r\nHello.\r\n",
		sender, recipient, time.Now().Format(time.RFC1123Z), id, id)
	return b.String()
}

// headerLines waits for the mail with this id below dir and returns its header
// as it stands, a field with its folded lines an element.
func headerLines(t testing.TB, dir, id string) []string {
	t.Helper()
	return headersOf(t, dir, []string{id})[id]
}

// headersOf is headerLines for many mails, by id. It reads each file once.
func headersOf(t testing.TB, dir string, ids []string) map[string][]string {
	t.Helper()
	all, read := map[string][]string{}, map[string]bool{}
	for end := time.Now().Add(mailTimeout); ; time.Sleep(20 * time.Millisecond) {
		if err := readHeaders(dir, all, read); err != nil {
			t.Fatal(err)
		}
		missing := slices.IndexFunc(ids, func(id string) bool { return all[id] == nil })
		if missing < 0 {
			return all
		}
		if time.Now().After(end) {
			t.Fatalf("mail %s did not arrive below %s", ids[missing], dir)
		}
	}
}

var testID = regexp.MustCompile(`(?m)^X-Test-Id: (\S+)$`)

// readHeaders adds the headers of the mails below dir to all, and their files
// to read; those it leaves out.
func readHeaders(dir string, all map[string][]string, read map[string]bool) error {
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil || d.IsDir() || read[path] {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return nil // moved meanwhile
		}
		head, _, whole := strings.Cut(strings.ReplaceAll(string(text), "\r\n", "\n"), "\n\n")
		if id := testID.FindStringSubmatch(head); whole && id != nil {
			all[id[1]], read[path] = fields(head), true
		}
		return nil
	})
}

func fields(head string) []string {
	var f []string
	for _, line := range strings.Split(head, "\n") {
		if len(f) > 0 && line != "" && (line[0] == ' ' || line[0] == '\t') {
			f[len(f)-1] += "\n" + line
			continue
		}
		f = append(f, line)
	}
	return f
}

// ourHeader is how a reader of mails may come upon a header of ours.
var ourHeader = regexp.MustCompile(`(?i)^x-p0f-result[ \t]*:`)

// results are the fields of that name, and wrong says what is wrong with them
// for a mail from this machine's kernel: there must be one, and it ours.
func results(lines []string) (got []string, wrong string) {
	for _, l := range lines {
		if ourHeader.MatchString(l) {
			got = append(got, l)
		}
	}
	switch {
	case len(got) != 1:
		return got, fmt.Sprintf("%d headers, want one: %.300q", len(got), got)
	case !ours.MatchString(got[0]):
		return got, fmt.Sprintf("header %.300q, want %s", got[0], ours)
	}
	return got, ""
}

// ours is the header about a Linux host next door. Whether the address is
// shared is p0f's guess from ports, which are random here.
var ours = regexp.MustCompile(`^X-p0f-Result: os="Linux( [^"\n]*)?" link_type="[^"\n]*" distance=0 total_conn=\d+ shared_ip=[YN]$`)

// forgeries are headers that a client may send to be taken for another.
var forgeries = []struct {
	name   string
	header []string
}{
	{"same name", []string{`X-p0f-Result: os="Forged"`}},
	{"other case", []string{`x-P0F-rEsUlT: os="Forged"`}},
	{"three", []string{`X-p0f-Result: os="Forged 1"`, `X-Other: 1`, `X-P0F-RESULT: os="Forged 2"`, `x-p0f-result: os="Forged 3"`}},
	{"space before the colon", []string{`X-p0f-Result : os="Forged"`}},
	{"tab before the colon", []string{"X-p0f-Result\t: os=\"Forged\""}},
	{"folded", []string{"X-p0f-Result:\r\n os=\"Forged\"\r\n distance=1"}},
	{"empty", []string{"X-p0f-Result:"}},
	{"long", []string{"X-p0f-Result: " + strings.Repeat(`os="Forged" `, 70), "X-Other: 2"}},
	{"many", slices.Repeat([]string{`X-p0f-Result: os="Forged"`}, 150)},
}

// checkForgeries sends the forged mails from one connection, and checks that
// each arrives with our header alone.
func checkForgeries(t *testing.T, pair *lab.Pair, mails string) {
	for _, f := range families(pair) {
		t.Run(f.name, func(t *testing.T) {
			c := dialSMTP(t, pair.Client, f.from, f.to)
			for i, forged := range forgeries {
				id := f.name + "-forged-" + strconv.Itoa(i)
				if err := c.send(id, forged.header...); err != nil {
					t.Errorf("%s: %v", forged.name, err)
					continue
				}
				lines := headerLines(t, mails, id)
				if _, wrong := results(lines); wrong != "" {
					t.Errorf("%s: %s", forged.name, wrong)
				}
				if strings.Contains(strings.Join(lines, "\n"), "Forged") {
					t.Errorf("%s: what was forged is left in %.1000q", forged.name, strings.Join(lines, "\n"))
				}
			}
		})
	}
}

func TestPostfixMilter(t *testing.T) {
	pair := lab.NewPair(t)
	startMilter(t, pair.Server, "postfix.md")
	p := startMilterPostfix(t, pair.Server, patient)
	for _, f := range families(pair) {
		t.Run(f.name, func(t *testing.T) {
			swaks(t, pair.Client, f.from, f.to, f.name)
			lines := headerLines(t, p.mails, f.name)
			got, wrong := results(lines)
			if wrong != "" {
				t.Fatal(wrong)
			}
			t.Log(got[0])
			// Our header stands before all that came with the mail.
			received := slices.IndexFunc(lines, func(l string) bool { return strings.HasPrefix(l, "Received:") })
			if at := slices.Index(lines, got[0]); at > received {
				t.Errorf("the header is number %d, after Received, number %d", at, received)
			}
		})
	}
	t.Run("forged", func(t *testing.T) { checkForgeries(t, pair, p.mails) })
	t.Run("one connection", func(t *testing.T) { checkOneConnection(t, pair, p.mails) })
	t.Run("two machines behind one address", func(t *testing.T) { checkTwoMachines(t, pair, p.mails) })
}

// checkOneConnection sends mails on one connection, some of which come to no
// end.
func checkOneConnection(t *testing.T, pair *lab.Pair, mails string) {
	c := dialSMTP(t, pair.Client, pair.Client.IPv4, pair.Server.IPv4)
	for i := range 3 {
		if err := c.Mail(sender); err != nil {
			t.Fatal(err)
		}
		if err := c.Reset(); err != nil {
			t.Fatal(err)
		}
		id := "reused-" + strconv.Itoa(i)
		if err := c.send(id, slices.Repeat([]string{"X-p0f-Result: forged"}, i)...); err != nil {
			t.Fatal(err)
		}
		if _, wrong := results(headerLines(t, mails, id)); wrong != "" {
			t.Errorf("mail %d: %s", i, wrong)
		}
	}
}

// BenchmarkPostfixMail: the milter costs a mail next to nothing. Without our
// acknowledging at once it would be 40 ms; TestAcknowledgesAtOnce in package
// milter sees to that.
func BenchmarkPostfixMail(b *testing.B) {
	for _, bb := range []struct {
		name  string
		start func(b *testing.B, ns *lab.NetNS)
	}{
		{"milter=no", func(b *testing.B, ns *lab.NetNS) { startPostfix(b, ns) }},
		{"milter=yes", func(b *testing.B, ns *lab.NetNS) {
			startMilter(b, ns, "postfix.md")
			startMilterPostfix(b, ns, asWritten)
		}},
	} {
		b.Run(bb.name, func(b *testing.B) {
			pair := lab.NewPair(b)
			bb.start(b, pair.Server)
			for i := 0; b.Loop(); i++ {
				if err := sendMail(pair.Client, pair.Client.IPv4, pair.Server.IPv4, strconv.Itoa(i)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// TestPostfixMilterRefuses: Postfix takes a second to remove ten thousand
// headers, so that a mail with more than a thousand is refused.
func TestPostfixMilterRefuses(t *testing.T) {
	pair := lab.NewPair(t)
	startMilter(t, pair.Server, "postfix.md")
	p := startMilterPostfix(t, pair.Server, patient)
	c := dialSMTP(t, pair.Client, pair.Client.IPv4, pair.Server.IPv4)
	if err := c.send("thousand", slices.Repeat([]string{"X-p0f-Result: forged"}, 1000)...); err != nil {
		t.Fatal(err)
	}
	if _, wrong := results(headerLines(t, p.mails, "thousand")); wrong != "" {
		t.Error(wrong)
	}
	err := c.send("more", slices.Repeat([]string{"X-p0f-Result: forged"}, 1001)...)
	if err == nil || !strings.HasPrefix(err.Error(), "550 ") {
		t.Errorf("a mail with 1001 forged headers: %v, want 550", err)
	}
}

// A round is a number of mails sent by several clients at a time.
type round struct {
	mu      sync.Mutex
	longest time.Duration
	sum     time.Duration
	ids     []string // of those that were taken
}

// sendMany sends count mails, ten at a time and by both families, and calls
// at(i) before mail i.
func sendMany(t *testing.T, pair *lab.Pair, prefix string, count int, at func(int)) *round {
	t.Helper()
	r := &round{}
	var next int
	var wg sync.WaitGroup
	for range 10 {
		wg.Go(func() {
			for {
				r.mu.Lock()
				i := next
				next++
				if i < count {
					at(i)
				}
				r.mu.Unlock()
				if i >= count {
					return
				}
				f := families(pair)[i%2]
				id := prefix + "-" + strconv.Itoa(i)
				begin := time.Now()
				if err := sendMail(pair.Client, f.from, f.to, id); err != nil {
					t.Errorf("mail %s: %v", id, err)
					continue
				}
				took := time.Since(begin)
				r.mu.Lock()
				r.longest, r.sum = max(r.longest, took), r.sum+took
				r.ids = append(r.ids, id)
				r.mu.Unlock()
			}
		})
	}
	wg.Wait()
	return r
}

// checkHang compares the longest time that a mail took while something was
// away with the usual one. Only a hang is above the limit.
func checkHang(t *testing.T, usual, away *round, bound time.Duration) {
	t.Helper()
	mean := func(r *round) time.Duration {
		return (r.sum / time.Duration(max(len(r.ids), 1))).Round(time.Millisecond)
	}
	t.Logf("usual: %v a mail, %v at most; then %v and %v", mean(usual), usual.longest.Round(time.Millisecond),
		mean(away), away.longest.Round(time.Millisecond))
	if limit := usual.longest + bound + hang; away.longest > limit {
		t.Errorf("a mail took %v, want %v at most", away.longest, limit)
	}
}

// TestPostfixMilterAway: 500 mails while the daemon is restarted, stopped and
// ended.
func TestPostfixMilterAway(t *testing.T) {
	pair := lab.NewPair(t)
	serve := func() *process { return startMilter(t, pair.Server, "postfix.md") }
	daemon := serve()
	p := startMilterPostfix(t, pair.Server, asWritten)
	checkSensorAway(t, pair, p.mails, daemon, serve, milterBound)
}

// TestPostfixMilterStopped: the daemon is stopped in the middle of a mail.
func TestPostfixMilterStopped(t *testing.T) {
	pair := lab.NewPair(t)
	daemon := startMilter(t, pair.Server, "postfix.md")
	p := startMilterPostfix(t, pair.Server, asWritten)
	checkStoppedInside(t, pair, p.mails, daemon, milterBound)
}

// checkStoppedInside stops the daemon between the commands of a mail, which
// must not wait longer than the recipe allows.
func checkStoppedInside(t *testing.T, pair *lab.Pair, mails string, daemon *process, bound time.Duration) {
	c := dialSMTP(t, pair.Client, pair.Client.IPv4, pair.Server.IPv4)
	daemon.signal(syscall.SIGSTOP)
	begin := time.Now()
	err := c.send("inside")
	took := time.Since(begin)
	daemon.signal(syscall.SIGCONT)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("the mail took %v", took.Round(time.Millisecond))
	if took > bound+hang {
		t.Errorf("the mail took %v, want %v at most", took, bound+hang)
	}
	if took < bound/4 {
		t.Errorf("the mail took %v: nothing was stopped", took)
	}
	headerLines(t, mails, "inside")
}

// signal sends a signal to the process alone. After SIGSTOP the process does
// nothing more.
func (p *process) signal(sig syscall.Signal) {
	if err := p.cmd.Process.Signal(sig); err != nil {
		p.t.Errorf("signal %v to %s: %v", sig, p.name, err)
		return
	}
	for end := time.Now().Add(startTimeout); sig == syscall.SIGSTOP && !p.stopped(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			p.t.Errorf("%s goes on after SIGSTOP", p.name)
			return
		}
	}
}

// stopped says if no thread of the process runs (proc_pid_stat(5)).
func (p *process) stopped() bool {
	threads, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", p.cmd.Process.Pid))
	for _, path := range threads {
		stat, err := os.ReadFile(path)
		if err == nil && !bytes.Contains(stat, []byte(") T ")) {
			return false
		}
	}
	return true
}

// TestPostfixMilterFarSensor: the milter asks a sensor in another process,
// which stalls. No mail waits for it, and then gets a header.
func TestPostfixMilterFarSensor(t *testing.T) {
	pair := lab.NewPair(t)
	dir := tempDir(t)
	sensor := startServe(t, pair.Server, dir)
	startFarMilter(t, pair.Server, filepath.Join(dir, "query.sock"))
	p := startMilterPostfix(t, pair.Server, patient)
	usual := sendNoted(t, pair, p.mails, "usual", 100)
	sensor.signal(syscall.SIGSTOP)
	stalled := sendMany(t, pair, "stalled", 100, func(int) {})
	sensor.signal(syscall.SIGCONT)
	if got := withHeader(t, p.mails, stalled.ids); len(stalled.ids) != 100 || got != 0 {
		t.Errorf("%d of 100 mails were taken, %d with a header; want all and none", len(stalled.ids), got)
	}
	checkHang(t, usual, stalled, 50*time.Millisecond)
}

// startFarMilter starts a daemon that asks another.
func startFarMilter(t testing.TB, ns *lab.NetNS, socket string) {
	t.Helper()
	dir := tempDir(t)
	writeFiles(t, dir, map[string]string{"far.toml": fmt.Sprintf("[sensor]\nask = %q\n[p0f]\nsocket = %q\n%s",
		socket, filepath.Join(dir, "p0f.sock"), recipe(t, "postfix.md", "[milter]"))})
	sensorProgram(t) // builds it
	p := start(t, "milter", ns.Command(context.Background(), filepath.Join(binDir, "mxprint"), "serve", "-config", filepath.Join(dir, "far.toml")))
	p.waitFor("ready", func() bool { return bytes.Contains(p.out.bytes(), []byte("ready")) })
}
