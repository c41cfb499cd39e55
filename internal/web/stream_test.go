package web

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/mxprint/mxprint/internal/feed"
	"github.com/mxprint/mxprint/note"
)

// read opens a stream and returns its lines.
func read(t *testing.T, addr, query string, headers ...string) *bufio.Scanner {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), "GET", "http://"+addr+apiRoot+"/events"+query, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Set(name, value)
	}
	client := &http.Client{Transport: &http.Transport{}}
	answer, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { answer.Body.Close(); client.CloseIdleConnections() })
	if answer.StatusCode != 200 {
		text, _ := io.ReadAll(answer.Body)
		t.Fatalf("events%s = %d %s", query, answer.StatusCode, text)
	}
	return bufio.NewScanner(answer.Body)
}

// until reads lines up to one that has a text, and returns it with those before.
func until(t *testing.T, in *bufio.Scanner, want string) (before []string, line string) {
	t.Helper()
	stop := time.AfterFunc(time.Minute, func() { panic("no line with " + want) })
	defer stop.Stop()
	for in.Scan() {
		if strings.Contains(in.Text(), want) {
			return before, in.Text()
		}
		before = append(before, in.Text())
	}
	t.Fatalf("the stream ended without %s: %v; %q", want, in.Err(), before)
	return nil, ""
}

func enter(t *testing.T, s *Server, n int) {
	t.Helper()
	s.Feed.Front("milter", s.Lookuper).Lookup(t.Context(), note.Query{Client: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(n >> 16), byte(n >> 8), byte(n)}), 1025)})
}

// TestStream: an event is there within a second, a reader goes on where it was,
// and learns of a restart.
func TestStream(t *testing.T) {
	s := full(t)
	addr := start(t, s)
	in := read(t, addr, "")
	until(t, in, "event: hello")
	quickest := time.Hour
	for try := 100; try < 105 && quickest > time.Second; try++ { // the machine may be busy
		began := time.Now()
		enter(t, s, try)
		until(t, in, fmt.Sprintf(`"client":"10.0.0.%d:1025"`, try))
		quickest = min(quickest, time.Since(began))
	}
	if quickest > time.Second {
		t.Errorf("an event took %v", quickest)
	}
	enter(t, s, 1)
	before, data := until(t, in, `"client":"10.0.0.1:1025"`)
	id := ""
	for _, line := range before {
		if text, ok := strings.CutPrefix(line, "id: "); ok {
			id = text
		}
	}
	if id == "" || !strings.HasPrefix(data, "data: {") {
		t.Fatalf("no ID before %s: %q", data, before)
	}
	enter(t, s, 2)
	enter(t, s, 3)
	again := read(t, addr, "", "Last-Event-ID: "+id)
	before, _ = until(t, again, `"client":"10.0.0.3:1025"`)
	if text := strings.Join(before, "\n"); !strings.Contains(text, "10.0.0.2:") || strings.Contains(text, "10.0.0.1:") || strings.Contains(text, "lost") {
		t.Errorf("after %s come %s", id, text)
	}
	until(t, read(t, addr, "?after=0-1"), `{"restarted":true}`)
	lines := read(t, addr, "?client=10.0.0.4&format=ndjson")
	until(t, lines, `"event":"hello"`)
	enter(t, s, 5)
	enter(t, s, 4)
	before, line := until(t, lines, `"client":"10.0.0.4:1025"`)
	if strings.Contains(strings.Join(before, ""), "10.0.0.5") || !strings.HasPrefix(line, `{"event":"connection","id":"`) {
		t.Errorf("filtered: %q, %s", before, line)
	}
}

// TestSlowReader: one that does not read is cut off, and what it missed is
// counted where it comes back; fronts do not wait.
func TestSlowReader(t *testing.T) {
	s := full(t)
	r, _ := s.Feed.Follow(&feed.Filter{}, "")
	position := r.Position()
	addr := start(t, s)
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	fmt.Fprintf(c, "GET %s/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n\r\n", apiRoot, token)
	began := time.Now()
	const more = 500
	for i := range feed.Kept + more {
		enter(t, s, i)
	}
	if took := time.Since(began) / (feed.Kept + more); took > 10*time.Millisecond {
		t.Errorf("with a slow reader an answer takes %v", took)
	}
	until(t, read(t, addr, "?after="+position), fmt.Sprintf(`{"events":%d}`, more))
}

// TestManyReaders: 5,000 clients that read nothing leave the places of the
// metrics.
func TestManyReaders(t *testing.T) {
	s := full(t)
	addr := start(t, s)
	var idle []net.Conn
	for i := range 5000 {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatalf("after %d: %v", i, err)
		}
		defer c.Close()
		fmt.Fprintf(c, "GET %s/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n\r\n", apiRoot, token)
		if len(idle) < MaxConns {
			idle = append(idle, c)
		} else {
			c.Close()
		}
	}
	if n := s.streams.Load(); n > maxStreams {
		t.Errorf("%d streams, want at most %d", n, maxStreams)
	}
	for _, c := range idle[maxStreams+8:] { // refused ones, which keep their connection
		c.Close()
	}
	deadline := time.Now().Add(time.Minute)
	for got := ""; got != "HTTP/1.0 200 OK"; got = send(t, addr, "GET /metrics HTTP/1.0\r\n\r\n") {
		if time.Now().After(deadline) {
			t.Fatalf("metrics: %q", got)
		}
	}
}
