package web

import (
	"context"
	_ "embed" // the document
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mxprint/mxprint/internal/feed"
	"github.com/mxprint/mxprint/note"
)

// The bounds of a question.
const (
	maxQuery   = 2048 // bytes of the parameters
	maxLimit   = 1000
	usualLimit = 100
	maxWait    = time.Second
)

//go:embed openapi.json
var openAPI []byte

// route is one thing that the API serves. Its parameters are all that it takes:
// a misspelt one would else be a filter that takes everything.
type route struct {
	path   string
	params []string
	serve  func(s *Server, r *http.Request, v url.Values) (any, error)
}

const apiRoot = "/api/v1"

var connectionKeys = append(slices.Clone(feed.FilterKeys), "limit")

// routes are the API but for the stream and the document, as openapi.json
// describes them.
var routes = []route{
	{"/status", nil, (*Server).apiStatus},
	{"/pulse", nil, (*Server).apiPulse},
	{"/lookup", []string{"client", "server", "wait"}, (*Server).apiLookup},
	{"/connections", connectionKeys, (*Server).apiConnections},
	{"/connections/{id}", nil, (*Server).apiConnection},
	{"/connections/{id}/explain", nil, (*Server).apiConnectionWhy},
	{"/explain", []string{"signature", "response"}, (*Server).apiExplain},
	{"/summary", nil, (*Server).apiSummary},
	{"/unknown", nil, (*Server).apiUnknown},
	{"/doctor", nil, (*Server).apiDoctor},
	{"/report", nil, (*Server).apiReport},
	{"/history", []string{"client"}, (*Server).apiHistory},
}

// api answers one route.
func (s *Server) api(rt *route) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		v, err := params(r, rt.params)
		var answer any
		if err == nil {
			answer, err = rt.serve(s, r, v)
		}
		var text []byte
		if err == nil {
			text, err = json.Marshal(answer)
		}
		var p *problem
		switch {
		case errors.As(err, &p):
			p.write(w)
		case err != nil:
			s.log().Error("cannot answer a question", "path", rt.path, "reason", err)
			(&problem{"fault", "The sensor cannot answer", http.StatusInternalServerError, "its log has the reason"}).write(w)
		default:
			w.Header().Set("Content-Type", "application/json")
			w.Write(append(text, '\n'))
		}
	}
}

// params reads the parameters of a question, of which no others may be there
// than known ones.
func params(r *http.Request, known []string) (url.Values, error) {
	if len(r.URL.RawQuery) > maxQuery {
		return nil, badRequest(fmt.Errorf("more than %d bytes of parameters", maxQuery))
	}
	v, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, badRequest(errors.New("the parameters are not key=value&…"))
	}
	for key, values := range v {
		if !slices.Contains(known, key) {
			return nil, badRequest(fmt.Errorf("%q: want one of %q", key, known))
		}
		if len(values) > 1 {
			return nil, badRequest(fmt.Errorf("%s: want it once", key))
		}
	}
	return v, nil
}

func (s *Server) apiStatus(*http.Request, url.Values) (any, error) { return s.Status(), nil }

func (s *Server) apiPulse(*http.Request, url.Values) (any, error) {
	return map[string]any{"samples": s.pulse.list()}, nil
}

func (s *Server) apiSummary(*http.Request, url.Values) (any, error) { return s.Feed.Summary(), nil }

// apiLookup asks as a mail server does. It enters nothing into the feed.
func (s *Server) apiLookup(r *http.Request, v url.Values) (any, error) {
	q := note.Query{}
	var err error
	if q.Client, err = parseEnds(v.Get("client")); err != nil {
		return nil, badRequest(fmt.Errorf("client: %w", err))
	}
	if at := v.Get("server"); at != "" {
		if q.Server, err = netip.ParseAddrPort(at); err != nil {
			return nil, badRequest(fmt.Errorf("server: %q: want ADDRESS:PORT", at))
		}
	}
	if wait := v.Get("wait"); wait != "" {
		if q.Wait, err = time.ParseDuration(wait); err != nil || q.Wait < 0 || q.Wait > maxWait {
			return nil, badRequest(fmt.Errorf("wait: %q: want a duration from 0s to %v", wait, maxWait))
		}
	}
	n, err := s.Lookuper.Lookup(r.Context(), q)
	if err != nil && n.State != note.Unavailable {
		return nil, err
	}
	return map[string]any{"client": feed.Ends(q.Client), "note": n}, nil
}

