package ask

import "testing"

func TestParseQuery(t *testing.T) {
	for _, tt := range []struct {
		words                []string
		client, server, hint string
	}{
		{[]string{"192.0.2.1"}, "192.0.2.1:0", "invalid AddrPort", ""},
		{[]string{"192.0.2.1", "25", "[2001:db8::1]:25"}, "192.0.2.1:25", "[2001:db8::1]:25", ""},
		{[]string{"[2001:db8::1]", "41688"}, "[2001:db8::1]:41688", "invalid AddrPort", ""},
		{[]string{"2001:db8::1:25"}, "[2001:db8::1:25]:0", "invalid AddrPort", "asking about the address 2001:db8::1:25; for port 25 of 2001:db8::1 write [2001:db8::1]:25"},
	} {
		q, hint, err := ParseQuery(tt.words)
		if err != nil || q.Client.String() != tt.client || q.Server.String() != tt.server || hint != tt.hint {
			t.Errorf("ParseQuery(%q) = %v, %v, %q, %v", tt.words, q.Client, q.Server, hint, err)
		}
	}
}
