package capture

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"

	"github.com/mxprint/mxprint/internal/test/lab"
	"github.com/mxprint/mxprint/packet"
)

var (
	le = binary.LittleEndian
	be = binary.BigEndian
)

type byteOrder interface {
	binary.ByteOrder
	binary.AppendByteOrder
}

// A record is a frame of a capture file as the file claims it.
type record struct {
	sec, frac    uint32
	caplen, wire uint32
	data         []byte
}

func rec(sec, frac uint32, data string) record {
	return record{sec, frac, uint32(len(data)), uint32(len(data)), []byte(data)}
}

// pcap is a pcap file.
func pcapBytes(o byteOrder, magic, snap, link uint32, recs ...record) []byte {
	b := o.AppendUint32(nil, magic)
	b = o.AppendUint16(b, 2)
	b = o.AppendUint16(b, 4)
	for _, n := range []uint32{0, 0, snap, link} {
		b = o.AppendUint32(b, n)
	}
	for _, r := range recs {
		for _, n := range []uint32{r.sec, r.frac, r.caplen, r.wire} {
			b = o.AppendUint32(b, n)
		}
		b = append(b, r.data...)
	}
	return b
}

// block is a pcapng block.
func block(o byteOrder, typ uint32, body ...any) []byte {
	var w bytes.Buffer
	for _, v := range body {
		binary.Write(&w, o, v)
	}
	for w.Len()%4 != 0 {
		w.WriteByte(0)
	}
	n := uint32(w.Len() + 12)
	b := o.AppendUint32(o.AppendUint32(nil, typ), n)
	return o.AppendUint32(append(b, w.Bytes()...), n)
}

func section(o byteOrder) []byte {
	return block(o, magicNG, uint32(0x1a2b3c4d), uint16(1), uint16(0), int64(-1))
}

// iface is an interface description; resolution is the exponent of if_tsresol.
func iface(o byteOrder, link uint16, resolution uint8) []byte {
	return block(o, 1, link, uint16(0), uint32(0), uint16(9), uint16(1), [4]byte{resolution}, uint32(0))
}

func enhanced(o byteOrder, id uint32, ts uint64, data string) []byte {
	n := uint32(len(data))
	return block(o, 6, id, uint32(ts>>32), uint32(ts), n, n, []byte(data))
}

