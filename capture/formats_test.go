package capture

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/gopacket/gopacket/pcapgo"

	"github.com/mxprint/mxprint/internal/test/lab"
	"github.com/mxprint/mxprint/packet"
)

// oldPcap is a pcap file of another version, or with modified records, of which
// each has extra behind its first 16 bytes.
func oldPcap(o byteOrder, magic uint32, major, minor uint16, swapped bool, extra []byte, recs ...record) []byte {
	b := pcapBytes(o, magic, 65535, 1)
	o.PutUint16(b[4:], major)
	o.PutUint16(b[6:], minor)
	for _, r := range recs {
		first, second := r.caplen, r.wire
		if swapped {
			first, second = second, first
		}
		b = append(b, o32(o, r.sec, r.frac, first, second)...)
		b = append(append(b, extra...), r.data...)
	}
	return b
}

func cutRecord(s uint32, data string, wire uint32) record {
	return record{s, 5, uint32(len(data)), wire, []byte(data)}
}

// TestOldAndModified: what libpcap takes for a pcap file, and what it leaves as
// garbage because of its magic number.
func TestOldAndModified(t *testing.T) {
	tcpdump := lab.NeedProgram(t, "tcpdump")
	syn := string(synFrame(25, 7))
	recs := []record{cutRecord(sec, syn, 200), cutRecord(sec+1, syn[:50], 1500), rec(sec+2, 0, syn)}
	want := []Frame{frame(sec*1e6+5, 1, 200, syn), frame(sec*1e6+1e6+5, 1, 1500, syn[:50]), frame(sec*1e6+2e6, 1, len(syn), syn)}
	for _, o := range []byteOrder{le, be} {
		extra := append(o32(o, 2), 8, 0, 4, 0)
		for _, tt := range []struct {
			name    string
			file    func(...record) []byte
			libpcap bool // reads it, too
		}{
			{"2.0", func(r ...record) []byte { return oldPcap(o, magicMicro, 2, 0, true, nil, r...) }, true},
			{"2.1", func(r ...record) []byte { return oldPcap(o, magicMicro, 2, 1, true, nil, r...) }, true},
			{"2.2", func(r ...record) []byte { return oldPcap(o, magicMicro, 2, 2, true, nil, r...) }, true},
			{"2.3", func(r ...record) []byte { return oldPcap(o, magicMicro, 2, 3, false, nil, r...) }, true},
			{"2.3, swapped", func(r ...record) []byte { return oldPcap(o, magicMicro, 2, 3, true, nil, r...) }, true},
			{"2.4", func(r ...record) []byte { return oldPcap(o, magicMicro, 2, 4, false, nil, r...) }, true},
			{"543.0", func(r ...record) []byte { return oldPcap(o, magicMicro, 543, 0, true, nil, r...) }, true},
			{"modified", func(r ...record) []byte { return oldPcap(o, magicModified, 2, 4, false, extra, r...) }, true},
			{"modified, no snapshot length", func(r ...record) []byte {
				return slices.Replace(oldPcap(o, magicModified, 2, 4, false, extra, r...), 16, 20, 0, 0, 0, 0)
			}, true},
			{"modified, the longest snapshot length", func(r ...record) []byte {
				return slices.Replace(oldPcap(o, magicModified, 2, 4, false, extra, r...), 16, 20, 255, 255, 255, 255)
			}, true},
			{"modified, 2.2", func(r ...record) []byte { return oldPcap(o, magicModified, 2, 2, true, extra, r...) }, true},
			{"modified, marked as usual", func(r ...record) []byte { return oldPcap(o, magicMicro, 2, 4, false, extra, r...) }, false},
			{"modified with zeros, marked as usual", func(r ...record) []byte { return oldPcap(o, magicMicro, 2, 4, false, make([]byte, 8), r...) }, false},
			{"usual, marked as modified", func(r ...record) []byte { return oldPcap(o, magicModified, 2, 4, false, nil, r...) }, false},
		} {
			for n := range len(recs) + 1 {
				name := fmt.Sprintf("%s, %v, %d records", tt.name, o, n)
				file := tt.file(recs[:n]...)
				got, err := readAll("F", file)
				if err != nil || !cmp.Equal(got, want[:n], cmp.Comparer(bytes.Equal)) && n > 0 {
					t.Errorf("%s: %v, %v", name, got, err)
				}
				if tt.libpcap && n == len(recs) {
					checkTcpdump(t, tcpdump, name, file, got)
				}
				if n < 2 {
					continue
				}
				if _, err := readAll("F", file[:len(file)-1]); err == nil {
					t.Errorf("%s: a cut file is whole", name)
				}
			}
		}
	}
}

