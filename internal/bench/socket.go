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
	"sync"
	"time"

	"github.com/mxprint/mxprint/p0f"
)

// sockets compares the query sockets, about an address that both know.
func (b *bench) sockets(ctx context.Context) error {
	pair, err := newPair(ctx)
	if err != nil {
		return err
	}
	defer pair.remove()
	var rates [2][]float64
	for i, d := range []*daemon{b.theirDaemon(), b.ourDaemon()} {
		if err := b.start(ctx, pair, d, nil); err != nil {
			return err
		}
		if err := pair.flood(ctx, "-count", "20", "-rate", "1000"); err != nil {
			return errors.Join(err, d.stop())
		}
		time.Sleep(300 * time.Millisecond)
		rates[i], err = d.rates(i == 1)
		if err := errors.Join(err, d.stop()); err != nil {
			return err
		}
	}
	for i, w := range []struct {
		name string
		bar  float64
	}{
		{"socket, 1 connection, one query after the other", 1},
		{"socket, 50 connections", 1.3},
		{"socket, 1 connection, 16 queries at a time (p0f can but one)", 8},
	} {
		ratio := rates[1][i] / rates[0][i]
		b.add(row{w.name, perSecond(rates[0][i]), perSecond(rates[1][i]), times(ratio), times(w.bar), ratio >= w.bar})
	}
	return nil
}

func perSecond(n float64) string { return fmt.Sprintf("%.0f/s", n) }

// rates measures the three ways to ask. A daemon that cannot take several
// queries at once is asked one after the other again.
func (d *daemon) rates(pipelines bool) ([]float64, error) {
	depth := 1
	if pipelines {
		depth = 16
	}
	var medians []float64
	for _, w := range []struct{ conns, depth int }{{1, 1}, {50, 1}, {1, depth}} {
		var all []float64
		for range rounds {
			rate, err := d.rate(w.conns, w.depth)
			if err != nil {
				return nil, err
			}
			all = append(all, rate)
		}
		medians = append(medians, median(all))
	}
	return medians, nil
}

// rate asks for a second.
func (d *daemon) rate(conns, depth int) (float64, error) {
	const span = time.Second
	var wg sync.WaitGroup
	counts, errs := make([]int, conns), make([]error, conns)
	begin := time.Now()
	for i := range conns {
		wg.Go(func() {
			c, err := d.dial()
			if err != nil {
				errs[i] = err
				return
			}
			defer c.Close()
			for time.Since(begin) < span && errs[i] == nil {
				counts[i] += depth
				errs[i] = c.ask(depth)
			}
		})
	}
	wg.Wait()
	total := 0
	for _, n := range counts {
		total += n
	}
	return float64(total) / time.Since(begin).Seconds(), errors.Join(errs...)
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