func join(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

// readAll reads a capture file from memory to its end. A clean end is nil.
func readAll(name string, file []byte) (frames []Frame, err error) {
	f, err := newFile(name, io.NopCloser(bytes.NewReader(file)), false)
	if err != nil {
		return nil, err
	}
	return readToEnd(f)
}

func readToEnd(f *File) (frames []Frame, err error) {
	for err == nil {
		err = f.Read(context.Background(), func(f *Frame) {
			c := *f
			c.Data = bytes.Clone(f.Data)
			frames = append(frames, c)
		})
	}
	if err == io.EOF {
		err = nil
	}
	return frames, err
}

func frame(us int64, link packet.LinkType, wire int, data string) Frame {
	return Frame{Time: us, Link: link, WireLen: wire, Data: []byte(data)}
}

const sec = 1_700_000_000

func TestFile(t *testing.T) {
	one := []Frame{frame(sec*1e6+999_999, 1, 3, "abc"), frame(sec*1e6+1e6, 1, 1, "d")}
	micro := []record{rec(sec, 999_999, "abc"), rec(sec+1, 0, "d")}
	nano := []record{rec(sec, 999_999_999, "abc"), rec(sec+1, 999, "d")}
	tests := []struct {
		name string
		file []byte
		want []Frame
	}{
		{"microseconds", pcapBytes(le, magicMicro, 65535, 1, micro...), one},
		{"microseconds, big-endian", pcapBytes(be, magicMicro, 65535, 1, micro...), one},
		{"nanoseconds, truncated", pcapBytes(le, magicNano, 65535, 1, nano...), one},
		{"nanoseconds, big-endian", pcapBytes(be, magicNano, 65535, 1, nano...), one},
		{"no frames", pcapBytes(le, magicMicro, 65535, 1), nil},
		{"empty frame", pcapBytes(le, magicMicro, 65535, 1, rec(1, 0, "")), []Frame{frame(1e6, 1, 0, "")}},
		{"time after 2038", pcapBytes(le, magicMicro, 65535, 1, rec(1<<32-1, 0, "x")), []Frame{frame((1<<32-1)*1e6, 1, 1, "x")}},
		{"raw IP as 12", pcapBytes(le, magicMicro, 65535, 12, rec(1, 0, "E")), []Frame{frame(1e6, packet.LinkRaw, 1, "E")}},
		{"raw IP as 14", pcapBytes(le, magicMicro, 65535, 14, rec(1, 0, "E")), []Frame{frame(1e6, packet.LinkRaw, 1, "E")}},
		{"unknown link type", pcapBytes(le, magicMicro, 65535, 9999, rec(1, 0, "x")), []Frame{frame(1e6, 9999, 1, "x")}},
		{"link type with FCS bits", pcapBytes(le, magicMicro, 65535, 0x24000001, rec(1, 0, "x")), []Frame{frame(1e6, 1, 1, "x")}},
		{"cut frame", pcapBytes(le, magicMicro, 65535, 1, record{1, 0, 2, 60, []byte("ab")}), []Frame{frame(1e6, 1, 60, "ab")}},
		{"more captured than was sent", pcapBytes(le, magicMicro, 65535, 1, record{1, 0, 4, 2, []byte("abcd")}, rec(2, 0, "e")),
			[]Frame{frame(1e6, 1, 2, "abcd"), frame(2e6, 1, 1, "e")}},
		{"longer than the snap length", pcapBytes(le, magicMicro, 2, 1, rec(1, 0, "abcd"), rec(2, 0, "e")),
			[]Frame{frame(1e6, 1, 4, "ab"), frame(2e6, 1, 1, "e")}},
		{"snap length zero", pcapBytes(le, magicMicro, 0, 1, rec(1, 0, "abcd")), []Frame{frame(1e6, 1, 4, "abcd")}},
		{"pcapng", join(section(le), iface(le, 1, 6), enhanced(le, 0, sec*1e6+999_999, "abc"), enhanced(le, 0, sec*1e6+1e6, "d")), one},
		{"pcapng, big-endian", join(section(be), iface(be, 1, 6), enhanced(be, 0, sec*1e6+999_999, "abc"), enhanced(be, 0, sec*1e6+1e6, "d")), one},
		{"pcapng, several links and resolutions",
			join(section(le), iface(le, 1, 9), iface(le, 12, 3), iface(le, 276, 0x80|9),
				enhanced(le, 0, 1_000_001_999, "a"), enhanced(le, 1, 2_001, "b"), enhanced(le, 2, 3<<9+256, "c")),
			[]Frame{frame(1_000_001, 1, 1, "a"), frame(2_001_000, 101, 1, "b"), frame(3_500_000, 276, 1, "c")}},
		{"pcapng, simple packet has no time", join(section(le), iface(le, 1, 6), block(le, 3, uint32(2), []byte("ab"))), []Frame{frame(0, 1, 2, "ab")}},
		{"pcapng, block of an unknown type", join(section(le), iface(le, 1, 6), block(le, 0xbad, []byte("whatever")), enhanced(le, 0, 1, "a"),
			block(le, 0xbad, []byte("at the end"))), []Frame{frame(1, 1, 1, "a")}},
		{"pcapng, second section of the other byte order", join(section(le), iface(le, 1, 6), enhanced(le, 0, 1, "a"),
			section(be), iface(be, 101, 6), enhanced(be, 0, 2, "b")), []Frame{frame(1, 1, 1, "a"), frame(2, 101, 1, "b")}},
		{"pcapng, no interface", section(le), nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := readAll("x", tt.file)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("frames (-want +got):\n%s", diff)
			}
		})
	}
}

