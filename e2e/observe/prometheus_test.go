//go:build linux

// Package observe has Debian's Prometheus scrape a sensor.
package observe

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mxprint/mxprint/internal/test/lab"
	"github.com/mxprint/mxprint/internal/test/mailtest"
	"github.com/mxprint/mxprint/note"
	"github.com/mxprint/mxprint/p0f"
)

const (
	metricsAt    = "127.0.0.1:9925"
	prometheusAt = "127.0.0.1:9090"
)

// prometheus is one that runs in a namespace.
type prometheus struct {
	t      *testing.T
	client http.Client
}

// startPrometheus scrapes the sensor of a namespace every second, and has our
// rules with shorter times.
func startPrometheus(t *testing.T, ns *lab.NetNS) *prometheus {
	t.Helper()
	program := lab.NeedProgram(t, "prometheus")
	dir := mailtest.TempDir(t)
	rules := read(t, "../../contrib/prometheus/mxprint.yml")
	mailtest.WriteFiles(t, dir, map[string]string{
		"mxprint.yml": strings.NewReplacer("[5m]", "[10s]", "[10m]", "[10s]", "for: 5m", "for: 2s", "for: 10m", "for: 2s", "for: 2m", "for: 2s").Replace(rules),
		"prometheus.yml": fmt.Sprintf(`
global: {scrape_interval: 1s, evaluation_interval: 1s}
rule_files: [mxprint.yml]
scrape_configs:
  - job_name: mxprint
    static_configs: [{targets: [%q]}]
`, metricsAt),
	})
	cmd := ns.Command(context.Background(), program, "--config.file="+filepath.Join(dir, "prometheus.yml"),
		"--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address="+prometheusAt)
	cmd.Env = append(os.Environ(), "GOMAXPROCS=1")
	server := mailtest.Start(t, "prometheus", cmd)
	p := &prometheus{t: t}
	p.client.Timeout = 10 * time.Second
	p.client.Transport = &http.Transport{DialContext: inside(ns), DisableKeepAlives: true}
	server.WaitFor("ready", func() bool {
		r, err := p.client.Get("http://" + prometheusAt + "/-/ready")
		if err != nil {
			return false
		}
		r.Body.Close()
		return r.StatusCode == http.StatusOK
	})
	return p
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// inside dials in a namespace.
func inside(ns *lab.NetNS) func(context.Context, string, string) (net.Conn, error) {
	return func(_ context.Context, network, addr string) (c net.Conn, err error) {
		err = ns.Do(func() (err error) {
			c, err = net.DialTimeout(network, addr, 5*time.Second)
			return err
		})
		return c, err
	}
}

// get asks the API and fills what data is in its answer.
func (p *prometheus) get(path string, data any) error {
	r, err := p.client.Get("http://" + prometheusAt + path)
	if err != nil {
		return err
	}
	defer r.Body.Close()
	text, err := io.ReadAll(io.LimitReader(r.Body, 4<<20))
	if err != nil {
		return err
	}
	var answer struct {
		Status, Error string
		Data          json.RawMessage
	}
	if err := json.Unmarshal(text, &answer); err != nil || answer.Status != "success" {
		return fmt.Errorf("%s: %v: %s %s", path, err, answer.Status, answer.Error)
	}
	return json.Unmarshal(answer.Data, data)
}

// firing are the names of the alerts that fire.
func (p *prometheus) firing() (names []string, err error) {
	var data struct {
		Alerts []struct {
			State  string
			Labels map[string]string
		}
	}
	if err := p.get("/api/v1/alerts", &data); err != nil {
		return nil, err
	}
	for _, a := range data.Alerts {
		if a.State == "firing" {
			names = append(names, a.Labels["alertname"])
		}
	}
	return names, nil
}

// hasData wants series for a query.
func (p *prometheus) hasData(query string) error {
	var data struct{ Result []json.RawMessage }
	if err := p.get("/api/v1/query?query="+url.QueryEscape(query), &data); err != nil {
		return err
	}
	if len(data.Result) == 0 {
		return fmt.Errorf("no series for %s", query)
	}
	return nil
}

// mails makes connections to a mail port of the pair, and asks about each, until
// the test ends.
func mails(t *testing.T, pair *lab.Pair, socket string, from ...netip.Addr) {
	t.Helper()
	to := netip.AddrPortFrom(pair.Server.IPv4, 25)
	var ln net.Listener
	if err := pair.Server.Do(func() (err error) { ln, err = net.Listen("tcp", to.String()); return err }); err != nil {
		t.Fatal(err)
	}
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			c.Close()
		}
	}()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		c := p0f.NewClient(socket)
		defer c.Close()
		for i := 0; ctx.Err() == nil; i++ {
			client := from[i%len(from)]
			pair.Client.Do(func() error {
				d := net.Dialer{LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(client, 0)), Timeout: time.Second}
				nc, err := d.Dial("tcp", to.String())
				if err == nil {
					nc.Close()
				}
				return err
			})
			c.Lookup(ctx, note.Query{Client: netip.AddrPortFrom(client, 0)})
			time.Sleep(100 * time.Millisecond)
		}
	}()
	t.Cleanup(func() { cancel(); <-done; ln.Close() })
}

