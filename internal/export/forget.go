package export

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/mxprint/mxprint/internal/store"
)

// forget is what is to be removed: rows of clients, or of a name.
type forget struct {
	Clients []netip.Addr `json:"clients,omitempty"` // hashed
	Network netip.Prefix `json:"network,omitzero"`
	Name    string       `json:"name,omitempty"`
}

// hashedBits bounds the senders of a network whose addresses are hashed: 2 to the
// power of it.
const hashedBits = 12

// ErrLater is the error of Forget where ClickHouse is away.
var ErrLater = errors.New("ClickHouse is away: its rows are removed when it is back")

// Forget removes a subject's rows from memory, the spool and ClickHouse, and
// returns how many of the first two it was. What other sensors have not sent yet is
// theirs to forget, and a file of lines the operator's.
func (e *Exporter) Forget(ctx context.Context, sub store.Subject) (removed int, err error) {
	if e.spool == nil {
		return 0, nil
	}
	f, err := e.forgetting(sub)
	if err != nil {
		return 0, err
	}
	e.flush(true)
	e.flushMu.Lock()
	e.visits.Clear()
	e.flushMu.Unlock()
	s := e.send
	s.one.Lock() // no batch is on its way
	defer s.one.Unlock()
	if removed, err = e.spool.rewrite(func(line []byte) bool { return !f.has(line) }); err != nil {
		return removed, err
	}
	if err = f.run(ctx, s.to); err == nil {
		return removed, nil
	}
	body, _ := json.Marshal(f)
	if fails := e.spool.put(body); fails != nil {
		return removed, fmt.Errorf("ClickHouse: %w; and this cannot be kept for later: %w", err, fails)
	}
	s.nudge()
	return removed, fmt.Errorf("%w (%w)", ErrLater, err)
}

// forgetting finds what rows have of a subject.
func (e *Exporter) forgetting(sub store.Subject) (f forget, err error) {
	switch {
	case sub.JA4 != "":
		return f, errors.New("export: a JA4 is of many senders")
	case !sub.Network.IsValid():
		f.Name = e.hideName(sub.Name)
		return f, nil
	case e.cfg.Key == nil:
		f.Network = sub.Network
		return f, nil
	}
	bits := 32
	if sub.Network.Addr().Is6() {
		bits = 64
	}
	if bits-sub.Network.Bits() > hashedBits {
		return f, fmt.Errorf("export: addresses are hashed: name networks of at most %d senders (/20, of IPv6 /52), one by one", 1<<hashedBits)
	}
	for a := sub.Network.Masked().Addr(); sub.Network.Contains(a); {
		f.Clients = append(f.Clients, e.hide(a))
		next := nextSender(a)
		if !next.IsValid() {
			break
		}
		a = next
	}
	slices.SortFunc(f.Clients, netip.Addr.Compare)
	return f, nil
}

// nextSender is the next address, of IPv6 the first of the next /64.
func nextSender(a netip.Addr) netip.Addr {
	if a.Is4() {
		return a.Next()
	}
	b := a.As16()
	for i := 7; i >= 0; i-- {
		if b[i]++; b[i] != 0 {
			return netip.AddrFrom16(b)
		}
	}
	return netip.Addr{}
}

// has reports whether a row is to be removed.
func (f *forget) has(line []byte) bool {
	var r struct {
		Client netip.Addr `json:"client"`
		Name   string     `json:"name"`
	}
	if json.Unmarshal(line, &r) != nil {
		return false
	}
	if f.Name != "" {
		return r.Name == f.Name
	}
	if f.Network.IsValid() {
		return f.Network.Contains(r.Client.Unmap())
	}
	_, found := slices.BinarySearchFunc(f.Clients, r.Client, netip.Addr.Compare)
	return found
}

// where is the condition on a table; empty: the table has nothing of it. Verdicts
// have the id of a connection alone, which is random, and of no one when its note
// is gone.
func (f *forget) where(t Table) string {
	switch {
	case t == Verdicts || f.Name != "" && t != Notes:
		return ""
	case f.Name != "":
		return "name = " + quote(f.Name)
	case f.Network.IsValid():
		low, high := span(f.Network)
		return fmt.Sprintf("client >= toIPv6('%s') AND client <= toIPv6('%s')", low, high)
	}
	list := make([]string, len(f.Clients))
	for i, a := range f.Clients {
		list[i] = "toIPv6('" + a.String() + "')"
	}
	return "client IN (" + strings.Join(list, ", ") + ")"
}

// span are the first and last address of a network, of IPv4 mapped to IPv6.
func span(p netip.Prefix) (low, high netip.Addr) {
	first := p.Masked().Addr()
	bits := p.Bits()
	if first.Is4() {
		bits += 96
	}
	b := first.As16()
	low = netip.AddrFrom16(b)
	for i := bits; i < 128; i++ {
		b[i/8] |= 0x80 >> (i % 8)
	}
	return low, netip.AddrFrom16(b)
}

// run has the server remove rows, and waits until it has.
func (f *forget) run(ctx context.Context, c *ClickHouse) error {
	for t := range tables {
		where := f.where(t)
		if where == "" {
			continue
		}
		err := c.exec(ctx, "ALTER TABLE "+t.String()+" DELETE WHERE "+where+" SETTINGS mutations_sync = 1")
		if err != nil && !hasCode(err, codeUnknownTable) && !hasCode(err, codeUnknownDatabase) {
			return err
		}
	}
	return nil
}