// What libpcap makes of a pcap file is what p0f saw. tcpdump writes every frame
// it read into a new file.
func TestFileReadsWhatLibpcapReads(t *testing.T) {
	tcpdump := lab.NeedProgram(t, "tcpdump")
	for _, tt := range []struct {
		name string
		file []byte
	}{
		{"more captured than was sent", pcapBytes(le, magicMicro, 65535, 1, record{1, 0, 4, 2, []byte("abcd")}, rec(2, 0, "e"))},
		{"longer than the snap length", pcapBytes(le, magicMicro, 2, 1, rec(1, 0, "abcd"), rec(2, 0, "e"))},
		{"snap length zero", pcapBytes(le, magicMicro, 0, 1, rec(1, 0, "abcd"))},
		{"snap length beyond all", pcapBytes(le, magicMicro, 1<<31, 1, rec(1, 0, "abcd"))},
		{"nanoseconds", pcapBytes(be, magicNano, 65535, 1, rec(1, 999_999_999, "abcd"))},
		{"raw IP as 12", pcapBytes(le, magicMicro, 65535, 12, rec(1, 0, "abcd"))},
		{"cut inside the second frame", pcapBytes(le, magicMicro, 65535, 1, rec(1, 0, "abcd"), record{2, 0, 9, 9, []byte("ab")})},
		{"biggest frame", pcapBytes(le, magicMicro, 262144, 1, rec(1, 0, strings.Repeat("x", 262144)))},
		{"too big a frame", pcapBytes(le, magicMicro, 262144, 1, rec(1, 0, "a"), rec(1, 0, strings.Repeat("x", 262145)), rec(1, 0, "b"))},
	} {
		t.Run(tt.name, func(t *testing.T) {
			in, out := filepath.Join(t.TempDir(), "in"), filepath.Join(t.TempDir(), "out")
			if err := os.WriteFile(in, tt.file, 0o644); err != nil {
				t.Fatal(err)
			}
			exec.Command(tcpdump, "-r", in, "-w", out).Run() // fails for damaged files, behind the good frames
			written, err := os.ReadFile(out)
			if err != nil {
				t.Fatal(err)
			}
			want, err := readAll("out", written)
			if err != nil {
				t.Fatal(err)
			}
			got, _ := readAll("in", tt.file)
			if diff := cmp.Diff(want, got, cmp.Comparer(bytes.Equal)); diff != "" {
				t.Errorf("frames (-tcpdump +got):\n%s", diff)
			}
		})
	}
}

