package event

import (
	"encoding/json"
	"math"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/mxprint/mxprint/note"
	"github.com/mxprint/mxprint/packet"
)

func TestNames(t *testing.T) {
	want := []string{
		"syn", "syn+ack", "sendsyn probe", "sendsyn response", "mtu", "uptime", "host change", "ip sharing",
		"http request", "http response", "tls", "smtp", "unknown",
	}
	for i, name := range want {
		m := Module(i)
		if got := m.String(); got != name || m.Fingerprint() != (i < 4) {
			t.Errorf("Module(%d) = %q, fingerprint %t; want %q, %t", i, got, m.Fingerprint(), name, i < 4)
		}
	}
	all := Reasons(1<<13 - 1)
	got := slices.Collect(all.All)
	names := []string{
		"app_vs_os", "os_diff", "sig_diff", "x_known", "tstamp", "ttl", "port", "mtu", "fuzzy", "via", "date", "srv_sig_lb", "ua_vs_os",
	}
	if !slices.Equal(got, names) {
		t.Errorf("all reasons are %q, want %q", got, names)
	}
	for r, name := range map[Reasons]string{ReasonAppVsOS: "app_vs_os", ReasonMTU: "mtu", ReasonVia: "via", ReasonUAVsOS: "ua_vs_os"} {
		if got := slices.Collect(r.All); len(got) != 1 || got[0] != name {
			t.Errorf("reason %#x is %q, want %q", r, got, name)
		}
	}
}

// TestJSONHostile: a line is JSON whatever the zone of an address is, and there is
// none where a number has no form.
func TestJSONHostile(t *testing.T) {
	o := Observation{Module: MTU, Client: netip.AddrPortFrom(netip.MustParseAddr("fe80::1").WithZone("eth\"\n<0"), 25)}
	line, err := o.AppendJSON(nil)
	var got struct{ Client, Server, Module string }
	if err != nil || json.Unmarshal(line, &got) != nil || got.Client != o.Client.String() || got.Module != "mtu" {
		t.Errorf("%q is %+v, %v", line, got, err)
	}
	o = Observation{Module: Uptime, Frequency: math.Inf(1)}
	if line, err := o.AppendJSON([]byte("before ")); err == nil || string(line) != "before " {
		t.Errorf("%q, error %v; want an error and no line", line, err)
	}
}