// checkTcpdump compares frames with those that tcpdump writes into a new file.
func checkTcpdump(t *testing.T, tcpdump, name string, file []byte, got []Frame) {
	t.Helper()
	in, out := filepath.Join(t.TempDir(), "in"), filepath.Join(t.TempDir(), "out")
	if err := os.WriteFile(in, file, 0o644); err != nil {
		t.Fatal(err)
	}
	if msg, err := exec.Command(tcpdump, "-r", in, "-w", out).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v: %s", name, err, msg)
	}
	written, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	want, err := readAll("out", written)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got, cmp.Comparer(bytes.Equal)); diff != "" {
		t.Errorf("%s: frames (-tcpdump +got):\n%s", name, diff)
	}
}

// TestPcapngTimes compares the clocks of a pcapng with libpcap's.
func TestPcapngTimes(t *testing.T) {
	tcpdump := lab.NeedProgram(t, "tcpdump")
	for _, o := range []byteOrder{le, be} {
		for _, version := range []uint16{0, 2} {
			for _, resolution := range []uint8{0, 1, 3, 6, 9, 12, 15, 0x80, 0x80 | 10, 0x80 | 20, 0x80 | 32, 0x80 | 40, 0x80 | 50} {
				for _, offset := range []uint64{0, 1000} {
					units, err := unitsPerSecond(resolution)
					if err != nil {
						t.Fatal(err)
					}
					at := min(uint64(sec), 1<<62/units)
					stamp := at*units + units/3
					file := join(block(o, magicNG, uint32(byteOrderMagic), uint16(1), version, int64(-1)),
						block(o, 1, uint16(1), uint16(0), uint32(0), uint16(2), uint16(4), []byte("eth0"),
							uint16(9), uint16(1), [4]byte{resolution}, uint16(14), uint16(8), offset, uint32(0)),
						enhanced(o, 0, stamp, string(synFrame(25, 7))))
					name := fmt.Sprintf("1.%d %v if_tsresol %#x offset %d", version, o, resolution, offset)
					got, err := readAll("F", file)
					if err != nil || len(got) != 1 {
						t.Fatalf("%s: %d frames, %v", name, len(got), err)
					}
					if want := int64(at + offset); got[0].Time/1e6 != want {
						t.Errorf("%s: second %d, want %d", name, got[0].Time/1e6, want)
					}
					if units < 1<<44 { // libpcap's multiplication overflows beyond
						checkTcpdump(t, tcpdump, name, file, got)
					}
				}
			}
		}
	}
}

// TestUnknownVersions: a version that is not known is no damage.
func TestUnknownVersions(t *testing.T) {
	later := join(section(le), iface(le, 1, 6), enhanced(le, 0, 1, "abc"), block(le, magicNG, uint32(byteOrderMagic), uint16(2), uint16(0), int64(-1)))
	for _, tt := range []struct {
		file   []byte
		frames int
		want   string
	}{
		{oldPcap(le, magicMicro, 2, 5, false, nil), 0, "capture: F: pcap version 2.5 is not known (2.0 to 2.4 and 543.0 are)"},
		{oldPcap(be, magicMicro, 1, 4, false, nil), 0, "capture: F: pcap version 1.4 is not known (2.0 to 2.4 and 543.0 are)"},
		{oldPcap(be, magicMicro, 543, 1, false, nil), 0, "capture: F: pcap version 543.1 is not known (2.0 to 2.4 and 543.0 are)"},
		{block(be, magicNG, uint32(byteOrderMagic), uint16(1), uint16(1), int64(-1)), 0, "capture: F: pcapng version 1.1 is not known (1.0 and 1.2 are)"},
		{later, 1, "capture: F: pcapng version 2.0 is not known (1.0 and 1.2 are)"},
	} {
		frames, err := readAll("F", tt.file)
		if err == nil || err.Error() != tt.want || !errors.Is(err, errors.ErrUnsupported) || len(frames) != tt.frames {
			t.Errorf("%d frames, error %v, want %d and %s", len(frames), err, tt.frames, tt.want)
		}
	}
}

// TestTimesBeyondASecond: they stay in the second that p0f's log shows.
func TestTimesBeyondASecond(t *testing.T) {
	for _, tt := range []struct {
		magic, fraction uint32
		want            int64
	}{
		{magicMicro, 1_653_292, sec*1e6 + 999_999},
		{magicMicro, 1<<32 - 1, sec*1e6 + 999_999},
		{magicNano, 1_653_292_000, sec*1e6 + 999_999},
		{magicNano, 999_999_999, sec*1e6 + 999_999},
		{magicNano, 1_000_000_000, sec*1e6 + 999_999},
	} {
		got, err := readAll("F", pcapBytes(le, tt.magic, 65535, 1, rec(sec, tt.fraction, "x")))
		if err != nil || len(got) != 1 || got[0].Time != tt.want {
			t.Errorf("%#x, fraction %d: %v, %v, want time %d", tt.magic, tt.fraction, got, err, tt.want)
		}
	}
}

