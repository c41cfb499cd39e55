package clienthello

import (
	"bufio"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"
)

// recorded is one line of testdata/hellos.jsonl, as scripts/lab-hellos writes
// it from real programs.
type recorded struct {
	Library, Release, Program, Settings string
	Hello                               string
	data                                []byte
}

func (r *recorded) String() string { return r.Library + " " + r.Release + ", " + r.Program }

func lab(t testing.TB) []recorded {
	t.Helper()
	f, err := os.Open("testdata/hellos.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var all []recorded
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var r recorded
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			t.Fatal(err)
		}
		if r.data, err = hex.DecodeString(r.Hello); err != nil {
			t.Fatal(err)
		}
		all = append(all, r)
	}
	if len(all) < 100 {
		t.Fatalf("%d hellos recorded, want 100", len(all))
	}
	return all
}

// TestVector is the example in the text of JA4: a Chrome of 2023.
func TestVector(t *testing.T) {
	h := Hello{
		Version:             0x0303,
		Ciphers:             []uint16{0x1a1a, 0x1301, 0x1302, 0x1303, 0xc02b, 0xc02f, 0xc02c, 0xc030, 0xcca9, 0xcca8, 0xc013, 0xc014, 0x009c, 0x009d, 0x002f, 0x0035},
		Extensions:          []uint16{0x2a2a, 0x001b, 0x0000, 0x0033, 0x0010, 0x4469, 0x0017, 0x002d, 0x000d, 0x0005, 0x0023, 0x0012, 0x002b, 0xff01, 0x000b, 0x000a, 0x0015, 0x3a3a},
		Versions:            []uint16{0x4a4a, 0x0304, 0x0303},
		SignatureAlgorithms: []uint16{0x0403, 0x0804, 0x0401, 0x0503, 0x0805, 0x0501, 0x0806, 0x0601},
		ALPN:                []string{"h2", "http/1.1"},
	}
	if got, want := h.JA4(), "t13d1516h2_8daaf6152771_e5627efa2ab1"; got != want {
		t.Errorf("JA4 = %s, want %s", got, want)
	}
	const raw = "t13d1516h2_002f,0035,009c,009d,1301,1302,1303,c013,c014,c02b,c02c,c02f,c030,cca8,cca9_" +
		"0005,000a,000b,000d,0012,0015,0017,001b,0023,002b,002d,0033,4469,ff01_0403,0804,0401,0503,0805,0501,0806,0601"
	if got := h.JA4Raw(); got != raw {
		t.Errorf("JA4Raw = %s, want %s", got, raw)
	}
}

// TestJA4Parts checks what the recorded hellos do not show.
func TestJA4Parts(t *testing.T) {
	for _, test := range []struct {
		name string
		h    Hello
		want string
	}{
		{"nothing", Hello{Version: 0x0301}, "t10i000000_000000000000_000000000000"},
		{"SSL 3.0", Hello{Version: 0x0300}, "ts3i000000_000000000000_000000000000"},
		{"unknown version", Hello{Version: 0x0399}, "t00i000000_000000000000_000000000000"},
		{"only GREASE versions", Hello{Version: 0x0303, Versions: []uint16{0x0a0a}}, "t12i000000_000000000000_000000000000"},
		{"SNI alone", Hello{Version: 0x0303, Extensions: []uint16{0}}, "t12d000100_000000000000_000000000000"},
		{"ALPN of one byte", Hello{Version: 0x0303, ALPN: []string{"x"}}, "t12i0000xx_000000000000_000000000000"},
		{"ALPN not printable", Hello{Version: 0x0303, ALPN: []string{"\xab\xcd"}}, "t12i0000ad_000000000000_000000000000"},
		{"ALPN empty", Hello{Version: 0x0303, ALPN: []string{""}}, "t12i000000_000000000000_000000000000"},
		{"many", Hello{Version: 0x0303, Ciphers: make([]uint16, 120)}, "t12i990000_" + hashOfZeros(120) + "_000000000000"},
	} {
		if got := test.h.JA4(); got != test.want {
			t.Errorf("%s: JA4 = %s, want %s", test.name, got, test.want)
		}
	}
}

