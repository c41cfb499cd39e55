package web

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mxprint/mxprint/internal/test/fronttest"
)

// ask asks for the connections with headers "Name: value".
func ask(s *Server, path, remote string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest("GET", path, nil)
	r.RemoteAddr = remote
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Add(name, value)
	}
	w := httptest.NewRecorder()
	s.handler().ServeHTTP(w, r)
	return w
}

const list = apiRoot + "/connections"

// TestToken: the token lets in, guessing is bounded by source, and other sources
// are not concerned.
func TestToken(t *testing.T) {
	s := full(t)
	now := time.Now()
	s.Keys.now = func() time.Time { return now }
	const here = "203.0.113.1:1"
	want := func(name, remote string, code int, headers ...string) {
		t.Helper()
		if w := ask(s, list, remote, headers...); w.Code != code {
			t.Errorf("%s: %d, want %d: %s", name, w.Code, code, w.Body)
		}
	}
	right := "Authorization: Bearer " + token
	want("none", here, 401)
	want("right", here, 200, right)
	for _, wrong := range []string{"Bearer", "Bearer ", "Bearer x", "Basic " + token, "bearer " + token, "Bearer " + token + "x", "Bearer " + token[1:]} {
		want(wrong, "203.0.113.2:1", 401, "Authorization: "+wrong)
	}
	for i := range maxTries {
		want("guess", fmt.Sprintf("[2001:db8::%d]:7", i), 401, "Authorization: Bearer x")
	}
	want("one of the same /64", "[2001:db8::ffff]:7", 429, right)
	want("another source", here, 200, right)
	now = now.Add(tryTime)
	want("a minute later", "[2001:db8::ffff]:7", 200, right)
	for i := range 2 * maxSources {
		s.Keys.wrong(sourceOf(fmt.Sprintf("10.%d.%d.1:1", i>>8, i&255)))
	}
	if n := len(s.Keys.tries); n > maxSources {
		t.Errorf("%d sources are kept, want at most %d", n, maxSources)
	}
	s.Keys = nil
	want("off", here, 403, right)
}

// TestLink: a link lets one browser in, once, for five minutes; the cookie it
// sets is for this page alone, and ends.
func TestLink(t *testing.T) {
	s := full(t)
	now := time.Now()
	s.Keys.now = func() time.Time { return now }
	enter := func(path string) (code int, cookie string) {
		t.Helper()
		w := ask(s, path, "203.0.113.1:1")
		if c := w.Header().Get("Set-Cookie"); c != "" {
			cookie = c
		}
		return w.Code, cookie
	}
	maker := NewKeys(token) // mxprint web, which reads the same file
	maker.now = s.Keys.now
	path := maker.Link()
	code, set := enter(path)
	if code != 200 || !strings.Contains(set, "HttpOnly") || !strings.Contains(set, "SameSite=Strict") || !strings.Contains(set, "Path=/") {
		t.Fatalf("%s = %d, %q", path, code, set)
	}
	if code, again := enter(path); code != 403 || again != "" {
		t.Errorf("the second time: %d, %q", code, again)
	}
	session := "Cookie: " + strings.Split(set, ";")[0]
	for name, tt := range map[string]struct {
		code    int
		headers []string
	}{
		"session":          {200, []string{session}},
		"of the page":      {200, []string{session, "Sec-Fetch-Site: same-origin"}},
		"another site":     {403, []string{session, "Sec-Fetch-Site: cross-site"}},
		"the same domain":  {403, []string{session, "Sec-Fetch-Site: same-site"}},
		"changed":          {401, []string{session + "x"}},
		"a link as cookie": {401, []string{"Cookie: " + cookie + "=" + strings.TrimPrefix(maker.Link(), "/link/")}},
	} {
		if w := ask(s, list, "203.0.113.9:1", tt.headers...); w.Code != tt.code {
			t.Errorf("%s: %d, want %d", name, w.Code, tt.code)
		}
	}
	old := maker.Link()
	now = now.Add(linkTime + 2*time.Second)
	for name, path := range map[string]string{"old": old, "made up": "/link/" + strings.Repeat("A", 64), "empty": "/link/%20", "of another token": NewKeys("another-token-of-16").Link()} {
		if code, set := enter(path); code != 403 || set != "" {
			t.Errorf("%s link: %d, %q", name, code, set)
		}
	}
	now = now.Add(sessionTime)
	if w := ask(s, list, "203.0.113.9:1", session); w.Code != 401 || !strings.Contains(w.Body.String(), "expired") {
		t.Errorf("an old session: %d %s", w.Code, w.Body)
	}
	s.Keys = NewKeys("another-token-of-16")
	if w := ask(s, list, "203.0.113.9:1", session); w.Code != 401 {
		t.Errorf("a session of another token: %d", w.Code)
	}
	s.Keys.began = now.Add(time.Hour) // restarted: links of before may have been used
	if _, err := s.Keys.redeem(strings.TrimPrefix(s.Keys.Link(), "/link/")); err == nil {
		t.Error("a link of before the start is taken")
	}
}

// TestUnixSocket: at a unix socket our own user needs no token.
func TestUnixSocket(t *testing.T) {
	fronttest.Leaks(t)
	s := full(t)
	s.Keys = nil
	path := filepath.Join(t.TempDir(), "http.sock")
	ln, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	stop := fronttest.Start(s.Serve, ln)
	client := http.Client{Transport: &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) { return net.Dial("unix", path) }}}
	defer client.CloseIdleConnections()
	r, err := client.Get("http://x" + list)
	if err != nil {
		t.Fatal(err)
	}
	text, _ := io.ReadAll(r.Body)
	r.Body.Close()
	if r.StatusCode != 200 || !strings.Contains(string(text), "192.0.2.1:1025") {
		t.Errorf("uid %d: %d %s", os.Getuid(), r.StatusCode, text)
	}
	client.CloseIdleConnections()
	if err := stop(); err != nil {
		t.Error(err)
	}
}

func FuzzOpen(f *testing.F) {
	k := NewKeys(token)
	f.Add(strings.TrimPrefix(k.Link(), "/link/"))
	f.Fuzz(func(t *testing.T, text string) {
		if at, ok := open(k.session, text); ok {
			t.Errorf("%q is a session of %v", text, at)
		}
	})
}
