package main

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	const first = `{"Setting":{"name":"default"},"Kernel":"6.12.1","Packets":"AAEC"}` + "\r\n"
	for _, tt := range []struct {
		name, out string
		records   int
		err       string
	}{
		{"all", first + `{"Done":true}`, 1, ""},
		{"nothing", "", 0, "stopped early"},
		{"no end", first, 1, "stopped early"},
		{"cut", first + first[:20], 1, "unexpected EOF"},
		{"no JSON", "Kernel panic", 0, "invalid character"},
		{"error", first + `{"Setting":{"name":"ecn"},"Error":"broken"}`, 1, "ecn: broken"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			records, err := parse([]byte(tt.out))
			if len(records) != tt.records || (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
				t.Errorf("parse(%q) = %d records, %v, want %d, %q", tt.out, len(records), err, tt.records, tt.err)
			}
			if len(records) > 0 && !bytes.Equal(records[0].Packets, []byte{0, 1, 2}) {
				t.Errorf("packets = %v, want 0 1 2", records[0].Packets)
			}
		})
	}
}

// TestCPIO reads the archive back by the rules of the format: each header is
// 110 bytes with the name behind it, and names and contents end on four bytes.
func TestCPIO(t *testing.T) {
	var b bytes.Buffer
	err := writeCPIO(&b, []entry{
		{name: "dev", mode: directory},
		{name: "init", mode: executable, data: []byte("\x7fELF!")},
		{name: "modules/00.ko", mode: regular, data: []byte("four")},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := strings.Join([]string{
		"070701" + "00000001" + "000041ed" + "00000000" + "00000000" + "00000001" + "00000000" + "00000000" +
			"00000000" + "00000000" + "00000000" + "00000000" + "00000004" + "00000000" + "dev\x00\x00\x00",
		"070701" + "00000002" + "000081ed" + "00000000" + "00000000" + "00000001" + "00000000" + "00000005" +
			"00000000" + "00000000" + "00000000" + "00000000" + "00000005" + "00000000" + "init\x00\x00" + "\x7fELF!\x00\x00\x00",
		"070701" + "00000003" + "000081a4" + "00000000" + "00000000" + "00000001" + "00000000" + "00000004" +
			"00000000" + "00000000" + "00000000" + "00000000" + "0000000e" + "00000000" + "modules/00.ko\x00" + "four",
		"070701" + "00000004" + "00000000" + "00000000" + "00000000" + "00000001" + "00000000" + "00000000" +
			"00000000" + "00000000" + "00000000" + "00000000" + "0000000b" + "00000000" + "TRAILER!!!\x00\x00\x00\x00",
	}, "")
	if got := b.String(); got != want {
		t.Errorf("writeCPIO gave\n%q, want\n%q", got, want)
	}
}

// A folder comes before what is in it, or Linux leaves that out.
func TestReadTree(t *testing.T) {
	root := t.TempDir()
	if err := os.MkdirAll(filepath.Join(root, "usr", "lib"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"usr/lib/libc.so": "code", "command": "run"} {
		if err := os.WriteFile(filepath.Join(root, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	entries, err := readTree(root)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		if (e.mode == directory) != (e.data == nil) {
			t.Errorf("%s has mode %o and %d bytes", e.name, e.mode, len(e.data))
		}
		got = append(got, e.name+"="+string(e.data))
	}
	if want := []string{"command=run", "usr=", "usr/lib=", "usr/lib/libc.so=code"}; !slices.Equal(got, want) {
		t.Errorf("readTree = %q, want %q", got, want)
	}
	if _, err := readTree(filepath.Join(root, "none")); err == nil {
		t.Error("a folder that is not there was read")
	}
}
