package evidence

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// senders makes a sample for each of n senders on a day; share of them spam.
func senders(r *rand.Rand, n int, day int32, share float64, tokens ...string) []Sample {
	var list []Sample
	for range n {
		list = append(list, Sample{Sender: r.Uint64(), Day: day, Spam: r.Float64() < share, Tokens: tokens})
	}
	return list
}

func addAll(c *Counts, lists ...[]Sample) {
	for _, list := range lists {
		for _, s := range list {
			c.Add(s)
		}
	}
}

func TestEstimate(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	c := NewCounts()
	for day := int32(100); day < 130; day++ {
		addAll(c, senders(r, 20, day, 0.9, "a", "both"), senders(r, 60, day, 0.3, "b", "both"), senders(r, 1, day, 1, "rare"))
	}
	a, both := c.Estimate("a", 129), c.Estimate("both", 129)
	if !a.Enough || !a.Signal || !a.Interval.Holds(0.9) || a.Lift < 1.5 || a.Weight < 2 || a.WeightInterval.Low < 1 {
		t.Errorf("a signal is %+v", a)
	}
	if both.Signal || !both.Interval.Holds(0.45) || math.Abs(both.Weight) > 0.1 {
		t.Errorf("what all have is %+v", both)
	}
	if rare := c.Estimate("rare", 129); rare.Enough || rare.Signal || rare.Weight != 0 {
		t.Errorf("30 mails speak: %+v", rare)
	}
	if none := c.Estimate("none", 129); none.Enough || none.Senders != 0 || math.Abs(none.Base-a.Base) > 1e-9 {
		t.Errorf("what was never seen is %+v", none)
	}
}

// TestSupport has the bounds below which nothing is said: mails of few senders,
// and few mails of many.
func TestSupport(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 2))
	for _, tt := range []struct {
		senders, each int
		want          bool
	}{{9, 100, false}, {10, 5, true}, {10, 4, false}, {50, 1, true}, {49, 1, false}} {
		c := NewCounts()
		addAll(c, senders(r, 500, 10, 0.5))
		for range tt.senders {
			s := Sample{Sender: r.Uint64(), Day: 10, Spam: true, Tokens: []string{"x"}}
			for range tt.each {
				c.Add(s)
			}
		}
		if e := c.Estimate("x", 10); e.Enough != tt.want || e.Senders != tt.senders || e.Mails != tt.senders*tt.each {
			t.Errorf("%d senders with %d mails each: %+v, want enough %t", tt.senders, tt.each, e, tt.want)
		}
		if e := c.Estimate("x", 10+maxAge-1); e.Enough && tt.senders*tt.each < 500 {
			t.Errorf("after four months %d senders still speak", tt.senders)
		}
	}
}

// TestOneSender has one sender with half of the mails, on each day: it counts as
// one.
func TestOneSender(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 3))
	with, without := NewCounts(), NewCounts()
	for day := range int32(30) {
		list := senders(r, 40, day, 0.8, "x")
		addAll(with, list)
		addAll(without, list)
		for range 40 {
			with.Add(Sample{Sender: 7, Day: day, Tokens: []string{"x"}})
		}
	}
	a, b := with.Estimate("x", 29), without.Estimate("x", 29)
	if d := math.Abs(a.Share - b.Share); d > 0.05 {
		t.Errorf("one sender moves a share by %.3f", d)
	}
}

// TestOrder adds the same mails in three ways: they come to the same.
func TestOrder(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 4))
	var all []Sample
	for day := range int32(20) {
		all = append(all, senders(r, 1200, day, 0.5, "x", fmt.Sprint("day ", day%3))...) // more than the sample has places for
	}
	var texts [][]byte
	for range 3 {
		one, two := NewCounts(), NewCounts()
		for i, s := range all {
			[]*Counts{one, two}[i%2].Add(s)
		}
		one.Merge(two)
		texts = append(texts, one.Append(nil))
		r.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	}
	whole := NewCounts()
	addAll(whole, all)
	for _, text := range append(texts, whole.Append(nil)) {
		if !bytes.Equal(text, texts[0]) {
			t.Fatal("the same mails in another order are other counts")
		}
	}
	e := whole.Estimate("x", 19)
	if e.Senders < 22000 || e.Senders > 26000 || !e.Interval.Holds(0.5) {
		t.Errorf("of 24,000 senders the sample says %+v", e)
	}
}

