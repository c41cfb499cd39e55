package main

import (
	"bufio"
	"encoding/json"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/mxprint/mxprint/p0f"
)

// hostile is what a terminal would obey: a title, a colour, a line of its own, a
// C1 control character.
const hostile = "\x1b]0;owned\x07\x1b[31mred\u009b2J"

// wantClean fails where an output holds what a terminal obeys.
func wantClean(t *testing.T, what, text string) {
	t.Helper()
	if text == "" {
		t.Errorf("%s printed nothing", what)
	}
	for _, r := range text {
		if r < ' ' && r != '\n' && r != '\t' || r >= 0x7f && r < 0xa0 || r == utf8.RuneError {
			t.Errorf("%s printed %q", what, text)
			return
		}
	}
}

// hostileSensor answers every query, and every command, with escape sequences.
func hostileSensor(t *testing.T) (p0fSocket, querySocket, verdictSocket string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "mxt")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	listen := func(name string, answer func(net.Conn)) string {
		ln, err := net.Listen("unix", filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { ln.Close() })
		go func() {
			for nc, err := ln.Accept(); err == nil; nc, err = ln.Accept() {
				go answer(nc)
			}
		}()
		return ln.Addr().String()
	}
	p0fSocket = listen("p", func(nc net.Conn) {
		defer nc.Close()
		if _, err := io.ReadFull(nc, make([]byte, p0f.QuerySize)); err != nil {
			return
		}
		r := make([]byte, p0f.ResponseSize)
		copy(r, []byte{2, 0x30, 0x46, 0x50, 0x10})
		for _, at := range []int{40, 72, 104, 136, 168, 200} { // the strings of the answer
			copy(r[at:at+31], hostile)
		}
		nc.Write(r)
	})
	querySocket = listen("q", func(nc net.Conn) {
		defer nc.Close()
		line, err := bufio.NewReader(nc).ReadString('\n')
		if err != nil {
			return
		}
		if strings.HasPrefix(line, "{") || strings.Contains(line, "192.0.2.1") {
			quoted, _ := json.Marshal(hostile)
			io.WriteString(nc, `{"state":"matched","os":{"name":`+string(quoted)+`,"flavor":`+string(quoted)+`},"link_type":`+string(quoted)+"}\n")
			return
		}
		io.WriteString(nc, hostile+"\n\ndone "+hostile+"\n")
	})
	verdictSocket = listen("v", func(nc net.Conn) {
		defer nc.Close()
		for in := bufio.NewReader(nc); ; {
			if _, err := in.ReadString('\n'); err != nil {
				return
			}
			quoted, _ := json.Marshal(hostile)
			io.WriteString(nc, `{"error":`+string(quoted)+"}\n")
		}
	})
	return p0fSocket, querySocket, verdictSocket
}

// TestFinding21Terminal: what a signature file, a capture or a sensor says
// reaches no terminal as it is.
func TestFinding21Terminal(t *testing.T) {
	fp := write(t, "hostile.fp", "classes = unix\n[tcp:request]\nlabel = s:unix:Evil"+hostile+":"+hostile+"\nsig = *:64:0:*:*,*:mss,sok,ts,nop,ws:df,id+:0\n")
	capture := filepath.Join("..", "..", "testdata", "lab", "6.18-default.pcap")
	if _, err := os.Stat(capture); err != nil {
		t.Fatal(err)
	}
	oneSocket, querySocket, verdictSocket := hostileSensor(t)
	log := write(t, "mail.log", "Jan  2 03:00:00 mx postfix/smtpd[1]: NOQUEUE: reject: RCPT from x[192.0.2.1]: 554 5.7.1 blocked using x\n")
	strange := write(t, "x"+hostile+".fp", "nonsense "+hostile+"\n")
	for _, args := range [][]string{
		{"read", "-f", fp, capture}, {"explain", "-f", fp, capture}, {"summary", "-f", fp, capture},
		{"signatures", "list", fp}, {"signatures", "test", "-f", fp, capture}, {"signatures", "check", strange},
		{"signatures", "unknown", "-f", fp, capture},
		{"query", "-s", oneSocket, "192.0.2.1"}, {"query", "-s", oneSocket, "-p0f", "192.0.2.1"},
		{"query", "-s", querySocket, "192.0.2.1:1234"},
		{"reload", "-s", querySocket}, {"signatures", "unknown", "-s", querySocket}, {"status", "-s", querySocket},
		{"check", strange}, {"read", strange},
		{"verdicts", "-s", verdictSocket, "-log", log}, {"forget", "-s", verdictSocket, "192.0.2.1"},
		{"history", "-store", strange, "192.0.2.1"}, {"report", "-store", strange}, {"watch", "-s", "http://127.0.0.1:1", "state=" + hostile},
	} {
		_, out, errs := typed(t, args...)
		wantClean(t, strings.Join(args[:2], " "), out+errs)
	}
}
