package sender

import (
	"bufio"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/mxprint/mxprint/capture"
	"github.com/mxprint/mxprint/event"
	"github.com/mxprint/mxprint/internal/host"
	core "github.com/mxprint/mxprint/internal/signature"
	"github.com/mxprint/mxprint/internal/stream"
	"github.com/mxprint/mxprint/internal/test/lab"
	"github.com/mxprint/mxprint/note"
	"github.com/mxprint/mxprint/packet"
	"github.com/mxprint/mxprint/signature"
)

// labData has the captures of real programs that scripts/lab-dialects makes.
const labData = "../../tools/dialectlab/data"

// labelled is a line of labels.jsonl.
type labelled struct{ File, Client, Server, Variant, TLS, Program, Kind string }

func labels(t testing.TB) []labelled {
	t.Helper()
	f, err := os.Open(filepath.Join(labData, "labels.jsonl"))
	if errors.Is(err, os.ErrNotExist) {
		lab.Skip(t, "the lab's captures are in the repository, and not in the module that users download")
	}
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var all []labelled
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var l labelled
		if err := json.Unmarshal(lines.Bytes(), &l); err != nil {
			t.Fatal(err)
		}
		all = append(all, l)
	}
	return all
}

// frame is a segment as it was captured.
type frame struct {
	packet.Segment
	payload []byte
	at      int64
}

// frames reads a capture of the lab.
func frames(t testing.TB, file string) []frame {
	t.Helper()
	f, err := os.Open(filepath.Join(labData, file))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	plain, err := os.Create(filepath.Join(t.TempDir(), "lab.pcap"))
	if err != nil {
		t.Fatal(err)
	}
	defer plain.Close()
	if _, err := io.Copy(plain, z); err != nil {
		t.Fatal(err)
	}
	src, err := capture.OpenFile(plain.Name())
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	var all []frame
	for err == nil {
		err = src.Read(context.Background(), func(f *capture.Frame) {
			d := packet.Decoder{Link: f.Link}
			var g frame
			if err := d.Decode(f.Data, f.WireLen, &g.Segment); err != nil {
				t.Fatal(err)
			}
			g.payload = slices.Clone(f.Data[g.PayloadOff : g.PayloadOff+g.PayloadLen])
			g.at = f.Time
			all = append(all, g)
		})
	}
	if !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
	return all
}

// byConnection splits frames at each SYN of a client.
func byConnection(all []frame) map[stream.Key][]frame {
	conns := make(map[stream.Key][]frame)
	for _, f := range all {
		key := stream.Key{Client: f.Src, Server: f.Dst}
		if slices.Contains(DefaultPorts(), f.Src.Port()) {
			key = stream.Key{Client: f.Dst, Server: f.Src}
		}
		if f.Type == packet.SYN {
			conns[key] = nil
		}
		conns[key] = append(conns[key], f)
	}
	return conns
}

// read has a Reader read frames, and returns it and what it observed.
func read(t testing.TB, all []frame) (*Reader, []event.Observation) {
	t.Helper()
	var seen []event.Observation
	r := New(Config{Stream: stream.Config{MaxSource: 1000}})
	table := host.New((*core.DB)(signature.Builtin()), host.Config{Recent: 1000, MaxConns: 1000}, nil)
	table.Follow(r.Follow, func(o *event.Observation) { seen = append(seen, *o) })
	for i := range all {
		table.Frame(all[i].at)
		table.Update(&all[i].Segment, all[i].payload)
	}
	table.Unfollow()
	return r, seen
}

// known is what a Reader says of a connection.
func known(r *Reader, key stream.Key) note.Note {
	var n note.Note
	r.add(&n, note.Query{Client: key.Client, Server: key.Server})
	return n
}

// TestLab reads the lab's captures: each connection is observed once, those with
// TLS have their hello, and a look-up has the same.
func TestLab(t *testing.T) {
	captures := make(map[string]map[stream.Key][]frame)
	hellos, named := 0, 0
	for _, l := range labels(t) {
		if captures[l.File] == nil {
			captures[l.File] = byConnection(frames(t, l.File))
		}
		for key, conn := range captures[l.File] {
			if key.Client.String() != l.Client || key.Server.String() != l.Server {
				continue
			}
			r, seen := read(t, conn)
			n := known(r, key)
			if l.Kind == "bad" { // scanners say what no label has
				continue
			}
			var tls, smtp int
			for _, o := range seen {
				switch o.Module {
				case event.TLS:
					tls++
				case event.SMTP:
					smtp++
					// Without an end the reading stopped: at the last frame, or where what came is no TLS.
					early := o.At < conn[len(conn)-1].at && n.Flow.ClosedBy == "" && n.Conduct.State != note.NotKnown
					if o.Sender.TLS != n.TLS || o.Sender.Conduct == nil || o.Sender.Flow == nil || early {
						t.Errorf("%s %s: observed %+v at %d of %d, %+v %+v", l.File, l.Client, o.Sender.TLS, o.At-conn[0].at, conn[len(conn)-1].at-conn[0].at, *n.Flow, *n.Conduct)
					}
				}
			}
			if l.TLS == "0x0000" || l.TLS == "" && l.Variant == "smtps" { // none was agreed on, and there may have been a hello or not
				continue
			}
			if smtp != 1 || n.TLS == nil || (l.TLS != "") != (n.TLS.State == note.Complete) || tls > 1 {
				t.Errorf("%s %s %s: %d observations of SMTP, %d of TLS, known %+v", l.File, l.Client, l.Variant, smtp, tls, n.TLS)
				continue
			}
			if l.TLS != "" {
				hellos++
				if n.TLS.Library != "" {
					named++
				}
			}
		}
	}
	t.Logf("%d hellos, of %d the library is named", hellos, named)
	if hellos == 0 || named*100 < 95*hellos {
		t.Errorf("the library of %d of %d hellos is named, want 95 %%", named, hellos)
	}
}
