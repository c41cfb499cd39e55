package host

import (
	"github.com/mxprint/mxprint/event"
	"github.com/mxprint/mxprint/internal/http1"
	"github.com/mxprint/mxprint/packet"
)

// httpState is how far the first exchange of a flow has come.
type httpState uint8

const (
	httpAsks    httpState = iota // the request is not complete
	httpAnswers                  // the request was, the response is not
	httpDead                     // this is no HTTP; the next data ends the flow
)

// http looks at data of a flow, and reports whether the flow has nothing more
// to show: a protocol whose server speaks first, a client that does not begin
// with GET or HEAD, a complete response. A connection that is no HTTP leaves
// here with its first data, and has cost nothing.
func (t *Table) http(fl uint32, role event.Role, s *packet.Segment, payload []byte) (over bool) {
	f := t.flows.at(fl)
	switch {
	case f.http == httpDead || role == event.Server && f.http == httpAsks:
		return true
	case role == event.Client && f.http == httpAnswers:
		return false
	}
	r := http1.Reader{Response: role == event.Server, Whole: t.cfg.HTTPWhole}
	data := payload
	if f.partial != none {
		r, data = t.partial.with(f.partial, payload, &t.join)
	}
	switch r.Read(data) {
	case http1.More:
		// Without the data that the capture has cut off there is no going on.
		if len(payload) < int(s.PayloadLen) && len(data) < http1.MaxData {
			return true
		}
		t.keepPartial(fl, &r, data)
		return false
	case http1.Done:
		r.Message(data, &t.msg)
		t.seenHTTP(f, role)
		t.msg = http1.Message{}
		t.dropPartial(f)
		f.http = httpAnswers
		return role == event.Server
	case http1.Stuck:
		t.dropPartial(f)
		f.http = httpDead
		return false
	}
	return true
}
