//go:build linux

package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
)

const (
	synCount       = 1_000_000
	handshakeCount = 200_000
	manyHosts      = "1000,500000" // -m
)

// files compares what is read from capture files.
func (b *bench) files(ctx context.Context) error {
	syns, mails := filepath.Join(b.dir, "syns.pcap"), filepath.Join(b.dir, "mails.pcap")
	if err := writeFile(syns, func(w *pcapWriter) { w.syns(synCount) }); err != nil {
		return err
	}
	if err := writeFile(mails, func(w *pcapWriter) { w.handshakes(handshakeCount) }); err != nil {
		return err
	}
	defer os.Remove(syns)
	defer os.Remove(mails)
	answers := work{capture: syns, args: []string{"-m", manyHosts}}
	before, err := b.ours(ctx, answers, "")
	if err != nil {
		return err
	}
	var few, many cost // p0f's, with 10,000 and 500,000 hosts
	for _, w := range []struct {
		work
		bar  float64
		cost *cost
	}{
		{work{"1,000,000 SYNs of as many addresses to the log, default limits", syns, nil}, 25, &few},
		{work{"the same with -m " + manyHosts, syns, []string{"-m", manyHosts}}, 150, &many},
		{work{"200,000 SMTP connections of 6 packets to the log", mails, nil}, 18, nil},
	} {
		theirs, err := b.compare(ctx, w.work, w.bar)
		if err != nil {
			return err
		}
		if w.cost != nil {
			*w.cost = theirs
		}
	}
	b.p0fHost = fmt.Sprintf("%d bytes (of 500,000)", (many.rss-few.rss)<<10/490_000)
	after, err := b.ours(ctx, answers, "")
	if err != nil {
		return err
	}
	b.answersOnly(usual(before, after), many)
	return nil
}

// answersOnly holds runs without a log against p0f's with one: p0f cannot leave
// away its work.
func (b *bench) answersOnly(ours, theirs cost) {
	ratio := theirs.wall.Seconds() / ours.wall.Seconds()
	b.add(row{
		"answers only (no log), 500,000 hosts, against p0f's log run",
		seconds(theirs), seconds(ours), times(ratio), "300×", ratio >= 300,
	})
}

func seconds(c cost) string { return fmt.Sprintf("%.2f s, %d MiB", c.wall.Seconds(), c.rss>>10) }
