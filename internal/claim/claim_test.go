package claim

import (
	"context"
	"net/netip"
	"os"
	"strings"
	"testing"

	"github.com/mxprint/mxprint/note"
)

// of is a note by connection of a system.
func of(system string) *note.Note {
	return &note.Note{State: note.Matched, OSName: system, ByConnection: true}
}

func spoken(system, program string) *note.Note {
	n := of(system)
	n.Software = &note.Software{State: note.Matched, Name: program}
	return n
}

func link(name string) *note.Note {
	n := of("Linux")
	n.LinkType = name
	return n
}

const pythonID = "<173278081234.4711.12345678901234567890@client.example.org>"

// cases has for each contradiction a mail that has it, and honest ones that come
// close.
var cases = []struct {
	name string
	note *note.Note
	mail Mail
	want string // IDs
}{
	{"Outlook on Linux", of("Linux"), Mail{Claims: note.Claims{HeadersKnown: true, Mailer: "Microsoft Outlook 16.0"}}, MailerSystem},
	{"Outlook on Windows", of("Windows"), Mail{Claims: note.Claims{HeadersKnown: true, Mailer: "Microsoft Outlook 16.0"}}, ""},
	{"Outlook through a relay", of("Linux"), Mail{Claims: note.Claims{HeadersKnown: true, Mailer: "Microsoft Outlook 16.0", Received: "from pc"}}, ""},
	{"Outlook, and a SYN that may be Windows'", &note.Note{State: note.Matched, OSName: "Android or iOS or Windows", ByConnection: true}, Mail{Claims: note.Claims{HeadersKnown: true, Mailer: "Microsoft Outlook 16.0"}}, ""},
	{"Outlook through a firewall's proxy", of("proxy or firewall"), Mail{Claims: note.Claims{HeadersKnown: true, Mailer: "Microsoft Outlook 16.0"}}, ""},
	{"Outlook, by the address alone", &note.Note{State: note.Matched, OSName: "Linux"}, Mail{Claims: note.Claims{HeadersKnown: true, Mailer: "Microsoft Outlook 16.0"}}, ""},
	{"Outlook for the Mac", of("macOS"), Mail{Claims: note.Claims{HeadersKnown: true, Mailer: "Microsoft-MacOutlook/16.9"}}, ""},
	{"Thunderbird anywhere", of("FreeBSD"), Mail{Claims: note.Claims{HeadersKnown: true, Mailer: "Mozilla Thunderbird"}}, ""},
	{"an iPhone from Windows", of("Windows"), Mail{Claims: note.Claims{HeadersKnown: true, Mailer: "iPhone Mail (21A329)"}}, MailerSystem},

	{"Outlook by Python", spoken("Windows", "Python smtplib"), Mail{Claims: note.Claims{HeadersKnown: true, Mailer: "Microsoft Outlook 16.0"}}, MailerSoftware},
	{"a script that says so", spoken("Linux", "Python smtplib"), Mail{Claims: note.Claims{HeadersKnown: true, Mailer: "newsletter.py"}}, ""},
	{"Outlook by one of two", &note.Note{Software: &note.Software{State: note.Matched, Name: "Python smtplib", Others: []string{"Outlook"}}}, Mail{Claims: note.Claims{HeadersKnown: true, Mailer: "Microsoft Outlook 16.0"}}, ""},

	{"Python's Message-ID of Outlook", of("Windows"), Mail{Claims: note.Claims{HeadersKnown: true, Mailer: "Microsoft Outlook 16.0", MessageID: pythonID}}, MessageIDMailer},
	{"Python's Message-ID of a script", of("Windows"), Mail{Claims: note.Claims{HeadersKnown: true, MessageID: pythonID}}, ""},
	{"Outlook's Message-ID", of("Windows"), Mail{Claims: note.Claims{HeadersKnown: true, Mailer: "Microsoft Outlook 16.0", MessageID: "<001a01d9$0c1f2a40$245d7ec0$@example.org>"}}, ""},

	{"Microsoft's name on Linux", of("Linux"), Mail{Claims: note.Claims{Name: "mail-a.outbound.protection.outlook.com", NameKnown: true}}, NameSystem},
	{"Microsoft's name on Windows", of("Windows"), Mail{Claims: note.Claims{Name: "mail-a.outbound.protection.outlook.com", NameKnown: true}}, ""},
	{"a name that ends alike", of("Linux"), Mail{Claims: note.Claims{Name: "mail.notoutlook.com", NameKnown: true}}, ""},

	{"HELO of Microsoft", of("Linux"), Mail{HELO: "mail-a.outlook.com", Claims: note.Claims{Name: "vps.example.net", NameKnown: true}}, NameNotVerified},
	{"HELO of Microsoft, and no look-up", of("Linux"), Mail{HELO: "mail-a.outlook.com"}, ""},
	{"HELO and name of Microsoft", of("Windows"), Mail{HELO: "mail-a.outlook.com", Claims: note.Claims{Name: "mail-b.outlook.com", NameKnown: true}}, ""},

	{"Postfix on Windows", spoken("Windows", "Postfix"), Mail{HELO: "mx.example.org"}, SoftwareSystem},
	{"Postfix on FreeBSD", spoken("FreeBSD", "Postfix"), Mail{HELO: "mx.example.org"}, ""},
	{"Sendmail on Windows", spoken("Windows", "Sendmail"), Mail{HELO: "mx.example.org"}, ""},

	{"Postfix that is localhost", spoken("Linux", "Postfix"), Mail{HELO: "localhost.localdomain"}, ServerHelo},
	{"Exim with a bare name", spoken("Linux", "Exim"), Mail{HELO: "qzxwv"}, ServerHelo},
	{"Postfix with a literal", spoken("Linux", "Postfix"), Mail{HELO: "[192.0.2.1]", Client: "192.0.2.1"}, ""},
	{"Python with a bare name", spoken("Linux", "Python smtplib"), Mail{HELO: "pc"}, ""},

	{"a desktop at an access network", of("Windows"), Mail{Client: "192.0.2.77", Claims: note.Claims{Name: "77-2-0-192.dsl.example.net", NameKnown: true, HeadersKnown: true}}, DynamicDesktop},
	{"an exchanger at an access network that relays", of("Windows"), Mail{Client: "192.0.2.77", Claims: note.Claims{Name: "77-2-0-192.dsl.example.net", NameKnown: true, HeadersKnown: true, Received: "from pc"}}, ""},
	{"a server at an access network", of("Linux"), Mail{Client: "192.0.2.77", Claims: note.Claims{Name: "77-2-0-192.dsl.example.net", NameKnown: true, HeadersKnown: true}}, ""},
	{"Exchange with a name of its own", of("Windows"), Mail{Client: "192.0.2.77", Claims: note.Claims{Name: "mx1.example.org", NameKnown: true, HeadersKnown: true}}, ""},

	{"an exchanger on a phone", link("mobile or WireGuard"), Mail{HELO: "mx1.example.org"}, MobileExchanger},
	{"an exchanger behind OpenVPN", link("OpenVPN"), Mail{HELO: "mail.example.org"}, MobileExchanger},
	{"an exchanger in a cloud", link("Google Cloud or VPN"), Mail{HELO: "mail.example.org"}, ""},
	{"an exchanger on DSL", link("DSL or PPPoE"), Mail{HELO: "mail.example.org"}, ""},
	{"a phone", link("mobile or WireGuard"), Mail{HELO: "[192.168.1.4]", Client: "192.0.2.1"}, ""},

	{"HELO of another address", of("Linux"), Mail{HELO: "[198.51.100.9]", Client: "192.0.2.1"}, HeloOwnerAddress},
	{"HELO of the server's address, bare", of("Linux"), Mail{HELO: "198.51.100.9", Client: "192.0.2.1"}, HeloOwnerAddress},
	{"HELO of an address behind NAT", of("Linux"), Mail{HELO: "[10.0.0.5]", Client: "192.0.2.1"}, ""},
	{"HELO of its own address", of("Linux"), Mail{HELO: "[IPv6:2001:db8::1]", Client: "2001:db8::1"}, ""},
}