func TestForgetAndExpire(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 5))
	c := NewCounts()
	addAll(c, senders(r, 100, 10, 0.5, "x"))
	before := c.Append(nil)
	c.Add(Sample{Sender: 7, Day: 10, Tokens: []string{"x", "own"}})
	c.Forget(7)
	if !bytes.Equal(before, c.Append(nil)) {
		t.Error("a forgotten sender leaves something")
	}
	c.Expire(10 + maxAge)
	if len(c.Tokens()) != 1 {
		t.Error("what counts is dropped")
	}
	if c.Expire(11 + maxAge); len(c.Tokens()) != 0 {
		t.Errorf("what is too old stays: %q", c.Tokens())
	}
}

// TestBounds floods with made-up tokens: what many senders have stays.
func TestBounds(t *testing.T) {
	r := rand.New(rand.NewPCG(6, 6))
	c := NewCounts()
	addAll(c, senders(r, 100, 1, 0.5, "x"))
	for i := range 10 * maxTokens {
		c.Add(Sample{Sender: r.Uint64(), Day: 1, Tokens: []string{fmt.Sprint("made up ", i)}})
	}
	if n := len(c.tokens); n > maxTokens {
		t.Errorf("%d tokens", n)
	}
	if !c.Estimate("x", 1).Enough {
		t.Error("a flood of tokens evicts what is known")
	}
	for range 3 * maxDays {
		c.Add(Sample{Sender: r.Uint64(), Day: 1})
	}
	if n := len(c.tokens[Everything].days); n > maxDays {
		t.Errorf("%d days are kept of a token", n)
	}
	total := 0
	for _, t := range c.tokens {
		total += len(t.days)
	}
	if total != c.total || total > maxTotal {
		t.Errorf("%d days are kept in all, %d are counted", total, c.total)
	}
}

func TestMostOf(t *testing.T) {
	for _, tt := range []struct {
		weights []float64
		want    float64
	}{
		{nil, 0},
		{[]float64{1, 30, 1}, 1}, // few: all the same
		{slices.Repeat([]float64{1}, 50), 2},
		{append(slices.Repeat([]float64{1}, 48), 30), 2}, // 2 of 50
	} {
		if got := mostOf(slices.Clone(tt.weights)); math.Abs(got-tt.want) > 1e-9 {
			t.Errorf("mostOf(%v) = %v, want %v", tt.weights, got, tt.want)
		}
	}
}

func TestDrift(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 7))
	c := NewCounts()
	var named int32
	for day := range int32(60) {
		share := 0.95
		if day >= 40 {
			share = 0.4
		}
		addAll(c, senders(r, 60, day, 0.4, "rest"), senders(r, 12, day, share, "lost"), senders(r, 12, day, 0.95, "stays"))
		if day < 35 {
			continue
		}
		if d := c.Drift("lost", day); d.Lost != 0 && named == 0 {
			named = day
		}
		if d := c.Drift("stays", day); d.Lost != 0 {
			t.Errorf("day %d: %+v of a token that stays the same", day, d)
		}
	}
	if d := c.Drift("lost", 59); named < 40 || named > 54 || d.Lost < 37 || d.Lost > 43 {
		t.Errorf("the loss of day 40 is named on day %d, as of day %d", named, d.Lost)
	}
}

func FuzzDecode(f *testing.F) {
	c := NewCounts()
	addAll(c, senders(rand.New(rand.NewPCG(8, 8)), 9, 3, 0.5, "x", "y"))
	f.Add(c.Append(nil))
	f.Fuzz(func(t *testing.T, text []byte) {
		c, err := Decode(text)
		if err != nil {
			return
		}
		again, err := Decode(c.Append(nil))
		if err != nil || !bytes.Equal(again.Append(nil), c.Append(nil)) {
			t.Errorf("what was read is not written as such: %v", err)
		}
		c.Estimates(5)
	})
}

func BenchmarkAdd(b *testing.B) {
	r := rand.New(rand.NewPCG(9, 9))
	list := make([]Sample, 100_000)
	for i := range list {
		s := Sample{Sender: mix(uint64(r.IntN(20_000))), Day: int32(i / 4000), Spam: r.Float64() < 0.5}
		for kind := range 15 {
			s.Tokens = append(s.Tokens, fmt.Sprintf("kind %d=value %d", kind, r.IntN(20)))
		}
		list[i] = s
	}
	c := NewCounts()
	b.ResetTimer()
	for i := range b.N {
		c.Add(list[i%len(list)])
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "verdicts/s")
}
