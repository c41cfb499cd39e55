package clienthello

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// TestLibrary counts how many of the recorded hellos get their library and a
// range that holds their release.
func TestLibrary(t *testing.T) {
	var right, wrong, unnamed, anyRelease int
	for _, r := range lab(t) {
		var h Hello
		if err := h.Parse(r.data); err != nil {
			t.Fatal(err)
		}
		l := h.Library()
		switch {
		case l.Name == "":
			unnamed++
			t.Logf("unnamed: %s", &r)
		case l.Name != r.Library || !within(r.Release, l.From, l.To):
			wrong++
			t.Errorf("%s: Library = %s (%s)", &r, l, h.JA4())
		default:
			right++
			if l.From == "" && l.To == "" {
				anyRelease++
			}
			if r.Settings == "" && l.Settings != "default" {
				t.Errorf("%s: works with the library's settings, Library says %q", &r, l.Settings)
			}
		}
	}
	t.Logf("%d right, of which %d without a release; %d wrong, %d unnamed", right, anyRelease, wrong, unnamed)
	if anyRelease*10 > right {
		t.Errorf("%d of %d without a release: want at most one tenth", anyRelease, right)
	}
	if total := right + wrong + unnamed; right*100 < total*95 || wrong*100 > total {
		t.Errorf("%d right, %d wrong of %d: want 95%% and at most 1%%", right, wrong, total)
	}
}

var number = regexp.MustCompile(`^[0-9]+|[a-z]$`)

// within reports whether a release lies between two, as far as these are
// given: 3.0.19 is 3.0, and 3.1.4 lies before 3.2.
func within(release, from, to string) bool {
	return (from == "" || compare(release, from) >= 0) && (to == "" || compare(release, to) <= 0)
}

// compare compares as many parts as the shorter one, b, has.
func compare(a, b string) int {
	as, bs := strings.Split(a, "."), strings.Split(b, ".")
	for i := range bs {
		if i == len(as) {
			return 0
		}
		x, _ := strconv.Atoi(number.FindString(as[i]))
		y, _ := strconv.Atoi(number.FindString(bs[i]))
		if x != y {
			return x - y
		}
	}
	return 0
}

// TestReleases says how narrow the rules are.
func TestReleases(t *testing.T) {
	for program, want := range map[string]string{
		"OpenSSL 1.0.1u, node 0.12.18":         "OpenSSL 1.0.1 or earlier",
		"OpenSSL 1.0.2r, node 6.17.1":          "OpenSSL 1.0.2",
		"OpenSSL 1.1.0j, pyOpenSSL":            "OpenSSL 1.1.0",
		"OpenSSL 1.1.1w, s_client":             "OpenSSL 1.1.1",
		"OpenSSL 1.1.1w, s_client -tls1_2":     "OpenSSL 1.1.1 to 3.4",
		"OpenSSL 3.0.19, s_client":             "OpenSSL 3.0 to 3.1",
		"OpenSSL 3.3.2, pyOpenSSL":             "OpenSSL 3.2 to 3.3",
		"OpenSSL 3.4.1, pyOpenSSL":             "OpenSSL 3.4",
		"OpenSSL 3.5.9, s_client":              "OpenSSL 3.5 to 3.6",
		"OpenSSL 3.5.9, s_client -tls1_2":      "OpenSSL 3.5 to 3.6",
		"OpenSSL 4.0.3, pyOpenSSL":             "OpenSSL 3.6 or later",
		"GnuTLS 3.7.9, gnutls-cli":             "GnuTLS 3.8.0 or earlier",
		"GnuTLS 3.8.9, gnutls-cli":             "GnuTLS 3.8.1 or later",
		"Go 1.21.0, crypto/tls":                "Go 1.21 to 1.22",
		"Go 1.22.0, crypto/tls":                "Go 1.22",
		"Go 1.23.0, crypto/tls":                "Go 1.23",
		"Go 1.24.0, crypto/tls":                "Go 1.24",
		"Go 1.25.0, crypto/tls":                "Go 1.25",
		"Go 1.26.0, crypto/tls":                "Go 1.26 or later",
		"JSSE 11.0.24, SSLSocketFactory":       "JSSE 16 or earlier",
		"JSSE 17.0.15, SSLSocketFactory":       "JSSE 12 or later",
		"rustls 0.21.12, defaults, r21":        "rustls 0.21 or earlier",
		"rustls 0.22.4, defaults, r22":         "rustls 0.22",
		"BoringSSL grpcio-1.85.1, gRPC":        "BoringSSL",
		"mbed TLS 2.28.3, ssl_config_defaults": "mbed TLS 2.17 to 3.5",
	} {
		var h Hello
		for _, r := range lab(t) {
			if r.String() == program {
				if err := h.Parse(r.data); err != nil {
					t.Fatal(err)
				}
			}
		}
		if got := h.Library().String(); got != want {
			t.Errorf("%s: Library = %q, want %q", program, got, want)
		}
	}
}

