package web

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/mxprint/mxprint/internal/feed"
	"github.com/mxprint/mxprint/internal/status"
	"github.com/mxprint/mxprint/internal/test/fronttest"
	"github.com/mxprint/mxprint/internal/test/lab"
)

// sample has something in every metric.
func sample() *status.Status {
	last := time.Unix(1.7e9, 0)
	s := &status.Status{
		Version: "1.2.3", Now: last, Started: last.Add(-time.Hour), Certificate: &last, Memory: 1 << 20,
		Sources: []status.Source{{Name: "eth0", Kind: "capture", State: status.Running, Frames: 7, SYNs: 3, Drops: 2, Last: &last}, {Name: "ppp0", State: status.Waiting}},
		Fronts: []status.Front{
			{Name: "milter", Answers: status.Answers{Matched: 5, Unknown: 4, NotSeen: 3, Unavailable: 2}, MaxConns: 10, Open: 1, Served: 9, Refused: 1, Denied: 2, Dropped: 3, Bad: 4, Late: 6,
				Failed: []status.Fault{{At: "x", Reason: "y"}}},
			{Name: status.HTTP, MaxConns: 64, Open: 1},
		},
		Lookups: status.Lookups{Seconds: 0.5, Systems: map[string]uint64{"Linux": 4, "other": 1},
			Buckets: []status.Bucket{{Seconds: 0.001, Count: 3}, {Seconds: 0.002, Count: 10}, {Count: 14}}},
		Hosts: status.Held{Now: 5, Max: 100}, Connections: status.Held{Now: 2, Max: 50},
		Lost:          status.Lost{Observations: 1, Unwritten: 2, LogLines: 3},
		Database:      status.Database{Signatures: 210, Date: "2026-11", Loaded: last},
		Configuration: status.Configuration{Waiting: []string{"limits.hosts"}},
		Store:         &status.Store{Fault: "its disk is full", Bytes: 5, MaxBytes: 9, Queued: 2, Written: 8, Dropped: 3, Asides: 1, Slow: 4, Verdicts: 6, Orphans: 7},
	}
	s.Judge()
	return s
}

func get(t *testing.T, s *Server, path string) (int, string) {
	t.Helper()
	w := httptest.NewRecorder()
	s.handler().ServeHTTP(w, httptest.NewRequest("GET", path, nil))
	return w.Code, w.Body.String()
}

// TestMetrics has Prometheus's own tool look at the metrics, and wants those
// that the rules and the dashboard ask for.
func TestMetrics(t *testing.T) {
	code, text := get(t, &Server{Status: sample, Feed: feed.New()}, "/metrics")
	if code != http.StatusOK {
		t.Fatalf("status %d: %s", code, text)
	}
	for _, want := range []string{
		`mxprint_info{version="1.2.3"} 1`, `mxprint_health{health="degraded"} 1`, `mxprint_health{health="well"} 0`,
		`mxprint_source_up{source="eth0"} 1`, `mxprint_source_up{source="ppp0"} 0`, `mxprint_source_syns_total{source="eth0"} 3`,
		`mxprint_source_dropped_frames_total{source="eth0"} 2`, `mxprint_source_last_frame_timestamp_seconds{source="eth0"} 1.7e+09`,
		`mxprint_answers_total{front="milter",state="not_seen"} 3`, `mxprint_late_answers_total{front="milter"} 6`,
		`mxprint_front_failed_listeners{front="milter"} 1`, `mxprint_front_rejected_total{front="milter",reason="token"} 2`,
		`mxprint_lookup_duration_seconds_bucket{le="0.002"} 10`, `mxprint_lookup_duration_seconds_bucket{le="+Inf"} 14`, `mxprint_lookup_duration_seconds_sum 0.5`,
		`mxprint_matched_answers_total{system="Linux"} 4`, `mxprint_hosts_limit 100`, `mxprint_lost_observations_total{reason="unwritten"} 2`,
		`mxprint_signatures_newest_timestamp_seconds 1.7934912e+09`, `mxprint_certificate_expiry_timestamp_seconds 1.7e+09`,
		`mxprint_store_up 0`, `mxprint_store_bytes 5`, `mxprint_store_limit_bytes 9`, `mxprint_store_dropped_total 3`, `mxprint_store_set_aside_total 1`,
		`mxprint_store_slow_lookups_total 4`, `mxprint_verdicts_total{found="yes"} 6`, `mxprint_verdicts_total{found="no"} 7`,
		`mxprint_configuration_keys_waiting 1`, `mxprint_configuration_valid 1`,
	} {
		if !strings.Contains(text, want+"\n") {
			t.Errorf("no line %s", want)
		}
	}
	if strings.Contains(text, `answers_total{front="http"`) {
		t.Error("the HTTP front asks nothing")
	}
	cmd := exec.Command(lab.NeedProgram(t, "promtool"), "check", "metrics")
	cmd.Stdin = strings.NewReader(text)
	if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("promtool check metrics: %v\n%s", err, out)
	}
}

