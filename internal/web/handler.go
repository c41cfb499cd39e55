package web

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/mxprint/mxprint/internal/serve"
	"github.com/mxprint/mxprint/internal/status"
)

// handler is all that is served.
func (s *Server) handler() http.Handler {
	registry := prometheus.NewRegistry() // nothing of other packages gets in
	registry.MustRegister(collector{s.Status})
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{
		MaxRequestsInFlight: maxScrapes, Timeout: requestTime, ErrorLog: slog.NewLogLogger(s.log().Handler(), slog.LevelError),
	}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { plain(w, http.StatusOK, "ok\n") })
	mux.HandleFunc("GET /readyz", s.ready)
	if s.Feed != nil {
		s.routes(mux)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		secure(w.Header())
		if r.ContentLength != 0 { // nothing here takes a body, and none is read
			w.Header().Set("Connection", "close")
			plain(w, http.StatusRequestEntityTooLarge, "no body is taken\n")
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// routes adds what names clients, and what leads to it.
func (s *Server) routes(mux *http.ServeMux) {
	for i := range routes {
		mux.Handle("GET "+apiRoot+routes[i].path, s.guarded(s.api(&routes[i])))
	}
	mux.Handle("GET "+apiRoot+"/events", s.guarded(http.HandlerFunc(s.serveEvents)))
	mux.HandleFunc("GET "+apiRoot+"/openapi.json", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Write(openAPI)
	})
	mux.HandleFunc(apiRoot+"/", func(w http.ResponseWriter, r *http.Request) {
		p := errNotFound
		p.Detail = apiRoot + "/openapi.json has what there is, by GET alone"
		p.write(w)
	})
	mux.HandleFunc("GET /link/{code}", s.enter)
	mux.HandleFunc("GET /assets/{name}", asset)
	mux.HandleFunc("GET /{$}", s.page)
}

// policy is the page's Content-Security-Policy: nothing from elsewhere, nothing in
// line, in no other page's frame.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// secure sets the headers that every answer has. Without CORS headers no script
// of another site reads one.
func secure(h http.Header) {
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer") // a link is a secret until it was used
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cache-Control", "no-store")
}

// cookie is the name of the session's.
const cookie = "mxprint_session"

// guarded serves those who may know clients.
func (s *Server) guarded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if p := s.admits(r); p != nil {
			p.write(w)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// admits returns why a client may not know clients, or nil.
func (s *Server) admits(r *http.Request) *problem {
	if trusted, _ := r.Context().Value(peerKey{}).(bool); trusted {
		return nil
	}
	if s.Keys == nil {
		return &errNoKeys
	}
	if header := r.Header.Get("Authorization"); header != "" {
		source := sourceOf(r.RemoteAddr)
		if !s.Keys.mayTry(source) {
			return &errTries
		}
		token, ok := strings.CutPrefix(header, "Bearer ")
		if ok && s.Keys.is(token) {
			return nil
		}
		s.Keys.wrong(source)
		s.log().Warn("a wrong token for the API", "client", r.RemoteAddr)
		return &errBadToken
	}
	c, err := r.Cookie(cookie)
	if err != nil {
		return &errNoToken
	}
	// Browsers of today send it; those that do not keep SameSite=Strict.
	if site := r.Header.Get("Sec-Fetch-Site"); site != "" && site != "same-origin" && site != "none" {
		return &errCrossSite
	}
	switch ok, expired := s.Keys.entered(c.Value); {
	case ok:
		return nil
	case expired:
		return &errExpired
	}
	return &errNoToken
}

// enter turns a link into a session. The page that it answers with goes on by
// itself: a redirect would be the other site's where a link was followed from
// one, and without the cookie.
func (s *Server) enter(w http.ResponseWriter, r *http.Request) {
	if s.Keys == nil {
		s.door(w, http.StatusForbidden, errNoKeys.Detail, false)
		return
	}
	source := sourceOf(r.RemoteAddr)
	if !s.Keys.mayTry(source) {
		s.door(w, http.StatusTooManyRequests, errMany.Error(), false)
		return
	}
	session, err := s.Keys.redeem(r.PathValue("code"))
	if err != nil {
		s.Keys.wrong(source)
		s.door(w, http.StatusForbidden, err.Error(), false)
		return
	}
	http.SetCookie(w, &http.Cookie{
		Name: cookie, Value: session, Path: "/", MaxAge: int(sessionTime.Seconds()),
		HttpOnly: true, SameSite: http.SameSiteStrictMode, Secure: r.TLS != nil,
	})
	s.door(w, http.StatusOK, "", true)
}

// peerKey is the key of whether the client at a unix socket may know clients.
type peerKey struct{}

// withPeer keeps in the context of a connection who its client is.
func (s *Server) withPeer(ctx context.Context, nc net.Conn) context.Context {
	uid, err := serve.PeerUID(nc)
	if errors.Is(err, serve.ErrNotUnix) {
		return ctx
	}
	trusted := s.Private || err == nil && (uid == 0 || uid == os.Geteuid())
	return context.WithValue(ctx, peerKey{}, trusted)
}

// ready answers 200 where the sensor answers questions, and 503 with the reasons
// where it is down.
func (s *Server) ready(w http.ResponseWriter, _ *http.Request) {
	st := s.Status()
	code := http.StatusOK
	if st.Health == status.Down {
		code = http.StatusServiceUnavailable
	}
	plain(w, code, strings.Join(append([]string{string(st.Health)}, st.Reasons...), "\n")+"\n")
}

func plain(w http.ResponseWriter, code int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(code)
	_, _ = io.WriteString(w, text) // the client may have gone
}
