package export

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/base32"
	"hash/maphash"
	"net/netip"
	"strconv"
	"time"

	"github.com/mxprint/mxprint/internal/evidence"
	"github.com/mxprint/mxprint/internal/store"
	"github.com/mxprint/mxprint/note"
)

// A connection has one row in table notes: each later answer about it that says
// something new replaces the one before.

// How long a connection is taken for the same, and how long a look-up of our own
// may take.
const (
	sameConn    = 2 * time.Hour
	sameAddress = time.Minute // where the port is not known
	sameEnded   = time.Minute // after its end: a port may be used again
	ownLookup   = time.Second
)

// askedNote is an answer, or the end of a session.
type askedNote struct {
	q     note.Query
	note  note.Note
	at    time.Time
	front bool // an answer; else the end of a session
}

// Lookuper returns a Lookuper that asks who, and adds its answers.
func (e *Exporter) Lookuper(who note.Lookuper) note.Lookuper {
	if !e.wants[Notes] {
		return who
	}
	return &lookuper{who, e}
}

type lookuper struct {
	who note.Lookuper
	e   *Exporter
}

// Lookup implements note.Lookuper.
func (l *lookuper) Lookup(ctx context.Context, q note.Query) (note.Note, error) {
	n, err := l.who.Lookup(ctx, q)
	if err == nil && (n.State != note.NotSeen || n.TLS != nil || n.Software != nil) && q.Client.IsValid() {
		l.e.ask(askedNote{q: q.Unmapped(), note: n, at: l.e.cfg.now(), front: true})
	}
	return n, err
}

func (e *Exporter) ended(client, server netip.AddrPort) {
	e.ask(askedNote{q: note.Query{Client: client, Server: server}.Unmapped(), at: e.cfg.now()})
}

func (e *Exporter) ask(a askedNote) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.asked) >= maxAsked {
		e.late++
		return
	}
	e.asked = append(e.asked, a)
}

// makeNotes makes rows of the notes that were gathered. flushMu is held.
func (e *Exporter) makeNotes() {
	e.mu.Lock()
	list := e.asked
	e.asked = nil
	e.mu.Unlock()
	for i := range list {
		e.note(&list[i])
	}
}

// visit is a connection that has a row.
type visit struct {
	connection string
	began      time.Time
	ended      time.Time
	name       string
	memory     *note.Memory
	last       uint64 // hash of the row
}

// note adds the row of an answer, unless it says what the row before says.
func (e *Exporter) note(a *askedNote) {
	v := e.visit(a)
	if !a.front {
		if e.Who == nil {
			return
		}
		ctx, cancel := context.WithTimeout(context.Background(), ownLookup)
		n, err := e.Who.Lookup(ctx, a.q)
		cancel()
		if err != nil || n.State == note.NotSeen && n.TLS == nil && n.Software == nil {
			return
		}
		a.note, v.ended = n, a.at
	}
	if m := a.note.Memory; m != nil {
		v.memory, v.connection = m, cmp.Or(m.ID, v.connection)
	}
	a.note.Memory = v.memory
	v.name = cmp.Or(store.CleanName(a.q.Hello), v.name)
	content := row{b: make([]byte, 0, 1024)}
	e.noteColumns(&content, a, v)
	hash := maphash.Bytes(hashSeed, content.b)
	if hash == v.last {
		return
	}
	v.last = hash
	e.add(Notes, func(r *row) {
		r.time("time", v.began)
		r.time("changed", a.at)
		r.text("connection", v.connection)
		r.b = append(append(r.b, ','), content.b...)
	})
}

var hashSeed = maphash.MakeSeed()

// noteColumns writes what is known of a connection.
func (e *Exporter) noteColumns(r *row, a *askedNote, v *visit) {
	n := &a.note
	client := e.hide(a.q.Client.Addr())
	r.ends("client", client, a.q.Client.Port())
	r.number("sender", senderOf(client))
	r.ends("server", a.q.Server.Addr(), a.q.Server.Port())
	r.text("name", e.hideName(v.name))
	r.text("state", n.State.String())
	r.text("os", n.OSName)
	r.text("os_flavor", n.OSFlavor)
	if n.State == note.Matched {
		r.text("quality", n.Quality.String())
	}
	r.list("os_or", n.Others)
	r.text("rewritten", n.Rewrite.String())
	r.text("link", n.LinkType)
	r.number("mtu", uint64(max(n.MTU, 0)))
	if hops, ok := n.Distance.Hops(); ok {
		r.key("distance")
		r.b = appendInt(r.b, hops)
	}
	r.truth("by_connection", n.ByConnection)
	r.truth("ambiguous", n.Ambiguous)
	r.text("raw_sig", n.RawSig)
	r.sender(n)
	if m := n.Memory; m != nil {
		r.number("visits", uint64(m.Visits))
		r.truth("new", m.New)
		r.number("names", uint64(m.Names))
		r.number("addresses", uint64(m.Addresses))
		r.list("changed_parts", m.Changed)
	}
	r.list("tokens", evidence.Tokens(n, v.name, a.q.Client.Addr()))
}

// senderOf is the number of a sender: of an address its network. 53 bits are exact
// in every reader of JSON.
func senderOf(a netip.Addr) uint64 {
	return evidence.Sender(0, store.Network(a).Addr().AsSlice()) >> 11
}

func appendInt(b []byte, n int) []byte { return strconv.AppendInt(b, int64(n), 10) }

// visit finds the connection of an answer, or begins one.
func (e *Exporter) visit(a *askedNote) *visit {
	same := sameConn
	if a.q.Client.Port() == 0 {
		same = sameAddress
	}
	v, ok := e.visits.Get(a.q.Client)
	if !ok || a.at.Sub(v.began) >= same || !v.ended.IsZero() && a.at.Sub(v.ended) >= sameEnded {
		v = &visit{connection: newConnection(), began: a.at}
		e.visits.Put(a.q.Client, v)
	}
	return v
}

// newConnection is the name of a connection that the store has not named, in the
// same form.
func newConnection() string {
	var b [12]byte
	rand.Read(b[:])
	return letters.EncodeToString(b[:])
}

var letters = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)
