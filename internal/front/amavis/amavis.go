// Package amavis answers the questions that amavis otherwise sends to
// p0f-analyzer, so that X-Amavis-OS-Fingerprint, and amavis's and
// SpamAssassin's rules on it, work.
//
// Use it where amavis filters the mail and gets the client's address and
// port by XFORWARD from Postfix. A mail server that can take a note at connect
// has it earlier with package milter or policyd. Only amavis speaks this
// protocol.
//
// It implements the UDP text protocol of p0f-analyzer 1.502, as amavis 2.13
// uses it (docs/amavis.md).
package amavis

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/mxprint/mxprint/internal/front"
	"github.com/mxprint/mxprint/internal/serve"
	"github.com/mxprint/mxprint/note"
)

const (
	// defaultWait: amavis asks when it has the whole mail. A SYN that was not
	// seen by then never will be, unless the sensor is very busy.
	defaultWait = 10 * time.Millisecond

	// deadline of a look-up. amavis waits for 50 ms.
	deadline = 40 * time.Millisecond

	// workers is how many look-ups are under way at a time, and pending how
	// many datagrams wait for them. Where no sensor answers, 64 workers have
	// gone through 64 datagrams within the deadline, so that the last that waits
	// is answered while amavis may still be there.
	workers = 64
	pending = 64

	maxPause = 100 * time.Millisecond
)

// Server answers amavis with the note of a client. Set the fields before Serve.
// It is safe for concurrent use, may serve several sockets at once, and must
// not be copied.
//
// A question about a client that the sensor has not seen is answered with an
// empty text, and so is one without an answer by the Lookuper: amavis then goes
// on at once. What is no question, and what does not come from a client of
// Allow, gets no answer.
type Server struct {
	// Lookuper has the answers. It is asked for the connection by the client's
	// address and port.
	Lookuper note.Lookuper

	// V3 makes the text that of p0f-analyzer with p0f 3,
	//
	//	Linux 6.16 and newer; dist: 8; link: DSL; params: none; raw_sig: 4:56+8:…
	//
	// instead of the one with p0f 2, which is front.V2Text, and the only
	// one that amavis's published rules match.
	V3 bool

	// Allow are the networks whose datagrams are answered; nil means loopback.
	// There is no other authentication, and the sender of a datagram is what it
	// says: allow networks only where no stranger can send from them.
	Allow []netip.Prefix

	// Wait is how long a question may wait for the SYN of a client not seen
	// yet; 0 means 10 ms, and less than 0 not at all. See note.Query.
	Wait time.Duration

	// Logger gets a line a second at most of each kind; nil means none.
	Logger *slog.Logger

	queries, bad, refused, dropped, unavailable atomic.Uint64
}

// Stats returns the counters, which are not read at one instant: Requests that were
// answered, those of Missed without a text because the Lookuper had no answer; Bad
// datagrams; Refused ones of clients or ports that are not allowed; and Dropped ones,
// for which too many were waiting.
func (s *Server) Stats() serve.Stats {
	return serve.Stats{
		Requests: s.queries.Load(), Missed: s.unavailable.Load(),
		Bad: s.bad.Load(), Refused: s.refused.Load(), Dropped: s.dropped.Load(),
	}
}

// loopback is who may ask by default, as with p0f-analyzer.
var loopback = [...]netip.Prefix{
	netip.PrefixFrom(netip.AddrFrom4([4]byte{127}), 8),
	netip.PrefixFrom(netip.IPv6Loopback(), 128),
}

// Serve answers the datagrams of pc, a UDP socket, until ctx ends or pc fails.
// It closes pc, and returns when all of its goroutines have ended: nil after the
// end of ctx, else why pc failed. Let pc have one address and not all of the
// machine's: amavis takes answers only from the address that it asked.
func (s *Server) Serve(ctx context.Context, pc net.PacketConn) error {
	ctx, cancel := context.WithCancel(ctx)
	v := &serving{
		Server: s, ctx: ctx, pc: pc, allow: s.Allow, wait: cmp.Or(s.Wait, defaultWait), log: serve.Log(s.Logger),
		questions: make(chan question, pending),
	}
	if v.allow == nil {
		v.allow = loopback[:]
	}
	v.wait = min(max(v.wait, 0), deadline)
	var wg sync.WaitGroup
	for range workers {
		wg.Go(v.work)
	}
	// The reader ends at once, and the socket is there for answers under way.
	stop := context.AfterFunc(ctx, func() { pc.SetReadDeadline(time.Unix(1, 0)) })
	err := v.read()
	close(v.questions)
	wg.Wait()
	stop()
	cancel()
	pc.Close()
	return err
}

