//go:build linux

package fleet

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net"
	"net/netip"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mxprint/mxprint/internal/test/clickhouse"
	"github.com/mxprint/mxprint/internal/test/mailtest"
)

// site is an exchanger with a store of its own, which takes verdicts.
type site struct {
	*exchanger
	config string
}

// newSite starts a sensor and a mail server that clients reach themselves. History
// goes to a ClickHouse, and the evidence to the store that the sites share.
func (f *fleet) newSite(t *testing.T, m *exchanger, valkey, history string) *site {
	t.Helper()
	m.dir = mailtest.TempDir(t)
	s := &site{exchanger: m, config: filepath.Join(m.dir, "mxprint.toml")}
	in := func(name string) string { return filepath.Join(m.dir, name) }
	mailtest.WriteFiles(t, m.dir, map[string]string{"nat.fp": mailtest.NatDB, "mxprint.toml": fmt.Sprintf(`[sensor]
interfaces = [%q]
[signatures]
file = %q
[p0f]
socket = %q
wait = "1s"
[query]
listen = [%q]
[store]
path = %q
listen = ["unix:%s"]
valkey = [%q]
valkey_sensor = %q
[export]
clickhouse = %q
spool = %q
every = "1s"
`, m.If, in("nat.fp"), in("p0f.sock"), in("query.sock"), in("store/store.db"), in("verdict.sock"), valkey, m.name, history, in("spool"))})
	m.serve = mailtest.Start(t, "serve "+m.name, s.mxprint(t, "serve"))
	m.serve.WaitFor("ready", func() bool { return bytes.Contains(m.serve.Out.Bytes(), []byte("ready")) })
	m.ask(t)
	m.listen(t, 25, nothing)
	return s
}

// mxprint is a command of the program at the site, with the site's configuration.
func (s *site) mxprint(t *testing.T, name string, args ...string) *exec.Cmd {
	t.Helper()
	program := filepath.Join(filepath.Dir(mailtest.SensorProgram(t)), "mxprint")
	return s.Command(context.Background(), program, append([]string{name, "-config", s.config}, args...)...)
}

// judge sends a verdict on a mail to the site's socket, as a filter does.
func (s *site) judge(id, verdict string) error {
	nc, err := net.Dial("unix", filepath.Join(s.dir, "verdict.sock"))
	if err != nil {
		return err
	}
	defer nc.Close()
	nc.SetDeadline(time.Now().Add(30 * time.Second))
	fmt.Fprintf(nc, `{"id":%q,"source":"filter","verdict":%q,"sure":true}`+"\n", id, verdict)
	answer, err := bufio.NewReader(nc).ReadString('\n')
	if err == nil && strings.TrimSpace(answer) != `{"ok":true}` {
		err = errors.New(strings.TrimSpace(answer))
	}
	return err
}

// seen is what a report says, as JSON, as far as it is looked at.
type seen struct {
	Connections int64          `json:"connections"`
	Judged      int64          `json:"with_verdict"`
	Sources     map[string]int `json:"sources"`
	All         worth          `json:"all"`
	Signals     []worth        `json:"signals"`
}

type worth struct {
	Token   string  `json:"token"`
	Senders int     `json:"senders"`
	Mails   int     `json:"mails"`
	Enough  bool    `json:"enough"`
	Share   float64 `json:"share"`
}

func (r *seen) signal(token string) worth {
	i := slices.IndexFunc(r.Signals, func(w worth) bool { return w.Token == token })
	if i < 0 {
		return worth{}
	}
	return r.Signals[i]
}

// report runs mxprint report at the site.
func (s *site) report(t *testing.T, args ...string) (r seen) {
	t.Helper()
	cmd := s.mxprint(t, "report", append(args, "-json")...)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: report %q: %v: %s", s.name, args, err, errs.Bytes())
	}
	if err := json.Unmarshal(out, &r); err != nil {
		t.Fatalf("%s: report %q: %v", s.name, args, err)
	}
	t.Logf("%s: report %q: %d connections, %d with a verdict; all %+v, Stamped %+v, Plain %+v", s.name, args, r.Connections, r.Judged, r.All, r.signal(stamped), r.signal(plain))
	return r
}

