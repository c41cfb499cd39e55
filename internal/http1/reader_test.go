package http1

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
)

// read feeds the parts of a message, a segment each, and returns the result of
// the last Read with the fields read by then.
func read(r *Reader, parts ...string) (Result, *Message) {
	var data []byte
	result := More
	for _, p := range parts {
		data = append(data, p...)
		if result = r.Read(data); result != More {
			break
		}
	}
	m := new(Message)
	r.Message(data, m)
	return result, m
}

// show is a message in one line.
func show(m *Message) string {
	b := fmt.Sprintf("%d", m.Version)
	for _, f := range m.Fields {
		b += fmt.Sprintf(" %s", f.Name)
		if f.Value != nil {
			b += fmt.Sprintf("=%q", f.Value)
		}
	}
	return b
}

var resultNames = [...]string{"more", "done", "broken", "stuck"}

const (
	ask    = "GET / HTTP/1.1\r\n"
	answer = "HTTP/1.1 200 OK\r\n"
)

func TestRequest(t *testing.T) {
	long := func(n int) string { return "GET /" + strings.Repeat("x", n-5-9) + " HTTP/1.1" }
	for _, tt := range []struct {
		name   string
		parts  []string
		result Result
		want   string // when done
	}{
		{"a request", []string{ask + "Host: a\r\nAccept:\r\n\r\n"}, Done, `1 Host="a" Accept`},
		{"LF alone", []string{"HEAD / HTTP/1.0\nA:b\n\n"}, Done, `0 A="b"`},
		{"in parts", []string{"GET / HT", "TP/1.1\r\nHo", "st: a\r", "\n\r"}, Done, `1 Host="a"`},
		{"a CR ends the header", []string{ask + "A: b\n\rrest"}, Done, `1 A="b"`},
		{"no fields", []string{ask + "\n"}, Done, "1"},
		{"HTTP/1.2 counts as 1.0", []string{"GET / HTTP/1.2\n\n"}, Done, "0"},
		{"a tab, one blank of two", []string{ask + "A:\tb\nB:  c \n\n"}, Done, `1 A="b" B=" c "`},
		{"a value with a NUL", []string{ask + "A: b\x00c\nB: \x00\n\n"}, Done, `1 A="b" B=""`},
		{"one CR is taken off", []string{ask + "A: b\r\r\n\n"}, Done, `1 A="b\r"`},
		{"fourteen bytes", []string{"GET / HTTP/1.1"}, More, ""},
		{"no end", []string{ask + "Host: a\r\n"}, More, ""},
		{"POST", []string{"POST / HTTP/1.1\n"}, Broken, ""},
		{"lower case", []string{"get / HTTP/1.1\n"}, Broken, ""},
		{"an address", []string{"GET http://a/ HTTP/1.1\n"}, Broken, ""},
		{"line feed too early", []string{"GET /HTTP/1.0\n\n"}, Broken, ""},
		{"no protocol", []string{"GET /aaaaaaaaaaaaaaa\n"}, Broken, ""},
		{"control byte", []string{"GET /\x01 HTTP/1.1\n"}, Broken, ""},
		{"byte of eight bits", []string{"GET /\x80 HTTP/1.1\n"}, Broken, ""},
		{"DEL", []string{"GET /\x7f HTTP/1.1\n\n"}, Done, "1"},
		{"line of 1023 bytes", []string{long(1023) + "\n\n"}, Done, "1"},
		{"line of 1024 bytes", []string{long(1024) + "\n\n"}, Broken, ""},
		{"name of 32 bytes", []string{ask + strings.Repeat("n", 32) + ":\n\n"}, Done, "1 " + strings.Repeat("n", 32)},
		{"name of 33 bytes", []string{ask + strings.Repeat("n", 33) + ":\n\n"}, Broken, ""},
		{"no name", []string{ask + ": a\n\n"}, Broken, ""},
		{"blank before the colon", []string{ask + "A : a\n\n"}, Broken, ""},
		{"continuation line", []string{ask + "A: b\n c\n\n"}, Broken, ""},
		{"value of 1024 bytes", []string{ask + "A: " + strings.Repeat("v", 1024) + "\n\n"}, Done, `1 A="` + strings.Repeat("v", 1024) + `"`},
		{"value of 1025 bytes", []string{ask + "A: " + strings.Repeat("v", 1025) + "\n\n"}, Stuck, ""},
		{"value of 1024 bytes and CR", []string{ask + "A: " + strings.Repeat("v", 1024) + "\r\n\r\n"}, Stuck, ""},
		{"32 fields", []string{ask + strings.Repeat("A:\n", 32) + "\n"}, Done, "1" + strings.Repeat(" A", 32)},
		{"33 fields", []string{ask + strings.Repeat("A:\n", 33) + "\n"}, Broken, ""},
		{"8192 bytes and no end", []string{ask + strings.Repeat("A: "+strings.Repeat("v", 507)+"\r\n", 16)}, Broken, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			result, m := read(new(Reader), tt.parts...)
			if result != tt.result {
				t.Fatalf("Read = %s, want %s", resultNames[result], resultNames[tt.result])
			}
			if result == Done && show(m) != tt.want {
				t.Errorf("message %s, want %s", show(m), tt.want)
			}
		})
	}
}

