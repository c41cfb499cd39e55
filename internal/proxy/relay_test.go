package proxy_test

import (
	"bufio"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/mxprint/mxprint/internal/proxy"
)

// TestFinding13AskRelay: only a mail server that refuses the recipient for good is
// one that refuses, and one that takes it in any words is an open relay.
func TestFinding13AskRelay(t *testing.T) {
	const refused, open, unsaid = "refused", "open", "unsaid"
	for _, tt := range []struct{ name, header, ehlo, mail, rcpt, want string }{
		{"refuses", "500 no", "250 x", "250 ok", "554 5.7.1 Relay access denied", refused},
		{"refuses in lines", "500 no", "250-x\r\n250 SIZE", "250 ok", "550-no\r\n550 relaying", refused},
		{"takes it", "500 no", "250 x", "250 ok", "250 ok", open},
		{"forwards it", "500 no", "250 x", "250 ok", "251 will forward", open},
		{"will try", "500 no", "250 x", "250 ok", "252 cannot verify", open},
		{"greylisting", "500 no", "250 x", "250 ok", "450 4.2.0 Greylisted", unsaid},
		{"refuses the sender", "500 no", "250 x", "550 no bounces", "250 ok", unsaid},
		{"refuses the client", "500 no", "554 go away", "250 ok", "250 ok", unsaid},
		{"hangs up", "500 no", "250 x", "250 ok", "", unsaid},
		{"no reply", "500 no", "250 x", "250 ok", "5", unsaid},
		{"takes a PROXY line", "220 again", "250 x", "250 ok", "554 5.7.1 Relay access denied", open},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newBackend(t, "tcp", "127.0.0.1:0")
			answers := map[string]string{"PROXY": tt.header, "EHLO": tt.ehlo, "MAIL": tt.mail, "RCPT": tt.rcpt, "QUIT": "221 bye"}
			go func() {
				nc := b.accept(t)
				defer nc.Close()
				io.WriteString(nc, "220 x\r\n")
				for in := bufio.NewScanner(nc); in.Scan(); {
					word, _, _ := strings.Cut(in.Text(), " ")
					if answers[word] == "" {
						return
					}
					io.WriteString(nc, answers[word]+"\r\n")
				}
			}()
			refusal, err := (&proxy.Server{Backend: b.Addr().String(), Send: proxy.Nothing}).AskRelay(t.Context())
			got := unsaid
			switch {
			case err == nil:
				got = refused
			case errors.Is(err, proxy.ErrRelay):
				got = open
			}
			if got != tt.want || (refusal != "") != (tt.want == refused) {
				t.Errorf("AskRelay = %q, %v; want %s", refusal, err, tt.want)
			}
		})
	}
}
