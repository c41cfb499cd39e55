package p0f

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"math"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mxprint/mxprint/note"
)

// full has every field set, each to a value of its own.
var full = note.Note{
	State:      note.Matched,
	OSName:     "Linux",
	OSFlavor:   "3.11 and newer",
	Quality:    note.Fuzzy | note.Generic,
	HTTPName:   "Firefox",
	HTTPFlavor: "10.x or newer",
	Language:   "English",
	LinkType:   "Ethernet or modem",
	FirstSeen:  time.Unix(1_700_000_001, 0),
	LastSeen:   time.Unix(1_700_000_002, 0),
	TotalConn:  0x01020304,
	UptimeMin:  0x05060708,
	UpModDays:  198,
	LastNAT:    time.Unix(1_700_000_003, 0),
	LastChange: time.Unix(1_700_000_004, 0),
	Distance:   note.Hops(12),
	BadSW:      note.Dishonest,
}

// TestQueryBytes has the bytes of p0f-v3.md §9.1, written by hand.
func TestQueryBytes(t *testing.T) {
	magic := "01463050" // 0x50304601 on a little-endian machine
	if binary.NativeEndian.Uint16([]byte{0, 1}) == 1 {
		magic = "50304601"
	}
	for _, tt := range []struct{ name, addr, want string }{
		{"IPv4", "198.18.0.1", magic + "04" + "c6120001" + strings.Repeat("00", 12)},
		{"IPv6", "2001:db8::1", magic + "06" + "20010db8000000000000000000000001"},
		{"IPv4-mapped stays IPv6", "::ffff:198.18.0.1", magic + "06" + "00000000000000000000ffffc6120001"},
		{"zone is left out", "fe80::1%eth0", magic + "06" + "fe800000000000000000000000000001"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			addr := netip.MustParseAddr(tt.addr)
			q := AppendQuery(nil, addr)
			if got := hex.EncodeToString(q); got != tt.want {
				t.Errorf("AppendQuery(%s) = %s, want %s", addr, got, tt.want)
			}
			got, err := DecodeQuery(q)
			if want := addr.WithZone(""); err != nil || got != want {
				t.Errorf("DecodeQuery(%x) = %v, %v, want %v", q, got, err, want)
			}
		})
	}
}

func TestDecodeQueryBad(t *testing.T) {
	good := AppendQuery(nil, netip.MustParseAddr("198.18.0.1"))
	change := func(f func(q []byte)) []byte {
		q := append([]byte(nil), good...)
		f(q)
		return q
	}
	for _, tt := range []struct {
		name string
		q    []byte
	}{
		{"empty", nil},
		{"20 bytes", good[:20]},
		{"22 bytes", append(change(func([]byte) {}), 0)},
		{"other byte order", change(func(q []byte) { q[0], q[1], q[2], q[3] = q[3], q[2], q[1], q[0] })},
		{"magic of the response", change(func(q []byte) { binary.NativeEndian.PutUint32(q, responseMagic) })},
		{"address type 0", change(func(q []byte) { q[4] = 0 })},
		{"address type 5", change(func(q []byte) { q[4] = 5 })},
		{"zero address", AppendQuery(nil, netip.Addr{})},
	} {
		if addr, err := DecodeQuery(tt.q); !errors.Is(err, ErrBadQuery) {
			t.Errorf("%s: DecodeQuery(%x) = %v, %v, want %v", tt.name, tt.q, addr, err, ErrBadQuery)
		}
	}
	if addr, err := DecodeQuery(change(func(q []byte) { q[20] = 0xff })); err != nil {
		t.Errorf("bytes after an IPv4 address: %v, %v, want them ignored", addr, err)
	}
}

