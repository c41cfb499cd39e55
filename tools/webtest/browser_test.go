// Package webtest has a real Chromium look at the page of a real mxprint:
// make test-web. It is a module of its own, so that nothing of it comes near the
// program.
package webtest

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// root is the checkout.
const root = "../.."

// program is mxprint, built by TestMain.
var program string

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	for _, name := range []string{"chromium", "npm"} {
		if _, err := exec.LookPath(name); err != nil {
			fmt.Fprintf(os.Stderr, "webtest: needs %s (make deps)\n", name)
			if os.Getenv("CI") == "true" {
				return 1
			}
			return 0
		}
	}
	if _, err := os.Stat("node_modules/axe-core/axe.min.js"); err != nil {
		fmt.Fprintln(os.Stderr, "webtest: needs axe-core: npm ci --ignore-scripts (make test-web does)")
		return 1
	}
	dir, err := os.MkdirTemp("", "webtest")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	program = filepath.Join(dir, "mxprint")
	build := exec.Command("go", "build", "-o", program, "./cmd/mxprint")
	build.Dir, build.Env = root, append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "webtest: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// demo starts mxprint demo -web, and returns its link.
func demo(t *testing.T) string {
	t.Helper()
	cmd := exec.Command(program, "demo", "-web")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	in := bufio.NewScanner(out)
	for in.Scan() {
		if link := strings.TrimSpace(in.Text()); strings.HasPrefix(link, "http://") {
			return link
		}
	}
	t.Fatal("demo -web prints no link")
	return ""
}

// page is one tab.
type page struct {
	context.Context
	t      *testing.T
	mu     sync.Mutex
	faults []string // of scripts, and what the Content-Security-Policy kept out
}

// browse starts Chromium with an empty profile.
func browse(t *testing.T) *page {
	t.Helper()
	ctx, cancel := chromedp.NewContext(context.Background(), chromedp.WithAllocatorOptions(chromedp.NoSandbox, chromedp.WindowSize(1280, 900)))
	t.Cleanup(cancel)
	p := &page{Context: ctx, t: t}
	p.do(chromedp.Navigate("about:blank"))
	err := chromedp.Listen(ctx, func(event any) {
		switch e := event.(type) {
		case *runtime.EventExceptionThrown:
			p.fault((&chromedp.ExceptionError{ExceptionDetails: e.ExceptionDetails}).Error())
		case *runtime.EventConsoleAPICalled:
			if e.Type == "error" {
				p.fault(fmt.Sprint(e.Args))
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func (p *page) fault(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.faults = append(p.faults, text)
}

// sound wants no fault.
func (p *page) sound() {
	p.t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, fault := range p.faults {
		p.t.Errorf("a fault: %s", fault)
	}
}

func (p *page) do(actions ...chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p, time.Minute)
	defer cancel()
	if p.bare() {
		ctx = p // the first call starts the browser, which lives as long
	}
	if err := chromedp.Do(ctx, actions...); err != nil {
		p.t.Fatal(err)
	}
}

// bare reports whether there is no browser yet.
func (p *page) bare() bool { return chromedp.FromContext(p).Target == nil }

// enter follows a link.
func (p *page) enter(link string) {
	p.t.Helper()
	p.do(chromedp.Navigate(link))
	p.until(`!!document.querySelector("nav a")`)
}

// open shows a view.
func (p *page) open(view string) {
	p.t.Helper()
	p.eval(`location.hash = "#/` + view + `"`)
	p.until(`!!document.querySelector("main h2")`)
}

func (p *page) eval(script string) (value string) {
	p.t.Helper()
	v, err := p.try(script)
	if err != nil {
		p.t.Fatalf("%.200s: %v", script, err)
	}
	return v
}

// try evaluates a script. It fails where the page goes on to another meanwhile.
func (p *page) try(script string) (string, error) {
	ctx, cancel := context.WithTimeout(p, time.Minute)
	defer cancel()
	return chromedp.Run(ctx, chromedp.Evaluate[string]("(async () => String(await ("+script+")))()", chromedp.EvalAwaitPromise))
}

// patience is for what comes within a second. A busy machine takes longer.
const patience = time.Minute

// until waits for a condition and returns how long it took. The page may go on to
// another while it is asked, as that of a link does.
func (p *page) until(script string) time.Duration {
	p.t.Helper()
	began := time.Now()
	var got string
	var err error
	for time.Since(began) < patience {
		if got, err = p.try("Boolean(" + script + ")"); got == "true" {
			return time.Since(began)
		}
		time.Sleep(20 * time.Millisecond)
	}
	p.t.Fatalf("not within %v: %s (%v); the page is:\n%s", patience, script, err, p.eval("document.body.innerText.slice(0, 1500)"))
	return 0
}

// has wants a text on the page.
func (p *page) has(text string) {
	p.t.Helper()
	quoted, _ := json.Marshal(text)
	p.until(`document.body.innerText.includes(` + string(quoted) + `)`)
}

// look is how the page is shown.
func (p *page) look(width, height int64, scheme string) {
	p.t.Helper()
	p.do(chromedp.EmulateViewport(width, height), chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}})
		return err
	}))
}

