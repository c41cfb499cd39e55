package web

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/mxprint/mxprint/internal/feed"
)

// The bounds of streams.
const (
	maxStreams = 32                     // at once: half of the connections
	lookTime   = 200 * time.Millisecond // between two looks for events
	batch      = 200                    // events of one look, so that a reader loses rather than others wait
	writeTime  = 10 * time.Second       // that a reader may take for a write
	quietTime  = 15 * time.Second       // without an event, and a comment is sent
)

var streamKeys = append(slices.Clone(feed.FilterKeys), "after", "format")

// stream is one reader of events.
type stream struct {
	w      http.ResponseWriter
	flush  *http.ResponseController
	ndjson bool
	buf    bytes.Buffer
}

// serveEvents serves the stream until the client or the server ends it.
func (s *Server) serveEvents(w http.ResponseWriter, r *http.Request) {
	v, err := params(r, streamKeys)
	var p *problem
	if errors.As(err, &p) {
		p.write(w)
		return
	}
	filter, err := feed.ParseFilter(v, time.Now())
	format := v.Get("format")
	if format == "" && strings.Contains(r.Header.Get("Accept"), "application/x-ndjson") {
		format = "ndjson"
	}
	switch {
	case err != nil:
	case format != "" && format != "sse" && format != "ndjson":
		err = fmt.Errorf("format: %q: want sse or ndjson", format)
	}
	if err != nil {
		badRequest(err).write(w)
		return
	}
	if s.streams.Add(1) > maxStreams {
		s.streams.Add(-1)
		errStreams.write(w)
		return
	}
	defer s.streams.Add(-1)
	after := cmp.Or(r.Header.Get("Last-Event-ID"), v.Get("after"))
	out := &stream{w: w, flush: http.NewResponseController(w), ndjson: format == "ndjson"}
	w.Header().Set("Content-Type", "text/event-stream")
	if out.ndjson {
		w.Header().Set("Content-Type", "application/x-ndjson")
	}
	w.Header().Set("X-Accel-Buffering", "no") // nginx would keep events back
	reader, restarted := s.Feed.Follow(filter, after)
	if restarted {
		out.event("lost", "", map[string]any{"restarted": true})
	}
	s.follow(r, out, reader)
}

// follow writes events as they come.
func (s *Server) follow(r *http.Request, out *stream, reader *feed.Reader) {
	out.event("hello", reader.Position(), map[string]any{"version": s.Status().Version})
	tick := time.NewTicker(lookTime)
	defer tick.Stop()
	wrote, sampled := time.Now(), int64(0)
	for {
		list, lost := reader.Read(batch)
		if lost > 0 {
			out.event("lost", "", map[string]any{"events": lost})
		}
		for i := range list {
			out.event("connection", list[i].ID, &list[i].Connection)
		}
		if sample, ok := s.pulse.newest(sampled); ok {
			sampled = sample.At
			out.event("rate", "", &sample)
		}
		if out.buf.Len() == 0 && time.Since(wrote) > quietTime {
			out.comment()
		}
		if out.buf.Len() > 0 {
			wrote = time.Now()
			if out.write() != nil {
				return // the client has gone, or does not read
			}
		}
		if len(list) == batch {
			continue // more has come
		}
		select {
		case <-r.Context().Done():
			return
		case <-tick.C:
		}
	}
}

// event adds one to what is written next.
func (o *stream) event(name, id string, data any) {
	text, err := json.Marshal(data)
	if err != nil {
		return // our own types always have JSON
	}
	if o.ndjson {
		line, _ := json.Marshal(struct {
			Event string          `json:"event"`
			ID    string          `json:"id,omitempty"`
			Data  json.RawMessage `json:"data"`
		}{name, id, text})
		o.buf.Write(append(line, '\n'))
		return
	}
	fmt.Fprintf(&o.buf, "event: %s\n", name)
	if id != "" {
		fmt.Fprintf(&o.buf, "id: %s\n", id)
	}
	fmt.Fprintf(&o.buf, "data: %s\n\n", text) // JSON of one line
}

// comment keeps what is between us and the reader from taking it for dead.
func (o *stream) comment() {
	if o.ndjson {
		o.buf.WriteByte('\n')
	} else {
		o.buf.WriteString(":\n\n")
	}
}

func (o *stream) write() error {
	if err := o.flush.SetWriteDeadline(time.Now().Add(writeTime)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	if _, err := o.w.Write(o.buf.Bytes()); err != nil {
		return err
	}
	o.buf.Reset()
	return o.flush.Flush()
}
