// Package milter answers Postfix and Sendmail about their client: it is a milter
// that adds the connection note to each mail as a header.
//
// Use it where the mail server speaks the milter protocol; it is the one front
// that also takes forged headers of the same name out of a mail. Where Postfix
// shall ask before the message, and for a Postfix without milters, there is
// package policyd.
//
// It implements the filter's side of the milter protocol, versions 2 to 6, as
// Postfix 3.7 and Sendmail 8.17 speak it, by way of
// github.com/d--j/go-milter. The look-up runs beside the SMTP conversation: the
// mail server gets its answers at once, and a note that is not there by the
// deadline is left out.
package milter

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mxprint/mxprint/internal/claim"
	"github.com/mxprint/mxprint/internal/front"
	"github.com/mxprint/mxprint/internal/serve"
	"github.com/mxprint/mxprint/note"
)

// ErrHeader says that Server.Header is not the name of a header.
var ErrHeader = front.ErrHeader

// defaultDeadline of a look-up.
const defaultDeadline = 50 * time.Millisecond

// Limits of a connection. They are far from what a mail server in order does:
// when one is passed the connection is closed, and the mail server goes on
// without us.
const (
	firstTime  = 5 * time.Second  // until the first packet, which a mail server sends at once
	idleTime   = 2 * time.Hour    // between two packets; Sendmail gives a client an hour for a command
	packetTime = 10 * time.Second // from the first byte of a packet to its last
	writeTime  = 5 * time.Second  // for the answers to one packet
	drainTime  = time.Second      // for mails under way when the server ends
)

// Server adds the note of each mail's client to the mail. Set the fields before
// Serve. It is safe for concurrent use, may serve several listeners at once,
// and must not be copied.
//
// A mail whose client the sensor has seen gets one header, the first of all;
// one whose system no signature names says so (os="unknown"). A mail without a
// note, because the client was not seen, no sensor could be asked or the
// deadline passed, goes on as it is. Headers of the same name that came with
// the mail are removed in every case.
type Server struct {
	// Lookuper has the answers.
	Lookuper note.Lookuper

	// Header is the name of the header; empty means X-p0f-Result.
	Header string

	// Form makes the text of the header; nil means (*note.Note).Header. A text
	// that is not one line of printable ASCII is refused: the mail goes on
	// without a header.
	Form func(*note.Note) string

	// Again has the Lookuper asked once more at the end of each message, for a Form
	// that has more than the SYN shows: by then the client has said most. It takes
	// Deadline at most.
	Again bool

	// Claims are compared with each note, for a Form that has contradictions; nil
	// means not.
	Claims *claim.Table

	// Read makes the Server one that only reads, after the filters of the mail server:
	// it asks nothing and changes nothing. nil means not.
	Read *Reading

	// Deadline is how long after the client connected a note may come; 0 means
	// 50 ms. The end of a mail waits for what is left of it, which is seldom
	// anything.
	Deadline time.Duration

	// MaxConns is how many connections are served at once; 0 means 10,000. One
	// more is closed at once.
	MaxConns int

	// Logger gets a line a second at most of each kind; nil means none.
	Logger *slog.Logger

	group         serve.Group
	noted, forged atomic.Uint64
}

// Reading is what a Server that only reads does.
type Reading struct {
	Names []string                // of headers
	Mail  func(map[string]string) // gets the first of each name that a mail has, up to 300 bytes; it must not wait
}

// Stats is what a Server did since its start. Requests are mails that came to
// their end, Bad connections closed because they did not speak the protocol, and
// Missed mails without a note by the deadline, or without a sensor.
type Stats struct {
	serve.Stats
	Noted  uint64 // mails that got a header
	Forged uint64 // headers removed
}

// Stats returns the counters; they are not read at one instant.
func (s *Server) Stats() Stats {
	return Stats{Stats: s.group.Stats(), Noted: s.noted.Load(), Forged: s.forged.Load()}
}

// Serve answers the mail servers that connect to ln until ctx ends or ln fails.
// It closes ln and every connection, and returns when all look-ups have ended:
// nil after the end of ctx, else why ln failed. Sessions under way have a
// second to finish. An invalid Header returns ErrHeader.
func (s *Server) Serve(ctx context.Context, ln net.Listener) error {
	header, err := front.NewHeader(s.Header, s.Form)
	if err != nil {
		ln.Close()
		return fmt.Errorf("milter: %w", err)
	}
	v := &serving{
		Server: s, Handoff: serve.NewHandoff(ln.Addr()), header: header, log: serve.Log(s.Logger),
		deadline: cmp.Or(max(s.Deadline, 0), defaultDeadline),
	}
	var ended sync.WaitGroup
	ended.Go(func() { v.run() })
	cfg := serve.Config{MaxConns: s.MaxConns, ClientFirst: true, Grace: drainTime, Logger: v.log}
	err = s.group.Serve(ctx, ln, cfg, v.hand)
	v.Close()
	ended.Wait()
	v.lookups.Wait()
	if err != nil {
		return fmt.Errorf("milter: %w", err)
	}
	return nil
}

// serving is one call of Serve, with the defaults filled in.
type serving struct {
	*Server
	*serve.Handoff // to the library
	header         front.Header
	log            *slog.Logger
	deadline       time.Duration
	lookups        sync.WaitGroup
}

// hand gives a connection to the library, which closes it. Of what comes in the
// library sees checked packets only.
func (v *serving) hand(ctx context.Context, nc net.Conn) { v.Take(ctx, newConn(ctx, v, nc)) }