// shoot writes a screenshot into the folder that MXPRINT_SHOTS names.
func (p *page) shoot(name string) {
	p.t.Helper()
	dir := os.Getenv("MXPRINT_SHOTS")
	if dir == "" {
		dir = p.t.TempDir()
	}
	time.Sleep(300 * time.Millisecond)
	png, err := chromedp.Run(p, chromedp.CaptureScreenshot())
	if err != nil {
		p.t.Fatal(err)
	}
	if len(png) < 2000 {
		p.t.Errorf("the screenshot %s has %d bytes", name, len(png))
	}
	if err := os.WriteFile(filepath.Join(dir, name+".png"), png, 0o644); err != nil {
		p.t.Fatal(err)
	}
}

// accessible has axe-core look at the page: no violation.
func (p *page) accessible(name string) {
	p.t.Helper()
	axe, err := os.ReadFile("node_modules/axe-core/axe.min.js")
	if err != nil {
		p.t.Fatal(err)
	}
	if _, err := chromedp.Run(p, chromedp.Evaluate[int](string(axe)+"; 0")); err != nil {
		p.t.Fatal(err)
	}
	got := p.eval(`axe.run().then(r => r.violations.map(v => v.id + ": " + v.nodes.map(n => n.html.slice(0, 120) + " " + n.failureSummary).slice(0, 3).join(" | ")).join("\n"))`)
	if got != "" {
		p.t.Errorf("%s: %s", name, got)
	}
	// Nothing is wider than the window.
	if wide := p.eval(`String(document.documentElement.scrollWidth - innerWidth)`); !regexp.MustCompile(`^(-\d+|[01])$`).MatchString(wide) {
		p.t.Errorf("%s: the page is %s pixels wider than the window", name, wide)
	}
}

var views = []string{"now", "senders", "live", "evidence", "unknown", "health"}

// TestViews drives every view with the demonstration's traffic, in light and
// dark, from 360 pixels to 4K.
func TestViews(t *testing.T) {
	link := demo(t)
	p := browse(t)
	p.enter(link)
	p.has("well")
	p.open("live")
	p.until(`document.querySelectorAll("tbody tr").length >= 8`)
	time.Sleep(5 * time.Second) // some samples for the plots
	for _, size := range []struct {
		name          string
		width, height int64
		scheme        string
	}{{"light", 1280, 900, "light"}, {"dark", 1280, 900, "dark"}, {"narrow", 360, 740, "light"}, {"4k", 3840, 2160, "dark"}} {
		p.look(size.width, size.height, size.scheme)
		for _, view := range views {
			p.open(view)
			if view == "live" {
				p.until(`document.querySelectorAll("tbody tr").length >= 8`)
			}
			p.has(map[string]string{"now": "Answers are in time", "senders": "Busiest senders", "live": "shown", "evidence": "Evidence", "unknown": "Every SYN", "health": "The sensor is well"}[view])
			p.shoot(view + "-" + size.name)
			p.accessible(view + " " + size.name)
		}
		p.open("live")
		p.until(`[...document.querySelectorAll("tbody tr")].some(r => r.innerText.includes("Windows"))`)
		p.eval(`[...document.querySelectorAll("tbody tr")].find(r => r.innerText.includes("Windows")).querySelector("a").click()`)
		p.has("which matches line")
		for _, text := range []string{"Fields of the SYN", "mss*44,8", "The signature that matches", "The nearest others", "Known by", `os="Windows`, "History of"} {
			p.has(text)
		}
		p.shoot("connection-" + size.name)
		p.accessible("connection " + size.name)
	}
	p.sound()
}

// TestKeyboard: every link and control is reached by the tabulator, in order, and
// what has the focus shows it.
func TestKeyboard(t *testing.T) {
	p := browse(t)
	p.enter(demo(t))
	p.open("live")
	p.until(`document.querySelectorAll("tbody tr").length >= 2`)
	p.eval(`document.querySelector("#f-client") && document.querySelector("main").focus()`)
	var seen []string
	p.eval(`document.querySelectorAll("button")[1].click()`) // pause: rows stay
	p.eval(`document.querySelector("nav a").focus()`)
	for range 16 {
		seen = append(seen, p.eval(`(document.activeElement.textContent || document.activeElement.name || "").slice(0, 20)`))
		if got := p.eval(`getComputedStyle(document.activeElement).outlineStyle`); got == "none" && len(seen) > 1 {
			t.Errorf("the focus on %q does not show", seen[len(seen)-1])
		}
		p.do(chromedp.KeyEvent("\t"))
	}
	all := strings.Join(seen, "\n")
	for _, want := range []string{"Now", "Health", "client", "finding", "Filter", "Go on"} {
		if !strings.Contains(all, want) {
			t.Errorf("the tabulator does not reach %s: %q", want, seen)
		}
	}
}
