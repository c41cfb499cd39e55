package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"path/filepath"
	"slices"
)

// hellos writes each distinct hello of the captures in a directory in the form
// that hellolab reads, sorted, so that other programs can compute what this one
// does.
func hellos(dir string, w io.Writer) error {
	files, err := filepath.Glob(filepath.Join(dir, "*.pcap.gz"))
	if err != nil {
		return err
	}
	var all [][]byte
	for _, file := range files {
		frames, err := readPcap(file)
		if err != nil {
			return err
		}
		for _, h := range rawHellos(frames) {
			all = append(all, h)
		}
	}
	slices.SortFunc(all, bytes.Compare)
	all = slices.CompactFunc(all, bytes.Equal)
	for _, h := range all {
		line, err := json.Marshal(map[string]string{"library": "?", "release": "0", "program": helloID(h), "settings": "", "hello": hex.EncodeToString(h)})
		if err != nil {
			return err
		}
		fmt.Fprintf(w, "%s\n", line)
	}
	return nil
}

// helloID is by what a line of independent.tsv names a hello.
func helloID(hello []byte) string {
	sum := sha256.Sum256(hello)
	return hex.EncodeToString(sum[:8])
}

// rawHellos returns the records of the first hello of each connection, keyed
// "client>server".
func rawHellos(frames []*frame) map[string][]byte {
	type flow struct {
		first uint32
		text  []byte
	}
	flows := make(map[[2]netip.AddrPort]*flow)
	for _, f := range frames {
		key := [2]netip.AddrPort{f.src, f.dst}
		if f.flags&0x12 == 0x02 {
			flows[key] = &flow{first: f.seq + 1}
		}
		fl := flows[key]
		if fl == nil {
			continue
		}
		at := int(int32(f.seq - fl.first))
		if at < 0 || at > 1<<20 || len(f.payload) == 0 {
			continue
		}
		if end := at + len(f.payload); end > len(fl.text) {
			fl.text = append(fl.text, make([]byte, end-len(fl.text))...)
		}
		copy(fl.text[at:], f.payload)
	}
	out := make(map[string][]byte)
	for key, fl := range flows {
		text := fl.text
		if len(text) > 0 && text[0] != 22 { // scanners speak TLS at port 25, too
			i := bytes.Index(bytes.ToUpper(text[:min(len(text), 4096)]), []byte("STARTTLS\r\n"))
			if i < 0 {
				continue
			}
			text = text[i+len("STARTTLS\r\n"):]
		}
		if h := firstHello(text); h != nil {
			out[key[0].String()+">"+key[1].String()] = h
		}
	}
	return out
}

// firstHello returns the records that carry the first handshake message, or nil.
func firstHello(text []byte) []byte {
	message, at := 0, 0
	for at+9 <= len(text) && text[at] == 22 && text[at+1] == 3 {
		n := int(binary.BigEndian.Uint16(text[at+3:]))
		if at == 0 {
			if text[5] != 1 {
				return nil
			}
			message = 4 + int(text[6])<<16 + int(text[7])<<8 + int(text[8])
		}
		at += 5 + n
		if message -= n; message <= 0 && at <= len(text) {
			return text[:at]
		}
	}
	return nil
}
