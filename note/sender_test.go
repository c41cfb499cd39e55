package note

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// withSender is a note with every part about the sender.
func withSender() Note {
	n := full()
	n.TLS = &TLS{State: Complete, Library: "OpenSSL", Release: "3.0 to 3.4", Settings: "default", Version: "1.3",
		JA4: "t13i301100_5f7f3e0f8a7b_e5627efa2ab1", JA4Raw: "t13i301100_002f,0035_000a", ServerName: true}
	n.Software = &Software{State: Matched, Name: "Python smtplib", Flavor: "3.13 and newer", Quality: Generic,
		Others: []string{"aiosmtplib"}, Dialect: "ehlo:fqdn", Reading: Complete}
	n.Conduct = &Findings{State: Complete, List: []Finding{
		{ID: "early_talker", Words: "spoke before the greeting", Evidence: "EHLO", Fields: []string{"smtp"}},
		{ID: "bare_lf", MayBe: true},
	}}
	n.Contradictions = &Findings{State: Reading}
	n.Flow = &Flow{HandshakeRTT: 12_345 * time.Microsecond, TCPRTT: time.Millisecond, SMTPRTT: time.Second, Counted: true,
		Retransmits: 2, Resent: 1, ClosedBy: "client", Reset: true}
	n.Memory = &Memory{FirstSeen: time.Unix(1_700_000_000, 0).UTC(), Visits: 7, Changed: []string{"software"}, NewHere: []string{"ja4"}}
	return n
}

func TestSenderJSONRoundTrip(t *testing.T) {
	for name, want := range map[string]Note{
		"full":             withSender(),
		"empty parts":      {State: NotSeen, TLS: &TLS{}, Software: &Software{}, Conduct: &Findings{}, Flow: &Flow{}, Memory: &Memory{}},
		"counted, nothing": {State: Unknown, Flow: &Flow{Counted: true}},
		"refused":          {State: Unknown, TLS: &TLS{State: Refused}},
		"exact":            {State: Unknown, Software: &Software{State: Matched, Name: "Exim"}},
	} {
		text, err := json.Marshal(want)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		var got Note
		if err := json.Unmarshal(text, &got); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s (-want +got):\n%s", name, text, diff)
		}
	}
	var n Note
	newer := `{"state":"unknown","tls":{"state":"dreaming"},"software":{"state":"guessed","quality":"vague"},"flow":{"tcp_rtt_ms":-1,"smtp_rtt_ms":1e300}}`
	if err := json.Unmarshal([]byte(newer), &n); err != nil || *n.TLS != (TLS{}) || n.Software.State != Unavailable || *n.Flow != (Flow{}) {
		t.Errorf("of words that only a newer sensor has: %+v, %v, want parts that claim nothing", n, err)
	}
}

// TestSenderJSON: docs/json.md lists these members.
func TestSenderJSON(t *testing.T) {
	n := withSender()
	for _, tt := range []struct {
		part any
		want string
	}{
		{n.TLS, `{"state":"complete","library":"OpenSSL","release":"3.0 to 3.4","settings":"default","version":"1.3","ja4":"t13i301100_5f7f3e0f8a7b_e5627efa2ab1","ja4_r":"t13i301100_002f,0035_000a","server_name":true}`},
		{&TLS{}, `{"state":"not known"}`},
		{n.Software, `{"state":"matched","name":"Python smtplib","flavor":"3.13 and newer","quality":"generic","or":["aiosmtplib"],"dialect":"ehlo:fqdn","reading":"complete"}`},
		{&Software{State: Unknown, Reading: Reading}, `{"state":"unknown","reading":"reading"}`},
		{n.Conduct, `{"state":"complete","list":[{"id":"early_talker","words":"spoke before the greeting","evidence":"EHLO","fields":["smtp"]},{"id":"bare_lf","may_be":true}]}`},
		{n.Contradictions, `{"state":"reading"}`},
		{n.Flow, `{"handshake_rtt_ms":12.345,"tcp_rtt_ms":1,"smtp_rtt_ms":1000,"retransmits":2,"zero_windows":0,"resent":1,"closed_by":"client","reset":true}`},
		{&Flow{}, `{}`},
		{n.Memory, `{"first_seen":"2023-11-14T22:13:20Z","visits":7,"changed":["software"],"new_here":["ja4"]}`},
	} {
		if got, err := json.Marshal(tt.part); err != nil || string(got) != tt.want {
			t.Errorf("%T is %s, %v, want %s", tt.part, got, err, tt.want)
		}
	}
}

func TestFull(t *testing.T) {
	for _, tt := range []struct {
		name string
		n    Note
		want string
	}{
		{"full", withSender(), `os="Windows XP" os_quality=generic_fuzzy os_or="Android,ChromeOS" rewritten="ttl,mss" link="DSL" distance=17 by_connection=Y shared_ip=Y ` +
			`tls="OpenSSL 3.0 to 3.4" tls_settings="default" tls_version=1.3 ja4=t13i301100_5f7f3e0f8a7b_e5627efa2ab1 ` +
			`software="Python smtplib 3.13 and newer" software_quality=generic software_or="aiosmtplib" ` +
			`conduct="early_talker,bare_lf?" contradictions_state=reading visits=7 first_seen=2023-11-14 changed="software" new_here="ja4" dialect="ehlo:fqdn"`},
		{"nothing", Note{}, ""},
		{"not seen", Note{State: NotSeen}, ""},
		{"not seen, by TLS", Note{State: NotSeen, TLS: &TLS{State: Complete, Library: "Go"}}, `tls="Go"`},
		{"unknown", Note{State: Unknown, TLS: &TLS{State: None}, Software: &Software{State: Unknown, Reading: Reading}}, `os="unknown" tls_state=none software="unknown" software_state=reading`},
		{"looked at and clean", Note{State: Unknown, Conduct: &Findings{State: Complete}}, `os="unknown"`},
	} {
		if got := tt.n.Full(); got != tt.want {
			t.Errorf("%s: Full() =\n%s, want\n%s", tt.name, got, tt.want)
		}
	}
}

// TestFullHostile: no part of a note breaks the header that it goes into.
func TestFullHostile(t *testing.T) {
	bad := "a\"b\\c\r\nX: y\x00\xff" + strings.Repeat("é", 2000)
	n := withSender()
	n.OSName, n.OSFlavor, n.LinkType, n.Others = bad, bad, bad, []string{bad, bad}
	*n.TLS = TLS{State: Complete, Library: bad, Release: bad, Settings: bad, Version: bad, JA4: bad, JA4Raw: bad}
	*n.Software = Software{State: Matched, Name: bad, Flavor: bad, Others: []string{bad}, Dialect: bad}
	n.Conduct.List[0].ID, n.Conduct.List[1].ID = bad, bad
	n.Memory.Changed = []string{bad}
	got := n.Full()
	if len(got) > maxFull || !strings.HasSuffix(got, " cut=Y") || strings.Count(got, `"`)%2 != 0 {
		t.Errorf("%d bytes: %s", len(got), got)
	}
	for i := range len(got) {
		if got[i] < ' ' || got[i] > '~' || got[i] == '\\' {
			t.Errorf("byte %#02x in %s", got[i], got)
		}
	}
}

func TestFindingsHas(t *testing.T) {
	var none *Findings
	if f := withSender().Conduct; none.Has("x") || !f.Has("bare_lf") || f.Has("bare") {
		t.Error("Has is wrong")
	}
}