func TestCheck(t *testing.T) {
	table := Builtin()
	for _, tt := range cases {
		f := table.Check(tt.note, &tt.mail)
		var ids []string
		for _, x := range f.List {
			ids = append(ids, x.ID)
			if x.Words == "" || x.Evidence == "" || len(x.Fields) == 0 {
				t.Errorf("%s: %+v is not complete", tt.name, x)
			}
		}
		if got := strings.Join(ids, " "); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

// TestKinds: each contradiction there may be is one of the cases, and on its page
// with an example and an honest exception.
func TestKinds(t *testing.T) {
	page, err := os.ReadFile("../../docs/contradictions.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range Kinds() {
		found := false
		for _, tt := range cases {
			found = found || tt.want == k.ID
		}
		if !found {
			t.Errorf("no case finds %s", k.ID)
		}
		_, section, ok := strings.Cut(string(page), "## `"+k.ID+"`")
		section, _, _ = strings.Cut(section, "\n## ")
		if !ok || !strings.Contains(section, "Example") || !strings.Contains(section, "Honest") {
			t.Errorf("contradictions.md does not explain %s with an example and honest mail that has it", k.ID)
		}
	}
}

// TestMayBe: where the SYN could be that of a box, or another machine's, a
// finding that rests on it says so.
func TestMayBe(t *testing.T) {
	mail := Mail{Claims: note.Claims{HeadersKnown: true, NameKnown: true, Mailer: "Microsoft Outlook 16.0"}}
	n := of("Linux")
	if f := Builtin().Check(n, &mail); len(f.List) != 1 || f.List[0].MayBe || f.State != note.Complete {
		t.Errorf("%+v, want one that is sure, and all known", f)
	}
	n.Rewrite = note.RewriteTTL
	if f := Builtin().Check(n, &mail); len(f.List) != 1 || !f.List[0].MayBe {
		t.Errorf("%+v, want one that may be", f)
	}
}

// TestHostile: what a mail says is short and printable in evidence.
func TestHostile(t *testing.T) {
	mail := Mail{HELO: "x\r\ny\"" + strings.Repeat("z", 500), Claims: note.Claims{HeadersKnown: true, Mailer: "Microsoft Outlook\r\nX: y\x00\"" + strings.Repeat("x", 5000)}}
	for _, x := range Builtin().Check(spoken("Linux", "Postfix"), &mail).List {
		if len(x.Evidence) > 120 || strings.ContainsFunc(x.Evidence, func(c rune) bool { return c < ' ' || c > '~' || c == '"' }) {
			t.Errorf("evidence %q", x.Evidence)
		}
	}
}

func TestParse(t *testing.T) {
	for text, want := range map[string]string{
		"[[mailer]]\nname = \"x\"":   "want a name, a source and a date",
		"[[sender]]\ndomain = \"x\"": "want a name, a source and a date",
		"[[program]]\nname = \"x\"":  "want a name, a source and a date",
		"[[mailer]]\nnam = \"x\"":    "unknown key mailer.nam",
		"[[mailer":                   "claim: toml",
	} {
		if _, err := Parse(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Parse(%q) = %v, want %q", text, err, want)
		}
	}
}

func BenchmarkCheck(b *testing.B) {
	t, n := Builtin(), spoken("Linux", "Postfix")
	m := &Mail{Client: "192.0.2.77", HELO: "mx.example.org", Claims: note.Claims{Name: "mx.example.org", NameKnown: true, HeadersKnown: true, Mailer: "x"}}
	b.ReportAllocs()
	for b.Loop() {
		t.Check(n, m)
	}
}

// sensor answers every question with one note.
type sensor struct{ note *note.Note }

func (s sensor) Lookup(context.Context, note.Query) (note.Note, error) { return *s.note, nil }

// TestLookupAllocates: most questions have no claims, and a note that is allocated for
// each keeps the garbage collector busy.
func TestLookupAllocates(t *testing.T) {
	l := Builtin().Lookuper(sensor{of("Linux")})
	q := note.Query{Client: netip.MustParseAddrPort("192.0.2.1:1024")}
	if n := testing.AllocsPerRun(100, func() {
		if got, err := l.Lookup(t.Context(), q); err != nil || got.Contradictions != nil {
			t.Errorf("without claims: %v, %v", got.Contradictions, err)
		}
	}); n > 0 {
		t.Errorf("%v allocations, want 0", n)
	}
	q.Claims = &note.Claims{HeadersKnown: true, Mailer: "Microsoft Outlook 16.0"}
	got, err := l.Lookup(t.Context(), q)
	if err != nil || got.Contradictions == nil || len(got.Contradictions.List) == 0 {
		t.Errorf("Outlook on Linux: %v, %v", got.Contradictions, err)
	}
}
