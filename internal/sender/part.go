package sender

import (
	"slices"
	"sync"
	"time"

	"github.com/mxprint/mxprint/clienthello"
	"github.com/mxprint/mxprint/event"
	"github.com/mxprint/mxprint/internal/stream"
	"github.com/mxprint/mxprint/note"
	"github.com/mxprint/mxprint/packet"
)

// part reads the connections of one worker. It implements host.Follower.
type part struct {
	reader  *Reader
	observe func(*event.Observation)

	mu         sync.Mutex
	table      *stream.Table
	kept       kept
	answers    answers
	at         int64 // time of the current segment, microseconds since 1970
	expired    int64 // when what is too old was last looked for
	read       uint64
	heard      uint64
	helloCount uint64
}

// often is how often what is too old is looked for, in microseconds.
const often = 1_000_000

// Open begins to read a connection.
func (p *part) Open(s *packet.Segment, client, server uint32, at int64) {
	if !p.mail(s.Dst.Port()) {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	key := stream.Key{Client: s.Src, Server: s.Dst}
	if e := p.open(key, client, server, at); e != nil {
		e.handshake = p.answers.rtt(key, s.Ack, at)
	}
}

// open begins to read a connection. It returns nil where its source has too many.
func (p *part) open(key stream.Key, client, server uint32, at int64) *entry {
	p.at = at
	p.forget(p.kept.find(key)) // an earlier connection
	conn := p.table.Open(key, client, server, key.Server.Port() == implicitTLS, sinceEpoch(at))
	if conn == nil {
		return nil
	}
	p.forget(p.kept.add(conn))
	return p.kept.find(key)
}

// forget ends the reading of a connection, and what is known of it.
func (p *part) forget(e *entry) {
	if e == nil {
		return
	}
	key := e.key()
	p.table.Drop(e.conn)
	p.kept.drop(key)
}

// Segment takes a segment of a connection that is read, and ignores others.
func (p *part) Segment(s *packet.Segment, payload []byte, at int64) {
	key, side := stream.Key{Client: s.Src, Server: s.Dst}, stream.Client
	switch {
	case p.mail(s.Dst.Port()):
	case p.mail(s.Src.Port()):
		key, side = stream.Key{Client: s.Dst, Server: s.Src}, stream.Server
	default:
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.tick(at)
	if s.Type == packet.SYNACK {
		p.answers.add(key, s.Seq, at)
		return
	}
	e := p.kept.find(key)
	if e == nil || e.conn == nil {
		return
	}
	p.table.Segment(e.conn, &stream.Segment{
		Side: side, Seq: s.Seq, Ack: s.Ack, ACK: s.Flags&packet.FlagACK != 0, FIN: s.Flags&packet.FlagFIN != 0, RST: s.Flags&packet.FlagRST != 0,
		Data: payload, Cut: int(s.PayloadLen) - len(payload), Window: s.Window, Time: sinceEpoch(at),
	})
}

// Close ends the reading of all connections.
func (p *part) Close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.table.Close()
}

// mail reports whether a port is a mail server's.
func (p *part) mail(port uint16) bool { return slices.Contains(p.reader.cfg.Ports, port) }

// tick gives up what is too old.
func (p *part) tick(at int64) {
	p.at = at
	if at-p.expired >= often || at < p.expired {
		p.expired = at
		p.table.Expire(sinceEpoch(at))
		p.kept.expire(at)
	}
}

// hello takes a ClientHello that is complete.
func (p *part) hello(key stream.Key, h *clienthello.Hello) {
	p.helloCount++
	t := p.reader.hellos.of(h)
	if e := p.kept.find(key); e != nil {
		e.tls = t
	}
	p.tell(event.TLS, key, &note.Note{TLS: t})
}

// done takes a session that is not read further.
func (p *part) done(key stream.Key, s *stream.Session) {
	p.read++
	if slices.ContainsFunc(s.Events, func(e stream.Event) bool { return e.Side == stream.Server }) {
		p.heard++
	}
	e := p.kept.find(key)
	if e == nil {
		return
	}
	n := new(note.Note)
	p.fill(n, e, s)
	p.kept.ended(e, n, p.at)
	if len(s.Events) == 0 {
		return
	}
	if e.heard != nil {
		joined := *n
		e.heard.join(p.reader.cfg.DB, &joined)
		n = &joined
	}
	p.tell(event.SMTP, key, n)
}

// tell reports what was found out.
func (p *part) tell(module event.Module, key stream.Key, n *note.Note) {
	if p.observe != nil {
		p.observe(&event.Observation{Module: module, Role: event.Client, Client: key.Client, Server: key.Server, At: p.at, Sender: n})
	}
}

// sinceEpoch is a time in microseconds as package stream has it.
func sinceEpoch(at int64) time.Duration { return time.Duration(at) * time.Microsecond }

// answers remembers when servers answered SYNs, for the round trip of the
// handshake. A flood of SYNs overwrites it, and then that is not known.
type answers [256]struct {
	key stream.Key
	seq uint32
	at  int64
}

func (a *answers) add(key stream.Key, seq uint32, at int64) {
	e := &a[a.place(key)]
	e.key, e.seq, e.at = key, seq, at
}

// rtt returns the time since the SYN+ACK that ack acknowledges, or 0.
func (a *answers) rtt(key stream.Key, ack uint32, at int64) time.Duration {
	e := &a[a.place(key)]
	if e.key != key || e.seq != ack-1 || at < e.at {
		return 0
	}
	return sinceEpoch(at - e.at)
}

// place mixes the client's port and address: no one gains by a collision.
func (a *answers) place(key stream.Key) int {
	ip := key.Client.Addr().As16()
	h := uint32(key.Client.Port())
	for _, b := range ip[8:] {
		h = h*31 + uint32(b)
	}
	return int(h % uint32(len(a)))
}
