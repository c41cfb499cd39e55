//go:build linux

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"time"

	"github.com/mxprint/mxprint/p0f"
)

// live compares what is captured on a link.
func (b *bench) live(ctx context.Context) error {
	pair, err := newPair(ctx)
	if err != nil {
		return err
	}
	defer pair.remove()
	return errors.Join(b.underFlood(ctx, pair), b.atHighestRate(ctx, pair), b.afterFlood(ctx, pair))
}

// underFlood asks while 200,000 spoofed SYNs a second come in. The sensor is
// serve: it still knows who is asked about, where p0f and its stand-in have
// forgotten him and wait for his next SYN.
func (b *bench) underFlood(ctx context.Context, pair *pair) error {
	ours, err := b.ourSensor()
	if err != nil {
		return err
	}
	var said [2]string
	var p99 time.Duration
	for i, d := range []*daemon{b.theirDaemon(), ours} {
		all, err := undisturbed(b, floodStolen, func() ([]time.Duration, error) { return b.askUnderFlood(ctx, pair, d) })
		if err != nil {
			return err
		}
		if len(all) == 0 {
			said[i] = "no answer in 10 s"
			continue
		}
		p99 = percentile(all, 0.99)
		said[i] = fmt.Sprintf("%v (median %v)", p99.Round(time.Microsecond), percentile(all, 0.5).Round(time.Microsecond))
	}
	b.add(row{"socket, 99th percentile under 200,000 spoofed SYNs a second", said[0], said[1], "", "2 ms", said[1] != "no answer in 10 s" && p99 < 2*time.Millisecond})
	return nil
}

// askUnderFlood asks a daemon a thousand times a second for ten seconds. Without
// any answer in that time it returns none.
func (b *bench) askUnderFlood(ctx context.Context, pair *pair, d *daemon) (all []time.Duration, err error) {
	if err := b.start(ctx, pair, d, nil); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, d.stop()) }()
	if err := pair.flood(ctx, "-count", "20", "-rate", "1000"); err != nil {
		return nil, err
	}
	time.Sleep(300 * time.Millisecond)
	c, err := d.dial()
	if err != nil {
		return nil, err
	}
	defer c.Close()
	if err := c.ask(1); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- pair.flood(ctx, "-first", "1000", "-rate", "200000", "-count", "2600000") }()
	time.Sleep(time.Second)
	begin := time.Now()
	c.SetDeadline(begin.Add(10 * time.Second))
	for time.Since(begin) < 10*time.Second {
		asked := time.Now()
		query := p0f.AppendQuery(nil, client(1))
		if _, err := c.Write(query); err != nil {
			break
		}
		if _, err := io.ReadFull(c.in, c.resp[:]); err != nil {
			break
		}
		all = append(all, time.Since(asked))
		time.Sleep(time.Millisecond)
	}
	cancel()
	<-ended
	return all, nil
}

// atHighestRate counts what gets into the log of SYNs sent as fast as one core
// can, while the other captures.
func (b *bench) atHighestRate(ctx context.Context, pair *pair) error {
	const count = 3_000_000
	var share [2]float64
	var rate [2]float64
	for i, make := range []func(...string) *daemon{b.theirDaemon, b.ourDaemon} {
		log := b.path("live.log")
		os.Remove(log)
		d := make("-o", log)
		if err := b.start(ctx, pair, d, nil); err != nil {
			return err
		}
		begin := time.Now()
		err := pair.flood(ctx, "-count", strconv.Itoa(count))
		rate[i] = count / time.Since(begin).Seconds()
		n := settled(log)
		if err := errors.Join(err, d.stop()); err != nil {
			return err
		}
		share[i] = 100 * float64(n) / count
	}
	os.Remove(b.path("live.log"))
	b.add(row{
		"live: share of SYNs sent at the highest rate that is in the log",
		fmt.Sprintf("%.1f %% of %.0f/s", share[0], rate[0]), fmt.Sprintf("%.1f %% of %.0f/s", share[1], rate[1]), "",
		"99 %", share[1] >= 99,
	})
	return nil
}

// settled counts the SYNs of a log once no more come.
func settled(log string) int {
	last := -1
	for range 300 {
		time.Sleep(500 * time.Millisecond)
		text, err := os.ReadFile(log)
		if err != nil {
			return 0
		}
		n := bytes.Count(text, []byte(" mod=syn|")) + bytes.Count(text, []byte("]mod=syn|"))
		if n == last {
			return n
		}
		last = n
	}
	return last
}

// afterFlood asks for a thousand senders after twenty million SYNs of others.
func (b *bench) afterFlood(ctx context.Context, pair *pair) error {
	const senders, spoofed, firstSender = 1000, 20_000_000, 100_000_000
	ours, err := b.ourSensor()
	if err != nil {
		return err
	}
	var known [2]int
	var said [2]string
	for i, d := range []*daemon{b.theirDaemon("-m", "1000,100000"), ours} {
		if err := b.start(ctx, pair, d, nil); err != nil {
			return err
		}
		err := pair.flood(ctx, "-first", strconv.Itoa(firstSender), "-count", strconv.Itoa(senders), "-rate", "5000")
		time.Sleep(time.Second)
		before := d.knows(firstSender, senders)
		err = errors.Join(err, pair.flood(ctx, "-count", strconv.Itoa(spoofed)))
		known[i] = d.knows(firstSender, senders)
		said[i] = fmt.Sprintf("%.1f %%, %d MiB", 100*float64(known[i])/senders, d.resident()>>20)
		if err := errors.Join(err, d.stop()); err != nil {
			return err
		}
		if before != senders {
			return fmt.Errorf("%s knows %d of %d senders before the flood", d.name, before, senders)
		}
	}
	b.add(row{"senders asked about before, known after 20 million spoofed SYNs (100,000 hosts)", said[0], said[1], "", "100 %", known[1] == senders})
	return nil
}

// knows returns for how many clients a daemon has an answer.
func (d *daemon) knows(first uint32, count int) (known int) {
	c, err := d.dial()
	if err != nil {
		return 0
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(60 * time.Second))
	for i := range count {
		if _, err := c.Write(p0f.AppendQuery(nil, client(first+uint32(i)))); err != nil {
			return known
		}
		if _, err := io.ReadFull(c.in, c.resp[:]); err != nil {
			return known
		}
		if n, err := p0f.DecodeResponse(c.resp[:]); err == nil && n.Known() {
			known++
		}
	}
	return known
}
