package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/mxprint/mxprint/internal/test/flood"
)

const (
	pageFlood = -1 // the kind of flood that asks nothing
	pageTime  = 10 * time.Second
	pageSlow  = 250 * time.Millisecond // that the page's data may take meanwhile
	pageGrows = 64 << 20               // bytes that the flood may add
)

// reader reads the stream of events.
type reader struct {
	stop func()

	mu    sync.Mutex
	names map[string]int // of events
	ids   []string       // of connections, in order
	fault error
}

// readEvents begins to read events.
func (g *ground) readEvents(ctx context.Context) (*reader, error) {
	ctx, cancel := context.WithCancel(ctx)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://sensor/api/v1/events?format=ndjson", nil)
	if err != nil {
		cancel()
		return nil, err
	}
	answer, err := g.web.Do(req)
	if err == nil && answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("events: %s", answer.Status)
	}
	if err != nil {
		cancel()
		return nil, err
	}
	r := &reader{stop: cancel, names: make(map[string]int)}
	go func() {
		defer answer.Body.Close()
		in := bufio.NewReader(answer.Body)
		for {
			line, err := in.ReadBytes('\n')
			if err != nil {
				r.mu.Lock()
				r.fault = err
				r.mu.Unlock()
				return
			}
			r.take(line)
		}
	}()
	return r, nil
}

func (r *reader) take(line []byte) {
	var e struct {
		Event string
		Data  struct{ ID string }
	}
	if json.Unmarshal(line, &e) != nil {
		return // a blank line keeps the connection open
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.names[e.Event]++
	if e.Event == "connection" && !slices.Contains(r.ids, e.Data.ID) {
		r.ids = append(r.ids, e.Data.ID)
	}
}

// read returns how many connections and rates were read, and whether events were
// lost.
func (r *reader) read() (connections, rates int, fault error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.names["lost"] > 0 {
		return len(r.ids), r.names["rate"], fmt.Errorf("%d times events were lost", r.names["lost"])
	}
	return len(r.ids), r.names["rate"], r.fault
}

// connections are the ones that the page lists, as text without what changes by
// itself.
func (g *ground) connections() (text []byte, count int, took time.Duration, err error) {
	begin := time.Now()
	answer, err := g.web.Get("http://sensor/api/v1/connections?limit=1000")
	if err != nil {
		return nil, 0, 0, err
	}
	defer answer.Body.Close()
	text, err = io.ReadAll(answer.Body)
	took = time.Since(begin)
	var list struct{ Connections []json.RawMessage }
	if err == nil {
		err = json.Unmarshal(text, &list)
	}
	return text, len(list.Connections), took, err
}

// page floods while no mail server asks: list, position of the ring and stream
// stay as they are, and the page answers.
func (t *table) page(ctx context.Context, g *ground, r *reader) {
	const what = "100,000 spoofed SYNs a second, before page, ring and stream"
	time.Sleep(time.Second) // what was asked last is an event
	before, count, _, err := g.connections()
	if err != nil {
		t.failed(what, err)
		return
	}
	read, rates, _ := r.read()
	had := g.memory()
	slowest := make(chan time.Duration)
	flooding, stop := context.WithTimeout(ctx, pageTime)
	defer stop()
	go func() {
		var most time.Duration
		for flooding.Err() == nil {
			if _, _, took, err := g.connections(); err == nil {
				most = max(most, took)
			}
			time.Sleep(100 * time.Millisecond)
		}
		slowest <- most
	}()
	out, err := g.attacker(ctx, "false", strconv.Itoa(pageFlood), "-")
	stop()
	most := <-slowest
	var rate int
	if _, scan := fmt.Sscan(string(out), &rate); err != nil || scan != nil {
		t.failed(what, fmt.Errorf("%w: %s", err, out))
		return
	}
	after, _, _, err := g.connections()
	if err != nil {
		t.failed(what, err)
		return
	}
	now, rated, fault := r.read()
	grown := max(g.memory()-had, 0)
	same := string(before) == string(after)
	t.row(what, fmt.Sprintf("%d SYNs a second; list of %d connections and ring the same: %s; events of connections: %d, of rates: %d, lost: %v; the list took %v at most; %d MiB more",
		rate, count, yes(same), now-read, rated-rates, fault, most.Round(time.Millisecond), grown>>20),
		fmt.Sprintf("the same, 0 events, rates go on, list in %v, %d MiB", pageSlow, pageGrows>>20),
		same && count >= senders && now == read && rated > rates && fault == nil && most < pageSlow && grown < pageGrows)
}

// pageAttack floods without a question, and prints SYNs a second.
func pageAttack(string) error {
	link, err := flood.Open(clientIf)
	if err != nil {
		return err
	}
	defer link.Close()
	ctx, cancel := context.WithTimeout(context.Background(), pageTime)
	defer cancel()
	sent := link.Flood(ctx, liveRate, syn(false), flood.Random)
	fmt.Println(int(float64(sent) / pageTime.Seconds()))
	return nil
}
