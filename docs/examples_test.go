package docs

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"flag"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mxprint/mxprint/internal/test/parts"
	"github.com/mxprint/mxprint/note"
	"github.com/mxprint/mxprint/p0f"
	"github.com/mxprint/mxprint/query"
	"github.com/mxprint/mxprint/signature"
)

// shared is the program whose output the pages show, built once.
func shared(t *testing.T) string {
	t.Helper()
	building.Do(func() {
		dir, err := os.MkdirTemp("", "mxprint-docs")
		if err != nil {
			t.Fatal(err)
		}
		built = program(t, dir)
	})
	if built == "" {
		t.Fatal("the program does not build")
	}
	return built
}

var (
	building sync.Once
	built    string
)

// TestMain removes what shared built.
func TestMain(m *testing.M) {
	status := m.Run()
	if built != "" {
		os.RemoveAll(filepath.Dir(built))
	}
	os.Exit(status)
}

func program(t *testing.T, dir string) string {
	t.Helper()
	path, err := parts.Program(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// TestDemoInReadme wants each replayed sender of README's example in what the
// demo prints. The live ones depend on the machine's kernel.
func TestDemoInReadme(t *testing.T) {
	out, err := exec.Command(shared(t), "demo").Output()
	if err != nil {
		t.Fatalf("mxprint demo: %v", err)
	}
	readme := read(t, "../README.md")
	_, example, ok := strings.Cut(readme, "```\n$ make demo\n")
	example, _, closed := strings.Cut(example, "...\n")
	if !ok || !closed {
		t.Fatal("README.md has no example of make demo")
	}
	senders := strings.Split(strings.TrimSpace(example), "\n\n")
	if len(senders) < 3 {
		t.Errorf("%d senders in the example, want more", len(senders))
	}
	for _, sender := range senders {
		if !strings.Contains(string(out), sender+"\n") {
			t.Errorf("README.md shows what mxprint demo does not print:\n%s", sender)
		}
	}
}

var update = flag.Bool("update", false, "write what the program prints into the examples of the pages")

// shownOf finds figures of the built-in database in a page.
var shownOf = regexp.MustCompile(`(?m)^(?:signatures +(\d+)(?: \(built in\).*)?|(?:ok: )?(\d+) signatures|\[\+\] Loaded (\d+) signatures from the built-in database\.)$`)

// otherFigures are numbers of signatures in a sentence that are not of the
// built-in database: bounds, and what a measurement had.
var otherFigures = []string{"20,000 signatures", "5,000 signatures"}

// TestF18Figures: where a page shows how many signatures are built in, and of which
// version a program is, it shows those of today.
func TestF18Figures(t *testing.T) {
	want := strconv.Itoa(signature.Builtin().Count())
	anywhere := regexp.MustCompile(`\b[0-9][0-9,]* (?:built-in )?signatures\b`)
	found := 0
	for _, path := range documents(t) {
		text := read(t, path)
		for _, m := range shownOf.FindAllStringSubmatch(text, -1) {
			found++
			if got := m[1] + m[2] + m[3]; got != want {
				t.Errorf("%s shows %q, and there are %s built-in signatures", path, m[0], want)
			}
		}
		for _, phrase := range anywhere.FindAllString(text, -1) {
			if n, _, _ := strings.Cut(phrase, " "); n != want && !slices.Contains(otherFigures, phrase) {
				t.Errorf("%s has %q, and there are %s built-in signatures (another figure belongs into otherFigures)", path, phrase, want)
			}
		}
	}
	if found < 5 {
		t.Errorf("%d places found, want more", found)
	}
	out, err := exec.Command(shared(t), "version").Output()
	if err != nil {
		t.Fatal(err)
	}
	version, _, _ := strings.Cut(string(out), ",")
	version, _, _ = strings.Cut(version, " (") // a commit
	shown := regexp.MustCompile(`mxprint[ _](\d+\.\d+\.\d+)`)
	found = 0
	for _, path := range documents(t) {
		for _, m := range shown.FindAllStringSubmatch(read(t, path), -1) {
			found++
			if "mxprint "+m[1] != version {
				t.Errorf("%s has %q, and the program is %s", path, m[0], version)
			}
		}
	}
	if found < 3 {
		t.Errorf("%d versions found, want more", found)
	}
}

// example is a command of a page and the output below it.
type example struct {
	page, line string                                      // the line begins so
	varies     string                                      // lines that depend on machine or day begin so
	config     string                                      // of check
	run        func(t *testing.T, dir, line string) []byte // nil: the line is run, in a folder with the samples
}

var examples = []example{
	{page: "signatures.md", line: "mxprint explain -n 1 4:57+7:"},
	{page: "signatures.md", line: "mxprint signatures check local.fp"},
	{page: "signatures.md", line: "mxprint signatures test mail.pcap"},
	{page: "signatures.md", line: "mxprint signatures unknown mail.pcap", varies: "date "},
	{page: "balancer.md", line: "mxprint decode 45"},
	{page: "configuration.md", line: "mxprint check", config: "\n", varies: "interfaces"},
	{page: "sockops.md", line: "mxprint check", config: "[sensor]\nsource = \"sockops\"\n", varies: "cgroup"},
	{page: "json.md", line: "mxprint read -json mail.pcap"},
	{page: "json.md", line: "mxprint query -s /run/p0f/p0f.sock -json 198.18.0.1", run: askP0f},
	{page: "replacing-p0f.md", line: "mxprint query -s /run/p0f/p0f.sock 198.18.0.1", run: askP0f},
	{page: "query.md", line: "printf '203.0.113.9 39435", run: askQuery},
}

// samples are the files that examples name. local.fp has the faults that the
// page shows.
func samples(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	linux := "4500003C395D400040060000000000000000000000000000386DF3A9" + "00000000A002FAF0" + "00000000020405B40402080A00000001000000000103030A"
	var b []byte
	for _, v := range []uint32{0xa1b2c3d4, 2 | 4<<16, 0, 0, 65535, 101} { // raw IP
		b = binary.NativeEndian.AppendUint32(b, v)
	}
	for i, from := range []string{"198.18.0.1:41688", "198.18.0.7:41690"} {
		syn, err := hex.DecodeString(linux)
		if err != nil {
			t.Fatal(err)
		}
		ap := netip.MustParseAddrPort(from)
		copy(syn[12:], ap.Addr().AsSlice())
		copy(syn[16:], []byte{198, 18, 0, 2})
		binary.BigEndian.PutUint16(syn[20:], ap.Port())
		binary.BigEndian.PutUint16(syn[22:], 25)
		if i == 1 { // what no signature has: sok first, from 7 hops away
			syn[8] = 57
			binary.BigEndian.PutUint16(syn[34:], 5000)
			copy(syn[40:], "\x04\x02\x02\x04\x05\xb4\x08\x0a\x00\x00\x00\x01\x00\x00\x00\x00\x01\x03\x03\x07")
		}
		at := time.Date(2026, 11, 23, 10, 49, 27+i, 0, time.UTC)
		for _, v := range []uint32{uint32(at.Unix()), 415980, uint32(len(syn)), uint32(len(syn))} {
			b = binary.NativeEndian.AppendUint32(b, v)
		}
		b = append(b, syn...)
	}
	for name, text := range map[string]string{
		"mail.pcap": string(b),
		"local.fp": "classes = unix\n[tcp:request]\nlabel = s:unix:One:\nsig = *:64:0:*:1..9,*:mss,sock::0\n" +
			"label = s:unix:Two:\n; all windows up to 20\nsig = *:64:0:*:1..20,*:mss::0\nlabel = s:unix:Three:\nsig = *:64:0:*:1..9,*:mss::0\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// linuxNote is a note that examples show.
type linuxNote struct{ byConnection bool }

func (l linuxNote) Lookup(context.Context, note.Query) (note.Note, error) {
	at := time.Date(2026, 11, 23, 11, 27, 9, 0, time.UTC)
	n := note.Note{State: note.Matched, OSName: "Linux", OSFlavor: "6.16 and newer (or tuned)", LinkType: "Ethernet", MTU: 1500,
		Distance: note.Hops(0), TotalConn: 1, FirstSeen: at, LastSeen: at}
	if l.byConnection {
		n.Distance, n.TotalConn, n.ByConnection = note.Hops(9), 2, true
	}
	return n, nil
}

// askP0f runs the command with a socket of p0f's protocol.
func askP0f(t *testing.T, dir, line string) []byte {
	socket := filepath.Join(dir, "p0f.sock")
	ln, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	go (&p0f.Server{Lookuper: linuxNote{}}).Serve(t.Context(), ln)
	return runIn(t, dir, strings.ReplaceAll(line, "/run/p0f/p0f.sock", socket))
}

// askQuery writes to the query socket what the command does.
func askQuery(t *testing.T, dir, _ string) []byte {
	ln, err := net.Listen("unix", filepath.Join(dir, "query.sock"))
	if err != nil {
		t.Fatal(err)
	}
	go (&query.Server{Lookuper: linuxNote{true}}).Serve(t.Context(), ln)
	nc, err := net.Dial("unix", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	nc.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := nc.Write([]byte("203.0.113.9 39435\n")); err != nil {
		t.Fatal(err)
	}
	nc.(*net.UnixConn).CloseWrite()
	out, err := io.ReadAll(nc)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// runIn runs a command of ours and returns what it prints. Exit status 1 is
// that of what the pages show.
func runIn(t *testing.T, dir, line string) []byte {
	t.Helper()
	cmd := exec.Command(shared(t), strings.Fields(line)[1:]...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "TZ=UTC")
	out, err := cmd.Output()
	if exit := (*exec.ExitError)(nil); err != nil && (!errors.As(err, &exit) || exit.ExitCode() != 1) {
		t.Fatalf("%s: %v", line, err)
	}
	return out
}

// TestF18Examples: an example of a page is what the program prints. With -update it
// is written into the page.
func TestF18Examples(t *testing.T) {
	for _, e := range examples {
		t.Run(e.page, func(t *testing.T) {
			text := read(t, e.page)
			begin, line, shown := transcript(t, text, e.line)
			dir := samples(t)
			var out []byte
			switch {
			case e.config != "":
				config := filepath.Join(dir, "mxprint.toml")
				if err := os.WriteFile(config, []byte(e.config), 0o600); err != nil {
					t.Fatal(err)
				}
				out = bytes.ReplaceAll(runIn(t, dir, "mxprint check -config "+config), []byte(config), []byte("/etc/mxprint.toml"))
			case e.run != nil:
				out = e.run(t, dir, line)
			default:
				out = runIn(t, dir, line)
			}
			got := asShown(string(out), shown, e.varies)
			if *update {
				text = text[:begin] + got + text[begin+len(shown):]
				if err := os.WriteFile(e.page, []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			} else if got != shown {
				t.Errorf("%s prints\n%s\nand %s shows\n%s\n(go test ./docs -update writes it)", line, got, e.page, shown)
			}
		})
	}
}

// transcript finds "$ line" in a page and the output below it, which begins at
// byte begin and ends with the block.
func transcript(t *testing.T, page, line string) (begin int, command, output string) {
	t.Helper()
	m := regexp.MustCompile(`(?m)^( *)\$ (` + regexp.QuoteMeta(line) + `.*)\n`).FindStringSubmatchIndex(page)
	if m == nil {
		t.Fatalf("the page has no $ %s", line)
	}
	indent := page[m[2]:m[3]]
	for l := range strings.Lines(page[m[1]:]) {
		if l == "```\n" || l == "\n" && indent != "" || !strings.HasPrefix(l, indent) {
			break
		}
		output += l
	}
	return m[1], page[m[4]:m[5]], output
}

// asShown is output in the indentation of the one that a page shows, whose lines
// with that beginning stand for those of this machine.
func asShown(output, shown, begin string) string {
	indent := shown[:len(shown)-len(strings.TrimLeft(shown, " "))]
	var b strings.Builder
	for line := range strings.Lines(output) {
		line = indent + line
		for l := range strings.Lines(shown) {
			if begin != "" && strings.HasPrefix(l, indent+begin) && strings.HasPrefix(line, indent+begin) {
				line = l
			}
		}
		b.WriteString(line)
	}
	return b.String()
}
