package demo

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"sync/atomic"
	"time"

	"github.com/mxprint/mxprint/internal/feed"
	"github.com/mxprint/mxprint/internal/signature"
	"github.com/mxprint/mxprint/internal/status"
	"github.com/mxprint/mxprint/internal/web"
	"github.com/mxprint/mxprint/note"
	"github.com/mxprint/mxprint/savedsyn"
)

// pause is between two connections of the page's traffic, on average.
const pause = 250 * time.Millisecond

// traffic is a sensor that sees the demonstration's senders come again and again:
// the replayed ones from addresses for documents (RFC 5737), the live ones over
// loopback.
type traffic struct {
	version string
	began   time.Time
	meter   *status.Meter
	counter *status.Counter
	front   note.Lookuper
	history status.History
	seen    atomic.Uint64
	next    note.Note // the answer to the next question; of the one goroutine
}

// Lookup implements note.Lookuper.
func (t *traffic) Lookup(context.Context, note.Query) (note.Note, error) { return t.next, nil }

// ServePage shows the page with the demonstration's traffic on loopback until ctx
// ends; at is where it listens, and version that of the program.
func ServePage(ctx context.Context, w io.Writer, at, version string) error {
	ln, err := net.Listen("tcp", at)
	if err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	t := &traffic{version: version, began: time.Now()}
	connections := feed.New()
	t.meter = status.NewMeter(t, []string{"Linux", "Windows", "iOS", "FreeBSD"})
	t.counter = t.meter.Front()
	t.front = connections.Front("milter", t.counter)
	server := &web.Server{
		Status: t.status, Feed: connections, Lookuper: note.Lookuper(unseen{}), Keys: web.NewKeys(""), DB: signature.Builtin,
		Unknown: func(context.Context) (string, error) { return "", nil },
		Forms:   []web.Form{{Name: "haraka", Text: (*note.Note).Header}},
	}
	fmt.Fprintf(w, "The page with the demonstration's traffic, until Ctrl-C:\n\n  http://%s%s\n\nThe link lets one browser in, once.\n", ln.Addr(), server.Keys.Link())
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		server.Run(ctx)
	}()
	go t.run(ctx)
	err = server.Serve(ctx, ln)
	cancel()
	<-ended
	return err
}

// unseen knows no client.
type unseen struct{}

func (unseen) Lookup(context.Context, note.Query) (note.Note, error) {
	return note.Note{State: note.NotSeen}, nil
}

// run has senders come.
func (t *traffic) run(ctx context.Context) {
	server := netip.MustParseAddrPort("192.0.2.25:25")
	for ctx.Err() == nil {
		n, ok := t.sender(ctx)
		if ok {
			t.seen.Add(1)
			t.next = n
			from := netip.AddrPortFrom(netip.AddrFrom4([4]byte{198, 51, 100, byte(1 + rand.IntN(40))}), uint16(1024+rand.IntN(60000)))
			t.front.Lookup(ctx, note.Query{Client: from, Server: server})
		}
		select {
		case <-ctx.Done():
		case <-time.After(time.Duration(rand.Int64N(int64(2 * pause)))):
		}
	}
}

// sender is what is known of one of the senders, by chance.
func (t *traffic) sender(ctx context.Context) (note.Note, bool) {
	i := rand.IntN(len(replays) + 1)
	if i == len(replays) {
		n, err := senders[rand.IntN(len(senders))].connect(ctx)
		return n, err == nil // where the kernel keeps no SYN the others come
	}
	s, err := decode(replays[i].syn)
	if err != nil {
		return note.Note{}, false
	}
	n := savedsyn.Name(nil, &s)
	n.SYNs, n.Handshakes, n.TotalConn = 1, 1, 1
	return n, true
}

// status is how the sensor of the demonstration is.
func (t *traffic) status() *status.Status {
	n, now := t.seen.Load(), time.Now()
	st := &status.Status{
		Version: t.version, PID: os.Getpid(), Now: now, Started: t.began,
		Sources: []status.Source{{Name: "demo", Kind: "demo", State: status.Running, Frames: n, SYNs: n, Last: &now}},
		Fronts:  []status.Front{{Name: "milter", Answers: t.counter.Answers()}},
		Lookups: t.meter.Lookups(), Hosts: status.Held{Now: 40, Max: 40}, Connections: status.Held{Max: 1},
		Database: status.Database{Signatures: signature.Builtin().Count(), Loaded: t.began},
	}
	t.history.Fill(st)
	st.Judge()
	return st
}
