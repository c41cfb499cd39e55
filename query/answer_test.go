package query

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/mxprint/mxprint/note"
)

var full = note.Note{
	State: note.Matched, OSName: "Linux", OSFlavor: "5.19 and newer", Quality: note.Fuzzy,
	LinkType: "Ethernet or modem", Distance: note.Hops(9), TotalConn: 2, UptimeMin: 61, UpModDays: 497,
	FirstSeen: time.Unix(1700000000, 0).UTC(), LastSeen: time.Unix(1700000100, 0).UTC(),
	ByConnection: true, RawSig: "4:55+9:0:1460:mss*44,7:mss,sok,ts,nop,ws:df,id+:0",
}

var (
	byTLS   = note.Note{State: note.NotSeen, TotalConn: 1, TLS: &note.TLS{State: note.Complete, Library: "Go", Release: "1.24 or later", Version: "1.3"}}
	notSeen = note.Note{State: note.NotSeen}
	unnamed = note.Note{State: note.Unknown, Distance: note.Hops(3), TotalConn: 1, RawSig: "4:61+3:0:1460:mss*9,7:mss::0"}
)

// TestAppendAnswer: the table of docs/query.md.
func TestAppendAnswer(t *testing.T) {
	for _, tt := range []struct {
		name string
		form form
		n    note.Note
		want string
	}{
		{"text", formText, full, `os="Linux 5.19 and newer" link_type="Ethernet or modem" distance=9 total_conn=2 shared_ip=N`},
		{"text, no name", formText, unnamed, `os="unknown" link_type="" distance=3 total_conn=1 shared_ip=N`},
		{"text, in doubt", formText, note.Note{State: note.Matched, OSName: "Linux", Quality: note.Generic, Distance: note.Hops(0), Others: []string{"Android"}, Rewrite: note.RewriteTTL, TotalConn: 1},
			`os="Linux" link_type="" distance=0 total_conn=1 shared_ip=N or="Android" rewritten="ttl"`},
		{"text, not seen", formText, notSeen, "not seen"},
		{"text, no sensor", formText, note.Note{}, "unavailable"},
		{"v2", formV2, full, "Linux 5.19 and newer (up: 1 hrs), (distance 9, link: Ethernet or modem)"},
		{"v2, a random clock", formV2, note.Note{State: note.Matched, OSName: "Linux", UptimeMin: 64315, UpModDays: 49, Clock: note.ClockRandom},
			"Linux, (distance 0, link: unknown)"},
		{"json, in doubt", formJSON, note.Note{State: note.Matched, OSName: "Linux", Others: []string{"Android", "ChromeOS"}, Rewrite: note.RewriteOptions, UpModDays: 49, Clock: note.ClockRandom},
			`{"state":"matched","os_name":"Linux","quality":"exact","os_match_q":0,"os_or":["Android","ChromeOS"],"rewritten":["options"],"total_conn":0,"uptime_min":0,"up_mod_days":49,"uptime_reliable":false,"bad_sw":0}`},
		{"full", formFull, full, `os="Linux 5.19 and newer" os_quality=fuzzy link="Ethernet or modem" distance=9 by_connection=Y`},
		{"full, not seen", formFull, notSeen, "not seen"},
		{"full, by TLS alone", formFull, byTLS, `tls="Go 1.24 or later" tls_version=1.3`},
		{"full, no sensor", formFull, note.Note{}, "unavailable"},
		{"text, by TLS alone", formText, byTLS, "not seen"},
		{"json, by TLS alone", formJSON, byTLS, `{"state":"not seen","os_match_q":0,"total_conn":0,"bad_sw":0,"tls":{"state":"complete","library":"Go","release":"1.24 or later","version":"1.3"}}`},
		{"v2, no name", formV2, unnamed, "UNKNOWN [4:61+3:0:1460:mss*9,7:mss::0], (distance 3, link: unknown)"},
		{"v2, not seen", formV2, notSeen, "not seen"},
		{"v2, no sensor", formV2, note.Note{}, "unavailable"},
		{"json, not seen", formJSON, notSeen, `{"state":"not seen","os_match_q":0,"total_conn":0,"bad_sw":0}`},
		{"json, no sensor", formJSON, note.Note{}, `{"state":"unavailable","os_match_q":0,"total_conn":0,"bad_sw":0}`},
		{"v2, a label of bytes", formV2, note.Note{State: note.Matched, OSName: "A\nB\r", LinkType: "\x00", RawSig: "\n"},
			"A?B?, (distance 0, link: ?)"},
		{"v2, a signature of bytes", formV2, note.Note{State: note.Unknown, RawSig: "a\nb"},
			"UNKNOWN [a?b], (distance 0, link: unknown)"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := string(appendAnswer(nil, tt.form, &tt.n)); got != tt.want+"\n" {
				t.Errorf("appendAnswer(%+v) = %q, want %q", tt.n, got, tt.want)
			}
		})
	}
}