// TestResponseBytes has the offsets of p0f-v3.md §9.2, written by hand.
func TestResponseBytes(t *testing.T) {
	r := AppendResponse(nil, full)
	if len(r) != ResponseSize {
		t.Fatalf("%d bytes, want %d", len(r), ResponseSize)
	}
	order := binary.NativeEndian
	for _, f := range []struct {
		name string
		off  int
		want uint32
	}{
		{"magic", 0, 0x50304602}, {"status", 4, 0x10},
		{"first_seen", 8, 1_700_000_001}, {"last_seen", 12, 1_700_000_002}, {"total_conn", 16, 0x01020304},
		{"uptime_min", 20, 0x05060708}, {"up_mod_days", 24, 198},
		{"last_nat", 28, 1_700_000_003}, {"last_chg", 32, 1_700_000_004},
	} {
		if got := order.Uint32(r[f.off:]); got != f.want {
			t.Errorf("%s = %#x, want %#x", f.name, got, f.want)
		}
	}
	if got := order.Uint16(r[36:]); got != 12 {
		t.Errorf("distance = %d, want 12", got)
	}
	if r[38] != 2 || r[39] != 3 {
		t.Errorf("bad_sw, os_match_q = %d, %d, want 2, 3", r[38], r[39])
	}
	for _, f := range []struct {
		name string
		off  int
		want string
	}{
		{"os_name", 40, "Linux"}, {"os_flavor", 72, "3.11 and newer"},
		{"http_name", 104, "Firefox"}, {"http_flavor", 136, "10.x or newer"},
		{"link_type", 168, "Ethernet or modem"}, {"language", 200, "English"},
	} {
		want := f.want + strings.Repeat("\x00", 32-len(f.want))
		if got := string(r[f.off : f.off+32]); got != want {
			t.Errorf("%s = %q, want %q", f.name, got, want)
		}
	}
	got, err := DecodeResponse(r)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(full, got); d != "" {
		t.Errorf("DecodeResponse(AppendResponse(n)) (-want +got):\n%s", d)
	}
}

