package config

import (
	"slices"
	"testing"
)

// TestListeners: every table that listens counts for the sandbox, and for the
// privilege that low ports take.
func TestListeners(t *testing.T) {
	for _, tt := range []struct {
		text  string
		low   bool
		paths []string
	}{
		{"", false, nil},
		{"[p0f]\nsocket_v2 = \"/run/v2\"", false, []string{"/run/v2"}},
		{"[query]\nlisten = [\"/run/q\", \"127.0.0.1:2525\"]", false, []string{"/run/q"}},
		{"[milter]\nlisten = [\"127.0.0.1:825\"]", true, nil},
		{"[amavis]\nlisten = [\"127.0.0.1:345\"]", true, nil},
		{"[http]\ntls_listen = [\"127.0.0.1:443\"]\ntls_cert = \"c\"\ntls_key = \"k\"", true, nil},
		{"[store]\npath = \"/var/lib/mxprint/store.db\"\nlisten = [\"/run/verdict\"]", false, []string{"/run/verdict"}},
	} {
		c, err := Parse("", tt.text)
		if err != nil {
			t.Errorf("%q: %v", tt.text, err)
			continue
		}
		if got, want := c.UnixSockets(), append([]string{DefaultSocket}, tt.paths...); !slices.Equal(got, want) {
			t.Errorf("%q: UnixSockets = %q, want %q", tt.text, got, want)
		}
		if got := c.LowPorts(); got != tt.low {
			t.Errorf("%q: LowPorts = %v, want %v", tt.text, got, tt.low)
		}
	}
}
