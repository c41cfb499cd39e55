package proxy

import (
	"bufio"
	"net/netip"
	"slices"
	"strings"
	"testing"
)

func TestReply(t *testing.T) {
	for _, tt := range []struct {
		name, in string
		want     []string
		err      string
	}{
		{"one line", "220 mx.example ESMTP\r\n", []string{"mx.example ESMTP"}, ""},
		{"without a text", "220\r\n", []string{""}, ""},
		{"several", "220-mx.example\r\n220-no spam\r\n220 please\r\n", []string{"mx.example", "no spam", "please"}, ""},
		{"LF alone", "220 mx\n", []string{"mx"}, ""},
		{"other code", "421 4.7.0 busy\r\n", nil, `"421 4.7.0 busy", not 220`},
		{"code changes", "220-mx\r\n550 no\r\n", nil, "not 220"},
		{"longer code", "2200 mx\r\n", nil, "not 220"},
		{"no code", "\r\n", nil, `"", not 220`},
		{"cut", "220-mx\r\n220 ", nil, "EOF"},
		{"long line", "220 " + strings.Repeat("x", maxReplyLine) + "\r\n", nil, "buffer full"},
		{"endless", strings.Repeat("220-mx\r\n", maxReplyLines+1), nil, "more than 100 lines"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := reply(bufio.NewReaderSize(strings.NewReader(tt.in), maxReplyLine), "220")
			if tt.err != "" {
				if err == nil || !strings.Contains(err.Error(), tt.err) {
					t.Errorf("reply = %q, %v, want %q", got, err, tt.err)
				}
				return
			}
			if err != nil || !slices.Equal(got, tt.want) {
				t.Errorf("reply = %q, %v, want %q", got, err, tt.want)
			}
		})
	}
}

func TestXClientLine(t *testing.T) {
	server := netip.MustParseAddrPort("198.18.0.2:25")
	for _, tt := range []struct{ offers, client, want string }{
		{"NAME ADDR PROTO HELO REVERSE_NAME PORT LOGIN DESTADDR DESTPORT", "198.18.0.1:41688",
			"XCLIENT NAME=[UNAVAILABLE] ADDR=198.18.0.1 PORT=41688 DESTADDR=198.18.0.2 DESTPORT=25"},
		{"NAME ADDR PROTO HELO", "[2001:db8::1]:41688", "XCLIENT NAME=[UNAVAILABLE] ADDR=IPV6:2001:db8::1"},
		{"NAME PROTO HELO", "198.18.0.1:41688", ""},
		{"", "198.18.0.1:41688", ""},
		{"ADDR", "", ""}, // a balancer's health check
	} {
		var client netip.AddrPort
		if tt.client != "" {
			client = netip.MustParseAddrPort(tt.client)
		}
		if got := xclientLine(strings.Fields(tt.offers), client, server); got != tt.want {
			t.Errorf("xclientLine(%s, %s) = %q, want %q", tt.offers, tt.client, got, tt.want)
		}
	}
}

// FuzzReply wants that a reply that is taken can be handed on and read again.
func FuzzReply(f *testing.F) {
	f.Add("220 mx.example ESMTP\r\n")
	f.Add("220-mx\r\n220\r\n")
	f.Fuzz(func(t *testing.T, in string) {
		texts, err := reply(bufio.NewReaderSize(strings.NewReader(in), maxReplyLine), "220")
		if err != nil {
			return
		}
		again, err := reply(bufio.NewReaderSize(strings.NewReader(lines(texts)), maxReplyLine+16), "220")
		if err != nil || len(again) != len(texts) {
			t.Fatalf("%q is read again as %q, %v", texts, again, err)
		}
	})
}
