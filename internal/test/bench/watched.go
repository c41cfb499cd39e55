//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"sync/atomic"
	"time"
)

var watchedTable = table{"alone", "<!-- bench -only watched writes from here -->\n", "<!-- watched to here -->\n"}

// watchedRuns is how often each sensor is asked, in turn.
const watchedRuns = 5

// watched compares a sensor alone with one that is watched: its metrics are
// scraped each second, and a reader follows its events. The bar is 5 %.
func (b *bench) watched(ctx context.Context) error {
	b.table = watchedTable
	pair, err := newPair(ctx)
	if err != nil {
		return err
	}
	defer pair.remove()
	alone, err := b.ourSensor()
	if err != nil {
		return err
	}
	page := b.path("http.sock")
	config := b.path("watched.toml")
	text := fmt.Sprintf("[sensor]\ninterfaces = [%q]\nfilter = %q\n[p0f]\nsocket = %q\n[http]\nlisten = [%q]\n", serverIf, synFilter, b.path("watched.sock"), "unix:"+page)
	if err := os.WriteFile(config, []byte(text), 0o644); err != nil {
		return err
	}
	seen := &daemon{name: "watched", socket: b.path("watched.sock"), args: []string{b.mxprint, "serve", "-config", config}}
	for _, d := range []*daemon{alone, seen} {
		if err := b.start(ctx, pair, d, nil); err != nil {
			return err
		}
		defer d.stop()
	}
	if err := pair.flood(ctx, "-count", "20", "-rate", "1000"); err != nil {
		return err
	}
	time.Sleep(300 * time.Millisecond)
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	scrapes, bytes, err := watch(ctx, page)
	if err != nil {
		return err
	}
	for _, w := range []struct {
		name  string
		conns int
	}{{"socket, 1 connection", 1}, {"socket, 50 connections", 50}} {
		l := load{conns: w.conns, depth: 1, span: 3 * time.Second}
		var ratios []float64
		var a, s answering
		for range watchedRuns {
			if err := errors.Join(a.add(ctx, alone, l), s.add(ctx, seen, l)); err != nil {
				return err
			}
			ratios = append(ratios, s.rates[len(s.rates)-1]/a.rates[len(a.rates)-1])
		}
		ratio := median(ratios)
		b.add(row{w.name, a.String(), s.String(), fmt.Sprintf("%.3f", ratio), "0.95", ratio >= 0.95})
	}
	if scrapes.Load() < 2*watchedRuns || bytes.Load() == 0 {
		return fmt.Errorf("%d scrapes and %d bytes of events: nothing was watched", scrapes.Load(), bytes.Load())
	}
	return nil
}

// watch scrapes the metrics each second and reads the events, until ctx ends.
func watch(ctx context.Context, socket string) (scrapes, bytes *atomic.Int64, err error) {
	scrapes, bytes = new(atomic.Int64), new(atomic.Int64)
	client := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}}}
	get := func(path string) (io.ReadCloser, error) {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://mxprint"+path, nil)
		if err != nil {
			return nil, err
		}
		resp, err := client.Do(req)
		if err == nil && resp.StatusCode != http.StatusOK {
			resp.Body.Close()
			err = fmt.Errorf("%s: %s", path, resp.Status)
		}
		if err != nil {
			return nil, err
		}
		return resp.Body, nil
	}
	events, err := get("/api/v1/events?format=ndjson")
	if err != nil {
		return nil, nil, err
	}
	go func() {
		defer events.Close()
		for buf := make([]byte, 64<<10); ; {
			n, err := events.Read(buf)
			bytes.Add(int64(n))
			if err != nil {
				return
			}
		}
	}()
	go func() {
		for tick := time.NewTicker(time.Second); ctx.Err() == nil; <-tick.C {
			if body, err := get("/metrics"); err == nil {
				io.Copy(io.Discard, body)
				body.Close()
				scrapes.Add(1)
			}
		}
	}()
	return scrapes, bytes, nil
}
