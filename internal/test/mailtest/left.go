//go:build linux

package mailtest

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"github.com/mxprint/mxprint/internal/test/lab"
	"github.com/mxprint/mxprint/note"
	"github.com/mxprint/mxprint/query"
)

// CheckLeft has a client say a word that SMTP does not have, inside TLS, and leave
// without a mail, once by QUIT and once without: the mail server reports it, and who
// asks the sensor at socket about that connection gets the finding.
func CheckLeft(t *testing.T, pair *lab.Pair, socket string) {
	t.Helper()
	for _, quit := range []bool{true, false} {
		c := DialSMTP(t, pair.Client, pair.Client.IPv4, pair.Server.IPv4)
		client := netip.MustParseAddrPort(c.Conn.LocalAddr().String())
		if err := c.StartTLS(&tls.Config{InsecureSkipVerify: true}); err != nil {
			t.Fatal(err)
		}
		id, err := c.Text.Cmd("XYZZY")
		if err != nil {
			t.Fatal(err)
		}
		c.Text.StartResponse(id)
		code, text, err := c.Text.ReadResponse(0)
		c.Text.EndResponse(id)
		if code/100 != 5 {
			t.Fatalf("XYZZY: %d %s, %v", code, text, err)
		}
		if quit {
			c.Quit()
		}
		c.Close()
		ask := query.NewClient(socket)
		lab.Eventually(t, func() error {
			n, err := ask.Lookup(context.Background(), note.Query{Client: client, Server: netip.AddrPortFrom(pair.Server.IPv4, 25)})
			if err != nil {
				return err
			}
			if n.Conduct == nil || !slices.ContainsFunc(n.Conduct.List, func(f note.Finding) bool { return f.ID == "unknown_command" }) {
				return fmt.Errorf("quit %t: the client's conduct is %+v", quit, n.Conduct)
			}
			if n.Software == nil || n.Software.Dialect == "" {
				return errors.New("there is no dialect")
			}
			return nil
		})
		ask.Close()
	}
}
