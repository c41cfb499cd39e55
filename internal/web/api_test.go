package web

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/mxprint/mxprint/internal/feed"
	"github.com/mxprint/mxprint/internal/signature"
	"github.com/mxprint/mxprint/note"
)

const token = "correct-horse-battery"

// hostile is what a sender may try to have shown.
const hostile = `<script>alert(1)</script>"'\x00` + "\x1b[2J\u202e"

// answers is a sensor that answers one note.
type known note.Note

func (a *known) Lookup(context.Context, note.Query) (note.Note, error) { return note.Note(*a), nil }

const windows = "4:117+11:0:1460:mss*44,8:mss,nop,ws,nop,nop,sok:df,id+:0"

// whole is a note with every part, each with hostile text.
func whole() note.Note {
	at := time.Unix(1_700_000_000, 0)
	return note.Note{
		State: note.Matched, OSName: "Windows" + hostile, OSFlavor: hostile, Others: []string{hostile}, HTTPName: hostile, HTTPFlavor: hostile, Language: hostile,
		LinkType: hostile, MTU: 1500, FirstSeen: at, LastSeen: at, TotalConn: 3, SYNs: 2, Handshakes: 1, Distance: note.Hops(11), ByConnection: true, RawSig: windows,
		TLS:            &note.TLS{State: note.Complete, Library: hostile, Release: hostile, Version: hostile, JA4: hostile, JA4Raw: hostile},
		Software:       &note.Software{State: note.Matched, Name: hostile, Flavor: hostile, Others: []string{hostile}, Dialect: "hello=EHLO @;mail=MAIL FROM:<>;rcpt=RCPT TO:<>;data=DATA;flow=M/R/D/.;write=bulk;dot=with;next=/Q;quit=QUIT"},
		Conduct:        &note.Findings{State: note.Complete, List: []note.Finding{{ID: "early_talker", Words: hostile, Evidence: hostile}}},
		Contradictions: &note.Findings{State: note.Complete, List: []note.Finding{{ID: "helo", Words: hostile, Evidence: hostile}}},
		Flow:           &note.Flow{HandshakeRTT: time.Millisecond}, Memory: &note.Memory{Visits: 1, Changed: []string{hostile}},
	}
}

// full is a server with everything, and one connection in its feed.
func full(t *testing.T) *Server {
	t.Helper()
	n := whole()
	s := &Server{
		Status: sample, Feed: feed.New(), Lookuper: (*known)(&n), Keys: NewKeys(token), DB: signature.Builtin,
		Unknown: func(context.Context) (string, error) { return "; nothing\n", nil },
		Doctor:  func(context.Context) ([]Finding, error) { return []Finding{{"x", hostile, "z"}}, nil },
		Report:  func(context.Context) (any, error) { return map[string]any{"signals": []string{hostile}}, nil },
		History: func(context.Context, netip.Addr) (any, error) { return map[string]any{"visits": 1}, nil },
		Forms:   []Form{{"haraka", (*note.Note).Header}},
	}
	who := s.Feed.Front("milter", (*known)(&n))
	who.Lookup(t.Context(), note.Query{Client: netip.MustParseAddrPort("192.0.2.1:1025"), Server: netip.MustParseAddrPort("198.51.100.25:25")})
	s.pulse.add(sample())
	later := sample()
	later.Now = later.Now.Add(time.Second)
	s.pulse.add(later)
	return s
}

// with asks with the token.
func with(s *Server, path string) *httptest.ResponseRecorder {
	r := httptest.NewRequest("GET", path, nil)
	r.Header.Set("Authorization", "Bearer "+token)
	w := httptest.NewRecorder()
	s.handler().ServeHTTP(w, r)
	return w
}

// document is openapi.json.
type document struct {
	Paths map[string]map[string]struct {
		Parameters []struct {
			Name, In string
			Required bool
		}
		Responses map[string]struct {
			Content map[string]struct {
				Schema map[string]any
			}
		}
	}
}

func (d *document) params(path, in string) (names []string) {
	for _, p := range d.Paths[path]["get"].Parameters {
		if p.In == in {
			names = append(names, p.Name)
		}
	}
	return names
}

