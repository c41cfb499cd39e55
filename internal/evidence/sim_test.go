package evidence

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// The simulator: a site whose truth is known. Its senders are of kinds, each with
// signals and a share of spam; large senders with many mails, forwarders, bots
// that come once, campaigns, a filter that errs, people who err. It is no model
// of real mail: it shows whether the figures are right where the truth is known.

// simKind is a kind of sender.
type simKind struct {
	name   string
	stay   int     // senders that are there all the time
	come   float64 // new ones each day, on average
	active float64 // the share of days on which one that stays sends
	mails  float64 // on such a day, on average, beside one
	spam   float64 // the share of its mails
	tokens map[string]float64
}

func simKinds() []simKind {
	return []simKind{
		{"mail server", 300, 0, 0.5, 2, 0.03, map[string]float64{"system=Linux": 0.97, "software=Postfix": 0.7, "software=Exim": 0.3, "tls=OpenSSL 3": 0.9, "hello=full name": 1, "link=Ethernet": 0.9}},
		{"large Windows sender", 25, 0, 1, 60, 0.05, map[string]float64{"system=Windows": 1, "software=Exchange": 1, "tls=SChannel": 1, "hello=full name": 1, "link=Ethernet": 1}},
		{"newsletter", 30, 0, 0.6, 30, 0.10, map[string]float64{"system=Linux": 1, "software=Bulk": 1, "tls=OpenSSL 3": 0.5, "tls=Go": 0.5, "hello=full name": 1, "link=Ethernet": 0.7}},
		{"forwarder", 12, 0, 1, 10, 0.45, map[string]float64{"system=Linux": 1, "software=Postfix": 1, "tls=OpenSSL 3": 1, "hello=full name": 1, "link=Ethernet": 1, "memory=16 visits and more": 1}},
		{"script", 60, 2, 0.3, 1, 0.30, map[string]float64{"system=Linux": 0.8, "software=Python": 0.6, "software=PHP": 0.4, "tls=none": 0.4, "hello=one word": 0.5, "link=Ethernet": 0.8}},
		{"cloud spam", 0, 25, 0, 2, 0.85, map[string]float64{"system=Linux": 1, "software=Exim": 0.6, "software=Postfix": 0.4, "tls=OpenSSL 3": 0.7, "hello=full name": 0.8, "memory=new address": 1, "link=Ethernet": 0.9}},
		{"bot", 0, 35, 0, 1, 0.96, map[string]float64{"system=Windows": 0.95, "software=unknown": 0.9, "dialect=bot one": 0.9, "tls=none": 0.95, "hello=one word": 0.6, "conduct=early_talker": 0.4, "memory=new address": 1, "link=DSL": 0.7}},
	}
}

// simSender is one of a kind, with its tokens.
type simSender struct {
	kind    int
	id      uint64
	network netip.Prefix
	tokens  []string
}

// sim is a site on a day.
type sim struct {
	*rand.Rand
	kinds  []simKind
	noise  int // kinds of tokens that mean nothing
	stay   []simSender
	mails  []*Mail
	day    int32
	errs   bool // the filter is wrong in a fifth of its verdicts
	people float64
	next   uint32
}

func newSim(seed uint64, noise int) *sim {
	s := &sim{Rand: rand.New(rand.NewPCG(seed, 26)), kinds: simKinds(), noise: noise, day: 20_000, people: 0.02}
	for k := range s.kinds {
		for range s.kinds[k].stay {
			s.stay = append(s.stay, s.sender(k))
		}
	}
	return s
}

func (s *sim) sender(kind int) simSender {
	s.next++
	one := simSender{kind: kind, id: s.Uint64(), network: netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(s.next >> 16), byte(s.next >> 8), byte(s.next)}), 32)}
	// Of one kind of token a sender has one.
	roll := make(map[string]float64)
	for _, token := range slices.Sorted(mapKeys(s.kinds[kind].tokens)) {
		group := groupOf(token)
		if _, ok := roll[group]; !ok {
			roll[group] = s.Float64()
		}
		if p := s.kinds[kind].tokens[token]; roll[group] >= 0 && roll[group] < p {
			one.tokens = append(one.tokens, token)
			roll[group] = -1
		} else if roll[group] >= 0 {
			roll[group] -= p
		}
	}
	for i := range s.noise {
		one.tokens = append(one.tokens, fmt.Sprintf("noise%d=%d", i, s.IntN(4)))
	}
	return one
}