func TestFileDamage(t *testing.T) {
	good := pcapBytes(le, magicMicro, 65535, 1, rec(1, 0, "abc"))
	head := join(section(le), iface(le, 1, 6))
	tests := []struct {
		name   string
		file   []byte
		frames int
		want   string
	}{
		{"empty", nil, 0, "capture: F: not a pcap or pcapng file: it is empty"},
		{"zstd", []byte("\x28\xb5\x2f\xfd\x04\x00"), 0, "capture: F: not a pcap or pcapng file, but compressed by zstd: decompress it first"},
		{"xz", []byte("\xfd7zXZ\x00\x00\x04"), 0, "capture: F: not a pcap or pcapng file, but compressed by xz: decompress it first"},
		{"snoop", []byte("snoop\x00\x00\x00\x00\x00\x00\x02"), 0,
			"capture: F: not a pcap or pcapng file, but a capture of snoop: convert it (editcap -F pcapng IN OUT)"},
		{"three bytes", good[:3], 0, "capture: F: not a pcap or pcapng file"},
		{"text", []byte("From: someone\n"), 0, "capture: F: not a pcap or pcapng file"},
		{"half a header", good[:20], 0, "capture: F: damaged after frame 0 (byte 0): the file ends inside its header"},
		{"half a section header", head[:20], 0, "capture: F: damaged after frame 0 (byte 0): the file ends inside its header"},
		{"half a record header", good[:30], 0, "capture: F: damaged after frame 0 (byte 24): the file ends inside a frame"},
		{"record header alone", good[:40], 0, "capture: F: damaged after frame 0 (byte 24): the file ends inside a frame"},
		{"half a frame", append(bytes.Clone(good), good[24:42]...), 1, "capture: F: damaged after frame 1 (byte 43): the file ends inside a frame"},
		{"half a frame that says it is longer than it was", pcapBytes(le, magicMicro, 65535, 1, record{1, 0, 9, 2, []byte("abc")}), 0,
			"capture: F: damaged after frame 0 (byte 24): the file ends inside a frame"},
		{"frame of 4 GiB", pcapBytes(le, magicMicro, 1<<32-1, 1, record{1, 0, 1<<32 - 1, 1<<32 - 1, nil}), 0,
			"capture: F: damaged after frame 0 (byte 24): a frame claims more than 262144 bytes"},
		{"frame of 300 KiB, all there", pcapBytes(le, magicMicro, 1<<20, 1, rec(1, 0, strings.Repeat("x", 300<<10))), 0,
			"capture: F: damaged after frame 0 (byte 24): a frame claims more than 262144 bytes"},
		{"pcapng frame of 4 GiB", join(head, block(le, 6, uint32(0), uint64(0), uint32(1<<32-1), uint32(1<<32-1))), 0,
			"capture: F: damaged after frame 0 (byte 28): a frame claims more than 262144 bytes"},
		{"pcapng frame of 300 KiB, all there", join(head, enhanced(le, 0, 1, strings.Repeat("x", 300<<10))), 0,
			"capture: F: damaged after frame 0 (byte 28): a frame claims more than 262144 bytes"},
		{"pcapng frame of no interface", join(head, enhanced(le, 7, 1, "abc")), 0,
			"capture: F: damaged after frame 0 (byte 28): a frame of interface 7, where 1 are described"},
		{"pcapng half a frame", join(head, enhanced(le, 0, 1, "abc"), enhanced(le, 0, 1, "abc")[:30]), 1,
			"capture: F: damaged after frame 1 (byte 96): the file ends inside a frame"},
		{"pcapng with 75 MiB of nothing", join(head, enhanced(le, 0, 1, "abc"),
			bytes.Repeat(block(le, 0xbad, make([]byte, 15<<20)), 5), enhanced(le, 0, 1, "abc")), 1,
			"capture: F: damaged after frame 1 (byte 96): no frame for 67108864 bytes"},
		{"pcapng with a block of 4 GiB", join(head, enhanced(le, 0, 1, "abc"), []byte{6, 0, 0, 0, 0xf0, 0xff, 0xff, 0xff}, make([]byte, 100)), 1,
			"capture: F: damaged after frame 1 (byte 96): a block claims more than 16777216 bytes"},
		{"pcapng with 5000 interfaces", join(head, bytes.Repeat(iface(le, 1, 6), 5000), enhanced(le, 0, 1, "abc")), 0,
			"capture: F: damaged after frame 0 (byte 28): more than 4096 interfaces"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			frames, err := readAll("F", tt.file)
			if err == nil || err.Error() != tt.want {
				t.Errorf("error %v, want %s", err, tt.want)
			}
			if len(frames) != tt.frames {
				t.Errorf("%d frames before the damage, want %d", len(frames), tt.frames)
			}
			var damage *DamageError
			if errors.Is(err, ErrFormat) == errors.As(err, &damage) {
				t.Errorf("error %#v is neither or both of ErrFormat and DamageError", err)
			}
		})
	}
}

// A file cut anywhere gives the frames before the cut and then a clean end or
// one line about it.
func TestFileCutEverywhere(t *testing.T) {
	for name, file := range seedFiles(t) {
		whole, err := readAll("F", file)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for n := range file {
			frames, err := readAll("F", file[:n])
			if len(frames) > len(whole) || len(frames) > 0 && !cmp.Equal(frames, whole[:len(frames)]) {
				t.Fatalf("%s cut to %d bytes: %d frames that are not the first of the whole", name, n, len(frames))
			}
			checkError(t, err)
		}
	}
}

// seedFiles are captures that Go's own writers made.
func seedFiles(t testing.TB) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	syn := synFrame(25, 7)
	ci := gopacket.CaptureInfo{Timestamp: time.Unix(sec, 123456789), CaptureLength: len(syn), Length: len(syn)}
	var old, ng bytes.Buffer
	w := pcapgo.NewWriterNanos(&old)
	w.WriteFileHeader(65535, layers.LinkTypeEthernet)
	for range 3 {
		if err := w.WritePacket(ci, syn); err != nil {
			t.Fatal(err)
		}
	}
	nw, err := pcapgo.NewNgWriter(&ng, layers.LinkTypeEthernet)
	if err != nil {
		t.Fatal(err)
	}
	id, err := nw.AddInterface(pcapgo.NgInterface{Name: "tun0", LinkType: layers.LinkTypeRaw, TimestampResolution: 9})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 4 {
		c, data := ci, syn
		if i%2 == 1 {
			data = syn[14:]
			c.InterfaceIndex, c.CaptureLength, c.Length = id, len(data), len(data)
		}
		if err := nw.WritePacket(c, data); err != nil {
			t.Fatal(err)
		}
	}
	if err := nw.Flush(); err != nil {
		t.Fatal(err)
	}
	files["pcap"], files["pcapng"] = old.Bytes(), ng.Bytes()
	return files
}