// TestOpenAPI compares the document with the handlers: the paths, the parameters,
// and every answer with its schema.
func TestOpenAPI(t *testing.T) {
	var doc document
	if err := json.Unmarshal(openAPI, &doc); err != nil {
		t.Fatal(err)
	}
	schema := schemas(t)
	s := full(t)
	id := s.Feed.Recent(&feed.Filter{}, 1)[0].ID
	served := []route{{path: "/events", params: streamKeys}, {path: "/openapi.json"}}
	for _, rt := range append(served, routes...) {
		ops, ok := doc.Paths[rt.path]
		if !ok || len(ops) != 1 {
			t.Errorf("the document has %d operations of %s, want get alone", len(ops), rt.path)
			continue
		}
		if got := doc.params(rt.path, "query"); !slices.Equal(got, rt.params) {
			t.Errorf("%s: the document has the parameters %q, the handler takes %q", rt.path, got, rt.params)
		}
		if rt.path == "/events" {
			continue // TestStream
		}
		v := url.Values{}
		for _, p := range ops["get"].Parameters {
			if p.Required && p.In == "query" {
				v.Set(p.Name, map[string]string{"client": "192.0.2.1:1025", "signature": windows}[p.Name])
			}
		}
		path := apiRoot + strings.Replace(rt.path, "{id}", id, 1) + "?" + v.Encode()
		valid(t, schema, &doc, rt.path, with(s, path))
		for _, bad := range []string{apiRoot + strings.Replace(rt.path, "{id}", "x", 1), path + "&frob=1", path + "&client=x&client=y", path + "&limit=0&state=x", apiRoot + rt.path + "?%zz"} {
			if rt.path != "/openapi.json" {
				valid(t, schema, &doc, rt.path, with(s, bad))
			}
		}
		bare := &Server{Status: sample, Feed: s.Feed, Lookuper: s.Lookuper, Keys: s.Keys}
		valid(t, schema, &doc, rt.path, with(bare, path))
		w := httptest.NewRecorder()
		s.handler().ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		valid(t, schema, &doc, rt.path, w)
	}
	if len(doc.Paths) != len(routes)+len(served) {
		t.Errorf("the document has %d paths, want %d", len(doc.Paths), len(routes)+len(served))
	}
}

func schemas(t *testing.T) *jsonschema.Compiler {
	t.Helper()
	text, err := jsonschema.UnmarshalJSON(bytes.NewReader(openAPI))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource("openapi.json", text); err != nil {
		t.Fatal(err)
	}
	return c
}

// valid compares an answer with what the document says of it.
func valid(t *testing.T, c *jsonschema.Compiler, doc *document, path string, w *httptest.ResponseRecorder) {
	t.Helper()
	response, ok := doc.Paths[path]["get"].Responses[fmt.Sprint(w.Code)]
	if !ok {
		t.Errorf("%s: the document has no answer %d: %s", path, w.Code, w.Body)
		return
	}
	content, ok := response.Content[w.Header().Get("Content-Type")]
	if !ok {
		t.Errorf("%s %d: the document has no %s", path, w.Code, w.Header().Get("Content-Type"))
		return
	}
	ref, _ := content.Schema["$ref"].(string)
	if ref == "" {
		return
	}
	compiled, err := c.Compile("openapi.json" + ref)
	if err != nil {
		t.Fatal(err)
	}
	got, err := jsonschema.UnmarshalJSON(w.Body)
	if err != nil {
		t.Errorf("%s %d: %v", path, w.Code, err)
		return
	}
	if err := compiled.Validate(got); err != nil {
		t.Errorf("%s %d: %v", path, w.Code, err)
	}
}

// TestExplain: the explanation names the line that matches.
func TestExplain(t *testing.T) {
	s := full(t)
	var x Explanation
	if err := json.Unmarshal(with(s, apiRoot+"/explain?signature="+url.QueryEscape(windows)).Body.Bytes(), &x); err != nil {
		t.Fatal(err)
	}
	if x.Match == nil || !strings.HasPrefix(x.Match.Title, "Windows") || x.Match.Line == 0 || x.Match.Source == "" || len(x.Fields) != 8 || len(x.Nearest) != nearest {
		t.Errorf("explain = %+v", x)
	}
	for _, f := range x.Fields {
		if f.Words == "" {
			t.Errorf("the field %s = %s has no words", f.Name, f.Value)
		}
	}
}

