// Package opensmtpd is a filter of OpenSMTPD, which adds a header about the
// client to every mail.
//
// Use it as the command "mxprint filter-opensmtpd", which smtpd starts by
// "filter … proc-exec"; the package is for those who put the same into a
// program of their own. It asks a note.Lookuper, mostly a client of the
// sensor's socket.
//
// It implements smtpd-filters(7), the protocols 0.5 to 0.7 of OpenSMTPD 6.7 and
// newer.
package opensmtpd

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/mxprint/mxprint/internal/front"
	"github.com/mxprint/mxprint/internal/serve"
	"github.com/mxprint/mxprint/note"
)

const (
	defaultDeadline = 50 * time.Millisecond

	// maxLine bounds a line of smtpd, whose own bound is 64 KiB.
	maxLine = 256 << 10
)

// ErrVersion means that smtpd is older than 6.7, and its protocol another.
var ErrVersion = errors.New("opensmtpd: needs OpenSMTPD 6.7 or newer")

// Filter is the filter. Set the fields before Run. A Filter may run more than
// once at a time.
type Filter struct {
	// Lookuper is asked about each client as soon as it has connected.
	Lookuper note.Lookuper

	// Header is the name of the header; empty means X-p0f-Result. Headers of
	// that name which a mail brings are removed.
	Header string

	// Form makes the text of the header; nil means (*note.Note).Header.
	Form func(*note.Note) string

	// Again has the Lookuper asked once more about each mail when its header has
	// come, with what the client said and the mail claims, for a Form that has more
	// than the SYN shows. The mail waits for it Deadline at most.
	Again bool

	// Deadline is how long after the connect the answer may come; 0 means 50
	// ms. A mail whose text begins earlier waits for so long at most, and goes
	// on without a header.
	Deadline time.Duration

	// Logger gets what goes wrong, a line a second at most; nil means none.
	Logger *slog.Logger
}

// Run speaks with smtpd over its standard input and output until in ends, for
// which it returns nil, or until either fails. The end of ctx ends the asking,
// not the passing on of mails: when a filter ends, so does smtpd.
func (f *Filter) Run(ctx context.Context, in io.Reader, out io.Writer) error {
	header, err := front.NewHeader(f.Header, f.Form)
	if err != nil {
		return fmt.Errorf("opensmtpd: %w", err)
	}
	ctx, cancel := context.WithCancel(ctx)
	r := &run{
		Filter: f, ctx: ctx, header: header, log: serve.Log(f.Logger), deadline: cmp.Or(max(f.Deadline, 0), defaultDeadline),
		in: bufio.NewReaderSize(in, maxLine), out: bufio.NewWriterSize(out, 32<<10),
		sessions: make(map[string]*session),
	}
	defer r.wg.Wait()
	defer cancel()
	if err := r.handshake(); err != nil {
		return err
	}
	return r.serve()
}

// run is one call of Run.
type run struct {
	*Filter
	ctx      context.Context
	header   front.Header
	log      *slog.Logger
	deadline time.Duration
	in       *bufio.Reader
	wg       sync.WaitGroup

	mu  sync.Mutex // guards what follows
	out *bufio.Writer
	// sessions are those that smtpd has open, which are bounded by its
	// descriptors.
	sessions map[string]*session
}

// readLine returns the next line without its end; it is valid until the next
// call. At the end of the input the error is io.EOF.
func (r *run) readLine() ([]byte, error) {
	line, err := r.in.ReadSlice('\n')
	switch {
	case err == nil:
		return line[:len(line)-1], nil
	case err == io.EOF:
		return nil, io.EOF // part of a line is dropped
	case errors.Is(err, bufio.ErrBufferFull):
		return nil, fmt.Errorf("opensmtpd: a line of smtpd has more than %d bytes", maxLine)
	}
	return nil, fmt.Errorf("opensmtpd: reading from smtpd: %w", err)
}

// handshake reads the configuration and registers for what the filter needs.
// Without the subsystem smtp-in, for mails that are sent and not received, it
// registers for nothing: asking for what was not offered ends smtpd.
func (r *run) handshake() error {
	offered := false
	for {
		line, err := r.readLine()
		if err == io.EOF {
			return fmt.Errorf("opensmtpd: smtpd has gone: %w", io.ErrUnexpectedEOF)
		}
		if err != nil {
			return err
		}
		key, value, _ := strings.Cut(strings.TrimPrefix(string(line), "config|"), "|")
		switch {
		case key == "ready":
			return r.register(offered)
		case key == "subsystem" && value == "smtp-in":
			offered = true
		case key == "smtpd-version" && older(value):
			return fmt.Errorf("%w: this is %q", ErrVersion, value)
		}
	}
}

// older reports whether a version, such as 6.8.0p2, is before 6.7. One that
// cannot be read is taken for new.
func older(version string) bool {
	first, rest, _ := strings.Cut(version, ".")
	second, _, _ := strings.Cut(rest, ".")
	major, err := strconv.Atoi(first)
	minor, err2 := strconv.Atoi(second)
	return err == nil && err2 == nil && (major < 6 || major == 6 && minor < 7)
}

