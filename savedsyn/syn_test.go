package savedsyn

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/mxprint/mxprint/internal/test/lab"
	"github.com/mxprint/mxprint/note"
	"github.com/mxprint/mxprint/packet"
)

// What HAProxy 3.4.0 logged of connections over loopback on Linux 6.18, with
// tcp-ss 1 and 2, by %[var(sess.syn),hex] and %[var(sess.syn),base64].
const (
	haproxy4       = "4500003C395D40004006035D7F0000017F000001BAE8386DF3A9CBF900000000A002FFD7FE3000000204FFD70402080AC104064E000000000103030A"
	haproxy4Base64 = "RQAAPDldQABABgNdfwAAAX8AAAG66Dht86nL+QAAAACgAv/X/jAAAAIE/9cEAggKwQQGTgAAAAABAwMK"
	haproxy6       = "600AEE4E002806400000000000000000000000000000000100000000000000000000000000000001D694386DD4D2B85100000000A002FFC4003000000204FFC40402080ACE128D36000000000103030A"
	haproxy6Base64 = "YAruTgAoBkAAAAAAAAAAAAAAAAAAAAABAAAAAAAAAAAAAAAAAAAAAdaUOG3U0rhRAAAAAKAC/8QAMAAAAgT/xAQCCArOEo02AAAAAAEDAwo="
	haproxyEther4  = "00000000000000000000000008004500003C16CC4000400625EE7F0000017F000001E950386E28ECC23700000000A002FFD7FE3000000204FFD70402080A825E0361000000000103030A"
	haproxyEther6  = "AAAAAAAAAAAAAAAAht1gB8smACgGQAAAAAAAAAAAAAAAAAAAAAEAAAAAAAAAAAAAAAAAAAAB7gQ4blox+wwAAAAAoAL/xAAwAAACBP/EBAIICkwM3U0AAAAAAQMDCg=="
)

func TestParseAndDecode(t *testing.T) {
	colons := make([]string, 0, len(haproxy4)/2)
	for i := 0; i < len(haproxy4); i += 2 {
		colons = append(colons, haproxy4[i:i+2])
	}
	tagged := haproxyEther4[:24] + "8100000A88A80014" + haproxyEther4[24:]
	// A card's address that could be the start of an IPv4 header, and one of IPv6.
	fours, sixes := "455254000102"+haproxyEther4[12:], "665254000102"+haproxyEther4[12:]
	for _, tt := range []struct {
		name, text string
		source     string
	}{
		{"IPv4", haproxy4, "127.0.0.1:47848"},
		{"IPv4, base64", haproxy4Base64, "127.0.0.1:47848"},
		{"IPv6", haproxy6, "[::1]:54932"},
		{"IPv6, base64", haproxy6Base64, "[::1]:54932"},
		{"Ethernet, IPv4", haproxyEther4, "127.0.0.1:59728"},
		{"Ethernet, IPv6, base64", haproxyEther6, "[::1]:60932"},
		{"two VLAN tags", tagged, "127.0.0.1:59728"},
		{"card's address like IPv4", fours, "127.0.0.1:59728"},
		{"card's address like IPv6", sixes, "127.0.0.1:59728"},
		{"small letters", strings.ToLower(haproxy4), "127.0.0.1:47848"},
		{"with 0x", "0x" + haproxy4, "127.0.0.1:47848"},
		{"colons", strings.Join(colons, ":"), "127.0.0.1:47848"},
		{"blanks and lines", " " + strings.Join(colons, " ") + "\r\n", "127.0.0.1:47848"},
		{"base64 without padding", strings.TrimRight(haproxy6Base64, "="), "[::1]:54932"},
		{"base64 for URLs", strings.NewReplacer("+", "-", "/", "_").Replace(haproxy4Base64), "127.0.0.1:47848"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			syn, err := Parse(tt.text)
			if err != nil {
				t.Fatal(err)
			}
			s, err := Decode(syn)
			if err != nil {
				t.Fatal(err)
			}
			if s.Src.String() != tt.source {
				t.Errorf("from %v, want %s", s.Src, tt.source)
			}
			n := Name(nil, &s)
			if n.State != note.Matched || n.Title() != "Linux 6.16 and newer (or tuned)" || !n.ByConnection || n.TotalConn != 1 {
				t.Errorf("note %+v, want Linux 6.16 and newer (or tuned)", n)
			}
		})
	}
}

func TestParseBad(t *testing.T) {
	for _, tt := range []struct {
		text string
		want error
		says string
	}{
		{"", ErrUnavailable, "savedsyn: the client's SYN is not available"},
		{" \n", ErrUnavailable, "savedsyn: the client's SYN is not available"},
		{"-", ErrUnavailable, "savedsyn: the client's SYN is not available"},
		{"45000", ErrText, "savedsyn: neither hex nor base64: an odd number of hex digits"},
		{"what is this?", ErrText, `savedsyn: neither hex nor base64: "whatisthis?"`},
		{"\x00\xff", ErrText, `savedsyn: neither hex nor base64: "\x00\xff"`},
		{strings.Repeat("0", 5000), ErrText, "savedsyn: neither hex nor base64: 5000 bytes of text, want at most 4096"},
	} {
		if syn, err := Parse(tt.text); !errors.Is(err, tt.want) || err.Error() != tt.says || syn != nil {
			t.Errorf("Parse(%.20q) = %x, %v, want %s", tt.text, syn, err, tt.says)
		}
	}
}

