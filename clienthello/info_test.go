package clienthello

import (
	"crypto/tls"
	"errors"
	"net"
	"testing"
)

// TestFromInfo gives recorded hellos to crypto/tls, and compares what its server
// gets to know with the hello itself.
func TestFromInfo(t *testing.T) {
	enough := errors.New("enough")
	same, total := 0, 0
	for _, r := range lab(t) {
		var h, got Hello
		if err := h.Parse(r.data); err != nil {
			t.Fatal(err)
		}
		asked := false
		client, server := net.Pipe()
		go func() {
			client.Write(r.data)
			buf := make([]byte, 100)
			client.Read(buf) // the alert
			client.Close()
		}()
		err := tls.Server(server, &tls.Config{GetConfigForClient: func(info *tls.ClientHelloInfo) (*tls.Config, error) {
			asked = true
			got.FromInfo(info)
			return nil, enough
		}}).Handshake()
		server.Close()
		if !asked {
			t.Logf("%s: crypto/tls does not read the hello: %v", &r, err)
			continue
		}
		total++
		if got.JA4() != h.JA4() || got.JA4Raw() != h.JA4Raw() {
			t.Errorf("%s: JA4 is %s of the info, %s of the hello", &r, got.JA4Raw(), h.JA4Raw())
		}
		if got.Library() == h.Library() {
			same++
		} else if l := got.Library(); l.Name != "" && l.Name != h.Library().Name {
			t.Errorf("%s: the library is %s of the info, %s of the hello", &r, l, h.Library())
		}
	}
	t.Logf("of %d hellos %d have the same library and releases", total, same)
	if total < 100 || same*100 < 90*total {
		t.Errorf("of %d hellos %d have the same library and releases, want 90 %%", total, same)
	}
}