// TestJSONAnswer: the object survives the way, whatever the labels are.
func TestJSONAnswer(t *testing.T) {
	exotic := full
	exotic.OSName, exotic.Language = "Schnäpse 🐧 \"\\ \x7f", "\u2028\n\t"
	for _, n := range []note.Note{full, unnamed, notSeen, exotic} {
		line := appendAnswer(nil, formJSON, &n)
		for _, c := range line[:len(line)-1] {
			if c < ' ' || c > '~' {
				t.Errorf("byte %#02x in %q", c, line)
			}
		}
		a, err := readAnswer(bufio.NewReader(bytes.NewReader(line)))
		if err != nil || a.Err != nil || !reflect.DeepEqual(a.Note, n) {
			t.Errorf("%q reads as %+v, %v, %v, want %+v", line, a.Note, a.Err, err, n)
		}
	}
	// A year that JSON cannot say is no reason to say nothing.
	odd := full
	odd.LastSeen = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)
	if got := string(appendAnswer(nil, formJSON, &odd)); got != `{"state":"unavailable"}`+"\n" {
		t.Errorf("a note that cannot be written: %q", got)
	}
}

func TestReadAnswer(t *testing.T) {
	for _, tt := range []struct {
		name, line string
		refusal    error
		err        error
	}{
		{"refused", "error: no address\n", ErrRefused, nil},
		{"unavailable", `{"state":"unavailable"}` + "\n", ErrUnavailable, nil},
		{"text", "os=\"Linux\"\n", nil, ErrBadAnswer},
		{"empty", "\n", nil, ErrBadAnswer},
		{"banner", "220 mail.example ESMTP\r\n", nil, ErrBadAnswer},
		{"another state", `{"state":"asleep"}` + "\n", nil, ErrBadAnswer},
		{"cut short", `{"state":"not`, nil, io.EOF},
		{"endless", `{"state":"` + strings.Repeat("x", maxAnswer), nil, ErrBadAnswer},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a, err := readAnswer(bufio.NewReaderSize(iotest.OneByteReader(strings.NewReader(tt.line)), maxAnswer))
			if !reflect.DeepEqual(a.Note, note.Note{}) || !errors.Is(err, tt.err) || !errors.Is(a.Err, tt.refusal) {
				t.Errorf("readAnswer(%.40q) = %+v, %v, want %v, %v", tt.line, a, err, tt.refusal, tt.err)
			}
		})
	}
}

// TestJSONIsThatOfTheNote: docs/json.md holds for the socket.
func TestJSONIsThatOfTheNote(t *testing.T) {
	want, err := json.Marshal(full)
	if err != nil {
		t.Fatal(err)
	}
	if got := appendAnswer(nil, formJSON, &full); string(got) != string(want)+"\n" {
		t.Errorf("%s, want %s", got, want)
	}
}

// FuzzReadAnswer: no line of a daemon makes a Client claim what it did not say.
func FuzzReadAnswer(f *testing.F) {
	f.Add(appendAnswer(nil, formJSON, &full))
	f.Add(appendAnswer(nil, formJSON, &notSeen))
	f.Add([]byte("error: \xff\n"))
	f.Fuzz(func(t *testing.T, line []byte) {
		a, err := readAnswer(bufio.NewReaderSize(bytes.NewReader(line), maxAnswer))
		if (err != nil || a.Err != nil) != (a.Note.State == note.Unavailable) {
			t.Fatalf("readAnswer(%q) = %+v, %v", line, a, err)
		}
		if err != nil || a.Err != nil {
			return
		}
		again, err := readAnswer(bufio.NewReaderSize(bytes.NewReader(appendAnswer(nil, formJSON, &a.Note)), maxAnswer))
		if err == nil && again.Note.State != a.Note.State {
			t.Fatalf("%q: %+v, and again %+v", line, a.Note, again.Note)
		}
	})
}
