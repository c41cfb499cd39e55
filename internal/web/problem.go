package web

import (
	"encoding/json"
	"fmt"
	"net/http"
)

// problem is an error by RFC 9457.
type problem struct {
	Type   string `json:"type"` // a word after "urn:mxprint:problem:"
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail,omitempty"`
}

func (p *problem) Error() string { return p.Title + ": " + p.Detail }

// The kinds of problems.
var (
	errNoToken   = problem{"token", "A token is needed", http.StatusUnauthorized, "send Authorization: Bearer TOKEN, or open the link that mxprint web prints"}
	errExpired   = problem{"expired", "The session has expired", http.StatusUnauthorized, "mxprint web prints a link for another one"}
	errBadToken  = problem{"token", "The token is wrong", http.StatusUnauthorized, "it is not the one in http.token_file"}
	errTries     = problem{"tries", "Too many wrong tokens", http.StatusTooManyRequests, errMany.Error()}
	errCrossSite = problem{"cross-site", "Another site asks", http.StatusForbidden, "a session is for this page alone"}
	errNoKeys    = problem{"off", "Not switched on", http.StatusForbidden, "name a file in http.token_file, or ask on a unix socket (docs/web.md)"}
	errNotFound  = problem{"not-found", "There is no such thing", http.StatusNotFound, ""}
	errStreams   = problem{"streams", "Too many streams", http.StatusServiceUnavailable, fmt.Sprintf("%d are open", maxStreams)}
)

func badRequest(err error) *problem {
	return &problem{"request", "The request is wrong", http.StatusBadRequest, err.Error()}
}

// off is what is not switched on, and how to do so.
func off(what, how string) *problem {
	return &problem{"off", "Not switched on", http.StatusNotImplemented, what + ": " + how}
}

// write writes the problem as the answer.
func (p *problem) write(w http.ResponseWriter) {
	q := *p
	q.Type = "urn:mxprint:problem:" + q.Type
	text, err := json.Marshal(&q)
	if err != nil {
		text = nil // four texts and numbers always have JSON
	}
	h := w.Header()
	h.Set("Content-Type", "application/problem+json")
	switch p.Status {
	case http.StatusUnauthorized:
		h.Set("WWW-Authenticate", `Bearer realm="mxprint"`)
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		h.Set("Retry-After", "60")
	}
	w.WriteHeader(p.Status)
	w.Write(append(text, '\n'))
}