// TestJSON has one line for each kind of observation: other programs read them.
func TestJSON(t *testing.T) {
	client, server := netip.MustParseAddrPort("192.0.2.1:1025"), netip.MustParseAddrPort("[2001:db8::2]:25")
	const (
		ends = `"client":"192.0.2.1:1025","server":"[2001:db8::2]:25"`
		when = `{"time":"2023-11-14T22:13:20.000007Z",`
	)
	linux := System{Matched: true, Name: "Linux", Flavor: "3.11 <new>", Others: []string{"Android", "ChromeOS"}, Quality: note.Fuzzy, RandomTTL: true, Rewrite: note.RewriteTTL | note.RewriteMSS}
	sender := note.Note{
		TLS:      &note.TLS{State: note.Complete, Library: "OpenSSL", Release: "3.0 to 3.4", Version: "1.3", JA4: "t13i", JA4Raw: "t13i_002f", ServerName: true},
		Software: &note.Software{State: note.Matched, Name: "Exim", Flavor: "4.9x", Quality: note.Fuzzy, Others: []string{"Postfix"}, Dialect: "ehlo", Reading: note.Complete},
		Conduct:  &note.Findings{State: note.Complete, List: []note.Finding{{ID: "bare_lf"}}},
		Flow:     &note.Flow{TCPRTT: 1500 * time.Microsecond},
	}
	for _, tt := range []struct {
		o    Observation
		want string
	}{
		{Observation{Module: SYN, Distance: 7, System: linux, RawSig: []byte("4:57+7:0"), Segment: packet.Segment{DSCP: 4}},
			`"module":"syn",` + ends + `,"subject":"client","os":{"name":"Linux","flavor":"3.11 <new>"},"matched":true,"quality":"fuzzy","distance":7,"distance_at_most":true,"dscp":4,"raw_sig":"4:57+7:0","os_or":["Android","ChromeOS"],"rewritten":["ttl","mss"]}`},
		{Observation{Module: SYNACK, Role: Server, RawSig: []byte("4:57+7:0")},
			`"module":"syn+ack",` + ends + `,"subject":"server","matched":false,"distance":0,"raw_sig":"4:57+7:0"}`},
		{Observation{Module: ProbeResponse, Role: Server, System: System{Matched: true, App: true, Name: "NMap"}},
			`"module":"sendsyn response",` + ends + `,"subject":"server","app":{"name":"NMap"},"matched":true,"quality":"exact","distance":0}`},
		{Observation{Module: MTU, MTU: 1500, Link: "Ethernet"},
			`"module":"mtu",` + ends + `,"subject":"client","link":"Ethernet","mtu":1500}`},
		{Observation{Module: Uptime, UptimeMin: 0, ModDays: 49, Frequency: 1000.25, Clock: note.ClockRandom},
			`"module":"uptime",` + ends + `,"subject":"client","uptime_min":0,"up_mod_days":49,"uptime_reliable":false,"frequency_hz":1000.25}`},
		{Observation{Module: IPSharing, Reasons: ReasonPort | ReasonTTL, Hits: [4]int{1, 2, 3, 4}},
			`"module":"ip sharing",` + ends + `,"subject":"client","reasons":["ttl","port"],"hits":[1,2,3,4]}`},
		{Observation{Module: HTTPRequest, System: System{Matched: true, App: true, Name: "wget"}, HTTP: HTTP{Language: "English", Dishonest: true}, RawSig: []byte(`1:Host:"`)},
			`"module":"http request",` + ends + `,"subject":"client","app":{"name":"wget"},"matched":true,"quality":"exact","raw_sig":"1:Host:\"","language":"English","dishonest":true}`},
		{Observation{Module: HTTPResponse, Role: Server, HTTP: HTTP{Language: "???", Anonymous: true}},
			`"module":"http response",` + ends + `,"subject":"server","matched":false,"anonymous":true}`},
		{Observation{Module: TLS, Sender: &sender}, `"module":"tls",` + ends + `,"subject":"client","tls":{"state":"complete","library":"OpenSSL","release":"3.0 to 3.4","version":"1.3","server_name":true},"ja4":"t13i","ja4_r":"t13i_002f"}`},
		{Observation{Module: SMTP, Sender: &sender}, `"module":"smtp",` + ends + `,"subject":"client","matched":true,"quality":"fuzzy","tls":{"state":"complete","library":"OpenSSL","release":"3.0 to 3.4","version":"1.3","server_name":true},"ja4":"t13i",` +
			`"software":{"name":"Exim","flavor":"4.9x"},"software_or":["Postfix"],"dialect":"ehlo","reading":"complete","conduct":{"state":"complete","list":[{"id":"bare_lf"}]},"flow":{"tcp_rtt_ms":1.5}}`},
		{Observation{Module: SMTP, Sender: &note.Note{TLS: &note.TLS{State: note.None}, Software: &note.Software{State: note.Unknown}}},
			`"module":"smtp",` + ends + `,"subject":"client","matched":false,"tls":{"state":"none"},"reading":"not known"}`},
		{Observation{Module: SMTP}, `"module":"smtp",` + ends + `,"subject":"client"}`},
	} {
		tt.o.Client, tt.o.Server, tt.o.At = client, server, 1_700_000_000_000_007
		got, err := tt.o.AppendJSON([]byte("before "))
		if want := "before " + when + tt.want + "\n"; err != nil || string(got) != want {
			t.Errorf("%s is written, %v,\n%swant\n%s", tt.o.Module, err, got, want)
		}
		if !json.Valid(got[len("before "):]) {
			t.Errorf("%s is not JSON", got)
		}
	}
}
