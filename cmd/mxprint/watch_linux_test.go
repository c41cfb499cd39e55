package main

import (
	"context"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/mxprint/mxprint/internal/feed"
	"github.com/mxprint/mxprint/internal/status"
	"github.com/mxprint/mxprint/internal/test/lab"
	"github.com/mxprint/mxprint/internal/test/parts"
	"github.com/mxprint/mxprint/internal/web"
	"github.com/mxprint/mxprint/note"
)

// seen is a sensor that has seen every client.
type seen struct{}

func (seen) Lookup(context.Context, note.Query) (note.Note, error) {
	return note.Note{State: note.Matched, OSName: "Windows", OSFlavor: "11\x1b[2J\x07", LinkType: "DSL", SYNs: 1, Handshakes: 1, Distance: note.Hops(9), ByConnection: true}, nil
}

// sensorAPI serves the API on a unix socket, and has clients come until the test
// ends. Stop ends the server, and start begins another one.
type sensorAPI struct {
	t    *testing.T
	path string
	stop func()
}

func (s *sensorAPI) start() {
	s.t.Helper()
	server := &web.Server{Feed: feed.New(), Lookuper: seen{}, Status: func() *status.Status {
		st := &status.Status{Version: "9.9.9", Now: time.Now()}
		st.Judge()
		return st
	}}
	os.Remove(s.path)
	ln, err := net.Listen("unix", s.path)
	if err != nil {
		s.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(s.t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); server.Serve(ctx, ln) }()
	go server.Run(ctx)
	front := server.Feed.Front("milter", seen{})
	go func() {
		for i := uint16(0); ctx.Err() == nil; i++ { // another connection each time
			front.Lookup(ctx, note.Query{Client: netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(i)}), 1025+i)})
			time.Sleep(50 * time.Millisecond)
		}
	}()
	s.stop = func() { cancel(); <-ended }
}

// pane is a terminal of tmux.
type pane struct {
	t      *testing.T
	socket string
}

func (p *pane) tmux(args ...string) string {
	p.t.Helper()
	out, err := exec.Command("tmux", append([]string{"-S", p.socket, "-f", "/dev/null"}, args...)...).CombinedOutput()
	if err != nil {
		p.t.Fatalf("tmux %q: %v: %s", args, err, out)
	}
	return string(out)
}

// until waits for a text on the screen, or for its end.
func (p *pane) until(want string) string {
	p.t.Helper()
	var screen string
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if screen = "\n" + p.tmux("capture-pane", "-p"); strings.Contains(screen, want) {
			return screen
		}
	}
	p.t.Fatalf("%q does not come:\n%s", want, screen)
	return ""
}

// ended waits for the status of a command.
func (p *pane) ended() string {
	p.t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if screen := p.tmux("capture-pane", "-p"); regexp.MustCompile(`status=\d`).MatchString(screen) {
			return screen
		}
	}
	p.t.Fatalf("the command does not end:\n%s", p.tmux("capture-pane", "-p"))
	return ""
}

// restored wants the terminal to be what it was: the normal screen, with a
// cursor, in canonical mode with echo.
func (p *pane) restored() {
	p.t.Helper()
	if got := strings.TrimSpace(p.tmux("display-message", "-p", "#{alternate_on} #{cursor_flag} #{mouse_any_flag}")); got != "0 1 0" {
		p.t.Errorf("the alternate screen, cursor and mouse are %q, want 0 1 0", got)
	}
	p.tmux("send-keys", "clear; stty -a | grep -o -w -e -icanon -e -echo | wc -l; echo 'modes'", "Enter")
	if screen := p.until("modes\n"); !strings.Contains(screen, "0\nmodes") {
		p.t.Errorf("the terminal is not in its own mode:\n%s", screen)
	}
}