// What a sensor that asks another one cannot have is absent.
func TestMetricsOfAsking(t *testing.T) {
	_, text := get(t, &Server{Status: func() *status.Status {
		s := sample()
		s.Asks, s.Sources, s.Certificate, s.Memory = "tls:192.0.2.1:2526", nil, nil, 0
		return s
	}}, "/metrics")
	for _, absent := range []string{"mxprint_source_", "mxprint_hosts", "mxprint_signatures", "mxprint_certificate", "mxprint_resident"} {
		if strings.Contains(text, "\n"+absent) {
			t.Errorf("%s… is there", absent)
		}
	}
	// An address is nowhere.
	if m := regexp.MustCompile(`192\.0\.2\.\d+`).FindString(text); m != "" {
		t.Errorf("the address %s is in the metrics", m)
	}
}

func TestHealth(t *testing.T) {
	st := sample()
	s := &Server{Status: func() *status.Status { return st }, Feed: feed.New()}
	want := func(path string, code int, text string) {
		t.Helper()
		if gotCode, got := get(t, s, path); gotCode != code || !strings.HasPrefix(got, text) {
			t.Errorf("%s = %d, %q, want %d, %q", path, gotCode, got, code, text)
		}
	}
	want("/healthz", 200, "ok\n")
	want("/readyz", 200, "degraded\ninterface ppp0: ")
	st.Health, st.Reasons = status.Down, []string{"no source of SYNs runs"}
	want("/readyz", 503, "down\nno source of SYNs runs\n")
	want("/healthz", 200, "ok\n") // restarting it would not help
	want("/", 200, "<!DOCTYPE html>")
	want("/nothing", 404, "")
}