// serveMetrics starts a sensor with metrics, whose filter takes a port.
func serveMetrics(t *testing.T, ns *lab.NetNS, dir, port string) *mailtest.Process {
	t.Helper()
	path := filepath.Join(dir, "mxprint.toml")
	mailtest.WriteFiles(t, dir, map[string]string{"mxprint.toml": fmt.Sprintf(
		"[sensor]\ninterfaces = [%q]\nfilter = \"dst port %s\"\n[p0f]\nsocket = %q\n[query]\nlisten = [%q]\n[http]\nlisten = [%q]\n",
		ns.If, port, filepath.Join(dir, "p0f.sock"), filepath.Join(dir, "query.sock"), metricsAt)})
	mailtest.SensorProgram(t) // builds it
	p := mailtest.Start(t, "serve", ns.Command(context.Background(), filepath.Join(mailtest.BinDir, "mxprint"), "serve", "-config", path))
	p.Printed("msg=ready")
	return p
}

// TestPrometheus: every query of the dashboard has data, no alert fires on a
// sensor that is well, and one does when the filter is wrong.
func TestPrometheus(t *testing.T) {
	pair := lab.NewPair(t)
	dir := mailtest.TempDir(t)
	sensor := serveMetrics(t, pair.Server, dir, "25")
	prometheus := startPrometheus(t, pair.Server)
	mails(t, pair, filepath.Join(dir, "p0f.sock"), pair.Client.IPv4)

	for _, query := range queries(t) {
		lab.Eventually(t, func() error { return prometheus.hasData(query) })
	}
	lab.Eventually(t, func() error { // on a busy machine a scrape may fail for a while
		names, err := prometheus.firing()
		if err != nil || len(names) > 0 {
			return fmt.Errorf("alerts %q, %v fire on a sensor that is well", names, err)
		}
		return nil
	})

	sensor.Stop()
	serveMetrics(t, pair.Server, dir, "26")
	lab.Eventually(t, func() error {
		names, err := prometheus.firing()
		if err != nil || !strings.Contains(strings.Join(names, " "), "MxprintNoSYNs") {
			return fmt.Errorf("with a wrong filter the alerts %q, %v fire, want MxprintNoSYNs", names, err)
		}
		return nil
	})
}

// queries are those of the dashboard, with Grafana's variables filled in.
func queries(t *testing.T) (all []string) {
	t.Helper()
	var board struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal([]byte(read(t, "../../contrib/grafana/mxprint.json")), &board); err != nil {
		t.Fatal(err)
	}
	for _, p := range board.Panels {
		for _, target := range p.Targets {
			query := strings.NewReplacer("$instance", ".*", "$__rate_interval", "10s").Replace(target.Expr)
			if strings.Contains(query, "$") {
				t.Fatalf("panel %s: a variable is left in %s", p.Title, query)
			}
			all = append(all, query)
		}
	}
	if len(all) < 15 {
		t.Fatalf("%d queries, want more", len(all))
	}
	return all
}