// TestWatchInTmux drives watch and top in a real terminal: content, resize, the
// end by key and by signals, a pipe that closes, a sensor that goes and comes.
func TestWatchInTmux(t *testing.T) {
	lab.NeedProgram(t, "tmux")
	dir := t.TempDir()
	program, err := parts.Program(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	s := &sensorAPI{t: t, path: filepath.Join(dir, "http.sock")}
	s.start()
	p := &pane{t, filepath.Join(dir, "tmux")}
	p.tmux("new-session", "-d", "-x", "130", "-y", "30", "env", "PS1=$ ", "sh")
	t.Cleanup(func() { exec.Command("tmux", "-S", p.socket, "kill-server").Run() })
	run := func(line string) {
		t.Helper()
		p.tmux("send-keys", "clear", "Enter")
		for end := time.Now().Add(patience); strings.Contains(p.tmux("capture-pane", "-p"), "status="); time.Sleep(50 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatal("the screen is not cleared")
			}
		}
		p.tmux("send-keys", line+"; echo status=$?", "Enter")
	}

	run(program + " top -s " + s.path)
	screen := p.until("SYNs/s")
	for _, want := range []string{"mxprint 9.9.9", "SYNs/s", "Windows", "q quit", "192.0.2."} {
		if !strings.Contains(screen, want) {
			t.Errorf("top has no %s:\n%s", want, screen)
		}
	}
	if got := strings.TrimSpace(p.tmux("display-message", "-p", "#{alternate_on}")); got != "1" {
		t.Errorf("top is not on a screen of its own: %s", got)
	}
	p.tmux("resize-window", "-x", "50", "-y", "12")
	if !eventually(func() bool { // it is drawn again, to its size: tmux itself cuts lines without a mark, and may show … as _
		screen = strings.TrimRight(p.tmux("capture-pane", "-p"), "\n")
		first, _, _ := strings.Cut(screen, "\n")
		return strings.HasSuffix(strings.ReplaceAll(first, "_", "…"), "…") && len([]rune(first)) <= 50 && strings.Contains(screen[strings.LastIndex(screen, "\n")+1:], "q quit")
	}) {
		t.Errorf("in a window of 50 columns and 12 lines top shows\n%s", screen)
	}
	p.tmux("resize-window", "-x", "130", "-y", "30")
	p.tmux("send-keys", "p")
	p.until("PAUSED")
	s.stop()
	p.until("no sensor, trying again")
	s.start()
	p.tmux("send-keys", "p")
	p.until("SENDER")
	p.tmux("send-keys", "q")
	p.until("status=0\n")
	p.restored()

	for _, end := range []string{"C-c", "TERM", "HUP"} {
		pid := filepath.Join(dir, end)
		run("sh -c 'echo $$ >" + pid + "; exec " + program + " top -s " + s.path + "'")
		p.until("SENDER")
		if end == "C-c" {
			p.tmux("send-keys", end)
		} else if number, err := os.ReadFile(pid); err != nil {
			t.Fatal(err)
		} else if out, err := exec.Command("kill", "-"+end, strings.TrimSpace(string(number))).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		p.ended()
		p.restored()
	}

	run(program + " watch -s " + s.path + " client=192.0.2.0/24")
	screen = p.until("DSL")
	for _, want := range []string{"TIME", "Windows 11", "DSL"} {
		if !strings.Contains(screen, want) {
			t.Errorf("watch has no %s:\n%s", want, screen)
		}
	}
	p.tmux("send-keys", "C-c")
	p.until("status=0\n")
	p.restored()
	for name, line := range map[string]string{
		"a closed pipe":  program + " watch -json -s " + s.path + " | head -n 2 | grep -c note",
		"a wrong filter": program + " watch -s " + s.path + " colour=red",
		"no sensor":      program + " watch -s http://127.0.0.1:1/x/../.. -token /dev/null",
	} {
		run(line)
		want := map[string]string{"a closed pipe": "2\nstatus=0", "a wrong filter": "status=2", "no sensor": "status=1"}[name]
		if screen := p.ended(); !strings.Contains(screen, want) {
			t.Errorf("%s: want %q:\n%s", name, want, screen)
		}
	}
	run(program + " watch -s " + s.path)
	p.until("192.0.2.")
	s.stop()
	p.until("no sensor, trying again")
	s.start()
	p.until("is there again")
	p.tmux("send-keys", "C-c")
	p.until("status=0\n")
	s.stop()
}
