package daemon

import (
	"testing"

	"github.com/mxprint/mxprint/internal/config"
)

// TestPrompt: frames may rest only where one ring has both directions of a connection,
// and no other sensor is asked.
func TestPrompt(t *testing.T) {
	for _, tt := range []struct {
		name   string
		s      config.Sensor
		shared bool
		want   bool
	}{
		{"one interface", config.Sensor{Interfaces: []string{"eth0"}, Workers: 1}, false, false},
		{"one interface, several workers", config.Sensor{Interfaces: []string{"eth0"}, Workers: 4}, false, false},
		{"a shared store", config.Sensor{Interfaces: []string{"eth0"}, Workers: 1}, true, true},
		{"an interface for each direction", config.Sensor{Interfaces: []string{"eth1", "eth2"}, Workers: 1}, false, true},
		{"tunnels", config.Sensor{Interfaces: []string{"eth0"}, Workers: 1, Decapsulate: []string{"gre"}}, false, false},
		{"tunnels, several workers", config.Sensor{Interfaces: []string{"eth0"}, Workers: 4, Decapsulate: []string{"gre"}}, false, true},
	} {
		if got := prompt(&tt.s, tt.shared); got != tt.want {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
}
