package verdict

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/mxprint/mxprint/internal/serve"
	"github.com/mxprint/mxprint/internal/store"
)

// Bounds of a connection.
const (
	maxLine    = 64 << 10 // bytes; of a body as well: rspamd lists all symbols
	maxHead    = 16 << 10 // bytes of an HTTP request before its body
	idleTime   = 10 * time.Minute
	forgetTime = 10 * time.Minute
)

// MaxConns is how many connections of one listener are served at once.
const MaxConns = 200

// Server takes verdicts: lines of JSON, each answered by one, or the body of an
// HTTP POST. Set the fields before Serve. Safe for concurrent use.
type Server struct {
	Store *store.Store // nil: no verdict is taken
	// Forget removes a sender; nil: the store does.
	Forget func(context.Context, store.Subject) (connections int64, err error)
	Logger *slog.Logger
	group  serve.Group
}

// Stats returns the counters.
func (s *Server) Stats() serve.Stats { return s.group.Stats() }

// Serve takes the connections of ln until ctx ends.
func (s *Server) Serve(ctx context.Context, ln net.Listener) error {
	return s.group.Serve(ctx, ln, serve.Config{MaxConns: MaxConns, ClientFirst: true, Grace: time.Second, Logger: serve.Log(s.Logger)}, s.conn)
}

// conn serves one connection. Lines wait for the store only when nothing else
// has come yet: those of a pipe go on.
func (s *Server) conn(ctx context.Context, nc net.Conn) {
	defer nc.Close()
	limit := &io.LimitedReader{R: nc}
	in := bufio.NewReaderSize(limit, maxLine)
	out := bufio.NewWriter(nc)
	defer out.Flush()
	for {
		nc.SetDeadline(time.Now().Add(idleTime))
		limit.N = maxHead + maxLine // of the next request; what is buffered has been counted
		if begin, _ := in.Peek(5); string(begin) == "POST " {
			if !s.post(ctx, nc, in, out) {
				return
			}
			continue
		}
		text, err := in.ReadSlice('\n')
		if errors.Is(err, bufio.ErrBufferFull) {
			s.group.Bad.Add(1)
			write(out, Answer{Error: "more than 64 KiB in one line"})
			return
		}
		if text = bytes.TrimSpace(text); len(text) > 0 {
			write(out, s.line(ctx, nc, text, in.Buffered() == 0))
		}
		if in.Buffered() == 0 || err != nil {
			if out.Flush() != nil || err != nil {
				return
			}
		}
	}
}

// errNoStore is the answer to a verdict where only the store of several sensors is
// configured.
var errNoStore = errors.New("there is nothing to take verdicts into: name the file, [store] path")

func write(out io.Writer, a Answer) { json.NewEncoder(out).Encode(a) }

// line does what one line says.
func (s *Server) line(ctx context.Context, nc net.Conn, text []byte, wait bool) Answer {
	s.group.Requests.Add(1)
	l, err := Parse(text)
	if err == nil && l.Forget != "" {
		if nc.LocalAddr().Network() != "unix" {
			return Answer{Error: "forget: only through a unix socket"}
		}
		return s.forget(ctx, l.Forget)
	}
	if err == nil && s.Store == nil {
		err = errNoStore
	}
	if err == nil {
		var v store.Verdict
		if v, err = l.Of(); err == nil {
			err = s.Store.Verdict(v, wait)
		}
	}
	switch {
	case errors.Is(err, errNothing):
		return Answer{OK: true}
	case err != nil:
		s.group.Bad.Add(1)
		return Answer{Error: err.Error()}
	}
	return Answer{OK: true}
}

// Headers takes the verdict of a filter from the headers of a mail; ours has the
// name given. A mail that no filter judged has none.
func (s *Server) Headers(name string) func(map[string]string) {
	return func(h map[string]string) {
		l, err := FromHeaders(func(key string) string { return h[key] }, name)
		if err != nil {
			return
		}
		s.group.Requests.Add(1)
		v, err := l.Of()
		if err == nil {
			err = s.Store.Verdict(v, false)
		}
		if err != nil {
			s.group.Bad.Add(1)
		}
	}
}

func (s *Server) forget(ctx context.Context, what string) Answer {
	sub, err := store.ParseSubject(what)
	if err != nil {
		return Answer{Error: err.Error()}
	}
	ctx, cancel := context.WithTimeout(ctx, forgetTime)
	defer cancel()
	forget := s.Forget
	if forget == nil {
		forget = s.Store.Forget
	}
	n, err := forget(ctx, sub)
	if err != nil {
		return Answer{Error: strings.ReplaceAll(err.Error(), "\n", "; ")}
	}
	return Answer{OK: true, Forgotten: &n}
}

// post takes the body of an HTTP request, and returns whether another may follow.
func (s *Server) post(ctx context.Context, nc net.Conn, in *bufio.Reader, out *bufio.Writer) bool {
	r, err := http.ReadRequest(in)
	if err != nil {
		s.group.Bad.Add(1)
		return false
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxLine+1))
	r.Body.Close()
	a := Answer{Error: "more than 64 KiB"}
	if err == nil && len(body) <= maxLine {
		a = s.line(ctx, nc, bytes.TrimSpace(body), true)
	}
	text, _ := json.Marshal(a)
	w := http.Response{StatusCode: http.StatusOK, ProtoMajor: 1, ProtoMinor: 1, ContentLength: int64(len(text)), Body: io.NopCloser(bytes.NewReader(text)),
		Header: http.Header{"Content-Type": {"application/json"}}, Close: r.Close}
	if a.Error != "" {
		w.StatusCode = http.StatusBadRequest
	}
	// What is left of a body that was not read would be taken for lines.
	return w.Write(out) == nil && out.Flush() == nil && !r.Close && err == nil && len(body) <= maxLine
}