func TestResponseStates(t *testing.T) {
	for _, tt := range []struct {
		name       string
		n          note.Note
		wantStatus uint32
		want       note.Note
	}{
		{"matched", full, statusOK, full},
		{"unknown", note.Note{State: note.Unknown, TotalConn: 1, Distance: note.Hops(3)}, statusOK,
			note.Note{State: note.Unknown, TotalConn: 1, Distance: note.Hops(3)}},
		{"not seen", note.Note{State: note.NotSeen, TotalConn: 7, OSName: "x"}, statusNoMatch, notSeen},
		{"unavailable", note.Note{TotalConn: 7, OSName: "x"}, statusNoMatch, notSeen},
		{"no such state", note.Note{State: 200, TotalConn: 7}, statusNoMatch, notSeen},
	} {
		t.Run(tt.name, func(t *testing.T) {
			// Something stands before the response, and rubbish in the buffer.
			dst := append(make([]byte, 0, 300), "before"...)
			for i := range dst[:cap(dst)][6:] {
				dst[:cap(dst)][6+i] = 0xaa
			}
			out := AppendResponse(dst, tt.n)
			if string(out[:6]) != "before" {
				t.Fatalf("overwrote what stood before: %q", out[:6])
			}
			r := out[6:]
			if got := binary.NativeEndian.Uint32(r[offStatus:]); got != tt.wantStatus {
				t.Errorf("status %#x, want %#x", got, tt.wantStatus)
			}
			if tt.wantStatus != statusOK && strings.Trim(string(r[8:]), "\x00") != "" {
				t.Errorf("body of a status other than OK: %x, want zeroes", r[8:])
			}
			got, err := DecodeResponse(r)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(tt.want, got); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
}

// TestDeviationTextEndsInNUL: p0f cuts at 32 bytes and leaves the NUL out.
func TestDeviationTextEndsInNUL(t *testing.T) {
	const long = "10.9 or newer (sometimes iPhone or iPad)"
	for size := range len(long) + 1 {
		n := note.Note{State: note.Matched, OSName: long[:size], Language: long[:size]}
		r := AppendResponse(nil, n)
		want := long[:min(size, 31)]
		for _, off := range []int{offOSName, offLanguage} {
			if got := string(r[off : off+32]); got != want+strings.Repeat("\x00", 32-len(want)) {
				t.Errorf("%d bytes: %q, want %q and NULs", size, got, want)
			}
		}
	}
	// p0f's own cut is read in full.
	r := AppendResponse(nil, full)
	copy(r[offOSFlavor:], long[:32])
	if n, err := DecodeResponse(r); err != nil || n.OSFlavor != long[:32] {
		t.Errorf("DecodeResponse of an unterminated text = %q, %v, want %q", n.OSFlavor, err, long[:32])
	}
}

func TestResponseNumbers(t *testing.T) {
	for _, tt := range []struct{ distance, want note.Distance }{
		{note.Hops(0), note.Hops(0)}, {note.Hops(1), note.Hops(1)}, {note.Hops(254), note.Hops(254)}, {0, 0},
		{note.Hops(255), 0}, {note.Hops(math.MaxInt), 0}, {note.Hops(math.MinInt), 0}, {math.MaxUint16, 0},
	} {
		r := AppendResponse(nil, note.Note{State: note.Unknown, Distance: tt.distance})
		if w := binary.NativeEndian.Uint16(r[36:]); tt.want == 0 && w != 255 {
			t.Errorf("distance %d is %d on the wire, want 255 as p0f", tt.distance, w)
		}
		if n, err := DecodeResponse(r); err != nil || n.Distance != tt.want {
			t.Errorf("distance %d came back as %d, %v, want %d", tt.distance, n.Distance, err, tt.want)
		}
		binary.NativeEndian.PutUint16(r[36:], 0xffff)
		if n, err := DecodeResponse(r); err != nil || n.Distance != 0 {
			t.Errorf("the documented -1 came back as %d, %v", n.Distance, err)
		}
	}
	for _, tt := range []struct {
		name string
		t    time.Time
		want uint32
	}{
		{"never", time.Time{}, 0},
		{"fraction is cut", time.Unix(1_700_000_000, 999_999_999), 1_700_000_000},
		{"before 1970", time.Unix(-1, 0), 0},
		{"after 2106", time.Unix(1<<33, 0), math.MaxUint32},
	} {
		if got := wireTime(tt.t); got != tt.want {
			t.Errorf("%s: wireTime = %d, want %d", tt.name, got, tt.want)
		}
	}
}

func TestDecodeResponseBad(t *testing.T) {
	good := AppendResponse(nil, full)
	put := func(off int, v uint32) []byte {
		r := append([]byte(nil), good...)
		binary.NativeEndian.PutUint32(r[off:], v)
		return r
	}
	for _, tt := range []struct {
		name string
		r    []byte
		want error
		text string
	}{
		{"short", good[:231], ErrBadResponse, "p0f: bad response: 231 bytes, want 232"},
		{"long", append(put(0, responseMagic), 0), ErrBadResponse, "p0f: bad response: 233 bytes, want 232"},
		{"magic", put(0, queryMagic), ErrBadResponse, "p0f: bad response: magic 0x50304601, want 0x50304602"},
		{"status", put(4, 0x30), ErrBadResponse, "p0f: bad response: status 0x30"},
		{"bad query", appendStatus(nil, statusBadQuery), ErrBadQuery, "p0f: bad query"},
	} {
		n, err := DecodeResponse(tt.r)
		if !errors.Is(err, tt.want) || err.Error() != tt.text {
			t.Errorf("%s: DecodeResponse: %v, want %s", tt.name, err, tt.text)
		}
		if !reflect.DeepEqual(n, note.Note{}) {
			t.Errorf("%s: note %v with the error, want the zero Note", tt.name, n)
		}
	}
}

func TestCodecAllocatesNothing(t *testing.T) {
	addr := netip.MustParseAddr("2001:db8::1")
	buf := make([]byte, 0, ResponseSize)
	query := AppendQuery(nil, addr)
	for _, tt := range []struct {
		name string
		f    func()
	}{
		{"AppendQuery", func() { AppendQuery(buf, addr) }},
		{"DecodeQuery", func() { DecodeQuery(query) }},
		{"DecodeQuery, bad", func() { DecodeQuery(query[:20]) }},
		{"AppendResponse", func() { AppendResponse(buf, full) }},
		{"AppendResponse, not seen", func() { AppendResponse(buf, note.Note{State: note.NotSeen}) }},
	} {
		if n := testing.AllocsPerRun(1000, tt.f); n != 0 {
			t.Errorf("%s allocates %v times, want 0", tt.name, n)
		}
	}
}

func BenchmarkAppendResponse(b *testing.B) {
	buf := make([]byte, 0, ResponseSize)
	b.ReportAllocs()
	for b.Loop() {
		AppendResponse(buf, full)
	}
}

// notSeen is what a client reads from "no match".
var notSeen = note.Note{State: note.NotSeen}
