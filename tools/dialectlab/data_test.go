package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/mxprint/mxprint/clienthello"
	"github.com/mxprint/mxprint/dialect"
	"github.com/mxprint/mxprint/internal/stream"
)

type label struct {
	File, Client, Server, Variant, TLS, Program, Release, Engine, System, Chain string
	Plain                                                                       []string
}

func labels(t *testing.T) map[string][]label {
	t.Helper()
	f, err := os.Open("data/labels.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	all := make(map[string][]label)
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var l label
		if err := json.Unmarshal(lines.Bytes(), &l); err != nil {
			t.Fatal(err)
		}
		all[l.File] = append(all[l.File], l)
	}
	return all
}

type hello struct {
	library  clienthello.Library
	ja4, ja3 string
}

// read reads each connection of a capture with package stream. Its results are
// keyed "client>server": a client port may come twice.
func read(t *testing.T, path string) (map[string]*stream.Session, map[string]hello) {
	t.Helper()
	sessions := make(map[string]*stream.Session)
	libraries := make(map[string]hello)
	if _, err := readConnections(path, func(key string, s *stream.Session, h *clienthello.Hello) {
		sessions[key] = s
		if h != nil {
			libraries[key] = hello{h.Library(), h.JA4(), h.JA3()}
		}
	}); err != nil {
		t.Fatal(err)
	}
	return sessions, libraries
}

// TestPlain says that what is read from a capture is what the server saw.
func TestPlain(t *testing.T) {
	compared, cut, differ := 0, 0, 0
	for file, list := range labels(t) {
		sessions, _ := read(t, filepath.Join("data", file))
		for _, l := range list {
			s := sessions[l.Client+">"+l.Server]
			if s == nil {
				t.Errorf("%s: %s was not read", file, l.Client)
				continue
			}
			if l.TLS != "" {
				continue
			}
			var got []string
			for i := range s.Events {
				if e := &s.Events[i]; e.Side == stream.Client && e.Kind != stream.End {
					got = append(got, withoutAck(describe(s, e)))
				}
			}
			var want []string
			for _, line := range l.Plain {
				want = append(want, withoutAck(line))
			}
			compared++
			if len(got) > len(want) && slices.Equal(got[:len(want)], want) {
				cut++ // the server had hung up
				continue
			}
			if !slices.Equal(got, want) {
				differ++
				t.Logf("%s %s (%s): got %q, want %q", file, l.Client, l.Variant, got, want)
			}
		}
	}
	t.Logf("%d connections without TLS, of which the server hung up first in %d", compared, cut)
	// A client that goes on before it has heard whether DATA was accepted leaves
	// open what its next bytes are: VMime with a recipient refused.
	if differ*500 > compared {
		t.Errorf("%d of %d differ, want 1 in 500 at most", differ, compared)
	}
	if compared < 100 {
		t.Errorf("%d connections compared, want 100", compared)
	}
}

// withoutAck leaves out what the kernel or zeroed bytes decide.
func withoutAck(line string) string {
	var words []string
	for _, w := range strings.Fields(line) {
		if strings.HasPrefix(w, "ack=") || strings.HasPrefix(w, "flags=") {
			continue
		}
		words = append(words, w)
	}
	return strings.Join(words, " ")
}

// TestIndependent compares the JA4 and JA3 of every hello, as package stream
// reads it from the capture, with those that huginn-net-tls and tshark compute of
// its bytes (scripts/lab-dialects -i writes them).
func TestIndependent(t *testing.T) {
	text, err := os.ReadFile("independent.tsv")
	if err != nil {
		t.Fatal(err)
	}
	others := make(map[string]string)
	for line := range strings.Lines(string(text)) {
		id, rest, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
		others[id] = rest
	}
	files, _ := filepath.Glob("data/*.pcap.gz")
	compared, seen := 0, make(map[string]bool)
	for _, file := range files {
		frames, err := readPcap(file)
		if err != nil {
			t.Fatal(err)
		}
		_, libraries := read(t, file)
		for key, raw := range rawHellos(frames) {
			id := helloID(raw)
			want, ok := others[id]
			got, read := libraries[key]
			if !ok || !read || got.ja4+"\t"+got.ja3 != want {
				t.Errorf("%s: %s (%s): JA4 and JA3 = %s %s (read: %v), others %q", file, key, id, got.ja4, got.ja3, read, want)
			}
			compared++
			seen[id] = true
		}
	}
	t.Logf("%d hellos, %d distinct", compared, len(seen))
	if compared < 1000 || len(seen) != len(others) {
		t.Errorf("%d hellos, %d distinct, compared with %d", compared, len(seen), len(others))
	}
}

