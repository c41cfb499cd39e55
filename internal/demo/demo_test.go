package demo

import (
	"encoding/hex"
	"io"
	"os"
	"strings"
	"testing"
)

// TestDemoOutput: an output that no one takes ends it.
func TestDemoOutput(t *testing.T) {
	r, w := io.Pipe()
	r.Close()
	if err := Run(t.Context(), w, false); err == nil || !strings.Contains(err.Error(), "writing the output") {
		t.Errorf("demo with nothing that reads it: %v", err)
	}
}

// TestReplayIsCaptured: the SYN that is said to be of the lab is.
func TestReplayIsCaptured(t *testing.T) {
	capture, err := os.ReadFile("../../testdata/lab/ubuntu-4.4-default.pcap")
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range replays {
		syn, err := hex.DecodeString(r.syn)
		if err != nil {
			t.Fatalf("%s: %v", r.title, err)
		}
		if strings.HasPrefix(r.title, "Ubuntu") && !strings.Contains(string(capture), string(syn)) {
			t.Errorf("%s is not in the capture", r.title)
		}
	}
}