func mapKeys(m map[string]float64) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

// pass simulates a day.
func (s *sim) pass() {
	for _, one := range s.stay {
		if s.Float64() < s.kinds[one.kind].active {
			s.send(one)
		}
	}
	for k := range s.kinds {
		n := s.kinds[k].come
		for n > 0 && (n >= 1 || s.Float64() < n) {
			s.send(s.sender(k))
			n--
		}
	}
	s.day++
}

// send has a sender send what it sends in a day.
func (s *sim) send(one simSender) {
	k := s.kinds[one.kind]
	n := 1 + int(s.ExpFloat64()*k.mails)
	for range min(n, 200) {
		s.mails = append(s.mails, s.mail(one, s.Float64() < k.spam))
	}
}

// mail is one, with the verdict of the filter and at times of a person. The
// filter's scores have a threshold of 6.
func (s *sim) mail(one simSender, spam bool) *Mail {
	mean, dev := -2.0, 2.5
	if spam {
		mean = 14
	}
	if s.errs { // a fifth of both is on the wrong side
		dev = 4.5
		if mean = 2.2; spam {
			mean = 9.8
		}
	}
	score := mean + dev*s.NormFloat64()
	v := Verdict{Source: "filter", HasScore: true, Score: score, Threshold: 6, Spam: score >= 6, Sure: score >= 12 || score <= 0}
	m := &Mail{At: time.Unix(int64(s.day)*86400+int64(s.IntN(86400)), 0), Network: one.network, Sender: one.id, Tokens: one.tokens, Verdicts: []Verdict{v},
		Name: fmt.Sprintf("host%d.example", one.id%100_000)}
	if s.Float64() < s.people {
		said := spam
		if s.Float64() < 0.1 {
			said = !said
		}
		m.Verdicts = append(m.Verdicts, Verdict{Source: "learn", Spam: said, Sure: true, Person: true})
	}
	return m
}

// truth is the share of spam among the days of the senders with a token, by what
// the kinds are and which senders stay: what an estimate should hold.
func (s *sim) truth(token string) float64 {
	var spam, all float64
	for _, one := range s.stay {
		if slices.Contains(one.tokens, token) {
			w := s.kinds[one.kind].active
			all += w
			spam += w * s.kinds[one.kind].spam
		}
	}
	for _, k := range s.kinds {
		p := k.tokens[token]
		if strings.HasPrefix(token, "noise") {
			p = 0.25
		}
		all += k.come * p
		spam += k.come * p * k.spam
	}
	return spam / all
}

// counts are those of the mails before a day.
func (s *sim) counts(before int32) *Counts {
	c := NewCounts()
	for _, m := range s.mails {
		if Day(m.At) < before {
			m.Count(c)
		}
	}
	return c
}

// Evidence, Mails and Connections make it a Source.
func (s *sim) Evidence(context.Context) (*Counts, error) { return s.counts(s.day), nil }