// serving is one call of Serve, with the defaults filled in.
type serving struct {
	*Server
	ctx       context.Context
	pc        net.PacketConn
	allow     []netip.Prefix
	wait      time.Duration
	log       *slog.Logger
	questions chan question
}

// question is one that is not answered yet.
type question struct {
	request
	from net.Addr
}

// read takes datagrams and never waits for answers: those that come faster than
// look-ups are done are dropped.
func (v *serving) read() error {
	var pause time.Duration
	buf := make([]byte, maxRequest+1)
	for {
		n, from, err := v.pc.ReadFrom(buf)
		switch {
		case v.ctx.Err() != nil:
			return nil
		case err == nil:
			pause = 0
			v.take(buf[:n], from)
			continue
		case !transient(err):
			return fmt.Errorf("amavis: reading a question: %w", err)
		}
		pause = min(max(2*pause, time.Millisecond), maxPause)
		select {
		case <-v.ctx.Done():
		case <-time.After(pause):
		}
	}
}

// transient reports whether an error of a UDP socket passes by itself: those
// that earlier answers of ours brought back, a datagram that is longer than the
// buffer on some systems, and shortages.
func transient(err error) bool {
	return serve.IsAny(err,
		syscall.ECONNREFUSED, syscall.EHOSTUNREACH, syscall.ENETUNREACH, syscall.EMSGSIZE,
		syscall.EINTR, syscall.EAGAIN, syscall.ENOBUFS, syscall.ENOMEM)
}

// take sorts out one datagram.
func (v *serving) take(datagram []byte, from net.Addr) {
	if !v.allowed(from) {
		v.refused.Add(1)
		v.log.Warn("dropped a question: this address or port may not ask (amavis.allow)", "client", from.String())
		return
	}
	r, err := parseRequest(datagram)
	if err != nil {
		v.bad.Add(1)
		v.log.Warn("bad question", "client", from.String(), "reason", err)
		return
	}
	select {
	case v.questions <- question{r, from}:
	default:
		v.dropped.Add(1)
		v.log.Warn("too many questions at once, dropped one", "limit", workers+pending)
	}
}

// allowed reports whether who sent a datagram may ask. Ports below 1024 and
// that of NFS are servers', which would take our answer for a question.
func (v *serving) allowed(from net.Addr) bool {
	udp, ok := from.(*net.UDPAddr)
	if !ok || udp.Port < 1024 || udp.Port == nfsPort {
		return false
	}
	addr := udp.AddrPort().Addr().Unmap().WithZone("")
	return slices.ContainsFunc(v.allow, func(p netip.Prefix) bool { return p.Contains(addr) })
}

const nfsPort = 2049

// work answers questions until there are no more.
func (v *serving) work() {
	var reply []byte
	for q := range v.questions {
		n, err := v.lookup(q.client)
		if err != nil {
			v.unavailable.Add(1)
			n = note.Note{}
		}
		text := front.V2Text(&n)
		if v.V3 {
			text = v3Text(&n)
		}
		reply = appendReply(reply[:0], q.text, text)
		// Sending over UDP does not wait in practice; it never does for long.
		v.pc.SetWriteDeadline(time.Now().Add(deadline))
		if _, err := v.pc.WriteTo(reply, q.from); err != nil {
			v.log.Warn("cannot answer", "client", q.from.String(), "reason", err)
		}
		v.queries.Add(1)
	}
}

// lookup is bounded by the deadline; the end of the server does not cut it
// short.
func (v *serving) lookup(client netip.AddrPort) (note.Note, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(v.ctx), deadline)
	defer cancel()
	return v.Lookuper.Lookup(ctx, note.Query{Client: client, Wait: v.wait})
}
