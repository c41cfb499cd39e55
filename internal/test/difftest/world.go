package difftest

import (
	"fmt"
	"net/netip"
	"os"
)

// Generate returns a capture (classic pcap, Ethernet, microseconds) for a seed.
// The error is that of reading the database: StockDatabase is missing, or
// p.DB holds a signature that cannot be read.
func Generate(seed uint64, p Profile) ([]byte, error) {
	records, err := generate(seed, p)
	if err != nil {
		return nil, err
	}
	return encodePcap(pcapFormat{link: linkEthernet}, records), nil
}

func generate(seed uint64, p Profile) ([]record, error) {
	p = p.withDefaults()
	_, db, err := load(p)
	if err != nil {
		return nil, err
	}
	w := newWorld(newSource(seed, p.Name), p, db)
	for len(w.out) < p.Frames {
		w.step()
	}
	return w.out[:p.Frames], nil
}

// load returns the text of a profile's database and the TCP signatures in it.
func load(p Profile) (string, *database, error) {
	text := p.DB
	if text == "" {
		b, err := os.ReadFile(StockDatabase)
		if err != nil {
			return "", nil, fmt.Errorf("%w: reading the stock database: %w", errDatabase, err)
		}
		text = string(b)
	}
	db, err := readDatabase(text)
	return text, db, err
}

// world is the state of one generation: hosts with their stacks and clocks, the
// flows between them, the time, and the frames made so far.
type world struct {
	r     *source
	p     Profile
	db    *database
	book  books
	now   uint64 // microseconds since 1970
	hosts []*host
	flows []*flow // the newest last; at most keep
	keep  int
	fast  bool // this stretch of the capture is quick
	out   []record
	// counted is how many of out pass p0f's filter: what it does about age it
	// does on every 50th of them.
	counted int
	guests  int
}

// host is one machine with an IPv4 and an IPv6 address.
type host struct {
	v4, v6 netip.Addr
	cli    persona // as a client
	srv    persona // as a server
	port   uint16  // last client port
	hops   int     // distance to the sensor
	hz     int     // timestamp clock
	tsBase uint32  // the clock's value at second 0
	flow   uint32  // IPv6 flow label of its SYNs; 0 = none
	tos    uint8   // DSCP of its packets, shifted; 0 = none
}

// flow is a connection as its two hosts see it; what p0f thinks of it is not
// modelled.
type flow struct {
	cli, srv     *host
	client       netip.AddrPort
	server       netip.AddrPort
	cseq, sseq   uint32 // next sequence numbers
	mss          uint16 // of the SYN
	ts           bool   // segments carry timestamps
	answered     bool
	sentByClient int
}

func newWorld(r *source, p Profile, db *database) *world {
	w := &world{r: r, p: p, db: db, book: newBooks(db), fast: p.Pace != Varied, keep: 48}
	if p.Pace == Flood {
		w.keep = 4000 // more than p0f keeps by default
	}
	w.now = 1_600_000_000_000_000 + uint64(r.n(100_000_000))*1_000_003
	for i := range p.Hosts {
		w.hosts = append(w.hosts, w.newHost(i))
	}
	if p.Hosts > 3 && r.chance(0.2) {
		// No address is special to p0f (p0f-v3.md §1.4).
		w.hosts[0].v4 = pick(r, netip.MustParseAddr("0.0.0.0"), netip.MustParseAddr("255.255.255.255"),
			netip.MustParseAddr("224.0.0.1"), netip.MustParseAddr("127.0.0.1"))
		w.hosts[0].v6 = pick(r, netip.MustParseAddr("::"), netip.MustParseAddr("ff02::1"),
			netip.MustParseAddr("64:ff9b::198.18.0.2"), netip.MustParseAddr("fe80:0:1:0:0:abcd::"))
	}
	return w
}

// newHost returns the host of number i, with a stack, a clock and a distance of
// its own.
func (w *world) newHost(i int) *host {
	r := w.r
	h := &host{
		v4:     netip.AddrFrom4([4]byte{198, 18 + byte(i/51200), byte(i / 200), byte(1 + i%200)}),
		v6:     netip.AddrFrom16([16]byte{0x20, 0x01, 0x0d, 0xb8, 14: byte(i / 200), 15: byte(1 + i%200)}),
		port:   uint16(r.between(1024, 61000)),
		hops:   pick(r, 0, 0, 1, 3, 5, 6, 8, 9, 10, 11, 14, 20),
		hz:     pick(r, 1, 10, 100, 100, 250, 250, 300, 1000, 1000, 1200, 2000),
		tsBase: r.u32(),
	}
	if r.chance(0.5) {
		h.tsBase = uint32(r.n(1 << 20))
	}
	if r.chance(0.3) {
		h.flow = r.u32() & 0xfffff
	}
	if r.chance(0.15) {
		h.tos = uint8(r.between(1, 63)) << 2
	}
	w.settle(h)
	return h
}

// class is one kind of event of p0f-v3.md §12.2.
type class struct {
	name   string
	weight int
	flood  int // weight under Flood, where time must not jump
	web    int // weight in a Profile with Web
	run    func(*world)
}