func (r *run) register(offered bool) error {
	if offered {
		r.out.WriteString("register|report|smtp-in|link-connect\n" +
			"register|report|smtp-in|link-disconnect\n" +
			"register|report|smtp-in|tx-begin\n")
		if r.Again {
			r.out.WriteString("register|report|smtp-in|link-tls\n" +
				"register|report|smtp-in|protocol-client\n" +
				"register|report|smtp-in|protocol-server\n")
		}
		r.out.WriteString("register|filter|smtp-in|data-line\n")
	} else {
		r.log.Warn("no listener uses the filter, so it adds no header; add 'filter mxprint' to a listen line of smtpd.conf")
	}
	r.out.WriteString("register|ready\n")
	return r.flush()
}

func (r *run) flush() error {
	if err := r.out.Flush(); err != nil {
		return fmt.Errorf("opensmtpd: writing to smtpd: %w", err)
	}
	return nil
}

// serve handles reports and requests until the input ends.
func (r *run) serve() error {
	for {
		line, err := r.readLine()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		r.mu.Lock()
		r.line(line)
		if r.in.Buffered() == 0 {
			err = r.flush()
		}
		r.mu.Unlock()
		if err != nil {
			return err
		}
	}
}

var bar = []byte{'|'}

// line handles one line. What the filter has not asked for, or does not know,
// is of no concern to it. r.mu is held.
func (r *run) line(line []byte) {
	// stream|version|time|subsystem|event|session|…
	stream, rest, _ := bytes.Cut(line, bar)
	_, rest, _ = bytes.Cut(rest, bar)
	_, rest, _ = bytes.Cut(rest, bar)
	subsystem, rest, _ := bytes.Cut(rest, bar)
	event, rest, _ := bytes.Cut(rest, bar)
	id, rest, _ := bytes.Cut(rest, bar)
	if string(subsystem) != "smtp-in" || len(id) == 0 {
		return
	}
	switch string(stream) {
	case "filter":
		token, text, ok := bytes.Cut(rest, bar)
		if ok && string(event) == "data-line" {
			r.dataLine(id, token, text)
		}
	case "report":
		switch string(event) {
		case "link-connect":
			r.connect(string(id), string(rest))
		case "link-disconnect":
			r.left(r.sessions[string(id)])
			delete(r.sessions, string(id))
		default:
			if s := r.sessions[string(id)]; s != nil {
				r.report(s, string(event), string(rest))
			}
		}
	}
}

// report takes what smtpd reports of a session that it has open. r.mu is held.
func (r *run) report(s *session, event, text string) {
	switch event {
	case "tx-begin":
		s.begin()
		s.gathers = r.Again && s.q.Client.IsValid()
	case "link-tls":
		s.said.tls(text)
	case "protocol-client":
		s.said.client(text)
	case "protocol-server":
		s.said.server(text)
	}
}

// connect starts the look-up for a new session, and the time it has. The fields
// are rdns|fcrdns|src|dest; mails over a unix socket have no client. r.mu is
// held.
func (r *run) connect(id, fields string) {
	s := &session{}
	r.sessions[id] = s
	f := strings.Split(fields, "|")
	if len(f) < 4 {
		return
	}
	client, server := end(f[len(f)-2]), end(f[len(f)-1])
	if !client.IsValid() {
		return
	}
	s.q = note.Query{Client: client, Server: server, Wait: r.deadline}
	s.claims.named(f[0], f[1])
	r.ask(id, s, s.q)
}

// ask asks about the client of a session. r.mu is held.
func (r *run) ask(id string, s *session, q note.Query) {
	s.asking++
	s.asked++
	number := s.asked
	r.wg.Go(func() { r.lookup(id, s, q, number) })
}

// left reports what the client of a session said since the last report: one that is
// refused, or leaves, brings no mail. Nothing waits for the answer. s may be nil.
// r.mu is held.
func (r *run) left(s *session) {
	if s == nil || !r.Again || !s.q.Client.IsValid() || len(s.said.lines) == s.reported {
		return
	}
	q := s.reporting()
	r.wg.Go(func() {
		ctx, cancel := context.WithTimeout(r.ctx, r.deadline)
		defer cancel()
		if _, err := r.Lookuper.Lookup(ctx, q); err != nil {
			r.log.Warn("what a client said is not reported", "client", q.Client, "reason", err)
		}
	})
}

// end reads address:port; IPv6 addresses stand in brackets.
func end(s string) netip.AddrPort {
	i := strings.LastIndexByte(s, ':')
	if i < 0 {
		return netip.AddrPort{}
	}
	return front.AddrPort(strings.Trim(s[:i], "[]"), s[i+1:])
}

// lookup asks, and lets the mail go that waited for it. An answer that comes after
// that to a later question is too old.
func (r *run) lookup(id string, s *session, q note.Query, number int) {
	ctx, cancel := context.WithTimeout(r.ctx, r.deadline)
	defer cancel()
	n, err := r.Lookuper.Lookup(ctx, q)
	var text string
	if err == nil {
		text, err = r.header.Text(&n)
	}
	if err != nil {
		r.log.Warn("no fingerprint for a mail", "client", q.Client, "reason", err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if text != "" && number > s.answered {
		s.answered = number
		s.header = []byte(r.header.Name + ": " + text)
	}
	s.asking--
	if r.sessions[id] == s && s.ready() {
		r.release([]byte(id), s)
		r.out.Flush() // an error stays, and comes up in serve
	}
}
