package webtest

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/heapprofiler"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// daemon is a real mxprint serve that captures on loopback, and a mail server's
// port that the test connects to.
type daemon struct {
	t      *testing.T
	dir    string
	config string
	at     string // of the page
	cmd    *exec.Cmd
}

func serve(t *testing.T) *daemon {
	t.Helper()
	if os.Geteuid() != 0 {
		if os.Getenv("CI") == "true" {
			t.Fatal("needs root, to capture")
		}
		t.Skip("needs root, to capture")
	}
	dir := t.TempDir()
	at := freeAddr(t)
	d := &daemon{t: t, dir: dir, config: filepath.Join(dir, "mxprint.toml"), at: at}
	token := filepath.Join(dir, "token")
	text := fmt.Sprintf("[sensor]\ninterfaces = [\"lo\"]\nfilter = \"tcp\"\n[p0f]\nsocket = %q\n[query]\nlisten = [%q]\n[http]\nlisten = [%q]\ntoken_file = %q\n[store]\npath = %q\n",
		filepath.Join(dir, "p0f.sock"), filepath.Join(dir, "query.sock"), at, token, filepath.Join(dir, "store.db"))
	for path, text := range map[string]string{d.config: text, token: "correct-horse-battery\n"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	d.start()
	t.Cleanup(d.stop)
	return d
}

// freeAddr is a free address below the ports that the kernel gives to clients, as
// the browser is one.
func freeAddr(t *testing.T) string {
	t.Helper()
	for range 100 {
		at := net.JoinHostPort("127.0.0.1", strconv.Itoa(20_000+rand.IntN(12_000)))
		if free, err := net.Listen("tcp", at); err == nil {
			free.Close()
			return at
		}
	}
	t.Fatal("no free port")
	return ""
}

func (d *daemon) start() {
	d.t.Helper()
	d.cmd = exec.Command(program, "serve", "-config", d.config)
	d.cmd.Stderr = os.Stderr
	if err := d.cmd.Start(); err != nil {
		d.t.Fatal(err)
	}
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(25 * time.Millisecond) {
		if c, err := net.Dial("tcp", d.at); err == nil {
			c.Close()
			return
		}
	}
	d.t.Fatal("the sensor does not start")
}

func (d *daemon) stop() {
	d.cmd.Process.Signal(os.Interrupt)
	d.cmd.Wait()
}

func (d *daemon) link() string {
	d.t.Helper()
	out, err := exec.Command(program, "web", "-config", d.config).CombinedOutput()
	if err != nil {
		d.t.Fatalf("mxprint web: %v: %s", err, out)
	}
	return strings.TrimSpace(string(out))
}

// ask asks about clients as a mail server does.
func (d *daemon) ask(clients ...string) {
	d.t.Helper()
	c, err := net.Dial("unix", filepath.Join(d.dir, "query.sock"))
	if err != nil {
		d.t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(time.Minute))
	in := bufio.NewReader(c)
	for _, client := range clients {
		fmt.Fprintln(c, client)
		if _, err := in.ReadString('\n'); err != nil {
			d.t.Fatal(err)
		}
	}
}

// connect makes a connection over loopback and asks about it.
func (d *daemon) connect() string {
	d.t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		d.t.Fatal(err)
	}
	defer ln.Close()
	c, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		d.t.Fatal(err)
	}
	defer c.Close()
	d.ask(c.LocalAddr().String())
	return c.LocalAddr().String()
}

