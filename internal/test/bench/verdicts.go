//go:build linux

package main

import (
	"context"
	"fmt"
	"math/rand/v2"

	"github.com/mxprint/mxprint/internal/evidence"
)

// verdicts counts verdicts as the evidence does: of 20,000 senders, with 15 tokens
// each, at 4,000 a day. A rate is of CPU time.
func (b *bench) verdicts(context.Context) error {
	const bar = 50_000 // a second
	r := rand.New(rand.NewPCG(9, 9))
	list := make([]evidence.Sample, 100_000)
	for i := range list {
		s := evidence.Sample{Sender: r.Uint64N(20_000) * 0x9e3779b97f4a7c15, Day: int32(i / 4000), Spam: r.IntN(2) == 0}
		for kind := range 15 {
			s.Tokens = append(s.Tokens, fmt.Sprintf("kind %d=value %d", kind, r.IntN(20)))
		}
		list[i] = s
	}
	var rates []float64
	for range rounds {
		c := evidence.NewCounts()
		begin := cpuTime()
		for _, s := range list {
			c.Add(s)
		}
		rates = append(rates, float64(len(list))/(cpuTime()-begin).Seconds())
	}
	rate := median(rates)
	b.add(row{"verdicts into the evidence, 15 tokens each, one core", "", fmt.Sprintf("%.0f/s", rate), "", fmt.Sprintf("%d/s", bar), rate >= bar})
	return nil
}
