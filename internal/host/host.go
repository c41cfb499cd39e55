package host

import (
	"net/netip"

	"github.com/mxprint/mxprint/event"
	"github.com/mxprint/mxprint/internal/http1"
	"github.com/mxprint/mxprint/internal/signature"
	"github.com/mxprint/mxprint/note"
)

// Host is what a table knows of one address. Times are seconds since 1970, of
// packet time; 0 means never.
type Host struct {
	OS      *signature.Label // nil: no signature ever matched
	Fuzzy   bool             // how the last one matched
	Generic bool
	Flags   signature.Flags
	Link    string // empty if unknown
	MTU     int    // of its last SYN or SYN+ACK, bytes; 0 if unknown

	App      *signature.Label // by HTTP, the last one; nil: no signature ever matched
	Language http1.Language   // the last one with a name
	BadSW    note.Honesty     // whether the HTTP software tells the truth

	FirstSeen  uint32
	LastSeen   uint32 // its most recent new connection, in either role
	TotalConn  uint32 // connections, in either role
	SYNs       uint32 // connections that it opened
	Handshakes uint32 // of SYNs, those that are known to have come about; 0 without Config.Recent
	LastNAT    uint32
	LastChange uint32
	UptimeMin  uint32
	UpModDays  uint32 // 0: uptime unknown
	Clock      note.Clock
	Distance   int // hops, or -1 if unknown
}

// Host returns what is known of an address. It does not count as traffic of
// the host.
func (t *Table) Host(a netip.Addr) (Host, bool) {
	n := t.hosts.number(a)
	if n == none {
		return Host{}, false
	}
	r := t.hosts.at(n)
	h := Host{
		OS:    t.db.Label(int(r.label)),
		Fuzzy: r.quality&1 != 0, Generic: r.quality&2 != 0,
		Flags: r.flags, Clock: r.clock,
		Link:      t.db.LinkName(int(r.link)),
		MTU:       int(r.mtu),
		FirstSeen: r.firstSeen, LastSeen: r.lastSeen, TotalConn: r.totalConn,
		LastNAT: r.lastNAT, LastChange: r.lastChg,
		SYNs: r.syns, Handshakes: r.handshakes,
		UptimeMin: r.upMin, UpModDays: uint32(r.upMod),
		Distance: int(r.distance),
	}
	if r.extra != none {
		e := &t.extras.at(r.extra).http
		h.App, h.Language, h.BadSW = t.db.Label(int(e.app)), e.language, e.badSW
	}
	if r.distance == distanceUnknown {
		h.Distance = -1
	}
	return h, true
}

// Len returns how many hosts and connections the table holds.
func (t *Table) Len() (hosts, conns int) { return t.hosts.count(), t.flows.count }

// SetDB changes the database. What is known of a host stays where the new
// database has the same label or link; scoring restarts, for signatures
// have other numbers now.
func (t *Table) SetDB(db *signature.DB) {
	labels, links := relabel(t.db, db), relink(t.db, db)
	t.db, t.matcher = db, signature.NewMatcher(db)
	t.lent = [event.Modules]event.Observation{} // nothing of the old one stays
	for list := range uint32(len(t.hosts.counts)) {
		for n := t.hosts.age.oldest(list); n != none; n = t.hosts.age.newer(n) {
			h := t.hosts.at(n)
			h.label, h.link = labels[h.label], links[h.link]
			h.client.last.valid = false
			if h.extra != none {
				e := t.extras.at(h.extra)
				e.server.last.valid = false
				e.http.relabel(labels)
			}
		}
	}
	for n := range t.scored.all {
		t.scored.all[n].valid = false
	}
	for i := range t.conns.made {
		r := t.conns.at(firstRecord + i)
		r.syn.label, r.syn.sig = labels[r.syn.label], 0
		r.is |= isScored
	}
	for i := range t.conns.rivals.made {
		r := t.conns.rivals.at(firstRecord + i)
		r.label, r.sig = labels[r.label], 0
	}
}

// relabel returns the IDs that the labels of one database have in another.
func relabel(old, db *signature.DB) []uint16 {
	ids := []uint16{0}
	for id := 1; old.Label(id) != nil; id++ {
		ids = append(ids, uint16(db.FindLabel(old.Label(id))))
	}
	return ids
}

// relink is relabel for links.
func relink(old, db *signature.DB) []uint16 {
	ids := []uint16{0}
	for id := 1; old.LinkName(id) != ""; id++ {
		ids = append(ids, uint16(db.FindLink(old.LinkName(id))))
	}
	return ids
}