// TestExplainDialect: the explanation of a connection names the signature of its
// program.
func TestExplainDialect(t *testing.T) {
	s := full(t)
	const said = "hello=HELO fqdn;mail=MAIL FROM:<>;rcpt=RCPT TO:<>;data=DATA;flow=M/R/D/.;write=bulk;dot=with;next=/Q;quit=QUIT"
	db, err := signature.Parse(strings.NewReader("classes = tool\n[smtp:client]\nlabel = s:tool:Bacula bsmtp:\nsig = "+strings.Replace(said, "fqdn", "@", 1)+"\n"), "x")
	if err != nil {
		t.Fatal(err)
	}
	s.DB = func() *signature.DB { return db }
	n := note.Note{State: note.Unknown, Software: &note.Software{Dialect: said}}
	s.Feed.Front("milter", (*known)(&n)).Lookup(t.Context(), note.Query{Client: netip.MustParseAddrPort("192.0.2.9:1025")})
	var x Explanation
	text := with(s, apiRoot+"/connections/"+s.Feed.Recent(&feed.Filter{}, 1)[0].ID+"/explain").Body.Bytes()
	if err := json.Unmarshal(text, &x); err != nil {
		t.Fatal(err)
	}
	if len(x.Spoken) != 1 || x.Spoken[0].Title != "Bacula bsmtp" || x.Spoken[0].Line == 0 || x.Raw != "" {
		t.Errorf("explain = %s", text)
	}
}

// TestSafe: what senders wrote is data, on every path: JSON without markup, and
// never HTML.
func TestSafe(t *testing.T) {
	s := full(t)
	id := s.Feed.Recent(&feed.Filter{}, 1)[0].ID
	for _, path := range []string{"/connections", "/connections/" + id, "/lookup?client=192.0.2.1", "/summary", "/doctor", "/report", "/connections/" + url.PathEscape(hostile)} {
		w := with(s, apiRoot+path)
		if typ := w.Header().Get("Content-Type"); !strings.Contains(typ, "json") || strings.Contains(w.Body.String(), "<script") || strings.Contains(w.Body.String(), "\x1b") {
			t.Errorf("%s is %s: %s", path, typ, w.Body)
		}
	}
	for _, path := range []string{"/", "/link/x", "/link/" + url.PathEscape(hostile), "/assets/app.js", apiRoot + "/status"} {
		h := with(s, path).Header()
		if h.Get("Content-Security-Policy") != policy || h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Access-Control-Allow-Origin") != "" || h.Get("Referrer-Policy") != "no-referrer" {
			t.Errorf("%s: %v", path, h)
		}
	}
}

// TestPrivate: without the token no path shows an address.
func TestPrivate(t *testing.T) {
	s := full(t)
	paths := []string{"/", "/metrics", "/healthz", "/readyz", "/link/x", "/assets/app.js", "/assets/..%2findex.html", apiRoot, apiRoot + "/", apiRoot + "/openapi.json", apiRoot + "/events", apiRoot + "/../connections"}
	for _, rt := range routes {
		paths = append(paths, apiRoot+strings.Replace(rt.path, "{id}", s.Feed.Recent(&feed.Filter{}, 1)[0].ID, 1)+"?client=203.0.113.9")
	}
	for _, path := range paths {
		for _, method := range []string{"GET", "HEAD", "POST", "OPTIONS", "TRACE"} {
			w := httptest.NewRecorder()
			s.handler().ServeHTTP(w, httptest.NewRequest(method, path, nil))
			if strings.Contains(w.Body.String(), "192.0.2.1:") || strings.Contains(w.Body.String(), "203.0.113.9") {
				t.Errorf("%s %s shows an address: %s", method, path, w.Body)
			}
			if method != "GET" && method != "HEAD" && w.Code < 300 {
				t.Errorf("%s %s = %d", method, path, w.Code)
			}
		}
	}
}

func FuzzAPI(f *testing.F) {
	for _, rt := range routes {
		f.Add(rt.path, "client=192.0.2.1&since=1h&limit=3&signature="+windows)
	}
	n := whole()
	s := &Server{Status: sample, Feed: feed.New(), Lookuper: (*known)(&n), Keys: NewKeys(token), DB: signature.Builtin}
	h := s.handler()
	f.Fuzz(func(t *testing.T, path, query string) {
		r := httptest.NewRequest("GET", apiRoot+"/status", nil)
		r.URL.Path, r.URL.RawQuery = apiRoot+path, query
		if strings.HasSuffix(path, "/events") {
			return // does not end
		}
		r.Header.Set("Authorization", "Bearer "+token)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code == http.StatusInternalServerError || w.Code == http.StatusOK && !json.Valid(w.Body.Bytes()) && strings.Contains(w.Header().Get("Content-Type"), "json") {
			t.Errorf("%s?%s = %d %s", path, query, w.Code, w.Body)
		}
	})
}