func checkError(t testing.TB, err error) {
	t.Helper()
	var damage *DamageError
	switch {
	case err == nil || errors.Is(err, ErrFormat) || errors.Is(err, errors.ErrUnsupported) || errors.As(err, &damage):
	default:
		t.Fatalf("error %v of an unknown kind", err)
	}
	if err != nil && strings.Contains(err.Error(), "\n") {
		t.Fatalf("error %q is more than one line", err)
	}
}

// A capture may claim anything; memory is what File says, not what it claims.
func TestFileMemoryIsBounded(t *testing.T) {
	claim := func(n uint32) []byte {
		return o32(le, 6, n+32+12, 0, 0, 1, n, n) // an enhanced packet block without its data
	}
	for name, head := range map[string][]byte{
		"pcap frame of 1 GiB":      pcapBytes(le, magicMicro, 1<<30, 1, record{1, 0, 1 << 30, 1 << 30, nil}),
		"pcapng frame of 1 GiB":    join(section(le), iface(le, 1, 6), claim(1<<30)),
		"pcapng block of 1 GiB":    join(section(le), iface(le, 1, 6), o32(le, 0xbad, 1<<30)),
		"pcapng secrets of 1 GiB":  join(section(le), iface(le, 1, 6), o32(le, 0xa, 1<<30, 0x544c534b, 1<<30-20)),
		"pcapng names, 1 GiB":      join(section(le), iface(le, 1, 6), o32(le, 4, 1<<30)),
		"pcapng section of 1 GiB":  o32(le, magicNG, 1<<30, 0x1a2b3c4d, 1, 0, 0),
		"pcapng interface, 1 GiB ": join(section(le), o32(le, 1, 1<<30, 1, 0)),
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "F")
			if err := os.WriteFile(path, head, 0o644); err != nil {
				t.Fatal(err)
			}
			if err := os.Truncate(path, 2<<30); err != nil { // a hole, not bytes on disk
				t.Fatal(err)
			}
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			f, err := OpenFile(path)
			if err == nil {
				defer f.Close()
				for err == nil {
					err = f.Read(context.Background(), func(*Frame) {})
				}
			}
			runtime.ReadMemStats(&after)
			checkError(t, err)
			if err == nil || err == io.EOF {
				t.Errorf("error %v, want damage", err)
			}
			if used := after.TotalAlloc - before.TotalAlloc; used > 64<<20 {
				t.Errorf("%d MiB allocated, want at most 64; %v", used>>20, err)
			}
		})
	}
}

func o32(o byteOrder, nums ...uint32) (b []byte) {
	for _, n := range nums {
		b = o.AppendUint32(b, n)
	}
	return b
}