func TestDecodeBad(t *testing.T) {
	good, err := hex.DecodeString(haproxy4)
	if err != nil {
		t.Fatal(err)
	}
	change := func(at int, value byte) []byte {
		b := append([]byte(nil), good...)
		b[at] = value
		return b
	}
	for _, tt := range []struct {
		name string
		syn  []byte
		want error
	}{
		{"nothing", nil, packet.ErrShort},
		{"cut", good[:39], packet.ErrShort},
		{"options cut", good[:59], packet.ErrCut},
		{"UDP", change(9, 17), packet.ErrNotTCP},
		{"SYN+ACK", change(33, 0x12), ErrNotSYN},
		{"ACK", change(33, 0x10), ErrNotSYN},
		{"SYN+FIN", change(33, 0x03), packet.ErrFlags},
		{"fragment", change(7, 1), packet.ErrFragment},
		{"version 5", change(0, 0x55), packet.VersionError(5)},
	} {
		if s, err := Decode(tt.syn); !errors.Is(err, tt.want) || s != (packet.Segment{}) {
			t.Errorf("%s: Decode = %+v, %v, want %v", tt.name, s, err, tt.want)
		}
	}
}

// TestDecodeExtensionHeaders: the kernel saves IPv6 extension headers, too. Such
// a client is named as if they were not there.
func TestDecodeExtensionHeaders(t *testing.T) {
	b, err := hex.DecodeString(haproxy6)
	if err != nil {
		t.Fatal(err)
	}
	options := []byte{6, 0, 1, 4, 0, 0, 0, 0} // then TCP; padding
	b = append(b[:40:40], append(options, b[40:]...)...)
	b[5] += byte(len(options))
	b[6] = 60 // destination options
	c := &Conn{syn: b}
	if n := c.Fingerprint(); n.State != note.Matched || n.OSName != "Linux" || n.Distance != note.Hops(0) || !n.ByConnection {
		t.Errorf("note %+v, want Linux", n)
	}
}

// TestDecodeData: a Fast Open SYN has data, of which the kernel saves none.
func TestDecodeData(t *testing.T) {
	b, err := hex.DecodeString(haproxy4)
	if err != nil {
		t.Fatal(err)
	}
	b[3] += 10
	s, err := Decode(b)
	if err != nil || s.PayloadLen != 10 {
		t.Errorf("Decode = payload of %d bytes, %v, want 10", s.PayloadLen, err)
	}
}

func TestDecodeAllocs(t *testing.T) {
	for _, text := range []string{haproxy4, haproxy6, haproxyEther4} {
		syn, err := hex.DecodeString(text)
		if err != nil {
			t.Fatal(err)
		}
		if n := testing.AllocsPerRun(100, func() { Decode(syn) }); n != 0 {
			t.Errorf("Decode(%s) allocates %v times", text, n)
		}
	}
}

func FuzzDecode(f *testing.F) {
	for _, text := range []string{haproxy4, haproxy6, haproxyEther4} {
		syn, err := hex.DecodeString(text)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(syn)
	}
	f.Fuzz(func(t *testing.T, syn []byte) {
		s, err := Decode(syn)
		c := &Conn{syn: syn}
		n := c.Fingerprint()
		if n.State != note.Unknown && n.State != note.Matched {
			t.Fatalf("a SYN that is there is %v", n.State)
		}
		if err != nil {
			if n.State == note.Matched {
				t.Fatalf("%v, but named %q", err, n.Title())
			}
			return
		}
		if s.Type != packet.SYN || !s.Src.IsValid() || n.RawSig == "" {
			t.Fatalf("Decode(%x) = %+v, note %+v", syn, s, n)
		}
	})
}

func FuzzParse(f *testing.F) {
	for _, text := range []string{haproxy4, haproxy6Base64, haproxyEther4, "-", "0x45:00"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		syn, err := Parse(text)
		if err != nil {
			if !errors.Is(err, ErrText) && !errors.Is(err, ErrUnavailable) {
				t.Fatalf("Parse(%q): %v", text, err)
			}
			return
		}
		if len(syn) > len(text) {
			t.Fatalf("%d bytes of %d of text", len(syn), len(text))
		}
		for _, again := range []string{hex.EncodeToString(syn), base64.StdEncoding.EncodeToString(syn)} {
			if b, err := Parse(again); len(syn) > 0 && len(again) <= maxText && (err != nil || string(b) != string(syn)) {
				if _, isHex := hex.DecodeString(again); isHex == nil && again != hex.EncodeToString(syn) {
					continue // base64 that is hex as well: a few bytes, no SYN
				}
				t.Fatalf("Parse(%q) = %x, %v, want %x", again, b, err, syn)
			}
		}
	})
}

// TestElsewhere: other systems get the listener that has no SYNs, and without
// golang.org/x/sys.
func TestElsewhere(t *testing.T) {
	for _, system := range []string{"windows", "darwin", "freebsd"} {
		cmd := exec.Command(lab.NeedProgram(t, "go"), "list", "-deps", "-f", "{{.ImportPath}} {{.GoFiles}}", ".")
		cmd.Env = append(os.Environ(), "GOOS="+system, "GOARCH=amd64", "CGO_ENABLED=0")
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %v\n%s", cmd, err, out)
		}
		if s := string(out); !strings.Contains(s, "mxprint/savedsyn [said.go savedsyn.go socket_other.go syn.go]\n") || strings.Contains(s, "\ngolang.org/") {
			t.Errorf("%s builds of\n%s", system, s)
		}
	}
}
