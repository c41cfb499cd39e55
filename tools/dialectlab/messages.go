package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// labHeaders are the headers of the messages that programs are given, as the
// users of such programs write them: three fields, with a date, with a
// Message-ID, all that a mail has, as cron does, and as Python's email package
// does. No program is to be known by them.
var labHeaders = []string{
	"From: <sender@example.org>\nTo: <rcpt@example.net>\nSubject: x\n",
	"From: <sender@example.org>\nTo: <rcpt@example.net>\nSubject: x\n" + labDate,
	"From: <sender@example.org>\nTo: <rcpt@example.net>\nSubject: x\n" + labDate + "Message-Id: <1@client.example.org>\n",
	labDate + "From: <sender@example.org>\nTo: <rcpt@example.net>\nSubject: x\nMessage-ID: <1@client.example.org>\n" + labText + labEncoding,
	"From: <sender@example.org>\nTo: <rcpt@example.net>\nSubject: x\n" + labText + labEncoding,
	"Content-Type: text/plain; charset=utf-8\nMIME-Version: 1.0\n" + labEncoding + "Subject: x\nFrom: <sender@example.org>\nTo: <rcpt@example.net>\n",
}

const (
	labDate     = "Date: Sun, 29 Nov 2026 10:00:00 +0000\n"
	labText     = "MIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\n"
	labEncoding = "Content-Transfer-Encoding: 8bit\n"
)

// messages writes what programs send, with each of the headers: msg0 and following,
// 8bit0 with bytes above 127, and large0.
func messages(dir string) error {
	texts := make(map[string]string)
	for i, header := range labHeaders {
		n := strconv.Itoa(i)
		texts["msg"+n] = header + "\nA line.\nAnother one, which is somewhat longer.\n"
		texts["8bit"+n] = header + "\nGr\xc3\xbc\xc3\x9fe.\n"
		texts["large"+n] = header + "\n" + strings.Repeat("A line of fifty-nine letters, and there are many of these.\n", 1700)
	}
	for name, text := range texts {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// given reports whether a message begins with a header that the lab wrote.
func given(message []byte) bool {
	text := bytes.ReplaceAll(message[:min(len(message), 1000)], []byte("\r"), nil)
	for _, header := range labHeaders {
		if bytes.HasPrefix(text, []byte(header)) {
			return true
		}
	}
	return false
}