func hashOfZeros(n int) string {
	return string(appendHash(nil, []byte(strings.TrimSuffix(strings.Repeat("0000,", n), ",")), false))
}

// TestJA4Stable says that a resumed connection has the stable form of the first.
func TestJA4Stable(t *testing.T) {
	first := Hello{Version: 0x0303, Ciphers: []uint16{0x1301}, Extensions: []uint16{10, 13, 21, 35, 43}, SignatureAlgorithms: []uint16{0x0403}}
	resumed := first
	resumed.Extensions = []uint16{10, 13, 43, 41}
	if first.JA4() == resumed.JA4() {
		t.Error("JA4 is the same, so this shows nothing")
	}
	if a, b := first.JA4Stable(), resumed.JA4Stable(); a != b {
		t.Errorf("JA4Stable = %s and, resumed, %s", a, b)
	}
}

// TestCuts parses each recorded hello at every length: ErrMore until the last
// byte, then the same hello.
func TestCuts(t *testing.T) {
	for _, r := range lab(t) {
		var whole, h Hello
		if err := whole.Parse(r.data); err != nil {
			t.Errorf("%s: %v", &r, err)
			continue
		}
		for n := range r.data {
			if err := h.Parse(r.data[:n]); !errors.Is(err, ErrMore) {
				t.Fatalf("%s: %d of %d bytes: %v, want ErrMore", &r, n, len(r.data), err)
			}
		}
		if err := h.Parse(append(r.data, "what follows"...)); err != nil || h.JA4() != whole.JA4() || h.JA3() != whole.JA3() {
			t.Errorf("%s: with bytes behind it: %v, %s", &r, err, h.JA4())
		}
	}
}

// inRecords wraps a hello's message into records of n bytes.
func inRecords(data []byte, n int) []byte {
	var out []byte
	for body := data[5:]; len(body) > 0; {
		part := body[:min(n, len(body))]
		out = append(out, 22, 3, 1, byte(len(part)>>8), byte(len(part)))
		out = append(out, part...)
		body = body[len(part):]
	}
	return out
}

func TestSeveralRecords(t *testing.T) {
	for _, r := range lab(t) {
		var whole, h Hello
		if err := whole.Parse(r.data); err != nil {
			t.Fatal(err)
		}
		for _, size := range []int{1, 2, 3, 4, 5, 100, 1000} {
			data := inRecords(r.data, size)
			if err := h.Parse(data); err != nil || h.JA4Raw() != whole.JA4Raw() {
				t.Fatalf("%s: records of %d bytes: %v, %s", &r, size, err, h.JA4Raw())
			}
			if err := h.Parse(data[:len(data)-1]); !errors.Is(err, ErrMore) {
				t.Fatalf("%s: records of %d bytes without the last byte: %v", &r, size, err)
			}
		}
	}
}

func TestParseErrors(t *testing.T) {
	const body = "0303" + "0000000000000000000000000000000000000000000000000000000000000000" + "00"
	for _, test := range []struct {
		name, data string
		want       error
	}{
		{"nothing", "", ErrMore},
		{"EHLO", hex.EncodeToString([]byte("EHLO mx")), ErrNotHello},
		{"alert", "15030100020128", ErrNotHello},
		{"ServerHello", "1603010004" + "02000000", ErrNotHello},
		{"other protocol", "1601", ErrNotHello},
		{"empty record", "1603010000", ErrNotHello},
		{"record too long", "160301ffff", ErrNotHello},
		{"second record is another", "1603010001" + "01" + "1703030001" + "00", ErrNotHello},
		{"too long", "1603010004" + "01010000", ErrTooLong},
		{"SSLv2 for TLS 1.0", "802e010301", ErrSSLv2},
		{"SSLv2", "802e010002", ErrSSLv2},
		{"SSLv2 begun", "802e01", ErrMore},
		{"not SSLv2", "802e02", ErrNotHello},
		{"short", "160301000501000001" + "03", ErrMalformed},
		{"no ciphers", record(body + "0000" + "0100"), nil},
		{"odd ciphers", record(body + "0003" + "130113" + "0100"), ErrMalformed},
		{"bytes after the extensions", record(body + "0000" + "0100" + "0000" + "00"), ErrMalformed},
		{"extension cut", record(body + "0000" + "0100" + "0004" + "000a0004"), ErrMalformed},
		{"odd groups", record(body + "0000" + "0100" + "0009" + "000a0005" + "0003001d00"), ErrMalformed},
		{"key share cut", record(body + "0000" + "0100" + "000c" + "00330008" + "0006001d0020abcd"), ErrMalformed},
		{"session id of 33", record("0303" + strings.Repeat("00", 32) + "21" + strings.Repeat("00", 33) + "0000" + "0100"), ErrMalformed},
	} {
		data, err := hex.DecodeString(test.data)
		if err != nil {
			t.Fatal(err)
		}
		var h Hello
		if err := h.Parse(data); !errors.Is(err, test.want) {
			t.Errorf("%s: Parse = %v, want %v", test.name, err, test.want)
		}
	}
}