// TestResponse: as p0f reads it (odd), and whole (p0f-v3.md §8.3).
func TestResponse(t *testing.T) {
	filled := func(n int) string { // a header of n bytes
		s := answer + "A: b\n"
		for len(s) < n {
			s += "F: " + strings.Repeat("f", min(900, n-len(s)-4)) + "\n"
		}
		return s
	}
	for _, tt := range []struct {
		name             string
		parts            []string
		result, ifWhole  Result
		want, whenWholly string
	}{
		{"in one segment", []string{answer + "Server: a\r\n\r\n"}, Done, Done, `1 Server="a"`, `1 Server="a"`},
		{"cut in the status line", []string{"HTTP/1.0 200", " OK\r\nServer: a\r\n\r\n"}, Done, Done, `0 Server="a"`, `0 Server="a"`},
		{"cut in a field", []string{answer + "A: a\nSer", "ver: a\nB: b\n\n"}, Done, Done, `1 A="a" B="b"`, `1 A="a" Server="a" B="b"`},
		{"cut between fields", []string{answer + "A: a\n", "Server: a\nB: b\n\n"}, Done, Done, `1 A="a" B="b"`, `1 A="a" Server="a" B="b"`},
		{"cut before the empty line", []string{answer + "A: a\n", "\n<p>"}, Broken, Done, "", `1 A="a"`},
		{"cut in the empty line", []string{answer + "A: a\n\r", "\n"}, Done, Done, `1 A="a"`, `1 A="a"`},
		{"cut in a field with eight bits", []string{answer + "A: ", "\x80\n\n"}, Broken, Done, "", `1 A="\x80"`},
		{"cut beyond 1024", []string{filled(1100), "Server: a\n\n"}, Done, Done,
			`1 A="b" F="` + strings.Repeat("f", 900) + `" F="` + strings.Repeat("f", 1100-22-904-4) + `" erver="a"`,
			`1 A="b" F="` + strings.Repeat("f", 900) + `" F="` + strings.Repeat("f", 1100-22-904-4) + `" Server="a"`},
		{"cut at 1024", []string{filled(1024), "Server: a\n\n"}, Broken, Done, "",
			`1 A="b" F="` + strings.Repeat("f", 900) + `" F="` + strings.Repeat("f", 1024-22-904-4) + `" Server="a"`},
		{"twelve bytes", []string{"HTTP/1.0 200"}, More, More, "", ""},
		{"line feed at 13", []string{"HTTP/1.0 200\r\n\n"}, Done, Done, "0", "0"},
		{"line feed at 12", []string{"HTTP/1.0 200\n\n"}, Broken, Broken, "", ""},
		{"another protocol", []string{"SSH-2.0-OpenSSH\r\n"}, Broken, Broken, "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, whole := range []bool{false, true} {
				wantResult, want := tt.result, tt.want
				if whole {
					wantResult, want = tt.ifWhole, tt.whenWholly
				}
				result, m := read(&Reader{Response: true, Whole: whole}, tt.parts...)
				if result != wantResult {
					t.Errorf("whole %v: Read = %s, want %s", whole, resultNames[result], resultNames[wantResult])
				} else if result == Done && show(m) != want {
					t.Errorf("whole %v: message %s, want %s", whole, show(m), want)
				}
			}
		})
	}
}