func parseEnds(text string) (netip.AddrPort, error) {
	if at, err := netip.ParseAddrPort(text); err == nil {
		return at, nil
	}
	addr, err := netip.ParseAddr(strings.Trim(text, "[]"))
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("%q: want an address or ADDRESS:PORT", text)
	}
	return netip.AddrPortFrom(addr, 0), nil
}

func (s *Server) apiConnections(_ *http.Request, v url.Values) (any, error) {
	limit := usualLimit
	if text := v.Get("limit"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > maxLimit {
			return nil, badRequest(fmt.Errorf("limit: %q: want a number from 1 to %d", text, maxLimit))
		}
		limit = n
	}
	filter, err := feed.ParseFilter(v, time.Now())
	if err != nil {
		return nil, badRequest(err)
	}
	r, _ := s.Feed.Follow(&feed.Filter{}, "") // before: what comes meanwhile is read twice, not never
	list := s.Feed.Recent(filter, limit)
	answer := make([]*feed.Connection, len(list))
	for i := range list {
		answer[i] = &list[i]
	}
	return map[string]any{"connections": answer, "position": r.Position()}, nil
}

// errGone is an error about a connection that is not kept, or never was.
func errGone(id string) *problem {
	p := errNotFound
	p.Detail = fmt.Sprintf("no connection %q is kept: the newest %d are, until the sensor restarts", id, feed.Kept)
	return &p
}

func (s *Server) apiConnection(r *http.Request, _ url.Values) (any, error) {
	c, ok := s.Feed.ByID(r.PathValue("id"))
	if !ok {
		return nil, errGone(r.PathValue("id"))
	}
	return map[string]any{"connection": &c, "headers": s.headers(&c.Note)}, nil
}

// Header is a note as a mail server gets it.
type Header struct {
	For  string `json:"for"`  // the form
	Text string `json:"text"` // empty: it gets none
}

// headers are the forms of a note.
func (s *Server) headers(n *note.Note) []Header {
	list := []Header{}
	for _, f := range s.Forms {
		list = append(list, Header{f.Name, f.Text(n)})
	}
	return list
}

func (s *Server) apiConnectionWhy(r *http.Request, _ url.Values) (any, error) {
	c, ok := s.Feed.ByID(r.PathValue("id"))
	if !ok {
		return nil, errGone(r.PathValue("id"))
	}
	said := ""
	if p := c.Note.Software; p != nil {
		said = p.Dialect
	}
	if c.Note.RawSig == "" && said == "" {
		p := errNotFound
		p.Detail = "the answer was about the address, not about this connection: no SYN of its own is known"
		return nil, &p
	}
	x := &Explanation{Fields: []Field{}, Nearest: []Near{}, Spoken: []Near{}}
	if c.Note.RawSig != "" {
		var err error
		if x, err = s.explain(c.Note.RawSig, false); err != nil {
			return nil, err
		}
	}
	if said != "" && s.DB != nil {
		s.spoken(x, said)
	}
	return x, nil
}

func (s *Server) apiExplain(_ *http.Request, v url.Values) (any, error) {
	response, err := strconv.ParseBool(v.Get("response"))
	if err != nil && v.Get("response") != "" {
		return nil, badRequest(errors.New("response: want true or false"))
	}
	return s.explain(v.Get("signature"), response)
}

// asked is what another part of the program answers, where there is one.
func asked[T any](ctx context.Context, from func(context.Context) (T, error), what, how string) (any, error) {
	if from == nil {
		return nil, off(what, how)
	}
	return from(ctx)
}

func (s *Server) apiUnknown(r *http.Request, _ url.Values) (any, error) {
	text, err := asked(r.Context(), s.Unknown, "unknown SYNs", "this sensor asks another one (sensor.ask)")
	if err != nil {
		return nil, err
	}
	return map[string]any{"signatures": text}, nil
}

func (s *Server) apiDoctor(r *http.Request, _ url.Values) (any, error) {
	list, err := asked(r.Context(), s.Doctor, "the doctor", "run mxprint doctor")
	if err != nil {
		return nil, err
	}
	return map[string]any{"findings": list}, nil
}

const howMemory = "name a file in [store] path (docs/evidence.md)"

func (s *Server) apiReport(r *http.Request, _ url.Values) (any, error) {
	return asked(r.Context(), s.Report, "the report", howMemory)
}

func (s *Server) apiHistory(r *http.Request, v url.Values) (any, error) {
	at, err := parseEnds(v.Get("client"))
	if err != nil {
		return nil, badRequest(fmt.Errorf("client: %w", err))
	}
	if s.History == nil {
		return nil, off("the history", howMemory)
	}
	return s.History(r.Context(), at.Addr().Unmap().WithZone(""))
}
