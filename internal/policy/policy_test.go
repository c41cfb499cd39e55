package policy

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/mxprint/mxprint/note"
)

// full is a note of which everything is known.
func full() *note.Note {
	at := time.Unix(1_800_000_000, 0)
	return &note.Note{
		State: note.Matched, OSName: "Windows", OSFlavor: "10 or 11", Others: []string{"Xbox"}, Quality: note.Generic,
		Distance: note.Hops(9), LinkType: "DSL", MTU: 1492, Rewrite: note.RewriteMSS, LastNAT: at, ByConnection: true,
		TotalConn: 3, RawSig: "4:128", LastSeen: at,
		TLS:      &note.TLS{State: note.Complete, Library: "OpenSSL", Release: "3.0", Version: "1.3", JA4: "t13", ServerName: true},
		Software: &note.Software{State: note.Matched, Name: "Python smtplib", Flavor: "3.13", Dialect: "x"},
		Conduct:  &note.Findings{State: note.Complete, List: []note.Finding{{ID: "early_talker"}}},
		Memory:   &note.Memory{FirstSeen: at.Add(-48 * time.Hour), Visits: 2, Changed: []string{"os_name"}},
		Flow:     &note.Flow{TCPRTT: 20 * time.Millisecond, SMTPRTT: 60 * time.Millisecond, Counted: true, Retransmits: 1},
	}
}

// TestConditions has a condition for each name there is.
func TestConditions(t *testing.T) {
	m := NewMail(full())
	m.Client, m.ClientName, m.ReverseName, m.HELO = "192.0.2.1", "mx.example.org", "mx.example.org", "x"
	m.Sender, m.Recipient, m.Stage, m.Encryption = "a@example.org", "b@example.net", "RCPT", "TLSv1.3"
	for _, tt := range []struct {
		when string
		want bool
	}{
		{`state == "matched" && os_name == "Windows" && os_flavor startsWith "10" && "Xbox" in os_or`, true},
		{`quality == "generic" and distance == 9 and link_type == "DSL" and mtu < 1500`, true},
		{`rewritten contains "mss" && shared && by_connection && !ambiguous && total_conn == 3 && raw_sig != ""`, true},
		{`tls.state == "complete" && tls.library == "OpenSSL" && tls.release == "3.0" && tls.version == "1.3" && tls.ja4 != "" && tls.server_name`, true},
		{`software.state == "matched" && software.name matches "^Python" && software.flavor == "3.13" && software.quality == "exact" && len(software.or) == 0 && software.dialect == "x"`, true},
		{`memory.known && !memory.new && memory.visits == 2 && memory.days > 1.9 && memory.days < 2.1 && "os_name" in memory.changed`, true},
		{`flow.tcp_rtt_ms == 20 && flow.smtp_rtt_ms > 2 * flow.tcp_rtt_ms && flow.retransmits == 1`, true},
		{`"early_talker" in conduct && conduct_state == "complete"`, true},
		{`any(conduct, # startsWith "early")`, true},
		{`len(contradictions) > 0 || contradictions_state != ""`, false},
		{`client == "192.0.2.1" && client_name endsWith ".example.org" && reverse_name != "" && helo == "x" && login == ""`, true},
		{`sender != recipient && stage in ["RCPT", "DATA"] && encryption == "TLSv1.3"`, true},
		{`os_name == "Linux"`, false},
	} {
		s, faults := Compile([]Rule{{Name: "r", When: tt.when, Action: "WARN x"}}, Allow{})
		if len(faults) > 0 {
			t.Errorf("%s: %v", tt.when, faults[0])
			continue
		}
		v := s.Judge(m)
		if _, hit := v.Acts(); hit != tt.want || v.Err != nil {
			t.Errorf("%s: %v, %v, want %v", tt.when, hit, v.Err, tt.want)
		}
	}
	if m := NewMail(&note.Note{State: note.Unknown}); m.Distance != -1 || m.ConductState != "" || m.TLS.State != "" || m.Memory.Known {
		t.Errorf("of an empty note: %+v, want nothing known", m)
	}
}

// TestOrder: the rules are asked in their order, up to the first that acts.
func TestOrder(t *testing.T) {
	s, faults := Compile([]Rule{
		{Name: "watch", When: `true`, Action: "REJECT no", Observe: true},
		{Name: "no", When: `os_name == "Linux"`, Action: "REJECT no"},
		{Name: "greylist", When: `os_name == "Windows"`, Action: "CLASS greylist"},
		{Name: "later", When: `true`, Action: "REJECT no"},
	}, Allow{})
	if faults != nil {
		t.Fatal(faults)
	}
	v := s.Judge(NewMail(full()))
	acts, ok := v.Acts()
	if len(v.Hits) != 2 || v.Hits[0].Rule != "watch" || !ok || acts.Rule != "greylist" || acts.Action.String() != "greylist" {
		t.Errorf("Judge = %+v, want watch, and greylist to act", v)
	}
	only, _ := Compile([]Rule{{Name: "watch", When: `true`, Action: "REJECT no", Observe: true}}, Allow{})
	v = only.Judge(NewMail(full()))
	if acts, ok := v.Acts(); ok || len(v.Hits) != 1 {
		t.Errorf("Judge = %+v acts by %v, want a rule that only observes", v, acts)
	}
}