// TestGzip reads each format compressed, and what gzip finds wrong.
func TestGzip(t *testing.T) {
	packed := func(file []byte) []byte {
		var b bytes.Buffer
		w := gzip.NewWriter(&b)
		w.Write(file)
		w.Close()
		return b.Bytes()
	}
	for name, file := range seedFiles(t) {
		want, _ := readAll("F", file)
		if got, err := readAll("F", packed(file)); err != nil || !cmp.Equal(got, want) {
			t.Errorf("%s: %d frames, %v, want %d", name, len(got), err, len(want))
		}
		path := filepath.Join(t.TempDir(), "F.gz")
		if err := os.WriteFile(path, packed(file), 0o644); err != nil {
			t.Fatal(err)
		}
		f := openFile(t, path)
		if got, err := readToEnd(f); err != nil || !cmp.Equal(got, want) {
			t.Errorf("%s: %d frames, %v, want %d", name, len(got), err, len(want))
		}
	}
	good := packed(seedFiles(t)["pcap"])
	broken := bytes.Clone(good)
	broken[len(broken)-8] ^= 1
	for _, tt := range []struct {
		name string
		file []byte
		want string
	}{
		{"cut", good[:len(good)-9], "the file ends inside what gzip compressed"},
		{"checksum", broken, "gzip: invalid checksum"},
		{"text inside", packed([]byte("From: someone\n")), "not a pcap or pcapng file"},
		{"cut behind gzip's header", good[:12], "not a pcap or pcapng file: the file ends inside what gzip compressed"},
		{"cut inside gzip's header", good[:8], "not a pcap or pcapng file: the file ends inside what gzip compressed"},
		{"gzip inside gzip", packed(good), "not a pcap or pcapng file, but compressed by gzip more than once: decompress it first"},
	} {
		if _, err := readAll("F", tt.file); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %s", tt.name, err, tt.want)
		}
	}
	// What gzip finds wrong at the end keeps no frame before it from being read.
	for name, file := range map[string][]byte{"checksum": broken, "garbage": append(bytes.Clone(good), "tape padding"...)} {
		var damage *DamageError
		if got, err := readAll("F", file); len(got) != 3 || !errors.As(err, &damage) || damage.Frames != 3 {
			t.Errorf("%s: %d frames, %v, want 3", name, len(got), err)
		}
	}
}

// TestLargeBlock: names and secrets of a capture may fill many megabytes, as
// Wireshark and editcap write them.
func TestLargeBlock(t *testing.T) {
	file := join(section(le), iface(le, 1, 6), enhanced(le, 0, 1, "abc"), block(le, 10, make([]byte, 10<<20)), enhanced(le, 0, 1, "abc"))
	if frames, err := readAll("F", file); len(frames) != 2 || err != nil {
		t.Errorf("%d frames, %v", len(frames), err)
	}
}

// TestPcapngAsPcapgo compares with another reader of pcapng, where both read.
func TestPcapngAsPcapgo(t *testing.T) {
	for _, o := range []byteOrder{le, be} {
		file := join(section(o), iface(o, 1, 9), block(o, 10, uint32(0x544c534b), uint32(3), []byte("key")), iface(o, 101, 3),
			block(o, 4, uint16(1), uint16(6), []byte("\x7f\x00\x00\x01a\x00"), uint32(0)), enhanced(o, 0, sec*1e9+7_654_321, "frame"),
			block(o, 2, uint16(1), uint16(0), uint32(0), uint32(4321), uint32(3), uint32(60), []byte("old")), block(o, 3, uint32(6), []byte("simple")),
			block(o, 5, uint32(0), uint64(0)), enhanced(o, 1, 5, ""), section(le), iface(le, 276, 6), enhanced(le, 0, 1, "x"))
		got, err := readAll("F", file)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(pcapgoFrames(t, file), got, cmp.Comparer(bytes.Equal)); diff != "" {
			t.Errorf("frames (-pcapgo +got):\n%s", diff)
		}
	}
}

