package engine

import (
	"context"
	"encoding/binary"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mxprint/mxprint/capture"
	"github.com/mxprint/mxprint/event"
	"github.com/mxprint/mxprint/packet"
	"github.com/mxprint/mxprint/signature"
)

// labCapture is a capture of our lab: Linux 6.18 connects to port 25 over IPv4
// and IPv6, four frames.
var labCapture = filepath.Join("..", "testdata", "lab", "6.18-default.pcap")

var (
	labClient  = netip.MustParseAddr("198.18.0.1")
	labClient6 = netip.MustParseAddr("2001:db8::1")
	labServer  = netip.MustParseAddr("198.18.0.2")
)

// labDB names the systems of labCapture.
func labDB(t testing.TB) *signature.DB {
	return parseDB(t, `classes = unix
[mtu]
label = Ethernet
sig   = 1500
[tcp:request]
label = s:unix:Linux:lab
sig   = 4:64:0:*:*,10:mss,sok,ts,nop,ws:df,id+:0
sig   = 6:64:0:*:*,10:mss,sok,ts,nop,ws:flow:0
`)
}

func parseDB(t testing.TB, text string) *signature.DB {
	t.Helper()
	db, err := signature.Parse(strings.NewReader(text), "test.fp")
	if err != nil {
		t.Fatal(err)
	}
	return db
}

// A record of a pcap file: its header, and the frame behind it.
type record []byte

// labRecords splits labCapture.
func labRecords(t testing.TB) (header []byte, records []record) {
	t.Helper()
	b, err := os.ReadFile(labCapture)
	if err != nil {
		t.Fatal(err)
	}
	header, b = b[:24], b[24:]
	for len(b) > 16 {
		n := 16 + int(binary.LittleEndian.Uint32(b[8:]))
		records, b = append(records, b[:n:n]), b[n:]
	}
	if len(records) != 4 {
		t.Fatalf("%s has %d frames, want 4", labCapture, len(records))
	}
	return header, records
}

// labFrame is the first SYN of the lab, as a source hands it over.
func labFrame(t testing.TB) *capture.Frame {
	t.Helper()
	_, records := labRecords(t)
	data := records[0][16:]
	return &capture.Frame{Time: 1e15, Data: data, WireLen: len(data), Link: packet.LinkEthernet}
}

// fromClient is a frame with another IPv4 source.
func fromClient(f *capture.Frame, addr netip.Addr) *capture.Frame {
	g := *f
	g.Data = append([]byte(nil), f.Data...)
	a := addr.As4()
	copy(g.Data[14+12:], a[:])
	return &g
}

// feeder feeds an engine frame by frame.
type feeder struct{ *input }

func feed(e *Engine) feeder { return feeder{newInput(e, false)} }

func (f feeder) frame(g *capture.Frame) {
	f.input.frame(g)
	f.flush()
}

// openFile opens a capture file until the test ends.
func openFile(t testing.TB, path string) *capture.File {
	t.Helper()
	f, err := capture.OpenFile(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// writeFile writes a file for the test.
func writeFile(t testing.TB, data ...[]byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "test.pcap")
	var all []byte
	for _, d := range data {
		all = append(all, d...)
	}
	if err := os.WriteFile(path, all, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// silent is a configuration whose log lines go to the test, with labDB unless
// it has a database.
func silent(t testing.TB, cfg Config) Config {
	if cfg.DB == nil {
		cfg.DB = labDB(t)
	}
	cfg.Logger = slog.New(slog.NewTextHandler(testLog{t}, nil))
	return cfg
}

// made is what New returned, of settings that are right.
func made(e *Engine, err error) *Engine {
	if err != nil {
		panic(err)
	}
	return e
}

type testLog struct{ t testing.TB }

func (l testLog) Write(b []byte) (int, error) { l.t.Logf("%s", b); return len(b), nil }

// recorder is an observer that keeps every observation.
type recorder struct {
	said      []string
	flushes   int
	flushErr  error
	unwritten int // since the last flush
}

func (r *recorder) Observe(o *event.Observation) {
	r.unwritten++
	r.said = append(r.said, o.Module.String()+" "+o.Client.String())
}

func (r *recorder) Flush() (lost int, err error) {
	r.flushes++
	r.said = append(r.said, "flush")
	lost, r.unwritten = r.unwritten, 0
	if r.flushErr == nil {
		return 0, nil
	}
	return lost, r.flushErr
}

// runFile runs a capture file to its end.
func runFile(t testing.TB, e *Engine, path string) {
	t.Helper()
	if err := e.Run(context.Background(), openFile(t, path)); err != nil {
		t.Fatalf("Run(%s) = %v", path, err)
	}
}

func join(lines []string) string { return strings.Join(lines, "\n") }
