// Package builtin_test holds the built-in database to its rules. Its language is
// wider than p0f's, so the parser and the matcher of the product judge it.
package builtin_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/mxprint/mxprint/internal/signature"
	"github.com/mxprint/mxprint/packet"
)

// database reads the files of this folder as one, in the order of their names.
func database(t *testing.T) *signature.DB {
	t.Helper()
	files, err := filepath.Glob("*.fp") // sorted
	if err != nil || len(files) == 0 {
		t.Fatalf("no database: %v", err)
	}
	var all bytes.Buffer
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(text)
	}
	db, err := signature.Parse(&all, "builtin")
	if err != nil {
		t.Fatal(err)
	}
	return db
}

// TestLoads parses the database: every error of the language is refused, and
// every signature that an earlier one covers.
func TestLoads(t *testing.T) { database(t) }

// Link names and the parts of a label go into log lines, mail headers and
// policies, hence the narrow set; p0f's socket has 31 bytes for each.
var (
	linkName = regexp.MustCompile(`^[A-Za-z0-9 ./_()-]{1,31}$`)
	label    = regexp.MustCompile(`^[sg]:(!|win|unix|other|mta|mua|library|tool|monitor):[A-Za-z0-9 ./_()-]{1,31}:[A-Za-z0-9 ./_()-]{0,31}$`)
)

// TestLabels checks the set of characters and the lengths of all labels, and
// that each says where its signatures come from, and since when.
func TestLabels(t *testing.T) {
	files, err := filepath.Glob("*.fp")
	if err != nil || len(files) == 0 {
		t.Fatalf("no database: %v", err)
	}
	total := 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		total += checkFile(t, file, string(text))
	}
	if total < 100 {
		t.Errorf("%d signatures in all: files are missing", total)
	}
}

// checkFile checks the lines of one file and returns how many signatures it has.
func checkFile(t *testing.T, file, text string) (sigs int) {
	t.Helper()
	if strings.Contains(text, "\r") || !strings.HasSuffix(text, "\n") {
		t.Errorf("%s: lines must end in LF, the last one too", file)
	}
	section, source, date, linkSource := "", false, false, false
	for i, line := range strings.Split(text, "\n") {
		place := fmt.Sprintf("%s:%d", file, i+1)
		if line != strings.TrimRight(line, " \t") {
			t.Errorf("%s: blanks at the end are part of the value", place)
		}
		if strings.HasPrefix(line, "[") {
			section = line
		}
		// One comment is the source of all links; it may stand before their section.
		linkSource = linkSource || strings.HasPrefix(line, "; source: ")
		key, value, ok := strings.Cut(line, "= ")
		if !ok || strings.HasPrefix(line, ";") {
			continue
		}
		switch strings.TrimSpace(key) {
		case "sig":
			sigs++
			if section == "[mtu]" {
				continue
			}
			if !(source && date) {
				t.Errorf("%s: signature without source and date above it", place)
			}
		case "source":
			source = value != ""
		case "date":
			date = value != ""
		case "label":
			want := label
			if section == "[mtu]" {
				want = linkName
			}
			if !want.MatchString(value) {
				t.Errorf("%s: label %q does not match %s", place, value, want)
			}
			if section == "[mtu]" && !linkSource {
				t.Errorf("%s: label %q names no source above it", place, value)
			}
			if section != "[mtu]" {
				source, date = false, false // each label has its own
			}
		}
	}
	return sigs
}

// TestClocks wants every signature of a system with timestamps to say what they
// count: a mail server learns whether to believe the uptime.
func TestClocks(t *testing.T) {
	db := database(t)
	for id := 1; db.TCP(id) != nil; id++ {
		sig := db.TCP(id)
		if strings.Contains(sig.Text, "ts") && !sig.Label.Userland() && sig.Clock == signature.ClockUnstated {
			t.Errorf("line %d of all files, %s: no uptime = boot or uptime = random below the label (docs/signatures.md)", sig.Line, sig.Label.Title())
		}
	}
}

