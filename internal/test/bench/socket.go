//go:build linux

package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"path/filepath"
	"slices"
	"time"

	"github.com/mxprint/mxprint/p0f"
)

// turns is how often each daemon is asked in each way. They are asked in turn,
// so that what else the machine does, and how fast it happens to be, is shared.
const turns = 15

// sockets compares the query sockets, about an address that both know.
func (b *bench) sockets(ctx context.Context) error {
	pair, err := newPair(ctx)
	if err != nil {
		return err
	}
	defer pair.remove()
	theirs, ours := b.theirDaemon(), b.ourDaemon()
	for _, d := range []*daemon{theirs, ours} {
		if err := b.start(ctx, pair, d, nil); err != nil {
			return err
		}
		defer d.stop()
	}
	if err := pair.flood(ctx, "-count", "20", "-rate", "1000"); err != nil {
		return err
	}
	time.Sleep(300 * time.Millisecond)
	for _, w := range []struct {
		name         string
		conns, depth int
		bar          float64
	}{
		{"socket, 1 connection, one query after the other", 1, 1, 1.3},
		{"socket, 50 connections", 50, 1, 1.3},
		{"socket, 1 connection, 16 queries at a time (p0f can but one)", 1, 16, 8},
	} {
		l := load{conns: w.conns, depth: w.depth, span: 300 * time.Millisecond}
		single := l
		single.depth = 1
		var p, m answering
		for range turns {
			// A daemon that cannot take several queries at once is asked one
			// after the other.
			if err := errors.Join(p.add(ctx, theirs, single), m.add(ctx, ours, l)); err != nil {
				return err
			}
		}
		ratio := m.rate() / p.rate()
		b.add(row{w.name, p.String(), m.String(), times(ratio), times(w.bar), ratio >= w.bar})
	}
	return nil
}

// answering is how a daemon answers.
type answering struct {
	rates   []float64
	queries int
	cpu     time.Duration
}

func (a *answering) add(ctx context.Context, d *daemon, l load) error {
	before, err := d.cpu()
	if err != nil {
		return err
	}
	got, err := d.ask(ctx, l)
	if err != nil {
		return err
	}
	after, err := d.cpu()
	a.rates = append(a.rates, float64(got.queries)/got.took.Seconds())
	a.queries += got.queries
	a.cpu += after - before
	return err
}

// rate is the median of queries a second.
func (a *answering) rate() float64 { return median(a.rates) }

func (a *answering) String() string {
	return fmt.Sprintf("%.0f/s, %.1f µs of CPU each", a.rate(), float64(a.cpu.Microseconds())/float64(a.queries))
}

// asker is a connection to a query socket.
type asker struct {
	net.Conn
	in    *bufio.Reader
	query []byte
	resp  [p0f.ResponseSize]byte
}

func (d *daemon) dial() (*asker, error) {
	c, err := net.Dial("unix", d.socket)
	if err != nil {
		return nil, err
	}
	c.SetDeadline(time.Now().Add(30 * time.Second))
	return &asker{Conn: c, in: bufio.NewReaderSize(c, 64<<10)}, nil
}

// ask asks a number of times at once about client 1.
func (a *asker) ask(n int) error {
	a.query = a.query[:0]
	for range n {
		a.query = p0f.AppendQuery(a.query, client(1))
	}
	if _, err := a.Write(a.query); err != nil {
		return err
	}
	for range n {
		if _, err := io.ReadFull(a.in, a.resp[:]); err != nil {
			return err
		}
	}
	if n, err := p0f.DecodeResponse(a.resp[:]); err != nil || !n.Known() {
		return fmt.Errorf("the daemon does not know the client: %v, %v", n.State, err)
	}
	return nil
}

func client(i uint32) netip.Addr {
	c := clientBase + i
	return netip.AddrFrom4([4]byte{byte(c >> 24), byte(c >> 16), byte(c >> 8), byte(c)})
}

// percentile of durations.
func percentile(all []time.Duration, p float64) time.Duration {
	slices.Sort(all)
	return all[min(int(float64(len(all))*p), len(all)-1)]
}

func (b *bench) path(name string) string { return filepath.Join(b.dir, name) }
