//go:build linux

package haraka

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/mxprint/mxprint/internal/test/lab"
	"github.com/mxprint/mxprint/internal/test/mailtest"
)

// TestVerdicts has karma welcome one client, and give another, which sends blind, a
// score below that from which on it denies: both verdicts find their connections in
// the store, and are sure.
func TestVerdicts(t *testing.T) {
	pair := lab.NewPair(t)
	dir := mailtest.TempDir(t)
	store, socket := filepath.Join(dir, "store.db"), filepath.Join(dir, "verdict.sock")
	mailtest.StartServe(t, pair.Server, dir, mailtest.SMTP, "[store]", `path = "`+store+`"`, `listen = ["unix:`+socket+`"]`)
	h := startHarakaRules(t, pair.Server, "mxprint", filepath.Join(dir, "query.sock"), true, pluginPatience+"verdict_socket="+socket+"\n",
		"[redis]\nhost=127.0.0.1\nport=6379\n[tarpit]\ndelay=0.01\n[thresholds]\nnegative=-8\npositive=2\n[result_awards]\n"+
			"034 = p0f | os_name | match | linux | 5\n052 = mxprint | conduct | match | pipelining | -30\n")
	clients := pair.Client.AddIPv4(2)
	if err := mailtest.SendMail(pair.Client, clients[0], pair.Server.IPv4, "usual"); err != nil {
		t.Fatal(err)
	}
	if err := mailtest.SendBlind(pair.Client, clients[1], pair.Server.IPv4, "blind"); err != nil {
		t.Logf("karma denied it: %v", err)
	}
	for i, spam := range []bool{false, true} {
		lab.Eventually(t, func() error {
			out, err := pair.Server.Command(t.Context(), filepath.Join(mailtest.BinDir, "mxprint"), "history", "-store", store, "-json", clients[i].String()).Output()
			if err != nil {
				return err
			}
			var past struct {
				Connections []struct {
					Verdicts []struct {
						Source string
						Spam   bool
						Sure   bool
					}
				}
			}
			if err := json.Unmarshal(out, &past); err != nil {
				return err
			}
			for _, c := range past.Connections {
				for _, v := range c.Verdicts {
					if v.Source == "haraka-karma" && v.Spam == spam && v.Sure {
						return nil
					}
				}
			}
			return fmt.Errorf("of %v there is %s\n%.4000s", clients[i], out, h.Out.Bytes())
		})
	}
}
