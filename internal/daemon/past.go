package daemon

import (
	"context"
	"net/netip"
	"sync"
	"time"

	"github.com/mxprint/mxprint/internal/evidence"
	"github.com/mxprint/mxprint/internal/store"
	"github.com/mxprint/mxprint/internal/web"
)

// What the API reads of the store at once.
const (
	reportDays = 14
	reportAge  = time.Minute // for which a report is shown again
	pastTime   = 15 * time.Second
	pastMost   = 50 // connections of an address
)

// past lets the API see what is remembered. It reads beside what writes, which
// does not wait.
type past struct {
	path string

	mu     sync.Mutex // one report at a time is made
	made   time.Time
	report *evidence.Report
}

// remembers gives the API what the store has, if there is one.
func (o *opener) remembers(s *web.Server) {
	if o.store == nil {
		return
	}
	p := &past{path: o.Store.Path}
	s.Report, s.History = p.reportOf, p.history
}

func (p *past) reportOf(ctx context.Context) (any, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.report != nil && time.Since(p.made) < reportAge {
		return p.report, nil
	}
	r, err := store.Read(p.path)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	ctx, cancel := context.WithTimeout(ctx, pastTime)
	defer cancel()
	report, err := evidence.Make(ctx, r, time.Now(), reportDays)
	if err != nil {
		return nil, err
	}
	p.report, p.made = report, time.Now()
	return report, nil
}

func (p *past) history(ctx context.Context, addr netip.Addr) (any, error) {
	sub, err := store.ParseSubject(addr.String())
	if err != nil {
		return nil, err
	}
	r, err := store.Read(p.path)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	ctx, cancel := context.WithTimeout(ctx, pastTime)
	defer cancel()
	return r.Past(ctx, sub, pastMost)
}
