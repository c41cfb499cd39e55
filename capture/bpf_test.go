package capture

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"testing"
)

// The layouts of bpf(4): FreeBSD on machines of 64 bits has a struct timeval,
// OpenBSD and macOS have two numbers of 32 bits.
var bpfLayouts = map[string]bpfLayout{
	"freebsd": {sec: 0, usec: 8, secSize: 8, usecSize: 8, caplen: 16, datalen: 20, hdrlen: 24, align: 8},
	"openbsd": {sec: 0, usec: 4, secSize: 4, usecSize: 4, caplen: 8, datalen: 12, hdrlen: 16, align: 4},
}

// appendBPF writes a frame as the kernel does, after padding. The header may be
// longer than its fields: OpenBSD's is 24 bytes, and on Ethernet the kernels
// make it so long that what follows the Ethernet header is aligned.
func appendBPF(l bpfLayout, buf []byte, head int, sec, usec int64, frame []byte, wire int) []byte {
	for len(buf)%l.align != 0 {
		buf = append(buf, 0xee)
	}
	h := make([]byte, head)
	put := func(at, size int, n int64) {
		if size == 8 {
			binary.NativeEndian.PutUint64(h[at:], uint64(n))
		} else {
			binary.NativeEndian.PutUint32(h[at:], uint32(n))
		}
	}
	put(l.sec, l.secSize, sec)
	put(l.usec, l.usecSize, usec)
	put(l.caplen, 4, int64(len(frame)))
	put(l.datalen, 4, int64(wire))
	binary.NativeEndian.PutUint16(h[l.hdrlen:], uint16(head))
	return append(append(buf, h...), frame...)
}

func TestBPFRecords(t *testing.T) {
	for name, l := range bpfLayouts {
		t.Run(name, func(t *testing.T) {
			var buf []byte
			var want []string
			for i, size := range []int{60, 1, 0, 3, 1514, 77} {
				frame := bytes.Repeat([]byte{byte(i + 1)}, size)
				sec := int64(1_700_000_000 + i)
				if i == 5 {
					sec = 1<<32 - 1 // the year 2106
				}
				buf = appendBPF(l, buf, l.hdrlen+2+i, sec, int64(i*100_000), frame, size+i)
				want = append(want, fmt.Sprintf("%d.%06d %x of %d", sec, i*100_000, frame, size+i))
			}
			var got []string
			for rest := buf; ; {
				r, more, ok := l.next(rest)
				if !ok {
					break
				}
				got = append(got, fmt.Sprintf("%d.%06d %x of %d", r.time/1e6, r.time%1e6, r.data, r.wire))
				rest = more
			}
			if fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("got %v\nwant %v", got, want)
			}
		})
	}
}

// A buffer that is cut anywhere yields the frames that are whole.
func TestBPFCut(t *testing.T) {
	for name, l := range bpfLayouts {
		first := appendBPF(l, nil, l.hdrlen+2, 1, 2, []byte("one"), 3)
		both := appendBPF(l, first, l.hdrlen+2, 1, 2, []byte("second"), 6)
		for n := range both {
			count := 0
			for rest, ok := both[:n], true; ok; {
				if _, rest, ok = l.next(rest); ok {
					count++
				}
			}
			want := 0
			if n >= len(first) {
				want = 1
			}
			if count != want {
				t.Errorf("%s, %d of %d bytes: %d frames, want %d", name, n, len(both), count, want)
			}
		}
	}
}

func TestBPFAllocatesNothing(t *testing.T) {
	for name, l := range bpfLayouts {
		buf := appendBPF(l, nil, l.hdrlen+2, 1, 2, []byte("frame"), 5)
		if n := testing.AllocsPerRun(100, func() { l.next(buf) }); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

func FuzzBPF(f *testing.F) {
	for _, l := range bpfLayouts {
		buf := appendBPF(l, nil, l.hdrlen+2, 1, 2, []byte("frame"), 5)
		f.Add(appendBPF(l, buf, l.hdrlen+9, 1, 2, []byte("another"), 5))
	}
	f.Fuzz(func(t *testing.T, buf []byte) {
		for _, l := range bpfLayouts {
			for rest := buf; ; {
				r, more, ok := l.next(rest)
				if !ok {
					if more != nil || r.data != nil {
						t.Fatal("next returned a part of an incomplete frame")
					}
					break
				}
				if len(more) >= len(rest) || len(r.data) > len(rest) || cap(r.data) != len(r.data) {
					t.Fatalf("%d bytes of data, %d left of %d", len(r.data), len(more), len(rest))
				}
				if used := len(buf) - len(more); used%l.align != 0 && len(more) != 0 {
					t.Fatalf("the next one is at %d", used)
				}
				rest = more
			}
		}
	})
}