// start serves on loopback.
func start(t *testing.T, s *Server) string {
	t.Helper()
	fronttest.Leaks(t)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	stop := fronttest.Start(s.Serve, ln)
	t.Cleanup(func() {
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
	return ln.Addr().String()
}

// send writes a request as it is, and returns the first line of the answer.
func send(t *testing.T, addr, request string) string {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(30 * time.Second))
	io.WriteString(c, request) // it may be cut off before all is sent
	line, _ := bufio.NewReader(c).ReadString('\n')
	return strings.TrimSpace(line)
}

// TestAbuse sends what no scraper sends, and scrapes after it.
func TestAbuse(t *testing.T) {
	s := &Server{Status: sample, Feed: feed.New()}
	addr := start(t, s)
	const head = " HTTP/1.1\r\nHost: x\r\n"
	for _, tt := range []struct{ name, request, want string }{
		{"post", "POST /metrics" + head + "\r\n", "HTTP/1.1 405 Method Not Allowed"},
		{"delete", "DELETE /" + head + "\r\n", "HTTP/1.1 405 Method Not Allowed"},
		{"made-up method", "FROB /metrics" + head + "\r\n", "HTTP/1.1 405 Method Not Allowed"},
		{"connect", "CONNECT example.org:25" + head + "\r\n", "HTTP/1.1 405 Method Not Allowed"},
		{"absolute", "GET http://example.org/metrics" + head + "\r\n", "HTTP/1.1 200 OK"},
		{"traversal", "GET /../../etc/passwd" + head + "\r\n", "HTTP/1.1 307 Temporary Redirect"},
		{"path", "GET /metrics/x" + head + "\r\n", "HTTP/1.1 404 Not Found"},
		{"escaped", "GET /%6detrics%00" + head + "\r\n", "HTTP/1.1 404 Not Found"},
		{"body", "GET /metrics" + head + "Content-Length: 1000000000\r\n\r\n" + strings.Repeat("x", 1<<20), "HTTP/1.1 413 Request Entity Too Large"},
		{"endless body", "GET /metrics" + head + "Transfer-Encoding: chunked\r\n\r\nffffffff\r\n", "HTTP/1.1 413 Request Entity Too Large"},
		{"big header", "GET /metrics" + head + "X: " + strings.Repeat("y", 1<<20) + "\r\n\r\n", "HTTP/1.1 431 Request Header Fields Too Large"},
		{"many headers", "GET /metrics" + head + strings.Repeat("X: y\r\n", 1<<16) + "\r\n", "HTTP/1.1 431 Request Header Fields Too Large"},
		{"no host", "GET /metrics HTTP/1.1\r\n\r\n", "HTTP/1.1 400 Bad Request: missing required Host header"},
		{"HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "HTTP/1.1 413 Request Entity Too Large"},
		{"TLS", "\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\r\n\r\n", "HTTP/1.1 400 Bad Request"},
		{"SMTP", "EHLO x\r\n\r\n", "HTTP/1.1 400 Bad Request"},
	} {
		if got := send(t, addr, tt.request); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
		if got := send(t, addr, "GET /healthz HTTP/1.0\r\n\r\n"); got != "HTTP/1.0 200 OK" {
			t.Fatalf("after %s: %q", tt.name, got)
		}
	}
}

// TestSlow: clients that send nothing, or a byte at a time, take places for some
// seconds, and a scraper's is there; over the limit connections are closed.
func TestSlow(t *testing.T) {
	s := &Server{Status: sample, Feed: feed.New()}
	addr := start(t, s)
	var slow []net.Conn
	for i := range 4 * MaxConns {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if i%2 == 1 {
			fmt.Fprint(c, "GET /metrics HTTP/1.1\r\nX-Slow: ")
		}
		slow = append(slow, c)
	}
	begin := time.Now()
	closed := 0
	for _, c := range slow {
		c.SetDeadline(begin.Add(4 * headerTime))
		if _, err := c.Read(make([]byte, 1)); err == io.EOF || err != nil && !strings.Contains(err.Error(), "timeout") {
			closed++
		}
	}
	if took := time.Since(begin); closed != len(slow) || took > 3*headerTime {
		t.Errorf("%d of %d slow clients closed after %v, want all within %v", closed, len(slow), took, 3*headerTime)
	}
	if got := send(t, addr, "GET /metrics HTTP/1.0\r\n\r\n"); got != "HTTP/1.0 200 OK" {
		t.Errorf("afterwards: %q", got)
	}
	if st := s.Stats(); st.Refused+st.Denied == 0 {
		t.Errorf("Stats = %+v, want some over a limit", st)
	}
}

// TestEnd: Serve ends with its context, also with a client that idles.
func TestEnd(t *testing.T) {
	fronttest.Leaks(t)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	s := &Server{Status: sample, Feed: feed.New()}
	go func() { ended <- s.Serve(ctx, ln) }()
	c, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	io.WriteString(c, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
	if _, err := bufio.NewReader(c).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	cancel()
	select {
	case err := <-ended:
		if err != nil {
			t.Errorf("Serve = %v", err)
		}
	case <-time.After(30 * time.Second):
		t.Fatal("Serve does not end")
	}
}

// FuzzRequest: whatever a client sends, it is answered by HTTP or not at all,
// and the next one is served.
func FuzzRequest(f *testing.F) {
	for _, seed := range []string{
		"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n", "HEAD / HTTP/1.0\r\n\r\n", "POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc",
		"GET /readyz HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "GET /healthz HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n\r\n",
		"GET /metrics HTTP/1.1\r\nHost: x\r\nAccept-Encoding: gzip\r\nAccept: application/openmetrics-text\r\n\r\n", "\x16\x03\x01", "PRI * HTTP/2.0\r\n\r\n",
	} {
		f.Add([]byte(seed))
	}
	pipes := fronttest.NewPipes()
	s := &Server{Status: sample, Feed: feed.New()}
	stop := fronttest.Start(s.Serve, pipes)
	f.Cleanup(func() { stop() })
	ask := func(t *testing.T, request []byte) string {
		c := pipes.Connect()
		defer c.Close()
		c.SetDeadline(time.Now().Add(10 * time.Second))
		go func() {
			c.Write(request)
			time.Sleep(5 * time.Millisecond)
			c.SetReadDeadline(time.Now()) // what is not complete gets no answer
		}()
		line, _ := bufio.NewReader(c).ReadString('\n')
		return line
	}
	f.Fuzz(func(t *testing.T, request []byte) {
		if got := ask(t, request); got != "" && !strings.HasPrefix(got, "HTTP/1.") {
			t.Errorf("%q is answered %q", request, got)
		}
		w := httptest.NewRecorder()
		s.handler().ServeHTTP(w, httptest.NewRequest("GET", "/healthz", nil))
		if w.Code != http.StatusOK {
			t.Errorf("after %q: %d", request, w.Code)
		}
	})
}