// record puts the body of a ClientHello into one record.
func record(body string) string {
	n := len(body) / 2
	data := []byte{22, 3, 1, byte((n + 4) >> 8), byte(n + 4), 1, 0, byte(n >> 8), byte(n)}
	return hex.EncodeToString(data) + body
}

// TestAllocations says that a hello that is read into a used Hello costs the
// heap nothing, nor does its JA4.
func TestAllocations(t *testing.T) {
	all := lab(t)
	var h Hello
	buf := make([]byte, 0, 64)
	once := func() {
		for i := range all {
			if err := h.Parse(all[i].data); err != nil {
				t.Fatal(err)
			}
			buf = h.AppendJA4(buf[:0])
		}
	}
	once()
	names := 0
	for i := range all { // a name other than the one before is copied
		h.Parse(all[i].data)
		if i > 0 && h.ServerName != "" {
			names++
		}
	}
	if n := testing.AllocsPerRun(5, once); int(n) > names {
		t.Errorf("%v allocations for %d hellos, of which %d have a name", n, len(all), names)
	}
	one := all[0].data
	h.Parse(one)
	if n := testing.AllocsPerRun(100, func() { h.Parse(one); buf = h.AppendJA4(buf[:0]) }); n != 0 {
		t.Errorf("%v allocations for the same hello again", n)
	}
}

func FuzzParse(f *testing.F) {
	for _, r := range lab(f)[:20] {
		f.Add(r.data)
		f.Add(inRecords(r.data, 50))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var h, again Hello
		err := h.Parse(data)
		if err == nil {
			if got := h.JA4(); len(got) != ja4Bytes {
				t.Errorf("JA4 = %q", got)
			}
			h.Library()
			h.JA3()
			h.JA4Stable()
		}
		// What is a hello, or not, stays so whatever comes behind it.
		if second := again.Parse(append(data[:len(data):len(data)], 0)); err != nil && !errors.Is(err, ErrMore) && second == nil {
			t.Errorf("%v, then with one byte more a hello", err)
		} else if err == nil && (second != nil || again.JA4Raw() != h.JA4Raw()) {
			t.Errorf("a hello, then with one byte more %v", second)
		}
	})
}

// TestIndependent compares JA4 and JA3 of each recorded hello with what other
// programs computed from it (scripts/lab-hellos): JA4 the crate huginn-net-tls,
// JA3 tshark.
func TestIndependent(t *testing.T) {
	text, err := os.ReadFile("testdata/independent.tsv")
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
	all := lab(t)
	if len(lines) != len(all) {
		t.Fatalf("%d lines for %d hellos: run scripts/lab-hellos -i", len(lines), len(all))
	}
	for i, r := range all {
		var h Hello
		if err := h.Parse(r.data); err != nil {
			t.Fatal(err)
		}
		if got := h.JA4() + "\t" + h.JA3(); got != lines[i] {
			t.Errorf("%s: JA4 and JA3 = %s, others %s", &r, got, lines[i])
		}
	}
}