// fails runs a report that has to fail, and say so with all of some words.
func (s *site) fails(t *testing.T, flag string, words ...string) {
	t.Helper()
	cmd := s.mxprint(t, "report", flag)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	began := time.Now()
	err := cmd.Run()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 1 || out.Len() > 0 || strings.Count(errs.String(), "\n") != 1 {
		t.Errorf("report %s: %v\n%s%s", flag, err, out.Bytes(), errs.Bytes())
	}
	for _, word := range words {
		if !strings.Contains(errs.String(), word) {
			t.Errorf("report %s prints %q, without %q", flag, errs.Bytes(), word)
		}
	}
	t.Logf("report %s, after %v: %s", flag, time.Since(began).Round(time.Millisecond), bytes.TrimSpace(errs.Bytes()))
}

// The signals of the two clients.
const (
	stamped = "system=Stamped"
	plain   = "system=Plain"
)

// Of each client 18 addresses send mails: twelve to each site, so that six are seen
// at both.
const (
	ofClient  = 18
	perSite   = 12
	mailsEach = 3
	siteMails = 2 * perSite * mailsEach
)

// addresses gives a client its addresses.
func (f *fleet) addresses(i int) (list []netip.Addr) {
	for n := range ofClient {
		a := netip.AddrFrom4([4]byte{198, 18, 7, byte(100 + 50*i + n)})
		f.clients[i].IP("addr", "add", a.String()+"/24", "dev", "eth0")
		list = append(list, a)
	}
	return list
}

// spamOf is the truth: mails of one client are spam. And the two filters disagree
// about one address, which sends to both.
func spamOf(site, client, address int) string {
	if client == 0 || site == 0 && address == ofClient-perSite {
		return "spam"
	}
	return "ham"
}

// deliver sends a site its mails, and it its verdicts. What one site sees is too
// little for a report.
func (f *fleet) deliver(t *testing.T, n int, s *site, from [2][]netip.Addr) {
	t.Helper()
	for client, list := range from {
		for i := n * (ofClient - perSite); i < n*(ofClient-perSite)+perSite; i++ {
			for j := range mailsEach {
				id := fmt.Sprintf("%s-%d-%d-%d", s.name, client, i, j)
				if got := f.mail(t, s, f.clients[client], list[i], id); got != "" {
					if err := s.judge(got, spamOf(n, client, i)); err != nil {
						t.Errorf("verdict on mail %s: %v", id, err)
					}
				}
			}
		}
	}
}

