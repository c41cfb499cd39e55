//go:build linux

package web

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/mxprint/mxprint/internal/test/lab"
	"github.com/mxprint/mxprint/internal/test/mailtest"
	"github.com/mxprint/mxprint/note"
	"github.com/mxprint/mxprint/p0f"
)

// httpDB knows this test's client and Go's server. What the systems' SYNs look
// like, it does not know: a system named by the client then differs (p0f-v3.md
// §8.8).
const httpDB = `classes = unix
[tcp:request]
label = s:unix:Never:
sig   = 4:1:0:1:1,1:mss:bad:0
[http:request]
ua_os = Linux
label = s:!:Tester:one
sys   = @unix
sig   = 1:Host,User-Agent,X-Fill::Tester/
[http:response]
label = s:!:Go:net/http
sys   = @unix
sig   = 1:Server=[Go]::
`

// TestHTTP asks a web server, and then the sensor beside it about both: live,
// over the network, by p0f's socket. The request is longer than what a capture
// for mail keeps of a frame.
func TestHTTP(t *testing.T) {
	pair := lab.NewPair(t)
	dir := mailtest.TempDir(t)
	db, socket := filepath.Join(dir, "http.fp"), filepath.Join(dir, "p0f.sock")
	if err := os.WriteFile(db, []byte(httpDB), 0o644); err != nil {
		t.Fatal(err)
	}
	p := mailtest.Start(t, "sensor", pair.Server.Command(context.Background(), mailtest.SensorProgram(t), "-i", pair.Server.If, "-f", db, "-s", socket))
	p.WaitFor("answer on "+socket, func() bool { return mailtest.SocketAnswers(socket) })
	client := p0f.NewClient(socket)
	defer client.Close()
	for _, f := range mailtest.Families(pair) {
		serveWeb(t, pair.Server, f.To)
		askWeb(t, pair.Client, f.From, f.To)
		for _, want := range []struct {
			addr netip.Addr
			note note.Note
		}{
			{f.From, note.Note{HTTPName: "Tester", HTTPFlavor: "one", Language: "German", BadSW: note.OSMismatch}},
			{f.To, note.Note{HTTPName: "Go", HTTPFlavor: "net/http"}},
		} {
			var n note.Note
			p.WaitFor(fmt.Sprintf("know the program of %v", want.addr), func() bool {
				n, _ = client.Lookup(context.Background(), note.Query{Client: netip.AddrPortFrom(want.addr, 0)})
				return n.HTTPName != ""
			})
			if got := (note.Note{HTTPName: n.HTTPName, HTTPFlavor: n.HTTPFlavor, Language: n.Language, BadSW: n.BadSW}); !reflect.DeepEqual(got, want.note) {
				t.Errorf("%v: %+v, want %+v", want.addr, got, want.note)
			}
		}
	}
}

// serveWeb runs a web server in a namespace until the test ends.
func serveWeb(t *testing.T, ns *lab.NetNS, addr netip.Addr) {
	t.Helper()
	var ln net.Listener
	if err := ns.Do(func() (err error) {
		ln, err = net.Listen("tcp", netip.AddrPortFrom(addr, 80).String())
		return err
	}); err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Server", "Go")
		io.WriteString(w, "hello")
	})}
	done := make(chan error)
	go func() { done <- server.Serve(ln) }()
	t.Cleanup(func() {
		server.Close()
		if err := <-done; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
}

// askWeb sends a request in one segment, and reads the response.
func askWeb(t *testing.T, ns *lab.NetNS, from, to netip.Addr) {
	t.Helper()
	err := ns.Do(func() error {
		dialer := net.Dialer{LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(from, 0)), Timeout: 10 * time.Second}
		conn, err := dialer.Dial("tcp", netip.AddrPortFrom(to, 80).String())
		if err != nil {
			return err
		}
		defer conn.Close()
		conn.SetDeadline(time.Now().Add(10 * time.Second))
		_, err = fmt.Fprintf(conn, "GET / HTTP/1.1\r\nHost: a.example\r\nUser-Agent: Tester/1 (Linux)\r\nX-Fill: %s\r\nAccept-Language: de\r\nConnection: close\r\n\r\n",
			strings.Repeat("x", 600))
		if err != nil {
			return err
		}
		_, err = io.ReadAll(conn)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