// TestNames makes SYNs that stacks and tools are known to send and wants the
// matcher to name them with the database. Where two systems send the same packet the name
// must say so, and where a SYN is of no known system it must stay unknown.
func TestNames(t *testing.T) {
	db := database(t)
	for _, tt := range []struct {
		name, sig string // sig as p0f prints it, with the TTL on the wire
		want      string
	}{
		{"XP", "4:128:0:1460:65535,0:mss,nop,nop,sok:df,id+:0", "Windows XP"},
		{"no scaling at TTL 64 is not XP", "4:60:0:1460:65535,0:mss,nop,nop,sok:df,id+:0", "Windows"},
		{"8192,8", "4:117:0:1460:8192,8:mss,nop,ws,nop,nop,sok:df,id+:0", "Windows Vista to 10 (build 1607)"},
		{"8192,8 with ECN", "4:117:0:1460:8192,8:mss,nop,ws,nop,nop,sok:df,id+,ecn:0", "Windows Server 2012 to 2016"},
		{"64240,8", "4:117:0:1460:64240,8:mss,nop,ws,nop,nop,sok:df,id+:0", "Windows 10 or 11 (Server 2019-2025)"},
		{"64240,8 over IPv6", "6:117:0:1440:64800,8:mss,nop,ws,nop,nop,sok:flow:0", "Windows 10 or 11 (Server 2019-2025)"},
		{"64240,8 with ECN", "4:117:0:1460:64240,8:mss,nop,ws,nop,nop,sok:df,id+,ecn:0", "Windows Server 2019 and newer"},
		{"any other window", "4:117:0:1460:63443,6:mss,nop,ws,nop,nop,sok:df,id+:0", "Windows"},
		{"Apple", "4:52:0:1460:65535,6:mss,nop,ws,nop,nop,ts,sok,eol+1:df:0", "macOS or iOS 10.14 or newer/iOS 14 or newer"},
		{"Apple over IPv6", "6:52:0:1440:65535,6:mss,nop,ws,nop,nop,ts,sok,eol+1:flow:0", "macOS or iOS 10.14 or newer/iOS 14 or newer"},
		{"Apple with ECN", "4:52:0:1460:65535,6:mss,nop,ws,nop,nop,ts,sok,eol+1:df,ecn:0", "macOS or iOS 10.14 or newer/iOS 14 or newer"},
		{"Apple with its ID", "4:52:0:1460:65535,5:mss,nop,ws,nop,nop,ts,sok,eol+1:df,id+:0", "macOS 10.9 to 10.12 (or iOS 7-10)"},
		{"FreeBSD", "4:52:0:1460:65535,6:mss,nop,ws,sok,ts:df:0", "FreeBSD 11 and newer"},
		{"carrier's proxy", "4:240:0:1360:4080,2:mss,nop,ws,sok,ts:df,id+:0", "Android or iOS (behind a carrier proxy)"},
		{"carrier's proxy, no timestamps", "4:240:0:1400:22400,9:mss,nop,ws,sok,eol+1:df,id+:0", "Windows (behind a carrier proxy)"},
		{"carrier's proxy, three segments", "4:240:0:1400:4200,4:mss,nop,ws,sok,eol+1:df,id+:0", "Android or iOS (behind a carrier proxy)"},
		{"carrier's proxy, an Apple's ID", "4:55:0:1460:65535,9:mss,nop,ws,sok,ts:id-:0", "macOS or iOS (behind a carrier proxy)"},
		{"no scaling", "4:64:0:1460:64240,0:mss,nop,nop,sok:df,id+:0", "Windows or Linux (without scaling)"},
		{"Linux 6.8 with no options", "4:64:0:1460:32120,0:mss:df,id+:0", "Linux 6.6 to 6.9 (or tuned)"},
		{"Windows 2000 with timestamps", "4:120:0:1460:65535,3:mss,nop,ws,nop,nop,ts,nop,nop,sok:df,id+:0", "Windows 2000 to Server 2003"},
		{"BIG-IP", "4:250:0:1320:4080,0:mss,nop,nop,ts,sok,eol+1:df,id+:0", "F5 BIG-IP"},
		{"gVisor", "4:60:0:1460:29184,7:mss,sok,ts,nop,ws::0", "gVisor"},
		{"illumos", "4:60:0:1460:65535,1:mss,sok,ts,nop,ws:df,id+:0", "Linux or Solaris"},
		{"FreeBSD 6", "4:60:0:1460:65535,1:mss,nop,ws,nop,nop,ts,sok,eol+1:df,id+:0", "macOS or FreeBSD (old)"},
		{"PlayStation 4", "4:60:0:1460:65535,6:mss,nop,ws,sok,ts:df,id+:0", "FreeBSD 9 or 10"},
		{"Nintendo 3DS", "4:60:0:1360:32768,0:mss,nop,nop,sok:df,id+:0", "Nintendo (3DS or Wii)"},
		{"a BSD without options", "4:60:0:1460:65535,0:mss:df:0", "macOS or FreeBSD (without options)"},
		{"a small stack", "4:250:0:1456:16000,0:mss::0", "embedded (only an MSS)"},
		{"Apple, all options overwritten", "4:60:0:1380:65535,0:mss" + strings.Repeat(",nop", 18) + ",eol+1:df,id+:0", "macOS or iOS"},
		{"nping", "4:64:0:0:1480,0:::0", "nping"},
		{"Linux 3.16", "4:52:0:1460:29200,7:mss,sok,ts,nop,ws:df,id+:0", "Linux 3.10 to 4.19"},
		{"Linux 6.8", "4:52:0:1460:32120,7:mss,sok,ts,nop,ws:df,id+:0", "Linux 6.6 to 6.9 (or tuned)"},
		{"Linux behind PPPoE", "4:52:0:1452:64240,7:mss,sok,ts,nop,ws:df,id+:0", "Linux 4.20 and newer"},
		{"Linux on AWS", "4:52:0:8961:62727,7:mss,sok,ts,nop,ws:df,id+:0", "Linux 4.20 and newer"},
		{"tuned Linux on jumbo frames", "4:52:0:8960:35840,9:mss,sok,ts,nop,ws:df,id+:0", "Linux 4.20 and newer (tuned)"},
		{"Android", "4:52:0:1400:65535,8:mss,sok,ts,nop,ws:df,id+:0", "Linux or Android"},
		{"timestamps overwritten", "4:52:0:1400:65535,8:mss,sok,nop,nop,nop,nop,nop,nop,nop,nop,nop,nop,nop,ws:df,id+:0", "Linux"},
		{"NMap scan", "4:50:0:1460:1024,0:mss::0", "NMap SYN scan"},
		{"masscan", "4:240:0:1460:1025,0:mss::0", "masscan"},
		{"zmap", "4:240:0:1460:65535,8:mss,nop,ws,nop,nop,sok::0", "zmap"},
		{"sendsyn", "4:180:0:1331:1337,5:mss,ws,sok,ts,nop,eol+3::0", "p0f sendsyn utility"},
		{"lwIP, its first packet", "4:250:0:1460:5840,0:mss:id-:0", "lwIP"},
		{"gVisor behind a tunnel", "4:60:0:1420:28288,7:mss,sok,ts,nop,ws::0", "gVisor"},
		{"smoltcp", "4:64:0:1460:4096,0:mss,ws,sok,eol+2:df:0", "smoltcp"},
		{"lwIP", "4:250:0:1436:5744,0:mss::0", "lwIP"},
		{"field case 19, Apple with Fast Open", "4:63:0:1460:65535,5:mss,nop,ws,nop,nop,ts,sok,?34:df:+", "macOS or iOS 10.13 or newer/iOS 11 or newer"},
		{"field case 19, scale 6", "4:63:0:1460:65535,6:mss,nop,ws,nop,nop,ts,sok,?34:df,ecn:+", "macOS or iOS 10.14 or newer/iOS 14 or newer"},
		{"field case 20, 4.4BSD without SACK", "4:60:0:1460:16384,0:mss,nop,ws,nop,nop,ts::0", "AIX or BSD (old)"},
		{"field case 20, with DF", "4:60:0:1460:65535,0:mss,nop,ws,nop,nop,ts:df,id+:0", "AIX or BSD (old)"},
		{"field case 21, a WAN optimiser's options", "4:121:0:1386:60984,8:mss,nop,ws,nop,nop,sok,?76,?76,nop,eol+0:df,id+:0", "Windows"},
		{"only an MSS and a TTL made up", "4:248:0:1440:65340,0:mss:df,id+:0", "proxy or firewall (only an MSS)"},
		{"Windows with timestamps behind a box", "4:60:0:1380:64860,8:mss,nop,ws,sok,ts:df,id+:0", "Windows (behind a carrier proxy)"},
		{"a proxy of many systems", "4:57:0:1460:65535,5:mss,nop,ws,sok,ts:df,id+:0", "Android or iOS or Windows (behind a proxy)"},
		{"nobody", "4:64:0:1460:12345,3:ts,mss,ws,eol+2:df,id+:0", "???"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			frame, err := frameOf(tt.sig)
			if err != nil {
				t.Fatal(err)
			}
			var s packet.Segment
			d := packet.Decoder{Link: packet.LinkEthernet}
			if err := d.Decode(frame, len(frame), &s); err != nil {
				t.Fatal(err)
			}
			m, got := db.Match(signature.Request, &s, 0), "???"
			if m.Sig != nil {
				got = m.Sig.Label.Title()
			}
			if got != tt.want {
				t.Errorf("%s = %q, want %q; the segment is %s", tt.sig, got, tt.want, signature.AppendRaw(nil, &s, m.Multiple))
			}
		})
	}
}

// TestLinks: field case 15, the links that p0f names and the database did not.
func TestLinks(t *testing.T) {
	db := database(t)
	for mtu, want := range map[int]string{
		1470: "Google", 1500: "Ethernet", 1240: "IPv6 tunnel in an IPv6 tunnel", 1490: "PPTP", 1496: "Ethernet with a VLAN tag",
		1656: "Ericsson modem", 552: "SLIP", 3924: "loopback", 256: "AX.25 packet radio", 1433: "",
		1426: "OpenVPN (AES-GCM)", 1403: "OpenVPN (AES-CBC SHA1/SHA256)", 1387: "OpenVPN (AES-CBC SHA256)", 1355: "OpenVPN (AES-CBC SHA512)",
		1411: "OpenVPN (BF-CBC SHA1)", 1409: "OpenVPN", 1440: "mobile or WireGuard",
	} {
		if got := db.LinkName(db.LinkID(mtu)); got != want {
			t.Errorf("MTU %d is %q, want %q", mtu, got, want)
		}
	}
}