func (s *sim) Mails(_ context.Context, since time.Time, f func(*Mail) error) error {
	for _, m := range s.mails {
		if !m.At.Before(since) && Day(m.At) < s.day {
			if err := f(m); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *sim) Connections(_ context.Context, since time.Time) (all, judged int64, err error) {
	for _, m := range s.mails {
		if m.At.Before(since) {
			continue
		}
		all++
		if len(m.Verdicts) > 0 {
			judged++
		}
	}
	return all, judged, nil
}

// now is the end of the last day that passed.
func (s *sim) now() time.Time { return time.Unix(int64(s.day)*86400-1, 0) }

// planted are the tokens with enough support that are no noise.
func planted(c *Counts, day int32) (list []Estimate) {
	for _, e := range c.Estimates(day) {
		if e.Enough && !strings.HasPrefix(e.Token, "noise") {
			list = append(list, e)
		}
	}
	return list
}

// cases counts those that are as they should be.
type cases struct{ good, all int }

func (c *cases) add(ok bool) {
	c.all++
	if ok {
		c.good++
	}
}

func (c cases) String() string {
	return fmt.Sprintf("%d of %d (%.1f %%)", c.good, c.all, 100*float64(c.good)/float64(max(c.all, 1)))
}

func (c cases) atLeast(t *testing.T, share float64, what string) {
	t.Helper()
	t.Logf("%s: %v", what, c)
	if float64(c.good) < share*float64(c.all) || c.all == 0 {
		t.Errorf("%s: %v, want at least %.0f %%", what, c, 100*share)
	}
}

// simSeeds is how many sites are simulated: 12 by make sim, one by make test.
func simSeeds(t *testing.T) (seeds uint64, noise int) {
	if text := os.Getenv("MXPRINT_SIM_SEEDS"); text != "" {
		n, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			t.Fatalf("MXPRINT_SIM_SEEDS: %v", err)
		}
		return n, 40
	}
	return 1, 12
}

// most is the largest of several moves of a share, and what it was of.
type most struct {
	move float64
	of   string
	n    int
	sum  float64
	good cases // of at most 5 points
}

func (m *most) add(move float64, seed uint64, token string) {
	m.n++
	m.sum += move
	m.good.add(move <= 0.05)
	if move > m.move {
		m.move, m.of = move, fmt.Sprintf("%s, seed %d", token, seed)
	}
}

func (m most) atMost(t *testing.T, bound float64, what string) {
	t.Helper()
	t.Logf("%s: at most %.1f points (%s), %.1f on average, of %d; at most 5: %v", what, 100*m.move, m.of, 100*m.sum/float64(max(m.n, 1)), m.n, m.good)
	if m.n == 0 {
		t.Errorf("%s: no signal was looked at", what)
	}
	if m.move > bound {
		t.Errorf("%s: a share moves by %.1f points (%s), want at most %.0f", what, 100*m.move, m.of, 100*bound)
	}
}

// moves are how far faults of a site move the share of a signal.
type moves struct {
	oneSender, onOne, near most
	// A fifth of all verdicts turned around at random: once, in many draws, and what
	// is left of a signal's moves where chance is averaged out.
	anywhere, draws, systematic most
	// The same draws, by an estimate that is given the part of wrong verdicts: what
	// chance alone does.
	chance  most
	printed cases // intervals with the faults that have the share without them
}

// manySenders is what a signal has to have so that chance moves its share by less
// than what is asked for: where half of the verdicts is lost, or a fifth is wrong,
// a share of 300 senders is 3 points less sure than before.
const manySenders = 1000

// TestSimulator has the figures that the report rests on.
func TestSimulator(t *testing.T) {
	seeds, noise := simSeeds(t)
	var held, found, silent, would cases
	var m moves
	for seed := range seeds {
		s := newSim(seed, noise)
		days := 45
		if seeds == 1 { // of make test
			days = 30
		}
		for range days {
			s.pass()
		}
		c := s.counts(s.day)
		base := s.truth2()
		for _, e := range c.Estimates(s.day - 1) {
			isNoise := strings.HasPrefix(e.Token, "noise")
			switch {
			case isNoise:
				silent.add(!e.Signal)
			case e.Enough:
				held.add(e.Interval.Holds(s.truth(e.Token)))
				if math.Abs(s.truth(e.Token)-base) > 0.15 && e.Senders >= 20 {
					if found.add(e.Signal); !e.Signal {
						t.Logf("seed %d: not found: %+v, in truth %.3f, all %.3f", seed, e, s.truth(e.Token), base)
					}
				}
			}
		}
		m.look(t, s, c, seed, days)
		would.merge(s.wouldHave(t))
	}
	held.atLeast(t, 0.90, "intervals that hold the truth")
	found.atLeast(t, 0.99, "planted signals that are found")
	silent.atLeast(t, 0.99, "tokens of noise that are silent")
	least := 0.90
	if seeds < 5 {
		least = 0.75 // of eight
	}
	would.atLeast(t, least, "shares of the future in the interval of what would have been")
	m.oneSender.atMost(t, 0.05, "one sender with half of the mails")
	m.onOne.atMost(t, 0.05, "a fifth of all verdicts wrong, all on one signal: the others")
	m.near.atMost(t, 0.05, "a filter that is wrong in a fifth of its verdicts, near its threshold")
	m.random(t)
}

// random has the figures of a fifth of all verdicts turned around at random. Chance
// is large there, whatever the estimate: of a thousand mails of bots two hundred are
// said to be ham, some more or fewer.
func (m *moves) random(t *testing.T) {
	t.Helper()
	const anywhere = "a fifth of all verdicts wrong, sure ones as well, at random"
	m.anywhere.atMost(t, 0.08, anywhere)
	m.draws.atMost(t, 0.08, anywhere+", many draws")
	m.draws.good.atLeast(t, 0.99, anywhere+": moves of 5 points at most")
	m.chance.atMost(t, 0.08, anywhere+", the part of wrong verdicts given")
	m.systematic.atMost(t, 0.03, anywhere+": a signal's moves, averaged over the draws")
	m.printed.atLeast(t, 0.99, anywhere+": printed intervals that have the share without the faults")
}

// look tries the faults with a site.
func (m *moves) look(t *testing.T, s *sim, c *Counts, seed uint64, days int) {
	t.Helper()
	was := planted(c, s.day-1)
	big := NewCounts()
	for _, mail := range s.mails {
		s.plain(mail).Count(big)
	}
	for day := s.day - int32(days); day < s.day; day++ {
		for range len(s.mails) / days {
			big.Add(Sample{Sender: 7, Day: day, Spam: true, Tokens: []string{"system=Linux", "software=Postfix", "tls=OpenSSL 3", "hello=full name", "link=Ethernet"}})
		}
	}
	is := estimatesOf(big, s.day-1)
	for _, e := range was {
		m.oneSender.add(math.Abs(is[e.Token].Share-e.Share), seed, e.Token)
	}
	touched, onOne := s.wrongOnOne()
	is = estimatesOf(onOne, s.day-1)
	for _, e := range was {
		if !touched[e.Token] {
			m.onOne.add(math.Abs(is[e.Token].Share-e.Share), seed, e.Token)
		}
	}
	bad := newSim(seed, 0)
	bad.errs = true
	for range days {
		bad.pass()
	}
	near := bad.counts(bad.day)
	is = estimatesOf(near, bad.day-1)
	t.Logf("seed %d: wrong verdicts are taken to be %.3f of the sure ones, with faults near the threshold %.3f", seed,
		c.site(s.day-1).wrong.Taken, near.site(bad.day-1).wrong.Taken)
	for _, e := range was {
		if e.Senders >= manySenders {
			m.near.add(math.Abs(is[e.Token].Share-e.Share), seed, e.Token)
		}
		if truth := s.truth(e.Token); !is[e.Token].Interval.Holds(truth) {
			t.Logf("seed %d: with faults %s is %v, in truth %.3f", seed, e.Token, is[e.Token].Interval, truth)
		}
	}
	m.lookRandom(s, was, seed, days)
}

// wrongPart is the part of the verdicts that wrongAnywhere turns around.
const wrongPart = 0.2

// lookRandom turns a fifth of the verdicts around, in each draw others.
func (m *moves) lookRandom(s *sim, was []Estimate, seed uint64, days int) {
	draws := 16
	if days < 45 { // of make test
		draws = 2
	}
	sums := make(map[string]float64)
	for draw := range uint64(draws) {
		c := s.wrongAnywhere(1000*draw + seed)
		site := c.site(s.day - 1)
		for _, e := range was {
			if e.Senders < manySenders {
				continue
			}
			is := c.estimate(e.Token, s.day-1, site)
			move := is.Share - e.Share
			if draw == 0 {
				m.anywhere.add(math.Abs(move), seed, e.Token)
			}
			m.draws.add(math.Abs(move), seed, e.Token)
			m.chance.add(math.Abs((is.verdicts-wrongPart)/(1-2*wrongPart)-e.verdicts), seed, e.Token)
			m.printed.add(is.Interval.Holds(e.Share))
			sums[e.Token] += move
		}
	}
	for token, sum := range sums {
		m.systematic.add(math.Abs(sum/float64(draws)), seed, token)
	}
}

// plain is a mail without the signals that mean nothing: which only take time here.
func (s *sim) plain(m *Mail) *Mail {
	own := *m
	own.Tokens = m.Tokens[:len(m.Tokens)-s.noise]
	return &own
}

func estimatesOf(c *Counts, day int32) map[string]Estimate {
	of := make(map[string]Estimate)
	for _, e := range c.Estimates(day) {
		of[e.Token] = e
	}
	return of
}

// wrongAnywhere turns a fifth of the verdicts around, whatever the mail, and
// however sure.
func (s *sim) wrongAnywhere(seed uint64) *Counts {
	c, r := NewCounts(), rand.New(rand.NewPCG(seed, 27))
	for _, m := range s.mails {
		own := s.plain(m)
		own.Verdicts = slices.Clone(m.Verdicts)
		for i := range own.Verdicts {
			if r.Float64() < wrongPart {
				own.Verdicts[i].Spam = !own.Verdicts[i].Spam
			}
		}
		own.Count(c)
	}
	return c
}

func (c *cases) merge(d cases) { c.good, c.all = c.good+d.good, c.all+d.all }

// truth2 is the truth of all senders.
func (s *sim) truth2() float64 {
	var spam, all float64
	for _, one := range s.stay {
		w := s.kinds[one.kind].active
		all, spam = all+w, spam+w*s.kinds[one.kind].spam
	}
	for _, k := range s.kinds {
		all, spam = all+k.come, spam+k.come*k.spam
	}
	return spam / all
}

// wrongOnOne turns the verdicts on mails of one signal around, a fifth of all. It
// returns which signals at least a twentieth of the senders' days had one with:
// those are not others.
func (s *sim) wrongOnOne() (touched map[string]bool, c *Counts) {
	const on = "system=Windows"
	c, touched = NewCounts(), make(map[string]bool)
	type senders map[senderDay]bool // on days
	some, all := map[string]senders{}, map[string]senders{}
	n, turned := 0, 0
	note := func(of map[string]senders, m *Mail) {
		for _, token := range m.Tokens {
			if of[token] == nil {
				of[token] = senders{}
			}
			of[token][senderDay{m.Sender, Day(m.At)}] = true
		}
	}
	for _, m := range s.mails {
		n++
		own := s.plain(m)
		if slices.Contains(m.Tokens, on) && turned*5 < n {
			turned++
			own.Verdicts = nil
			for _, v := range m.Verdicts {
				v.Spam = !v.Spam
				own.Verdicts = append(own.Verdicts, v)
			}
			note(some, m)
		}
		note(all, m)
		own.Count(c)
	}
	for token := range all {
		touched[token] = 20*len(some[token]) >= len(all[token])
	}
	return touched, c
}

// wouldHave compares what a report says of the last 14 days with the 14 that
// come.
func (s *sim) wouldHave(t *testing.T) (c cases) {
	t.Helper()
	r, err := Make(t.Context(), s, s.now(), 14)
	if err != nil {
		t.Fatal(err)
	}
	w := s.counts(Day(r.Since)).Weights(s.day - 1)
	from := s.day
	for range 14 {
		s.pass()
	}
	for i, one := range r.Would[:len(thresholds)] {
		future := NewWould("", func(m *Mail) bool { return w.Score(m.Tokens) >= thresholds[i] })
		for _, m := range s.mails {
			if Day(m.At) >= from {
				future.Add(m)
			}
		}
		future.Finish()
		if one.Hit < 200 {
			continue
		}
		near := func(was, is Interval, share float64) bool {
			return was.Holds(share) || was.Low <= is.High && is.Low <= was.High
		}
		c.add(near(one.Interval, future.Interval, future.Share))
		c.add(near(one.HamInterval, future.HamInterval, future.HamHit))
	}
	return c
}

// TestSimulatorDrift changes the world: honest scripts begin to speak as the bots
// do. The report has to say so within 14 days.
func TestSimulatorDrift(t *testing.T) {
	seeds, noise := simSeeds(t)
	var named cases
	falsely := cases{}
	for seed := range seeds {
		s := newSim(100+seed, noise/4)
		for range 40 {
			s.pass()
		}
		change := s.day
		s.kinds = append(s.kinds, simKind{"new script", 0, 60, 0, 1, 0.05, map[string]float64{"system=Linux": 0.9, "dialect=bot one": 1, "tls=none": 0.3, "hello=full name": 1, "memory=new address": 1}})
		lost := int32(0)
		for range 14 {
			s.pass()
			if d := s.counts(s.day).Drift("dialect=bot one", s.day-1); d.Lost != 0 && lost == 0 {
				lost = s.day - change
				t.Logf("seed %d: named after %d days, as of %+d days from the change", seed, lost, d.Lost-change)
			}
		}
		named.add(lost != 0)
		c := s.counts(change)
		for _, e := range planted(c, change-1) {
			falsely.add(c.Drift(e.Token, change-1).Lost == 0)
		}
	}
	named.atLeast(t, 1, "lost signals that are named within 14 days")
	falsely.atLeast(t, 0.99, "tokens that stay as they are and are not said to be lost")
}