func TestFileErrorsAndClose(t *testing.T) {
	if _, err := OpenFile("./-"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("OpenFile(./-) = %v: it is a file's name", err)
	}
	path := filepath.Join(t.TempDir(), "F")
	if err := os.WriteFile(path, seedFiles(t)["pcap"], 0o644); err != nil {
		t.Fatal(err)
	}
	f, err := OpenFile(path)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := f.Read(ctx, nil); err != context.Canceled {
		t.Errorf("Read of an ended context = %v", err)
	}
	n := 0
	if err := f.Read(context.Background(), func(*Frame) { n++; f.Close() }); err != ErrClosed || n != 1 {
		t.Errorf("Read, closed at the first frame = %v after %d frames, want ErrClosed after 1", err, n)
	}
	if err := f.Read(context.Background(), nil); err != ErrClosed {
		t.Errorf("Read after Close = %v", err)
	}
	if err := f.Close(); err != nil {
		t.Errorf("second Close = %v", err)
	}
	defer func() {
		if recover() == nil {
			t.Error("a panic of the caller's function was taken for damage")
		}
	}()
	f, err = OpenFile(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	f.Read(context.Background(), func(*Frame) { panic("caller's own") })
}

// openFile opens a capture file until the test ends.
func openFile(t testing.TB, path string) *File {
	t.Helper()
	f, err := OpenFile(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// Other people's captures, where they are at hand.
func TestFileReal(t *testing.T) {
	dir := os.Getenv("MXPRINT_SHARED")
	if dir == "" {
		dir = "../../shared"
	}
	paths, _ := filepath.Glob(filepath.Join(dir, "data/pcaps/*"))
	if len(paths) == 0 {
		t.Skip("no captures of others at hand (set MXPRINT_SHARED)")
	}
	for _, path := range paths {
		file, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		frames, err := readAll(filepath.Base(path), file)
		checkError(t, err) // one of them is damaged
		if len(frames) == 0 {
			t.Errorf("%s: no frames, %v", filepath.Base(path), err)
		}
	}
}

func FuzzFile(f *testing.F) {
	for _, file := range seedFiles(f) {
		f.Add(file)
	}
	f.Add(pcapBytes(be, magicMicro, 2, 12, record{1, 0, 4, 2, []byte("abcd")}))
	f.Add(join(section(be), iface(be, 1, 0x80|63), iface(be, 1, 63), enhanced(be, 1, 1<<40, "abc"),
		block(be, 4, uint16(1), uint16(6), []byte("\x7f\x00\x00\x01a\x00"), uint32(0)), block(be, 5, uint32(0), uint64(0)),
		block(be, 2, uint16(0), uint16(0), uint64(9), uint32(1), uint32(1), []byte("x")), block(be, 3, uint32(1), []byte("y"))))
	f.Fuzz(func(t *testing.T, file []byte) {
		if len(file) > 1<<16 {
			t.Skip("long files only take time")
		}
		frames, err := readAll("F", file)
		checkError(t, err)
		if bytes.HasPrefix(file, []byte{0x1f, 0x8b}) {
			return // there may be more in it than its own length
		}
		if len(frames) > len(file)/16 {
			t.Errorf("%d frames out of %d bytes", len(frames), len(file))
		}
		total := 0
		for _, f := range frames {
			total += len(f.Data)
			if len(f.Data) > maxFrame || f.Tagged || f.Link == 12 || f.Link == 14 {
				t.Errorf("impossible frame %+v", f)
			}
		}
		if total > len(file) {
			t.Errorf("%d bytes of frames out of %d", total, len(file))
		}
	})
}

// bigFile is a capture of n SYNs.
func bigFile(tb testing.TB, n int) string {
	tb.Helper()
	one := pcapBytes(le, magicMicro, 65535, 1, rec(sec, 1, string(synFrame(25, 1))))
	path := filepath.Join(tb.TempDir(), "F")
	if err := os.WriteFile(path, append(one[:24:24], bytes.Repeat(one[24:], n)...), 0o644); err != nil {
		tb.Fatal(err)
	}
	return path
}

func TestFileAllocatesNothing(t *testing.T) {
	f, err := OpenFile(bigFile(t, 100*fileBatch))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	n := 0
	count := func(*Frame) { n++ }
	if a := testing.AllocsPerRun(50, func() { f.Read(context.Background(), count) }); a != 0 {
		t.Errorf("%v allocations a Read, want 0", a)
	}
	if n != 51*fileBatch {
		t.Errorf("%d frames, want %d", n, 51*fileBatch)
	}
}

func BenchmarkFile(b *testing.B) {
	path := bigFile(b, 1_000_000)
	for b.Loop() {
		f, err := OpenFile(path)
		if err != nil {
			b.Fatal(err)
		}
		n := 0
		for err == nil {
			err = f.Read(context.Background(), func(*Frame) { n++ })
		}
		if f.Close(); err != io.EOF || n != 1_000_000 {
			b.Fatal(n, err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1e6, "ns/frame")
}

func ExampleFile() {
	path := filepath.Join(os.TempDir(), fmt.Sprintf("example-%d.pcap", os.Getpid()))
	os.WriteFile(path, pcapBytes(le, magicMicro, 65535, 1, rec(1, 500_000, "one"), rec(2, 0, "two")), 0o644)
	defer os.Remove(path)

	f, err := OpenFile(path)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer f.Close()
	for err == nil {
		err = f.Read(context.Background(), func(f *Frame) {
			fmt.Printf("%s %s\n", time.UnixMicro(f.Time).UTC().Format(time.StampMilli), f.Data)
		})
	}
	fmt.Println(err)
	// Output:
	// Jan  1 00:00:01.500 one
	// Jan  1 00:00:02.000 two
	// EOF
}