func ExampleHello_Library() {
	h := Hello{
		RecordVersion: 0x0301, Version: 0x0303, Compression: []byte{0},
		Ciphers:             []uint16{0x1302, 0x1303, 0x1301, 0xc02c, 0xc030, 0x009f, 0xcca9, 0xcca8, 0xccaa, 0xc02b, 0xc02f, 0x009e, 0xc024, 0xc028, 0x00ff},
		Extensions:          []uint16{0, 11, 10, 35, 22, 23, 13, 43, 45, 51},
		Versions:            []uint16{0x0304, 0x0303},
		Groups:              []uint16{0x1d, 0x17, 0x1e, 0x19, 0x18, 0x100, 0x101, 0x102, 0x103, 0x104},
		PointFormats:        []byte{0, 1, 2},
		SignatureAlgorithms: []uint16{0x0403, 0x0503, 0x0603, 0x0807, 0x0808, 0x0809, 0x080a, 0x080b, 0x0804, 0x0805, 0x0806, 0x0401},
	}
	fmt.Println(h.Library())
	// Output: OpenSSL 3.0 to 3.1
}

// recorded reports which of a family's releases the lab has hellos of. at is the
// place of a release: that of the last one in the list that is not newer.
func (f *family) recorded(t *testing.T) map[int]bool {
	places := make(map[int]bool)
	for _, r := range lab(t) {
		if r.Library == f.name {
			places[f.at(r.Release)] = true
		}
	}
	return places
}

func (f *family) at(release string) (i int) {
	for j, r := range f.releases {
		if compare(release, r) >= 0 {
			i = j
		}
	}
	return i
}

// TestMarks checks that each mark speaks of a release of its family, and that
// its bounds lie as far out as the recordings leave open, unless release notes
// date the change.
func TestMarks(t *testing.T) {
	for _, f := range families {
		seen := f.recorded(t)
		for i, m := range f.marks {
			from, to := slices.Index(f.releases, m.from), slices.Index(f.releases, m.to)
			if m.from != "" && from < 0 || m.to != "" && to < 0 {
				t.Errorf("%s, mark %d: releases %q to %q are not in its list", f.name, i, m.from, m.to)
			}
			if m.from == "" && m.to == "" {
				t.Errorf("%s, mark %d narrows nothing", f.name, i)
			}
			if m.notes == "" && (from > 0 && !seen[from-1] || m.to != "" && to+1 < len(f.releases) && !seen[to+1]) {
				t.Errorf("%s, mark %d: a release next to its bounds %q to %q was not recorded, and no notes say which it is", f.name, i, m.from, m.to)
			}
		}
	}
}

// without returns the family as it would be if one release had never been
// recorded: bounds that no release notes give move out to the next ones that
// were.
func (f family) without(i int, seen map[int]bool) family {
	g := f
	g.marks = slices.Clone(f.marks)
	for j := range g.marks {
		m := &g.marks[j]
		if m.notes != "" {
			continue
		}
		if m.from != "" && slices.Index(f.releases, m.from)-1 == i {
			from := i
			for from > 0 && !seen[from-1] {
				from--
			}
			m.from = f.releases[from]
		}
		if m.to != "" && slices.Index(f.releases, m.to)+1 == i {
			to := i
			for to+1 < len(f.releases) && !seen[to+1] {
				to++
			}
			m.to = f.releases[to]
		}
	}
	return g
}

// TestLeftOut leaves each release out of its family and asks what rules made
// from the others say of its hellos.
func TestLeftOut(t *testing.T) {
	var library, ranges, all int
	for _, f := range families {
		seen := f.recorded(t)
		for i := range seen {
			g := f.without(i, seen)
			for _, r := range lab(t) {
				if r.Library != f.name || f.at(r.Release) != i {
					continue
				}
				var h Hello
				if err := h.Parse(r.data); err != nil {
					t.Fatal(err)
				}
				all++
				if h.Library().Name == f.name {
					library++
				}
				if from, to := g.narrow(&h); within(r.Release, from, to) {
					ranges++
				} else {
					t.Logf("%s: %q to %q", &r, from, to)
				}
			}
		}
	}
	t.Logf("%d hellos of releases left out: library right %d, range right %d", all, library, ranges)
	if all < 200 || library*100 < all*95 || ranges*100 < all*95 {
		t.Errorf("library right for %d, range for %d of %d, want 95 %%", library, ranges, all)
	}
}