var classes = []class{
	{"syn", 30, 30, 8, (*world).eventSYN},
	{"synack", 18, 18, 4, (*world).eventSYNACK},
	{"data", 18, 6, 6, (*world).eventData},
	{"close", 5, 1, 2, (*world).eventClose},
	{"session", 4, 0, 0, (*world).eventSession},
	{"synagain", 6, 4, 1, (*world).eventSYNAgain},
	{"probe", 3, 1, 0, (*world).eventProbe},
	{"stray", 2, 1, 0, (*world).eventStray},
	{"clock", 5, 0, 1, (*world).eventClock},
	{"options", 4, 1, 0, (*world).eventOptions},
	{"tool", 1, 0, 1, (*world).eventTool},
	{"history", 2, 0, 0, (*world).eventHistory},
	{"ageing", 1, 0, 0, (*world).eventAgeing},
	{"threshold", 1, 0, 0, (*world).eventThreshold},
	{"tick", 5, 0, 2, (*world).eventTick},
	{"tickagain", 3, 0, 1, (*world).eventTickAgain},
	{"grace", 1, 0, 0, (*world).eventGrace},
	{"day", 1, 0, 0, (*world).eventDay},
	{"http", 4, 0, 40, (*world).eventHTTP},
}

func (w *world) step() {
	if w.r.chance(0.01) {
		w.fast = !w.fast
	}
	w.gap()
	weights := make([]int, len(classes))
	for i, c := range classes {
		weights[i] = c.weight
		switch {
		case w.p.Pace == Flood:
			weights[i] = c.flood
		case w.p.Web:
			weights[i] = c.web
		}
	}
	classes[w.r.weighted(weights...)].run(w)
}

// gap lets packet time pass (p0f-v3.md §12.2 class 9).
func (w *world) gap() {
	r := w.r
	const ms = 1000
	if w.p.Pace == Flood {
		w.now += uint64(r.n(2 * ms))
		return
	}
	quick := []func() int{
		func() int { return 0 },
		func() int { return 100 },
		func() int { return r.n(24 * ms) },
		func() int { return pick(r, 24, 25, 26, 99, 100, 101) * ms },
		func() int { return r.n(300 * ms) },
		func() int { return r.n(2000 * ms) },
	}
	i := r.weighted(3, 3, 3, 3, 5, 2)
	if !w.fast && r.chance(0.35) {
		w.now += uint64(r.n(4_000_000))
	}
	switch x := r.n(1000); {
	case x < 3:
		w.now += uint64(600_000+pick(r, -1, 0, 1)) * ms
	case x < 4:
		w.now += uint64(86_400_000+pick(r, -1, 0, 1)) * ms
	case x < 12 && !w.fast:
		w.now += uint64(r.between(28, 33)) * 1_000_000
	case x < 15 && !w.fast:
		w.now += uint64(r.between(50, 130)) * 1_000_000
	case x < 20:
		w.now -= uint64(r.between(500, 1000)) * ms
	default:
		w.now += uint64(quick[i]())
	}
}

// send writes a segment as a frame at the present time, damaged now and then.
func (w *world) send(s *segment) {
	if w.r.chance(0.03) && !s.v6() {
		s.trailing = w.r.between(1, 12)
	}
	rec := record{micros: w.now, data: s.ethernet()}
	rec.wire = len(rec.data)
	if w.r.chance(w.p.Noise) {
		damage(w.r, &rec)
	}
	if countedByP0f(rec) {
		w.counted++
	}
	w.out = append(w.out, rec)
}

// guest is a host that no packet came from yet, so that its boards are empty.
func (w *world) guest() *host {
	w.guests++
	n := byte(w.guests)
	h := &host{
		v4:   netip.AddrFrom4([4]byte{198, 51, 100 + byte(w.guests>>8), n}),
		v6:   netip.AddrFrom16([16]byte{0x20, 0x01, 0x0d, 0xb8, 0xff, 14: byte(w.guests >> 8), 15: n}),
		port: uint16(w.r.between(1024, 60000)), hz: 100, hops: w.r.n(5),
	}
	w.settle(h)
	return h
}

// tick is the value of a host's timestamp clock now.
func (h *host) tick(now uint64) uint32 {
	secs, micros := now/1e6, now%1e6
	return h.tsBase + uint32((secs-1_600_000_000)*uint64(h.hz)) + uint32(micros*uint64(h.hz)/1e6)
}

func (w *world) pair() (a, b *host) {
	a = w.hosts[w.r.n(len(w.hosts))]
	b = w.hosts[w.r.n(len(w.hosts))]
	if a == b && !w.r.chance(0.1) {
		b = w.hosts[(w.r.n(len(w.hosts)-1)+1)%len(w.hosts)]
	}
	return a, b
}

func (w *world) addFlow(f *flow) *flow {
	if len(w.flows) >= w.keep {
		w.flows = append(w.flows[:0], w.flows[1:]...)
	}
	w.flows = append(w.flows, f)
	return f
}

// recent returns one of the known flows, most often one of the last ones, or
// nil.
func (w *world) recent() *flow {
	n := len(w.flows)
	if n == 0 {
		return nil
	}
	if w.r.chance(0.75) && w.p.Pace != Flood {
		return w.flows[n-1-w.r.n(min(n, 4))]
	}
	return w.flows[w.r.n(n)]
}
