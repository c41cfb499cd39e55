package config

import (
	"fmt"
	"time"

	"github.com/mxprint/mxprint/internal/front"
	"github.com/mxprint/mxprint/internal/proxy"
	"github.com/mxprint/mxprint/internal/serve"
	"github.com/mxprint/mxprint/note"
)

// Query is [query], the socket of text lines.
type Query struct {
	Listen    []string `toml:"listen"`
	Mode      string   `toml:"mode"`
	TLSListen []string `toml:"tls_listen"`
	TLSCert   string   `toml:"tls_cert"`
	TLSKey    string   `toml:"tls_key"`
	TokenFile string   `toml:"token_file"`
	ProxyFrom []string `toml:"proxy_from"`
}

func (q *Query) check(k *checker) {
	k.endpoints("query", q.Listen, q.Mode)
	k.networks("query.proxy_from", q.ProxyFrom)
	k.addresses("query.tls_listen", q.TLSListen)
	for _, f := range []struct{ key, value string }{
		{"tls_cert", q.TLSCert}, {"tls_key", q.TLSKey}, {"token_file", q.TokenFile},
	} {
		k.that(len(q.TLSListen) == 0 || f.value != "", "query."+f.key, "name the file; tls_listen needs it")
	}
}

// Header is [milter] and [policy], which put the note into a header.
type Header struct {
	Listen    []string      `toml:"listen"`
	Mode      string        `toml:"mode"`
	ProxyFrom []string      `toml:"proxy_from"`
	Header    string        `toml:"header"`
	Form      string        `toml:"form"`
	Deadline  time.Duration `toml:"deadline"`
}

func defaultHeader() Header {
	return Header{Mode: "0666", Header: front.DefaultHeader, Form: "haraka", Deadline: 50 * time.Millisecond}
}

// HeaderForms are the texts that a header can have.
var HeaderForms = map[string]func(*note.Note) string{
	"haraka": (*note.Note).Header,
	"v2":     front.V2Text,
	"full":   (*note.Note).Full,
}

// FormFull is the form that has more than a SYN shows.
const FormFull = "full"

// settle gives a header whose name was not set that of its form.
func (h *Header) settle() {
	if h.Form == FormFull && h.Header == front.DefaultHeader {
		h.Header = front.FullHeader
	}
}

func (h *Header) check(k *checker, table string) {
	k.endpoints(table, h.Listen, h.Mode)
	k.networks(table+".proxy_from", h.ProxyFrom)
	_, err := front.NewHeader(h.Header, nil)
	k.that(err == nil, table+".header", fmt.Sprint(err))
	k.that(HeaderForms[h.Form] != nil, table+".form", `want "haraka", "v2" or "full"`)
	k.that(h.Deadline >= time.Millisecond && h.Deadline <= 10*time.Second, table+".deadline", `want a duration from "1ms" to "10s"`)
}

// Amavis is [amavis], the UDP protocol of its p0f-analyzer.
type Amavis struct {
	Listen []string `toml:"listen"`
	Form   string   `toml:"form"`
	Allow  []string `toml:"allow"`
}

func (a *Amavis) check(k *checker) {
	k.that(a.Form == "v2" || a.Form == "v3", "amavis.form", `want "v2" or "v3"`)
	k.addresses("amavis.listen", a.Listen)
	k.networks("amavis.allow", a.Allow)
}

// HTTP is [http]: metrics and health, and the API and the page for those with the
// token.
type HTTP struct {
	Listen    []string `toml:"listen"`
	Mode      string   `toml:"mode"`
	TokenFile string   `toml:"token_file"`
	TLSListen []string `toml:"tls_listen"`
	TLSCert   string   `toml:"tls_cert"`
	TLSKey    string   `toml:"tls_key"`
}

// On reports whether there is an HTTP listener.
func (h *HTTP) On() bool { return len(h.Listen)+len(h.TLSListen) > 0 }

func (h *HTTP) check(k *checker) {
	k.endpoints("http", h.Listen, h.Mode)
	k.addresses("http.tls_listen", h.TLSListen)
	for _, f := range []struct{ key, value string }{{"tls_cert", h.TLSCert}, {"tls_key", h.TLSKey}} {
		k.that(len(h.TLSListen) == 0 || f.value != "", "http."+f.key, "name the file; tls_listen needs it")
	}
}

// Proxy is [proxy], the transparent SMTP front.
type Proxy struct {
	Listen         []string      `toml:"listen"`
	Backend        string        `toml:"backend"`
	Send           string        `toml:"send"`
	SendNote       bool          `toml:"send_note"`
	RelayChecked   bool          `toml:"relay_checked"`
	ProxyFrom      []string      `toml:"proxy_from"`
	MaxConnections int           `toml:"max_connections"`
	Idle           time.Duration `toml:"idle"`
	Drain          time.Duration `toml:"drain"`
}

func defaultProxy() Proxy {
	return Proxy{Send: "v2", MaxConnections: serve.DefaultMaxConns, Idle: proxy.DefaultIdle, Drain: proxy.DefaultDrain}
}

// Sends are the ways to hand the client's address to the mail server.
var Sends = map[string]proxy.Send{"v2": proxy.V2, "v1": proxy.V1, "xclient": proxy.XClient, "none": proxy.Nothing}

func (p *Proxy) check(k *checker) {
	_, known := Sends[p.Send]
	k.that(known, "proxy.send", `want "v2", "v1", "xclient" or "none"`)
	k.that(!p.SendNote || p.Send == "v2", "proxy.send_note", `only send = "v2" has room for it`)
	k.between(p.MaxConnections, 1, 1_000_000, "proxy.max_connections")
	k.that(p.Idle >= time.Minute && p.Idle <= 24*time.Hour, "proxy.idle", `want a duration from "1m" to "24h"`)
	k.that(p.Drain >= 0 && p.Drain <= time.Hour, "proxy.drain", `want a duration from "0s" to "1h"`)
	_, _, err := Endpoint(p.Backend)
	k.that(len(p.Listen) == 0 || err == nil, "proxy.backend", "want HOST:PORT of the mail server, or the path of a unix socket")
	k.that(p.Send != "none" || p.RelayChecked || len(p.Listen) == 0, "proxy.send",
		`"none" makes every client one of the proxy's own address, from which most mail servers relay: `+
			`have the mail server treat that address as a stranger's, and then set relay_checked = true`)
	k.addresses("proxy.listen", p.Listen)
	for _, at := range p.Listen {
		k.that(!itself(at, p.Backend), "proxy.backend", fmt.Sprintf("%s is the proxy itself (listen has %q)", p.Backend, at))
	}
	k.networks("proxy.proxy_from", p.ProxyFrom)
}
