package daemon

import (
	"runtime"
	"testing"

	"github.com/mxprint/mxprint/event"
	"github.com/mxprint/mxprint/internal/report"
)

// TestMailOnly: where only mail ports are captured, headers suffice; in doubt
// HTTP may come.
func TestMailOnly(t *testing.T) {
	for rule, want := range map[string]bool{
		"tcp port 25": true, "port 25": true, "dst port 25 or dst port 587": true, "src port smtp or tcp dst port 465 ": true,
		"": false, "tcp": false, "port 80": false, "not port 25": false, "port 25 or host 192.0.2.1": false, "port 25 or port 80": false,
		"port 2580": false, "tcp or port 25": false, "port 25 or not port 25": false, "portrange 25-80": false,
	} {
		if got := mailOnly.MatchString(rule); got != want {
			t.Errorf("%q: %v, want %v", rule, got, want)
		}
	}
}

// TestStandInWorkers: p0f's order holds for all that is shown.
func TestStandInWorkers(t *testing.T) {
	shows := []event.Observer{report.NewBlocks(nil)}
	for _, tt := range []struct {
		file      string
		observers []event.Observer
		want      int
	}{
		{"", nil, 1},
		{"", shows, 1},
		{"mail.pcap", shows, 1},
		{"mail.pcap", nil, min(runtime.GOMAXPROCS(0), mostWorkers)},
	} {
		s := StandIn{opt: &Options{File: tt.file}}
		if got := s.workers(tt.observers); got != tt.want {
			t.Errorf("file %q, %d observers: %d workers, want %d", tt.file, len(tt.observers), got, tt.want)
		}
	}
}