// TestNoticed: the fields that have a meaning, by direction; the last of two
// counts, an empty one does not.
func TestNoticed(t *testing.T) {
	const fields = "User-Agent: u\nUser-Agent: v\nUser-Agent:\nAccept-Language: de\nServer: s\nDate: d\nuser-agent: x\n\n"
	_, m := read(new(Reader), ask+fields)
	if string(m.Software) != "v" || string(m.Language) != "de" || m.Date != nil || m.Via {
		t.Errorf("request: software %q, language %q, date %q, via %v", m.Software, m.Language, m.Date, m.Via)
	}
	_, m = read(&Reader{Response: true}, answer+fields)
	if string(m.Software) != "s" || m.Language != nil || string(m.Date) != "d" || m.Via {
		t.Errorf("response: software %q, language %q, date %q, via %v", m.Software, m.Language, m.Date, m.Via)
	}
	for _, via := range []string{"Via: 1.1 x", "X-Forwarded-For: x"} {
		if _, m = read(new(Reader), ask+via+"\n\n"); !m.Via {
			t.Errorf("%s: no via", via)
		}
	}
	if _, m = read(new(Reader), ask+"Via:\n\n"); m.Via {
		t.Error("an empty Via counts")
	}
}

func TestAllocations(t *testing.T) {
	data := []byte(ask + "Host: a\r\nUser-Agent: b\r\nAccept-Language: de-AT\r\nDate: x\r\n\r\n")
	date := []byte("Sun, 06 Nov 1994 08:49:37 GMT")
	m := new(Message)
	n := testing.AllocsPerRun(100, func() {
		var r Reader
		if r.Read(data[:20]) != More || r.Read(data) != Done {
			t.Error("not read")
		}
		r.Message(data, m)
		LanguageOf(m.Language)
		Seconds(date)
	})
	if n != 0 {
		t.Errorf("a message makes %v allocations, want 0", n)
	}
}

func BenchmarkReader(b *testing.B) {
	data := []byte(ask + "Host: a.example\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:50.0) Gecko/20100101 Firefox/50.0\r\n" +
		"Accept: text/html,*/*;q=0.8\r\nAccept-Language: de,en;q=0.5\r\nAccept-Encoding: gzip, deflate\r\nConnection: close\r\n\r\n")
	m := new(Message)
	b.ReportAllocs()
	for b.Loop() {
		var r Reader
		r.Read(data)
		r.Message(data, m)
	}
}

// FuzzReader holds the ways of reading a message together: a message that is
// read whole is the same however it is cut, and p0f's way differs only where a
// response is cut.
func FuzzReader(f *testing.F) {
	f.Add([]byte(ask+"Host: a\r\nA: b\x00c\r\n\r\nrest"), false, uint16(20))
	f.Add([]byte(answer+"Server: a\nB:\t\n\n"), true, uint16(30))
	f.Add([]byte("GET /"+strings.Repeat("x", 1100)), false, uint16(1024))
	f.Add([]byte(ask+strings.Repeat("A: "+strings.Repeat("v", 600)+"\n", 20)), false, uint16(8192))
	f.Fuzz(func(t *testing.T, data []byte, response bool, cut uint16) {
		at := int(cut) % (len(data) + 1)
		once, cutWhole, cutOdd := Reader{Response: response}, Reader{Response: response, Whole: true}, Reader{Response: response}
		want := once.Read(data)
		got, odd := cutWhole.Read(data[:at]), cutOdd.Read(data[:at])
		if odd != got {
			t.Fatalf("first segment: %s, whole %s", resultNames[odd], resultNames[got])
		}
		if got == More && at < len(data) {
			got, odd = cutWhole.Read(data), cutOdd.Read(data)
		}
		if got != want {
			t.Fatalf("cut at %d: %s, not cut %s", at, resultNames[got], resultNames[want])
		}
		if !response && odd != want {
			t.Fatalf("a request, cut at %d: %s, want %s", at, resultNames[odd], resultNames[want])
		}
		var a, b Message
		once.Message(data, &a)
		cutWhole.Message(data, &b)
		if want == Done && show(&a) != show(&b) {
			t.Fatalf("cut at %d: %s, not cut %s", at, show(&b), show(&a))
		}
		cutOdd.Message(data, &b)
		for _, field := range b.Fields {
			if len(field.Name) == 0 || len(field.Name) > maxName || len(field.Value) > maxValue || bytes.IndexByte(field.Value, '\n') >= 0 {
				t.Fatalf("field %q: %q", field.Name, field.Value)
			}
		}
		LanguageOf(data)
		Seconds(data)
	})
}
