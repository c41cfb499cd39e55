package front_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/mxprint/mxprint/internal/front"
	"github.com/mxprint/mxprint/note"
)

func TestHeaderNames(t *testing.T) {
	for _, tt := range []struct {
		name, want string // want is empty for an error
	}{
		{"", "X-p0f-Result"},
		{"X-OS", "X-OS"},
		{"X-OS:", ""},
		{"Received", ""},
		{"received-spf", ""},
		{"CONTENT-TYPE", ""},
		{"To", ""},
		{"ToX", "ToX"},
		{"X OS", ""},
		{"X-OS\r\nBcc", ""},
		{"X-Größe", ""},
		{"X-\x7f", ""},
		{strings.Repeat("x", 76), strings.Repeat("x", 76)},
		{strings.Repeat("x", 77), ""},
	} {
		h, err := front.NewHeader(tt.name, nil)
		if (tt.want == "") != errors.Is(err, front.ErrHeader) || h.Name != tt.want {
			t.Errorf("NewHeader(%q) = %q, %v, want %q", tt.name, h.Name, err, tt.want)
		}
	}
}

func TestHeaderText(t *testing.T) {
	linux := note.Note{State: note.Matched, OSName: "Linux", Distance: note.Hops(3), TotalConn: 7}
	for _, tt := range []struct {
		name string
		n    note.Note
		form func(*note.Note) string
		want string
		err  bool
	}{
		{"default form", linux, nil, `os="Linux" link_type="" distance=3 total_conn=7 shared_ip=N`, false},
		{"v2 form", linux, front.V2Text, `Linux, (distance 3, link: unknown)`, false},
		{"unknown", note.Note{State: note.Unknown, TotalConn: 1}, nil,
			`os="unknown" link_type="" total_conn=1 shared_ip=N`, false},
		{"not seen", note.Note{State: note.NotSeen}, nil, "", false},
		{"unavailable", note.Note{}, nil, "", false},
		{"label of any bytes", note.Note{State: note.Matched, OSName: "A\r\nBcc: x\x00\xff\"\\"}, nil,
			`os="A??Bcc: x??'/" link_type="" total_conn=0 shared_ip=N`, false},
		{"line break", linux, func(*note.Note) string { return "a\r\nBcc: b" }, "", true},
		{"NUL", linux, func(*note.Note) string { return "a\x00b" }, "", true},
		{"not ASCII", linux, func(*note.Note) string { return "Größe" }, "", true},
		{"spaces around", linux, func(*note.Note) string { return " a\n" }, "a", false},
		{"as long as a line", linux, func(*note.Note) string { return strings.Repeat("x", 998-14) }, strings.Repeat("x", 998-14), false},
		{"longer", linux, func(*note.Note) string { return strings.Repeat("x", 998-13) }, "", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h, err := front.NewHeader("", tt.form)
			if err != nil {
				t.Fatal(err)
			}
			got, err := h.Text(&tt.n)
			if got != tt.want || errors.Is(err, front.ErrHeader) != tt.err {
				t.Errorf("Text(%+v) = %q, %v, want %q, error %v", tt.n, got, err, tt.want, tt.err)
			}
		})
	}
}

func TestAddrPort(t *testing.T) {
	for _, tt := range []struct{ addr, port, want string }{
		{"198.18.0.1", "25", "198.18.0.1:25"},
		{"2001:db8::1", "65535", "[2001:db8::1]:65535"},
		{"IPv6:2001:db8::1", "1", "[2001:db8::1]:1"},
		{"ipv6:2001:db8::1", "1", "[2001:db8::1]:1"},
		{"::ffff:198.18.0.1", "1", "198.18.0.1:1"},
		{"fe80::1%eth0", "1", "[fe80::1]:1"},
		{"198.18.0.1", "unknown", "198.18.0.1:0"},
		{"198.18.0.1", "", "198.18.0.1:0"},
		{"198.18.0.1", "65536", "198.18.0.1:0"},
		{"198.18.0.1", "-1", "198.18.0.1:0"},
		{"unknown", "1", "invalid AddrPort"},
		{"", "1", "invalid AddrPort"},
		{"0.0.0.0", "25", "invalid AddrPort"},
		{"IPv6:", "25", "invalid AddrPort"},
		{"IPv6:::", "25", "invalid AddrPort"},
		{"198.18.0.1/24", "1", "invalid AddrPort"},
	} {
		if got := front.AddrPort(tt.addr, tt.port).String(); got != tt.want {
			t.Errorf("AddrPort(%q, %q) = %v, want %v", tt.addr, tt.port, got, tt.want)
		}
	}
}

// TestFinding22Unspecified: no spelling of the unspecified address is one that
// can be asked about.
func TestFinding22Unspecified(t *testing.T) {
	for _, text := range []string{"::", "0.0.0.0", "::%0", "::%eth0", "::ffff:0.0.0.0", "IPv6:::", "IPv6:::%0", "IPv6:::ffff:0.0.0.0"} {
		if a, ok := front.Addr(text); ok {
			t.Errorf("Addr(%q) = %v, true", text, a)
		}
	}
	if a, ok := front.Addr("fe80::1%eth0"); !ok || a.String() != "fe80::1" {
		t.Errorf("Addr of a zone: %v, %v", a, ok)
	}
}
