package offline

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/mxprint/mxprint/engine"
	"github.com/mxprint/mxprint/event"
	"github.com/mxprint/mxprint/signature"
)

const sample = "../../cmd/mxprint/testdata/captures/linux-6.18-http.pcap"

// full takes n bytes, as a disk that is nearly full.
type full int

func (f *full) Write(b []byte) (int, error) {
	if *f -= full(len(b)); *f < 0 {
		return 0, errors.New("no space left on device")
	}
	return len(b), nil
}

// TestOutputEnds: what can no longer be written ends the reading, with one
// error.
func TestOutputEnds(t *testing.T) {
	disk := full(10)
	r := &Reader{Name: "read", Out: NewOutput(&disk), Err: new(strings.Builder), Engine: engine.Config{DB: signature.Builtin()}}
	err := r.SYNs(context.Background(), []string{sample, sample}, func(o *event.Observation) { r.Out.Write(o.RawSig) })
	if err == nil || err.Error() != "writing the output: no space left on device" {
		t.Errorf("error %v", err)
	}
}

// TestFaults: a file that is not there does not keep the others from being
// read, and each fault is a line.
func TestFaults(t *testing.T) {
	r := &Reader{Name: "read", Out: NewOutput(new(strings.Builder)), Err: new(strings.Builder), Engine: engine.Config{DB: signature.Builtin()}}
	n := 0
	err := r.SYNs(context.Background(), []string{"none.pcap", sample, "no.pcap"}, func(*event.Observation) { n++ })
	if n == 0 || err == nil || strings.Count(err.Error(), "\n") != 1 || !strings.Contains(err.Error(), "no.pcap") {
		t.Errorf("%d SYNs, error %v", n, err)
	}
}
