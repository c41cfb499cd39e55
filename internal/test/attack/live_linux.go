package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/mxprint/mxprint/internal/test/flood"
	"github.com/mxprint/mxprint/note"
	"github.com/mxprint/mxprint/query"
)

const (
	liveCommand = "live"  // has this program flood and ask, in the attacker's namespace
	liveRate    = 100_000 // SYNs a second
	liveEach    = 50 * time.Millisecond
	mostWait    = 5 * time.Millisecond // of 99 in 100 look-ups
)

// live floods a running sensor over a link of its own, by kind, and asks it
// meanwhile about senders that begin just then. The page and a reader of its
// events are on.
func (t *table) live(ctx context.Context) {
	const what = "floods of a running sensor"
	g, err := newGround(ctx)
	if err != nil {
		t.failed(what, err)
		return
	}
	defer g.close()
	r, err := g.readEvents(ctx)
	if err != nil {
		t.failed(what, fmt.Errorf("%w: %s", err, &g.log))
		return
	}
	defer r.stop()
	bar := fmt.Sprintf("%d of %d new senders known, p99 < %v", senders, senders, mostWait)
	for _, v6 := range []bool{false, true} {
		for i, f := range floods(v6) {
			out, err := g.attacker(ctx, strconv.FormatBool(v6), strconv.Itoa(i), g.path("q.sock"))
			var rate, known int
			var p99 time.Duration
			if _, scan := fmt.Sscan(string(out), &rate, &known, (*int64)(&p99)); err != nil || scan != nil {
				t.failed("a running sensor: "+f.name, fmt.Errorf("%w: %s", errors.Join(err, scan), out))
				continue
			}
			t.row("a running sensor: "+f.name, fmt.Sprintf("%d of %d known, p99 %v, %d SYNs a second", known, senders, p99.Round(time.Microsecond), rate),
				bar, known == senders && p99 < mostWait)
		}
	}
	t.page(ctx, g, r)
}

// liveFlood floods and asks, and prints SYNs a second, senders known and
// nanoseconds.
func liveFlood(args []string) error {
	v6, socket := args[0] == "true", args[2]
	kind, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	if kind == pageFlood {
		return pageAttack(socket)
	}
	link, err := flood.Open(clientIf)
	if err != nil {
		return err
	}
	defer link.Close()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	sent := make(chan int)
	go func() { sent <- link.Flood(ctx, liveRate, syn(v6), seqd(floods(v6)[kind].syn)) }()
	begin := time.Now()
	known, all, err := ask(ctx, link, socket, v6, kind)
	if err != nil {
		return err
	}
	took := time.Since(begin)
	cancel()
	slices.Sort(all)
	fmt.Println(int(float64(<-sent)/took.Seconds()), known, int64(all[len(all)*99/100]))
	return nil
}

// ask has genuine senders begin, and asks about each. It returns how many are
// known at the first question, and how long the questions took.
func ask(ctx context.Context, link *flood.Link, socket string, v6 bool, kind int) (known int, all []time.Duration, err error) {
	c := &query.Client{Addr: socket, Timeout: 2 * time.Second}
	defer c.Close()
	for i := range senders {
		s := syn(false)
		s.Src, s.Seq = four(0xc0a80000|uint32(kind)<<8|uint32(i), 40000), uint32(i)
		if v6 {
			s.Src = four(0xc0a90000|uint32(kind)<<8|uint32(i), 40000)
		}
		if err := link.Send(&s); err != nil {
			return 0, nil, err
		}
		for ask := range 5 {
			asked := time.Now()
			n, err := c.Lookup(ctx, note.Query{Client: s.Src, Server: s.Dst, Wait: 50 * time.Millisecond})
			all = append(all, time.Since(asked))
			if ask == 0 && err == nil && n.Known() && n.ByConnection {
				known++
			}
		}
		time.Sleep(liveEach)
	}
	return known, all, nil
}