// filled is a field of a header whose value is not blanked.
var filled = regexp.MustCompile(`(?mi)^(Subject|Received|Date|Message-ID|X-Mailer):[^x\r\n]`)

// TestPrivate says that no mail and no address is left in the captures.
func TestPrivate(t *testing.T) {
	files, _ := filepath.Glob("data/*.pcap.gz")
	if len(files) < 15 {
		t.Fatalf("%d captures, want 15", len(files))
	}
	for _, file := range files {
		frames, err := readPcap(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range frames {
			for _, secret := range []string{filled.FindString(string(f.payload)), "Another one", "AGF", "secret", "dXNlcg"} {
				if secret != "" && strings.Contains(string(f.payload), secret) {
					t.Fatalf("%s: %q in a packet of %v", file, secret, f.time)
				}
			}
		}
	}
}

// TestLibraries prints which TLS library each program's hello is said to be
// of; libraries.txt is what that was when a person looked at it last.
func TestLibraries(t *testing.T) {
	seen := make(map[string]bool)
	var lines []string
	for file, list := range labels(t) {
		_, libraries := read(t, filepath.Join("data", file))
		for _, l := range list {
			h, ok := libraries[l.Client+">"+l.Server]
			if !ok {
				continue
			}
			line := fmt.Sprintf("%s %s, %s: %s | %s | %s", l.Program, l.Release, l.System, h.library, h.library.Settings, h.ja4)
			if !seen[line] {
				seen[line] = true
				lines = append(lines, line)
			}
		}
	}
	slices.Sort(lines)
	got := strings.Join(lines, "\n") + "\n"
	want, err := os.ReadFile("libraries.txt")
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile("libraries.txt", []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if err != nil || got != string(want) {
		t.Errorf("libraries.txt differs (UPDATE=1 writes it): %v\n%s", err, got)
	}
}

// installed are the releases of the TLS libraries of the systems: Debian's
// packages, what pyenv's Pythons are linked with, and what else is shipped with
// a program.
var installed = map[string]map[string]string{
	"Debian 11": {"OpenSSL": "1.1.1", "GnuTLS": "3.7", "Go": "1.15"},
	"Debian 12": {"OpenSSL": "3.0", "GnuTLS": "3.7", "Go": "1.19", "BoringSSL": ""},
	"Debian 13": {"OpenSSL": "3.5", "GnuTLS": "3.8", "Go": "1.24", "BoringSSL": ""},
	"pyenv":     {"OpenSSL": "3.0"},
	"PyPI":      {"OpenSSL": "3.0"},
	"npm":       {"OpenSSL": "3.0"},
	"Maven":     {"JSSE": "17"},
	"crates.io": {"OpenSSL": "3.0", "rustls": "0.23"},
}

// linked names the library of the programs that do not use OpenSSL, and the
// release where it is not the system's.
var linked = map[string]string{
	"Exim": "GnuTLS", "Exim heavy": "GnuTLS", "Mutt": "GnuTLS", "NeoMutt": "GnuTLS", "msmtp": "GnuTLS", "nullmailer": "GnuTLS",
	"ssmtp": "GnuTLS", "mailutils": "GnuTLS", "gsasl": "GnuTLS", "smtpmail": "GnuTLS", "gnutls": "GnuTLS", "VMime": "GnuTLS", "LibEtPan": "GnuTLS",
	"postal": "GnuTLS", "Courier": "GnuTLS", "git send-email": "OpenSSL",
	"Alertmanager": "Go", "aerc": "Go", "chasquid": "Go",
	"Mono": "BoringSSL", "smtp-mail": "Haskell tls", "mail-send": "rustls", "lettre 0.10": "rustls 0.21",
	"twisted 20.3.0": "OpenSSL 1.1.1", "twisted 22.10.0": "OpenSSL 3.1", "twisted 24.11.0": "OpenSSL 3.4",
	"Nodemailer, Node 12.22.12": "OpenSSL 1.1.1", "Nodemailer, Node 16.20.2": "OpenSSL 1.1.1", "Nodemailer, Node 24.22.3": "OpenSSL 3.5",
}

// truth returns the library that a program is linked with, and its release; ""
// where the lab does not say.
func (l *label) truth() (name, release string) {
	if l.System == "go" || l.System == "Go" {
		return "Go", strings.TrimPrefix(l.Chain, "go")
	}
	what, ok := linked[l.Program+" "+l.Release]
	if !ok {
		if what, ok = linked[l.Program]; !ok {
			what = "OpenSSL"
			if l.System == "Maven" {
				what = "JSSE"
			}
		}
	}
	name, release, _ = strings.Cut(what, " ")
	if release == "" {
		release = installed[l.System][name]
	}
	return name, release
}

// within reports whether a release lies between two, as far as these are given,
// comparing as many numbers as the bound has.
func within(release, from, to string) bool {
	return release == "" || (from == "" || compare(release, from) >= 0) && (to == "" || compare(release, to) <= 0)
}

func compare(release, bound string) int {
	a, b := strings.Split(release, "."), strings.Split(bound, ".")
	for i := range min(len(a), len(b)) {
		x, _ := strconv.Atoi(a[i])
		y, _ := strconv.Atoi(b[i])
		if x != y {
			return x - y
		}
	}
	return 0
}

// TestRight counts hellos of programs that no rule was made from: the library
// must be the one the program is linked with, and its release in the range.
func TestRight(t *testing.T) {
	var right, wrong, unnamed int
	seen, programs := make(map[string]bool), make(map[string]bool)
	for file, list := range labels(t) {
		_, libraries := read(t, filepath.Join("data", file))
		for _, l := range list {
			h, ok := libraries[l.Client+">"+l.Server]
			if !ok {
				continue
			}
			name, release := l.truth()
			if name == "" {
				continue
			}
			if l.Engine == "Nmap" && h.library.Name == "" {
				continue // its probes are bytes of its own, of no library
			}
			got, again := h.library, seen[l.File+h.ja4]
			seen[l.File+h.ja4] = true
			switch {
			case got.Name == "":
				unnamed++
				if !again {
					t.Logf("unnamed: %s %s, %s: %s %s, %s", l.Program, l.Release, l.System, name, release, h.ja4)
				}
			case got.Name != name || !within(release, got.From, got.To):
				wrong++
				if !again {
					t.Errorf("%s %s, %s: %s, but it has %s %s (%s)", l.Program, l.Release, l.System, got, name, release, h.ja4)
				}
			default:
				right++
				programs[l.File] = true
			}
		}
	}
	all := right + wrong + unnamed
	t.Logf("%d right, %d wrong, %d unnamed; of %d programs", right, wrong, unnamed, len(programs))
	if right < 100 || right*100 < all*95 || wrong*100 > all {
		t.Errorf("%d right, %d wrong of %d: want 95 %% and at most 1 %%", right, wrong, all)
	}
}

// TestGiven: the recordings have the headers that the lab gave, in more than one form
// to each program, and no signature is made of them. The forms come about equally
// often, and none of them mostly with one behaviour of the server.
func TestGiven(t *testing.T) {
	forms := make(map[string]map[string]bool) // by program
	count, all := make(map[string]int), 0
	byVariant, most := make(map[string]map[string]int), make(map[string]int)
	for _, s := range sessions(t) {
		if !s.Given {
			continue
		}
		header := string(s.print.Get(dialect.Header))
		if forms[s.Program] == nil {
			forms[s.Program] = make(map[string]bool)
		}
		forms[s.Program][header] = true
		if s.header() != "" {
			t.Errorf("%s %s: the lab's header is taken for the program's", s.Program, s.Variant)
		}
		if header == "" { // the message did not come
			continue
		}
		if byVariant[s.Variant] == nil {
			byVariant[s.Variant] = make(map[string]int)
		}
		byVariant[s.Variant][header]++
		most[s.Variant] = max(most[s.Variant], byVariant[s.Variant][header])
		count[header]++
		all++
	}
	for program, of := range forms {
		if len(of) < 3 {
			t.Errorf("%s was given %d forms of a header, want 3", program, len(of))
		}
	}
	if len(forms) < 20 {
		t.Errorf("%d programs were given a header, want 20", len(forms))
	}
	t.Logf("%d sessions: %v", all, count)
	often := slices.Sorted(maps.Values(count))
	if n := often[max(0, len(often)-len(labHeaders))]; len(often) < len(labHeaders) || n*10 < all { // libESMTP adds a field to one
		t.Errorf("a form in %d of %d sessions, want a tenth", n, all)
	}
	for variant, of := range byVariant {
		n := 0
		for _, c := range of {
			n += c
		}
		t.Logf("%s: %v", variant, of)
		if n >= 30 && most[variant]*2 > n {
			t.Errorf("%s: one form in %d of %d sessions, want less than half", variant, most[variant], n)
		}
	}
}