// TestAllow: what is on a list is not judged; neither is who was not seen.
func TestAllow(t *testing.T) {
	s, faults := Compile([]Rule{{Name: "all", When: "true", Action: "REJECT no"}}, Allow{
		Networks: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("2001:db8::/32")},
		Names:    []string{"mx.example.org", ".outlook.com"}, Logins: []string{"alice"},
	})
	if faults != nil {
		t.Fatal(faults)
	}
	for _, tt := range []struct {
		name    string
		mail    Mail
		allowed bool
	}{
		{"network", Mail{Client: "192.0.2.9"}, true},
		{"mapped", Mail{Client: "::ffff:192.0.2.9"}, true},
		{"IPv6", Mail{Client: "2001:db8::1"}, true},
		{"other network", Mail{Client: "198.51.100.1"}, false},
		{"no address", Mail{Client: "x"}, false},
		{"name", Mail{ClientName: "MX.example.org."}, true},
		{"below", Mail{ClientName: "a.b.outlook.com"}, true},
		{"not below", Mail{ClientName: "evil-outlook.com"}, false},
		{"the domain itself", Mail{ClientName: "outlook.com"}, false},
		{"not verified", Mail{ReverseName: "a.outlook.com"}, false},
		{"login", Mail{Login: "alice"}, true},
		{"other login", Mail{Login: "bob"}, false},
		{"nothing", Mail{}, false},
	} {
		tt.mail.State = "matched"
		v := s.Judge(&tt.mail)
		if (v.Allowed != "") != tt.allowed || (len(v.Hits) == 0) != tt.allowed {
			t.Errorf("%s: %+v, want allowed: %v", tt.name, v, tt.allowed)
		}
	}
	for _, state := range []note.State{note.Unavailable, note.NotSeen} {
		if v := s.Judge(NewMail(&note.Note{State: state})); len(v.Hits) > 0 {
			t.Errorf("%v: %+v, want no judgement", state, v)
		}
	}
}

// TestFaults: what cannot work is refused, with the reason.
func TestFaults(t *testing.T) {
	for _, tt := range []struct{ name, when, action, want string }{
		{"a", `os_nam == "x"`, "WARN", "rule 1: when: unknown name os_nam (1:1)"},
		{"a", `os_name == 1`, "WARN", "mismatched types string and int"},
		{"a", `os_name`, "WARN", "expected bool, but got string"},
		{"a", `distance >`, "WARN", "unexpected token EOF"},
		{"a", ``, "WARN", `rule 1: when: want a condition, such as os_name == "Windows"`},
		{"a", strings.Repeat("true && ", 2000) + "true", "WARN", "more than 4096 bytes"},
		{"a b", `true`, "WARN", "rule 1: name: want letters"},
		{"", `true`, "WARN", "rule 1: name: want letters"},
		{"a", `true`, "REJET", `rule 1: action: unknown action "REJET"`},
		{"a", `true`, "OK", "want DUNNO"},
		{"a", `true`, "PREPEND", "PREPEND needs a header"},
		{"a", `true`, "PREPEND no header", "want a header such as"},
		{"a", `true`, "CLASS", "CLASS needs the name"},
		{"a", `true`, "CLASS reject", "want the name of a restriction class"},
		{"a", `true`, "WARN a\nb", "printable ASCII"},
		{"a", `true`, "WARN a\r\nX: b", "printable ASCII"},
		{"a", `true`, "WARN " + strings.Repeat("x", 400), "more than 400 bytes"},
	} {
		_, faults := Compile([]Rule{{Name: tt.name, When: tt.when, Action: tt.action}}, Allow{})
		if len(faults) != 1 || !strings.Contains(faults[0].Error(), tt.want) {
			t.Errorf("%+v: faults %v, want one with %q", tt, faults, tt.want)
		}
	}
	_, faults := Compile([]Rule{{Name: "a", When: "true", Action: "WARN"}, {Name: "a", When: "x", Action: "y"}}, Allow{})
	if len(faults) != 3 {
		t.Errorf("faults %v, want three", faults)
	}
	if _, faults := Compile(make([]Rule, MaxRules+1), Allow{}); len(faults) == 0 || !strings.Contains(faults[0].Error(), "more than 200") {
		t.Error("any number of rules is taken")
	}
}

// TestBounds: a condition that would take much memory counts as false and is
// reported; the rules after it are asked.
func TestBounds(t *testing.T) {
	s, faults := Compile([]Rule{
		{Name: "big", When: `len(map(1..(100000000 + distance), #)) > 0`, Action: "REJECT no"},
		{Name: "beyond", When: `os_or[7] == "x"`, Action: "REJECT no"},
		{Name: "next", When: "true", Action: "WARN x"},
	}, Allow{})
	if faults != nil {
		t.Fatal(faults)
	}
	v := s.Judge(NewMail(full()))
	if acts, ok := v.Acts(); !ok || acts.Rule != "next" || v.Err == nil || !strings.Contains(v.Err.Error(), "rule big: memory budget exceeded") || !strings.Contains(v.Err.Error(), "rule beyond") {
		t.Errorf("Judge = %+v, want the third rule, and two errors", v)
	}
}

func BenchmarkJudge(b *testing.B) {
	s, _ := Compile([]Rule{
		{Name: "a", When: `os_name == "Windows" && distance > 20`, Action: "WARN"},
		{Name: "b", When: `"pipelining" in conduct`, Action: "WARN"},
		{Name: "c", When: `client_name == "" && link_type matches "DSL|PPP"`, Action: "WARN"},
	}, Allow{})
	n := full()
	b.ReportAllocs()
	for b.Loop() {
		s.Judge(NewMail(n))
	}
}
