package difftest

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/mxprint/mxprint/capture"
	"github.com/mxprint/mxprint/engine"
	"github.com/mxprint/mxprint/event"
	"github.com/mxprint/mxprint/filter"
	"github.com/mxprint/mxprint/internal/daemon"
	hosts "github.com/mxprint/mxprint/internal/host"
	"github.com/mxprint/mxprint/internal/report"
	"github.com/mxprint/mxprint/internal/sender"
)

// sessions counts what was read of SMTP and TLS.
type sessions struct{ smtp, tls int }

func (s *sessions) Observe(o *event.Observation) {
	switch o.Module {
	case event.SMTP:
		s.smtp++
	case event.TLS:
		s.tls++
	}
}

func (*sessions) Flush() (int, error) { return 0, nil }

// readBeside is p0f's log of a capture by an engine that reads SMTP and TLS, too.
func readBeside(t *testing.T, file, db string, args []string, seen *sessions) []string {
	t.Helper()
	opt, err := daemon.ParseArgs(append([]string{"-r", file}, args...))
	if err != nil {
		t.Fatal(err)
	}
	signatures, err := (&daemon.Database{File: db}).Load()
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	e, err := engine.New(engine.Config{
		DB: daemon.Public(signatures), Rule: filter.Rule{Expr: opt.Rule, P0f: true}, Logger: slog.New(slog.DiscardHandler),
		Observers: []event.Observer{report.NewLog(&log), seen}, Follow: sender.New(sender.Config{}).Follow,
		Hosts: engine.Hosts{MaxConns: opt.MaxConns, MaxHosts: opt.MaxHosts, ConnAge: opt.ConnAge, HostAge: opt.HostAge,
			HTTPBytes: (opt.MaxConns + 2) * hosts.HTTPConnBytes, Recent: 10_000},
	})
	if err != nil {
		t.Fatal(err)
	}
	src, err := capture.OpenFile(file)
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	e.Run(context.Background(), src) // its errors are compared elsewhere
	return lines(log.String())
}

// TestReadsBeside: p0f's log is the same where SMTP and TLS are read beside it,
// of the generated captures and of the lab's, whose packets have both.
func TestReadsBeside(t *testing.T) {
	p0f := Program{p0fPath(t)}
	local := time.Local
	time.Local = time.UTC
	defer func() { time.Local = local }()
	var seen sessions
	total := 0
	compare := func(name, file, db string, args []string) {
		t.Helper()
		want, err := p0f.Run(context.Background(), t.TempDir(), file, db, args...)
		if err != nil {
			t.Fatal(err)
		}
		got := readBeside(t, file, db, args, &seen)
		total += len(want.Log)
		if i := firstDifference(want.Log, got); i >= 0 {
			t.Errorf("%s: line %d is %q, p0f's %q", name, i, at(got, i), at(want.Log, i))
		}
	}
	first, n := seedsToRun(t)
	for _, p := range Profiles() {
		for seed := first; seed < first+n; seed += uint64(p.withDefaults().Every) {
			data, err := Generate(seed, p)
			if err != nil {
				t.Fatal(err)
			}
			name := fmt.Sprintf("%s-%d", p.Name, seed)
			file, db, err := writeInputs(t.TempDir(), name, p, data)
			if err != nil {
				t.Fatal(err)
			}
			compare(name, file, db, p.Args)
		}
	}
	captures, _ := filepath.Glob("../../../tools/dialectlab/data/*.pcap.gz")
	for _, c := range captures {
		compare(c, unpacked(t, c), StockDatabase, nil)
	}
	t.Logf("%d lines, %d sessions and %d hellos beside them", total, seen.smtp, seen.tls)
	if len(captures) > 0 && (seen.smtp == 0 || seen.tls == 0) {
		t.Error("nothing was read")
	}
}

// unpacked is the plain file of a capture.
func unpacked(t *testing.T, path string) string {
	t.Helper()
	in, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	z, err := gzip.NewReader(in)
	if err != nil {
		t.Fatal(err)
	}
	out, err := os.Create(filepath.Join(t.TempDir(), "lab.pcap"))
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	if _, err := io.Copy(out, z); err != nil {
		t.Fatal(err)
	}
	return out.Name()
}
