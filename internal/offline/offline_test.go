package offline

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

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

// pcap writes a file with one frame of Ethernet, of which kept bytes were captured.
func pcap(t *testing.T, frame []byte, kept int) string {
	t.Helper()
	b := binary.LittleEndian.AppendUint32(nil, 0xa1b2c3d4)
	for _, n := range []uint32{2 | 4<<16, 0, 0, 65535, 1, 1700000000, 0, uint32(kept), uint32(len(frame))} {
		b = binary.LittleEndian.AppendUint32(b, n)
	}
	path := filepath.Join(t.TempDir(), "one.pcap")
	if err := os.WriteFile(path, append(b, frame[:kept]...), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func unhex(t *testing.T, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(text, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestPipeWithoutWriter: the first signal ends a command that waits for a named pipe.
func TestPipeWithoutWriter(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	time.AfterFunc(50*time.Millisecond, cancel)
	r := &Reader{Name: "read", Out: NewOutput(new(strings.Builder)), Err: new(strings.Builder), Quiet: true, Engine: engine.Config{DB: signature.Builtin()}}
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx, []string{path}, observer(func(*event.Observation) {})) }()
	select {
	case err := <-done:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(10 * time.Second):
		t.Error("it waits for a writer")
	}
}

// TestNothing: a file without anything to name is not passed over in silence.
func TestNothing(t *testing.T) {
	arp := pcap(t, append(make([]byte, 12), 8, 6, 0, 1), 16)
	for quiet, want := range map[bool]string{
		false: "mxprint: " + arp + ": nothing to name among its 0 frames of TCP that the rule takes\n",
		true:  "",
	} {
		printed := new(strings.Builder)
		r := &Reader{Name: "read", Out: NewOutput(new(strings.Builder)), Err: printed, Quiet: quiet, Engine: engine.Config{DB: signature.Builtin()}}
		if err := r.Run(context.Background(), []string{sample, arp}, observer(func(*event.Observation) {})); err != nil || printed.String() != want {
			t.Errorf("quiet %t: %v, printed %q, want %q", quiet, err, printed, want)
		}
	}
}

// TestInterrupted: what a file has is not known where its reading was interrupted.
func TestInterrupted(t *testing.T) {
	ctx, stop := context.WithCancel(context.Background())
	stop()
	printed := new(strings.Builder)
	r := &Reader{Name: "read", Out: NewOutput(new(strings.Builder)), Err: printed, Engine: engine.Config{DB: signature.Builtin()}}
	if err := r.Run(ctx, []string{sample}, observer(func(*event.Observation) {})); err != nil || printed.Len() > 0 {
		t.Errorf("%v, printed %q", err, printed)
	}
}

// TestNotRead: a SYN that cannot be read is counted, wherever the frame ends, and in
// whatever it is.
func TestNotRead(t *testing.T) {
	const (
		mac  = "020000000002 020000000001 "
		tcp  = "9c40 0019 00000001 00000000 a002 faf0 0000 0000 020405b4 0402080a 00000001 00000000 01030307"
		four = "4500003c 00014000 40060000 c6336407 c0000219"
		six  = "20010db8000000000000000000000007 20010db8000000000000000000000019"
		udp4 = "45000080 00010000 40110000 cb007101 cb007102 "
		cut  = "1 SYN cut inside its header, capture with -s 96 or more"
		bare = "1 TCP segment cut before the flags, capture with -s 192 or more"
	)
	syn := mac + "0800" + four + tcp
	ext := mac + "86dd 60000000 0030 3c 40" + six + "0600 010400000000" + tcp
	vxlan := mac + "0800" + udp4 + "d000 12b5 0064 0000 0800000000000500" + syn
	for _, tt := range []struct {
		name  string
		frame string
		kept  int // of the frame; 0: all
		want  string
	}{
		{"whole", syn, 0, ""},
		{"in the options", syn, 68, cut},
		{"behind the flags", syn, 48, cut},
		{"before the flags", syn, 47, bare},
		{"behind an extension header", ext, 0, ""},
		{"behind an extension header, cut", ext, 96, cut},
		{"VXLAN", vxlan, 0, ""},
		{"VXLAN, cut in the options", vxlan, 110, cut},
		{"VXLAN, cut before the flags", vxlan, 96, bare},
		{"WireGuard", mac + "0800" + udp4 + "d000 ca6c 006c 0000 04000000" + strings.Repeat("77", 92), 0,
			"1 frame: WireGuard: an encapsulation that cannot be opened"},
	} {
		frame := unhex(t, tt.frame)
		if tt.kept == 0 {
			tt.kept = len(frame)
		}
		path, printed := pcap(t, frame, tt.kept), new(strings.Builder)
		r := &Reader{Name: "read", Out: NewOutput(new(strings.Builder)), Err: printed, Engine: engine.Config{DB: signature.Builtin()}}
		n := 0
		err := r.SYNs(context.Background(), []string{path}, func(*event.Observation) { n++ })
		var want []string
		if tt.want != "" {
			want = []string{"mxprint: " + path + ": not read: " + tt.want, ""}
		}
		if lines := strings.Split(printed.String(), "\n"); tt.want != "" && !slices.Equal(lines, want) || (n > 0) != (tt.want == "") {
			t.Errorf("%s: %d SYNs, %v, printed %q", tt.name, n, err, printed)
		}
	}
}