func pcapgoFrames(t *testing.T, file []byte) (frames []Frame) {
	t.Helper()
	r, err := pcapgo.NewNgReader(bytes.NewReader(file), pcapgo.NgReaderOptions{WantMixedLinkType: true})
	if err != nil {
		t.Fatal(err)
	}
	for {
		data, ci, err := r.ReadPacketData()
		if err == io.EOF {
			return frames
		} else if err != nil {
			t.Fatal(err)
		}
		i, err := r.Interface(ci.InterfaceIndex)
		if err != nil {
			t.Fatal(err)
		}
		f := Frame{Data: data, WireLen: ci.Length, Link: packet.LinkType(i.LinkType)}
		if !ci.Timestamp.IsZero() {
			f.Time = ci.Timestamp.UnixMicro()
		}
		frames = append(frames, f)
	}
}

// TestFinding22LinkType: a link type is the number that the file has, and no part
// of it: frames of a link that is not known are not taken for Ethernet.
func TestFinding22LinkType(t *testing.T) {
	for _, link := range []uint32{0x10001, 0x3000001} {
		f, err := newFile("F", io.NopCloser(bytes.NewReader(pcapBytes(le, magicMicro, 65535, link, rec(1, 0, "x")))), false)
		if err != nil {
			t.Fatal(err)
		}
		got := packet.LinkType(0)
		if err := f.Read(t.Context(), func(f *Frame) { got = f.Link }); err != nil && err != io.EOF || got != packet.LinkType(link) {
			t.Errorf("link type %#x is read as %#x, %v", link, got, err)
		}
	}
}

// TestFinding19PcapngMemory: interfaces and the text of options cost next to nothing.
func TestFinding19PcapngMemory(t *testing.T) {
	text := make([]byte, 60_000)
	option := join([]byte{1, 0}, le.AppendUint16(nil, uint16(len(text))), text) // a comment
	described := block(le, 1, uint16(1), uint16(0), uint32(0), bytes.Repeat(option, 50))
	var many [][]byte
	for range 90 {
		many = append(many, described, enhanced(le, 0, 1, "abc"))
	}
	for name, tt := range map[string]struct {
		file []byte
		want string
	}{
		"270 MB of options":        {join(section(le), bytes.Join(many, nil)), ""},
		"3 MB of interfaces":       {join(section(le), bytes.Repeat(iface(le, 1, 6), 94_000)), "more than 4096 interfaces"},
		"sections with interfaces": {join(bytes.Repeat(join(section(le), bytes.Repeat(iface(le, 1, 6), 4000), enhanced(le, 0, 1, "abc")), 20)), ""},
	} {
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			f, err := newFile("F", io.NopCloser(bytes.NewReader(tt.file)), false)
			if err != nil {
				t.Fatal(err)
			}
			for err == nil {
				err = f.Read(t.Context(), func(*Frame) {})
			}
			runtime.ReadMemStats(&after)
			if used := after.TotalAlloc - before.TotalAlloc; used > 2<<20 {
				t.Errorf("%d kB allocated for %d MB, want at most 2 MB", used>>10, len(tt.file)>>20)
			}
			if tt.want == "" && err != io.EOF || tt.want != "" && !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want %q", err, tt.want)
			}
		})
	}
}

// A Read from standard input ends when it is closed.
func TestStandardInput(t *testing.T) {
	if os.Getenv("MXPRINT_STANDARD_INPUT") != "" {
		f, err := OpenFile("-")
		if err != nil {
			t.Fatal(err)
		}
		err = f.Read(t.Context(), func(*Frame) {})
		for err == nil {
			go f.Close()
			err = f.Read(t.Context(), func(*Frame) {})
		}
		if err != ErrClosed {
			t.Fatal(err)
		}
		return
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestStandardInput$")
	cmd.Env = append(os.Environ(), "MXPRINT_STANDARD_INPUT=1")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	in.Write(pcapBytes(le, magicMicro, 65535, 1, rec(1, 0, "abcd"))) // and no end
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}

// TestPipeHeaderAlone: the header of a live pipe opens it, before any frame comes.
func TestPipeHeaderAlone(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	w.Write(pcapBytes(le, magicMicro, 65535, 1))
	opened := make(chan error)
	go func() {
		f, err := newFile("F", r, true)
		if err == nil {
			f.Close()
		}
		opened <- err
	}()
	select {
	case err := <-opened:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(30 * time.Second):
		t.Error("opening waits for a frame")
	}
}

// TestLastTime: a time that RFC 3339 cannot write is the last that it can.
func TestLastTime(t *testing.T) {
	got, err := readAll("F", join(section(le), iface(le, 1, 6), enhanced(le, 0, 1<<64-1, "abc")))
	if err != nil || len(got) != 1 {
		t.Fatalf("%d frames, %v", len(got), err)
	}
	if at := time.UnixMicro(got[0].Time).UTC(); at.Year() != 9999 {
		t.Errorf("time %v", at)
	}
}
