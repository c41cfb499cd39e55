package policyd

import (
	"bytes"
	"context"
	"log/slog"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/mxprint/mxprint/internal/claim"
	"github.com/mxprint/mxprint/internal/policy"
	"github.com/mxprint/mxprint/internal/test/fronttest"
	"github.com/mxprint/mxprint/note"
)

// actionsOf sends requests over one connection and returns the actions.
func actionsOf(t *testing.T, path string, requests ...string) []string {
	t.Helper()
	p := dial(t, path)
	var got []string
	for _, r := range requests {
		p.send(r)
		var text []byte
		for !bytes.HasSuffix(text, []byte("\n\n")) {
			b := make([]byte, 1)
			if _, err := p.Read(b); err != nil {
				t.Fatalf("after %q: %v", text, err)
			}
			text = append(text, b...)
		}
		got = append(got, strings.TrimSpace(strings.TrimPrefix(string(text), "action=")))
	}
	return got
}

func rules(t *testing.T, list ...policy.Rule) *policy.Set {
	t.Helper()
	s, faults := policy.Compile(list, policy.Allow{Networks: []netip.Prefix{netip.MustParsePrefix("203.0.113.0/24")}})
	if faults != nil {
		t.Fatal(faults)
	}
	return s
}

// TestRules: the rule that acts is the answer, and otherwise the header.
func TestRules(t *testing.T) {
	set := rules(t,
		policy.Rule{Name: "watch", When: `os_name == "Linux"`, Action: "REJECT never", Observe: true},
		policy.Rule{Name: "named", When: `helo == "bad.example" && stage == "RCPT"`, Action: "REJECT go away"},
		policy.Rule{Name: "tag", When: `sender startsWith "tag@"`, Action: "PREPEND X-Tag: yes"},
		policy.Rule{Name: "class", When: `recipient == "grey@dest.example"`, Action: "CLASS greylist"},
		policy.Rule{Name: "skip", When: `client_name == "mx.source.example"`, Action: "DUNNO"},
		policy.Rule{Name: "none", When: `reverse_name == "r.example" && login == "u" && encryption == "TLSv1.2"`, Action: "DEFER_IF_PERMIT later"},
	)
	var log bytes.Buffer
	s := &Server{Lookuper: seen(), Rules: set, Logger: slog.New(slog.NewTextHandler(&log, nil))}
	path, _ := run(t, s)
	header := "PREPEND " + header4
	for _, tt := range []struct {
		name     string
		requests []string
		want     []string
	}{
		{"no rule acts", []string{postfixRequest()}, []string{header}},
		{"reject", []string{postfixRequest("protocol_state=RCPT", "helo_name=bad.example"), postfixRequest("helo_name=bad.example")}, []string{"REJECT go away", header}},
		{"a header once a mail, and then the note's", []string{postfixRequest("sender=tag@x", "protocol_state=RCPT"), postfixRequest("sender=tag@x", "protocol_state=RCPT"), postfixRequest("sender=tag@x")},
			[]string{"PREPEND X-Tag: yes", header, "DUNNO"}},
		{"a class", []string{postfixRequest("protocol_state=RCPT", "recipient=grey@dest.example")}, []string{"greylist"}},
		{"before the mail", []string{postfixRequest("protocol_state=CONNECT", "instance=")}, []string{"DUNNO"}},
		{"verified name", []string{postfixRequest("client_name=mx.source.example", "reverse_client_name=r.example", "sasl_username=u", "encryption_protocol=TLSv1.2")}, []string{header}},
		{"others", []string{postfixRequest("reverse_client_name=r.example", "sasl_username=u", "encryption_protocol=TLSv1.2")}, []string{"DEFER_IF_PERMIT later"}},
		{"long names", []string{postfixRequest("sender="+strings.Repeat("x", 2000), "helo_name="+strings.Repeat("y", 400))}, []string{header}},
		{"not seen", []string{postfixRequest("client_address=198.18.9.9", "helo_name=bad.example", "protocol_state=RCPT")}, []string{"DUNNO"}},
	} {
		if got := actionsOf(t, path, tt.requests...); strings.Join(got, "|") != strings.Join(tt.want, "|") {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
	if got := s.Stats().Fired; got != 4 {
		t.Errorf("Fired = %d, want 4", got)
	}
	if text := log.String(); !strings.Contains(text, `rule=watch action="REJECT never" observe=true client=198.18.0.1:1111`) || !strings.Contains(text, `rule=named`) {
		t.Errorf("log:\n%s\nwant each rule that fired", text)
	}
}

// TestRulesInjection: what a client says reaches no answer and breaks no line of
// the log.
func TestRulesInjection(t *testing.T) {
	set := rules(t, policy.Rule{Name: "all", When: `true`, Action: "WARN x", Observe: true})
	var log bytes.Buffer
	hostile := "x\r\naction=OK\x00\x1b[31m\u2028"
	s := &Server{Rules: set, Logger: slog.New(slog.NewTextHandler(&log, nil)), Lookuper: &fronttest.Lookuper{Notes: map[netip.AddrPort]note.Note{
		netip.MustParseAddrPort(client4): {State: note.Matched, OSName: hostile, LinkType: hostile, RawSig: hostile,
			TLS:      &note.TLS{Library: hostile, JA4: hostile},
			Software: &note.Software{Name: hostile, Flavor: hostile, Dialect: hostile},
			Conduct:  &note.Findings{List: []note.Finding{{ID: hostile, Words: hostile, Evidence: hostile}}}},
	}}}
	path, _ := run(t, s)
	got := actionsOf(t, path, postfixRequest("instance=a\rb\x1b[31m"))
	if strings.ContainsFunc(got[0], func(c rune) bool { return c < ' ' || c > '~' }) || strings.Contains(got[0], "\n") {
		t.Errorf("answer %q, want one line of ASCII", got[0])
	}
	if n := strings.Count(log.String(), "\n"); n != 1 || strings.ContainsAny(log.String(), "\x1b\r\x00") {
		t.Errorf("log %q, want one clean line", log.String())
	}
}

// stalled answers when its time is over.
type stalled struct{}

func (stalled) Lookup(ctx context.Context, _ note.Query) (note.Note, error) {
	<-ctx.Done()
	return note.Note{}, ctx.Err()
}

// TestRulesSensorStalled: with no answer in time each mail waits once, however
// many recipients it has, and no rule fires.
func TestRulesSensorStalled(t *testing.T) {
	set := rules(t, policy.Rule{Name: "all", When: `true`, Action: "REJECT no"})
	s := &Server{Lookuper: stalled{}, Rules: set, Deadline: 500 * time.Millisecond}
	var requests []string
	for range 20 {
		requests = append(requests, postfixRequest("protocol_state=RCPT"))
	}
	path, _ := run(t, s)
	start := time.Now()
	for _, a := range actionsOf(t, path, requests...) {
		if a != "DUNNO" {
			t.Errorf("answer %q, want DUNNO", a)
		}
	}
	if d := time.Since(start); d > 5*time.Second { // a deadline for each is 10 s
		t.Errorf("20 recipients took %v, want one deadline of 500 ms", d)
	}
	if n := s.Stats().Missed; n != 1 {
		t.Errorf("%d look-ups missed, want 1", n)
	}
}

// TestClaims: rules see what a sender claims and its connection contradicts.
func TestClaims(t *testing.T) {
	set := rules(t, policy.Rule{Name: "c", When: `"name_not_verified" in contradictions`, Action: "WARN x"})
	s := &Server{Rules: set, Claims: claim.Builtin(), Lookuper: seen()}
	path, _ := run(t, s)
	got := actionsOf(t, path,
		postfixRequest("helo_name=mail.outlook.com", "client_name=vps.example.net"),
		postfixRequest("helo_name=mail.outlook.com", "client_name=mail.outlook.com", "instance=2"),
		postfixRequest("helo_name=mail.outlook.com", "-client_name", "instance=3"))
	want := []string{"WARN x", "PREPEND " + header4, "PREPEND " + header4}
	if strings.Join(got, "|") != strings.Join(want, "|") {
		t.Errorf("%q, want %q", got, want)
	}
}