// mail sends one, and returns the id of its connection.
func (f *fleet) mail(t *testing.T, s *site, client host, from netip.Addr, id string) string {
	t.Helper()
	if err := mailtest.SendMail(client.NetNS, from, s.addr, id); err != nil {
		t.Errorf("mail %s: %v", id, err)
		return ""
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	got := f.mails[id]
	if got == nil || got.err != nil || got.last.Memory == nil || got.last.Memory.ID == "" {
		t.Errorf("mail %s: %+v", id, got)
		return ""
	}
	return got.last.Memory.ID
}

// TestReports: two sites with sensors of their own, mails and verdicts at each, too
// few for a report. They share a store and a ClickHouse: the reports of both have the
// counts and verdicts of the two, each sender once. Where store or ClickHouse are
// away, report says so.
func TestReports(t *testing.T) {
	needFleet(t)
	f := newFleet(t)
	srv := f.server(t)
	ch := clickhouse.NewAt(t, clickhouse.Place{Host: f.store.addr.String(), Command: f.command, Do: f.store.Do})
	sites := []*site{f.newSite(t, f.mx[0], srv.Addr, ch.URL()), f.newSite(t, f.mx[1], srv.Addr, ch.URL())}
	from := [2][]netip.Addr{f.addresses(0), f.addresses(1)}
	for i, s := range sites {
		f.deliver(t, i, s, from)
	}
	// The filter of another machine: its verdict finds the mail by the id alone.
	id := f.mail(t, sites[0], f.clients[0], from[0][0], "elsewhere")
	if err := sites[1].judge(id, "spam"); err == nil || !strings.Contains(err.Error(), "no connection has that id") {
		t.Errorf("a verdict at the other site: %v", err)
	}
	for i, s := range sites {
		r := s.report(t)
		if want := int64(siteMails); r.Judged != want || r.Connections != want+int64(1-i) || len(r.Signals) > 0 || r.All.Senders != 2*perSite {
			t.Errorf("%s alone: %+v", s.name, r)
		}
	}
	f.fleetReports(t, srv, sites)
	f.historyReports(t, ch, sites)
	ch.Stop()
	for _, s := range sites {
		s.fails(t, "-clickhouse", "mxprint: the history at "+ch.URL(), "connection refused")
		s.report(t, "-fleet") // without it
	}
	srv.Kill()
	for _, s := range sites {
		s.fails(t, "-fleet", "mxprint: the shared store at "+srv.Addr, "connection refused")
		s.report(t)
	}
}

// both wants the counts of the two sites in a report.
func (r *seen) both(t *testing.T, more int) {
	t.Helper()
	if r.All.Senders != 2*ofClient || r.All.Mails != 2*siteMails+more {
		t.Errorf("all: %+v", r.All)
	}
	disagree := 0.5 / ofClient // of one sender of that many half is spam
	for token, want := range map[string]worth{
		stamped: {stamped, ofClient, siteMails + more, true, 1},
		plain:   {plain, ofClient, siteMails, true, disagree},
	} {
		got := r.signal(token)
		if math.Abs(got.Share-want.Share) > 0.01 {
			t.Errorf("%s: %+v, want a share of %.3f", token, got, want.Share)
		}
		if got.Share = want.Share; got != want {
			t.Errorf("%s: %+v, want %+v", token, got, want)
		}
	}
}

// fleetReports looks at what both sites report of the evidence in the shared store.
func (f *fleet) fleetReports(t *testing.T, srv interface{ CLI(...string) string }, sites []*site) {
	t.Helper()
	for _, s := range sites { // published a minute after the start, and every hour
		within(t, 2*time.Minute, func() error {
			if got := srv.CLI("EXISTS", "mxprint:1:e:"+s.name); strings.TrimSpace(got) != "1" {
				return fmt.Errorf("%s has published no evidence: %s", s.name, got)
			}
			return nil
		})
	}
	for i, s := range sites {
		r := s.report(t, "-fleet")
		r.both(t, 0)
		if r.Connections != int64(siteMails+1-i) || r.Judged != siteMails {
			t.Errorf("%s: what is tried is of this site alone: %d connections, %d with verdicts", s.name, r.Connections, r.Judged)
		}
	}
}

// historyReports looks at what both sites report of the rows in ClickHouse.
func (f *fleet) historyReports(t *testing.T, ch *clickhouse.Server, sites []*site) {
	t.Helper()
	for query, want := range map[string]string{
		"SELECT count() FROM verdicts FINAL":                   fmt.Sprint(2*siteMails + 1),
		"SELECT uniqExact(connection) FROM notes FINAL":        fmt.Sprint(2*siteMails + 1),
		"SELECT count(DISTINCT run) FROM notes FINAL":          "2",
		"SELECT count() FROM verdicts FINAL WHERE spam = true": fmt.Sprint(siteMails + mailsEach + 1),
	} {
		within(t, time.Minute, func() error {
			if got, err := ch.Query("mxprint", query); err != nil || got != want {
				return fmt.Errorf("%s answers %s, %v, want %s", query, got, err, want)
			}
			return nil
		})
	}
	for _, s := range sites {
		r := s.report(t, "-clickhouse")
		r.both(t, 1)
		if want := int64(2*siteMails + 1); r.Connections != want || r.Judged != want || r.Sources["filter"] != int(want) {
			t.Errorf("%s: of ClickHouse: %d connections, %d with verdicts, %v", s.name, r.Connections, r.Judged, r.Sources)
		}
	}
}

// within waits for something.
func within(t *testing.T, d time.Duration, ok func() error) {
	t.Helper()
	for end := time.Now().Add(d); ; time.Sleep(200 * time.Millisecond) {
		err := ok()
		if err == nil {
			return
		} else if time.Now().After(end) {
			t.Fatal(err)
		}
	}
}
