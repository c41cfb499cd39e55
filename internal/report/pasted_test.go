package report

import (
	"slices"
	"strings"
	"testing"
)

// TestFindPasted has the ways in which people copy raw signatures.
func TestFindPasted(t *testing.T) {
	const sig = "4:64+0:0:1460:mss*44,7:mss,sok,ts,nop,ws:df,id+:0"
	syn, answer := []Pasted{{sig, false}}, []Pasted{{sig, true}}
	for _, tt := range []struct {
		text string
		want []Pasted
	}{
		{sig, syn},
		{"  " + sig + "\r\n", syn},
		{`"` + sig + `",`, syn},
		{"`" + sig + "`", syn},
		{"It is unknown (" + sig + ").", syn},
		{sig + ", os=Linux", syn},
		{"| " + sig + " | " + sig + " |", append(syn, syn...)},
		{"|" + sig + "|" + sig + "|" + sig + "|", append(syn, syn[0], syn[0])},
		{"> | raw_sig  = " + sig, syn},
		{"sig = 4:64:0:1460:mss*44,7:mss,sok,ts,nop,ws:df,id+:0", []Pasted{{"4:64:0:1460:mss*44,7:mss,sok,ts,nop,ws:df,id+:0", false}}},
		{`level=INFO raw_sig="` + sig + `" os=""`, syn},
		{"[2023/11/14 22:13:20] mod=syn+ack|cli=2001:db8::7/40000|subj=srv|raw_sig=" + sig, answer},
		{`{"module":"syn+ack","raw_sig":"` + sig + `"}`, answer},
		{"{\n  \"module\": \"syn+ack\",\n  \"raw_sig\": \"" + sig + "\"\n}", answer},
		{`{"module":"syn","raw_sig":"` + sig + `"},`, syn},
		{`{"module":"http request","raw_sig":"1:Host,User-Agent:Accept:curl/8"}`, nil},
		{"raw_sig=4:64+0:nonsense", []Pasted{{"4:64+0:nonsense", false}}},
		{"[2023/11/14 22:13:20] mod=mtu|cli=198.51.100.7/40000|raw_mtu=1500", nil},
		{"<td>" + sig + "</td>", syn},
		{"> <" + sig + "> **" + sig + "**", append(syn, syn[0])},
		{"\ufeff\u201c" + sig + "\u201d", syn},
		{"\x1b[32m" + sig + "\x1b[0m", syn},
		{`{"log":"mod=syn+ack|subj=srv|raw_sig=` + sig + `\n","stream":"stdout"}`, answer},
		{`{"msg":"{\"module\":\"syn+ack\",\"raw_sig\":\"` + sig + `\"}"}`, answer},
		{"SYN+ACK " + sig + "\n  matches Linux\nSYN " + sig, append(answer, syn...)},
		{"sig   = *:64:0:*:mss*20,10:mss:df:0", []Pasted{{"*:64:0:*:mss*20,10:mss:df:0", false}}},
		{"ping 4:5:6:7:8:9::0 is no signature", nil},
		{"ping 2001:4:5:6:7:8:9:0 is no signature", nil},
	} {
		if got := FindPasted(strings.NewReader(tt.text)); !slices.Equal(got, tt.want) {
			t.Errorf("FindPasted(%q) = %v, want %v", tt.text, got, tt.want)
		}
	}
}