// TestDaemon: traffic appears within a second, the filter takes what it says, a
// pause holds the table, the page goes on after a restart, links work once, and
// what is wrong is said.
func TestDaemon(t *testing.T) {
	d := serve(t)
	p := browse(t)
	p.do(chromedp.Navigate("http://" + d.at))
	p.has("A token is needed")
	p.accessible("signed out")
	p.do(chromedp.Navigate("http://" + d.at + "/link/AAAA"))
	p.has("the link is wrong")
	p.accessible("a wrong link")
	link := d.link()
	p.enter(link)
	p.has("well")
	p.open("live")
	p.until(`document.querySelector("tbody")`)
	took := patience
	for try := 0; try < 5 && took > time.Second; try++ { // the machine may be busy
		took = min(took, p.until(`document.querySelector("tbody").innerText.includes("`+d.connect()+`")`))
		t.Logf("traffic appeared after %v", took)
	}
	if took > time.Second {
		t.Errorf("traffic appears after %v", took)
	}
	p.has("Linux")

	p.eval(`document.querySelector("#f-client").value = "192.0.2.0/24"`)
	p.eval(`document.querySelector("form button").click()`)
	p.until(`!document.querySelector("tbody").innerText.includes("127.0.0.1")`)
	d.ask("198.51.100.7:25", "192.0.2.7:25")
	p.until(`document.querySelector("tbody").innerText.includes("192.0.2.7:25")`)
	if p.eval(`document.querySelector("tbody").innerText.includes("198.51.100.7")`) == "true" {
		t.Error("the filter takes another address")
	}
	p.eval(`[...document.querySelectorAll("button")].find(b => b.innerText === "Pause").click()`)
	d.ask("192.0.2.8:25")
	p.has("paused, 1 new")
	if p.eval(`document.querySelector("tbody").innerText.includes("192.0.2.8")`) == "true" {
		t.Error("a pause does not hold the table")
	}
	p.eval(`[...document.querySelectorAll("button")].find(b => b.innerText === "Go on").click()`)
	p.until(`document.querySelector("tbody").innerText.includes("192.0.2.8")`)
	p.eval(`(document.querySelector("#f-client").value = "x", document.querySelector("form button").click())`)
	p.has("want an address, ADDRESS:PORT or a network")

	d.stop()
	p.has("no answer, trying again")
	d.start()
	p.has("well")
	p.eval(`(document.querySelector("#f-client").value = "", document.querySelector("form button").click())`)
	p.until(`document.querySelector("tbody").rows.length === 0`)
	client := d.connect()
	p.until(`document.querySelector("tbody").innerText.includes("` + client + `")`)
	p.eval(`[...document.querySelectorAll("tbody a")].find(a => a.innerText === "` + client + `").click()`)
	p.has("History of 127.0.0.1")
	p.has("127.0.0.1/32") // the store, which writes a moment later, remembers it from before
	p.open("evidence")
	p.has("Too little is known yet")
	p.open("health")
	p.has("The sensor is well")
	p.has("running")

	other := browse(t)
	other.do(chromedp.Navigate(link)) // which was used
	other.has("the link is wrong")
	if err := os.WriteFile(filepath.Join(d.dir, "token"), []byte("another-token-of-16\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	d.stop()
	d.start() // with another token: the session is over
	p.has("A token is needed")
	p.has("mxprint web")
	p.sound()
}

// TestHostile: a note with markup and controls in every part is shown as text.
// The page gets it in place of the sensor's answer.
func TestHostile(t *testing.T) {
	d := serve(t)
	p := browse(t)
	p.enter(d.link())
	client := d.connect()
	p.eval(`(() => {
		window.fell = 0;
		const evil = '<img src=x onerror="window.fell=1"><script>window.fell=1</script>\u202e\u0007"\'';
		const poison = (v) => Array.isArray(v) ? v.map(poison) : v && typeof v === "object" ? Object.fromEntries(Object.entries(v).map(([k, x]) => [k, ["id", "state", "client", "time", "changed", "reading", "position"].includes(k) ? x : poison(x)])) : typeof v === "string" ? evil : v;
		const ask = window.fetch;
		window.fetch = async (...a) => {
			const r = await ask(...a);
			const body = await r.json();
			for (const c of body.connections || (body.connection ? [body.connection] : [])) Object.assign(c.note, {
				tls: { state: "complete", library: evil, ja4: evil }, software: { state: "matched", name: evil, or: [evil], dialect: evil, reading: "complete" },
				conduct: { state: "complete", list: [{ id: evil, words: evil, evidence: evil }] }, contradictions: { state: "complete", list: [{ id: evil, words: evil }] }, memory: { changed: [evil] } });
			return new Response(JSON.stringify(poison(body)), { status: r.status, headers: { "Content-Type": "application/json" } });
		};
	})()`)
	for _, view := range views {
		p.open(view)
		time.Sleep(300 * time.Millisecond)
	}
	p.open("live")
	p.until(`document.querySelector("tbody").innerText.includes("` + client + `")`)
	p.eval(`document.querySelector("tbody a").click()`)
	p.has("Claims that facts contradict")
	p.has("<script>window.fell=1</script>")
	if got := p.eval(`window.fell + " " + document.querySelectorAll("main img, main script").length`); got != "0 0" {
		t.Errorf("a sender's text became markup: %s", got)
	}
}

// TestBusy: 10,000 events in a minute leave a bounded table and heap.
func TestBusy(t *testing.T) {
	d := serve(t)
	p := browse(t)
	p.enter(d.link())
	p.open("live")
	heap := func() int { // MiB, after a collection
		used, err := chromedp.Run(p, func(ctx context.Context, t *chromedp.Target) (float64, error) {
			if _, err := cdp.Call(ctx, t, heapprofiler.CollectGarbage, cdp.Empty{}); err != nil {
				return 0, err
			}
			usage, err := cdp.Call(ctx, t, runtime.GetHeapUsage, cdp.Empty{})
			return usage.UsedSize + usage.EmbedderHeapUsedSize, err
		})
		if err != nil || used == 0 {
			t.Fatal(used, err)
		}
		return int(used) >> 20
	}
	const events, minute = 10_000, time.Minute
	began, before := time.Now(), heap()
	for i := range events {
		d.ask(fmt.Sprintf("wait=0 10.%d.%d.%d:25", i>>16, i>>8&255, i&255))
		time.Sleep(time.Until(began.Add(minute * time.Duration(i+1) / events)))
	}
	took, after := time.Since(began), heap()
	rows := p.eval(`document.querySelector("tbody").rows.length`)
	p.until(`document.querySelector("tbody").innerText.includes("10.0.39.15:25")`) // the last of them
	t.Logf("%d events in %v: heap %d MiB, then %d MiB, %s rows", events, took, before, after, rows)
	if after > before+16 {
		t.Errorf("the heap grew from %d MiB to %d MiB", before, after)
	}
	if n, _ := strconv.Atoi(rows); n > 200 {
		t.Errorf("%s rows are shown", rows)
	}
	wait := patience
	for try := 0; try < 5 && wait > time.Second; try++ {
		wait = min(wait, p.until(`document.querySelector("tbody")`))
	}
	if wait > time.Second {
		t.Errorf("the page took %v to answer", wait)
	}
}
