package follow

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/mxprint/mxprint/internal/feed"
	"github.com/mxprint/mxprint/internal/status"
	"github.com/mxprint/mxprint/internal/web"
	"github.com/mxprint/mxprint/note"
)

// hostile is what a sender may try on a terminal.
const hostile = "x\x1b[2J\x07\u202e\n"

type seen struct{}

func (seen) Lookup(context.Context, note.Query) (note.Note, error) {
	return note.Note{State: note.Matched, OSName: "Windows", OSFlavor: hostile, LinkType: hostile, ByConnection: true, Software: &note.Software{Name: hostile},
		Conduct: &note.Findings{List: []note.Finding{{ID: hostile}}}}, nil
}

const token = "correct-horse-battery"

// serve serves the API by TCP and returns its URL and feed.
func serve(t *testing.T) (string, *feed.Feed) {
	t.Helper()
	f := feed.New()
	s := &web.Server{Feed: f, Lookuper: seen{}, Keys: web.NewKeys(token), Status: func() *status.Status { return &status.Status{Version: "9", Now: time.Now()} }}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { defer close(ended); s.Serve(ctx, ln) }()
	t.Cleanup(func() { cancel(); <-ended })
	return "http://" + ln.Addr().String(), f
}

// output ends the watching when it has what is wanted.
type output struct {
	text   bytes.Buffer // not embedded: it would bring a WriteString of its own
	want   string
	cancel func()
}

func (o *output) Write(p []byte) (int, error) {
	n, err := o.text.Write(p)
	if strings.Contains(o.text.String(), o.want) {
		o.cancel()
	}
	return n, err
}

// TestWatch: what comes is printed, filtered, and no terminal obeys it.
func TestWatch(t *testing.T) {
	at, f := serve(t)
	for _, tt := range []struct {
		name string
		cfg  Config
		want string
	}{
		{"lines", Config{}, "192.0.2.7:25"},
		{"json", Config{JSON: true}, `"client":"192.0.2.7:25"`},
		{"colour", Config{Color: true, Width: 100}, "192.0.2.7:25"},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		out := &output{want: tt.want, cancel: cancel}
		c, err := New(at, token, nil)
		if err != nil {
			t.Fatal(err)
		}
		tt.cfg.Out, tt.cfg.Err, tt.cfg.Filter = out, os.Stderr, url.Values{"client": {"192.0.2.0/24"}}
		go func() {
			for ctx.Err() == nil {
				for _, from := range []string{"198.51.100.1:25", "192.0.2.7:25"} {
					f.Front("milter", seen{}).Lookup(ctx, note.Query{Client: netip.MustParseAddrPort(from)})
				}
				time.Sleep(50 * time.Millisecond)
			}
		}()
		if err := Watch(ctx, c, &tt.cfg); err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
		text := strings.NewReplacer("\x1b[1m", "", "\x1b[32m", "", "\x1b[0m", "").Replace(out.text.String())
		if !strings.Contains(text, tt.want) || strings.Contains(text, "198.51.100") || strings.ContainsAny(text, "\x1b\x07\u202e") {
			t.Errorf("%s: %q", tt.name, text)
		}
		cancel()
	}
}

// TestRefused: where asking again does not help, it ends and says why.
func TestRefused(t *testing.T) {
	at, _ := serve(t)
	other := httptest.NewServer(http.NotFoundHandler())
	defer other.Close()
	elsewhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "" && r.URL.Path == "/stolen" {
			t.Error("the token was carried elsewhere")
		}
		http.Redirect(w, r, "/stolen", http.StatusFound)
	}))
	defer elsewhere.Close()
	for name, tt := range map[string]struct{ at, token, want string }{
		"a wrong token": {at, "wrong-token-of-16", "The token is wrong"},
		"no token":      {at, "", "A token is needed"},
		"not ours":      {other.URL, token, "is it the [http] of mxprint?"},
		"a redirection": {elsewhere.URL, token, "302 Found"},
	} {
		c, err := New(tt.at, tt.token, nil)
		if err != nil {
			t.Fatal(err)
		}
		err = Watch(t.Context(), c, &Config{Out: &bytes.Buffer{}, Err: &bytes.Buffer{}})
		if !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %s", name, err, tt.want)
		}
	}
	for _, at := range []string{"", "x", "ftp://x", "http://", "tls:x:1"} {
		if _, err := New(at, "", nil); err == nil {
			t.Errorf("New(%q) succeeds", at)
		}
	}
}

func TestSpark(t *testing.T) {
	for _, tt := range []struct {
		values []float64
		width  int
		want   string
	}{
		{nil, 5, ""}, {[]float64{1}, 0, ""}, {[]float64{0, 0}, 5, "▁▁"}, {[]float64{0, 1, 2, 7}, 5, "▁▂▃█"},
		{[]float64{1, 0, 0, 0, 2, 0}, 3, "▄▁█"}, {[]float64{9, 0, 0, 0, 0}, 2, "█▁"}, {[]float64{1, 2, 3, 4, 5, 6, 7}, 3, "▂▅█"},
	} {
		if got := Spark(tt.values, tt.width); got != tt.want || len([]rune(got)) > max(tt.width, 0) {
			t.Errorf("Spark(%v, %d) = %q, want %q", tt.values, tt.width, got, tt.want)
		}
	}
}

// TestScreen: every screen, however small, is within its size, and shows nothing
// that a terminal obeys.
func TestScreen(t *testing.T) {
	f := feed.New()
	for i := range byte(200) {
		f.Front("x", seen{}).Lookup(t.Context(), note.Query{Client: netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, i}), 1)})
	}
	x := &figures{summary: *f.Summary(), samples: []web.Sample{{SYNs: 1}, {SYNs: 5}}}
	x.status.Version, x.status.Reasons = hostile, []string{hostile}
	for _, s := range []*screen{{}, {figures: x}, {figures: x, err: errors.New(hostile)}, {err: errors.New(hostile), paused: true}} {
		for _, size := range [][2]int{{0, 0}, {1, 1}, {20, 5}, {80, 24}, {300, 100}} {
			s.width, s.height = size[0], size[1]
			lines := s.lines()
			if len(lines) > max(1, s.height) {
				t.Errorf("%v: %d lines", size, len(lines))
			}
			for _, l := range lines {
				if n := len([]rune(l)); size[0] > 0 && n > size[0] || strings.ContainsAny(l, "\x1b\x07\u202e\n") {
					t.Errorf("%v: a line of %d: %q", size, n, l)
				}
			}
		}
	}
}
